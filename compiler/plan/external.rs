//! Weights and parameters in external memory: which of them are on the chip when, and what waiting for them costs.
//!
//! In: planned layers, the sizes of their weights and parameters, a budget of memory on the chip. Out: [`External`]: the
//! depths of the two memories, steps small enough for them, the commands that fill them. Guarantees: a load overwrites
//! words only after the last step that uses them; steps and loads come in the same order, so nothing waits in a circle;
//! the cycles are those of `rtl/o2c_dma.v` on a memory of fixed latency.
//!
//! Both memories are filled in a circle, one step's words after the other's, as far ahead as there is room.

use std::collections::VecDeque;
use std::ops::Range;

use super::Planned;
use super::bits::Word;
use super::cycles::Array;
use super::images::Places;
use super::order::{Queues, Wanted, order};
use super::steps::{Move, Step, Strip};
use crate::hw::descriptor;

/// The external memory, and how much is allowed on the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of all memories on the chip.
    pub on_chip: usize,
    /// Data bits of the AXI4 master: a power of two from 32 to 512.
    pub bus_bits: usize,
    /// Most beats of a burst, 1 to 256.
    pub burst: usize,
    /// Most bursts under way, 1 to 16.
    pub outstanding: usize,
    /// Cycles from a burst's address to its first beat, for the prediction.
    pub latency: usize,
}

/// What a command moves, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To the weight memory.
    Weights,
    /// To the parameter memory.
    Parameters,
    /// To the scratchpad.
    Load(Walk),
    /// From the scratchpad.
    Store(Walk),
}

/// The order of scratchpad words: row by row, in each row plane by plane, in each plane column by column. Word `[row,
/// plane, column]` is at `row * columns + plane * step + column` from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Words that follow each other, 1 to 2^16.
    pub(crate) columns: usize,
    /// Planes, 1 to 2^12.
    pub(crate) planes: usize,
    /// Words from one plane to the next, below 2^24.
    pub(crate) step: usize,
}

/// What the DMA does once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// First byte in the external image.
    pub(crate) offset: usize,
    /// First word of the memory.
    pub(crate) to: usize,
    /// Which memory, and which way.
    pub(crate) kind: Kind,
    /// Words.
    pub(crate) words: usize,
    /// A step may begin.
    pub(crate) releases: bool,
    /// Steps that must have ended since the command before.
    pub(crate) steps: usize,
}

impl Command {
    /// The command's word: fields as in `rtl/o2c_dma.v`, the longer form where a list of commands spills.
    pub(crate) fn word(&self, spills: bool) -> Vec<u8> {
        let mut word = Word::new(COMMAND_BITS[usize::from(spills)]);
        let field = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (kind, walk) = match self.kind {
            Kind::Weights => (0, None),
            Kind::Parameters => (1, None),
            Kind::Load(walk) => (2, Some(walk)),
            Kind::Store(walk) => (3, Some(walk)),
        };
        word.push(field(self.offset), 32);
        word.push(field(self.to), 24);
        word.push(0, 6);
        word.push(kind, 2);
        word.push(field(self.words), 24);
        word.push(0, 8);
        word.push(i64::from(self.releases), 1);
        word.push(0, 15);
        word.push(field(self.steps), 16);
        if spills {
            let Walk { columns, planes, step } = walk.unwrap_or(Walk { columns: 1, planes: 1, step: 0 });
            word.push(field(columns.saturating_sub(1)), 16);
            word.push(field(planes.saturating_sub(1)), 12);
            word.push(0, 4);
            word.push(field(step), 24);
            word.push(0, 8);
        }
        word.finish()
    }

    /// Whether it moves words of the scratchpad.
    fn spills(&self) -> bool {
        matches!(self.kind, Kind::Load(_) | Kind::Store(_))
    }
}

/// Memories, steps and commands of a network.
#[derive(Clone, Debug)]
pub(crate) struct External {
    /// As asked for.
    pub(crate) options: Options,
    /// Words of the weight memory and of the parameter memory.
    pub(crate) depths: [usize; 2],
    /// The commands in order.
    pub(crate) commands: Vec<Command>,
    /// Bytes behind the weights and parameters that tensors are stored in.
    pub(crate) spill_bytes: usize,
}

/// The words that are to be moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bits of a weight word and of a parameter word.
    pub(crate) bits: [usize; 2],
    /// Bits of a scratchpad word.
    pub(crate) word: usize,
    /// Bits of what has its place on the chip whatever is loaded: scratchpad, tables, line buffers.
    pub(crate) resident: usize,
}

/// The strips of a network in their order, and what they need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network<'n, 'a> {
    pub(crate) layers: &'n [Planned<'a>],
    pub(crate) strips: &'n [Strip],
    pub(crate) places: &'n [Places],
    pub(crate) array: Array,
    pub(crate) sizes: Sizes,
    /// Words of the scratchpad's that have a place outside.
    pub(crate) spilled: usize,
}

impl Network<'_, '_> {
    /// Bytes of all weights and parameters outside; what is spilled comes behind them.
    fn image(&self, options: Options) -> usize {
        let words = totals(self).into_iter().zip(self.sizes.bits);
        words.map(|(words, bits)| words * options.word_bytes(bits)).sum()
    }
}

/// Bytes on the chip that can be asked for.
pub const MOST_BYTES: usize = 1 << 40;
/// Bits of a command in its memory, without and with words of the scratchpad.
const COMMAND_BITS: [usize; 2] = [128, 192];
/// Parts of a memory that a step's words may fill at most: the fewer, the fewer steps; the more, the earlier loads begin.
const SHARES: [usize; 6] = [1, 2, 3, 4, 6, 8];
/// Parts of the room that the parameter memory may get.
const PARAM_PARTS: [usize; 5] = [3, 6, 12, 24, 48];

impl Options {
    /// Beats of a word.
    fn beats(&self, bits: usize) -> usize {
        bits.div_ceil(self.bus_bits)
    }

    /// Bytes of a word in the external image.
    pub(crate) fn word_bytes(&self, bits: usize) -> usize {
        self.beats(bits) * self.bus_bits / 8
    }
}

/// The steps and commands with the fewest cycles inside the budget, if any fit.
pub(crate) fn plan(network: &Network<'_, '_>, options: Options) -> Option<(Vec<Step>, External)> {
    let natural: usize = network.strips.iter().map(|s| s.loops.cycles).sum();
    let mut best: Option<(usize, (Vec<Step>, External))> = None;
    for division in fitting(network, options) {
        let found = division.timed(network, options);
        let cycles = found.0.iter().map(|s| s.cycles).sum();
        if best.as_ref().is_none_or(|(least, _)| cycles < *least) {
            best = Some((cycles, found));
        }
        // Others are hardly better.
        if best.as_ref().is_some_and(|(least, _)| *least <= natural + natural / 200) {
            break;
        }
    }
    best.map(|(_, found)| found)
}

/// Whether any division fits into the budget.
pub(crate) fn fits(network: &Network<'_, '_>, options: Options) -> bool {
    fitting(network, options).next().is_some()
}

/// Steps whose words have their places, and what is to be moved for them.
struct Division {
    steps: Vec<Step>,
    queues: Queues,
    depths: [usize; 2],
}

/// The divisions that are tried and fit.
fn fitting<'n>(network: &'n Network<'_, '_>, options: Options) -> impl Iterator<Item = Division> + 'n {
    let Sizes { bits, resident, .. } = network.sizes;
    let [all_weights, all_params] = totals(network);
    let budget = 8 * options.on_chip;
    let tried = SHARES.into_iter().flat_map(|share| PARAM_PARTS.map(|part| (share, part)));
    tried.filter_map(move |(share, part)| {
        // More steps have more descriptors, which leaves less room: a few rounds show how many.
        let mut administration = 0;
        for _ in 0..6 {
            let room = budget.checked_sub(resident + administration)?;
            let params = (room / part / bits[1]).clamp(1, all_params);
            let weights = room.checked_sub(params * bits[1])? / bits[0];
            if weights == 0 && all_weights > 0 {
                return None;
            }
            let depths = [weights.clamp(1, all_weights.max(1)), params];
            let steps = deal(network, depths, share)?;
            // Without the commands that is known before they are.
            let descriptors = descriptor_bits(network, &steps);
            if descriptors > administration {
                administration = descriptors;
                continue;
            }
            let division = Division::of(network, steps, depths, options);
            let needed = descriptors + division.command_bits();
            if needed <= administration {
                return Some(division);
            }
            administration = needed;
        }
        None
    })
}

/// Bytes of descriptors and commands of so many strips, further steps of them, and moves, about.
pub(crate) fn administration([strips, steps, moves]: [usize; 3]) -> usize {
    let command = COMMAND_BITS[usize::from(moves > 0)] / 8;
    let descriptors = strips * (descriptor::WORDS + 1) + steps * (descriptor::CHANGES_OF_BLOCKS + 1);
    4 * descriptors + command * (2 * (strips + steps) + moves * 3 / 2)
}

/// Bits of descriptors, at most.
fn descriptor_bits(network: &Network<'_, '_>, steps: &[Step]) -> usize {
    let further = steps.iter().filter(|s| !s.begins).count();
    let words = if only_changes(network.layers.len(), steps.len()) {
        steps.len() + (steps.len() - further) * descriptor::WORDS + further * descriptor::CHANGES_OF_BLOCKS
    } else {
        steps.len() * descriptor::WORDS
    };
    32 * words
}

/// Whether descriptors are written as changes: where there are many for a layer.
pub(crate) fn only_changes(layers: usize, steps: usize) -> bool {
    steps > 2 * layers
}

/// Bits of all memories if nothing is external.
pub(crate) fn all_on_chip(network: &Network<'_, '_>) -> usize {
    let [weights, params] = totals(network);
    let Sizes { bits, resident, .. } = network.sizes;
    resident + weights * bits[0] + params * bits[1] + network.layers.len() * 32 * descriptor::WORDS
}

/// Words of all weights and parameters.
fn totals(network: &Network<'_, '_>) -> [usize; 2] {
    let weights = network.layers.iter().map(|l| l.weight_words() * l.loops.blocks).sum();
    [weights, network.places.iter().map(|p| p.param_words).sum()]
}

/// What of a layer can't be divided.
struct Part {
    /// Blocks of output channels.
    blocks: usize,
    /// Their weight words and parameter words.
    words: [usize; 2],
}

fn part(l: &Planned<'_>, places: &Places, array: Array) -> Part {
    if !l.layer.kernel.on_array() {
        return Part { blocks: l.loops.blocks, words: [0, places.param_words] };
    }
    // A step begins with a whole word of the output, and where the reads of its first block begin.
    let (word, repeat) =
        (array.word().div_ceil(l.block(array)), if l.slide.is_some() { 1 } else { l.reach.repeat });
    let blocks = word.max(repeat).next_multiple_of(word).next_multiple_of(repeat).min(l.loops.blocks);
    let params = l.block(array) / array.r;
    Part { blocks, words: [blocks * l.weight_words(), blocks * params] }
}

/// Deals the strips to steps of at most one `share`-th of each memory; a part that can't be divided may take all.
fn deal(network: &Network<'_, '_>, depths: [usize; 2], share: usize) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut freed_before = 0;
    for strip in network.strips {
        let l = &network.layers[strip.layer];
        let part = part(l, &network.places[strip.layer], network.array);
        if part.words[0] > depths[0] || part.words[1] > depths[1] {
            return None;
        }
        let fit = |i: usize| (depths[i] / share).checked_div(part.words[i]).unwrap_or(usize::MAX);
        let parts = l.loops.blocks.div_ceil(part.blocks);
        let count = parts.div_ceil(fit(0).min(fit(1)).clamp(1, parts));
        // Steps as equal as can be.
        let begin = |n: usize| (n * parts / count * part.blocks).min(l.loops.blocks);
        for n in 0..count {
            let blocks = begin(n)..begin(n + 1);
            // The input's rows are in use until the last of them ends; behind its last reader none are freed, since the
            // next sample's come.
            let [needed, freed] = strip.input_rows;
            let strip = Strip {
                input_rows: [needed, if n + 1 == count { freed } else { freed_before.min(freed) }],
                ..strip.clone()
            };
            let (begins, ends) = (n == 0, n + 1 == count);
            steps.push(Step { begins, ends, loaded_at: Some([0, 0]), ..Step::of(strip, blocks) });
        }
        freed_before = strip.input_rows[1];
    }
    Some(steps)
}

/// Words that lie in a memory.
struct Resident {
    from: usize,
    /// The words' places among all weights or parameters.
    words: Range<usize>,
    /// The last step that uses them, so far.
    step: usize,
}

/// A memory that is filled in a circle. What it still holds is not loaded again.
struct Circle {
    depth: usize,
    next: usize,
    held: Vec<Resident>,
}

/// Where a step's words are.
enum Place {
    /// There already.
    Held(usize),
    /// They are written there, once so many steps have ended.
    Loaded(usize, usize),
}

impl Circle {
    fn place(&mut self, words: &Range<usize>, step: usize) -> Place {
        if words.is_empty() {
            return Place::Held(0);
        }
        if let Some(held) = self.held.iter_mut().find(|h| h.words == *words) {
            held.step = step;
            return Place::Held(held.from);
        }
        let at = if self.next + words.len() > self.depth { 0 } else { self.next };
        self.next = at + words.len();
        let overwritten = |h: &Resident| h.from < at + words.len() && at < h.from + h.words.len();
        let ended = self.held.iter().filter(|h| overwritten(h)).map(|h| h.step + 1).max().unwrap_or(0);
        self.held.retain(|h| !overwritten(h));
        self.held.push(Resident { from: at, words: words.clone(), step });
        Place::Loaded(at, ended)
    }
}

impl Division {
    /// Places and commands of steps.
    fn of(network: &Network<'_, '_>, mut steps: Vec<Step>, depths: [usize; 2], options: Options) -> Division {
        let bits = network.sizes.bits;
        let mut circles = depths.map(|depth| Circle { depth, next: 0, held: Vec::new() });
        let first_param = totals(network)[0] * options.word_bytes(bits[0]);
        let mut weights = VecDeque::new();
        for (i, step) in steps.iter_mut().enumerate() {
            let (l, of) = (&network.layers[step.strip.layer], &network.places[step.strip.layer]);
            let mut at = [0, 0];
            for (which, words) in words(step, l, of).into_iter().enumerate() {
                match circles[which].place(&words, i) {
                    Place::Held(from) => at[which] = from,
                    Place::Loaded(to, after) => {
                        let kind = [Kind::Weights, Kind::Parameters][which];
                        let offset = words.start * options.word_bytes(bits[which]) + [0, first_param][which];
                        let command =
                            Command { offset, to, kind, words: words.len(), releases: false, steps: 0 };
                        weights.push_back(Wanted { command, after, by: i, stores: 0 });
                        (at[which], step.loaded[which]) = (to, words.len());
                    }
                }
            }
            step.loaded_at = Some(at);
        }
        let [stores, loads] = moves(network, &steps, options);
        Division { steps, queues: [weights, stores, loads], depths }
    }

    /// Bits of all commands.
    fn command_bits(&self) -> usize {
        let [_, stores, loads] = &self.queues;
        let spills = !stores.is_empty() || !loads.is_empty();
        let count = self.queues.iter().map(VecDeque::len).sum::<usize>() + 1;
        count * COMMAND_BITS[usize::from(spills)]
    }

    /// The steps with their cycles, and the commands in their order.
    fn timed(self, network: &Network<'_, '_>, options: Options) -> (Vec<Step>, External) {
        let Division { mut steps, queues, depths } = self;
        let mut commands = order(network, &mut steps, queues, options);
        // A sample's last command waits for its last step, so that the next sample finds everything as this one did.
        let waited: usize = commands.iter().map(|c| c.steps).sum();
        let left = steps.len() - waited;
        let end = Command { offset: 0, to: 0, kind: Kind::Weights, words: 0, releases: false, steps: left };
        commands.push(end);
        let spill_bytes = network.spilled * options.word_bytes(network.sizes.word);
        (steps, External { options, depths, commands, spill_bytes })
    }
}

/// What is stored and what is loaded, in the order of the steps. A strip's rows can be stored when it has ended, and have to
/// be before others take their places in the ring. Rows can be loaded when nobody needs the rows any more that have their
/// places.
fn moves(network: &Network<'_, '_>, steps: &[Step], options: Options) -> [VecDeque<Wanted>; 2] {
    let bytes = options.word_bytes(network.sizes.word);
    let command = |m: &Move, part: &Range<usize>, kind: fn(Walk) -> Kind| Command {
        offset: network.image(options) + (m.outside + part.start * m.row()) * bytes,
        to: m.base + part.start % m.ring * m.columns,
        kind: kind(Walk { columns: m.columns, planes: m.planes.len(), step: m.plane }),
        words: part.len() * m.row(),
        releases: false,
        steps: 0,
    };
    // A group's first step: memories are others' before it.
    let first = |group: usize| steps.partition_point(|s| s.strip.group < group);
    let (mut stores, mut loads) = (VecDeque::new(), VecDeque::new());
    let mut stored: Vec<&Move> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let group = step.strip.group;
        let begin = first(group);
        for m in step.strip.loads.iter().filter(|_| step.begins) {
            for part in m.parts() {
                let before = |rows: &Range<usize>| rows.start + m.ring < part.end;
                let touched = steps[begin..i].iter().rposition(|s| s.strip.touches(m).any(&before));
                let same = stores.iter().zip(&stored).rposition(|(w, other): (&Wanted, &&Move)| {
                    w.after <= begin || (other.meets(m.owner, &m.planes) && before(&other.rows))
                });
                loads.push_back(Wanted {
                    command: command(m, &part, Kind::Load),
                    after: begin + touched.map_or(0, |at| at + 1),
                    by: i,
                    stores: same.map_or(0, |at| at + 1),
                });
            }
        }
        for m in step.strip.stores.iter().filter(|_| step.ends) {
            let end = first(group + 1);
            let taken = steps[i + 1..end]
                .iter()
                .position(|s| s.strip.touches(m).any(|rows| rows.end > m.rows.start + m.ring));
            for part in m.parts() {
                let by = taken.map_or(end, |at| i + 1 + at);
                stores.push_back(Wanted {
                    command: command(m, &part, Kind::Store),
                    after: i + 1,
                    by,
                    stores: 0,
                });
                stored.push(m);
            }
        }
    }
    [stores, loads]
}

/// A step's words in the order of all weights, and of all parameters.
fn words(step: &Step, l: &Planned<'_>, of: &Places) -> [Range<usize>; 2] {
    let per_block = l.weight_words();
    let weights = of.weights + step.blocks.start * per_block..of.weights + step.blocks.end * per_block;
    if !l.layer.kernel.on_array() {
        return [weights, of.params..of.params + of.param_words];
    }
    // The last block may have fewer words than the others.
    let per_block = of.param_words.div_ceil(l.loops.blocks);
    let params = |block: usize| of.params + (block * per_block).min(of.param_words);
    [weights, params(step.blocks.start)..params(step.blocks.end)]
}

impl External {
    /// Whether words of the scratchpad are moved.
    pub(crate) fn spills(&self) -> bool {
        self.commands.iter().any(Command::spills)
    }

    /// Bits of a command.
    pub(crate) fn command_bits(&self) -> usize {
        COMMAND_BITS[usize::from(self.spills())]
    }

    /// The most words of each memory that a step uses.
    pub(crate) fn largest(&self) -> [usize; 2] {
        [Kind::Weights, Kind::Parameters].map(|kind| {
            let of = self.commands.iter().filter(|c| c.kind == kind).map(|c| c.words);
            of.max().unwrap_or(0).max(1)
        })
    }

    /// Bytes of activations that are loaded before a step, and stored after it; `bits` of a word.
    pub(crate) fn moved(&self, step: &Step, bits: usize) -> [usize; 2] {
        let Strip { loads, stores, .. } = &step.strip;
        let bytes = |of: &[Move]| of.iter().map(Move::words).sum::<usize>() * self.options.word_bytes(bits);
        [if step.begins { bytes(loads) } else { 0 }, if step.ends { bytes(stores) } else { 0 }]
    }

    /// Bytes of weights and parameters that are loaded for a step.
    pub(crate) fn bytes(&self, step: &Step, bits: [usize; 2]) -> usize {
        step.loaded.iter().zip(bits).map(|(words, bits)| words * self.options.word_bytes(bits)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields where `rtl/o2c_dma.v` looks for them.
    #[test]
    fn command_word() {
        let walk = Walk { columns: 0x1235, planes: 0x679, step: 0x89_abcd };
        let store = Command {
            offset: 0x8765_4320,
            to: 0x01_2345,
            kind: Kind::Store(walk),
            words: 0x0a_bcde,
            releases: true,
            steps: 0x4321,
        };
        let bits = |c: Command, spills: bool| {
            c.word(spills).iter().rev().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(
            bits(store, true),
            "0089abcd_06781234_43210001_000abcde_c0012345_87654320".replace('_', "")
        );
        let parameters = Command { kind: Kind::Parameters, releases: false, ..store };
        assert_eq!(bits(parameters, false), "43210000_000abcde_40012345_87654320".replace('_', ""));
        let load = Command { kind: Kind::Load(Walk { columns: 1, planes: 1, step: 0 }), words: 0, ..store };
        assert_eq!(
            bits(load, true),
            "00000000_00000000_43210001_00000000_80012345_87654320".replace('_', "")
        );
    }
}
