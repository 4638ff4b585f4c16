//! `ArgMax`, at the end of the graph: <https://onnx.ai/onnx/operators/onnx__ArgMax.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};

/// The attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgMax {
    /// The axis.
    pub axis: usize,
    /// The axis stays, of size 1.
    pub keepdims: bool,
    /// Of equal maxima the last one wins.
    pub select_last_index: bool,
}

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let shape = &ctx.fact(0)?.shape;
    let given = ctx.int("axis", 0)?;
    let at = axis(given, shape.len()).ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    let keepdims = ctx.flag("keepdims", true)?;
    ctx.versions("select_last_index", 12..=i64::MAX)?;
    let select_last_index = ctx.flag("select_last_index", false)?;
    Rule::first(Op::ArgMax(ArgMax { axis: at, keepdims, select_last_index }), 1)
}

/// The output shape.
pub fn shape(op: &ArgMax, x: &[usize]) -> Result<Vec<usize>, String> {
    if op.axis >= x.len() {
        return Err(format!("axis {} of {x:?}", op.axis));
    }
    let mut shape = x.to_vec();
    if op.keepdims {
        shape[op.axis] = 1;
    } else {
        shape.remove(op.axis);
    }
    Ok(shape)
}
