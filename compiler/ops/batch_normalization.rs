//! `BatchNormalization` at inference: <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>.
//!
//! y = (x - mean) / sqrt(var + epsilon) * scale + bias, per channel. Operands x, scale, bias, mean, var.

use super::Op;
use super::context::{Context, Imported, Rule};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(5, 5)?;
    let epsilon = ctx.float("epsilon", 1e-5)?;
    // Used in training only.
    ctx.float("momentum", 0.9)?;
    ctx.versions("training_mode", 14..=i64::MAX)?;
    if ctx.int("training_mode", 0)? != 0 {
        return Err(ctx.unsupported("training_mode", "1", "only inference is supported"));
    }
    if ctx.opset < 9 && ctx.int("spatial", 1)? != 1 {
        return Err(ctx.unsupported("spatial", "0", "only per-channel statistics are supported"));
    }
    Rule::first(Op::BatchNormalization(epsilon), 5)
}
