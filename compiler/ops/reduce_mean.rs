//! `ReduceMean` over spatial axes, channels first or last: <https://onnx.ai/onnx/operators/onnx__ReduceMean.html>.
//!
//! A pass makes it an average over a window, with the Transpose and Reshape that the axes ask for.

use super::Op;
use super::context::{Context, Imported, Rule, axis};

/// A mean over axes that are not the batch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mean {
    /// The axes, ascending.
    pub axes: Vec<usize>,
    /// Whether they stay, of size 1.
    pub keepdims: bool,
    /// Whether the operand's last axis is its channels, not axis 1.
    pub channels_last: bool,
}

/// The import rule: axes are an attribute up to opset 17, operand 1 from 18.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 2)?;
    let shape = &ctx.fact(0)?.shape;
    let given = ctx.axes(1, 18)?.unwrap_or_default();
    ctx.versions("noop_with_empty_axes", 18..=i64::MAX)?;
    let noop = ctx.flag("noop_with_empty_axes", false)?;
    let keepdims = ctx.flag("keepdims", true)?;
    if given.is_empty() && noop {
        return Rule::first(Op::Identity, 1);
    }
    let mut axes = given
        .iter()
        .map(|a| {
            axis(*a, shape.len())
                .ok_or_else(|| ctx.invalid(format!("axis {a} does not exist in rank {}", shape.len())))
        })
        .collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    let refused = || {
        ctx.unsupported(
            "axes",
            &format!("{given:?}"),
            format!(
                "only the mean over spatial axes of [N, C, ..] or [N, .., C] is supported; the operand is {shape:?}"
            ),
        )
    };
    if axes.is_empty() || axes[0] == 0 || axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(refused());
    }
    if axes.iter().all(|a| shape[*a] == 1) {
        // The mean of one element.
        let kept = Mean { axes, keepdims, channels_last: false };
        let op = if keepdims { Op::Identity } else { Op::Reshape(self::shape(&kept, shape)) };
        return Rule::first(op, 1);
    }
    let last = shape.len() - 1;
    if !matches!(last, 2 | 3) {
        return Err(refused());
    }
    // Where neither axis is left to be the channels', one of a single element can be.
    let channels_last = match (axes.contains(&1), axes.contains(&last)) {
        (false, _) => false,
        (true, false) => true,
        (true, true) if shape[1] == 1 => false,
        (true, true) if shape[last] == 1 => true,
        (true, true) => return Err(refused()),
    };
    Rule::first(Op::Mean(Mean { axes, keepdims, channels_last }), 1)
}

/// The output shape.
pub fn shape(mean: &Mean, x: &[usize]) -> Vec<usize> {
    let axes = x.iter().enumerate().filter(|(i, _)| mean.keepdims || !mean.axes.contains(i));
    axes.map(|(i, d)| if mean.axes.contains(&i) { 1 } else { *d }).collect()
}
