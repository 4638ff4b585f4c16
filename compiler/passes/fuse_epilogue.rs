//! QONNX: makes a layer on quantized operands, the float operators behind it and the next quantizer one kernel, whose
//! output is a function of the accumulator; and of a last layer the accumulator itself, which the host turns into floats.
//!
//! Between them may stand operators with constants, one for all or one for each channel, in any order: Add, Sub, Mul, Div,
//! Min, Max, BatchNormalization, Relu, Clip, MultiThreshold and functions of one element, and a Reshape that leaves the
//! channels on an axis of their own. Every operator keeps its own float32 rounding, in the file's order: it is a step
//! of the kernel's expression. What QuantizeLinear quantizes is left to `fuse-quantized`, whose formula is ONNX Runtime's.

use ndarray::ArrayD;

use super::dead_code;
use super::fold_expressions::{batch_normalization, quantization};
use super::names::{Names, at, swap_names, uses};
use super::prepare_input::constant;
use crate::arith::{Rule, host};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::expression::{Expression, Operand, Step};
use crate::graph::float::{Fact, FloatGraph, is_float};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{DType, Tensor, TensorData};
use crate::ops::Op;
use crate::ops::clip::Clip;
use crate::ops::quantization::Params;
use crate::ops::quantized::{Kernel, Quantized};

type Found<T> = std::result::Result<Option<T>, Diagnostic>;

/// A layer with constant weights on a quantized tensor.
struct Layer {
    node: NodeId,
    kernel: Kernel,
    x: (Port, Params),
    weights: Weights,
    /// Added to each channel's sum.
    bias: Option<Vec<f32>>,
    alpha: f32,
    /// Of the result: its shape, and the axis of its channels.
    shape: Vec<usize>,
    axis: usize,
}

/// Integers with their parameters.
enum Weights {
    /// A constant of the graph.
    Integers(Port, Params),
    /// Floats that are integers themselves.
    Whole(Tensor, Params),
}

impl Weights {
    fn params(&self) -> &Params {
        match self {
            Weights::Integers(_, p) | Weights::Whole(_, p) => p,
        }
    }
}

/// Float weights that are integers of at most 8 bits.
fn whole(graph: &FloatGraph, port: Port) -> Option<Weights> {
    let Op::Const(Tensor { dtype: DType::F32, data: TensorData::Float(values) }) = &graph.node(port.node).op
    else {
        return None;
    };
    if !values.iter().all(|v| v.fract() == 0.0 && (-128.0..=127.0).contains(v)) {
        return None;
    }
    let least = values.iter().fold(0.0_f64, |a, b| a.min(*b));
    let most = values.iter().fold(0.0_f64, |a, b| a.max(*b));
    let params = Params {
        scale: vec![1.0],
        zero_point: vec![0],
        axis: None,
        dtype: DType::I8,
        // Integers of 8 bits.
        lo: least as i64,
        hi: most as i64,
        rule: Rule::Quant(crate::arith::Rounding::Round),
        scalar: false,
    };
    let data = TensorData::Int(values.mapv(|v| v as i64));
    Some(Weights::Whole(Tensor { dtype: DType::I8, data }, params))
}

fn dequantized(graph: &FloatGraph, port: Port) -> Option<(Port, Params)> {
    match &graph.node(port.node).op {
        Op::Dequantize(p) => Some((*graph.inputs(port.node).first()?, p.clone())),
        _ => None,
    }
}

/// The layer that a node is, if it is one.
fn layer(graph: &FloatGraph, node: NodeId) -> Found<Layer> {
    let inputs = graph.inputs(node);
    let shape = graph.value(node.into()).fact.shape.clone();
    let (kernel, axis, of_weights, alpha, beta) = match &graph.node(node).op {
        Op::Conv(conv) => (Kernel::Conv(*conv), 1, 0, 1.0, 1.0),
        Op::Gemm(g) => {
            let kernel = Kernel::MatMul { alpha: g.alpha, trans_a: g.trans_a, trans_b: g.trans_b };
            (kernel, shape.len().saturating_sub(1), usize::from(!g.trans_b), g.alpha, g.beta)
        }
        Op::MatMul => {
            let kernel = Kernel::MatMul { alpha: 1.0, trans_a: false, trans_b: false };
            (kernel, shape.len().saturating_sub(1), 1, 1.0, 1.0)
        }
        _ => return Ok(None),
    };
    let Some(x) = dequantized(graph, inputs[0]).filter(|(_, p)| p.axis.is_none()) else { return Ok(None) };
    let weights = match dequantized(graph, inputs[1]) {
        Some((w, p)) if matches!(graph.node(w.node).op, Op::Const(_)) => Some(Weights::Integers(w, p)),
        Some(_) => None,
        None => whole(graph, inputs[1]),
    };
    let Some(weights) = weights else { return Ok(None) };
    let of = weights.params();
    if let Some(other) = of.axis.filter(|a| *a != of_weights) {
        let cause =
            format!("axis {other}; only per output channel (axis {of_weights}) or per tensor is supported");
        let problem = "the weights are quantized along the wrong axis";
        return Err(at(graph, node, code::INPUT_UNSUPPORTED, problem, cause));
    }
    if x.1.rule == Rule::Onnx && of.rule == Rule::Onnx {
        return Ok(None);
    }
    let channels = *shape.get(axis).unwrap_or(&1);
    let bias = match inputs.get(2).filter(|_| beta != 0.0) {
        None => None,
        Some(port) => {
            let Some(values) = constant(graph, *port) else { return Ok(None) };
            // Aligned at the end, as broadcasting has it; a Conv's is one axis.
            let fits =
                values.len() == 1 || (values.len() == channels && values.shape().last() == Some(&channels));
            if !fits {
                return Ok(None);
            }
            let values: Vec<f32> = values.iter().map(|v| if beta == 1.0 { *v } else { v * beta }).collect();
            if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                let problem = "a bias is not finite";
                return Err(at(graph, node, code::SCALE_INVALID, problem, format!("an element is {bad}")));
            }
            Some(if values.len() == 1 { vec![values[0]; channels] } else { values })
        }
    };
    Ok(Some(Layer { node, kernel, x, weights, bias, alpha, shape, axis }))
}

/// The operand that is no constant, of an operator that may stand behind a layer.
fn above(graph: &FloatGraph, id: NodeId) -> Option<Port> {
    let inputs = graph.inputs(id);
    if !is_float(graph.value(id.into()).fact.dtype) {
        return None;
    }
    match &graph.node(id).op {
        Op::Clip(_) | Op::Unary(_) | Op::Threshold(_) | Op::Reshape(_) => inputs.first().copied(),
        Op::BatchNormalization(_) => {
            inputs[1..].iter().all(|p| constant(graph, *p).is_some()).then(|| inputs[0])
        }
        Op::Binary(_) => {
            let mut others = inputs.iter().filter(|p| constant(graph, **p).is_none());
            match (others.next(), others.next()) {
                (Some(x), None) => Some(*x),
                _ => None,
            }
        }
        _ => None,
    }
}

/// An expression while operators are added to it, and the tensor that it gives.
struct Builder<'a> {
    graph: &'a FloatGraph,
    channels: usize,
    shape: Vec<usize>,
    axis: usize,
    last: Operand,
    expression: Expression,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a FloatGraph, layer: &Layer) -> Option<Builder<'a>> {
        let channels = *layer.shape.get(layer.axis)?;
        let scales = &layer.weights.params().scale;
        let scales = match scales.as_slice() {
            [one] => vec![*one; channels],
            all if all.len() == channels => all.to_vec(),
            _ => return None,
        };
        let mut b = Builder {
            graph,
            channels,
            shape: layer.shape.clone(),
            axis: layer.axis,
            last: Operand::X,
            // The weights' scales are the first constant, always: lowering negates some.
            expression: Expression { steps: Vec::new(), constants: vec![scales] },
        };
        let (scale, _) = layer.x.1.per_tensor()?;
        let (weight, alpha) = (Operand::Channel(0), layer.alpha);
        b.push(Step::Accumulated { x: Operand::X, bias: Operand::Float(0.0), scale, weight, alpha });
        if let Some(bias) = &layer.bias {
            let bias = b.constants(bias.clone());
            let last = b.last;
            b.push(Step::Arithmetic(crate::graph::expression::Binary::Add, [last, bias]));
        }
        Some(b)
    }

    fn push(&mut self, step: Step) {
        self.expression.steps.push(step);
        self.last = Operand::Step(self.expression.steps.len() - 1);
    }

    fn constants(&mut self, values: Vec<f32>) -> Operand {
        match values.first() {
            Some(first) if values.iter().all(|v| v.to_bits() == first.to_bits()) => Operand::Float(*first),
            _ => {
                self.expression.constants.push(values);
                Operand::Channel(self.expression.constants.len() - 1)
            }
        }
    }

    /// A constant operand: one element, or one for each channel.
    fn constant(&mut self, values: &ArrayD<f32>) -> Option<Operand> {
        if !values.iter().all(|v| v.is_finite()) {
            return None;
        }
        if values.len() == 1 {
            return values.first().copied().map(Operand::Float);
        }
        let before = self.shape.len().checked_sub(values.ndim())?;
        let mut several = (0..values.ndim()).filter(|&d| values.shape()[d] > 1);
        let (axis, None) = (several.next()?, several.next()) else { return None };
        if before + axis != self.axis || values.len() != self.channels {
            return None;
        }
        Some(self.constants(values.iter().copied().collect()))
    }

    /// Adds an operator whose operand is what there is; `None` if that can't be.
    fn add(&mut self, id: NodeId) -> Option<()> {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        let last = self.last;
        match &graph.node(id).op {
            Op::Clip(Clip { min: Some(0.0), max: None }) => {
                self.push(Step::Function("Relu", Vec::new(), last));
            }
            Op::Clip(Clip { min, max }) => {
                let bounds = [("min", *min), ("max", *max)];
                let bounds = bounds.into_iter().filter_map(|(n, v)| Some((n, v?))).collect();
                self.push(Step::Function("Clip", bounds, last));
            }
            Op::Unary(f) => self.push(Step::Function(f.name, f.attributes.clone(), last)),
            Op::Threshold(t) => {
                if t.thresholds.len() != 1 && (t.axis != self.axis || t.thresholds.len() != self.channels) {
                    return None;
                }
                let count = t.values.len().checked_sub(1)?;
                let thresholds = (0..count)
                    .map(|k| {
                        let column: Vec<f32> = t.thresholds.iter().map(|row| row[k]).collect();
                        self.constants(column)
                    })
                    .collect();
                self.push(Step::Threshold(last, thresholds, t.values.clone()));
            }
            Op::Reshape(to) => {
                let before: usize = self.shape[..self.axis].iter().product();
                let axis = (0..to.len())
                    .find(|&j| to[j] == self.channels && to[..j].iter().product::<usize>() == before)?;
                (self.shape, self.axis) = (to.clone(), axis);
            }
            Op::BatchNormalization(epsilon) => {
                if self.axis != 1 {
                    return None;
                }
                let statistics: Option<Vec<_>> = inputs[1..].iter().map(|p| constant(graph, *p)).collect();
                let (factors, summands) = batch_normalization(&statistics?, *epsilon)?;
                if !factors.iter().chain(&summands).all(|v| v.is_finite()) {
                    return None;
                }
                let (factor, summand) = (self.constants(factors), self.constants(summands));
                self.push(Step::BatchNormalization([last, factor, summand]));
            }
            Op::Binary(kind) => {
                let mut operands = [last; 2];
                for (operand, port) in operands.iter_mut().zip(&inputs) {
                    if let Some(values) = constant(graph, *port) {
                        *operand = self.constant(&values)?;
                    }
                }
                if graph.value(id.into()).fact.shape != self.shape {
                    return None;
                }
                self.push(Step::Arithmetic(*kind, operands));
            }
            _ => return None,
        }
        Some(())
    }
}

/// The layer above a float value, and the operators between them, the first one first.
fn chain_above(graph: &FloatGraph, mut port: Port) -> Found<(Layer, Vec<NodeId>)> {
    let mut chain = Vec::new();
    loop {
        if let Some(layer) = layer(graph, port.node)? {
            chain.reverse();
            return Ok(Some((layer, chain)));
        }
        let Some(next) = above(graph, port.node) else { return Ok(None) };
        chain.push(port.node);
        port = next;
    }
}

/// The kernel's node with a result of its own.
fn kernel(graph: &mut FloatGraph, names: &mut Names, layer: &Layer, q: Quantized, value: &str) -> NodeId {
    let operands = operands(graph, names, layer);
    let fact = Fact::new(q.output.dtype, layer.shape.clone());
    let name = graph.node(layer.node).name.clone();
    names.add(graph, &name, value, Op::Quantized(q), &operands, fact)
}

fn operands(graph: &mut FloatGraph, names: &mut Names, layer: &Layer) -> [Port; 2] {
    let w = match &layer.weights {
        Weights::Integers(port, _) => *port,
        Weights::Whole(tensor, _) => {
            let name = format!("{}_weights", graph.node(layer.node).name);
            let fact = Fact::new(tensor.dtype, tensor.shape());
            names.add(graph, &name, &name, Op::Const(tensor.clone()), &[], fact).into()
        }
    };
    [layer.x.0, w]
}

/// A quantizer and what is above it.
fn quantizer(graph: &mut FloatGraph, names: &mut Names, id: NodeId) -> Found<()> {
    let Op::Quantize(y) = &graph.node(id).op else { return Ok(None) };
    let Some(integers) = quantization(y).filter(|_| y.rule != Rule::Onnx) else { return Ok(None) };
    let y = y.clone();
    let Some((layer, chain)) = chain_above(graph, graph.inputs(id)[0])? else { return Ok(None) };
    let Some(mut builder) = Builder::new(graph, &layer) else { return Ok(None) };
    if chain.iter().any(|op| builder.add(*op).is_none()) {
        return Ok(None);
    }
    let last = builder.last;
    builder.push(Step::Quantize(last, integers));
    let (expression, to) = (builder.expression, builder.shape);
    let mut q = Quantized::new(
        layer.kernel.clone(),
        vec![layer.x.1.clone(), layer.weights.params().clone()],
        y.clone(),
    );
    q.epilogue = Some(expression);
    if to == layer.shape {
        let operands = operands(graph, names, &layer);
        swap_names(graph, id, layer.node);
        graph.set_inputs(id, &operands);
        graph.node_mut(id).op = Op::Quantized(q);
    } else {
        let value = format!("{}_quantized", graph.value(layer.node.into()).name);
        let new = kernel(graph, names, &layer, q, &value);
        swap_names(graph, new, layer.node);
        graph.set_inputs(id, &[new.into()]);
        graph.node_mut(id).op = Op::Reshape(to);
    }
    Ok(Some(()))
}

/// Whether a quantizer or integers are below a node.
fn before_quantizer(graph: &FloatGraph, id: NodeId) -> bool {
    let mut todo = vec![id];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(id) = todo.pop() {
        for (reader, _) in graph.consumers(id.into()) {
            if matches!(graph.node(reader).op, Op::Quantize(_) | Op::Quantized(_)) {
                return true;
            }
            if seen.insert(reader) {
                todo.push(reader);
            }
        }
    }
    false
}

/// A layer whose result is not quantized again, with the operators behind it.
fn last_layer(graph: &mut FloatGraph, names: &mut Names, id: NodeId) -> Found<()> {
    let Some(layer) = layer(graph, id)? else { return Ok(None) };
    if before_quantizer(graph, id) {
        return Ok(None);
    }
    let Some(mut builder) = Builder::new(graph, &layer) else { return Ok(None) };
    // The last operator that changes values, and what there is behind it.
    let mut end = id;
    let mut made = (builder.expression.clone(), builder.shape.clone(), builder.axis);
    let mut here = Port::from(id);
    while uses(graph, here) == 1
        && let Some(&(reader, _)) = graph.consumers(here).first()
        && above(graph, reader) == Some(here)
    {
        let known = match &graph.node(reader).op {
            Op::Unary(f) => host::is_known(f.name, &f.attributes),
            _ => true,
        };
        if !known || builder.add(reader).is_none() {
            break;
        }
        here = reader.into();
        if !matches!(graph.node(reader).op, Op::Reshape(_)) {
            end = reader;
            made = (builder.expression.clone(), builder.shape.clone(), builder.axis);
        }
    }
    let (expression, shape, axis) = made;
    let sums = Params {
        scale: vec![1.0],
        zero_point: vec![0],
        axis: None,
        dtype: DType::I32,
        lo: i64::from(i32::MIN),
        hi: i64::from(i32::MAX),
        rule: Rule::Onnx,
        scalar: false,
    };
    let inputs = vec![layer.x.1.clone(), layer.weights.params().clone()];
    let q = Quantized::new(layer.kernel.clone(), inputs, sums);
    let value = format!("{}_accumulated", graph.value(id.into()).name);
    let sums = kernel(graph, names, &layer, q, &value);
    if end != id {
        // The layer itself goes, and its name stays.
        swap_names(graph, sums, id);
    }
    let mut operand = Port::from(sums);
    if shape != layer.shape {
        let fact = Fact::new(DType::I32, shape.clone());
        let name = format!("{value}_reshaped");
        operand = names.add(graph, &name, &name, Op::Reshape(shape), &[operand], fact).into();
    }
    graph.node_mut(end).op = Op::Accumulated(axis, expression);
    graph.set_inputs(end, &[operand]);
    Ok(Some(()))
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut names = Names::of(graph);
    let mut faults = Vec::new();
    let mut changed = false;
    for rewrite in [quantizer, last_layer] {
        for id in graph.topo().unwrap_or_default() {
            if !graph.contains(id) {
                continue;
            }
            match rewrite(graph, &mut names, id) {
                Ok(found) => changed |= found.is_some(),
                // Both rewrites may find the same.
                Err(fault) if faults.contains(&fault) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if changed {
            // What has been taken is in the way of what looks at readers.
            dead_code::run(graph)?;
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Diagnostics(faults)) }
}
