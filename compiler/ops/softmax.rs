//! `Softmax` and `LogSoftmax`, at the end of the graph:
//! <https://onnx.ai/onnx/operators/onnx__Softmax.html>, <https://onnx.ai/onnx/operators/onnx__LogSoftmax.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use crate::diag::Diagnostic;

/// The import rule of Softmax.
pub fn import(ctx: &Context<'_>) -> Imported {
    Rule::first(Op::Softmax(along(ctx)?), 1)
}

/// The import rule of LogSoftmax.
pub fn import_log(ctx: &Context<'_>) -> Imported {
    Rule::first(Op::LogSoftmax(along(ctx)?), 1)
}

/// The axis. Below opset 13 the default is 1 and everything from it on is one vector.
fn along(ctx: &Context<'_>) -> Result<usize, Diagnostic> {
    ctx.arity_within(1, 1)?;
    let shape = &ctx.fact(0)?.shape;
    let old = ctx.opset < 13;
    let given = ctx.int("axis", if old { 1 } else { -1 })?;
    let at = axis(given, shape.len())
        .ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given} for shape {shape:?}")))?;
    if old { tail(shape, at).ok_or_else(|| no_tail(ctx, given)) } else { Ok(at) }
}

/// The axis of a softmax over all axes from `at` on, where at most one of them has more than one element.
pub fn tail(shape: &[usize], at: usize) -> Option<usize> {
    let mut long = (at..shape.len()).filter(|i| shape[*i] != 1);
    let axis = long.next().unwrap_or(at);
    long.next().is_none().then_some(axis)
}

/// The refusal of others.
pub fn no_tail(ctx: &Context<'_>, given: i64) -> Diagnostic {
    ctx.unsupported(
        "axis",
        &given.to_string(),
        "below opset 13 all axes from this on are one vector; only one of them may have more than one element",
    )
}
