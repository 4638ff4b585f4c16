//! Depthwise convolutions as `rtl/o2c_slide_gen.v` runs them: a window of words slides down the input, and each cycle can
//! give the outputs of W channels.
//!
//! In: a layer, the array, how its input lies. Out: a [`Slide`], if the layer can run so. A kernel that exceeds the window is
//! cut into tiles, and the window slides once for each of them, over a group of output columns whose partial sums are kept.
//! Guarantees: outputs leave no faster than the post pipeline takes them; every window row that an output needs is there when
//! it is due; a partial sum is read after it was written.

use std::ops::Range;

use super::cycles::Array;
use super::layers::{Kernel, Layer};
use super::layout::Map;
use crate::graph::int::Window;

/// Columns of a window: words that stand beside each other are read at once.
pub(crate) const COLUMNS: usize = 4;
/// Rows of the input are so many words apart, modulo twice that, where two rows are read at once.
pub(crate) const PAIR_PITCH: usize = 4;
/// Fields of 8 bits in the descriptor.
const MAX: usize = 256;
/// Partial sums of W channels at most.
const MOST_SUMS: usize = 256;
/// Cycles from a partial sum to the one that adds to it, and of a pass, at least: `rtl/o2c_mac_array.v`.
const SUM_CYCLES: usize = 4;

/// Which depthwise layers an array computes with a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slides {
    /// None.
    None,
    /// Those whose kernels fit the window.
    Window,
    /// Others too, in several passes.
    Passes,
}

/// The sequence of one layer, or of some of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slide {
    /// Two rows a slot, else one.
    pub(crate) pair: bool,
    /// The row of the input from which the first tile's window slides; negative where it can't begin at the map's top.
    pub(crate) first_row: i64,
    /// The window's row that is the kernel's first.
    pub(crate) window_row: usize,
    /// Slots of an output column.
    pub(crate) slots: usize,
    /// Slots before a column's first output, in passes of the first row of tiles.
    pub(crate) first: usize,
    /// Slots from one output of a column to the next.
    pub(crate) step: usize,
    /// Slots from a column's last output to the next column's first.
    pub(crate) wrap: usize,
    /// Cycles of a slot.
    pub(crate) hold: usize,
    /// Cycles before each pass, for its weights.
    pub(crate) wait: usize,
    /// How rows and columns of the kernel are dealt to tiles.
    pub(crate) tiles: [Tiles; 2],
    /// Slots by which the first row of tiles begins above the map, and is not read there.
    pub(crate) skip: usize,
    /// Cycles of a slot in passes that others follow.
    pub(crate) hold_more: usize,
    /// Output columns of a group.
    pub(crate) columns: usize,
}

/// Parts of a kernel along an axis, each of which fits the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiles {
    /// How many.
    pub(crate) count: usize,
    /// Rows or columns from one to the next.
    pub(crate) step: usize,
    /// Place of the kernel's first tap in the first one.
    first: usize,
    /// Places that the largest one takes.
    extent: usize,
}

impl Tiles {
    /// The fewest that hold `taps` taps, `dilation` apart, the first one at place `first`, in windows of `size` places; an
    /// even number of places apart if `even`.
    fn of(taps: usize, dilation: usize, size: usize, first: usize, even: bool) -> Option<Tiles> {
        let end = first + (taps - 1) * dilation + 1;
        if end <= size {
            return Some(Tiles { count: 1, step: size, first, extent: end });
        }
        let steps = (1..=taps).map(|n| n * dilation).filter(|&step| step < end).chain([size]);
        let tiles = steps.filter(|step| !even || step.is_multiple_of(2)).filter_map(|step| {
            let extent = (0..taps).map(|tap| (first + tap * dilation) % step + 1).max()?;
            let count = (end - 1) / step + 1;
            (extent <= size && count <= MAX).then_some(Tiles { count, step, first, extent })
        });
        tiles.min_by_key(|tiles| (tiles.count, tiles.extent))
    }

    /// The tile of a tap, and its place there.
    fn tap(&self, tap: usize, dilation: usize) -> [usize; 2] {
        let at = self.first + tap * dilation;
        [at / self.step, at % self.step]
    }

    /// Places that one of them takes.
    fn extent(&self, tile: usize, taps: usize, dilation: usize) -> usize {
        let taps = (0..taps).map(|tap| self.tap(tap, dilation));
        taps.filter(|[of, _]| *of == tile).map(|[_, at]| at + 1).max().unwrap_or(0)
    }
}

/// Rows of a window.
pub(crate) fn window_rows(array: Array) -> usize {
    array.word() / COLUMNS
}

/// Whether a layer is a convolution of each channel by itself, and the array can take it.
fn fits(layer: &Layer<'_>, array: Array) -> bool {
    let Kernel::Array(conv) = layer.kernel else { return false };
    let [channels, ..] = layer.x.shape;
    let (outputs, of_group, ..) = conv.weight.dim();
    let depthwise = outputs == channels && conv.groups == channels && of_group == 1;
    depthwise && window_rows(array) >= 2 && array.k >= array.word()
}

/// Whether the layer's kernel exceeds the window.
pub(crate) fn takes_passes(layer: &Layer<'_>, array: Array) -> bool {
    let Window { kernel: [kh, kw], dilations: [dh, dw], .. } = layer.kernel.window();
    let several = |tiles: Option<Tiles>| tiles.is_some_and(|tiles| tiles.count > 1);
    fits(layer, array)
        && (several(Tiles::of(kh, dh, window_rows(array), 0, false))
            || several(Tiles::of(kw, dw, COLUMNS, 0, false)))
}

/// Whether the layer would read two rows at once, if its input's rows were [`PAIR_PITCH`] apart: only then is it worth
/// the memory.
pub(crate) fn wants_pairs(layer: &Layer<'_>, array: Array, slides: Slides, group_cycles: usize) -> bool {
    let [_, rows, columns] = layer.y.shape;
    let residual = layer.residual().is_some();
    let sequence = |at_once| {
        let found = sequence(layer, array, at_once, [group_cycles, usize::from(residual)], &(0..rows));
        found.filter(|found| found.allowed(slides))
    };
    if !fits(layer, array) {
        return false;
    }
    let Some(pair) = sequence(2).filter(|pair| pair.passes() > 1 || group_cycles == 1) else { return false };
    let cycles = |slide: Slide| slide.block_cycles(columns, rows);
    sequence(1).is_none_or(|single| cycles(pair) <= cycles(single))
}

impl Slide {
    /// The sequence of output rows `outputs` of a layer whose input lies as `x` and whose output as `y`, with `group_cycles`
    /// of the post pipeline for each output; `residual` if their distances have to be multiples of that. One that
    /// is `allowed`.
    pub(crate) fn of(
        layer: &Layer<'_>,
        array: Array,
        [x, y]: [&Map; 2],
        group_cycles: usize,
        residual: bool,
        outputs: &Range<usize>,
        allowed: impl Fn(&Slide) -> bool,
    ) -> Option<Slide> {
        if !fits(layer, array) || x.segments != y.segments {
            return None;
        }
        let [_, _, columns] = layer.y.shape;
        let rows: &[usize] = if x.row % (2 * PAIR_PITCH) == PAIR_PITCH { &[2, 1] } else { &[1] };
        let post = [group_cycles, usize::from(residual)];
        let all = rows.iter().filter_map(|&rows| sequence(layer, array, rows, post, outputs)).filter(allowed);
        all.min_by_key(|found| found.block_cycles(columns, outputs.len()))
    }

    /// Whether an array has it.
    pub(crate) fn allowed(&self, slides: Slides) -> bool {
        match slides {
            Slides::None => false,
            Slides::Window => self.passes() == 1,
            Slides::Passes => true,
        }
    }

    /// Passes of a group of output columns.
    pub(crate) fn passes(&self) -> usize {
        self.tiles[0].count * self.tiles[1].count
    }

    /// Rows of a slot.
    pub(crate) fn slot_rows(&self) -> usize {
        if self.pair { 2 } else { 1 }
    }

    /// The window's row of a tile's first place.
    fn tile_row(&self) -> usize {
        self.window_row - self.tiles[0].first
    }

    /// For each row of the kernel its row of tiles, and of the window there.
    pub(crate) fn tap_rows(&self, window: Window) -> Vec<[usize; 2]> {
        let tap = |row| {
            let [tile, at] = self.tiles[0].tap(row, window.dilations[0]);
            [tile, self.tile_row() + at]
        };
        (0..window.kernel[0]).map(tap).collect()
    }

    /// For each column of the kernel its column of tiles, and of the window there.
    pub(crate) fn tap_columns(&self, window: Window) -> Vec<[usize; 2]> {
        (0..window.kernel[1]).map(|column| self.tiles[1].tap(column, window.dilations[1])).collect()
    }

    /// Slots before a column's first output, for a row of tiles.
    fn first_of(&self, tile: usize) -> usize {
        let step = self.tiles[0].step / self.slot_rows();
        self.first + self.skip - self.skip.saturating_sub(tile * step)
    }

    /// Groups of output columns: how many of each size.
    fn groups(&self, columns: usize) -> [(usize, usize); 2] {
        [(columns / self.columns, self.columns), (1, columns % self.columns)]
    }

    /// Cycles of a group of so many output columns and rows, and those of them before its first output leaves.
    pub(crate) fn group(&self, columns: usize, rows: usize) -> [usize; 2] {
        let [tiles, beside] = self.tiles.map(|tiles| tiles.count);
        let slots = |tile| (columns - 1) * self.slots + self.first_of(tile) + (rows - 1) * self.step + 1;
        let all: usize = (0..tiles).map(slots).sum::<usize>() * beside;
        let last = slots(tiles - 1);
        let before = (all - last) * self.hold_more + self.passes() * self.wait;
        [before + last * self.hold, before + self.first_of(tiles - 1) * self.hold]
    }

    /// Cycles of a channel block of so many output columns and rows.
    pub(crate) fn block_cycles(&self, columns: usize, rows: usize) -> usize {
        let groups = self.groups(columns).into_iter().filter(|(_, columns)| *columns > 0);
        groups.map(|(count, columns)| count * self.group(columns, rows)[0]).sum()
    }

    /// Partial sums that are kept at most for an output of so many columns and rows, whichever rows are computed at once.
    pub(crate) fn sums(&self, columns: usize, rows: usize) -> usize {
        if self.passes() > 1 { (columns * rows).min(MOST_SUMS) } else { 0 }
    }
}

/// The sequence with `rows` rows a slot, where that can be, with `group_cycles` of the post pipeline for an output. For output
/// row n of them, `first + n * step` slots of the column are needed at least, and the window must still hold its first row.
fn sequence(
    layer: &Layer<'_>,
    array: Array,
    rows: usize,
    [group_cycles, residual]: [usize; 2],
    outputs: &Range<usize>,
) -> Option<Slide> {
    let window = layer.kernel.window();
    let ([kh, kw], [stride, _], [dh, dw]) = (window.kernel, window.strides, window.dilations);
    let [_, in_h, _] = layer.x.shape;
    let [_, _, out_w] = layer.y.shape;
    if stride % rows != 0 {
        return None;
    }
    let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    // Tiles begin with a pair's first row: at `top`, the first one, counted from the map's.
    let kernel = int(outputs.start * stride) - int(window.pads[0]);
    let top = kernel.div_euclid(int(rows)) * int(rows);
    let before = usize::try_from(kernel - top).unwrap_or(0);
    let height = Tiles::of(kh, dh, window_rows(array), before, rows == 2)?;
    let width = Tiles::of(kw, dw, COLUMNS, 0, false)?;
    let depth = height.extent.next_multiple_of(rows);
    let window_row = window_rows(array).checked_sub(depth)? + before;
    let above = usize::try_from(-top).unwrap_or(0) / rows;
    // What the first tile lacks above the map is not read, if an output is due after a slot at least.
    let skip = if above < depth / rows { above } else { 0 };
    let first = depth / rows - 1 - skip;
    let step = stride / rows;
    let out_h = outputs.len();
    let needed = |tile: usize| {
        let first = top + int(tile * height.step);
        let from = if skip > 0 { first.max(0) } else { first };
        let end = first + int((out_h - 1) * stride + height.extent(tile, kh, dh));
        usize::try_from(end.min(int(in_h)) - from).unwrap_or(0).div_ceil(rows)
    };
    let slots = (0..height.count).map(needed).max().unwrap_or(0).max((out_h - 1) * step + 1);
    let wrap = slots - (out_h - 1) * step;
    let passes = height.count * width.count;
    let columns = match MOST_SUMS / out_h {
        _ if passes == 1 => out_w,
        0 => return None,
        most => out_w.div_ceil(out_w.div_ceil(most)),
    };
    let mut slide = Slide {
        pair: rows == 2,
        first_row: if skip > 0 { 0 } else { top },
        window_row,
        slots,
        first,
        step,
        wrap,
        hold: 1,
        wait: 0,
        tiles: [height, width],
        skip,
        hold_more: 1,
        columns,
    };
    // Columns, and groups and blocks, follow each other at these distances.
    let last = slide.first_of(height.count - 1);
    let distance = wrap.min(last + 1).min(if out_h > 1 { step } else { usize::MAX });
    let align = if residual > 0 { group_cycles } else { 1 };
    slide.hold = group_cycles.div_ceil(distance).next_multiple_of(align);
    slide.hold_more = if passes == 1 || residual > 0 { slide.hold } else { 1 };
    // Slots before the first output hide the weights' way, in the last pass longer ones.
    let more = 0..if width.count > 1 { height.count } else { height.count - 1 };
    let ready = more.map(|tile| slide.first_of(tile) * slide.hold_more).chain([last * slide.hold]).min();
    let mut wait = (array.p - 1).saturating_sub(ready.unwrap_or(0));
    if passes > 1 {
        let smallest = slide.groups(out_w).map(|(_, columns)| columns).into_iter().filter(|&n| n > 0).min();
        let others = (smallest.unwrap_or(1) - 1) * slots + (out_h - 1) * step + 1 + slide.first;
        wait = wait.max(SUM_CYCLES.saturating_sub(others));
    }
    slide.wait = wait.next_multiple_of(align);
    let fits = [first + skip + 1, step, wrap, slide.hold].iter().all(|&n| n <= MAX);
    fits.then_some(slide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewest_tiles() {
        let check = |[taps, dilation, size, first]: [usize; 4], even, expect: [usize; 3]| {
            let tiles = Tiles::of(taps, dilation, size, first, even).unwrap();
            assert_eq!([tiles.count, tiles.step, tiles.extent], expect, "{taps} {dilation} {size} {first}");
            for tap in 0..taps {
                let [tile, at] = tiles.tap(tap, dilation);
                assert!(tile < tiles.count && at < tiles.extent(tile, taps, dilation) && at < size);
            }
        };
        check([3, 1, 4, 0], false, [1, 4, 3]);
        check([5, 1, 4, 0], false, [2, 3, 3]);
        check([7, 1, 4, 0], false, [2, 4, 4]);
        check([7, 1, 2, 0], false, [4, 2, 2]);
        check([3, 2, 4, 0], false, [2, 4, 3]);
        check([3, 3, 4, 0], false, [2, 6, 4]);
        check([3, 4, 4, 0], false, [3, 4, 1]);
        check([5, 2, 4, 0], false, [3, 4, 3]);
        check([4, 1, 4, 1], true, [2, 4, 4]);
        check([7, 1, 4, 1], true, [2, 4, 4]);
    }
}
