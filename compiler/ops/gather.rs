//! `Gather` by constant indices: <https://onnx.ai/onnx/operators/onnx__Gather.html>. By a list of them it is a Slice.

use ndarray::{ArrayD, Axis, IxDyn};

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use super::slice::Slice;
use crate::onnx::model::{Tensor, TensorData};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    let given = ctx.int("axis", 0)?;
    let shape = &ctx.fact(0)?.shape;
    let at = axis(given, shape.len()).ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    let constant = |i: usize| ctx.constants.get(i).and_then(Option::as_ref);
    if let (None, Some(Tensor { data: TensorData::Int(list), .. })) = (constant(0), constant(1))
        && list.ndim() == 1
    {
        let mut keep: Vec<Vec<usize>> = shape.iter().map(|d| (0..*d).collect()).collect();
        keep[at] = rows(list, shape[at]).ok_or_else(|| ctx.invalid("an index lies outside the axis"))?;
        return Rule::first(Op::Slice(Slice { keep }), 1);
    }
    Rule::first(Op::Gather(at), 2)
}

/// Indices of an axis of `size`, counted from its end where they are negative; `None` where one lies outside.
pub fn rows(indices: &ArrayD<i64>, size: usize) -> Option<Vec<usize>> {
    let signed = i64::try_from(size).ok()?;
    let row = |i: &i64| {
        usize::try_from(if *i < 0 { i.checked_add(signed)? } else { *i }).ok().filter(|i| *i < size)
    };
    indices.iter().map(row).collect()
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
    let rows = rows(index, *x.shape().get(at)?)?;
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
