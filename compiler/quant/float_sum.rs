//! QLinearAveragePool where float32 decides: the sum is made as float32 makes it, and compared with thresholds.
//!
//! In: an average whose bytes are no function of the integer sum. Out: for each divisor 256 thresholds and an
//! estimate, a cheap lane on the integer sum. Guarantees: for every sum, whatever the order of its taps, the byte is
//! the estimate q or q + 1, and it is q + 1 exactly if the float32 sum has reached q's threshold. The hardware is
//! `rtl/o2c_pool_float.v`.

use serde::Serialize;

use super::average::Share;
use crate::arith::AverageSpec;
use crate::arith::lane::Channel;

/// Above this many taps the estimate is not looked for.
const MOST_TAPS: i64 = 4096;
/// Scales between which no float32 sum leaves the normal numbers.
const SCALES: std::ops::Range<f32> = 1e-30..1e30;
/// The estimate is low by a quarter on the average: q + 1/4 to q + 5/4 is one half off both ways.
const LOW_BY: f64 = 0.25;

/// An average by float32 sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FloatSum {
    /// 24-bit mantissa of the input's scale: sums count units in its last place.
    pub mantissa: u32,
    /// Bits of a signed sum.
    pub bits: u32,
    /// For each divisor and each canonical estimate -128 ..= 127: the least sum whose byte is one higher.
    pub thresholds: Vec<Vec<i64>>,
}

/// Finds estimates and thresholds; `None` where the scale or the window is beyond what can be examined.
/// `magnitude`: the largest centred input; `offset`: the file's offset of y.
pub(super) fn solve(
    spec: &AverageSpec,
    shares: &[Share],
    magnitude: i64,
    offset: i32,
) -> Option<(FloatSum, Vec<Channel>)> {
    let (sx, _) = spec.x;
    let taps = shares.iter().map(|s| s.taps).max()?;
    if !SCALES.contains(&sx) || !(1..=MOST_TAPS).contains(&taps) || !(0..=255).contains(&magnitude) {
        return None;
    }
    // A sum is below taps * 255 * 2^24, and each of its roundings adds less than a part in 2^24.
    let bits = 26 + i64::BITS - (taps * 255).leading_zeros();
    let most = (1i64 << (bits - 1)) - 1;
    let unit = f64::from(f32::from_bits(sx.to_bits() & 0xff80_0000)) / f64::from(1u32 << 23);
    // Exact in double, so rounded once: never decreasing, and itself for sums of 24 significant bits.
    let byte = |sum: i64, divisor: i32| i32::from(spec.finish((sum as f64 * unit) as f32, divisor, offset));
    let mut thresholds = Vec::with_capacity(shares.len());
    let mut channels = Vec::with_capacity(shares.len());
    for share in shares {
        let divisor = share.divisor;
        let above = |q: i32| {
            if q >= spec.hi || byte(most, divisor) <= q {
                return most;
            }
            let (mut low, mut high) = (-most, most);
            while low < high {
                let middle = low + (high - low) / 2;
                if byte(middle, divisor) > q {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            high
        };
        thresholds.push((-128..=127).map(above).collect());
        channels.push(estimate(spec, share, magnitude, offset)?);
    }
    let mantissa = (sx.to_bits() & 0x7f_ffff) | 0x80_0000;
    Some((FloatSum { mantissa, bits, thresholds }, channels))
}

/// The narrowest lane whose result is the byte or one less, for every float32 sum of every integer sum.
fn estimate(spec: &AverageSpec, share: &Share, magnitude: i64, offset: i32) -> Option<Channel> {
    let Share { divisor, taps, sums: (from, to) } = *share;
    let slope = f64::from(spec.x.0) / (f64::from(spec.y.0) * f64::from(divisor));
    let bounds: Vec<(i32, i32)> = (from..=to)
        .map(|sum| {
            let (least, most) = spec.around(sum, taps, magnitude);
            let byte = |sum| i32::from(spec.finish(sum, divisor, offset));
            (byte(least), byte(most))
        })
        .collect();
    (0..=40u8).find_map(|shift| {
        let one = f64::from(shift).exp2();
        let m = (slope * one).round();
        let b = ((f64::from(spec.y.1) + LOW_BY) * one).round();
        if m > 16_777_215.0 {
            return None;
        }
        // Both are small integers here.
        let channel = Channel::Offset { m: m as u32, b: b as i64, shift };
        let fits = (from..=to).zip(&bounds).all(|(sum, &(least, most))| {
            let q = i32::from(channel.apply(sum, spec.lo, spec.hi));
            q <= least && most <= q + 1
        });
        fits.then_some(channel)
    })
}
