//! The cheap lane: the narrowest multiplier and shift with an offset that reproduce a step function.
//!
//! In: the steps of the reference on the reachable interval and the clamp bounds. Out: `(acc * m + b) >> shift`, equal
//! to the reference on the whole interval, or nothing.
//!
//! For given m and shift the offsets that work are those with lower(m) <= b <= upper(m), where
//! lower(m) = max over steps k of ((k+1) << shift) - m*T_k and upper(m) = min over k of that + m - 1. lower - upper is
//! convex in m, so descending from m = scale * 2^shift finds a feasible m if there is one.

use super::steps::Steps;
use crate::arith::lane::Channel;

/// Widest multiplier of the cheap lane.
pub(crate) const MULTIPLIER_BITS: u32 = 24;
/// As steep as a lane has to be: the next accumulator reaches the other bound.
const STEEPEST: f64 = 256.0;
/// Largest shift of the cheap lane: (255 + 1) << 48 and every product stay far inside i64.
pub(crate) const MAX_SHIFT: u8 = 48;

/// The lane with the smallest shift, and so about the narrowest multiplier.
pub(crate) fn solve(steps: &Steps, lo: i32, hi: i32, scale: f64) -> Option<Channel> {
    if steps.first == steps.last {
        return Some(Channel::Offset { m: 0, b: i64::from(steps.first), shift: 0 });
    }
    let constraints = Constraints::new(steps, lo, hi);
    (0..=MAX_SHIFT).find_map(|shift| {
        let start = (scale.min(STEEPEST) * f64::from(shift).exp2()).round();
        if start >= f64::from(1u32 << MULTIPLIER_BITS) {
            return None;
        }
        // Bounded by 2^24 above and by 0 below; `as` is exact for such integers.
        let (m, b) = constraints.at_shift(shift, start.max(0.0) as i64)?;
        let channel = Channel::Offset { m: u32::try_from(m).ok()?, b, shift };
        steps.proves(|acc| i32::from(channel.apply(acc, lo, hi))).then_some(channel)
    })
}

/// The same function with a larger shift: m, b and 2^shift doubled `extra` times; `None` if that does not fit.
pub(crate) fn widen(channel: Channel, extra: u8) -> Option<Channel> {
    match channel {
        Channel::Offset { m, b, shift } => {
            let factor = 1i64.checked_shl(u32::from(extra))?;
            Some(Channel::Offset {
                m: m.checked_mul(u32::try_from(factor).ok()?)?,
                b: b.checked_mul(factor)?,
                shift: shift.checked_add(extra)?,
            })
        }
        Channel::Exact { .. } => None,
    }
}

/// y(acc) >= value (`at_least`) or y(acc) <= value (`at_most`), as (acc, value).
struct Constraints {
    at_least: Vec<(i64, i64)>,
    at_most: Vec<(i64, i64)>,
}

impl Constraints {
    fn new(steps: &Steps, lo: i32, hi: i32) -> Self {
        let mut at_least = Vec::with_capacity(steps.at.len() + 1);
        let mut at_most = Vec::with_capacity(steps.at.len() + 1);
        for (start, end, value) in steps.runs() {
            // Where the value is a bound, the clamp allows everything beyond it.
            if value > lo {
                at_least.push((start, i64::from(value)));
            }
            if value < hi {
                at_most.push((end, i64::from(value)));
            }
        }
        Constraints { at_least, at_most }
    }

    /// Bounds of b for a multiplier: (lower, upper), both inclusive.
    fn offsets(&self, m: i64, shift: u8) -> (i64, i64) {
        let lower =
            self.at_least.iter().map(|&(acc, y)| (y << shift) - m * acc).max().unwrap_or(i64::MIN / 4);
        let upper = self.at_most.iter().map(|&(acc, y)| ((y + 1) << shift) - 1 - m * acc).min();
        (lower, upper.unwrap_or(i64::MAX / 4))
    }

    /// A feasible (m, b) at a shift, searched from `start`.
    fn at_shift(&self, shift: u8, start: i64) -> Option<(i64, i64)> {
        let highest = (1i64 << MULTIPLIER_BITS) - 1;
        let gap = |m: i64| {
            let (lower, upper) = self.offsets(m, shift);
            lower - upper
        };
        let mut m = start.clamp(0, highest);
        let mut here = gap(m);
        let up = m < highest && gap(m + 1) < here;
        let sign = if up { 1 } else { -1 };
        let mut stride = 1i64;
        // Convex descent: grow the stride while it helps, shrink it when it does not.
        while here > 0 && stride > 0 {
            let next = m + sign * stride;
            let there = if (0..=highest).contains(&next) { gap(next) } else { i64::MAX };
            if there < here {
                (m, here) = (next, there);
                stride *= 2;
            } else if stride > 1 {
                // The minimum lies before `next`, perhaps before m: look back in single halvings.
                return self.between(shift, m - sign * stride, next);
            } else {
                stride = 0;
            }
        }
        self.offset_for(m, shift)
    }

    /// Ternary search of the convex gap between two multipliers.
    fn between(&self, shift: u8, a: i64, b: i64) -> Option<(i64, i64)> {
        let highest = (1i64 << MULTIPLIER_BITS) - 1;
        let gap = |m: i64| {
            let (lower, upper) = self.offsets(m, shift);
            lower - upper
        };
        let (mut low, mut high) = (a.min(b).clamp(0, highest), a.max(b).clamp(0, highest));
        while high > low {
            let middle = low + (high - low) / 2;
            let (left, right) = (gap(middle), gap(middle + 1));
            if left <= 0 {
                return self.offset_for(middle, shift);
            }
            // A convex function that is level between neighbours is at its minimum there.
            match left.cmp(&right) {
                std::cmp::Ordering::Less => high = middle,
                std::cmp::Ordering::Greater => low = middle + 1,
                std::cmp::Ordering::Equal => return None,
            }
        }
        self.offset_for(low, shift)
    }

    fn offset_for(&self, m: i64, shift: u8) -> Option<(i64, i64)> {
        let (lower, upper) = self.offsets(m, shift);
        // The middle, so that no accumulator sits at the edge without need.
        (lower <= upper).then(|| (m, lower + (upper - lower) / 2))
    }
}
