//! Float operators with constants for each channel, on one byte: the reference of each channel's lane.
//!
//! In: a convolution of one element whose bytes an expression says, and what its accumulators reach. Out: each channel's
//! step function of the accumulator, sign * (x - zero point) + bias, that is of every byte that the operand can hold.

use super::interval::Interval;
use super::layer::{Place, Reference, int32};
use super::steps::Steps;
use crate::arith::{channel_table, line};
use crate::diag::{Result, code};
use crate::graph::expression::Expression;
use crate::graph::int::Conv;

/// The reference of every channel.
pub(super) fn references(
    place: &Place,
    op: &Conv,
    e: &Expression,
    reach: &[Interval],
) -> Result<Vec<Reference>> {
    let (fact, _) = place.operand()?;
    let zero = i64::from(fact.zero_point);
    let mut all = Vec::with_capacity(reach.len());
    for (c, ((&(from, to), weight), &bias)) in reach.iter().zip(&op.weight).zip(&op.bias).enumerate() {
        let fault = |cause: &str| {
            let cause = format!("channel {c}: {cause}");
            place.fault(code::RESCALE_INFEASIBLE, "a function of each channel has no integer form", cause)
        };
        let (Some(table), Some((slope, intercept))) = (channel_table(e, c), line(e, c)) else {
            return Err(fault("it is no straight line").into());
        };
        let (sign, bias) = (i64::from(*weight), i64::from(bias));
        // Of a level channel every byte makes the same.
        let f = |acc: i64| {
            let at = usize::try_from((acc - bias) * sign + zero + 128).unwrap_or(0);
            i32::from(table[at.min(table.len() - 1)])
        };
        let level = sign != 0 || table.iter().all(|y| *y == table[0]);
        if !level || !(from..to).all(|acc| f(acc) <= f(acc + 1)) {
            return Err(fault("float32 does not keep to its direction").into());
        }
        let at_zero = intercept + slope * f64::from(int32(zero));
        let slope = slope.abs();
        let intercept = at_zero - slope * f64::from(int32(bias));
        let steps = Steps::find(f, from, to, slope.max(f64::MIN_POSITIVE), intercept);
        // Rounded; the exact lane is tried with it, and the proof decides.
        all.push(Reference { steps, slope, intercept, scale: slope as f32 });
    }
    Ok(all)
}
