//! Successive layers, and what each of them has to do with the others: whatever does not depend on how they are divided into passes.
//!
//! In: a [`Network`], first and last layer. Out: for each layer who of them reads its result, which pieces of memories it
//! has to load, and which are stored behind it.

use super::memories::{Network, Place};

/// A piece of a memory, and who of the layers reads it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) readers: Vec<usize>,
}

/// What a layer has to do with the others.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) result: Shared,
    /// Its operand that is the network's only input.
    pub(super) input: Option<Shared>,
    /// Pieces that lie outside before these layers and that it reads.
    pub(super) loads: Vec<Shared>,
    /// Pieces that later layers read and that it is the last to write.
    pub(super) stores: Vec<Shared>,
}

/// Successive layers.
#[derive(Debug)]
pub(super) struct Span {
    /// First and last.
    pub(super) layers: [usize; 2],
    /// In their order.
    pub(super) members: Vec<Member>,
    /// Memories that are in use meanwhile, without that of the network's only input.
    pub(super) in_use: Vec<usize>,
    /// Words of a row of each memory that is in use, of the planes that are on the chip meanwhile.
    pub(super) rows: Vec<usize>,
}

impl Span {
    pub(super) fn of(network: &Network<'_, '_>, layers: [usize; 2]) -> Span {
        let [first, last] = layers;
        let shared = |place: Place| {
            let mut readers = network.readers(&place);
            readers.retain(|reader| (first..=last).contains(reader));
            Shared { place, readers }
        };
        let outside = |piece: &Place| network.outside(piece.memory, layers);
        // Written by one of the layers, and not only in the place of what it adds.
        let made = |piece: &Place| {
            let mut writers = network.writers(piece).into_iter();
            writers.any(|w| (first..=last).contains(&w) && !network.adds(w, piece))
        };
        let stored_by = |piece: &Place| {
            let later = network.readers(piece).last().is_some_and(|&reader| reader > last);
            network.writers(piece).into_iter().rev().find(|w| later && (first..=last).contains(w))
        };
        let member = |layer: usize| {
            let (x, y) = (network.input[layer], network.output[layer]);
            let operands = [Some(x), network.other[layer]].into_iter().flatten().flat_map(Place::pieces);
            Member {
                result: shared(y),
                input: (Some(x.memory) == network.from).then(|| shared(x)),
                loads: operands.filter(|p| outside(p) && !made(p)).map(shared).collect(),
                stores: y
                    .pieces()
                    .filter(|p| outside(p) && stored_by(p) == Some(layer))
                    .map(shared)
                    .collect(),
            }
        };
        let in_use: Vec<usize> = network.in_use(layers).collect();
        let mut rows = vec![0; network.memories.len()];
        for &m in in_use.iter().chain(&network.from) {
            rows[m] = network.row(m, layers);
        }
        Span { layers, members: (first..=last).map(member).collect(), in_use, rows }
    }

    /// Whether some of a piece is stored behind one of the layers.
    pub(super) fn stores(&self, piece: &Place) -> bool {
        self.members.iter().flat_map(|member| &member.stores).any(|stored| stored.place == *piece)
    }

    /// One of them.
    pub(super) fn member(&self, layer: usize) -> &Member {
        &self.members[layer - self.layers[0]]
    }
}
