//! Float operators before the first integers, as ONNX nodes.

use super::build::{Builder, integer, integers, sizes};
use super::{expression, layout};
use crate::graph::prepare::{Operand, Prepare, Work};
use crate::onnx::model::{Attribute, DType};

/// The oldest ai.onnx opset that has every operator.
pub(crate) fn opset(prepare: &Prepare) -> i64 {
    let needs = |work: &Work| if let Work::Function(name, _) = work { expression::opset(name) } else { 13 };
    prepare.steps.iter().map(|s| needs(&s.work)).max().unwrap_or(13)
}

/// Writes the steps for input `x`; gives the tensor to quantize.
pub(crate) fn write(b: &mut Builder, name: &str, prepare: &Prepare, x: &str) -> String {
    let mut values: Vec<String> = Vec::with_capacity(prepare.steps.len());
    for (k, step) in prepare.steps.iter().enumerate() {
        let node = format!("{name}_prepare{k}");
        let to = b.fresh(&node);
        let constants: Vec<String> = step
            .operands
            .iter()
            .map(|operand| match operand {
                Operand::Input => x.to_owned(),
                Operand::Step(n) => values.get(*n).cloned().unwrap_or_default(),
                Operand::Constant(a) => {
                    let data: Vec<f32> = a.iter().copied().collect();
                    b.floats(&format!("{node}_constant"), a.shape(), &data)
                }
            })
            .collect();
        let operands: Vec<&str> = constants.iter().map(String::as_str).collect();
        let first = operands.first().copied().unwrap_or_default();
        let plain = ("", step.work.name());
        let made = match &step.work {
            Work::Cast => b.node(&node, plain, &operands, &to, vec![("to", Attribute::Int(1))]),
            Work::Arithmetic(_) => b.node(&node, plain, &operands, &to, vec![]),
            Work::BatchNormalization(epsilon) => {
                b.node(&node, plain, &operands, &to, vec![("epsilon", Attribute::Float(*epsilon))])
            }
            Work::Function(function, attributes) => {
                expression::function(b, &node, function, attributes, first, &to)
            }
            // Refused before: ONNX has no such operator.
            Work::Threshold(_) => first.to_owned(),
            Work::Reshape => layout::reshape(b, &node, first, &step.shape, &to),
            Work::Transpose(perm) => b.node(&node, plain, &operands, &to, vec![("perm", sizes(perm))]),
            Work::Take(keep) => take(b, &node, first, keep, &to),
            Work::Pad { before, after, fill } => {
                let pads = before.iter().chain(after).copied().collect();
                let pads = b.ints(&format!("{node}_pads"), DType::I64, &[2 * before.len()], pads);
                let fill = b.floats(&format!("{node}_fill"), &[], &[*fill]);
                b.node(&node, plain, &[first, &pads, &fill], &to, vec![])
            }
            Work::Concat(axis) => {
                b.node(&node, plain, &operands, &to, vec![("axis", Attribute::Int(integer(*axis)))])
            }
        };
        values.push(made);
    }
    values.pop().unwrap_or_else(|| x.to_owned())
}

/// A Gather along each axis.
fn take(b: &mut Builder, node: &str, x: &str, keep: &[Vec<usize>], to: &str) -> String {
    let mut at = x.to_owned();
    for (axis, keep) in keep.iter().enumerate() {
        let indices = b.ints(&format!("{node}_indices"), DType::I64, &[keep.len()], integers(keep));
        let to = b.fresh(&format!("{to}_axis{axis}"));
        let attributes = vec![("axis", Attribute::Int(integer(axis)))];
        at = b.node(node, ("", "Gather"), &[&at, &indices], &to, attributes);
    }
    at
}
