//! Runs an integer graph plainly: the bit-exact reference.
//!
//! In: an [`IntGraph`] and arrays in the model's own types and layouts, samples stacked on the first axis. Out:
//! the model's outputs, and on demand every node's accumulators and result. Guarantees: every byte is what the
//! specifications in `arith` say, whatever the CPU; samples run in parallel and in order.

mod conv;
pub mod data;
pub mod files;
pub mod head;
mod host;
mod kernel;
pub mod npy;
mod pool;
mod prepare;
mod product;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::arith::{self, AverageForm, AverageSpec, Lanes};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::int::{ConvForm, HostType, IntGraph, IntOp, Part, QFact};
use crate::graph::{NodeId, Port};
use crate::quant::{LayerQuant, Quantized, StepFunction};
use conv::{PackedConv, Scratch};
pub use data::Data;
pub use files::{InputFile, RunFiles, RunReport, run_files};
use host::{Reader, Sample, Writer};
pub use kernel::Kernel;
use pool::Pool;
use product::Product;
use select::Selection;

/// A model input or output as the executor sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// ONNX name.
    pub name: String,
    /// ONNX type.
    pub dtype: HostType,
    /// ONNX shape of one sample, batch axis included.
    pub shape: Vec<usize>,
}

/// What one node computed for one sample, in channel, row, column order.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The ONNX name of its result.
    pub tensor: String,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// For a convolution sum (x - zx) * w + bias, for an average the centred sum; pads contribute 0.
    pub accumulator: Option<Vec<i32>>,
    /// Canonical result: requantized and clamped. A fused pair of nodes has one stage for each.
    pub output: Vec<i8>,
}

/// One sample, traced.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Every node that computes a tensor, inputs included, in the order of execution.
    pub stages: Vec<Stage>,
    /// The model's outputs for this sample.
    pub outputs: Vec<Data>,
}

/// A graph prepared for execution.
#[derive(Debug)]
pub struct Executor {
    kernel: Kernel,
    lanes: Lanes,
    rescales: BTreeMap<NodeId, LayerQuant>,
    steps: Vec<Step>,
    readers: Vec<Reader>,
    writers: Vec<(Writer, usize)>,
}

#[derive(Debug)]
struct Step {
    node: NodeId,
    name: String,
    tensor: String,
    shape: [usize; 3],
    /// Steps that compute the operands.
    inputs: Vec<usize>,
    op: Prepared,
}

#[derive(Debug)]
enum Prepared {
    Input(usize),
    /// Its bytes by channel, where they are no function of the accumulator by `PackedConv`'s formula.
    Conv(Box<PackedConv>, Vec<[i8; 256]>),
    /// With each channel's function of the accumulator.
    Accumulated(Box<PackedConv>, Vec<StepFunction>),
    /// So many bytes of the accumulator.
    Wide(Box<PackedConv>, usize),
    Add(Box<[i8]>),
    Product(Box<Product>),
    Table(Box<[i8; 256]>),
    Max(Pool, i8),
    Average {
        pool: Pool,
        spec: AverageSpec,
        offset: i32,
        count_include_pad: bool,
    },
    Select(Selection),
    /// Shape and place of each operand.
    Concat(Vec<([usize; 3], Part)>),
}

/// One worker's buffers: the result of every step.
#[derive(Debug, Default)]
struct Workspace {
    values: Vec<Vec<i8>>,
    scratch: Scratch,
}

impl Executor {
    /// Prepares a graph with the fastest kernels that this CPU has.
    pub fn new(graph: &IntGraph) -> Result<Executor> {
        Executor::with_kernel(graph, Kernel::detect())
    }

    /// Prepares a graph with the given kernels.
    pub fn with_kernel(graph: &IntGraph, kernel: Kernel) -> Result<Executor> {
        let order = graph.topo().ok_or_else(|| {
            Diagnostic::new(code::INTERNAL, "the integer graph has a cycle", "found by the executor")
        })?;
        let mut steps: Vec<Step> = Vec::new();
        let mut at: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut readers = Vec::new();
        let mut writers = BTreeMap::new();
        for id in order {
            let node = graph.node(id);
            let place = format!("node {:?}", node.name);
            let fault = |cause: &str| {
                Diagnostics::from(
                    Diagnostic::new(code::INTERNAL, "the integer graph is not well formed", cause)
                        .at(place.clone()),
                )
            };
            let ports = graph.inputs(id);
            let operands: usize = match node.op {
                IntOp::Input(_) => 0,
                IntOp::Add(_) | IntOp::Product(_) => 2,
                IntOp::Conv(_)
                | IntOp::Table(_)
                | IntOp::MaxPool(_)
                | IntOp::AveragePool(_)
                | IntOp::Select(_)
                | IntOp::Output(_) => 1,
                IntOp::Concat(_) => ports.len().max(1),
            };
            if ports.len() != operands || ports.iter().any(|p| p.out != 0) {
                return Err(fault("wrong operands"));
            }
            let inputs: Vec<usize> = ports.iter().map(|p| at[&p.node]).collect();
            let facts: Vec<&QFact> = ports.iter().map(|p| &graph.value(*p).fact).collect();
            if let IntOp::Output(output) = &node.op {
                writers.insert(id, (Writer::new(output, &node.name, facts[0], &place)?, inputs[0]));
                continue;
            }
            let [value] = &node.outputs[..] else { return Err(fault("it must have one result")) };
            let fact = &value.fact;
            if !(1..=8).contains(&fact.bits) {
                return Err(fault("a bit width is not 1 to 8"));
            }
            let same_shape = || {
                if facts.iter().all(|f| f.shape == fact.shape) {
                    Ok(())
                } else {
                    Err(fault("shapes disagree"))
                }
            };
            let op = match &node.op {
                IntOp::Input(input) => {
                    readers.push(Reader::new(input, &node.name, fact, &place)?);
                    Prepared::Input(readers.len() - 1)
                }
                IntOp::Conv(conv) => 'conv: {
                    let packed = || PackedConv::new(conv, facts[0], fact, &place).map(Box::new);
                    match &conv.form {
                        ConvForm::Epilogue(e) => {
                            let steps = StepFunction::of(conv, e, facts[0]);
                            let steps = steps.ok_or_else(|| {
                                let cause = "it falls, or lies where a library function's last bit decides";
                                let problem = "a layer's function of its accumulator has no integer form";
                                Diagnostic::new(code::RESCALE_INFEASIBLE, problem, cause).at(place.clone())
                            })?;
                            break 'conv Prepared::Accumulated(packed()?, steps);
                        }
                        ConvForm::Wide(bytes) => break 'conv Prepared::Wide(packed()?, *bytes),
                        ConvForm::Integer | ConvForm::Transposed | ConvForm::Affine(_) => {}
                    }
                    let tables = match &conv.form {
                        ConvForm::Integer | ConvForm::Transposed => Some(Vec::new()),
                        ConvForm::Epilogue(_) | ConvForm::Wide(_) => None,
                        ConvForm::Affine(e) => {
                            same_shape()?;
                            (0..fact.shape[0]).map(|c| arith::channel_table(e, c)).collect()
                        }
                    };
                    let tables = tables.ok_or_else(|| fault("a channel's function is not known"))?;
                    Prepared::Conv(Box::new(PackedConv::new(conv, facts[0], fact, &place)?), tables)
                }
                IntOp::Add(add) => {
                    same_shape()?;
                    Prepared::Add(add.spec.table())
                }
                IntOp::Product(op) => {
                    Prepared::Product(Box::new(Product::new(op.spec, facts[0], facts[1], fact, &place)?))
                }
                IntOp::Table(table) => {
                    same_shape()?;
                    Prepared::Table(table.table.clone())
                }
                IntOp::MaxPool(pool) => {
                    let lowest = i8::MIN >> (8 - facts[0].bits);
                    Prepared::Max(Pool::new(pool.window, facts[0], fact, &place)?, lowest)
                }
                IntOp::AveragePool(pool) => Prepared::Average {
                    pool: Pool::new(pool.window, facts[0], fact, &place)?,
                    spec: pool.spec,
                    offset: fact.source_offset,
                    count_include_pad: pool.count_include_pad,
                },
                IntOp::Select(select) => Prepared::Select(Selection::new(select, facts[0], fact, &place)?),
                IntOp::Concat(concat) => {
                    let shapes: Vec<[usize; 3]> = facts.iter().map(|f| f.shape).collect();
                    let parts = concat.parts(&shapes).filter(|(_, whole)| *whole == fact.shape);
                    let (parts, _) = parts.ok_or_else(|| fault("shapes disagree"))?;
                    Prepared::Concat(shapes.into_iter().zip(parts).collect())
                }
                IntOp::Output(_) => continue,
            };
            at.insert(id, steps.len());
            steps.push(Step {
                node: id,
                name: node.name.clone(),
                tensor: value.name.clone(),
                shape: fact.shape,
                inputs,
                op,
            });
        }
        let writers = ordered(writers, &graph.outputs);
        Ok(Executor { kernel, lanes: Lanes::Fma3, rescales: BTreeMap::new(), steps, readers, writers })
    }

    /// Computes a trailing float Softmax as ONNX Runtime does on a machine with these vectors; by default those of
    /// the golden bytes.
    #[must_use]
    pub fn with_lanes(mut self, lanes: Lanes) -> Executor {
        self.lanes = lanes;
        self
    }

    /// Makes every convolution's and average's bytes with the hardware's own lanes instead of the reference formula: the same where
    /// they are proved equal, and the golden values of a design in Torch2Chip's fixed format, where they are not.
    #[must_use]
    pub fn with_quantized(mut self, quantized: &Quantized) -> Executor {
        self.rescales = quantized.layers.clone();
        self
    }

    /// The model's inputs, in the order that [`Executor::run`] takes them.
    pub fn inputs(&self) -> Vec<Edge> {
        let edge = |r: &Reader| Edge { name: r.name.clone(), dtype: r.dtype, shape: r.shape.clone() };
        self.readers.iter().map(edge).collect()
    }

    /// The model's outputs, in the order that [`Executor::run`] gives them.
    pub fn outputs(&self) -> Vec<Edge> {
        let edge = |w: &Writer| Edge { name: w.name.clone(), dtype: w.dtype, shape: w.shape().to_vec() };
        self.writers.iter().map(|(w, _)| edge(w)).collect()
    }

    /// Values of a float input that its host steps turn into as many different bytes as can be: the least and the
    /// greatest. For test inputs.
    ///
    /// # Errors
    /// O2C0900 if there is no such input.
    pub fn spread(&self, input: &str) -> Result<(f32, f32)> {
        let reader =
            self.readers.iter().find(|r| r.name == input).ok_or_else(|| {
                Diagnostic::new(code::INTERNAL, "there is no such input", format!("{input:?}"))
            })?;
        reader.spread()
    }

    /// Which kernels run.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The outputs for all samples; one array for each input, samples on the first axis.
    pub fn run(&self, inputs: &[Data]) -> Result<Vec<Data>> {
        let n = self.samples(inputs)?;
        let all: Vec<Vec<Sample>> = (0..n)
            .into_par_iter()
            .map_init(Workspace::default, |work, sample| {
                self.compute(inputs, sample, work, None)?;
                Ok(self.writers.iter().map(|(w, from)| w.write(&work.values[*from], self.lanes)).collect())
            })
            .collect::<Result<_>>()?;
        let mut columns: Vec<Vec<Sample>> = self.writers.iter().map(|_| Vec::with_capacity(n)).collect();
        for row in all {
            for (column, sample) in columns.iter_mut().zip(row) {
                column.push(sample);
            }
        }
        self.writers.iter().zip(columns).map(|((w, _), samples)| w.stack(samples)).collect()
    }

    /// One sample with every node's accumulators and result.
    pub fn trace(&self, inputs: &[Data], sample: usize) -> Result<Trace> {
        let n = self.samples(inputs)?;
        if sample >= n {
            let cause = format!("sample {sample} of {n}");
            return Err(Diagnostic::new(code::INPUT_DATA_INVALID, "there is no such sample", cause).into());
        }
        let mut work = Workspace::default();
        let mut sums = vec![None; self.steps.len()];
        self.compute(inputs, sample, &mut work, Some(&mut sums))?;
        let outputs = self
            .writers
            .iter()
            .map(|(w, from)| w.stack(vec![w.write(&work.values[*from], self.lanes)]))
            .collect::<Result<_>>()?;
        let stages = self
            .steps
            .iter()
            .zip(sums)
            .zip(&work.values)
            .map(|((step, sums), value)| Stage {
                node: step.node,
                name: step.name.clone(),
                tensor: step.tensor.clone(),
                shape: step.shape,
                accumulator: sums.map(|s| channels_first(&s, step.shape)),
                output: channels_first(value, step.shape),
            })
            .collect();
        Ok(Trace { stages, outputs })
    }

    fn samples(&self, inputs: &[Data]) -> Result<usize> {
        let fault = |cause: String| {
            Diagnostics::from(Diagnostic::new(
                code::INPUT_DATA_INVALID,
                "the inputs do not fit the model",
                cause,
            ))
        };
        if inputs.len() != self.readers.len() {
            return Err(fault(format!(
                "the model has {} inputs, {} were given",
                self.readers.len(),
                inputs.len()
            )));
        }
        let counts: Vec<usize> =
            self.readers.iter().zip(inputs).map(|(r, d)| r.samples(d)).collect::<Result<_>>()?;
        match counts.split_first() {
            Some((n, rest)) if rest.iter().all(|m| m == n) => Ok(*n),
            _ => Err(fault(format!("the inputs hold {counts:?} samples"))),
        }
    }

    fn compute(
        &self,
        inputs: &[Data],
        sample: usize,
        work: &mut Workspace,
        mut sums: Option<&mut Vec<Option<Vec<i32>>>>,
    ) -> Result<()> {
        work.values.resize_with(self.steps.len(), Vec::new);
        for (i, step) in self.steps.iter().enumerate() {
            let len: usize = step.shape.iter().product();
            let (before, rest) = work.values.split_at_mut(i);
            let y = &mut rest[0];
            y.resize(len, 0);
            let x = |k: usize| &before[step.inputs[k]][..];
            let mut acc = sums.as_ref().map(|_| vec![0_i32; len]);
            let mut has_sums = false;
            match &step.op {
                Prepared::Input(reader) => self.readers[*reader].read(&inputs[*reader], sample, y)?,
                Prepared::Conv(conv, tables) => {
                    let rescale = self.rescales.get(&step.node);
                    if rescale.is_some() && acc.is_none() {
                        acc = Some(vec![0; len]);
                    }
                    conv.run(self.kernel, x(0), y, acc.as_deref_mut(), &mut work.scratch)?;
                    if let (Some(r), Some(acc)) = (rescale, &acc) {
                        // Channels are the last axis of both, and there is a lane for each.
                        for ((y, acc), lane) in y.iter_mut().zip(acc).zip(r.channels.iter().cycle()) {
                            *y = lane.apply(i64::from(*acc), r.lo, r.hi);
                        }
                    } else if !tables.is_empty() {
                        for ((y, x), table) in y.iter_mut().zip(x(0)).zip(tables.iter().cycle()) {
                            *y = table[usize::from(index(*x))];
                        }
                    }
                    has_sums = true;
                }
                Prepared::Accumulated(conv, steps) => {
                    let mut own = vec![0; len];
                    let acc = acc.as_mut().unwrap_or(&mut own);
                    conv.run(self.kernel, x(0), y, Some(acc), &mut work.scratch)?;
                    for ((y, acc), f) in y.iter_mut().zip(acc.iter()).zip(steps.iter().cycle()) {
                        *y = f.apply(*acc);
                    }
                    if let Some(r) = self.rescales.get(&step.node) {
                        for ((y, acc), lane) in y.iter_mut().zip(acc.iter()).zip(r.channels.iter().cycle()) {
                            *y = lane.apply(i64::from(*acc), r.lo, r.hi);
                        }
                    }
                    has_sums = true;
                }
                Prepared::Wide(conv, bytes) => {
                    let mut own = vec![0; len];
                    let acc = acc.as_mut().unwrap_or(&mut own);
                    conv.run(self.kernel, x(0), y, Some(acc), &mut work.scratch)?;
                    // Channels are the last axis, and an accumulator's bytes one behind the other in it.
                    let channels = step.shape[0];
                    for (at, (y, acc)) in y.iter_mut().zip(acc.iter()).enumerate() {
                        *y = i8::from_le_bytes([acc.to_le_bytes()[at % channels % bytes]]);
                    }
                    has_sums = true;
                }
                Prepared::Add(table) => {
                    for ((y, a), b) in y.iter_mut().zip(x(0)).zip(x(1)) {
                        *y = table[usize::from(index(*a)) << 8 | usize::from(index(*b))];
                    }
                }
                Prepared::Product(product) => {
                    let rescale = self.rescales.get(&step.node).filter(|r| r.product_steps.is_none());
                    product.run(x(0), x(1), y, acc.as_deref_mut(), rescale);
                    has_sums = true;
                }
                Prepared::Table(table) => {
                    for (y, x) in y.iter_mut().zip(x(0)) {
                        *y = table[usize::from(index(*x))];
                    }
                }
                Prepared::Max(pool, lowest) => pool.max(x(0), y, *lowest),
                Prepared::Select(selection) => selection.run(x(0), y),
                Prepared::Concat(parts) => {
                    for (k, (shape, part)) in parts.iter().enumerate() {
                        select::place(x(k), *shape, part, y, step.shape);
                    }
                }
                Prepared::Average { pool, spec, offset, count_include_pad } => {
                    let sums = acc.as_deref_mut();
                    let (_, zero_point) = spec.x;
                    let rescale = self.rescales.get(&step.node).filter(|r| r.float_sum.is_none());
                    match (spec.form, rescale) {
                        (AverageForm::QLinear, None) => {
                            // The operator adds in float32, and so does the hardware where it matters.
                            let read = (zero_point, Some(spec.x.0));
                            pool.average(x(0), y, sums, read, *count_include_pad, |_, sum, divisor| {
                                spec.finish(sum, divisor, *offset)
                            });
                        }
                        (AverageForm::QLinearGlobal | AverageForm::Float, None) => {
                            let read = (zero_point, None);
                            pool.average(x(0), y, sums, read, *count_include_pad, |acc, _, divisor| {
                                spec.apply(acc, divisor)
                            });
                        }
                        (_, Some(r)) => {
                            let read = (zero_point, None);
                            pool.average(x(0), y, sums, read, *count_include_pad, |acc, _, divisor| {
                                // The proofs list every divisor that occurs.
                                let lane = r.divisors.iter().position(|d| *d == divisor).unwrap_or(0);
                                r.channels[lane].apply(i64::from(acc), r.lo, r.hi)
                            });
                        }
                    }
                    has_sums = true;
                }
            }
            if let (Some(sums), true) = (&mut sums, has_sums) {
                sums[i] = acc;
            }
        }
        Ok(())
    }
}

/// x + 128.
fn index(x: i8) -> u8 {
    x.to_le_bytes()[0] ^ 0x80
}

/// Outputs in the model's order: the graph's list where it names them, the rest by id.
fn ordered(mut writers: BTreeMap<NodeId, (Writer, usize)>, listed: &[Port]) -> Vec<(Writer, usize)> {
    let mut out: Vec<_> = listed.iter().filter_map(|port| writers.remove(&port.node)).collect();
    out.extend(writers.into_values());
    out
}

/// Row, column, channel order to channel, row, column order.
fn channels_first<T: Copy>(x: &[T], [c, h, w]: [usize; 3]) -> Vec<T> {
    (0..c).flat_map(|channel| (0..h * w).map(move |pixel| x[pixel * c + channel])).collect()
}
