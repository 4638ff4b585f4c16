//! `ConvTranspose`: <https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>.
//!
//! Operands x `[1, C, H, W]` (or `[1, C, L]`), w `[C, O / group, KH, KW]`, optional bias `[O]`. With strides s, dilations
//! d and the pads at the beginning p, x at row i and tap k add to row s * i + d * k - p of the result; rows outside it
//! are dropped. Columns likewise.

use super::Op;
use super::context::{Context, Imported, Rule};
use super::quantization::Params;
use super::window::{self, Pads};
use crate::graph::float::Fact;

/// A transposed convolution: every size resolved; the channel numbers stand in the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose {
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// Rows and columns of the result from one of x to the next.
    pub strides: [usize; 2],
    /// Rows and columns of the result from one tap to the next.
    pub dilations: [usize; 2],
    /// Rows and columns dropped at the beginning.
    pub pads: [usize; 2],
    /// Rows and columns of the result.
    pub output: [usize; 2],
    /// ONNX `group`.
    pub groups: usize,
}

impl ConvTranspose {
    /// The weights' parameters with one scale and zero point for each of `outputs` output channels, or one for all:
    /// the file has one for each channel of a group.
    pub fn per_output(&self, weights: &Params, outputs: usize) -> Params {
        let spread = |n: usize| if n == 1 { 1 } else { outputs };
        let scale = weights.scale.iter().cycle().take(spread(weights.scale.len())).copied().collect();
        let zeros = weights.zero_point.iter().cycle().take(spread(weights.zero_point.len()));
        Params { scale, zero_point: zeros.copied().collect(), ..weights.clone() }
    }

    /// What differs from the point window, as [`window::describe`] has it.
    pub fn describe(&self) -> String {
        let pair = |[a, b]: [usize; 2]| format!("{a}x{b}");
        let mut text = format!("kernel {} strides {}", pair(self.kernel), pair(self.strides));
        if self.dilations != [1, 1] {
            text += &format!(" dilations {}", pair(self.dilations));
        }
        if self.pads != [0, 0] {
            text += &format!(" pads {},{}", self.pads[0], self.pads[1]);
        }
        text += &format!(" to {}", pair(self.output));
        if self.groups != 1 {
            text += &format!(" groups {}", self.groups);
        }
        text
    }
}

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 3)?;
    let x = &ctx.fact(0)?.shape;
    let weight = &ctx.fact(1)?.shape;
    let (size, given) = match (window::spatial(x), weight.as_slice(), x.len()) {
        (Some(size), [_, _, k], 3) => (size, [1, *k]),
        (Some(size), [_, _, kh, kw], 4) => (size, [*kh, *kw]),
        _ => {
            return Err(
                ctx.operand(1, format!("shapes are x {x:?} and w {weight:?}; 1-D and 2-D forms exist"))
            );
        }
    };
    let groups = ctx.int("group", 1)?;
    let groups = usize::try_from(groups)
        .ok()
        .filter(|g| *g > 0)
        .ok_or_else(|| ctx.invalid(format!("attribute `group` = {groups}")))?;
    if weight[0] != x[1] || weight[0] % groups != 0 || weight[1] == 0 || size.contains(&0) {
        return Err(ctx.mismatch(format!("x is {x:?}, w is {weight:?}, group {groups}")));
    }
    let dims = x.len() - 2;
    let window = window::unpadded(ctx, dims, Some(given))?;
    let mut padding = window::pair(ctx, dims, "output_padding", 0)?.unwrap_or_default();
    if dims == 1 {
        padding[0] = 0;
    }
    let asked = window::pair(ctx, dims, "output_shape", 1)?;
    let pads = window::pads(ctx, dims)?;
    let (mut begin, mut output) = ([0; 2], [0; 2]);
    for d in 0..2 {
        let stride = window.strides[d];
        let full = stride * (size[d] - 1) + padding[d] + window.dilations[d] * (window.kernel[d] - 1) + 1;
        // Pads that follow from a size; where there is one, ONNX ignores explicit ones.
        let (wanted, upper) = match (asked, &pads) {
            (Some(asked), pads) => (asked[d], matches!(pads, Pads::Same { upper: true })),
            (None, Pads::Same { upper }) => ((size[d] * stride).min(full), *upper),
            (None, Pads::Explicit(pads)) => {
                let Some(left) = full.checked_sub(pads[d] + pads[d + 2]).filter(|n| *n > 0) else {
                    return Err(ctx.mismatch(format!("pads {pads:?} leave nothing of {full}")));
                };
                (begin[d], output[d]) = (pads[d], left);
                (left, false)
            }
        };
        // ONNX Runtime too refuses more than the strides leave open.
        if padding[d] + wanted.saturating_sub(full) >= stride {
            let cause = format!("output size {wanted} with output padding {}, strides {stride}", padding[d]);
            return Err(ctx.mismatch(format!("{cause}: no convolution would give the input's size back")));
        }
        if output[d] == 0 {
            let total = full.saturating_sub(wanted);
            (begin[d], output[d]) = (if upper { total / 2 } else { total - total / 2 }, wanted);
        }
    }
    let op = ConvTranspose {
        kernel: window.kernel,
        strides: window.strides,
        dilations: window.dilations,
        pads: begin,
        output,
        groups,
    };
    Rule::first(Op::ConvTranspose(op), if ctx.has(2) { 3 } else { 2 })
}

/// The output shape for operands x, w and, where there is one, the bias: one axis, a value per output channel.
pub fn shape(conv: &ConvTranspose, operands: &[&Fact]) -> Result<Vec<usize>, String> {
    let [x, w, bias @ ..] = operands else { return Err("the weights are missing".into()) };
    let channels = conv.groups * w.shape.get(1).ok_or("the weights have no channels")?;
    if let Some(bias) = bias.first().filter(|b| b.shape != [channels]) {
        return Err(format!("the bias has shape {:?}, not [{channels}]", bias.shape));
    }
    let [rows, columns] = conv.output;
    match x.shape.as_slice() {
        [n, _, _] => Ok(vec![*n, channels, columns]),
        [n, _, _, _] => Ok(vec![*n, channels, rows, columns]),
        other => Err(format!("x has shape {other:?}")),
    }
}
