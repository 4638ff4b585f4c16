//! The model without its trailing Softmax: the last values that int8 determines.
//!
//! In: a model, or its integer graph. Out: the same with each output that a Softmax (float or QLinear) leads to
//! replaced by that Softmax's operand; `None` where no output has one. Guarantees: outputs stay in order.

use crate::graph::int::{HostOutput, HostStep, HostType, IntGraph, IntOp};
use crate::onnx::model::{DType, Model, ModelNode, ValueInfo};

/// Cuts a model.
pub(crate) fn model(model: &Model) -> Option<Model> {
    let mut out = model.clone();
    let mut cut = false;
    for info in &mut out.outputs {
        if let Some((name, dtype)) = before_softmax(model, &info.name) {
            *info = ValueInfo { name, dtype, shape: None };
            cut = true;
        }
    }
    cut.then_some(out)
}

/// The operand of the Softmax that computes a tensor, with its type.
fn before_softmax(model: &Model, tensor: &str) -> Option<(String, DType)> {
    let producer = |t: &str| model.nodes.iter().find(|n| n.outputs.iter().any(|o| o == t));
    let mut at: &ModelNode = producer(tensor)?;
    loop {
        let operand = at.inputs.first()?;
        match at.op_type.as_str() {
            "Softmax" => return Some((operand.clone(), DType::F32)),
            "QLinearSoftmax" => {
                let zero = model.initializers.get(at.inputs.get(2)?)?;
                return Some((operand.clone(), zero.dtype));
            }
            "QuantizeLinear" | "DequantizeLinear" | "Identity" | "Reshape" | "Flatten" | "Squeeze"
            | "ArgMax" => {
                at = producer(operand)?;
            }
            _ => return None,
        }
    }
}

/// Cuts an integer graph.
pub(crate) fn graph(graph: &IntGraph) -> Option<IntGraph> {
    let mut out = graph.clone();
    let mut cut = false;
    for id in graph.ids() {
        let IntOp::Output(output) = &graph.node(id).op else { continue };
        let at = output
            .steps
            .iter()
            .position(|s| matches!(s, HostStep::Softmax(_) | HostStep::QLinearSoftmax { .. }));
        let Some(at) = at else { continue };
        let signed = graph.inputs(id).first().is_some_and(|p| graph.value(*p).fact.source_offset == 0);
        let steps = output.steps[..at].to_vec();
        let byte = if signed { HostType::I8 } else { HostType::U8 };
        let dtype = steps.iter().fold(byte, |dtype, step| match step {
            HostStep::Dequantize(..) => HostType::F32,
            HostStep::Quantize(_, _, true) => HostType::I8,
            HostStep::Quantize(_, _, false) => HostType::U8,
            HostStep::ArgMax { .. } => HostType::I64,
            HostStep::Softmax(_) | HostStep::QLinearSoftmax { .. } | HostStep::Reshape(_) => dtype,
        });
        let arrangement = output.arrangement.clone();
        out.node_mut(id).op = IntOp::Output(HostOutput { dtype, arrangement, steps });
        cut = true;
    }
    cut.then_some(out)
}
