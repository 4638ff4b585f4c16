//! When the post pipeline uses the scratchpad's port B: what words of external memory have to wait for.
//!
//! In: steps and when each is issued. Out: the first free cycle from a given one on. Guarantees: exactly the cycles in which
//! `rtl/o2c_post.v` writes a group or reads a residual operand's word; groups beyond the layer's channels and pixels are not
//! written, but their operand is read.

use std::ops::Range;

use super::Planned;
use super::cycles::Array;
use super::steps::Step;

/// Cycles behind which nothing is planned.
const FAR: u64 = 1 << 40;

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
    /// Block after block, `period` cycles apart, in each group after group of columns, in each column after column.
    Columns {
        period: u64,
        blocks: u64,
        /// Columns; of them those of a group but the last, cycles from one to the next; by how many cycles the last
        /// group's first output comes sooner, where it has fewer columns.
        columns: u64,
        group: u64,
        group_period: u64,
        sooner: u64,
        /// Cycles of a slot, slots from a column to the next; slots from a row to the next, rows.
        hold: u64,
        slots: u64,
        step: u64,
        rows: u64,
    },
}

/// What a cycle is to the groups of a step.
struct Turn {
    /// A group is due in it.
    due: bool,
    /// It is written.
    written: bool,
    /// No group is due in so many cycles from it on, or behind it if one is due in it.
    rest: u64,
}

impl Order {
    /// The cycle `t` cycles after the first group's write.
    fn turn(&self, t: u64) -> Turn {
        match *self {
            Order::Units { period, units, vectors, groups, group, tiles, pixels, written } => {
                let (unit, in_unit) = (t / period, t % period);
                let (index, between) = (in_unit / group, in_unit % group);
                let inside = unit < units && index < vectors * groups;
                let due = inside && between == 0;
                let rest = match inside {
                    _ if unit >= units => FAR,
                    true if index + 1 < vectors * groups => group - between,
                    _ => period - in_unit,
                };
                let pixel = unit % tiles * vectors + index / groups;
                let lies = pixel < pixels && unit / tiles * groups + index % groups < written;
                Turn { due, written: due && lies, rest: rest - u64::from(due) }
            }
            Order::Columns {
                period,
                blocks,
                columns,
                group,
                group_period,
                sooner,
                hold,
                slots,
                step,
                rows,
            } => {
                let (block, in_block) = (t / period, t % period);
                let of_rest = (columns / group * group_period).saturating_sub(sooner);
                let (at, in_group, own) = match in_block.checked_sub(of_rest) {
                    Some(in_group) if columns % group > 0 => (0, in_group, columns % group),
                    _ => (in_block / group_period, in_block % group_period, group.min(columns)),
                };
                let (slot, between) = (in_group / hold, in_group % hold);
                let (column, slot) = (slot / slots, slot % slots);
                let on_row = slot.is_multiple_of(step) && slot / step < rows;
                let inside = block < blocks && at * group < columns;
                let due = inside && between == 0 && column < own && on_row;
                // Groups and blocks begin anew, wherever a slot is.
                let ends = [
                    period - in_block,
                    of_rest.saturating_sub(in_block),
                    group_period.saturating_sub(in_group),
                ];
                let anew = ends.into_iter().filter(|&n| n > 0).min().unwrap_or(1);
                let rest = if block >= blocks { FAR } else { anew.min(hold - between) };
                Turn { due, written: due, rest: rest - u64::from(due) }
            }
        }
    }

    /// Cycles from the first group's write to the last one's.
    fn span(&self) -> u64 {
        match *self {
            Order::Units { period, units, vectors, groups, group, .. } => {
                (units - 1) * period + (vectors * groups - 1) * group
            }
            Order::Columns {
                period,
                blocks,
                columns,
                group,
                group_period,
                sooner,
                hold,
                slots,
                step,
                rows,
            } => {
                let (groups, rest) = (columns / group, columns % group);
                let (last, columns) = match rest {
                    0 => ((groups - 1) * group_period, group),
                    _ => (groups * group_period - sooner, rest),
                };
                (blocks - 1) * period + last + ((columns - 1) * slots + (rows - 1) * step) * hold
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
            Some(slide) => {
                let [period, first] = slide.group(slide.columns, rows);
                let rest = columns % slide.columns;
                let sooner = if rest > 0 { first - slide.group(rest, rows)[1] } else { 0 };
                Order::Columns {
                    period: wide(loops.block_cycles),
                    blocks: wide(blocks),
                    columns: wide(columns),
                    group: wide(slide.columns),
                    group_period: wide(period),
                    sooner: wide(sooner),
                    hold: wide(slide.hold),
                    slots: wide(slide.slots),
                    step: wide(slide.step.max(1)),
                    rows: wide(rows),
                }
            }
        };
        // The last group's write is the step's end. Stages of rtl/o2c_post.v: x14 and x5 or x6.
        let first = wide(loops.of_blocks(blocks)) - 1 - order.span();
        let slots = wide(array.group() / array.r);
        let ahead = l.layer.residual().map(|_| slots - 1 + 14 - if slots == 1 { 5 } else { 6 });
        Uses { first, ahead, order }
    }

    /// Whether port B is in use `t` cycles after the issue, and for how many cycles from then on it surely is not.
    fn at(&self, t: u64) -> (bool, u64) {
        let turn = |t: u64| match t.checked_sub(self.first) {
            Some(t) => self.order.turn(t),
            None => Turn { due: false, written: false, rest: self.first - t },
        };
        let write = turn(t);
        let Some(ahead) = self.ahead else { return (write.written, write.rest) };
        let read = turn(t + ahead);
        (write.written || read.due, write.rest.min(read.rest))
    }
}

/// Port B under the steps that have been issued.
#[derive(Clone, Debug, Default)]
pub(crate) struct Port {
    issued: Vec<(u64, Uses)>,
    /// The step that was looked at last.
    near: usize,
    /// Cycles in which the port is free.
    free: Range<u64>,
}

impl Port {
    /// A further step is issued in cycle `issue`, behind the end of the one before.
    pub(crate) fn issue(&mut self, issue: u64, step: &Step, l: &Planned<'_>, array: Array) {
        self.free = 0..0;
        self.issued.push((issue, Uses::of(step, l, array)));
    }

    /// The first cycle from `t` on in which the post pipeline leaves the port free.
    pub(crate) fn free_from(&mut self, mut t: u64) -> u64 {
        while !self.free.contains(&t) && self.in_use(t) {
            t += 1;
        }
        t
    }

    /// Whether the port is in use; sets the cycles in which it is free.
    fn in_use(&mut self, t: u64) -> bool {
        let begins = |at: usize| self.issued.get(at).map_or(u64::MAX, |(issue, _)| *issue);
        while self.near > 0 && begins(self.near) > t {
            self.near -= 1;
        }
        while begins(self.near + 1) <= t {
            self.near += 1;
        }
        let next = begins(self.near + 1);
        let (used, rest) = match self.issued.get(self.near) {
            Some((issue, uses)) if *issue <= t => uses.at(t - issue),
            Some((issue, _)) => (false, issue - t),
            None => (false, FAR),
        };
        if !used {
            self.free = t..(t + rest.max(1)).min(next);
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(
        period: u64,
        [vectors, groups, group]: [u64; 3],
        tiles: u64,
        [pixels, written]: [u64; 2],
    ) -> Order {
        Order::Units { period, units: 2 * tiles, vectors, groups, group, tiles, pixels, written }
    }

    /// What is remembered of free cycles changes no answer, and nothing is in use but by a group.
    #[test]
    fn free_cycles() {
        let columns = |hold, step| Order::Columns {
            period: 200,
            blocks: 3,
            columns: 4,
            group: 4,
            group_period: 200,
            sooner: 0,
            hold,
            slots: 11,
            step,
            rows: 3,
        };
        let groups = Order::Columns {
            period: 200,
            blocks: 2,
            columns: 7,
            group: 3,
            group_period: 80,
            sooner: 15,
            hold: 2,
            slots: 10,
            step: 3,
            rows: 3,
        };
        let orders = [
            units(9, [4, 1, 2], 5, [20, 2]),
            units(8, [4, 2, 1], 3, [10, 3]),
            units(1, [1, 1, 1], 40, [40, 2]),
            units(37, [2, 1, 4], 3, [5, 2]),
            columns(1, 1),
            columns(4, 2),
            groups,
        ];
        for (n, order) in orders.into_iter().enumerate() {
            for ahead in [None, Some(9)] {
                let uses = Uses { first: 30, ahead, order: order.clone() };
                let span = 30 + order.span();
                let used = |t: u64| uses.at(t).0;
                assert!(used(30) && !used(span + 1), "{n}");
                let writes = (30..=span).filter(|&t| order.turn(t - 30).written).count();
                let words = match order {
                    Order::Units { pixels, written, .. } => pixels * written,
                    Order::Columns { blocks, columns, rows, .. } => blocks * columns * rows,
                };
                assert_eq!(writes as u64, words, "{n}");
                // Two steps, the second in cycle 1000.
                let issued = vec![(5, uses.clone()), (1000, uses.clone())];
                let mut port = Port { issued, ..Port::default() };
                let plainly = |t: u64| if t >= 1000 { used(t - 1000) } else { t >= 5 && used(t - 5) };
                for t in (0..1700).chain((0..1700).rev()) {
                    let expect = (t..).find(|&t| !plainly(t));
                    assert_eq!(Some(port.free_from(t)), expect, "{n}, {ahead:?}, cycle {t}");
                }
            }
        }
    }
}
