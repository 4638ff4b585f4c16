//! `Shape`: <https://onnx.ai/onnx/operators/onnx__Shape.html>. Every shape is fixed, so this is a constant.

use ndarray::arr1;

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::onnx::model::{DType, Tensor, TensorData};

/// The import rule; `start` and `end` from opset 15.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let shape = &ctx.fact(0)?.shape;
    let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
    let clamp = |v: i64| usize::try_from((if v < 0 { v + rank } else { v }).clamp(0, rank)).unwrap_or(0);
    let start = clamp(ctx.int("start", 0)?);
    let end = clamp(ctx.int("end", rank)?).max(start);
    let dims: Vec<i64> = shape[start..end].iter().map(|d| i64::try_from(*d).unwrap_or(i64::MAX)).collect();
    Rule::of(Op::Const(Tensor { dtype: DType::I64, data: TensorData::Int(arr1(&dims).into_dyn()) }), &[])
}
