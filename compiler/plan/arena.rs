//! Where tensors lie in the scratchpad.
//!
//! In: sizes and lifetimes, in layers. Out: a first word for each, and the total. Guarantees: two tensors that live
//! at the same time never overlap; deterministic.

/// A tensor to place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Words.
    pub(crate) words: usize,
    /// First and last layer in which it is alive.
    pub(crate) alive: (usize, usize),
}

impl Block {
    fn meets(&self, other: &Block) -> bool {
        self.alive.0 <= other.alive.1 && other.alive.0 <= self.alive.1
    }
}

/// Places the blocks, largest first, each at the lowest address where it fits.
pub(crate) fn place(blocks: &[Block]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(blocks[i].words), i));
    let mut base = vec![0; blocks.len()];
    let mut placed: Vec<usize> = Vec::new();
    for i in order {
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&j| blocks[j].meets(&blocks[i]))
            .map(|&j| (base[j], base[j] + blocks[j].words))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (from, to) in taken {
            if at + blocks[i].words <= from {
                break;
            }
            at = at.max(to);
        }
        base[i] = at;
        placed.push(i);
    }
    let total = (0..blocks.len()).map(|i| base[i] + blocks[i].words).max().unwrap_or(0);
    (base, total)
}

/// The least words that any placement needs: the largest sum of what is alive at once.
pub(crate) fn bound(blocks: &[Block]) -> usize {
    let last = blocks.iter().map(|b| b.alive.1).max().unwrap_or(0);
    let alive =
        |layer| blocks.iter().filter(|b| b.alive.0 <= layer && layer <= b.alive.1).map(|b| b.words).sum();
    (0..=last).map(alive).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_alive_together_do_not_overlap() {
        let mut seed = 1u64;
        let mut next = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((seed >> 33) % n).unwrap()
        };
        for _ in 0..200 {
            let blocks: Vec<Block> = (0..next(12) + 1)
                .map(|_| {
                    let from = next(10);
                    Block { words: next(50) + 1, alive: (from, from + next(5)) }
                })
                .collect();
            let (base, total) = place(&blocks);
            for i in 0..blocks.len() {
                for j in 0..i {
                    let apart = base[i] + blocks[i].words <= base[j] || base[j] + blocks[j].words <= base[i];
                    assert!(apart || !blocks[i].meets(&blocks[j]), "{blocks:?} {base:?}");
                }
            }
            assert!(total >= bound(&blocks));
        }
    }
}
