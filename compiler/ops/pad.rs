//! `Pad` with a constant: <https://onnx.ai/onnx/operators/onnx__Pad.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use super::quantization::Params;
use crate::onnx::model::{Tensor, TensorData};

/// What stands in the padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Of float tensors.
    Real(f32),
    /// Of integer tensors: the file's integer.
    Integer(i64),
}

/// Elements added around a tensor; negative numbers cut some off.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Before the first element of each axis.
    pub before: Vec<i64>,
    /// Behind the last.
    pub after: Vec<i64>,
    /// Their value.
    pub fill: Fill,
}

impl Pad {
    /// Along one axis of `size`: for each element of the result that of the operand, or `None` for padding.
    pub fn sources(&self, at: usize, size: usize) -> Vec<Option<usize>> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let places = -self.before[at]..size.saturating_add(self.after[at]);
        places.map(|i| usize::try_from(i).ok().filter(|_| i < size)).collect()
    }

    /// The same on the integers that stand for its operand.
    pub fn quantized(&self, params: &Params) -> Option<Pad> {
        let Fill::Real(fill) = self.fill else { return None };
        params.per_tensor()?;
        Some(Pad { fill: Fill::Integer(params.quantize(fill, 0)), ..self.clone() })
    }

    /// Whether dequantizing the integers of [`Pad::quantized`] gives the fill again.
    pub fn is_exact(&self, params: &Params) -> bool {
        let (Fill::Real(fill), Some((scale, zero))) = (self.fill, params.per_tensor()) else { return false };
        // Both integers have 8 bits.
        (params.quantize(fill, 0) - zero) as f32 * scale == fill
    }
}

/// The import rule: pads and value are attributes up to opset 10, operands from 11; axes from 18.
pub fn import(ctx: &Context<'_>) -> Imported {
    let new = ctx.opset >= 11;
    ctx.arity_within(if new { 2 } else { 1 }, if new { 4 } else { 1 })?;
    let mode = ctx.string("mode", "constant")?;
    if mode != "constant" {
        return Err(ctx.unsupported("mode", &mode, "only padding with a constant is supported"));
    }
    let x = ctx.fact(0)?;
    let rank = x.shape.len();
    let pads = if new { ctx.constant_ints(1)? } else { ctx.ints("pads")? };
    let pads = pads.ok_or_else(|| ctx.invalid("`pads` is missing"))?;
    let axes = if ctx.opset >= 18 { ctx.constant_ints(3)? } else { None };
    if ctx.opset < 18 && ctx.has(3) {
        return Err(ctx.invalid("operand `axes` needs opset 18"));
    }
    let axes = axes.unwrap_or_else(|| (0..rank).map(|i| i64::try_from(i).unwrap_or(0)).collect());
    if pads.len() != 2 * axes.len() {
        return Err(ctx.invalid(format!("{} pads for {} axes", pads.len(), axes.len())));
    }
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (i, &given) in axes.iter().enumerate() {
        let at = axis(given, rank).ok_or_else(|| ctx.invalid(format!("axis {given}")))?;
        (before[at], after[at]) = (pads[i], pads[i + axes.len()]);
    }
    let value = if new { ctx.constant(2)? } else { None };
    let fill = match (value, super::is_float(x.dtype)) {
        (None, true) => Fill::Real(if new { 0.0 } else { ctx.float("value", 0.0)? }),
        (None, false) => Fill::Integer(0),
        (Some(Tensor { data: TensorData::Float(v), .. }), true) if v.len() == 1 => {
            Fill::Real(v.iter().next().map_or(0.0, |v| *v as f32))
        }
        (Some(Tensor { data: TensorData::Int(v), .. }), false) if v.len() == 1 => {
            Fill::Integer(v.iter().next().copied().unwrap_or(0))
        }
        (Some(_), _) => return Err(ctx.operand(2, "it has to hold one element of the first operand's type")),
    };
    Rule::first(Op::Pad(Pad { before, after, fill }), 1)
}

/// The output shape.
pub fn shape(pad: &Pad, x: &[usize]) -> Result<Vec<usize>, String> {
    let axis = |at: usize| {
        let size = i64::try_from(x[at]).ok()?.checked_add(pad.before[at])?.checked_add(pad.after[at])?;
        usize::try_from(size).ok().filter(|n| *n > 0)
    };
    let sizes: Option<Vec<usize>> = (0..x.len().min(pad.before.len())).map(axis).collect();
    sizes
        .filter(|s| s.len() == x.len() && pad.before.len() == x.len())
        .ok_or_else(|| format!("pads {:?} and {:?} of {x:?}", pad.before, pad.after))
}
