//! `Resize` and `Upsample` in mode nearest, as a choice of elements along each axis:
//! <https://onnx.ai/onnx/operators/onnx__Resize.html>, <https://onnx.ai/onnx/operators/onnx__Upsample.html>.
//!
//! The element that each one of the result comes from is computed as ONNX Runtime does, in float32.

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use super::slice::Slice;
use crate::diag::Diagnostic;
use crate::onnx::model::{Tensor, TensorData};

/// How a result's coordinate becomes an operand's.
#[derive(Clone, Copy)]
enum Coordinate {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
}

/// How an operand's coordinate becomes an element.
#[derive(Clone, Copy)]
enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
    /// Before opset 11: down for larger results, up for smaller ones.
    Simple,
}

/// One axis: the element of the operand for each of the result.
fn indices(size: usize, result: usize, scale: f32, coordinate: Coordinate, nearest: Nearest) -> Vec<usize> {
    if scale == 1.0 && size == result {
        return (0..size).collect();
    }
    let (from, to) = (size as f32, result as f32);
    let original = |at: f32| match coordinate {
        Coordinate::HalfPixel => (at + 0.5) / scale - 0.5,
        Coordinate::HalfPixelSymmetric => {
            // The result's length before it was rounded down to an integer, centred.
            let adjustment = to / (scale * from);
            let offset = from / 2.0 * (1.0 - adjustment);
            offset + (at + 0.5) / scale - 0.5
        }
        Coordinate::PytorchHalfPixel => {
            if to > 1.0 {
                (at + 0.5) / scale - 0.5
            } else {
                0.0
            }
        }
        Coordinate::AlignCorners => {
            if to == 1.0 {
                0.0
            } else {
                at * (from - 1.0) / (to - 1.0)
            }
        }
        Coordinate::Asymmetric => at / scale,
        Coordinate::TfHalfPixelForNn => (at + 0.5) / scale,
    };
    let element = |x: f32| match nearest {
        Nearest::RoundPreferFloor if x == x.trunc() + 0.5 => x.floor(),
        Nearest::RoundPreferFloor | Nearest::RoundPreferCeil => x.round(),
        Nearest::Floor => x.floor(),
        Nearest::Ceil => x.ceil(),
        Nearest::Simple => {
            if scale < 1.0 {
                x.ceil()
            } else {
                x.trunc()
            }
        }
    };
    // Lengths are limited at import, far below the integers that float32 holds.
    (0..result).map(|at| element(original(at as f32)).clamp(0.0, from - 1.0) as usize).collect()
}

fn floats(ctx: &Context<'_>, i: usize) -> Result<Option<Vec<f32>>, Diagnostic> {
    Ok(match ctx.constant(i)? {
        Some(Tensor { data: TensorData::Float(v), .. }) => Some(v.iter().map(|v| *v as f32).collect()),
        Some(_) => return Err(ctx.operand(i, "it has to hold float32 numbers")),
        None => None,
    }
    .filter(|v: &Vec<f32>| !v.is_empty()))
}

fn coordinate(ctx: &Context<'_>) -> Result<Coordinate, Diagnostic> {
    let given = ctx.string("coordinate_transformation_mode", "half_pixel")?;
    Ok(match given.as_str() {
        "half_pixel" => Coordinate::HalfPixel,
        "half_pixel_symmetric" if ctx.opset >= 19 => Coordinate::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinate::PytorchHalfPixel,
        "align_corners" => Coordinate::AlignCorners,
        "asymmetric" => Coordinate::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinate::TfHalfPixelForNn,
        other => {
            return Err(ctx.unsupported("coordinate_transformation_mode", other, "not for mode nearest"));
        }
    })
}

fn nearest(ctx: &Context<'_>) -> Result<Nearest, Diagnostic> {
    let given = ctx.string("nearest_mode", "round_prefer_floor")?;
    Ok(match given.as_str() {
        "round_prefer_floor" => Nearest::RoundPreferFloor,
        "round_prefer_ceil" => Nearest::RoundPreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        other => return Err(ctx.unsupported("nearest_mode", other, "unknown")),
    })
}

fn only_nearest(ctx: &Context<'_>) -> Result<(), Diagnostic> {
    let mode = ctx.string("mode", "nearest")?;
    if mode == "nearest" {
        return Ok(());
    }
    Err(ctx.unsupported("mode", &mode, "it computes new values; nearest only chooses them"))
}

/// The choice for scales or sizes of each axis.
fn chosen(
    ctx: &Context<'_>,
    scales: Option<&[f32]>,
    sizes: Option<&[i64]>,
    axes: &[usize],
    (coordinate, nearest): (Coordinate, Nearest),
) -> Imported {
    let shape = &ctx.fact(0)?.shape;
    let mut keep: Vec<Vec<usize>> = shape.iter().map(|d| (0..*d).collect()).collect();
    for (i, &at) in axes.iter().enumerate() {
        let size = shape[at];
        let (result, scale) = match (scales.map(|s| s[i]), sizes.map(|s| s[i])) {
            (Some(scale), _) if scale.is_finite() && scale > 0.0 => {
                ((size as f32 * scale).floor() as usize, scale)
            }
            (None, Some(n)) => {
                let n = usize::try_from(n).map_err(|_| ctx.invalid(format!("a size of {n}")))?;
                (n, n as f32 / size as f32)
            }
            (scale, _) => return Err(ctx.invalid(format!("a scale of {scale:?}"))),
        };
        if result == 0 || result > 1 << 16 {
            return Err(ctx.invalid(format!("{result} elements along axis {at}")));
        }
        keep[at] = indices(size, result, scale, coordinate, nearest);
    }
    Rule::first(Op::Slice(Slice { keep }), 1)
}

/// The import rule of Resize: operands are X, scales up to opset 10; X, roi, scales, sizes from 11.
pub fn import(ctx: &Context<'_>) -> Imported {
    only_nearest(ctx)?;
    let rank = ctx.fact(0)?.shape.len();
    let all: Vec<usize> = (0..rank).collect();
    let count = |n: usize, axes: &[usize]| {
        let fits = n == axes.len();
        if fits { Ok(()) } else { Err(ctx.invalid(format!("{n} scales or sizes for {} axes", axes.len()))) }
    };
    if ctx.opset < 11 {
        ctx.arity_within(2, 2)?;
        let scales = floats(ctx, 1)?.ok_or_else(|| ctx.operand(1, "`scales` has to be a constant"))?;
        count(scales.len(), &all)?;
        return chosen(ctx, Some(&scales), None, &all, (Coordinate::Asymmetric, Nearest::Simple));
    }
    ctx.arity_within(1, 4)?;
    // Meaningless for nearest, but for how the sizes are made of one another.
    let policy = ctx.string("keep_aspect_ratio_policy", "stretch")?;
    if policy != "stretch" {
        return Err(ctx.unsupported("keep_aspect_ratio_policy", &policy, "only `stretch` is supported"));
    }
    if ctx.int("antialias", 0)? != 0 {
        return Err(ctx.unsupported("antialias", "1", "not for mode nearest"));
    }
    let _ = (ctx.float("cubic_coeff_a", -0.75)?, ctx.int("exclude_outside", 0)?);
    let _ = (ctx.float("extrapolation_value", 0.0)?, ctx.has(1));
    let axes = match ctx.ints("axes")? {
        Some(given) => {
            let found: Option<Vec<usize>> = given.iter().map(|&a| axis(a, rank)).collect();
            found.ok_or_else(|| ctx.invalid(format!("axes {given:?}")))?
        }
        None => all,
    };
    let scales = floats(ctx, 2)?;
    let sizes = ctx.constant_ints(3)?.filter(|s| !s.is_empty());
    if scales.is_some() == sizes.is_some() {
        return Err(ctx.invalid("one of `scales` and `sizes` has to be given, as a constant"));
    }
    count(scales.as_ref().map_or_else(|| sizes.as_ref().map_or(0, Vec::len), Vec::len), &axes)?;
    chosen(ctx, scales.as_deref(), sizes.as_deref(), &axes, (coordinate(ctx)?, nearest(ctx)?))
}

/// The import rule of Upsample: scales are an attribute up to opset 8, an operand in 9.
pub fn import_upsample(ctx: &Context<'_>) -> Imported {
    only_nearest(ctx)?;
    let scales = if ctx.opset >= 9 {
        ctx.arity_within(2, 2)?;
        floats(ctx, 1)?
    } else {
        ctx.arity_within(1, 1)?;
        ctx.floats("scales")?
    };
    let scales = scales.ok_or_else(|| ctx.invalid("`scales` has to be a constant"))?;
    let all: Vec<usize> = (0..ctx.fact(0)?.shape.len()).collect();
    if scales.len() != all.len() || scales.iter().any(|s| *s < 1.0) {
        return Err(ctx.invalid(format!("scales {scales:?}")));
    }
    chosen(ctx, Some(&scales), None, &all, (Coordinate::Asymmetric, Nearest::Simple))
}
