//! Depthwise convolutions as `rtl/o2c_slide_gen.v` runs them: a window of words slides down the input, and each cycle can
//! give the outputs of W channels.
//!
//! In: a layer, the array, how its input lies. Out: a [`Slide`], if the layer can run so. Guarantees: outputs leave no
//! faster than the post pipeline takes them; every window row that an output needs is there when it is due.

use std::ops::Range;

use super::cycles::Array;
use super::layers::{Kernel, Layer};
use super::layout::Map;

/// Columns of a window: words that stand beside each other are read at once.
pub(crate) const COLUMNS: usize = 4;
/// Rows of the input are so many words apart, modulo twice that, where two rows are read at once.
pub(crate) const PAIR_PITCH: usize = 4;
/// Fields of 8 bits in the descriptor.
const MAX: usize = 256;

/// The sequence of one layer, or of some of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slide {
    /// Two rows a slot, else one.
    pub(crate) pair: bool,
    /// The first row of the input that is read.
    pub(crate) first_row: usize,
    /// The window's row that is the kernel's first.
    pub(crate) window_row: usize,
    /// Slots of an output column.
    pub(crate) slots: usize,
    /// Slots before a column's first output.
    pub(crate) first: usize,
    /// Slots from one output of a column to the next.
    pub(crate) step: usize,
    /// Slots from a column's last output to the next column's first.
    pub(crate) wrap: usize,
    /// Cycles of a slot.
    pub(crate) hold: usize,
    /// Cycles before each channel block, for its weights.
    pub(crate) wait: usize,
}

/// Rows of a window.
pub(crate) fn window_rows(array: Array) -> usize {
    array.word() / COLUMNS
}

/// Whether a layer is a convolution of each channel by itself that fits the window's columns and rows.
fn fits(layer: &Layer<'_>, array: Array) -> bool {
    let Kernel::Array(conv) = layer.kernel else { return false };
    let [channels, ..] = layer.x.shape;
    let (outputs, of_group, ..) = conv.weight.dim();
    let [kh, kw] = conv.window.kernel;
    let dense = conv.window.dilations == [1, 1];
    let depthwise = outputs == channels && conv.groups == channels && of_group == 1;
    depthwise && dense && kw <= COLUMNS && kh <= window_rows(array) && array.k >= array.word()
}

/// Whether the layer would read two rows at once, if its input's rows were [`PAIR_PITCH`] apart: only then is it worth
/// the memory.
pub(crate) fn wants_pairs(layer: &Layer<'_>, array: Array, group_cycles: usize) -> bool {
    let [stride, _] = layer.kernel.window().strides;
    group_cycles == 1
        && stride.is_multiple_of(2)
        && fits(layer, array)
        && sequence(layer, array, 2, 1, &(0..layer.y.shape[1])).is_some()
}

impl Slide {
    /// The sequence of output rows `outputs` of a layer whose input lies as `x` and whose output as `y`, with `group_cycles`
    /// of the post pipeline for each output; `residual` if their distances have to be multiples of that.
    pub(crate) fn of(
        layer: &Layer<'_>,
        array: Array,
        [x, y]: [&Map; 2],
        group_cycles: usize,
        residual: bool,
        outputs: &Range<usize>,
    ) -> Option<Slide> {
        if !fits(layer, array) || x.segments != y.segments {
            return None;
        }
        let align = if residual { group_cycles } else { 1 };
        let rows = if x.row % (2 * PAIR_PITCH) == PAIR_PITCH { 2 } else { 1 };
        let best = [rows, 1].into_iter().find_map(|rows| sequence(layer, array, rows, group_cycles, outputs));
        best.map(|found| {
            let hold = found.hold.next_multiple_of(align);
            let ready = found.first * hold;
            Slide { hold, wait: (array.p - 1).saturating_sub(ready).next_multiple_of(align), ..found }
        })
        .filter(|found| found.hold <= MAX)
    }

    /// Slots of a channel block of so many output columns and rows.
    pub(crate) fn block_slots(&self, columns: usize, rows: usize) -> usize {
        (columns - 1) * self.slots + self.first + (rows - 1) * self.step + 1
    }
}

/// The sequence with `rows` rows a slot, where that can be. For output row n of them, `first + n * step` slots of the column
/// are needed at least, and the window must still hold its first row.
fn sequence(
    layer: &Layer<'_>,
    array: Array,
    rows: usize,
    group_cycles: usize,
    outputs: &Range<usize>,
) -> Option<Slide> {
    let window = layer.kernel.window();
    let ([kh, _], [stride, _], [top, ..]) = (window.kernel, window.strides, window.pads);
    let [_, in_h, _] = layer.x.shape;
    if stride % rows != 0 {
        return None;
    }
    // Reads begin with a pair's first row. `depth`: rows from there to the last one of the first output's kernel.
    let first_row = (outputs.start * stride).saturating_sub(top) / rows * rows;
    let depth = (outputs.start * stride + kh).checked_sub(top + first_row).filter(|&depth| depth > 0)?;
    let (first, step) = (depth.div_ceil(rows) - 1, stride / rows);
    let window_row = (window_rows(array) + depth).checked_sub(rows * (first + 1) + kh)?;
    let out_h = outputs.len();
    let needed = in_h.saturating_sub(first_row).min((out_h - 1) * stride + depth).div_ceil(rows).max(1);
    let slots = needed.max((out_h - 1) * step + 1);
    let wrap = slots - (out_h - 1) * step;
    // Columns and blocks follow each other at these distances.
    let distance = wrap.min(first + 1).min(if out_h > 1 { step } else { usize::MAX });
    let hold = group_cycles.div_ceil(distance);
    let fits = [first + 1, step, wrap, hold].iter().all(|&n| n <= MAX);
    let pair = rows == 2;
    fits.then_some(Slide { pair, first_row, window_row, slots, first, step, wrap, hold, wait: 0 })
}
