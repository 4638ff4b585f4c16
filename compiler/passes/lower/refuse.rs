//! Says of every operator that is left over in float why it can't run, all at once.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, code};
use crate::graph::float::{FloatGraph, is_float};
use crate::graph::{NodeId, Port};
use crate::ops::Op;
use crate::ops::binary::Binary;
use crate::ops::import::of_activation;
use crate::ops::quantized::Kernel;
use crate::passes::names::{at, label};

/// Whether the host runs the operator at the end of the graph.
fn on_host(graph: &FloatGraph, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::Input | Op::Const(_) | Op::Quantize(_) | Op::Dequantize(_) | Op::Softmax(_) | Op::ArgMax(_) => {
            true
        }
        Op::Quantized(_) => true,
        Op::Reshape(_) => true,
        Op::Transpose(_) | Op::MaxPool(_) => !is_float(graph.value(id.into()).fact.dtype),
        Op::Conv(_)
        | Op::Gemm(_)
        | Op::MatMul
        | Op::Binary(_)
        | Op::BatchNormalization(_)
        | Op::Clip(_)
        | Op::Unary(_)
        | Op::AveragePool(_)
        | Op::Identity
        | Op::Gather(_)
        | Op::Concat(_)
        | Op::Slice(_)
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
            Op::Gather(_) | Op::Concat(_) | Op::Slice(_) | Op::Cast(_) => {
                faults.push(of_activation(&op.name(), label(graph, id)));
            }
            _ if !on_host(graph, id) => faults.push(leftover(graph, id, before.contains(&id))),
            _ => {}
        }
    }
    faults
}

/// Why a float operator was not fused.
fn reason(graph: &FloatGraph, id: NodeId) -> String {
    let unquantized: Vec<String> = graph
        .inputs(id)
        .into_iter()
        .filter(|p| {
            is_float(graph.value(*p).fact.dtype) && !matches!(graph.node(p.node).op, Op::Dequantize(_))
        })
        .map(|p| format!("\"{}\"", graph.value(p).name))
        .collect();
    let op = &graph.node(id).op;
    match op {
        Op::Binary(Binary::Mul | Binary::Div | Binary::Sub) => {
            format!("{} is folded on constants only", op.name())
        }
        Op::BatchNormalization(_) => {
            "it can be folded into float weights only; these are quantized, or there are none".to_owned()
        }
        Op::Identity | Op::Clip(_) | Op::Unary(_) if unquantized.is_empty() => {
            "no QuantizeLinear follows".to_owned()
        }
        _ if unquantized.is_empty() => "its operands are quantized, but no QuantizeLinear follows".to_owned(),
        _ => format!("operand {} is float, not the result of a DequantizeLinear", unquantized.join(", ")),
    }
}

fn leftover(graph: &FloatGraph, id: NodeId, inside: bool) -> Diagnostic {
    let name = graph.node(id).op.name();
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
    }
}

/// An operand of an integer operator that is no integer of the accelerator.
pub(super) fn operand(graph: &FloatGraph, id: NodeId, port: Port) -> Diagnostic {
    let host = match &graph.node(port.node).op {
        Op::Softmax(_) | Op::ArgMax(_) | Op::Quantize(_) => true,
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
