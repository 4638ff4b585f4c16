//! The model without its trailing Softmax: the last values that int8 determines, dequantized.
//!
//! In: a model, or its integer graph. Out: the same with each output that a Softmax (float or QLinear) leads to
//! replaced by that Softmax's operand in float32; `None` where no output has one. Guarantees: outputs stay in order.

use std::collections::BTreeMap;

use crate::graph::int::{HostOutput, HostStep, HostType, IntGraph, IntOp};
use crate::onnx::model::{DType, Model, ModelNode, ValueInfo};

/// Cuts a model.
pub(crate) fn model(model: &Model) -> Option<Model> {
    let mut out = model.clone();
    let mut cut = false;
    for (k, info) in model.outputs.iter().enumerate() {
        let Some(softmax) = softmax(model, &info.name) else { continue };
        let mut name = softmax.inputs.first()?.clone();
        if softmax.op_type == "QLinearSoftmax" {
            // Its operand, dequantized by its own scale and zero point.
            let real = format!("{name}/before_softmax{k}");
            out.nodes.push(ModelNode {
                name: real.clone(),
                op_type: "DequantizeLinear".into(),
                domain: String::new(),
                inputs: softmax.inputs.iter().take(3).cloned().collect(),
                outputs: vec![real.clone()],
                attributes: BTreeMap::new(),
            });
            name = real;
        }
        if out.outputs.iter().any(|o| o.name == name) {
            // No tensor is listed twice.
            let again = format!("{name}/output{k}");
            out.nodes.push(ModelNode {
                name: again.clone(),
                op_type: "Identity".into(),
                domain: String::new(),
                inputs: vec![name],
                outputs: vec![again.clone()],
                attributes: BTreeMap::new(),
            });
            name = again;
        }
        out.outputs[k] = ValueInfo { name, dtype: DType::F32, shape: None };
        cut = true;
    }
    cut.then_some(out)
}

/// The Softmax that leads to a tensor through steps of the host.
fn softmax<'a>(model: &'a Model, tensor: &str) -> Option<&'a ModelNode> {
    let producer = |t: &str| model.nodes.iter().find(|n| n.outputs.iter().any(|o| o == t));
    let mut at = producer(tensor)?;
    loop {
        match at.op_type.as_str() {
            "Softmax" | "LogSoftmax" | "QLinearSoftmax" => return Some(at),
            "QuantizeLinear" | "DequantizeLinear" | "Identity" | "Reshape" | "Flatten" | "Squeeze"
            | "ArgMax" | "TopK" => {
                at = producer(at.inputs.first()?)?;
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
        let is_softmax = |s: &HostStep| {
            matches!(s, HostStep::Softmax(_) | HostStep::LogSoftmax(_) | HostStep::QLinearSoftmax { .. })
        };
        let Some(at) = output.steps.iter().position(is_softmax) else { continue };
        let mut steps = output.steps[..at].to_vec();
        if let HostStep::QLinearSoftmax { input, .. } = &output.steps[at] {
            steps.push(HostStep::Dequantize(input.0, input.1));
        }
        let arrangement = output.arrangement.clone();
        out.node_mut(id).op =
            IntOp::Output(HostOutput { dtype: HostType::F32, arrangement, steps, head: None });
        cut = true;
    }
    cut.then_some(out)
}
