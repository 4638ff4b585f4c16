//! The float32 primitives that every reference formula is made of.
//!
//! In: float32 values as ONNX Runtime computes them on x86-64. Out: integers. Guarantees: round to nearest even,
//! saturation as MLAS does it (clamp in float before the conversion), NaN to the lower bound.

/// Nearest integer, ties to even; values outside int32 saturate, NaN becomes 0.
///
/// The callers clamp first, so that saturation is never the hardware's "integer indefinite".
pub(crate) fn rne(v: f32) -> i32 {
    // Float to integer `as` saturates and is exact here: the operand is already an integer.
    v.round_ties_even() as i32
}

/// An int32 as float32, rounded to nearest even (CVTDQ2PS).
pub(crate) fn fl32(v: i32) -> f32 {
    // Integer to float `as` rounds to nearest even; this is the one conversion of the reference formula.
    v as f32
}

/// `rne(v)` clamped to `lo - zero_point ..= hi - zero_point` in float, then `+ zero_point`: MLAS's order of steps.
///
/// All bounds are small integers, exact in float32. NaN becomes `lo`, as MAXPS returns its second operand.
pub(crate) fn saturate(v: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    let low = fl32(lo - zero_point);
    let high = fl32(hi - zero_point);
    let v = if v > low { v } else { low };
    let v = if v < high { v } else { high };
    rne(v) + zero_point
}

/// DequantizeLinear: fl((q - zero_point) * scale).
pub(crate) fn dequantize(q: i32, scale: f32, zero_point: i32) -> f32 {
    fl32(q - zero_point) * scale
}

/// QuantizeLinear (MLAS): rne(fl(v / scale)) + zero_point, saturated to `lo ..= hi`; NaN becomes `lo`.
pub(crate) fn quantize(v: f32, scale: f32, zero_point: i32, lo: i32, hi: i32) -> i32 {
    saturate(v / scale, zero_point, lo, hi)
}

/// A value that the callers have bounded to int8; the bounds come from a `QFact` or a clamp.
pub(crate) fn narrow(v: i32) -> i8 {
    i8::try_from(v.clamp(-128, 127)).unwrap_or(0)
}
