//! The parameter memory: bias, multiplier, offset and shift of every output channel, at the widths that they need.
//!
//! In: the proved channels of every layer. Out: words of R parameters and the widths that `o2c_post` is built with.
//! Guarantees: a channel's result is the proved one for every accumulator (shifts are only raised together with
//! multiplier and offset, which changes nothing).

use super::bits::{self, Word};
use crate::arith::lane::Channel;
use crate::design::Field;

/// One channel's parameters before packing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// What the hardware adds to the raw sum: bias - zx * sum(w).
    pub(crate) bias: i64,
    /// The lane.
    pub(crate) channel: Channel,
    /// Which table, counted from the layer's first.
    pub(crate) table: usize,
}

impl Entry {
    /// Channels that do not exist: 0 whatever comes.
    pub(crate) const NONE: Entry =
        Entry { bias: 0, channel: Channel::Offset { m: 0, b: 0, shift: 0 }, table: 0 };
}

/// Widths of the requantize unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Widths {
    /// Signed bias.
    pub(crate) bias: usize,
    /// Unsigned multiplier.
    pub(crate) mul: usize,
    /// Signed offset.
    pub(crate) off: usize,
    /// Bits of the shift field.
    pub(crate) shift: usize,
    /// Least shift.
    pub(crate) shift_base: usize,
    /// Largest shift.
    pub(crate) shift_max: usize,
    /// Whether the float32 lane is built.
    pub(crate) exact: bool,
    /// Bits of a word that select a table, 0 if there is nothing to select.
    pub(crate) select: usize,
}

impl Widths {
    /// The fields of a word of `lanes` channels, in the order of [`word`].
    pub(crate) fn fields(&self, lanes: usize) -> Vec<Field> {
        let mut lsb = 0;
        let mut field = |name: &str, width, signed, count, add| {
            let found = Field { name: name.into(), lsb, width, signed, count, stride: self.entry(), add };
            lsb = if count == lanes { lsb + width } else { lsb };
            found
        };
        let mut fields = vec![
            field("bias", self.bias, true, lanes, 0),
            field("multiplier", self.mul, false, lanes, 0),
            field("offset", self.off, true, lanes, 0),
            field("shift", self.shift, false, lanes, self.shift_base as i64),
        ];
        if self.exact {
            fields.push(field("exact", 1, false, lanes, 0));
        }
        if self.select > 0 {
            let mut table = field("table", self.select, false, 1, 0);
            table.lsb = lanes * self.entry();
            fields.push(table);
        }
        fields
    }

    /// Bits of one channel's parameters.
    pub(crate) fn entry(&self) -> usize {
        self.bias + self.mul + self.off + self.shift + usize::from(self.exact)
    }
}

fn mul_bits(channel: Channel) -> usize {
    match channel {
        Channel::Offset { m, .. } | Channel::Exact { m, .. } => bits::unsigned(u64::from(m)),
    }
}

fn shift_of(channel: Channel) -> usize {
    match channel {
        Channel::Offset { shift, .. } | Channel::Exact { shift, .. } => usize::from(shift),
    }
}

/// How far a shift may be raised inside `mul` bits.
fn headroom(channel: Channel, mul: usize) -> usize {
    match channel {
        Channel::Offset { m: 0, .. } => usize::MAX / 2,
        Channel::Offset { m, .. } => mul - bits::unsigned(u64::from(m)),
        Channel::Exact { m: 0, .. } => usize::MAX / 2,
        Channel::Exact { .. } => 0,
    }
}

fn raised(channel: Channel, base: usize) -> Channel {
    let by = base.saturating_sub(shift_of(channel));
    match channel {
        Channel::Offset { m, b, shift } => {
            // `base` was chosen so that the multiplier keeps to its bits; offsets stay below 2^(shift + 10).
            Channel::Offset { m: m << by.min(31), b: b << by, shift: shift + u8::try_from(by).unwrap_or(0) }
        }
        Channel::Exact { m: 0, zero_point, shift } => {
            Channel::Exact { m: 0, zero_point, shift: shift + u8::try_from(by).unwrap_or(0) }
        }
        Channel::Exact { .. } => channel,
    }
}

/// Brings all shifts near each other and finds the widths.
pub(crate) fn resolve(entries: &mut [Entry]) -> Widths {
    let exact = entries.iter().any(|e| matches!(e.channel, Channel::Exact { .. }));
    let mul = entries.iter().map(|e| mul_bits(e.channel)).max().unwrap_or(1).max(if exact { 24 } else { 1 });
    let top = entries.iter().map(|e| shift_of(e.channel)).max().unwrap_or(0);
    let base = entries
        .iter()
        .map(|e| shift_of(e.channel).saturating_add(headroom(e.channel, mul)))
        .min()
        .unwrap_or(0)
        .min(top);
    for e in entries.iter_mut() {
        e.channel = raised(e.channel, base);
    }
    let shift_max = entries.iter().map(|e| shift_of(e.channel)).max().unwrap_or(base);
    let offset = |c: Channel| match c {
        Channel::Offset { b, .. } => b,
        Channel::Exact { zero_point, .. } => i64::from(zero_point),
    };
    let off = entries.iter().map(|e| bits::signed(offset(e.channel))).max().unwrap_or(1);
    Widths {
        bias: entries.iter().map(|e| bits::signed(e.bias)).max().unwrap_or(1).max(2),
        mul,
        off: off.max(9),
        shift: bits::unsigned((shift_max - base) as u64),
        shift_base: base,
        shift_max,
        exact,
        select: match entries.iter().map(|e| e.table).max() {
            None | Some(0) => 0,
            Some(most) => bits::unsigned(most as u64),
        },
    }
}

/// One memory word: the parameters of R consecutive channels, then the table that they share.
pub(crate) fn word(entries: &[Entry], widths: &Widths) -> Vec<u8> {
    let mut word = Word::new(entries.len() * widths.entry() + widths.select);
    for e in entries {
        word.push(e.bias, widths.bias);
        let (m, off, shift, exact) = match e.channel {
            Channel::Offset { m, b, shift } => (m, b, shift, 0),
            Channel::Exact { m, zero_point, shift } => (m, i64::from(zero_point), shift, 1),
        };
        word.push(i64::from(m), widths.mul);
        word.push(off, widths.off);
        word.push(i64::from(shift) - widths.shift_base as i64, widths.shift);
        if widths.exact {
            word.push(exact, 1);
        }
    }
    let table = entries.first().map_or(0, |e| e.table);
    word.push(table as i64, widths.select);
    word.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_changes_no_result() {
        let channels = [
            Channel::IDENTITY,
            Channel::Offset { m: 123_456, b: -5_000_000, shift: 20 },
            Channel::Offset { m: 0, b: -7, shift: 0 },
            Channel::Offset { m: 3, b: 90, shift: 4 },
            Channel::Exact { m: 0x80_0001, shift: 33, zero_point: -3 },
        ];
        let mut entries: Vec<Entry> =
            channels.iter().map(|&channel| Entry { bias: 1, channel, table: 0 }).collect();
        let widths = resolve(&mut entries);
        assert_eq!((widths.exact, widths.mul), (true, 24));
        for (before, after) in channels.iter().zip(&entries) {
            for acc in (-3000..3000).chain([-1_000_000, 1_000_000]) {
                assert_eq!(
                    before.apply(acc, -128, 127),
                    after.channel.apply(acc, -128, 127),
                    "{before:?} {acc}"
                );
            }
            assert!(shift_of(after.channel) >= widths.shift_base && mul_bits(after.channel) <= widths.mul);
        }
    }
}
