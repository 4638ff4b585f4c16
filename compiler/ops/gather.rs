//! `Gather` on constants: <https://onnx.ai/onnx/operators/onnx__Gather.html>.

use ndarray::{ArrayD, Axis, IxDyn};

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use crate::onnx::model::{Tensor, TensorData};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    let given = ctx.int("axis", 0)?;
    let at = axis(given, ctx.fact(0)?.shape.len())
        .ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    Rule::first(Op::Gather(at), 2)
}

/// The output shape.
pub fn shape(at: usize, x: &[usize], indices: &[usize]) -> Result<Vec<usize>, String> {
    if at >= x.len() {
        return Err(format!("axis {at} of {x:?}"));
    }
    Ok([&x[..at], indices, &x[at + 1..]].concat())
}

/// The value for constant operands.
pub fn eval(at: usize, x: &Tensor, indices: &Tensor) -> Option<Tensor> {
    let TensorData::Int(index) = &indices.data else { return None };
    let size = *x.shape().get(at)?;
    let rows: Option<Vec<usize>> = index
        .iter()
        .map(|&i| {
            let size_i = i64::try_from(size).ok()?;
            usize::try_from(if i < 0 { i + size_i } else { i }).ok().filter(|i| *i < size)
        })
        .collect();
    let rows = rows?;
    let shape = shape(at, x.shape(), indices.shape()).ok()?;
    fn pick<T: Clone>(a: &ArrayD<T>, at: usize, rows: &[usize], shape: &[usize]) -> Option<ArrayD<T>> {
        a.select(Axis(at), rows).as_standard_layout().into_owned().into_shape_with_order(IxDyn(shape)).ok()
    }
    let data = match &x.data {
        TensorData::Float(a) => TensorData::Float(pick(a, at, &rows, &shape)?),
        TensorData::Int(a) => TensorData::Int(pick(a, at, &rows, &shape)?),
    };
    Some(Tensor { dtype: x.dtype, data })
}
