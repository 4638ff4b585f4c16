//! An input's layout where the ingest unit folds its convolution's kernel into channels (`rtl/o2c_ingest.v`).
//!
//! In: the layer that reads it. Out: the same layer with a smaller kernel on a map of more channels, and the cycles in which the
//! input arrives so. Guarantees: the cycles are those of the headers of `rtl/o2c_ingest.v` and `rtl/o2c_fold.v`.

use super::cycles::Array;
use super::layers::{Kernel, Layer};
use super::layout::Map;
use super::slide::Slides;
use super::{Plan, Planned, lay};
use crate::diag::Result;
use crate::graph::Port;

/// Bytes of the widest group that the ingest unit folds.
const MAX_FOLD: usize = 256;
/// Rows and columns of the largest kernel that it folds.
const MAX_KERNEL: usize = 64;

/// What the ingest unit lays beside each other as channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Folding {
    /// A pixel's channels.
    Plain,
    /// The kernel's columns: a map of input rows and output columns.
    Columns,
    /// The kernel's window: the output's map.
    Window,
}

impl Folding {
    /// Whether rows and columns are folded.
    pub(crate) fn axes(self) -> [bool; 2] {
        [self == Folding::Window, self != Folding::Plain]
    }

    /// Rows and columns of a value, those that are folded replaced.
    pub(crate) fn replace<T: Copy>(self, [rows, columns]: [T; 2], by: T) -> [T; 2] {
        let [h, w] = self.axes();
        [if h { by } else { rows }, if w { by } else { columns }]
    }
}

/// An input tensor's layout in the scratchpad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Kernel rows and columns in a pixel's channels; 1 and 1 mean the plain layout.
    pub(crate) kernel: [usize; 2],
    /// Strides of the convolution.
    pub(crate) strides: [usize; 2],
    /// Padding at the top and on the left.
    pub(crate) pads: [usize; 2],
    /// Rows and columns of pixels.
    pub(crate) out: [usize; 2],
}

impl Fold {
    pub(crate) fn of(layer: &Layer<'_>, folding: Folding) -> Fold {
        let window = layer.kernel.window();
        let [folds_h, folds_w] = folding.axes();
        let [_, in_h, in_w] = layer.x.shape;
        let [_, out_h, out_w] = layer.y.shape;
        let axis = |folds: bool, i: usize, map: usize, out: usize| {
            if folds { [window.kernel[i], window.strides[i], window.pads[i], out] } else { [1, 1, 0, map] }
        };
        let [h, w] = [axis(folds_h, 0, in_h, out_h), axis(folds_w, 1, in_w, out_w)];
        let [kernel, strides, pads, out] = std::array::from_fn(|i| [h[i], w[i]]);
        Fold { kernel, strides, pads, out }
    }
}

/// A convolution of an input, its kernel folded into the channels by the ingest unit, if that can be.
pub(crate) fn folded<'a>(
    layer: &Layer<'a>,
    array: Array,
    y: &Map,
    folding: Folding,
    slides: Slides,
) -> Option<Planned<'a>> {
    let Kernel::Array(conv) = layer.kernel else { return None };
    let Fold { kernel, out: [h, w], .. } = Fold::of(layer, folding);
    // Without a second row a window is its columns.
    let folds = kernel[usize::from(folding == Folding::Columns)] > 1;
    let dense = folding.replace(conv.window.dilations, 1) == conv.window.dilations;
    let group = layer.x.shape[0] * kernel[0] * kernel[1];
    if !folds || !dense || conv.groups > 1 || kernel.iter().any(|&k| k > MAX_KERNEL) || group > MAX_FOLD {
        return None;
    }
    Some(Planned::new(layer, array, Map::plain([group, h, w], array), y, folding, slides))
}

/// Words of a plane of an input as the ingest unit writes it.
pub(crate) fn input_plane(plan: &Plan<'_>, input: Port) -> Result<usize> {
    let folded = plan.layers.iter().find(|l| l.folding != Folding::Plain && l.layer.input == input);
    folded.map_or_else(|| lay(plan, input), |l| Ok(&l.map)).map(|map| map.plane)
}

/// Words of a pixel of `c` channels as the ingest unit writes it.
fn input_words(plan: &Plan<'_>, c: usize, fold: &Fold) -> usize {
    (fold.kernel[0] * fold.kernel[1] * c).div_ceil(plan.array.word())
}

/// Bytes of an input of `c` channels that are taken at once: of one pixel, and no more than the stream or a word has.
pub(crate) fn lanes(plan: &Plan<'_>, c: usize) -> usize {
    (plan.stream_bits / 8).min(plan.array.word()).min(c.next_power_of_two())
}

/// Cycles from a sample's first byte to the full input regions, nothing waiting: the formulas of the headers of
/// `rtl/o2c_shell.v`, `rtl/o2c_ingest.v` and `rtl/o2c_fold.v`.
pub(crate) fn input_cycles(plan: &Plan<'_>) -> usize {
    plan.ends.inputs.iter().zip(&plan.folds).map(|(&input, fold)| arrival(plan, input, fold).1).sum()
}

/// Cycles from an input's first byte until each row of pixels has been written, at most; and until the region is full.
pub(crate) fn arrival(plan: &Plan<'_>, input: Port, fold: &Fold) -> (Vec<usize>, usize) {
    let [c, h, w] = plan.graph.value(input).fact.shape;
    let Fold { kernel, strides, pads, out } = *fold;
    // A pixel's; at least as many as it has words.
    let takes = c.div_ceil(lanes(plan, c));
    if kernel == [1, 1] {
        return ((1..=h).map(|rows| rows * w * takes + 3).collect(), h * w * takes + 2);
    }
    let words = input_words(plan, c, fold);
    // For each place of the walk along an axis: is it the map's, does a window end there?
    let walk = |i: usize, map: usize| -> Vec<(bool, bool)> {
        let ends = |at: usize| {
            at.checked_sub(kernel[i] - 1).is_some_and(|n| n % strides[i] == 0 && n / strides[i] < out[i])
        };
        let end = ((out[i] - 1) * strides[i] + kernel[i]).max(pads[i] + map);
        (pads[i].min(kernel[i] - 1)..end)
            .map(|at| ((pads[i]..pads[i] + map).contains(&at), ends(at)))
            .collect()
    };
    let columns = walk(1, w);
    // When the last pixel entered the window; the cycles of its column and of the pads since; whether the last column
    // completed a group.
    let (mut at, mut busy, mut group) = (0, 1, false);
    let mut rows = Vec::with_capacity(out[0]);
    for (row_on, row_ends) in walk(0, h) {
        for &(column_on, column_ends) in &columns {
            if row_on && column_on {
                at += takes.max(busy);
                busy = 0;
            }
            group = row_ends && column_ends;
            busy += if group { words } else { 1 };
        }
        if row_ends {
            rows.push(at + busy + 3);
        }
    }
    let full = at + busy + if group { 2 } else { 1 };
    // Behind the last row of pixels there may be rows of the map that no window has.
    if let Some(last) = rows.last_mut() {
        *last = full.max(*last);
    }
    (rows, full)
}
