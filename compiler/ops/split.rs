//! `Split`, as a Slice for each output: <https://onnx.ai/onnx/operators/onnx__Split.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use super::slice::Slice;

/// The import rule: sizes are an attribute up to opset 12, an operand from 13; without them, equal parts, of which from
/// opset 18 the last may be smaller.
pub fn import(ctx: &Context<'_>) -> Imported {
    let new = ctx.opset >= 13;
    ctx.arity_within(1, if new { 2 } else { 1 })?;
    ctx.versions("num_outputs", 18..=i64::MAX)?;
    let shape = &ctx.fact(0)?.shape;
    let given = ctx.int("axis", 0)?;
    let at = axis(given, shape.len()).ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    let outputs = ctx.node.outputs.len();
    let sizes = if new { ctx.constant_ints(1)? } else { ctx.ints("split")? };
    let parts = ctx.opt_int("num_outputs")?;
    if parts.is_some_and(|n| usize::try_from(n) != Ok(outputs)) {
        return Err(ctx.invalid(format!("attribute `num_outputs` with {outputs} outputs")));
    }
    let sizes: Vec<usize> = match sizes {
        Some(sizes) => sizes.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect(),
        None => {
            let part = shape[at].div_ceil(outputs.max(1));
            let even = shape[at].is_multiple_of(outputs.max(1));
            if !even && parts.is_none() {
                return Err(ctx.invalid(format!("{} elements in {outputs} equal parts", shape[at])));
            }
            (0..outputs).map(|i| part.min(shape[at].saturating_sub(i * part))).collect()
        }
    };
    let sum = sizes.iter().try_fold(0usize, |a, n| a.checked_add(*n));
    if sizes.len() != outputs || sum != Some(shape[at]) || sizes.contains(&0) {
        return Err(ctx.invalid(format!("sizes {sizes:?} of {} elements, {outputs} outputs", shape[at])));
    }
    let mut from = 0;
    let mut slices = sizes.iter().map(|n| {
        let mut keep: Vec<Vec<usize>> = shape.iter().map(|d| (0..*d).collect()).collect();
        keep[at] = (from..from + n).collect();
        from += n;
        Op::Slice(Slice { keep })
    });
    let first = slices.next().ok_or_else(|| ctx.invalid("it has no output"))?;
    Ok(Rule { op: first, operands: vec![0], before: vec![], further: slices.collect() })
}
