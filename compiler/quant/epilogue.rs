//! Float operators between a layer's accumulator and the next quantizer: each channel's integer as a function of the
//! accumulator.
//!
//! In: the expression, and what the accumulators reach. Out: its steps. Guarantees: the operators never fall, by what they
//! are, or else by every accumulator that there is; nothing is sampled.

use super::interval::{self, Interval, Operand};
use super::layer::{Place, Reference, int32};
use super::steps::Steps;
use crate::arith::{Direction, direction, evaluate, line};
use crate::diag::{Result, code};
use crate::graph::expression::Expression;
use crate::graph::int::{Conv, QFact};

/// Most accumulators that are looked at one by one.
const MOST: i64 = 1 << 20;

/// The steps of one channel.
fn steps(e: &Expression, channel: usize, (from, to): Interval) -> std::result::Result<Steps, String> {
    let f = |acc: i64| evaluate(e, channel, int32(acc));
    let unknown = || "a value lies where the last bit of a library function decides".to_owned();
    let (Some(first), Some(last)) = (f(from), f(to)) else { return Err(unknown()) };
    let guaranteed = match direction(e, channel) {
        Some(Direction::Rising) => true,
        // A level function has both directions.
        Some(Direction::Falling) if first == last => true,
        Some(Direction::Falling) => return Err("it falls".to_owned()),
        None => false,
    };
    if !guaranteed {
        if to - from > MOST {
            return Err(format!(
                "its operators guarantee no direction, and {from} to {to} are too many to see"
            ));
        }
        let mut before = first;
        for acc in from..=to {
            let here = f(acc).ok_or_else(unknown)?;
            if here < before {
                return Err(format!("it falls from {before} to {here} at {acc}"));
            }
            before = here;
        }
    }
    let doubt = std::cell::Cell::new(false);
    let known = |acc: i64| {
        let y = f(acc);
        doubt.set(doubt.get() | y.is_none());
        y.unwrap_or(first)
    };
    // Where to begin looking: a straight line between the ends.
    let slope = f64::from(last - first).max(1.0) / ((to - from).max(1)) as f64;
    let found = Steps::find(known, from, to, slope, f64::from(first) - slope * from as f64);
    if doubt.get() { Err(unknown()) } else { Ok(found) }
}

/// How steep a lane through the steps is, from the first to the last one.
fn slope(steps: &Steps) -> f64 {
    let (Some(first), Some(last)) = (steps.at.first(), steps.at.last()) else { return 0.0 };
    let rise = f64::from(steps.last - steps.first);
    if last > first { (rise - 1.0).max(1.0) / (last - first) as f64 } else { rise }
}

/// The reference of every channel.
pub(super) fn references(
    place: &Place,
    op: &Conv,
    e: &Expression,
    reach: &[Interval],
) -> Result<Vec<Reference>> {
    let mut all = Vec::with_capacity(reach.len());
    for (c, &interval) in reach.iter().enumerate() {
        let steps = steps(e, c, interval).map_err(|cause| {
            let cause = format!("channel {c}: {cause}");
            place.fault(
                code::RESCALE_INFEASIBLE,
                "a layer's function of its accumulator has no integer form",
                cause,
            )
        })?;
        let slope = slope(&steps);
        // The exact lane is tried with the line's, and the proof decides.
        let scale = line(e, c).map_or(slope, |(slope, _)| slope) as f32;
        let intercept = f64::from(op.rescale.zero_point);
        all.push(Reference { steps, slope, intercept, scale });
    }
    Ok(all)
}

/// A channel's integers by its thresholds: what the executor computes with.
#[derive(Clone, Debug)]
pub(crate) struct StepFunction {
    first: i32,
    at: Vec<i64>,
}

impl StepFunction {
    /// Of every channel; `None` where one has no form.
    pub(crate) fn of(op: &Conv, e: &Expression, x: &QFact) -> Option<Vec<StepFunction>> {
        let operand = Operand { range: super::width(x.bits), zero_point: i64::from(x.zero_point) };
        let one = |c: usize| {
            let (centred, _) = interval::conv_channel(op, c, operand);
            i32::try_from(centred.0).ok()?;
            i32::try_from(centred.1).ok()?;
            let Steps { first, at, .. } = steps(e, c, centred).ok()?;
            Some(StepFunction { first, at })
        };
        (0..op.weight.dim().0).map(one).collect()
    }

    /// The canonical integer of an accumulator.
    pub(crate) fn apply(&self, acc: i32) -> i8 {
        let reached = self.at.partition_point(|t| *t <= i64::from(acc));
        // At most 256 steps, and results are bytes.
        i8::try_from(self.first + i32::try_from(reached).unwrap_or(0)).unwrap_or(i8::MAX)
    }
}
