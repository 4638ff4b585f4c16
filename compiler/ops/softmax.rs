//! `Softmax`, on the host, at the end of the graph: <https://onnx.ai/onnx/operators/onnx__Softmax.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};

/// The import rule. Below opset 13 the default axis is 1 and everything from it on is one vector.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let shape = &ctx.fact(0)?.shape;
    let old = ctx.opset < 13;
    let given = ctx.int("axis", if old { 1 } else { -1 })?;
    let at = axis(given, shape.len())
        .ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given} for shape {shape:?}")))?;
    if old && shape[at + 1..].iter().any(|d| *d != 1) {
        return Err(ctx.unsupported(
            "axis",
            &given.to_string(),
            "below opset 13 only the last axis is supported",
        ));
    }
    Rule::first(Op::Softmax(at), 1)
}
