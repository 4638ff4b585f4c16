//! A selection as Slice, Pad and Gather; tensors that make up a larger one as Concat and Gather.

use super::export::{Exporter, dtype};
use crate::diag::Result;
use crate::graph::int::{Concat, Select};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{Attribute, DType};

impl Exporter<'_> {
    pub(crate) fn select(&mut self, id: NodeId, select: &Select, x: Port, y: &str) -> Result<()> {
        let name = self.graph.node(id).name.as_str();
        let (xf, yf) = (self.fact(x).clone(), self.fact(id.into()).clone());
        let ints = |v: &[i64]| v.to_vec();
        // Rows and columns: what lies inside, and how much padding is before and after it.
        let (mut starts, mut ends, mut pads) = (vec![], vec![], [0i64; 8]);
        let walk = select.walk(yf.shape);
        for d in 0..2 {
            let at = |i: usize| i64::try_from(select.steps[d] * i).unwrap_or(i64::MAX) + select.origin[d];
            let size = i64::try_from(xf.shape[d + 1]).unwrap_or(i64::MAX);
            let inside: Vec<usize> = (0..walk[d]).filter(|&i| (0..size).contains(&at(i))).collect();
            let (Some(&first), Some(&last)) = (inside.first(), inside.last()) else {
                return Err(self.fault(id, "it selects nothing"));
            };
            starts.push(at(first));
            ends.push(at(last) + 1);
            pads[d + 2] = i64::try_from(first).unwrap_or(i64::MAX);
            pads[d + 6] = i64::try_from(walk[d] - 1 - last).unwrap_or(i64::MAX);
        }
        // One more channel, of the fill alone, for those that have no source.
        let filled = select.channels.contains(&None);
        pads[5] = i64::from(filled);
        let steps: Vec<i64> = select.steps.iter().map(|&s| i64::try_from(s).unwrap_or(i64::MAX)).collect();
        let named = |what: &str| format!("{name}_{what}");
        let slice = [("starts", starts), ("ends", ends), ("axes", vec![2, 3]), ("steps", steps)]
            .map(|(what, v)| self.b.ints(&named(what), DType::I64, &[2], v));
        let (sliced, padded) = (self.b.fresh(&named("sliced")), self.b.fresh(&named("padded")));
        let from = self.operand(x);
        let [a, b, c, d] = &slice;
        self.b.node(name, ("", "Slice"), &[&from, a, b, c, d], &sliced, vec![]);
        let amounts = self.b.ints(&named("pads"), DType::I64, &[8], ints(&pads));
        let value = i64::from(select.fill + xf.source_offset);
        let value = self.b.ints(&named("fill"), dtype(&xf), &[], vec![value]);
        self.b.node(name, ("", "Pad"), &[&sliced, &amounts, &value], &padded, vec![]);
        let channels: Vec<i64> = select
            .channels
            .iter()
            .map(|c| i64::try_from(c.unwrap_or(xf.shape[0])).unwrap_or(i64::MAX))
            .collect();
        let channels = self.b.ints(&named("channels"), DType::I64, &[yf.shape[0]], channels);
        let axis = vec![("axis", Attribute::Int(1))];
        if select.exchanged {
            let gathered = self.b.fresh(&named("gathered"));
            self.b.node(name, ("", "Gather"), &[&padded, &channels], &gathered, axis);
            let perm = vec![("perm", Attribute::Ints(vec![0, 1, 3, 2]))];
            self.b.node(name, ("", "Transpose"), &[&gathered], y, perm);
        } else {
            self.b.node(name, ("", "Gather"), &[&padded, &channels], y, axis);
        }
        Ok(())
    }

    pub(crate) fn concat(&mut self, name: &str, concat: Concat, inputs: &[Port], shape: [usize; 3], y: &str) {
        let operands: Vec<String> = inputs.iter().map(|p| self.operand(*p)).collect();
        let axis = match concat {
            Concat::Channels => 1,
            Concat::Rows => 2,
            Concat::Columns => 3,
            Concat::Interleave([rows, columns]) => {
                let of_rows: Vec<String> = operands
                    .chunks(columns)
                    .enumerate()
                    .map(|(i, row)| self.interleave(&format!("{name}_row{i}"), row, 3, shape[2], None))
                    .collect();
                debug_assert_eq!(of_rows.len(), rows);
                self.interleave(name, &of_rows, 2, shape[1], Some(y));
                return;
            }
        };
        self.joined(name, &operands, axis, y);
    }

    fn joined(&mut self, name: &str, operands: &[String], axis: i64, y: &str) {
        let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
        self.b.node(name, ("", "Concat"), &operands, y, vec![("axis", Attribute::Int(axis))]);
    }

    /// Operand i's elements become i, i + n, i + 2n ... of `size` along an axis.
    fn interleave(
        &mut self,
        name: &str,
        operands: &[String],
        axis: i64,
        size: usize,
        y: Option<&str>,
    ) -> String {
        let joined = self.b.fresh(&format!("{name}_joined"));
        self.joined(&format!("{name}_join"), operands, axis, &joined);
        let n = operands.len();
        // How many elements the operands before operand i have.
        let before = |i: usize| (0..i).map(|i| (size - i).div_ceil(n)).sum::<usize>();
        let order = (0..size).map(|at| i64::try_from(before(at % n) + at / n).unwrap_or(i64::MAX)).collect();
        let order = self.b.ints(&format!("{name}_order"), DType::I64, &[size], order);
        let y = y.map_or_else(|| self.b.fresh(&format!("{name}_interleaved")), str::to_owned);
        self.b.node(name, ("", "Gather"), &[&joined, &order], &y, vec![("axis", Attribute::Int(axis))]);
        y
    }
}
