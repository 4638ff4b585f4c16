//! Slice, Pad and Concat of integer tensors.
//!
//! An ONNX axis walks along the channels, the rows or the columns of the canonical tensor; what is chosen along it is
//! chosen there. So a Slice between two Transposes needs no Transpose.

use super::layout::{self, Placed};
use super::{Lower, Lowered, fact};
use crate::arith;
use crate::diag::code;
use crate::graph::int::{Concat, IntOp, QFact, Select, Table, TableSource};
use crate::graph::{NodeId, Port};
use crate::ops::pad::Fill;
use crate::ops::quantized::Quantized;
use crate::ops::space::{Direction, Space};
use crate::passes::names::at;

/// Interleaved parts along an axis: each is a pass over the array.
const MOST_PHASES: usize = 16;

/// Patterns along an axis, one after the other.
const MOST_RUNS: usize = 6;

/// Which canonical axis (0 channels, 1 rows, 2 columns) each ONNX axis walks along; `None` for axes of one element that
/// stand for none. No result where an axis walks along several.
fn axes(placed: &Placed, shape: &[usize], canonical: [usize; 3]) -> Option<Vec<Option<usize>>> {
    let [_, h, w] = canonical;
    let strides = [h * w, w, 1];
    let mut onnx: Vec<usize> = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        onnx[i - 1] = onnx[i] * shape[i];
    }
    let mut found: Vec<Option<usize>> = vec![None; shape.len()];
    for (i, size) in shape.iter().enumerate().filter(|(_, size)| **size > 1) {
        let stride = placed.at(onnx[i]);
        let along = (0..3).find(|&d| strides[d] == stride && canonical[d] == *size)?;
        found[i] = Some(along);
    }
    // One element each: any assignment will do; the batch axis comes last.
    let mut free = (0..3).filter(|&d| canonical[d] == 1);
    for i in (1..shape.len()).filter(|&i| shape[i] == 1) {
        found[i] = free.next();
    }
    let n: usize = shape.iter().product();
    let consistent = (0..n).all(|j| {
        let place = |i: usize| found[i].map_or(0, |d| j / onnx[i] % shape[i] * strides[d]);
        placed.at(j) == (0..shape.len()).map(place).sum::<usize>()
    });
    consistent.then_some(found)
}

/// First place and step of a list that rises evenly, padding before and behind it; `size` is the operand's.
fn progression(list: &[Option<usize>], size: usize) -> Option<(i64, usize)> {
    let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let first = list.iter().position(Option::is_some)?;
    let step = match (list[first], list.get(first + 1)) {
        (Some(a), Some(Some(b))) => b.checked_sub(a).filter(|s| *s > 0)?,
        _ => 1,
    };
    let origin = int(list[first]?) - int(step * first);
    let even = |(origin, step): (i64, usize)| {
        let at = |i: usize| usize::try_from(origin + int(step * i)).ok().filter(|p| *p < size);
        list.iter().enumerate().all(|(i, v)| *v == at(i))
    };
    // A single element amid padding: a step that leaves the operand.
    [(origin, step), (int(list[first]?) - int(size * first), size)].into_iter().find(|p| even(*p))
}

/// Indices that rise evenly.
#[derive(Clone, Copy, Debug)]
struct Phase {
    origin: i64,
    step: usize,
    count: usize,
}

/// The fewest interleaved even progressions that make up a list: every n-th element from the first, from the second ...
fn phases(list: &[Option<usize>], size: usize) -> Option<Vec<Phase>> {
    (1..=list.len().min(MOST_PHASES)).find_map(|n| {
        let phase = |i: usize| {
            let every: Vec<Option<usize>> = list.iter().skip(i).step_by(n).copied().collect();
            progression(&every, size).map(|(origin, step)| Phase { origin, step, count: every.len() })
        };
        (0..n).map(phase).collect()
    })
}

/// A list as the fewest such patterns one after the other, each as long as can be; `None` if it takes too many.
fn runs(list: &[Option<usize>], size: usize) -> Option<Vec<Vec<Phase>>> {
    let (mut found, mut rest) = (Vec::new(), list);
    while !rest.is_empty() {
        let longest = (1..=rest.len()).rev().find_map(|n| Some((n, phases(&rest[..n], size)?)));
        let (n, run) = longest.filter(|_| found.len() < MOST_RUNS)?;
        found.push(run);
        rest = &rest[n..];
    }
    Some(found)
}

/// Indices, `-` for padding.
fn listed(list: &[Option<usize>]) -> String {
    let words: Vec<String> =
        list.iter().map(|i| i.map_or_else(|| "-".to_owned(), |i| i.to_string())).collect();
    words.join(" ")
}

/// Row-major places of `shape`, when ONNX axes walk along canonical ones.
fn position(axes: &[Option<usize>], shape: &[usize], canonical: [usize; 3]) -> Option<Vec<u32>> {
    let [_, h, w] = canonical;
    let strides = [h * w, w, 1];
    let n: usize = shape.iter().product();
    let places = (0..n).map(|j| {
        let (mut rest, mut place) = (j, 0);
        for (i, size) in shape.iter().enumerate().rev() {
            place += axes[i].map_or(0, |d| rest % size * strides[d]);
            rest /= size;
        }
        // Element counts are limited to u32 at import.
        u32::try_from(place).unwrap_or(u32::MAX)
    });
    layout::simple(places.collect())
}

impl Lower<'_> {
    /// `sources`: for each ONNX axis the operand's index of each of the result's.
    pub(super) fn select(
        &mut self,
        id: NodeId,
        sources: Vec<Vec<Option<usize>>>,
        fill: Option<Fill>,
    ) -> Lowered<()> {
        let x = self.graph.inputs(id)[0];
        let (mut placed, mut xf) = self.operand(id, x, None)?;
        let graph = self.graph;
        let shape = &graph.value(x).fact.shape;
        let axes = match axes(&placed, shape, xf.shape) {
            Some(axes) => axes,
            None => {
                (placed, xf) = self.in_order(id, x)?;
                axes(&placed, shape, xf.shape).ok_or_else(|| self.layout(id, x))?
            }
        };
        let mut lists: [Vec<Option<usize>>; 3] = xf.shape.map(|n| (0..n).map(Some).collect());
        for ((list, along), size) in sources.into_iter().zip(&axes).zip(shape) {
            match along {
                Some(d) => lists[*d] = list,
                None if list.iter().copied().eq((0..*size).map(Some)) => {}
                None => return Err(self.layout(id, x)),
            }
        }
        if lists.iter().any(Vec::is_empty) {
            let shape = &self.graph.value(id.into()).fact.shape;
            let cause = format!("its shape is {shape:?}");
            return Err(at(self.graph, id, code::INPUT_UNSUPPORTED, "the result has no elements", cause));
        }
        let [channels, rows, columns] = lists;
        let y = [channels.len(), rows.len(), columns.len()];
        let (Some(rows), Some(columns)) = (runs(&rows, xf.shape[1]), runs(&columns, xf.shape[2])) else {
            return Err(at(
                self.graph,
                id,
                code::LAYOUT_UNSUPPORTED,
                "rows or columns are not taken in rising steps, nor in a few patterns that repeat",
                format!("rows {}, columns {}", listed(&rows), listed(&columns)),
            ));
        };
        let fill = match fill {
            // Of the operand's own type, so it fits.
            Some(Fill::Integer(v)) => i32::try_from(v).unwrap_or(0) - xf.source_offset,
            Some(Fill::Real(_)) | None => xf.zero_point,
        };
        let position = position(&axes, &self.graph.value(id.into()).fact.shape, y);
        let fact = QFact { shape: y, ..xf };
        let count = |run: &[Phase]| run.iter().map(|p| p.count).sum::<usize>();
        let part = |row: &[Phase], column: &[Phase]| {
            let each = row.iter().flat_map(|r| column.iter().map(move |c| (*r, *c)));
            let select = each.map(|(row, column)| {
                let (origin, steps) = ([row.origin, column.origin], [row.step, column.step]);
                let shape = [channels.len(), row.count, column.count];
                (
                    IntOp::Select(Select {
                        channels: channels.clone(),
                        origin,
                        steps,
                        fill,
                        exchanged: false,
                    }),
                    shape,
                )
            });
            (select.collect::<Vec<_>>(), [row.len(), column.len()])
        };
        if let ([row], [column]) = (&rows[..], &columns[..]) {
            let (parts, every) = part(row, column);
            self.interleave(id, parts, every, placed.port, &fact, position);
            return Ok(());
        }
        let name = self.graph.node(id).name.clone();
        let mut of_rows = Vec::with_capacity(rows.len());
        for (i, row) in rows.iter().enumerate() {
            let mut of_columns = Vec::with_capacity(columns.len());
            for (j, column) in columns.iter().enumerate() {
                let (parts, every) = part(row, column);
                let shape = [channels.len(), count(row), count(column)];
                let fact = QFact { shape, ..fact.clone() };
                let name = format!("{name}_run{i}_{j}");
                of_columns.push(self.interleaved(&name, parts, every, placed.port, &fact));
            }
            let shape = [channels.len(), count(row), fact.shape[2]];
            let name = format!("{name}_run{i}");
            let op = IntOp::Concat(Concat::Columns);
            of_rows.push(self.add(&name, &name, op, &of_columns, QFact { shape, ..fact.clone() }));
        }
        self.place(id, IntOp::Concat(Concat::Rows), &of_rows, fact, position);
        Ok(())
    }

    /// Selections of one tensor, each every so many rows and columns of the result, as a tensor of this name.
    fn interleaved(
        &mut self,
        name: &str,
        mut parts: Vec<(IntOp, [usize; 3])>,
        every: [usize; 2],
        x: Port,
        fact: &QFact,
    ) -> Port {
        if every == [1, 1]
            && let Some((op, _)) = parts.pop()
        {
            return self.add(name, name, op, &[x], fact.clone());
        }
        let ports = self.selections(name, parts, x, fact);
        self.add(name, name, IntOp::Concat(Concat::Interleave(every)), &ports, fact.clone())
    }

    /// Each selection as a tensor.
    fn selections(
        &mut self,
        name: &str,
        parts: Vec<(IntOp, [usize; 3])>,
        x: Port,
        fact: &QFact,
    ) -> Vec<Port> {
        let add = |(i, (op, shape)): (usize, (IntOp, [usize; 3]))| {
            let name = format!("{name}_part{i}");
            self.add(&name, &name, op, &[x], QFact { shape, ..fact.clone() })
        };
        parts.into_iter().enumerate().map(add).collect()
    }

    /// Blocks of pixels as channels, or the other way round.
    pub(super) fn space(&mut self, id: NodeId, space: &Space) -> Lowered<()> {
        let x = self.graph.inputs(id)[0];
        let (mut placed, mut xf) = self.operand(id, x, None)?;
        let graph = self.graph;
        let shape = &graph.value(x).fact.shape;
        // Channels, rows and columns have to be ONNX's own: places of a block are told apart by their order.
        let own = |placed: &Placed, f: &QFact| axes(placed, shape, f.shape).filter(|_| shape[1..] == f.shape);
        let mut natural = own(&placed, &xf);
        if natural.is_none() {
            (placed, xf) = self.in_order(id, x)?;
            natural = own(&placed, &xf);
        }
        let y_shape = &self.graph.value(id.into()).fact.shape;
        let (Some(axes), &[_, c, h, w]) = (natural, &y_shape[..]) else { return Err(self.layout(id, x)) };
        let (b, y) = (space.block, [c, h, w]);
        let fill = xf.zero_point;
        let places = (0..b * b).map(|n| [n / b, n % b]);
        let position = position(&axes, y_shape, y);
        let fact = QFact { shape: y, ..xf.clone() };
        let select = |channels: Vec<usize>, origin: [usize; 2], steps| {
            let origin = origin.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
            let channels = channels.into_iter().map(Some).collect();
            IntOp::Select(Select { channels, origin, steps, fill, exchanged: false })
        };
        if space.direction != Direction::ToDepth {
            let part = |place: [usize; 2]| {
                let channels = (0..c).map(|to| space.channel(to, place, c)).collect();
                (select(channels, [0, 0], [1, 1]), [c, xf.shape[1], xf.shape[2]])
            };
            self.interleave(id, places.map(part).collect(), [b, b], placed.port, &fact, position);
            return Ok(());
        }
        let name = self.graph.node(id).name.clone();
        let parts = places.enumerate().map(|(i, place)| {
            let op = select((0..xf.shape[0]).collect(), place, [b, b]);
            let name = format!("{name}_part{i}");
            self.add(&name, &name, op, &[placed.port], QFact { shape: [xf.shape[0], h, w], ..xf.clone() })
        });
        let ports: Vec<Port> = parts.collect();
        self.place(id, IntOp::Concat(Concat::Channels), &ports, fact, position);
        Ok(())
    }

    /// The same as a node's result.
    fn interleave(
        &mut self,
        id: NodeId,
        mut parts: Vec<(IntOp, [usize; 3])>,
        every: [usize; 2],
        x: Port,
        fact: &QFact,
        position: Option<Vec<u32>>,
    ) {
        if every == [1, 1]
            && let Some((op, _)) = parts.pop()
        {
            self.place(id, op, &[x], fact.clone(), position);
            return;
        }
        let name = self.graph.node(id).name.clone();
        let ports = self.selections(&name, parts, x, fact);
        self.place(id, IntOp::Concat(Concat::Interleave(every)), &ports, fact.clone(), position);
    }

    /// `q` if each operand has parameters of its own.
    pub(super) fn concat(&mut self, id: NodeId, along: usize, q: Option<&Quantized>) -> Lowered<()> {
        let inputs = self.graph.inputs(id);
        let mut operands = Vec::with_capacity(inputs.len());
        for (i, &x) in inputs.iter().enumerate() {
            operands.push(self.operand(id, x, q.and_then(|q| q.inputs.get(i)))?);
        }
        let walked: Vec<Option<Vec<Option<usize>>>> = inputs
            .iter()
            .zip(&operands)
            .map(|(x, (placed, f))| axes(placed, &self.graph.value(*x).fact.shape, f.shape))
            .collect();
        // Axes of one element may stand for any; the widest operand says.
        let first = walked.first().cloned().flatten();
        let axes = walked.iter().flatten().find(|a| a[along] == Some(0)).cloned().or(first);
        let alike = axes.is_some() && walked.iter().all(|a| *a == axes);
        let axes = match axes.filter(|_| alike) {
            Some(axes) => axes,
            None => {
                for (x, operand) in inputs.iter().zip(&mut operands) {
                    *operand = self.in_order(id, *x)?;
                }
                let rank = self.graph.value(id.into()).fact.shape.len();
                if rank == 3 { vec![None, Some(0), Some(2)] } else { vec![None, Some(0), Some(1), Some(2)] }
            }
        };
        let concat = match axes[along] {
            Some(1) => Concat::Rows,
            Some(2) => Concat::Columns,
            Some(_) => Concat::Channels,
            None => return Err(self.layout(id, inputs[0])),
        };
        let yf = match q {
            Some(q) => fact(self.graph, id, &q.output, operands[0].1.shape)?,
            None => operands[0].1.clone(),
        };
        let shapes: Vec<[usize; 3]> = operands.iter().map(|(_, f)| f.shape).collect();
        let Some((_, shape)) = concat.parts(&shapes) else { return Err(self.layout(id, inputs[0])) };
        let mut ports: Vec<Port> = Vec::with_capacity(operands.len());
        for (i, (placed, xf)) in operands.into_iter().enumerate() {
            let alike = QFact { shape: yf.shape, ..xf.clone() } == yf;
            if alike {
                ports.push(placed.port);
                continue;
            }
            if q.is_none() {
                return Err(at(
                    self.graph,
                    id,
                    code::SCALE_INVALID,
                    "integers of different scales are joined",
                    format!("operand {i} has scale {}, operand 0 {}", xf.scale, yf.scale),
                ));
            }
            let to = QFact { shape: xf.shape, ..yf.clone() };
            let source = TableSource::Requantize;
            let table = arith::unary_table(&source, &xf, &to)
                .ok_or_else(|| super::refuse::no_table(self.graph, id, &source, &xf, &to))?;
            let name = format!("{}_operand{i}", self.graph.node(id).name);
            let op = IntOp::Table(Table { table, source });
            ports.push(self.add(&name, &name, op, &[placed.port], to));
        }
        let position = position(&axes, &self.graph.value(id.into()).fact.shape, shape);
        self.place(id, IntOp::Concat(concat), &ports, QFact { shape, ..yf }, position);
        Ok(())
    }
}
