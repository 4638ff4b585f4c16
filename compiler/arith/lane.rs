//! What the requantize hardware computes, bit for bit (`rtl/o2c_requantize.v`).
//!
//! For each output channel the hardware holds a [`Channel`]; the accumulator (bias included) enters as a signed
//! integer and leaves as an int8. The same unit serves both lanes: one multiplier, then either
//! offset-and-shift or the exact float32 rounding. Both lanes never decrease when the accumulator increases, so two
//! of them, or a lane and the float32 formula, agree on an interval when they agree around every step.

use serde::Serialize;

use super::float::narrow;

/// The parameters of one output channel in the requantize unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// |frac - 2^(shift-1)| <= 2^(shift + bitlen(k) - 1 - 24) (where that is below one unit: frac = 2^(shift-1));
    /// sign restored, zero point added, clamped. It reproduces float32's double rounding by construction.
    Exact {
        /// 24-bit mantissa, top bit set (or 0 for a scale so small that every result is the zero point).
        m: u32,
        /// Right shift: 14 to 55.
        shift: u8,
        /// Canonical zero point.
        zero_point: i32,
    },
}

impl Channel {
    /// Passes an int8 through: what layers without a rescale of their own hold.
    pub const IDENTITY: Channel = Channel::Offset { m: 1, b: 0, shift: 0 };

    /// The exact lane for a finite scale of at least 0.
    ///
    /// scale = m * 2^-shift. From 512 on every accumulator but 0 saturates, so the scale is held at 512; up to
    /// 2^-32 no int32 accumulator reaches one half (|acc| * scale <= 0.5, and 0.5 goes to the even 0), so m is 0.
    pub fn exact(scale: f32, zero_point: i32) -> Channel {
        const TOP: u32 = 1 << 23;
        if scale >= 512.0 {
            return Channel::Exact { m: TOP, shift: 14, zero_point };
        }
        let bits = scale.to_bits();
        let exponent = bits >> 23;
        let m = (bits & (TOP - 1)) | TOP;
        // A scale of 1.f * 2^e has the biased exponent e + 127; m * 2^-shift with shift = 23 - e.
        match 150u32.checked_sub(exponent).map(u8::try_from) {
            Some(Ok(shift)) if scale > 1.0 / 4_294_967_296.0 => Channel::Exact { m, shift, zero_point },
            _ => Channel::Exact { m: 0, shift: 55, zero_point },
        }
    }

    /// The integer that leaves the unit for an accumulator, clamped to canonical `lo ..= hi`; with `lo` above `hi` its low
    /// byte, as an int8.
    ///
    /// Exact for every i64 accumulator; the hardware holds int32.
    pub fn apply(self, acc: i64, lo: i32, hi: i32) -> i8 {
        let wide = match self {
            Channel::Offset { m, b, shift } => {
                (i128::from(acc) * i128::from(m) + i128::from(b)) >> u32::from(shift).min(127)
            }
            Channel::Exact { m, shift, zero_point } => {
                let magnitude = round_product(round_to_24(acc.unsigned_abs()), m, u32::from(shift));
                let signed = i128::try_from(magnitude).unwrap_or(i128::MAX >> 1);
                (if acc < 0 { -signed } else { signed }) + i128::from(zero_point)
            }
        };
        if lo > hi {
            return i8::from_le_bytes([wide.to_le_bytes()[0]]);
        }
        // The clamp bounds the value to int32 first.
        let y = wide.clamp(i128::from(lo), i128::from(hi.max(lo)));
        narrow(i32::try_from(y).unwrap_or(lo))
    }

    /// Bits of the multiplier: 0 for m = 0.
    pub fn multiplier_bits(self) -> u32 {
        match self {
            Channel::Offset { m, .. } | Channel::Exact { m, .. } => u32::BITS - m.leading_zeros(),
        }
    }

    /// The right shift.
    pub fn shift(self) -> u8 {
        match self {
            Channel::Offset { shift, .. } | Channel::Exact { shift, .. } => shift,
        }
    }
}

/// Bits of an unsigned integer: the position of its top bit plus one.
fn bit_length(v: u128) -> u32 {
    u128::BITS - v.leading_zeros()
}

/// The conversion to float32: 24 significant bits, to nearest, ties to even.
fn round_to_24(a: u64) -> u128 {
    let a = u128::from(a);
    let Some(excess) = bit_length(a).checked_sub(24).filter(|&e| e > 0) else {
        return a;
    };
    let half = 1u128 << (excess - 1);
    let (kept, rest) = (a >> excess, a & ((half << 1) - 1));
    let up = rest > half || (rest == half && kept & 1 == 1);
    (kept + u128::from(up)) << excess
}

/// fl32(a * m * 2^-shift) to the nearest even integer, for a of at most 24 significant bits.
///
/// float32 rounds the product to 24 significant bits first. That moves it onto k + 1/2 exactly when it is within half
/// a unit in the last place of it, which for a k of L bits is 2^(shift + L - 25).
fn round_product(a: u128, m: u32, shift: u32) -> u128 {
    let p = a * u128::from(m);
    if shift == 0 {
        return p;
    }
    let half = 1u128 << (shift - 1);
    let (k, frac) = (p >> shift, p & ((half << 1) - 1));
    let window = match (shift + bit_length(k)).checked_sub(25) {
        Some(exponent) => 1u128 << exponent.min(126),
        None => 0,
    };
    let up = if frac.abs_diff(half) <= window { k & 1 == 1 } else { frac > half };
    k + u128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::requantize;
    use proptest::prelude::*;

    /// Accumulators within 3 of the one where scale * acc is k + 1/2.
    fn around(scale: f32, k: i32, offset: i32) -> i32 {
        let at = (f64::from(k) + 0.5) / f64::from(scale);
        // Saturates at the ends of int32, which are cases too.
        (at.round() as i32).saturating_add(offset)
    }

    fn scales() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-40.0f32..10.0).prop_map(f32::exp2),
            (-40i32..10).prop_map(|e| (e as f32).exp2()),
            Just(1e-9f32),
            Just(1.0 / 3.0),
            (0u32..0x7f7f_ffff).prop_map(f32::from_bits),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn exact_lane_is_the_float_formula(
            scale in scales(), k in -260i32..260, offset in -3i32..=3, wild in any::<i32>(),
            zero_point in prop_oneof![Just(-128), Just(127), -128i32..=127],
        ) {
            let channel = Channel::exact(scale, zero_point);
            for acc in [around(scale, k, offset), wild, wild >> 7, 1 << 24, (1 << 30) + offset] {
                prop_assert_eq!(
                    channel.apply(i64::from(acc), -128, 127),
                    requantize(acc, scale, zero_point, -128, 127),
                    "scale {:e} acc {}", scale, acc
                );
            }
        }
    }

    /// Every mantissa product around every tie, at small widths: all a below 2^12, all scales of 8 bits.
    #[test]
    fn exact_lane_exhaustive_at_small_widths() {
        for mantissa in 128u16..256 {
            for exponent in [-16i32, -14, -12, -9, -7] {
                let scale = f32::from(mantissa) * (exponent as f32).exp2();
                let channel = Channel::exact(scale, 3);
                for acc in -4096..=4096i32 {
                    let want = requantize(acc, scale, 3, -100, 100);
                    assert_eq!(channel.apply(i64::from(acc), -100, 100), want, "{scale} {acc}");
                }
            }
        }
    }

    #[test]
    fn extremes() {
        for scale in [
            0.0f32,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            2.0f32.powi(-32),
            2.0f32.powi(-31),
            511.9,
            512.0,
            f32::MAX,
        ] {
            let channel = Channel::exact(scale, -128);
            for acc in [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX] {
                let want = requantize(acc, scale, -128, -128, 127);
                assert_eq!(channel.apply(i64::from(acc), -128, 127), want, "{scale:e} {acc}");
            }
        }
    }
}
