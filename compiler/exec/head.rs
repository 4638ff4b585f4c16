//! The accelerator's last unit: from the integer tensor's bytes on the stream to the bytes that leave the chip.
//!
//! In: a [`HeadUnit`] and a sample's bytes in row, column, channel order, in the file's numbering. Out: what the hardware
//! sends, and what an output takes from it. Guarantees: the integers of `arith::softmax` and of a plain search.

use crate::arith::softmax::Softmax;
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{HeadPart, HeadUnit};

/// A unit with its table.
#[derive(Clone, Debug)]
pub struct HeadRunner {
    unit: HeadUnit,
    table: Option<Softmax>,
}

impl HeadRunner {
    /// Makes the unit's table.
    ///
    /// # Errors
    /// O2C0900 if there is none: lowering admits no such unit.
    pub fn new(unit: &HeadUnit) -> Result<HeadRunner> {
        let fault = |cause: String| {
            Diagnostic::new(code::INTERNAL, "a unit behind the last layer is not possible", cause)
        };
        let table = match unit {
            HeadUnit::ArgMax { .. } => None,
            HeadUnit::Softmax(spec) => Some(Softmax::new(spec).map_err(fault)?),
        };
        if unit.length() == 0 {
            return Err(fault("its groups are empty".into()).into());
        }
        Ok(HeadRunner { unit: *unit, table })
    }

    /// The bytes that the unit sends for a tensor's bytes, int8 or uint8.
    pub fn stream(&self, bytes: &[u8], signed: bool) -> Vec<u8> {
        let value = |b: &u8| if signed { i32::from(b.cast_signed()) } else { i32::from(*b) };
        let mut out = Vec::with_capacity(bytes.len() / self.unit.length().max(1) * self.unit.bytes());
        for group in bytes.chunks(self.unit.length()) {
            let x: Vec<i32> = group.iter().map(value).collect();
            match (&self.unit, &self.table) {
                (HeadUnit::ArgMax { last, least, value, .. }, _) => {
                    let at = place(&x, *last, *least);
                    out.extend(value.then(|| group[at]));
                    // A place below 2^16, little-endian.
                    let [low, high, ..] = at.to_le_bytes();
                    out.push(low);
                    out.extend((self.unit.length() > 256).then_some(high));
                }
                (HeadUnit::Softmax(_), Some(table)) => {
                    out.extend(table.apply(&x).iter().map(|y| y.to_le_bytes()[0]))
                }
                // `new` made it.
                (HeadUnit::Softmax(_), None) => {}
            }
        }
        out
    }

    /// A part of what the unit sent: the element's bytes (in the tensor's type), its places, or all bytes.
    pub(super) fn part(&self, sent: &[u8], part: HeadPart, signed: bool) -> Vec<i64> {
        let byte = |b: u8, signed: bool| if signed { i64::from(b.cast_signed()) } else { i64::from(b) };
        match (&self.unit, part) {
            (HeadUnit::ArgMax { value, .. }, HeadPart::Index) => {
                let skip = usize::from(*value);
                let place = |g: &[u8]| g[skip..].iter().rev().fold(0, |at, b| at << 8 | i64::from(*b));
                sent.chunks(self.unit.bytes()).map(place).collect()
            }
            (HeadUnit::ArgMax { .. }, HeadPart::Value | HeadPart::Tensor) => {
                sent.iter().step_by(self.unit.bytes()).map(|b| byte(*b, signed)).collect()
            }
            (HeadUnit::Softmax(spec), _) => sent.iter().map(|b| byte(*b, spec.signed)).collect(),
        }
    }
}

/// The place of the greatest (or least) element, the first (or last) of equal ones.
fn place(x: &[i32], last: bool, least: bool) -> usize {
    let mut best = 0;
    for (k, v) in x.iter().enumerate() {
        let ahead = if least { *v < x[best] } else { *v > x[best] };
        if ahead || (last && *v == x[best]) {
            best = k;
        }
    }
    best
}
