//! What one descriptor computes: a layer, or some of its blocks of output channels where its weights do not fit at once.

use std::ops::Range;

use super::Planned;

/// One descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The layer.
    pub(crate) layer: usize,
    /// Its blocks of output channels (array: of K, else of W).
    pub(crate) blocks: Range<usize>,
    /// First words of their weights and parameters in the memories that hold a part of them at a time; where everything
    /// has its place, there.
    pub(crate) loaded_at: Option<[usize; 2]>,
    /// Loads that it waits for.
    pub(crate) loads: usize,
    /// Cycles from its issue to the next one's (the last: to the last write).
    pub(crate) cycles: usize,
}

/// A step for each layer, everything in its place from the start.
pub(crate) fn whole(layers: &[Planned<'_>]) -> Vec<Step> {
    let step = |(layer, l): (usize, &Planned<'_>)| {
        let last = layer + 1 == layers.len();
        Step {
            layer,
            blocks: 0..l.loops.blocks,
            loaded_at: None,
            loads: 0,
            cycles: if last { l.loops.to_last_write } else { l.loops.cycles },
        }
    };
    layers.iter().enumerate().map(step).collect()
}
