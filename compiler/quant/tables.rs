//! What the table unit computes, bit for bit (`rtl/o2c_table_round.v`): two entries are added and rounded.
//!
//! The sum has `shift` fraction bits and one half is in it already, so its integer part is the rounded value unless
//! the sum lies on a tie. A tie goes to the even integer (`odd`: to the odd one). Exactly on the tie is the rule of
//! exact arithmetic. With [`Ties`] everything that float32 can't tell from the tie counts as one, as in
//! QLinearAdd, which rounds the sum to 24 significant bits first.

use serde::Serialize;

/// Significant bits of float32.
const MANTISSA: i32 = 24;

/// How near to a tie is a tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// Only the tie itself.
    Exact,
    /// Half a unit in the last place of a float32 tie, in the file's numbering.
    Float32 {
        /// The file's value is 128 above the canonical one (uint8).
        unsigned: bool,
    },
}

/// Two tables and the rounding of their sum; a unary table is `ta` with `shift` 0 and `tb` of zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tables {
    /// 256 entries, for canonical a = -128 ..= 127, one half included.
    pub ta: Vec<i64>,
    /// 256 entries, for canonical b = -128 ..= 127.
    pub tb: Vec<i64>,
    /// Fraction bits of the entries.
    pub shift: u8,
    /// Ties go to the odd integer: rounding to even before an odd zero point is added.
    pub odd: bool,
    /// What counts as a tie.
    pub ties: Ties,
    /// Bits of a signed entry that hold every value of both tables.
    pub entry_bits: u32,
}

impl Tables {
    pub(super) fn new(ta: Vec<i64>, tb: Vec<i64>, shift: u8, odd: bool, ties: Ties) -> Tables {
        let mut tables = Tables { ta, tb, shift, odd, ties, entry_bits: 1 };
        tables.measure();
        tables
    }

    /// A unary function: `ta` alone.
    pub fn unary(table: &[i8; 256]) -> Tables {
        let ta = table.iter().map(|&y| i64::from(y)).collect();
        Tables::new(ta, vec![0; 256], 0, false, Ties::Exact)
    }

    fn measure(&mut self) {
        self.entry_bits = self.ta.iter().chain(&self.tb).map(|&v| super::signed_bits(v)).max().unwrap_or(1);
    }

    /// The same function with `shift` fraction bits, at least as many as before.
    pub(crate) fn align(&mut self, shift: u8) {
        // A table without fraction has no half yet.
        let half = if self.shift == 0 && shift > 0 { 1i64 << (shift - 1) } else { 0 };
        let by = u32::from(shift.saturating_sub(self.shift));
        for entry in &mut self.ta {
            *entry = (*entry << by) + half;
        }
        for entry in &mut self.tb {
            *entry <<= by;
        }
        self.shift = self.shift.max(shift);
        self.measure();
    }

    /// What the hardware computes for canonical a and b.
    pub fn apply(&self, a: i8, b: i8, lo: i32, hi: i32) -> i8 {
        let entry = |t: &[i64], v: i8| {
            usize::try_from(i32::from(v) + 128).ok().and_then(|i| t.get(i)).copied().unwrap_or(0)
        };
        let y = self.round(entry(&self.ta, a) + entry(&self.tb, b));
        let y = y.clamp(i64::from(lo), i64::from(hi.max(lo)));
        i8::try_from(y.clamp(-128, 127)).unwrap_or(0)
    }

    fn round(&self, sum: i64) -> i64 {
        if self.shift == 0 {
            return sum;
        }
        let q = sum >> self.shift;
        let fraction = sum & ((1 << self.shift) - 1);
        let parity = i64::from(self.odd);
        if (q & 1) == parity {
            return q;
        }
        // q may step to the neighbour beyond the tie that is near: below it, or above.
        let (above, _) = reach(self.ties, self.shift, q);
        let (_, below) = reach(self.ties, self.shift, q + 1);
        if fraction < above {
            q - 1
        } else if (1 << self.shift) - fraction <= below {
            q + 1
        } else {
            q
        }
    }
}

/// How far the tie between the integers m - 1 and m (canonical) reaches, in units of 2^-shift: sums from the tie up
/// to but not with `.0` above, and down to and with `.1` below.
pub(super) fn reach(ties: Ties, shift: u8, m: i64) -> (i64, i64) {
    let Ties::Float32 { unsigned } = ties else { return (1, 0) };
    let m = if unsigned { m + 128 } else { m };
    // The magnitude of the tie is between `least` and `least + 1`.
    let least = if m > 0 { m - 1 } else { -m };
    let length = i32::try_from(u64::BITS - least.unsigned_abs().leading_zeros()).unwrap_or(0).min(9);
    match u32::try_from(i32::from(shift) + length - MANTISSA - 1) {
        Ok(exponent) => (1 << exponent.min(62), 1 << exponent.min(62)),
        Err(_) => (1, 0),
    }
}
