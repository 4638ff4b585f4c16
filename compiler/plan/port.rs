//! When the post pipeline uses the scratchpad's port B: what words of external memory have to wait for.
//!
//! In: steps and when each is issued. Out: the first free cycle from a given one on. Guarantees: exactly the cycles in which
//! `rtl/o2c_post.v` writes a group or reads a residual operand's word; groups beyond the layer's channels and pixels are not
//! written, but their operand is read.

use super::Planned;
use super::cycles::Array;
use super::steps::Step;

/// One step's uses of port B, in cycles from its issue on.
#[derive(Clone, Debug)]
struct Uses {
    /// The first group's write.
    first: u64,
    /// How long before its write a group's operand is read, if there is one.
    ahead: Option<u64>,
    order: Order,
}

/// In which cycles, from the first write on, groups are written.
#[derive(Clone, Debug)]
enum Order {
    /// Unit after unit, `period` cycles apart, of `groups` groups for each of `vectors` pixels, `group` cycles apart.
    Units {
        period: u64,
        units: u64,
        vectors: u64,
        groups: u64,
        group: u64,
        /// Units of a block of output channels; pixels; groups of channels that the step has.
        tiles: u64,
        pixels: u64,
        written: u64,
    },
    /// Block after block, `period` cycles apart, in each column after column.
    Columns {
        period: u64,
        blocks: u64,
        /// Cycles of a slot, slots from a column to the next, columns; slots from a row to the next, rows.
        hold: u64,
        slots: u64,
        columns: u64,
        step: u64,
        rows: u64,
    },
}

impl Order {
    /// Whether a group is due `t` cycles after the first one's write, and whether it is written.
    fn group(&self, t: u64) -> Option<bool> {
        match *self {
            Order::Units { period, units, vectors, groups, group, tiles, pixels, written } => {
                let (unit, rest) = (t / period, t % period);
                let (index, between) = (rest / group, rest % group);
                let due = unit < units && between == 0 && index < vectors * groups;
                due.then(|| {
                    let pixel = unit % tiles * vectors + index / groups;
                    pixel < pixels && unit / tiles * groups + index % groups < written
                })
            }
            Order::Columns { period, blocks, hold, slots, columns, step, rows } => {
                let (block, rest) = (t / period, t % period);
                let (slot, between) = (rest / hold, rest % hold);
                let (column, slot) = (slot / slots, slot % slots);
                let on_row = slot.is_multiple_of(step) && slot / step < rows;
                (block < blocks && between == 0 && column < columns && on_row).then_some(true)
            }
        }
    }

    /// Cycles from the first group's write to the last one's.
    fn span(&self) -> u64 {
        match *self {
            Order::Units { period, units, vectors, groups, group, .. } => {
                (units - 1) * period + (vectors * groups - 1) * group
            }
            Order::Columns { period, blocks, hold, slots, columns, step, rows } => {
                (blocks - 1) * period + ((columns - 1) * slots + (rows - 1) * step) * hold
            }
        }
    }
}

impl Uses {
    fn of(step: &Step, l: &Planned<'_>, array: Array) -> Uses {
        let loops = &step.strip.loops;
        let (rows, [_, _, columns]) = (step.strip.rows.len(), l.layer.y.shape);
        let wide = |n: usize| n as u64;
        let blocks = step.blocks.len();
        let order = match step.strip.slide {
            None => {
                let vector = if l.layer.kernel.on_array() { array.k } else { array.word() };
                Order::Units {
                    period: wide(loops.block_cycles / loops.tiles),
                    units: wide(loops.tiles * blocks),
                    vectors: wide(loops.vectors),
                    groups: wide(vector / array.group()),
                    group: wide(loops.group_cycles),
                    tiles: wide(loops.tiles),
                    pixels: wide(rows * columns),
                    written: wide(l.groups_from(step.blocks.start, array)),
                }
            }
            Some(slide) => Order::Columns {
                period: wide(loops.block_cycles),
                blocks: wide(blocks),
                hold: wide(slide.hold),
                slots: wide(slide.slots),
                columns: wide(columns),
                step: wide(slide.step.max(1)),
                rows: wide(rows),
            },
        };
        // The last group's write is the step's end. Stages of rtl/o2c_post.v: x14 and x5 or x6.
        let first = wide(loops.of_blocks(blocks)) - 1 - order.span();
        let slots = wide(array.group() / array.r);
        let ahead = l.layer.residual().map(|_| slots - 1 + 14 - if slots == 1 { 5 } else { 6 });
        Uses { first, ahead, order }
    }

    /// Whether port B is in use `t` cycles after the issue.
    fn at(&self, t: u64) -> bool {
        let group = |t: u64| t.checked_sub(self.first).and_then(|t| self.order.group(t));
        group(t) == Some(true) || self.ahead.is_some_and(|ahead| group(t + ahead).is_some())
    }
}

/// Port B under the steps that have been issued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Port {
    issued: Vec<(u64, Uses)>,
    /// The step that was looked at last.
    near: usize,
}

impl Port {
    /// A further step is issued in cycle `issue`, behind the end of the one before.
    pub(crate) fn issue(&mut self, issue: u64, step: &Step, l: &Planned<'_>, array: Array) {
        self.issued.push((issue, Uses::of(step, l, array)));
    }

    /// The first cycle from `t` on in which the post pipeline leaves the port free.
    pub(crate) fn free_from(&mut self, mut t: u64) -> u64 {
        while self.in_use(t) {
            t += 1;
        }
        t
    }

    fn in_use(&mut self, t: u64) -> bool {
        let begins = |at: usize| self.issued.get(at).map(|(issue, _)| *issue);
        while self.near > 0 && begins(self.near).is_some_and(|issue| issue > t) {
            self.near -= 1;
        }
        while begins(self.near + 1).is_some_and(|issue| issue <= t) {
            self.near += 1;
        }
        self.issued.get(self.near).is_some_and(|(issue, uses)| t >= *issue && uses.at(t - issue))
    }
}
