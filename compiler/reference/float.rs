//! What an optimised graph still computes in float between integer tensors.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::model::{Model, ModelNode};

/// Operators (with their number) between a DequantizeLinear and a QuantizeLinear of activations. Operators before
/// the first and after the last quantized tensor are the host's and do not count.
pub(crate) fn operators(model: &Model) -> BTreeMap<String, usize> {
    let quantize = |n: &ModelNode| n.op_type == "QuantizeLinear";
    let dequantize = |n: &ModelNode| n.op_type == "DequantizeLinear";
    // Forward: floats that come from a quantized activation (constants do not).
    let mut after: BTreeSet<&str> = BTreeSet::new();
    for n in &model.nodes {
        let from_integers =
            dequantize(n) && n.inputs.first().is_some_and(|i| !model.initializers.contains_key(i));
        let carries = !quantize(n) && !dequantize(n) && n.inputs.iter().any(|i| after.contains(i.as_str()));
        if from_integers || carries {
            after.extend(n.outputs.iter().map(String::as_str));
        }
    }
    // Backward: floats that are quantized again.
    let mut before: BTreeSet<&str> = BTreeSet::new();
    for n in model.nodes.iter().rev() {
        let carries = !dequantize(n) && n.outputs.iter().any(|o| before.contains(o.as_str()));
        if quantize(n) || carries {
            before.extend(n.inputs.iter().map(String::as_str));
        }
    }
    let mut all = BTreeMap::new();
    for n in &model.nodes {
        let between = n.inputs.iter().any(|i| after.contains(i.as_str()))
            && n.outputs.iter().any(|o| before.contains(o.as_str()));
        if between && !quantize(n) && !dequantize(n) {
            *all.entry(n.op_type.clone()).or_insert(0) += 1;
        }
    }
    all
}

/// Whether one of them adds many float32 terms, in an order of ONNX Runtime's own choice.
pub(crate) fn sums(operators: &BTreeMap<String, usize>) -> bool {
    let elementwise = [
        "Add",
        "Mul",
        "Sub",
        "Div",
        "Relu",
        "LeakyRelu",
        "Clip",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Tanh",
        "Elu",
        "Flatten",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "Concat",
        "Pad",
        "MaxPool",
        "Softmax",
        "Identity",
        "Gather",
        "QuickGelu",
        "FastGelu",
        "Gelu",
        "Erf",
        "Exp",
        "Log",
        "Sqrt",
        "Reciprocal",
        "Floor",
        "Ceil",
        "Round",
        "Sign",
        "Abs",
        "Neg",
        "Selu",
        "Celu",
        "Softplus",
        "Softsign",
        "ThresholdedRelu",
        "Mish",
        "PRelu",
        "BatchNormalization",
        "Pow",
        "Min",
        "Max",
        "Shrink",
        "Acos",
        "Acosh",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "Cos",
        "Cosh",
        "Sin",
        "Sinh",
        "Tan",
    ];
    operators.keys().any(|op| !elementwise.contains(&op.as_str()))
}
