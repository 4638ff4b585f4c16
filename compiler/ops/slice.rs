//! `Slice` on constants: <https://onnx.ai/onnx/operators/onnx__Slice.html>.

use ndarray::Axis;

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use crate::onnx::model::{Tensor, TensorData};

/// Per axis of the operand: the indices that stay, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// `keep[axis]`: indices.
    pub keep: Vec<Vec<usize>>,
}

/// The import rule: starts, ends, axes are attributes up to opset 9, operands 1 to 4 (with steps) from 10.
pub fn import(ctx: &Context<'_>) -> Imported {
    let new = ctx.opset >= 10;
    ctx.arity_within(if new { 3 } else { 1 }, if new { 5 } else { 1 })?;
    let get = |name: &str, i: usize| if new { ctx.constant_ints(i) } else { ctx.ints(name) };
    let starts = get("starts", 1)?.ok_or_else(|| ctx.invalid("`starts` is missing"))?;
    let ends = get("ends", 2)?.ok_or_else(|| ctx.invalid("`ends` is missing"))?;
    let shape = &ctx.fact(0)?.shape;
    let axes =
        get("axes", 3)?.unwrap_or_else(|| (0..starts.len()).map(|i| i64::try_from(i).unwrap_or(0)).collect());
    let steps = if new { ctx.constant_ints(4)? } else { None }.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(ctx.invalid("starts, ends, axes and steps differ in length"));
    }
    let mut keep: Vec<Vec<usize>> = shape.iter().map(|d| (0..*d).collect()).collect();
    for i in 0..starts.len() {
        let at = axis(axes[i], shape.len()).ok_or_else(|| ctx.invalid(format!("axis {}", axes[i])))?;
        let size = i64::try_from(shape[at]).unwrap_or(i64::MAX);
        let wrap = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
        let step = steps[i];
        let mut index = Vec::new();
        if step > 0 {
            let (mut at, end) = (wrap(starts[i]).clamp(0, size), wrap(ends[i]).clamp(0, size));
            while at < end {
                index.push(usize::try_from(at).unwrap_or(0));
                at = at.saturating_add(step);
            }
        } else if step < 0 {
            let (mut at, end) = (wrap(starts[i]).clamp(-1, size - 1), wrap(ends[i]).clamp(-1, size - 1));
            while at > end {
                index.push(usize::try_from(at).unwrap_or(0));
                at = at.saturating_add(step);
            }
        } else {
            return Err(ctx.invalid("a step is 0"));
        }
        keep[at] = index;
    }
    Rule::first(Op::Slice(Slice { keep }), 1)
}

/// The value for a constant operand.
pub fn eval(slice: &Slice, x: &Tensor) -> Option<Tensor> {
    let mut data = x.data.clone();
    for (at, keep) in slice.keep.iter().enumerate() {
        data = match data {
            TensorData::Float(a) => TensorData::Float(a.select(Axis(at), keep)),
            TensorData::Int(a) => TensorData::Int(a.select(Axis(at), keep)),
        };
    }
    Some(Tensor { dtype: x.dtype, data })
}
