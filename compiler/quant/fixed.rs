//! Torch2Chip's fixed-point rescale, on request: what it computes and exactly where it leaves the reference.
//!
//! The scale becomes the word W = round(scale * 2^sfl), to nearest even, held in `swl` bits signed (at most
//! 2^(swl-1) - 1); y = clamp(((acc * W + 2^(sfl-1)) >> sfl) + zero_point, lo, hi), that is round half up. Torch2Chip's
//! `MulQuant` rounds acc * W * 2^-sfl with torch.round (half to even) in floating point; the hardware form here adds one
//! half and shifts, which differs from it only at exact halves. The bias stays in the int32 accumulator.

use serde::Serialize;

use super::steps::Steps;
use crate::arith::lane::Channel;

/// Torch2Chip's format of a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FixedFormat {
    /// Bits of the scale word, sign included: 2 to 25.
    pub swl: u8,
    /// Fraction bits: 0 to 48.
    pub sfl: u8,
}

/// The first accumulator at which the fixed format differs, and by how much at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Output channel (or position in the list of divisors).
    pub channel: usize,
    /// Accumulator.
    pub acc: i64,
    /// The reference's output.
    pub reference: i32,
    /// The fixed format's output.
    pub fixed: i32,
}

/// Where a layer's fixed format differs from the reference, over all reachable accumulators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FixedReport {
    /// Channels with at least one differing accumulator.
    pub channels: usize,
    /// Differing accumulators, summed over the channels.
    pub accumulators: u64,
    /// The first of the lowest such channel.
    pub first: Option<Difference>,
    /// One with the largest difference.
    pub largest: Option<Difference>,
    /// Channels whose scale does not fit `swl` bits and was held at the largest word.
    pub saturated_scales: usize,
}

impl FixedFormat {
    /// The lane for a scale and a zero point, or another summand, and whether the word was held at its largest value.
    pub(crate) fn channel(self, scale: f64, summand: f64) -> (Channel, bool) {
        let largest = (1u32 << (u32::from(self.swl) - 1)) - 1;
        let word = (scale * f64::from(self.sfl).exp2()).round_ties_even();
        let saturated = word > f64::from(largest);
        // Bounded by `largest` above; scales are not negative.
        let m = if saturated { largest } else { word as u32 };
        let half = if self.sfl == 0 { 0 } else { 1i64 << (self.sfl - 1) };
        // Exact for a zero point; `as` saturates.
        let summand = (summand * f64::from(self.sfl).exp2()).round_ties_even() as i64;
        (Channel::Offset { m, b: summand.saturating_add(half), shift: self.sfl }, saturated)
    }
}

impl FixedReport {
    /// Adds a channel: both functions as steps over the same interval.
    pub(crate) fn add(&mut self, channel: usize, reference: &Steps, fixed: &Steps) {
        let before = self.accumulators;
        let (mut ours, mut theirs) = (reference.runs().peekable(), fixed.runs().peekable());
        let mut at = reference.from;
        while let (Some(&(_, end_r, y)), Some(&(_, end_f, z))) = (ours.peek(), theirs.peek()) {
            let end = end_r.min(end_f);
            if y != z {
                self.accumulators += (end - at).unsigned_abs() + 1;
                let found = Difference { channel, acc: at, reference: y, fixed: z };
                let size = |d: &Difference| (d.reference - d.fixed).unsigned_abs();
                self.first.get_or_insert(found);
                if self.largest.is_none_or(|l| size(&found) > size(&l)) {
                    self.largest = Some(found);
                }
            }
            at = end + 1;
            if end == end_r {
                ours.next();
            }
            if end == end_f {
                theirs.next();
            }
        }
        self.channels += usize::from(self.accumulators > before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::requantize;

    #[test]
    fn rounds_half_up() {
        let (channel, _) = FixedFormat { swl: 4, sfl: 1 }.channel(0.5, 0.0);
        let y: Vec<i8> = (-3..=3).map(|acc| channel.apply(acc, -128, 127)).collect();
        assert_eq!(y, [-1, -1, 0, 0, 1, 1, 2]);
    }

    /// The report equals enumeration.
    #[test]
    fn differences_equal_enumeration() {
        for (scale, format) in [
            (0.0123f32, FixedFormat { swl: 8, sfl: 12 }),
            (0.5, FixedFormat { swl: 16, sfl: 10 }),
            (0.9, FixedFormat { swl: 8, sfl: 10 }),
            (0.25, FixedFormat { swl: 4, sfl: 2 }),
        ] {
            let (channel, saturated) = format.channel(f64::from(scale), -3.0);
            let reference =
                |acc: i64| i32::from(requantize(i32::try_from(acc).unwrap(), scale, -3, -128, 127));
            let fixed = |acc: i64| i32::from(channel.apply(acc, -128, 127));
            let steps = |f: &dyn Fn(i64) -> i32| Steps::find(f, -20_000, 15_000, f64::from(scale), -3.0);
            let mut report = FixedReport::default();
            report.add(0, &steps(&reference), &steps(&fixed));
            let differ: Vec<i64> = (-20_000..=15_000).filter(|&acc| reference(acc) != fixed(acc)).collect();
            assert_eq!(report.accumulators, u64::try_from(differ.len()).unwrap(), "{scale}");
            assert_eq!(report.first.map(|d| d.acc), differ.first().copied());
            let size = |acc: i64| (reference(acc) - fixed(acc)).abs();
            assert_eq!(
                report.largest.map(|d| (d.reference - d.fixed).abs()),
                differ.iter().map(|&acc| size(acc)).max()
            );
            assert_eq!(saturated, scale == 0.9);
        }
    }
}
