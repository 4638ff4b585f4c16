//! How tensors lie in the scratchpad: a plane of words for each W channels, and whose memory they share.
//!
//! In: layers, concatenations, the array. Out: a [`Map`] and a [`Region`] for every tensor. Guarantees: a
//! concatenation costs nothing: its operands are written where they lie in it. Along the channels each of them begins
//! with a plane, so the one before may have channels that nobody uses: a map has segments.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::Array;
use super::layers::{Kernel, Layer};
use super::slide::PAIR_PITCH;
use crate::diag::{Diagnostic, Result, code};
use crate::graph::Port;
use crate::graph::int::{Concat, IntGraph, IntOp};

/// The order of a tensor's words: channel blocks of W, rows, columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    /// Channels that stand beside each other; each segment begins at a word. A tensor that is no concatenation has one,
    /// and so has one whose parts end where words do. Folded: kernel columns times channels.
    pub(crate) segments: Vec<usize>,
    /// Rows.
    pub(crate) h: usize,
    /// Rows that it holds at a time: row r stands where row r mod `ring` does. All of them where it equals `h`.
    pub(crate) ring: usize,
    /// Columns.
    pub(crate) w: usize,
    /// Planes: words of a pixel.
    pub(crate) blocks: usize,
    /// Words from a column to the next: 1, or more in a part of an interleaved tensor.
    pub(crate) column: usize,
    /// Words from a row to the next: `w`, or more so that two rows can be read at once, or in a part of a wider tensor.
    pub(crate) row: usize,
    /// Words of a plane: from a pixel's word to that of its next channels.
    pub(crate) plane: usize,
    word: usize,
}

impl Map {
    /// The map of a tensor `[channels, rows, columns]` of its own.
    pub(crate) fn plain([channels, h, w]: [usize; 3], array: Array) -> Map {
        Map::of(&[channels], [h, w], array)
    }

    /// Parts beside each other.
    fn of(parts: &[usize], [h, w]: [usize; 2], array: Array) -> Map {
        let word = array.word();
        let mut segments: Vec<usize> = Vec::new();
        for &part in parts {
            match segments.last_mut() {
                Some(last) if last.is_multiple_of(word) => *last += part,
                _ => segments.push(part),
            }
        }
        let blocks = segments.iter().map(|s| s.div_ceil(word)).sum();
        Map { segments, h, ring: h, w, blocks, column: 1, row: w, plane: h * w, word }
    }

    /// Words of all that it holds, if it lies in memory of its own.
    pub(crate) fn words(&self) -> usize {
        self.plane * self.blocks
    }

    /// Channels in the order of the words, the unused ones but the last counted.
    pub(crate) fn extent(&self) -> usize {
        let last = self.segments.last().copied().unwrap_or(0);
        (self.blocks - last.div_ceil(self.word)) * self.word + last
    }

    /// The tensor's channel at a place in that order.
    pub(crate) fn channel(&self, at: usize) -> Option<usize> {
        let (mut from, mut channel) = (0, 0);
        for &segment in &self.segments {
            let end = from + segment.div_ceil(self.word) * self.word;
            if at < end {
                return (at - from < segment).then_some(channel + at - from);
            }
            (from, channel) = (end, channel + segment);
        }
        None
    }
}

/// Where a tensor's words are: in memory of its own, or in a concatenation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// The tensor whose memory it is.
    pub(crate) owner: Port,
    /// First word in it.
    pub(crate) offset: usize,
}

/// A map and a region for each tensor that a layer reads or writes.
pub(crate) type Layouts = BTreeMap<Port, (Map, Region)>;

/// What else decides how tensors lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// Tensors whose rows are so far apart that two can be read at once, see `super::slide`.
    pub(crate) pairs: BTreeSet<Port>,
    /// Tensors that take another's place, see `super::in_place`.
    pub(crate) in_place: BTreeMap<Port, Port>,
    /// Rows that the memory of these tensors holds at a time, a multiple of its parts' steps; of others all.
    pub(crate) rings: BTreeMap<Port, usize>,
}

/// Lays out every tensor.
///
/// # Errors
/// O2C0900 for an addition whose operands' parts differ; see `passes::own_memory`.
pub(crate) fn layouts(
    graph: &IntGraph,
    layers: &[Layer<'_>],
    inputs: &[Port],
    array: Array,
    wishes: &Wishes,
) -> Result<Layouts> {
    let own = |owner: Port| Region { owner, offset: 0 };
    let mut all = Layouts::new();
    for &input in inputs {
        all.insert(input, (Map::plain(graph.value(input).fact.shape, array), own(input)));
    }
    // In the order of execution; a concatenation stands behind the last of its operands.
    for id in graph.topo().unwrap_or_default() {
        let port = Port::from(id);
        let lay = |port: &Port| all.get(port).map(|(map, _): &(Map, Region)| map);
        let map = if let IntOp::Concat(concat) = &graph.node(id).op {
            let inputs = graph.inputs(id);
            let operands = if *concat == Concat::Channels { &inputs[..] } else { &inputs[..1] };
            let parts: Vec<usize> =
                operands.iter().filter_map(lay).flat_map(|m| m.segments.clone()).collect();
            let [_, h, w] = graph.value(port).fact.shape;
            Map::of(&parts, [h, w], array)
        } else {
            let Some(layer) = layers.iter().find(|l| l.last == id) else { continue };
            let [_, h, w] = layer.y.shape;
            let other = layer.residual().and_then(|other| lay(&other));
            let carried = match layer.kernel {
                Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => {
                    lay(&layer.input)
                }
                Kernel::Array(_) | Kernel::Select(_) => None,
            };
            let factor = match layer.kernel {
                Kernel::Product(factor) if factor.fact.shape[0] > 1 => lay(&factor.port),
                _ => None,
            };
            if let Some(a) = carried
                && let Some(b) = [other, factor].into_iter().flatten().find(|b| a.segments != b.segments)
            {
                let cause = format!("{:?} and {:?}", a.segments, b.segments);
                return Err(Diagnostic::new(
                    code::INTERNAL,
                    "the parts of an addition's or a product's operands differ",
                    cause,
                )
                .at(format!("node \"{}\"", layer.name))
                .into());
            }
            let map = match carried.or(other) {
                Some(like) => Map::of(&like.segments.clone(), [h, w], array),
                None => Map::plain(layer.y.shape, array),
            };
            let apart = (w + PAIR_PITCH).next_multiple_of(2 * PAIR_PITCH) - PAIR_PITCH;
            let row = if wishes.pairs.contains(&port) { apart } else { w };
            Map { row, plane: h * row, ..map }
        };
        let region = match wishes.in_place.get(&port).and_then(|other| all.get(other)) {
            Some(&(_, region)) => region,
            None => own(port),
        };
        all.insert(port, (map, region));
    }
    for (map, region) in all.values_mut() {
        if let Some(&ring) = wishes.rings.get(&region.owner) {
            map.ring = ring;
            map.plane = ring * map.row;
        }
    }
    // From the last concatenation to the first: an operand's memory is the concatenation's, wherever that is.
    for id in graph.topo().unwrap_or_default().into_iter().rev() {
        let IntOp::Concat(concat) = &graph.node(id).op else { continue };
        let Some((whole, region)) = all.get(&Port::from(id)).cloned() else { continue };
        let inputs = graph.inputs(id);
        let shapes: Vec<[usize; 3]> = inputs.iter().map(|p| graph.value(*p).fact.shape).collect();
        let parts = concat.parts(&shapes).map_or(vec![], |(parts, _)| parts);
        // Along the channels each operand begins with a plane, whatever its last one lacks.
        let mut blocks = 0;
        for (port, part) in inputs.into_iter().zip(parts) {
            if let Some((map, place)) = all.get_mut(&port) {
                let first = part.origin[0] * whole.row + part.origin[1] * whole.column;
                let offset = region.offset + blocks * whole.plane + first;
                *place = Region { owner: region.owner, offset };
                map.column = part.steps[1] * whole.column;
                map.row = part.steps[0] * whole.row;
                map.plane = whole.plane;
                if whole.ring < whole.h {
                    map.ring = whole.ring / part.steps[0];
                }
                if *concat == Concat::Channels {
                    blocks += map.blocks;
                }
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        let array = Array { p: 4, c: 2, k: 8, r: 1 };
        let map = |parts: &[usize]| Map::of(parts, [1, 1], array);
        let plain = map(&[16, 8, 5]);
        assert_eq!((plain.segments.as_slice(), plain.blocks, plain.extent()), (&[29][..], 4, 29));
        let parts = map(&[8, 3, 9, 2]);
        assert_eq!((parts.segments.as_slice(), parts.blocks, parts.extent()), (&[11, 9, 2][..], 5, 34));
        let channels: Vec<Option<usize>> = (0..40).map(|at| parts.channel(at)).collect();
        let found: Vec<usize> = channels.iter().flatten().copied().collect();
        assert_eq!(found, (0..22).collect::<Vec<_>>());
        assert_eq!(
            [channels[10], channels[11], channels[16], channels[32]],
            [Some(10), None, Some(11), Some(20)]
        );
    }
}
