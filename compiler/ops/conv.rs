//! `Conv`: <https://onnx.ai/onnx/operators/onnx__Conv.html>.
//!
//! Operands x `[1, C, H, W]` (or `[1, C, L]`), w `[O, C / group, KH, KW]`, optional bias `[O]`.

use super::Op;
use super::context::{Context, Imported, Rule};
use super::window;
use crate::diag::Diagnostic;
use crate::graph::float::Fact;
use crate::graph::int::Window;

/// A convolution: window and groups; the channel numbers stand in the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// The window, `lead` included.
    pub window: Window,
    /// Taps in front of the weights' own rows and columns that read the map and count nothing: the crop that
    /// `auto_pad` makes where strides exceed the kernel.
    pub lead: [usize; 2],
    /// ONNX `group`.
    pub groups: usize,
}

/// Reads the attributes and checks operand shapes: x is operand 0, the weights are operand `w`.
pub fn read(ctx: &Context<'_>, w: usize) -> Result<Conv, Diagnostic> {
    let x = &ctx.fact(0)?.shape;
    let weight = &ctx.fact(w)?.shape;
    let kernel = match (weight.as_slice(), x.len()) {
        ([_, _, k], 3) => [1, *k],
        ([_, _, kh, kw], 4) => [*kh, *kw],
        _ => {
            return Err(
                ctx.operand(w, format!("shapes are x {x:?} and w {weight:?}; 1-D and 2-D forms exist"))
            );
        }
    };
    let groups = ctx.int("group", 1)?;
    let groups = usize::try_from(groups)
        .ok()
        .filter(|g| *g > 0)
        .ok_or_else(|| ctx.invalid(format!("attribute `group` = {groups}")))?;
    if weight[1].checked_mul(groups) != Some(x[1]) || weight[0] % groups != 0 || weight[0] == 0 {
        return Err(ctx.mismatch(format!("x has {} channels, w is {weight:?}, group {groups}", x[1])));
    }
    let (mut window, crop) = window::read(ctx, x, Some(kernel))?;
    let (crop, mut lead) = (crop.unwrap_or_default(), [0; 2]);
    for d in 0..2 {
        if crop[d] == 0 {
            continue;
        }
        // One tap has no dilation; the added taps bring their own.
        if kernel[d] == 1 {
            window.dilations[d] = 1;
        }
        if crop[d] % window.dilations[d] != 0 {
            return Err(window::cropped(ctx));
        }
        lead[d] = crop[d] / window.dilations[d];
        window.kernel[d] += lead[d];
    }
    Ok(Conv { window, lead, groups })
}

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 3)?;
    let conv = read(ctx, 1)?;
    Rule::first(Op::Conv(conv), if ctx.has(2) { 3 } else { 2 })
}

/// The output shape for operands x, w and, where there is one, the bias: one axis, a value per output channel.
pub fn shape(conv: &Conv, operands: &[&Fact]) -> Result<Vec<usize>, String> {
    let [x, w, bias @ ..] = operands else { return Err("the weights are missing".into()) };
    let channels = *w.shape.first().ok_or("the weights are a scalar")?;
    if let Some(bias) = bias.first().filter(|b| b.shape != [channels]) {
        return Err(format!("the bias has shape {:?}, not [{channels}]", bias.shape));
    }
    window::output_shape(&x.shape, channels, &conv.window, false)
        .ok_or_else(|| format!("the window {} does not fit {:?}", window::describe(&conv.window), x.shape))
}
