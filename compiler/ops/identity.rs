//! `Identity` and `Dropout` (which is the identity at inference):
//! <https://onnx.ai/onnx/operators/onnx__Identity.html>, <https://onnx.ai/onnx/operators/onnx__Dropout.html>.

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::onnx::model::TensorData;

/// The import rule of Identity.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    Rule::first(Op::Identity, 1)
}

/// The import rule of Dropout: ratio and seed act in training only.
pub fn import_dropout(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 3)?;
    ctx.versions("ratio", 1..=11)?;
    ctx.versions("seed", 12..=i64::MAX)?;
    ctx.float("ratio", 0.5)?;
    ctx.opt_int("seed")?;
    if let Some(t) = ctx.constant(2)?
        && let TensorData::Int(v) = &t.data
        && v.iter().any(|v| *v != 0)
    {
        return Err(ctx.operand(2, "training mode is not supported"));
    }
    Rule::first(Op::Identity, 1)
}
