//! Which channel blocks of the input an output channel block reads: all of them, or for a grouped convolution or a
//! selection the few that it needs.
//!
//! In: a layer, the array, how its input and its output lie. Out: a [`Reach`], the shortest that the engine's address step
//! can express. Guarantees: every block that carries a weight is read, and none outside the map.

use super::cycles::Array;
use super::layers::Kernel;
use super::layout::Map;

/// Output channel block b reads `count` words of a pixel, from word `step * (b / repeat)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Words of a pixel that are read for each tap.
    pub(crate) count: usize,
    /// Words from one first word to the next, at most [`MAX`].
    pub(crate) step: usize,
    /// Output channel blocks that share a first word, at most [`MAX`] + 1.
    pub(crate) repeat: usize,
}

/// The largest step, and the largest repetition minus 1: fields of 8 bits in the descriptor.
const MAX: usize = 255;

impl Reach {
    /// Every word for every output channel block.
    pub(crate) fn dense(map: &Map) -> Reach {
        Reach { count: map.blocks, step: 0, repeat: 1 }
    }

    /// The shortest reach of a layer whose input lies as `x`, and whose output as `y`.
    pub(crate) fn of(kernel: &Kernel<'_>, array: Array, x: &Map, y: &Map) -> Reach {
        let dense = Reach::dense(x);
        let sources: Box<dyn Fn(usize) -> Option<(usize, usize)>> = match kernel {
            Kernel::Array(conv) if conv.groups > 1 => {
                let (outputs, channels, _, _) = conv.weight.dim();
                Box::new(move |o| {
                    let group = o * conv.groups / outputs;
                    Some((group * channels, (group + 1) * channels - 1))
                })
            }
            Kernel::Select(select) => Box::new(|o| select.channels[o].map(|c| (c, c))),
            Kernel::Array(_) | Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => {
                return dense;
            }
        };
        // The words that each output channel block needs; blocks that need none go with the one before.
        let places: Vec<usize> = (0..x.extent()).filter(|&at| x.channel(at).is_some()).collect();
        let word = |channel: usize| places[channel] / array.word();
        let mut needs: Vec<(usize, usize)> = Vec::new();
        for b in 0..y.extent().div_ceil(array.k) {
            let outputs = (b * array.k..(b + 1) * array.k).filter_map(|at| y.channel(at));
            let words = outputs.filter_map(&sources).map(|(from, to)| (word(from), word(to)));
            let before = needs.last().copied().unwrap_or((0, 0));
            needs.push(words.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or(before));
        }
        // First words that rise by `step` every `repeat` blocks; the last block's decides which steps can do, and none can
        // do with fewer words than the block with the most.
        let most = needs.last().map_or(0, |n| n.0);
        let least = needs.iter().map(|n| n.1 - n.0 + 1).max().unwrap_or(0);
        let mut shortest = dense;
        for repeat in 1..=needs.len().min(MAX + 1) {
            let rises = (needs.len() - 1) / repeat;
            let largest = most.checked_div(rises).unwrap_or(0).min(MAX);
            for step in (0..=largest).rev() {
                if shortest.count == least {
                    return shortest;
                }
                let first = |b: usize| step * (b / repeat);
                let count =
                    needs.iter().enumerate().map(|(b, n)| (n.0 >= first(b)).then(|| n.1 - first(b) + 1));
                let count = count.collect::<Option<Vec<usize>>>().and_then(|c| c.into_iter().max());
                if let Some(count) = count.filter(|&c| c < shortest.count)
                    && first(needs.len() - 1) + count <= x.blocks
                {
                    shortest = Reach { count, step, repeat };
                }
            }
        }
        shortest
    }

    /// The first word of a pixel that output channel block `b` reads.
    pub(crate) fn first(&self, b: usize) -> usize {
        self.step * (b / self.repeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::RescaleSpec;
    use crate::graph::int::{Conv, ConvForm, Window};
    use ndarray::Array4;

    fn conv(outputs: usize, inputs: usize, groups: usize) -> Conv {
        Conv {
            window: Window::POINT,
            groups,
            weight: Array4::zeros((outputs, inputs / groups, 1, 1)),
            bias: vec![0; outputs],
            rescale: RescaleSpec { scale: vec![1.0], zero_point: 0, lo: -128, hi: 127 },
            weight_scale: vec![1.0],
            form: ConvForm::Integer,
        }
    }

    fn reach(outputs: usize, inputs: usize, groups: usize, [p, c, k]: [usize; 3]) -> [usize; 3] {
        let array = Array { p, c, k, r: 1 };
        let map = Map::plain([inputs, 1, 1], array);
        let conv = conv(outputs, inputs, groups);
        let y = Map::plain([outputs, 1, 1], array);
        let reach = Reach::of(&Kernel::Array(&conv), array, &map, &y);
        for o in 0..outputs {
            let group = o * groups / outputs;
            for channel in group * inputs / groups..(group + 1) * inputs / groups {
                let first = reach.first(o / k);
                assert!(
                    (first..first + reach.count).contains(&(channel / (p * c))),
                    "{reach:?} {o} {channel}"
                );
            }
        }
        let blocks = outputs.div_ceil(k);
        assert!(reach.first(blocks - 1) + reach.count <= map.blocks, "{reach:?}");
        [reach.count, reach.step, reach.repeat]
    }

    #[test]
    fn shortest_that_covers_every_weight() {
        // Depthwise with K = W; K = W / 2; K = 2 W; with a channel multiplier; plain.
        assert_eq!(reach(64, 64, 64, [4, 4, 16]), [1, 1, 1]);
        assert_eq!(reach(64, 64, 64, [4, 4, 8]), [1, 1, 2]);
        assert_eq!(reach(64, 64, 64, [2, 4, 16]), [2, 2, 1]);
        assert_eq!(reach(64, 32, 32, [4, 4, 16]), [1, 1, 2]);
        assert_eq!(reach(64, 64, 1, [4, 4, 16]), [4, 0, 1]);
        // Groups of 24 do not end where words do.
        assert_eq!(reach(48, 48, 2, [4, 4, 16]), [3, 0, 1]);
        assert_eq!(reach(40, 40, 40, [4, 4, 16]), [1, 1, 1]);
        for (outputs, inputs, groups) in [(96, 48, 4), (36, 36, 3), (20, 100, 10), (255, 51, 51), (7, 7, 7)] {
            for array in [[1, 1, 1], [2, 4, 8], [4, 4, 16], [8, 4, 32], [1, 16, 4], [8, 8, 2]] {
                reach(outputs, inputs, groups, array);
            }
        }
    }
}
