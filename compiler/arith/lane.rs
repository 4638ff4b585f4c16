//! What the requantize hardware computes, bit for bit (`rtl/requantize.v`).
//!
//! For each output channel the hardware holds a [`Channel`]; the accumulator (bias included) enters as a signed
//! integer and leaves as an int8. The same unit serves both lanes: one multiplier, then either
//! offset-and-shift or the exact float32 rounding.

/// The parameters of one output channel in the requantize unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// y = clamp((acc * m + b) >> shift, lo, hi), arithmetic shift, all in wide signed integers; the zero point is in b.
    Offset {
        /// Unsigned multiplier.
        m: u32,
        /// Signed offset, zero point included.
        b: i64,
        /// Right shift.
        shift: u8,
    },
    /// The float32 formula: a = |acc| rounded to 24 significant bits (nearest even), p = a * m with m the 24-bit
    /// mantissa of the scale, k = p >> shift, rounded to nearest even with a tie when
    /// |frac - 2^(shift-1)| <= 2^(shift + bitlen(k) - 1 - 24) (no window where that is below one unit); sign restored,
    /// zero point added, clamped. DESIGN: reproduces float32's double rounding by construction.
    Exact {
        /// 24-bit mantissa, top bit set (or 0 for a scale so small that every result is the zero point).
        m: u32,
        /// Right shift.
        shift: u8,
        /// Canonical zero point.
        zero_point: i32,
    },
}
