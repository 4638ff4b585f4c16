//! QONNX `Quant`, `BipolarQuant` and `Trunc`
//! (<https://github.com/fastmachinelearning/qonnx/tree/main/docs/qonnx-custom-ops>).
//!
//! Each is a float that has gone through integers: it imports as a QuantizeLinear by QONNX's rule and a DequantizeLinear.

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use super::quantization::Params;
use crate::arith::{self, Rounding, Threshold, Truncation};
use crate::diag::{Diagnostic, code};
use crate::onnx::model::{DType, Tensor, TensorData};

/// Widest integers: their scales and bounds are float32.
const WIDEST: u32 = 32;

/// The ONNX type that holds the integers.
pub fn container(bits: u32, signed: bool) -> DType {
    match (bits, signed) {
        (0..=8, true) => DType::I8,
        (0..=8, false) => DType::U8,
        (9..=16, true) => DType::I16,
        (9..=16, false) => DType::U16,
        (_, true) => DType::I32,
        (_, false) => DType::U32,
    }
}

/// A constant operand of one element, an integer.
fn whole(ctx: &Context<'_>, i: usize, what: &str) -> Result<i64, Diagnostic> {
    let values = numbers(ctx, i)?;
    match values.as_slice() {
        // An integer in range converts exactly.
        [v] if v.fract() == 0.0 && v.abs() <= f64::from(u32::MAX) => Ok(*v as i64),
        _ => Err(ctx.operand(i, format!("the {what} has to be one integer; it is {values:?}"))),
    }
}

fn numbers(ctx: &Context<'_>, i: usize) -> Result<Vec<f64>, Diagnostic> {
    Ok(match &ctx.required(i)?.data {
        TensorData::Float(v) => v.iter().copied().collect(),
        // Small integers are exact.
        TensorData::Int(v) => v.iter().map(|v| *v as f64).collect(),
    })
}

/// A scale operand: its elements, and the axis of the tensor of shape `dims` along which they are.
fn scale(ctx: &Context<'_>, i: usize, dims: &[usize]) -> Result<(Vec<f32>, Option<usize>), Diagnostic> {
    let Tensor { dtype: DType::F32, data: TensorData::Float(values) } = ctx.required(i)? else {
        return Err(ctx.operand(i, "the scale has to be float32"));
    };
    let fail = |cause: String| ctx.error(code::SCALE_INVALID, "quantization parameters are not valid", cause);
    // Exact: the tensor holds float32 values widened to f64.
    let scales: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    if let Some(bad) = scales.iter().find(|s| !s.is_finite() || **s <= 0.0) {
        return Err(fail(format!("a scale is {bad}; scales must be finite and above 0")));
    }
    let along = along(ctx, "scale", values.shape(), dims)?;
    Ok((scales, along))
}

/// The axis of a tensor of shape `dims` along which a quantization's numbers are; `None` for one number.
fn along(
    ctx: &Context<'_>,
    what: &str,
    shape: &[usize],
    dims: &[usize],
) -> Result<Option<usize>, Diagnostic> {
    let before = dims.len().max(1).checked_sub(shape.len());
    let mut several = (0..shape.len()).filter(|d| shape[*d] != 1);
    match (several.next(), several.next(), before) {
        (None, None, Some(_)) => Ok(None),
        (Some(at), None, Some(before)) if shape[at] > 0 && dims.get(before + at) == Some(&shape[at]) => {
            Ok(Some(before + at))
        }
        _ => Err(ctx.error(
            code::ATTRIBUTE_UNSUPPORTED,
            format!("the {what} is neither one for all nor one for each index of one axis"),
            format!("its shape is {shape:?}, the tensor's {dims:?}"),
        )),
    }
}

/// Zero points, as many as scales, which are along an axis of the tensor of shape `dims`.
fn zero_points(
    ctx: &Context<'_>,
    i: usize,
    dims: &[usize],
    (scales, axis): (usize, Option<usize>),
) -> Result<Vec<i64>, Diagnostic> {
    let values = numbers(ctx, i)?;
    // float32 holds integers up to 2^24.
    if let Some(bad) = values.iter().find(|z| z.fract() != 0.0 || z.abs() > f64::from(1 << 24)) {
        return Err(ctx.operand(i, format!("a zero point is {bad}; it has to be an integer")));
    }
    let whole: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    // QONNX adds a zero point of an integer type in double precision.
    if whole.iter().any(|z| *z != 0) && !matches!(ctx.required(i)?.dtype, DType::F32) {
        return Err(ctx.operand(i, "a zero point other than 0 has to be a float32 tensor"));
    }
    let shape = ctx.required(i)?.shape();
    match (whole.as_slice(), along(ctx, "zero point", shape, dims)?) {
        ([z], None) => Ok(vec![*z; scales]),
        (all, at) if at == axis && all.len() == scales => Ok(whole),
        (all, _) => Err(ctx.operand(
            i,
            format!("there are {} zero points and {scales} scales, along different axes", all.len()),
        )),
    }
}

fn rounding(ctx: &Context<'_>, default: &str) -> Result<Rounding, Diagnostic> {
    let name = ctx.string("rounding_mode", default)?;
    Rounding::of_name(&name)
        .ok_or_else(|| ctx.unsupported("rounding_mode", &name, "QONNX does not define it"))
}

fn required_flag(ctx: &Context<'_>, name: &str) -> Result<bool, Diagnostic> {
    match ctx.opt_int(name)? {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(v) => Err(ctx.unsupported(name, &v.to_string(), "it has to be 0 or 1")),
        None => Err(ctx.invalid(format!("attribute `{name}` is missing"))),
    }
}

fn width(ctx: &Context<'_>, i: usize, what: &str) -> Result<u32, Diagnostic> {
    let bits = whole(ctx, i, what)?;
    u32::try_from(bits).ok().filter(|b| (1..=WIDEST).contains(b)).ok_or_else(|| {
        ctx.error(
            code::WIDTH_UNSUPPORTED,
            "a bit width is not supported",
            format!("the {what} is {bits}; 1 to {WIDEST} are"),
        )
    })
}

/// Least and greatest integer of a width.
fn bounds(bits: u32, signed: bool, narrow: bool) -> (i64, i64) {
    let narrow = i64::from(narrow);
    if signed {
        let half = 1_i64 << (bits - 1);
        (narrow - half, half - 1)
    } else {
        (0, (1_i64 << bits) - 1 - narrow)
    }
}

/// QuantizeLinear and DequantizeLinear with these parameters.
fn through(ctx: &Context<'_>, params: Params) -> Imported {
    if let Some(bad) = params.zero_point.iter().find(|z| **z < params.lo || **z > params.hi) {
        // A zero point of 0 outside the range is harmless: it is no integer of the tensor, and padding says so.
        if *bad != 0 {
            return Err(ctx.error(
                code::SCALE_INVALID,
                "quantization parameters are not valid",
                format!("a zero point is {bad}; the integers are {} to {}", params.lo, params.hi),
            ));
        }
    }
    Rule::chain(vec![Op::Quantize(params.clone())], Op::Dequantize(params))
}

fn float_operand(ctx: &Context<'_>) -> Result<Vec<usize>, Diagnostic> {
    let x = ctx.fact(0)?;
    if x.dtype != DType::F32 {
        return Err(ctx.operand(0, format!("its type is {:?}; float32 is supported", x.dtype)));
    }
    Ok(x.shape.clone())
}

/// Quant: x, scale, zero point, bit width.
pub fn import_quant(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(4, 4)?;
    let dims = float_operand(ctx)?;
    let (scale, axis) = scale(ctx, 1, &dims)?;
    let zero_point = zero_points(ctx, 2, &dims, (scale.len(), axis))?;
    let bits = width(ctx, 3, "bit width")?;
    let signed = required_flag(ctx, "signed")?;
    let narrow = required_flag(ctx, "narrow")?;
    let rounding = rounding(ctx, "ROUND")?;
    let ((lo, hi), rule) = if bits == 1 && signed {
        ((-1, 1), arith::Rule::Sign)
    } else {
        (bounds(bits, signed, narrow), arith::Rule::Quant(rounding))
    };
    let dtype = container(bits, signed);
    through(ctx, Params { scale, zero_point, axis, dtype, lo, hi, rule, scalar: false })
}

/// BipolarQuant: x, scale.
pub fn import_bipolar(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    let dims = float_operand(ctx)?;
    let (scale, axis) = scale(ctx, 1, &dims)?;
    let zero_point = vec![0; scale.len()];
    let (dtype, rule) = (DType::I8, arith::Rule::Bipolar);
    through(ctx, Params { scale, zero_point, axis, dtype, lo: -1, hi: 1, rule, scalar: false })
}

/// Trunc: x, scale, zero point, input width, output width; or, with six operands, output scale before output width.
pub fn import_trunc(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(5, 6)?;
    let dims = float_operand(ctx)?;
    let second = ctx.arity() == 6;
    let (from, None) = scale(ctx, 1, &dims)? else {
        return Err(ctx.operand(1, "the scale has to be one for all"));
    };
    let zero = zero_points(ctx, 2, &dims, (1, None))?;
    let input = width(ctx, 3, "input bit width")?;
    let output = width(ctx, if second { 5 } else { 4 }, "output bit width")?;
    let rounding = rounding(ctx, "FLOOR")?;
    let (mut scale_out, mut zero_out) = (from.clone(), zero.clone());
    let (divisor, (lo, hi), signed) = if second {
        let (signed, narrow) = (ctx.flag("signed", true)?, ctx.flag("narrow", false)?);
        let (to, None) = scale(ctx, 4, &dims)? else {
            return Err(ctx.operand(4, "the scale has to be one for all"));
        };
        let power = (to[0] / from[0]).log2().round_ties_even();
        let divisor = power.exp2();
        // Exact for zero points of at most 24 bits and a power of two.
        let zero = zero[0] as f32 / divisor;
        if zero.fract() != 0.0 {
            return Err(ctx.operand(2, format!("the result's zero point is {zero}; it has to be an integer")));
        }
        (scale_out, zero_out) = (to, vec![zero as i64]);
        (divisor, bounds(output, signed, narrow), signed)
    } else {
        if output > input {
            return Err(ctx.operand(4, format!("{output} bits are to be left of {input}")));
        }
        // The node does not say whether its integers are signed; both kinds of the width are in these bounds.
        let half = 1_i64 << (output - 1);
        // At most 31 bits are dropped.
        (((input - output) as f32).exp2(), (-half, 2 * half - 1), true)
    };
    let dtype = container(if second { output } else { output + 1 }, signed);
    let truncation = Truncation { scale: from[0], zero_point: zero[0] as f32, divisor, rounding };
    let rule = arith::Rule::Trunc(truncation);
    through(
        ctx,
        Params { scale: scale_out, zero_point: zero_out, axis: None, dtype, lo, hi, rule, scalar: false },
    )
}

/// Integers of the data types that FINN names; `None` for one that is not known.
pub fn named(name: &str) -> Option<(i64, i64)> {
    let bits = |prefix: &str| -> Option<u32> {
        name.strip_prefix(prefix)?.parse().ok().filter(|b| (1..=WIDEST).contains(b))
    };
    match name {
        "BIPOLAR" | "TERNARY" => Some((-1, 1)),
        "BINARY" => Some((0, 1)),
        _ => bits("UINT")
            .map(|b| bounds(b, false, false))
            .or_else(|| bits("INT").map(|b| bounds(b, true, false))),
    }
}

/// MultiThreshold: x, thresholds. It imports as a [`Threshold`] and what quantizes its values exactly.
pub fn import_multi_threshold(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    let dims = float_operand(ctx)?;
    let (out_scale, out_bias) = (ctx.float("out_scale", 1.0)?, ctx.float("out_bias", 0.0)?);
    let said = ctx.string("out_dtype", "")?;
    let layout = ctx.string("data_layout", "")?;
    // Without a layout QONNX guesses by rank.
    let guess = match dims.len() {
        2 => 1,
        3 => 2,
        _ => 1,
    };
    let at = match layout.as_str() {
        "" => guess,
        known => known.find('C').unwrap_or(1),
    };
    let at = i64::try_from(at).ok().and_then(|at| axis(at, dims.len()));
    let Some(at) = at else {
        return Err(ctx.unsupported("data_layout", &layout, format!("the tensor has shape {dims:?}")));
    };
    let Tensor { dtype: DType::F32, data: TensorData::Float(t) } = ctx.required(1)? else {
        return Err(ctx.operand(1, "the thresholds have to be float32"));
    };
    let &[rows, n] = t.shape() else {
        return Err(ctx.operand(1, format!("the thresholds have shape {:?}; [C, N] is needed", t.shape())));
    };
    if (rows != 1 && rows != dims[at]) || n == 0 {
        return Err(ctx.mismatch(format!("thresholds {:?} for {} channels", t.shape(), dims[at])));
    }
    if t.iter().any(|v| v.is_nan()) {
        return Err(ctx.operand(1, "a threshold is not a number"));
    }
    // Exact: the tensor holds float32 values widened to f64.
    let mut thresholds: Vec<Vec<f32>> =
        t.outer_iter().map(|row| row.iter().map(|v| *v as f32).collect()).collect();
    for row in &mut thresholds {
        row.sort_by(f32::total_cmp);
    }
    let values: Vec<f32> = (0..=n).map(|k| out_scale * k as f32 + out_bias).collect();
    let Some((scale, first, step)) = grid(out_scale, out_bias) else {
        return Err(ctx.unsupported(
            "out_bias",
            &out_bias.to_string(),
            format!("with `out_scale` = {out_scale} the results are no integers times a scale above 0"),
        ));
    };
    let count = i64::try_from(n).unwrap_or(i64::MAX);
    let (lo, hi) = (first, first.saturating_add(step.saturating_mul(count)));
    let exact = (0..=count).zip(&values).all(|(k, v)| (first + step * k) as f32 * scale == *v);
    let fits = match said.as_str() {
        "FLOAT32" => true,
        // Values that are no integers are a float type, whatever is said.
        _ if out_scale.fract() != 0.0 || out_bias.fract() != 0.0 => true,
        name => match named(name) {
            Some((least, most)) => {
                values.iter().all(|v| f64::from(*v) >= least as f64 && f64::from(*v) <= most as f64)
            }
            None => return Err(ctx.unsupported("out_dtype", name, "it is no data type of QONNX's")),
        },
    };
    if !exact || !fits {
        let cause = format!("the results are {} to {}", values[0], values[n]);
        return Err(ctx.unsupported("out_dtype", &said, &cause));
    }
    let signed = lo < 0;
    let bits = if signed { 65 - (!lo).max(hi).leading_zeros() } else { 64 - hi.leading_zeros() };
    if bits > WIDEST {
        return Err(ctx.operand(1, format!("{n} thresholds need {bits} bits")));
    }
    let rule = arith::Rule::Quant(Rounding::Round);
    let dtype = container(bits, signed);
    let params =
        Params { scale: vec![scale], zero_point: vec![0], axis: None, dtype, lo, hi, rule, scalar: false };
    let threshold = Threshold { axis: at, thresholds, values };
    Rule::chain(vec![Op::Threshold(threshold), Op::Quantize(params.clone())], Op::Dequantize(params))
}

/// A scale of which all results scale * k + bias are multiples: with the first one and the step between them.
fn grid(scale: f32, bias: f32) -> Option<(f32, i64, i64)> {
    const FINEST: u8 = 8;
    if !(scale.is_finite() && scale > 0.0 && bias.is_finite()) {
        return None;
    }
    (1..=FINEST).find_map(|parts| {
        let first = f64::from(bias) * f64::from(parts) / f64::from(scale);
        // An integer of at most 24 bits, exact.
        let fits = first.fract() == 0.0 && first.abs() < f64::from(1 << 24);
        fits.then(|| (scale / f32::from(parts), first as i64, i64::from(parts)))
    })
}
