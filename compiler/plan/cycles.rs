//! A layer on the engine: loops, units, cycles. The formula is that of `rtl/o2c_engine.v`'s header, exactly.

use super::layers::{Kernel, Layer, Tail};
use super::reach::Reach;
use super::slide::Slide;
use crate::hw::descriptor;

/// The array: pixels, dot length, output channels, requantize lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    /// Pixels.
    pub(crate) p: usize,
    /// Channels of a dot product.
    pub(crate) c: usize,
    /// Output channels.
    pub(crate) k: usize,
    /// Requantize lanes.
    pub(crate) r: usize,
}

impl Array {
    /// Channels of a scratchpad word.
    pub(crate) fn word(self) -> usize {
        self.p * self.c
    }
    /// Channels of a group: what the post pipeline writes at once.
    pub(crate) fn group(self) -> usize {
        self.k.min(self.word())
    }
}

/// A layer's loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loops {
    /// Reads of a unit (array: a tile; pool: a channel block's window); depthwise: weight words of a block.
    pub(crate) reads: usize,
    /// Cycles of a read: more than 1 for float32 sums, and where a depthwise layer's outputs are not taken in one.
    pub(crate) hold: usize,
    /// Units of the layer.
    pub(crate) units: usize,
    /// Idle cycles after a unit; depthwise: before a pass.
    pub(crate) gap: usize,
    /// Vectors of a unit.
    pub(crate) vectors: usize,
    /// Cycles of a group.
    pub(crate) group_cycles: usize,
    /// Tiles of an output channel block (array), pixels (else).
    pub(crate) tiles: usize,
    /// Output channel blocks (array: of K, else of W).
    pub(crate) blocks: usize,
    /// Cycles that each block takes.
    pub(crate) block_cycles: usize,
    /// Cycles from issue to issue.
    pub(crate) cycles: usize,
    /// Cycles from issue to the last write: what the last layer takes, which waits for no descriptor.
    pub(crate) to_last_write: usize,
}

impl Loops {
    /// Cycles from issue to the last write where only so many of the blocks are computed.
    pub(crate) fn of_blocks(&self, blocks: usize) -> usize {
        self.to_last_write - (self.blocks - blocks) * self.block_cycles
    }
}

/// The loops of a layer that reads `reach` of its main operand, with the window `kernel` (rows, columns) there, and
/// writes `rows` rows of `extent` channels, unused ones among them. `has_slide`: the array is built for depthwise layers too.
pub(crate) fn loops(
    layer: &Layer<'_>,
    array: Array,
    reach: &Reach,
    kernel: [usize; 2],
    [extent, rows]: [usize; 2],
    has_slide: bool,
) -> Loops {
    let Array { p, c, k, r } = array;
    let group = array.group();
    let [_, _, w] = layer.y.shape;
    let pixels = rows * w;
    let pool = !layer.kernel.on_array();
    let product = matches!(layer.kernel, Kernel::Product(_));
    let (reads, tiles, blocks, vectors, groups) = if pool {
        (if product { 2 } else { kernel[0] * kernel[1] }, pixels, reach.count, 1, array.word() / group)
    } else {
        let reads = kernel[0] * kernel[1] * reach.count * p;
        (reads, pixels.div_ceil(p), extent.div_ceil(k), pixels.min(p), k / group)
    };
    let units = tiles * blocks;
    let hold = match layer.kernel {
        // A word's slots, or the loop through a lane's adder: rtl/o2c_pool_float.v.
        Kernel::FloatSum(_) => (array.word() / r).max(3),
        Kernel::Array(_) | Kernel::Select(_) | Kernel::Max(_) | Kernel::Sum(_) | Kernel::Product(_) => 1,
    };
    let busy = reads * hold;
    let residual = matches!(layer.tail, Tail::Add { .. });
    let group_cycles = group_cycles(layer, array);
    let drain = vectors * groups * group_cycles;
    let mut period = busy.max(drain);
    if residual {
        period = period.next_multiple_of(group_cycles);
    }
    let latency = group / r + 19 - group_cycles;
    // The multipliers of a product: rtl/o2c_product.v.
    let start = if product {
        2
    } else if pool {
        0
    } else {
        2 * p + c.ilog2() as usize + usize::from(has_slide)
    };
    let natural = (units - 1) * period + busy - (hold - 1) + start + drain + latency;
    // The next descriptor is fetched meanwhile.
    let cycles = natural.max(descriptor::WORDS + 3);
    Loops {
        reads,
        hold,
        units,
        gap: period - busy,
        vectors,
        group_cycles,
        tiles,
        blocks,
        block_cycles: tiles * period,
        cycles,
        to_last_write: natural,
    }
}

/// Cycles in which the post pipeline takes a group.
pub(crate) fn group_cycles(layer: &Layer<'_>, array: Array) -> usize {
    let slots = array.group() / array.r;
    // With a residual the operand's read and the result's write take turns on port B.
    if matches!(layer.tail, Tail::Add { .. }) { slots.max(2) } else { slots }
}

/// The loops of `rows` rows of a depthwise layer of so many channel blocks.
pub(crate) fn slide_loops(
    layer: &Layer<'_>,
    array: Array,
    slide: &Slide,
    [blocks, rows]: [usize; 2],
) -> Loops {
    let Array { p, c, .. } = array;
    let [_, _, w] = layer.y.shape;
    let latency = (p * c).ilog2() as usize + array.group() / array.r + 22;
    let block_cycles = slide.block_cycles(w, rows);
    let to_last_write = blocks * block_cycles - slide.hold + latency;
    Loops {
        reads: p * slide.passes(),
        hold: slide.hold,
        units: rows * w * blocks,
        gap: slide.wait,
        vectors: 1,
        group_cycles: group_cycles(layer, array),
        tiles: rows * w,
        blocks,
        block_cycles,
        cycles: to_last_write.max(descriptor::WORDS + 3),
        to_last_write,
    }
}
