//! Says of every operator that is left over in float why it can't run, all at once.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, code};
use crate::graph::float::{FloatGraph, is_float};
use crate::graph::int::{QFact, TableSource};
use crate::graph::{NodeId, Port};
use crate::ops::Op;
use crate::ops::binary::Binary;
use crate::ops::import::of_activation;
use crate::ops::quantized::Kernel;
use crate::passes::fold_expressions::{batch_normalization, one_tensor, several};
use crate::passes::names::{at, label, uses};
use crate::passes::prepare_input;

/// The remedy for what follows the last quantized operator.
pub(super) const CUT_OFF: &str =
    "cut it off the end of the graph and apply it to the output on the host, or quantize its result too";
/// The remedy for what precedes the first quantized operator.
const CUT_IN: &str =
    "remove it from the graph, and apply it to the input on the host, before the accelerator";

/// Whether the host runs the operator at the end of the graph.
fn on_host(graph: &FloatGraph, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::Input | Op::Const(_) | Op::Quantize(_) | Op::Dequantize(_) => true,
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::ArgMax(_) | Op::TopK(_) => true,
        Op::Quantized(_) | Op::Accumulated(..) | Op::Reshape(_) | Op::Prepare(_) => true,
        Op::Transpose(_) | Op::MaxPool(_) | Op::Concat(_) | Op::Slice(_) | Op::Space(_) | Op::Pad(_) => {
            !is_float(graph.value(id.into()).fact.dtype)
        }
        Op::Conv(_)
        | Op::ConvTranspose(_)
        | Op::Gemm(_)
        | Op::MatMul
        | Op::Binary(_)
        | Op::BatchNormalization(_)
        | Op::Clip(_)
        | Op::Unary(_)
        | Op::AveragePool(_)
        | Op::Mean(_)
        | Op::Identity
        | Op::Threshold(_)
        | Op::Gather(_)
        | Op::Cast(_) => false,
    }
}

/// Nodes from which an integer operator of the accelerator can be reached.
fn before_integers(graph: &FloatGraph) -> BTreeSet<NodeId> {
    let mut before = BTreeSet::new();
    for id in graph.topo().unwrap_or_default().into_iter().rev() {
        let reaches = graph.node(id).outputs.iter().enumerate().any(|(out, _)| {
            let out = u16::try_from(out).unwrap_or(0);
            graph.consumers(Port { node: id, out }).iter().any(|(reader, _)| {
                let integer = match &graph.node(*reader).op {
                    Op::Quantized(q) => !matches!(q.kernel, Kernel::Softmax(_)),
                    _ => false,
                };
                integer || before.contains(reader)
            })
        });
        if reaches {
            before.insert(id);
        }
    }
    before
}

/// Every refusal.
pub(super) fn unsupported(graph: &FloatGraph) -> Vec<Diagnostic> {
    let order = graph.topo().unwrap_or_default();
    let quantized = order
        .iter()
        .any(|id| matches!(graph.node(*id).op, Op::Quantize(_) | Op::Dequantize(_) | Op::Quantized(_)));
    if !quantized {
        return vec![Diagnostic::new(
            code::NOT_QUANTIZED,
            "the model is not quantized",
            "it has no QuantizeLinear, DequantizeLinear or QLinear operator",
        )];
    }
    let before = before_integers(graph);
    let mut faults = Vec::new();
    for id in order {
        let op = &graph.node(id).op;
        match op {
            Op::Gather(_) | Op::Cast(_) => {
                faults.push(of_activation(&op.name(), label(graph, id)));
            }
            // It would have moved to the integers if its operand's operator were there.
            Op::Transpose(_) if graph.inputs(id).iter().any(|p| !on_host(graph, p.node)) => {}
            Op::Unary(_) | Op::Clip(_) if !before.contains(&id) && dequantized(graph, id) => {}
            _ if !on_host(graph, id) => faults.push(leftover(graph, id, before.contains(&id))),
            _ => {}
        }
    }
    faults
}

/// Whether an operator is a float function of a DequantizeLinear's elements, through others at most.
fn dequantized(graph: &FloatGraph, id: NodeId) -> bool {
    match (&graph.node(id).op, graph.inputs(id).as_slice()) {
        (Op::Dequantize(_) | Op::Accumulated(..), _) => true,
        (Op::Unary(_) | Op::Clip(_) | Op::Reshape(_), [x]) => {
            is_float(graph.value(*x).fact.dtype) && dequantized(graph, x.node)
        }
        _ => false,
    }
}

/// Whether an operator works on the model's float inputs and constants alone.
fn of_inputs(graph: &FloatGraph, id: NodeId) -> bool {
    let mut seen = BTreeSet::from([id]);
    let mut todo = vec![id];
    let mut inputs = false;
    while let Some(id) = todo.pop() {
        match &graph.node(id).op {
            Op::Quantize(_) | Op::Dequantize(_) | Op::Quantized(_) => return false,
            Op::Input => inputs = true,
            _ => todo.extend(graph.inputs(id).into_iter().map(|p| p.node).filter(|n| seen.insert(*n))),
        }
    }
    inputs
}

/// The tensor that Transposes and Reshapes rearrange, which are absorbed where it is quantized.
fn rearranged(graph: &FloatGraph, port: Port) -> Port {
    match (&graph.node(port.node).op, graph.inputs(port.node).as_slice()) {
        (Op::Transpose(_) | Op::Reshape(_), &[x]) => rearranged(graph, x),
        _ => port,
    }
}

/// Why a float operator was not fused.
fn reason(graph: &FloatGraph, id: NodeId) -> String {
    let unquantized: Vec<String> = graph
        .inputs(id)
        .into_iter()
        .filter(|p| {
            is_float(graph.value(*p).fact.dtype)
                && !matches!(graph.node(p.node).op, Op::Dequantize(_) | Op::Const(_))
        })
        .map(|p| format!("\"{}\"", graph.value(rearranged(graph, p)).name))
        .collect();
    let op = &graph.node(id).op;
    match op {
        Op::BatchNormalization(epsilon) if !finite(graph, id, *epsilon) => {
            "its statistics are not constant, or what they make is not finite".to_owned()
        }
        Op::BatchNormalization(_) if unquantized.is_empty() => {
            "between DequantizeLinear and QuantizeLinear sums and products with constants, Relu and Clip may stand with it; \
             no others"
                .to_owned()
        }
        _ if unquantized.is_empty() => match behind(graph, id.into()) {
            Some((name, why)) => format!("its operands are quantized, and its result by \"{name}\", but {why}"),
            None if matches!(op, Op::Identity | Op::Clip(_) | Op::Unary(_)) => {
                "no QuantizeLinear follows".to_owned()
            }
            None => "its operands are quantized, but no QuantizeLinear follows".to_owned(),
        },
        _ => format!("operand {} is float, not the result of a DequantizeLinear", unquantized.join(", ")),
    }
}

/// The quantizer behind a float value, by its name, and why it can't be fused with what is before it.
fn behind(graph: &FloatGraph, port: Port) -> Option<(&str, String)> {
    let &[(reader, _)] = graph.consumers(port).as_slice() else { return None };
    let node = graph.node(reader);
    let Op::Quantize(p) = &node.op else {
        let passes = matches!(
            node.op,
            Op::Clip(_) | Op::Unary(_) | Op::Reshape(_) | Op::Transpose(_) | Op::Binary(_) | Op::Threshold(_)
        );
        return if passes { behind(graph, reader.into()) } else { None };
    };
    let why = if let Some(axis) = p.axis {
        format!("that has a scale for each index of axis {axis}; activations have one for all")
    } else if p.bits() > 8 {
        format!("that has {} bits; activations have at most 8", p.bits())
    } else if !p.is_nearest() {
        format!(
            "that rounds by {}; behind this operator only rounding to nearest, ties to even, is supported, with zero point 0",
            p.rule
        )
    } else {
        "what lies between them, or a constant there that is not finite, is not supported together".to_owned()
    };
    Some((&node.name, why))
}

/// Whether a BatchNormalization's factors and summands are known, and finite.
fn finite(graph: &FloatGraph, id: NodeId, epsilon: f32) -> bool {
    let statistics: Option<Vec<_>> =
        graph.inputs(id).into_iter().skip(1).map(|p| prepare_input::constant(graph, p)).collect();
    statistics.as_deref().is_some_and(|s| {
        batch_normalization(s, epsilon).is_some_and(|(a, b)| a.iter().chain(&b).all(|v| v.is_finite()))
    })
}

/// A quotient, maximum or the like whose operands are no functions of one tensor.
fn two_activations(graph: &FloatGraph, id: NodeId, name: &str) -> Diagnostic {
    let constant = graph.inputs(id).into_iter().find(|p| constant(graph, *p));
    if let Some(port) = constant {
        return at(
            graph,
            id,
            code::INPUT_UNSUPPORTED,
            format!("{name} with a constant of several different elements is not supported"),
            format!("\"{}\" has shape {:?}", graph.value(port).name, graph.value(port).fact.shape),
        )
        .remedy("use one constant for the whole tensor, or fold the operator into the weights before it");
    }
    let operands: Vec<_> =
        graph.inputs(id).into_iter().map(|p| format!("\"{}\"", graph.value(p).name)).collect();
    at(
        graph,
        id,
        code::OP_UNSUPPORTED,
        format!("{name} of two activations is not supported yet"),
        format!(
            "{} are not functions of one quantized tensor, by elementwise operators",
            operands.join(" and ")
        ),
    )
    .remedy("only Add, Sub and Mul combine different activations")
}

/// Whether a value is constant, or the DequantizeLinear of a constant.
fn constant(graph: &FloatGraph, port: Port) -> bool {
    match &graph.node(port.node).op {
        Op::Const(_) => true,
        Op::Dequantize(_) => graph.inputs(port.node).first().is_some_and(|p| constant(graph, *p)),
        _ => false,
    }
}

/// A function whose bytes can't be vouched for.
pub(super) fn no_table(
    graph: &FloatGraph,
    id: NodeId,
    source: &TableSource,
    x: &QFact,
    y: &QFact,
) -> Diagnostic {
    at(
        graph,
        id,
        code::OP_UNSUPPORTED,
        format!("{} has no exact table for these scales", source.onnx_name()),
        format!(
            "with input scale {} and output scale {} a value lies so near a rounding threshold that the last bit \
             of ONNX Runtime's library function decides, and that is not known",
            x.scale, y.scale
        ),
    )
    .remedy("calibrate again, or change the output's scale a little")
}

fn leftover(graph: &FloatGraph, id: NodeId, inside: bool) -> Diagnostic {
    let name = graph.node(id).op.name();
    let quantized = |p: Port| constant(graph, p) || matches!(graph.node(p.node).op, Op::Dequantize(_));
    if matches!(graph.node(id).op, Op::Binary(kind) if !matches!(kind, Binary::Add | Binary::Sub | Binary::Mul))
        && graph.inputs(id).into_iter().all(quantized)
        && (!one_tensor(graph, id.into()) || graph.inputs(id).iter().any(|p| several(graph, *p)))
    {
        return two_activations(graph, id, &name);
    }
    if let Some(fault) = float_constant(graph, id) {
        return fault;
    }
    let pointwise =
        matches!(graph.node(id).op, Op::Binary(_) | Op::BatchNormalization(_) | Op::Clip(_) | Op::Unary(_));
    if inside && pointwise && of_inputs(graph, id) {
        return at(
            graph,
            id,
            code::FLOAT_ISLAND,
            format!("{name} is computed in float before the first QuantizeLinear"),
            "it prepares the model's input in float, and its bits are not known to be the host's; the accelerator takes \
             the quantized input",
        )
        .remedy(CUT_IN);
    }
    if let Op::BatchNormalization(_) = graph.node(id).op {
        return at(
            graph,
            id,
            if inside { code::FLOAT_ISLAND } else { code::NOT_QUANTIZED },
            format!("{name} is computed in float"),
            reason(graph, id),
        )
        .remedy(if behind_conv(graph, id) {
            "fuse it into the weights: run onnxruntime.quantization.quant_pre_process before quantizing"
        } else {
            "fold it into float weights before quantizing: those of the Gemm or MatMul directly before it, or else those \
             of the layer behind it"
        });
    }
    if inside {
        at(
            graph,
            id,
            code::FLOAT_ISLAND,
            format!("{name} is computed in float before quantized operators"),
            reason(graph, id),
        )
    } else {
        at(
            graph,
            id,
            code::NOT_QUANTIZED,
            format!("the result of {name} is not quantized"),
            reason(graph, id),
        )
        .remedy(CUT_OFF)
    }
}

/// An Add, Sub or Mul, quantized but for a constant of several elements.
fn float_constant(graph: &FloatGraph, id: NodeId) -> Option<Diagnostic> {
    let name = graph.node(id).op.name();
    let inputs = graph.inputs(id);
    let (Op::Binary(Binary::Add | Binary::Sub | Binary::Mul), [a, b]) =
        (&graph.node(id).op, inputs.as_slice())
    else {
        return None;
    };
    let is = |p: &Port, f: fn(&Op) -> bool| f(&graph.node(p.node).op);
    let float = [a, b].into_iter().find(|p| is(p, |op| matches!(op, Op::Const(_))))?;
    let other = if float == a { b } else { a };
    let quantized =
        graph.consumers(id.into()).iter().any(|(r, _)| matches!(graph.node(*r).op, Op::Quantize(_)));
    (quantized && is(other, |op| matches!(op, Op::Dequantize(_)))).then(|| {
        at(
            graph,
            id,
            code::INPUT_UNSUPPORTED,
            format!("{name} with a float constant of several different elements is not supported"),
            format!("\"{}\" has shape {:?}", graph.value(*float).name, graph.value(*float).fact.shape),
        )
        .remedy("use a constant with one value per channel, or one for all")
    })
}

/// Whether a Conv without Relu or Clip stands directly before, in float or quantized, and nothing else reads it.
fn behind_conv(graph: &FloatGraph, id: NodeId) -> bool {
    let Some(x) = graph.inputs(id).first().copied() else { return false };
    match &graph.node(x.node).op {
        _ if uses(graph, x) > 1 => false,
        Op::Conv(_) => true,
        Op::Dequantize(_) => graph.inputs(x.node).first().is_some_and(|q| match &graph.node(q.node).op {
            // A zero point that leaves no negative values is a Relu too.
            Op::Quantized(q) => {
                uses(graph, graph.inputs(x.node)[0]) == 1
                    && matches!(q.kernel, Kernel::Conv(_))
                    && (q.lo, q.hi) == q.output.range()
                    && q.output.zero_point.iter().all(|z| *z != q.lo)
            }
            _ => false,
        }),
        _ => false,
    }
}

/// An operand of an integer operator that is no integer of the accelerator.
pub(super) fn operand(graph: &FloatGraph, id: NodeId, port: Port) -> Diagnostic {
    let host = match &graph.node(port.node).op {
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::ArgMax(_) | Op::TopK(_) | Op::Quantize(_) => true,
        Op::Quantized(q) => matches!(q.kernel, Kernel::Softmax(_)),
        _ => false,
    };
    if host {
        at(
            graph,
            port.node,
            code::FLOAT_ISLAND,
            format!(
                "{} runs on the host, but quantized operators follow",
                graph.node(port.node).op.onnx_name()
            ),
            format!("{} reads its result", label(graph, id)),
        )
    } else {
        at(
            graph,
            id,
            code::INPUT_UNSUPPORTED,
            "an operand is not an activation",
            format!("\"{}\" does not stem from a quantized input", graph.value(port).name),
        )
    }
}
