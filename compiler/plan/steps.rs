//! What one descriptor computes: a layer, or some of its rows and of its blocks of output channels.
//!
//! In: planned layers. Out: [`Strip`]s, which are dealt to [`Step`]s where their weights do not fit at once. Guarantees: a
//! strip's cycles are those of its rows alone; strips of a layer that together are its rows give the layer's output.

use std::ops::Range;

use super::Planned;
use super::cycles::{Array, Loops};
use super::slide::Slide;
use crate::graph::Port;

/// Rows of a tensor that are moved between its ring in the scratchpad and external memory, where its words lie row by row, in
/// each row plane by plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// The tensor whose memory it is.
    pub(crate) owner: Port,
    pub(crate) rows: Range<usize>,
    /// Which of the memory's planes.
    pub(crate) planes: Range<usize>,
    /// First word in the scratchpad, and of the words outside.
    pub(crate) base: usize,
    pub(crate) outside: usize,
    /// Words of a plane's row, words from one plane to the next, rows of the ring.
    pub(crate) columns: usize,
    pub(crate) plane: usize,
    pub(crate) ring: usize,
}

impl Move {
    /// Rows whose places are not known yet.
    pub(crate) fn of(owner: Port, planes: Range<usize>, columns: usize, rows: Range<usize>) -> Move {
        Move { owner, rows, planes, base: 0, outside: 0, columns, plane: 0, ring: 1 }
    }

    /// Words of a row.
    pub(crate) fn row(&self) -> usize {
        self.columns * self.planes.len()
    }

    /// Whether it moves some of these planes of a memory.
    pub(crate) fn meets(&self, owner: Port, planes: &Range<usize>) -> bool {
        self.owner == owner && self.planes.start < planes.end && planes.start < self.planes.end
    }

    /// Words that are moved.
    pub(crate) fn words(&self) -> usize {
        self.rows.len() * self.row()
    }

    /// Rows that follow each other in the ring.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        let Range { start, end } = self.rows;
        let around = (start - start % self.ring + self.ring).clamp(start, end);
        [start..around, around..end].into_iter().filter(|part| !part.is_empty())
    }
}

/// Rows of a memory's planes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) owner: Port,
    pub(crate) planes: Range<usize>,
    pub(crate) rows: Range<usize>,
}

/// Some rows of a layer's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    /// The layer.
    pub(crate) layer: usize,
    /// Rows of its output.
    pub(crate) rows: Range<usize>,
    /// How the window slides over them, if the layer's does.
    pub(crate) slide: Option<Slide>,
    /// Their loops, with all blocks of output channels.
    pub(crate) loops: Loops,
    /// Rows of the network's input that have to be there, and that are free afterwards; where it is there as a whole, 0.
    pub(crate) input_rows: [usize; 2],
    /// The group of layers that it belongs to.
    pub(crate) group: usize,
    /// What is loaded before it, and stored after it.
    pub(crate) loads: Vec<Move>,
    pub(crate) stores: Vec<Move>,
    /// Rows that it reads or writes of tensors that are moved.
    pub(crate) touched: Vec<Touched>,
}

/// One descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The rows.
    pub(crate) strip: Strip,
    /// Whether it is its strip's first, and its last.
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    /// The blocks of output channels (array: of K, else of W).
    pub(crate) blocks: Range<usize>,
    /// First words of their weights and parameters in the memories that hold a part of them at a time; where everything
    /// has its place, there.
    pub(crate) loaded_at: Option<[usize; 2]>,
    /// Of their words those that are loaded for it.
    pub(crate) loaded: [usize; 2],
    /// Loads that it waits for.
    pub(crate) loads: usize,
    /// Cycles from its issue to the next one's (the last: to the last write).
    pub(crate) cycles: usize,
}

impl Step {
    /// Some blocks of a strip, all their words in their places.
    pub(crate) fn of(strip: Strip, blocks: Range<usize>) -> Step {
        Step { strip, begins: true, ends: true, blocks, loaded_at: None, loaded: [0, 0], loads: 0, cycles: 0 }
    }
}

impl Strip {
    /// Rows of a layer; `None` where the layer's window slides and cannot slide over these.
    pub(crate) fn of(
        layer: usize,
        l: &Planned<'_>,
        array: Array,
        has_slide: bool,
        rows: Range<usize>,
    ) -> Option<Strip> {
        let (slide, loops) = if l.slide.is_some() {
            let (slide, loops) = l.slid(array, &rows)?;
            (Some(slide), loops)
        } else {
            (None, l.walked(array, has_slide, &rows))
        };
        let input_rows = [0, 0];
        Some(Strip {
            layer,
            rows,
            slide,
            loops,
            input_rows,
            group: 0,
            loads: vec![],
            stores: vec![],
            touched: vec![],
        })
    }

    /// Rows that it touches of the planes that are moved.
    pub(crate) fn touches(&self, moved: &Move) -> impl Iterator<Item = &Range<usize>> {
        self.touched.iter().filter(|of| moved.meets(of.owner, &of.planes)).map(|of| &of.rows)
    }

    /// Rows of the map that are read for them.
    pub(crate) fn reads(&self, l: &Planned<'_>) -> Range<usize> {
        let Range { start, end } = l.reads(&self.rows);
        let first = |slide: Slide| usize::try_from(slide.first_row).unwrap_or(0);
        self.slide.map_or(start, first).min(end)..end
    }
}

/// A strip for each layer, all of its rows.
pub(crate) fn whole(layers: &[Planned<'_>]) -> Vec<Strip> {
    let strip = |(layer, l): (usize, &Planned<'_>)| {
        let rows = 0..l.layer.y.shape[1];
        Strip {
            layer,
            rows,
            slide: l.slide,
            loops: l.loops,
            input_rows: [0, 0],
            group: 0,
            loads: vec![],
            stores: vec![],
            touched: vec![],
        }
    };
    layers.iter().enumerate().map(strip).collect()
}

/// A step for each strip, everything in its place from the start.
pub(crate) fn resident(strips: Vec<Strip>) -> Vec<Step> {
    let last = strips.len().saturating_sub(1);
    let step = |(i, strip): (usize, Strip)| {
        let cycles = if i == last { strip.loops.to_last_write } else { strip.loops.cycles };
        let blocks = 0..strip.loops.blocks;
        Step { cycles, ..Step::of(strip, blocks) }
    };
    strips.into_iter().enumerate().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::NodeId;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one part")]
    fn parts_of_a_move() {
        let owner = Port::from(NodeId(0));
        let check = |ring: usize, rows: Range<usize>, expect: &[Range<usize>]| {
            let parts: Vec<Range<usize>> =
                Move { ring, ..Move::of(owner, 0..1, 1, rows.clone()) }.parts().collect();
            assert_eq!(parts, expect, "{rows:?} in a ring of {ring}");
            // One behind the other, and none goes around.
            assert!(parts.iter().all(|part| part.start % ring + part.len() <= ring));
            assert_eq!(parts.into_iter().flatten().collect::<Vec<_>>(), rows.collect::<Vec<_>>());
        };
        check(8, 0..5, &[0..5]);
        check(8, 0..8, &[0..8]);
        check(8, 6..8, &[6..8]);
        check(8, 6..9, &[6..8, 8..9]);
        check(8, 13..21, &[13..16, 16..21]);
        check(8, 16..24, &[16..24]);
        check(1, 7..8, &[7..8]);
        check(40, 3..40, &[3..40]);
        check(8, 5..5, &[]);
    }
}
