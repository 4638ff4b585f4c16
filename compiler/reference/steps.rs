//! Host steps after the last integer, as ONNX nodes.

use super::build::{Builder, MICROSOFT, integer};
use super::{expression, layout};
use crate::graph::int::HostStep;
use crate::onnx::model::{Attribute, DType};

fn byte(signed: bool) -> DType {
    if signed { DType::I8 } else { DType::U8 }
}

/// Writes the steps; the last result is called `name`. Gives the last tensor (`from` if there is no step) and its
/// shape. `signed` says whether `from` holds int8.
pub(crate) fn write(
    b: &mut Builder,
    name: &str,
    from: String,
    steps: &[HostStep],
    mut signed: bool,
    shape: &[usize],
) -> (String, Vec<usize>) {
    let mut at = from;
    let mut shape = shape.to_vec();
    for (k, step) in steps.iter().enumerate() {
        let to = if k + 1 == steps.len() { name.to_owned() } else { b.fresh(&format!("{name}_step{k}")) };
        let node = format!("{name}_{k}");
        at = match step {
            // Refused before.
            HostStep::Accumulator { .. } => at,
            HostStep::Dequantize(scale, zero) => {
                let [scale, zero] = pair(b, &to, *scale, *zero, signed);
                b.node(&node, ("", "DequantizeLinear"), &[&at, &scale, &zero], &to, vec![])
            }
            HostStep::Quantize(scale, zero, to_signed) => {
                signed = *to_signed;
                let [scale, zero] = pair(b, &to, *scale, *zero, signed);
                b.node(&node, ("", "QuantizeLinear"), &[&at, &scale, &zero], &to, vec![])
            }
            HostStep::Function(function, attributes) => {
                expression::function(b, &node, function, attributes, &at, &to)
            }
            HostStep::Softmax(axis) | HostStep::LogSoftmax(axis) => {
                let op = if matches!(step, HostStep::Softmax(_)) { "Softmax" } else { "LogSoftmax" };
                b.node(&node, ("", op), &[&at], &to, vec![("axis", Attribute::Int(integer(*axis)))])
            }
            HostStep::TopK { axis, k, largest, indices } => {
                shape[*axis] = *k;
                let k = b.ints(&format!("{to}_k"), DType::I64, &[1], vec![integer(*k)]);
                let other = b.fresh(&format!("{to}_other"));
                let outputs = if *indices { [other.as_str(), &to] } else { [to.as_str(), &other] };
                let attributes = vec![
                    ("axis", Attribute::Int(integer(*axis))),
                    ("largest", Attribute::Int(i64::from(*largest))),
                ];
                b.node_of(&node, ("", "TopK"), &[&at, &k], &outputs, attributes);
                to
            }
            HostStep::QLinearSoftmax { axis, input, output, signed } => {
                let [xs, xz] = pair(b, &format!("{to}_x"), input.0, input.1, *signed);
                let [ys, yz] = pair(b, &to, output.0, output.1, *signed);
                let attributes =
                    vec![("axis", Attribute::Int(integer(*axis))), ("opset", Attribute::Int(13))];
                b.node(&node, (MICROSOFT, "QLinearSoftmax"), &[&at, &xs, &xz, &ys, &yz], &to, attributes)
            }
            HostStep::ArgMax { axis, keepdims, select_last_index } => {
                if *keepdims {
                    shape[*axis] = 1;
                } else {
                    shape.remove(*axis);
                }
                let attributes = vec![
                    ("axis", Attribute::Int(integer(*axis))),
                    ("keepdims", Attribute::Int(i64::from(*keepdims))),
                    ("select_last_index", Attribute::Int(i64::from(*select_last_index))),
                ];
                b.node(&node, ("", "ArgMax"), &[&at], &to, attributes)
            }
            HostStep::Reshape(new) => {
                shape.clone_from(new);
                layout::reshape(b, &node, &at, new, &to)
            }
        };
    }
    (at, shape)
}

/// Scale and zero point constants of a tensor.
fn pair(b: &mut Builder, tensor: &str, scale: f32, zero: i32, signed: bool) -> [String; 2] {
    let scale = b.floats(&format!("{tensor}_scale"), &[], &[scale]);
    let zero = b.ints(&format!("{tensor}_zero_point"), byte(signed), &[], vec![i64::from(zero)]);
    [scale, zero]
}
