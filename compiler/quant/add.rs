//! The residual addition as two tables whose sum is rounded ([`Tables`]): equal on all 65,536 pairs.
//!
//! In: the reference's 65,536 results. Out: tables that reproduce every one of them, with the fewest fraction bits.
//! Each pair bounds ta[a] + tb[b] from one or both sides, an even result more widely than an odd one: a system of
//! difference constraints, relaxed from the rounded real-valued tables. Relaxation that still changes something
//! after as many rounds as there are variables proves that no such tables exist.
//!
//! Few fraction bits do unless float32 itself is in doubt about ties, as with scales like 0.1, 0.2 and 0.3. Then
//! QLinearAdd, which rounds once, is a table of float32 values added exactly, and [`Ties::Float32`] its rounding.

use super::tables::{Tables, Ties, reach};
use crate::arith::{AddForm, AddSpec};

/// Fraction bits that are tried with exact ties, in this order.
const FRACTION_BITS: std::ops::RangeInclusive<u8> = 8..=12;
/// Fraction bits with float32's ties: its 24 bits, and two more.
const FLOAT_FRACTION_BITS: u8 = 26;
/// Variables of the system: an entry for each of 256 values of a and of b.
const VARIABLES: usize = 512;
const NO_LOWER: i64 = i64::MIN / 4;
const NO_UPPER: i64 = i64::MAX / 4;

/// The tables of an addition; `None` if there are none.
pub(crate) fn solve(spec: &AddSpec) -> Option<Tables> {
    let reference = spec.table();
    // The relaxation's result is not trusted: all pairs are compared with the model of the hardware.
    let proved = |tables: &Tables| {
        let pairs = (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b)));
        pairs.zip(&reference).all(|((a, b), &y)| tables.apply(a, b, spec.lo, spec.hi) == y)
    };
    let float = || {
        let ties = Ties::Float32 { unsigned: spec.y.2 != 0 };
        (spec.form == AddForm::QLinear).then(|| relax(spec, &reference, FLOAT_FRACTION_BITS, ties))?
    };
    let exact = FRACTION_BITS.into_iter().find_map(|bits| relax(spec, &reference, bits, Ties::Exact));
    exact.or_else(float).filter(proved)
}

/// The rounded real-valued tables, zero point and one half in the first. float32 rounds b's term with the constants.
fn natural(spec: &AddSpec, bits: u8) -> (Vec<i64>, Vec<i64>) {
    let one = f64::from(bits).exp2();
    let ((sa, za, oa), (sb, zb, ob), (sy, zy, oy)) = (spec.a, spec.b, spec.y);
    // Beyond any sum that matters the clamp decides; `as` is exact for such integers.
    let entry = |real: f64| (real * one).round().clamp(-1e14, 1e14) as i64;
    let term = |q: i32, scale: f32| f64::from(q) * f64::from(scale) / f64::from(sy);
    match spec.form {
        AddForm::QLinear => {
            let constant = f64::from(oy) - 0.5;
            let ta = (-128..=127).map(|q| entry(f64::from(q + oa) * f64::from(sa / sy) - constant));
            let tb = (-128..=127).map(|q| entry(f64::from(spec.operand_b(q + ob))));
            (ta.collect(), tb.collect())
        }
        AddForm::Float | AddForm::Difference => {
            let sign = if spec.form == AddForm::Difference { -1.0 } else { 1.0 };
            let constant = f64::from(zy - oy) + 0.5;
            let ta = (-128..=127).map(|q| entry(term(q + oa - za, sa) + constant));
            let tb = (-128..=127).map(|q| entry(sign * term(q + ob - zb, sb)));
            (ta.collect(), tb.collect())
        }
    }
}

fn relax(spec: &AddSpec, reference: &[i8], bits: u8, ties: Ties) -> Option<Tables> {
    // The float forms round before they add the zero point, and what that makes of even numbers may be odd.
    let odd = spec.form != AddForm::QLinear && spec.y.1 & 1 != 0;
    let (lower, upper): (Vec<i64>, Vec<i64>) = reference
        .iter()
        .map(|&y| {
            let even = (y & 1 != 0) == odd;
            let y = i32::from(y);
            let (low, high) = (i64::from(y), i64::from(y) + 1);
            let (below, above) = (reach(ties, bits, low), reach(ties, bits, high));
            let lower = (low << bits) + if even { -below.1 } else { below.0 };
            let upper = (high << bits) - 1 + if even { above.0 } else { -above.1 };
            (if y > spec.lo { lower } else { NO_LOWER }, if y < spec.hi { upper } else { NO_UPPER })
        })
        .unzip();
    let (mut ta, mut tb) = natural(spec, bits);
    for _ in 0..=VARIABLES {
        let mut changed = false;
        for (entry, row) in ta.iter_mut().zip(lower.chunks_exact(256)) {
            let least = row.iter().zip(&tb).map(|(l, t)| l - t).max().unwrap_or(NO_LOWER);
            changed |= least > *entry;
            *entry = (*entry).max(least);
        }
        let mut most = tb.clone();
        for (entry, row) in ta.iter().zip(upper.chunks_exact(256)) {
            for (m, u) in most.iter_mut().zip(row) {
                *m = (*m).min(u - entry);
            }
        }
        changed |= most != tb;
        tb = most;
        if !changed {
            return Some(Tables::new(ta, tb, bits, odd, ties));
        }
    }
    None
}
