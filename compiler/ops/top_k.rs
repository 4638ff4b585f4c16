//! `TopK`, at the end of the graph: <https://onnx.ai/onnx/operators/onnx__TopK.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};

/// The attributes, and which of the two results this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopK {
    /// The axis.
    pub axis: usize,
    /// How many elements of it.
    pub k: usize,
    /// The greatest, else the least.
    pub largest: bool,
    /// The elements' indices, else the elements.
    pub indices: bool,
}

/// The import rule: k is an attribute below opset 10, `largest` and `sorted` came with 11.
pub fn import(ctx: &Context<'_>) -> Imported {
    let operand = ctx.opset >= 10;
    ctx.arity_within(if operand { 2 } else { 1 }, if operand { 2 } else { 1 })?;
    let shape = &ctx.fact(0)?.shape;
    let given = ctx.int("axis", -1)?;
    let at = axis(given, shape.len()).ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    let k = if operand {
        match ctx.constant_ints(1)?.unwrap_or_default().as_slice() {
            [k] => *k,
            other => return Err(ctx.operand(1, format!("it has {} elements; one is needed", other.len()))),
        }
    } else {
        ctx.opt_int("k")?.ok_or_else(|| ctx.invalid("attribute `k` is missing"))?
    };
    ctx.versions("largest", 11..=i64::MAX)?;
    ctx.versions("sorted", 11..=i64::MAX)?;
    let (largest, sorted) = (ctx.flag("largest", true)?, ctx.flag("sorted", true)?);
    let k = usize::try_from(k)
        .ok()
        .filter(|k| (1..=shape[at]).contains(k))
        .ok_or_else(|| ctx.mismatch(format!("{k} elements of axis {at} of {shape:?}")))?;
    if !sorted && k > 1 {
        let why = "ONNX leaves the order open, and so it can't be equal to ONNX Runtime's";
        return Err(ctx.unsupported("sorted", "0", why));
    }
    let result = |indices| Op::TopK(TopK { axis: at, k, largest, indices });
    Ok(Rule { op: result(false), operands: vec![0], before: vec![], further: vec![result(true)] })
}

/// The output shape.
pub fn shape(op: &TopK, x: &[usize]) -> Result<Vec<usize>, String> {
    if x.get(op.axis).is_none_or(|n| *n < op.k) {
        return Err(format!("{} elements of axis {} of {x:?}", op.k, op.axis));
    }
    let mut shape = x.to_vec();
    shape[op.axis] = op.k;
    Ok(shape)
}
