//! Makes float operators between a model's input and a QuantizeLinear one operator, which the host runs.
//!
//! Taken are operators that read one input of the model and constants alone, and whose float32 results are known to
//! the bit. What only rearranges elements right before QuantizeLinear stays, because the input's layout, a convolution's
//! padding or the pooling unit take it; so does an input that is rearranged and nothing else.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::dead_code;
use super::names::{Names, swap_names};
use crate::arith::host;
use crate::diag::Result;
use crate::graph::float::{Fact, FloatGraph};
use crate::graph::prepare::{Operand, Prepare, Step, Work};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{DType, Tensor, TensorData};
use crate::ops::Op;
use crate::ops::binary::Binary;
use crate::ops::clip::Clip;
use crate::ops::gather::rows;
use crate::ops::pad::Fill;
use crate::ops::quantize_linear::dequantized;

/// Most steps; a bound for files that are nothing but preparation.
const MOST: usize = 256;

/// A preparation under construction.
struct Builder<'a> {
    graph: &'a FloatGraph,
    input: Option<Port>,
    known: BTreeMap<Port, Operand>,
    steps: Vec<Step>,
}

/// A float constant, or a quantized one's values.
pub(super) fn constant(graph: &FloatGraph, port: Port) -> Option<ArrayD<f32>> {
    let floats = |t: &Tensor| match (&t.data, t.dtype) {
        // Exact: the tensor holds float32 values widened to f64.
        (TensorData::Float(a), DType::F32) => Some(a.mapv(|v| v as f32)),
        (TensorData::Float(_) | TensorData::Int(_), _) => None,
    };
    match &graph.node(port.node).op {
        Op::Const(t) => floats(t),
        Op::Dequantize(p) => match &graph.node(graph.inputs(port.node).first()?.node).op {
            Op::Const(t) => floats(&dequantized(p, t)?),
            _ => None,
        },
        _ => None,
    }
}

impl Builder<'_> {
    /// Where a value is, after the steps that compute it; `None` if it can't be prepared.
    fn operand(&mut self, port: Port) -> Option<Operand> {
        if let Some(known) = self.known.get(&port) {
            return Some(known.clone());
        }
        let graph = self.graph;
        let fact = &graph.value(port).fact;
        if matches!(graph.node(port.node).op, Op::Input) {
            let one = *self.input.get_or_insert(port) == port;
            let known = matches!(fact.dtype, DType::F32 | DType::U8 | DType::I8);
            return (one && known).then_some(Operand::Input);
        }
        if let Some(values) = constant(graph, port) {
            return Some(Operand::Constant(values));
        }
        let inputs = graph.inputs(port.node);
        let float = fact.dtype == DType::F32;
        let work = match &graph.node(port.node).op {
            Op::Cast(DType::F32) => Work::Cast,
            Op::Binary(Binary::Pow) if float => {
                let exponent = constant(graph, inputs[1])?;
                let simple = exponent.len() == 1 && exponent.iter().all(|v| [2.0, 3.0].contains(v));
                simple.then_some(Work::Arithmetic(Binary::Pow))?
            }
            Op::Binary(kind) if float => Work::Arithmetic(*kind),
            Op::BatchNormalization(epsilon) if float => Work::BatchNormalization(*epsilon),
            Op::Clip(Clip { min, max }) if float => {
                let bounds = [("min", *min), ("max", *max)];
                let bounds = bounds.into_iter().filter_map(|(n, v)| Some((n, v?))).collect();
                match (min, max) {
                    (Some(0.0), None) => Work::Function("Relu", Vec::new()),
                    _ => Work::Function("Clip", bounds),
                }
            }
            Op::Unary(f) if host::is_known(f.name, &f.attributes) => {
                Work::Function(f.name, f.attributes.clone())
            }
            Op::Threshold(t) if float => Work::Threshold(t.clone()),
            Op::Reshape(_) => Work::Reshape,
            Op::Transpose(perm) => Work::Transpose(perm.clone()),
            Op::Slice(slice) => Work::Take(slice.keep.clone()),
            Op::Gather(axis) => return self.gather(port, *axis),
            Op::Pad(pad) => {
                let Fill::Real(fill) = pad.fill else { return None };
                Work::Pad { before: pad.before.clone(), after: pad.after.clone(), fill }
            }
            Op::Concat(axis) => Work::Concat(*axis),
            _ => return None,
        };
        let operands = inputs.iter().map(|p| self.operand(*p)).collect::<Option<Vec<_>>>()?;
        self.push(port, work, operands, fact.shape.clone())
    }

    fn push(&mut self, port: Port, work: Work, operands: Vec<Operand>, shape: Vec<usize>) -> Option<Operand> {
        self.steps.push(Step { work, operands, shape });
        let made = Operand::Step(self.steps.len() - 1);
        self.known.insert(port, made.clone());
        (self.steps.len() <= MOST).then_some(made)
    }

    /// Elements by constant indices; the indices' shape takes the axis' place.
    fn gather(&mut self, port: Port, axis: usize) -> Option<Operand> {
        let graph = self.graph;
        let inputs = graph.inputs(port.node);
        let Op::Const(Tensor { data: TensorData::Int(indices), .. }) = &graph.node(inputs[1].node).op else {
            return None;
        };
        let from = &graph.value(inputs[0]).fact.shape;
        let mut keep: Vec<Vec<usize>> = from.iter().map(|d| (0..*d).collect()).collect();
        keep[axis] = rows(indices, from[axis])?;
        let shape: Vec<usize> = keep.iter().map(Vec::len).collect();
        let x = self.operand(inputs[0])?;
        let taken = self.push(port, Work::Take(keep), vec![x], shape.clone())?;
        let to = &graph.value(port).fact.shape;
        if *to == shape { Some(taken) } else { self.push(port, Work::Reshape, vec![taken], to.clone()) }
    }
}

/// Whether an operator computes no new values.
fn rearranges(work: &Work) -> bool {
    match work {
        Work::Reshape | Work::Transpose(_) | Work::Take(_) | Work::Pad { .. } | Work::Concat(_) => true,
        Work::Cast
        | Work::Arithmetic(_)
        | Work::BatchNormalization(_)
        | Work::Function(..)
        | Work::Threshold(_) => false,
    }
}

/// What prepares the value, if anything does.
fn found(graph: &FloatGraph, core: Port) -> Option<(Port, Prepare)> {
    let mut builder = Builder { graph, input: None, known: BTreeMap::new(), steps: Vec::new() };
    builder.operand(core)?;
    let (input, steps) = (builder.input?, builder.steps);
    if steps.iter().all(|s| rearranges(&s.work)) {
        return None;
    }
    Some((input, Prepare { input: graph.value(input).fact.shape.clone(), steps }))
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut names = Names::of(graph);
    for id in graph.topo().unwrap_or_default() {
        if !matches!(graph.node(id).op, Op::Quantize(_)) {
            continue;
        }
        let mut core = graph.inputs(id)[0];
        while let (Op::Reshape(_) | Op::Transpose(_) | Op::MaxPool(_) | Op::Pad(_), &[x]) =
            (&graph.node(core.node).op, graph.inputs(core.node).as_slice())
        {
            core = x;
        }
        let Some((input, prepare)) = found(graph, core) else { continue };
        let fact = Fact::new(DType::F32, prepare.output());
        let (node, value) = (graph.node(core.node).name.clone(), graph.value(core).name.clone());
        let new: NodeId =
            names.add(graph, &node, &format!("{value}_prepared"), Op::Prepare(prepare), &[input], fact);
        swap_names(graph, new, core.node);
        graph.replace_uses(core, new.into());
    }
    // What was taken is in the way of later passes, which look at readers.
    dead_code::run(graph)
}
