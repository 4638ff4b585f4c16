//! The residual addition as two tables: y = clamp((ta[a] + tb[b]) >> shift, lo, hi) for all 65,536 pairs.
//!
//! In: the reference's 65,536 results. Out: tables that reproduce every one of them, with the fewest fraction bits.
//! Each pair bounds ta[a] + tb[b] from one or both sides: a system of difference constraints, relaxed from the
//! rounded real-valued tables. Relaxation that still changes something after as many rounds as there are variables
//! proves that no such tables exist.

use serde::Serialize;

use crate::arith::AddSpec;

/// Fraction bits that are tried, in this order.
const FRACTION_BITS: std::ops::RangeInclusive<u8> = 8..=12;
/// Variables of the system: an entry for each of 256 values of a and of b.
const VARIABLES: usize = 512;
const NO_LOWER: i32 = i32::MIN / 2;
const NO_UPPER: i32 = i32::MAX / 2;

/// Two tables and the shift after their sum; a unary table is `ta` with `shift` 0 and `tb` of zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tables {
    /// 256 entries, for canonical a = -128 ..= 127.
    pub ta: Vec<i32>,
    /// 256 entries, for canonical b = -128 ..= 127.
    pub tb: Vec<i32>,
    /// Arithmetic right shift of the sum.
    pub shift: u8,
    /// Bits of a signed entry that hold every value of both tables.
    pub entry_bits: u32,
}

impl Tables {
    fn new(ta: Vec<i32>, tb: Vec<i32>, shift: u8) -> Tables {
        let entry_bits = ta.iter().chain(&tb).map(|&v| super::signed_bits(i64::from(v))).max().unwrap_or(1);
        Tables { ta, tb, shift, entry_bits }
    }

    /// A unary function: `ta` alone.
    pub fn unary(table: &[i8; 256]) -> Tables {
        Tables::new(table.iter().map(|&y| i32::from(y)).collect(), vec![0; 256], 0)
    }

    /// What the hardware computes for canonical a and b.
    pub fn apply(&self, a: i8, b: i8, lo: i32, hi: i32) -> i8 {
        let entry = |t: &[i32], v: i8| {
            usize::try_from(i32::from(v) + 128).ok().and_then(|i| t.get(i)).copied().map_or(0, i64::from)
        };
        let sum = (entry(&self.ta, a) + entry(&self.tb, b)) >> self.shift.min(63);
        let y = sum.clamp(i64::from(lo), i64::from(hi.max(lo)));
        i8::try_from(y.clamp(-128, 127)).unwrap_or(0)
    }
}

/// The tables of an addition; `None` if there are none up to 12 fraction bits.
pub(crate) fn solve(spec: &AddSpec) -> Option<Tables> {
    let reference = spec.table();
    FRACTION_BITS.into_iter().find_map(|bits| {
        let tables = at_bits(spec, &reference, bits)?;
        // The relaxation's result is not trusted: all pairs are compared with the model of the hardware.
        let pairs = (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b)));
        pairs.zip(&reference).all(|((a, b), &y)| tables.apply(a, b, spec.lo, spec.hi) == y).then_some(tables)
    })
}

/// The rounded real-valued tables, zero point and the rounding half in the first.
fn natural(spec: &AddSpec, bits: u8) -> (Vec<i32>, Vec<i32>) {
    let one = f64::from(1u32 << bits);
    let ((sa, za, oa), (sb, zb, ob), (sy, zy, oy)) = (spec.a, spec.b, spec.y);
    let entry = |q: i32, scale: f32, shift: f64| {
        let real = f64::from(q) * f64::from(scale) / f64::from(sy) + shift;
        // Beyond any sum that matters the clamp decides; `as` is exact for such integers.
        (real * one).round().clamp(-1e8, 1e8) as i32
    };
    let zero = f64::from(zy - oy) + 0.5;
    let ta = (-128..=127).map(|q| entry(q + oa - za, sa, zero)).collect();
    let tb = (-128..=127).map(|q| entry(q + ob - zb, sb, 0.0)).collect();
    (ta, tb)
}

fn at_bits(spec: &AddSpec, reference: &[i8], bits: u8) -> Option<Tables> {
    let (lower, upper): (Vec<i32>, Vec<i32>) = reference
        .iter()
        .map(|&y| {
            let y = i32::from(y);
            let lower = if y > spec.lo { y << bits } else { NO_LOWER };
            (lower, if y < spec.hi { ((y + 1) << bits) - 1 } else { NO_UPPER })
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
            return Some(Tables::new(ta, tb, bits));
        }
    }
    None
}
