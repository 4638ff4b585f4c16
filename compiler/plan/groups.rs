//! Layers that run strip by strip, one after another, so that what is between them lies in rings of rows.
//!
//! In: a plan in which every tensor is in memory as a whole. Out: [`Group`]s of successive layers: the strips in their
//! order, and how many rows each tensor between them needs at a time. Guarantees, by running the strips on row numbers alone:
//! every row is there when it is read, and none is overwritten that somebody still reads; the input's rows arrive before they
//! are needed, so that nothing waits for the stream.
//!
//! A group computes its last layer's rows in as many passes as asked for; in each pass every layer computes the rows that the
//! later ones need. Halos stay in the rings: no row is computed twice.

use std::collections::BTreeMap;
use std::ops::Range;

use super::slide::PAIR_PITCH;
use super::steps::{Move, Strip};
use super::{Plan, Planned};
use crate::graph::Port;
use crate::graph::int::{Concat, IntOp};

/// Layers of a group at most.
const LONGEST: usize = 40;
/// Passes of a group at most.
const MOST_PASSES: usize = 112;
/// Cycles by which a row of the input may come later than its bytes: the units between them.
const SLACK: usize = 16;

/// A memory that tensors share, in place of each other or side by side.
#[derive(Clone, Debug)]
struct Memory {
    owner: Port,
    /// Words of a row of all its planes.
    row: usize,
    h: usize,
    /// Whether it may hold some rows at a time.
    rows: bool,
    /// Whether a window reads two rows at once.
    pairs: bool,
    /// The first and the last layer that touch it.
    touch: [usize; 2],
    /// It lies beside a sample's computation, too: the network's input or output.
    apart: bool,
    /// It holds a concatenation.
    joined: bool,
    /// Between groups it lies in external memory.
    spilled: bool,
}

/// The plan's layers and what they read and write.
#[derive(Debug)]
pub(crate) struct Network<'p, 'a> {
    plan: &'p Plan<'a>,
    memories: Vec<Memory>,
    /// For each layer: the memories of its input and of its other operand, and the one that it writes.
    input: Vec<usize>,
    other: Vec<Option<usize>>,
    output: Vec<usize>,
    /// Those of products' second factors: all of it while the layer runs.
    factor: Vec<Option<usize>>,
    /// The network's input, where there is one: of several each keeps its memory whole.
    from: Option<usize>,
    /// Cycles until its rows are there.
    arrival: Vec<usize>,
    /// Words of the network's outputs.
    sent: usize,
    /// Layers that read each memory.
    readers: Vec<Vec<usize>>,
    /// Words of the scratchpad at most.
    room: usize,
    /// Beats of a word, and cycles of a move without beats.
    bus: [usize; 2],
}

/// Successive layers.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// First and last layer.
    pub(crate) layers: [usize; 2],
    /// Passes over the last layer's rows.
    pub(crate) passes: usize,
    /// Whether rings have room for rows that are moved while the next ones are computed.
    pub(crate) ahead: bool,
    pub(crate) strips: Vec<Strip>,
    /// Cycles of the strips, nothing waiting.
    pub(crate) cycles: usize,
    /// Rows that the memories of some tensors hold at a time.
    pub(crate) rings: BTreeMap<Port, usize>,
    /// Words of all memories that are in use meanwhile, without the network's only input.
    pub(crate) words: usize,
    /// Words of the network's only input, if the group reads it.
    pub(crate) input: Option<usize>,
    /// Weight words of all strips, and of all layers once.
    pub(crate) weights: [usize; 2],
    /// Strips, and moves to and from external memory.
    pub(crate) steps: usize,
    pub(crate) moves: usize,
}

impl<'p, 'a> Network<'p, 'a> {
    fn of(plan: &'p Plan<'a>, room: usize, bus: [usize; 2]) -> Network<'p, 'a> {
        let layers = &plan.layers;
        let mut memories: Vec<Memory> = Vec::new();
        let mut index = BTreeMap::new();
        for (&port, (map, region)) in &plan.layouts {
            if region.owner != port {
                continue;
            }
            let folded = layers.iter().find(|l| l.layer.input == port);
            let map = folded.map_or(map, |l| if plan.ends.inputs.contains(&port) { &l.map } else { map });
            index.insert(port, memories.len());
            memories.push(Memory {
                owner: port,
                row: map.row * map.blocks,
                h: map.h,
                rows: true,
                pairs: map.row % (2 * PAIR_PITCH) == PAIR_PITCH,
                touch: [usize::MAX, 0],
                apart: plan.ends.contains(port),
                joined: false,
                spilled: false,
            });
        }
        // Operands that do not stand row beside row keep their memory whole.
        for id in plan.graph.ids() {
            let IntOp::Concat(concat) = &plan.graph.node(id).op else { continue };
            let beside = matches!(concat, Concat::Channels | Concat::Columns);
            if let Some((_, region)) = plan.layouts.get(&Port::from(id)) {
                memories[index[&region.owner]].rows &= beside;
                memories[index[&region.owner]].joined = true;
            }
        }
        let at = |port: Port| plan.layouts.get(&port).map_or(0, |(_, region)| index[&region.owner]);
        let input: Vec<usize> = layers.iter().map(|l| at(l.layer.input)).collect();
        let output: Vec<usize> = layers.iter().map(|l| at(Port::from(l.layer.last))).collect();
        let other: Vec<Option<usize>> = layers.iter().map(|l| l.layer.residual().map(at)).collect();
        let factor: Vec<Option<usize>> =
            layers.iter().map(|l| l.layer.factor().map(|factor| at(factor.port))).collect();
        for &m in factor.iter().flatten() {
            memories[m].rows = false;
        }
        for i in 0..layers.len() {
            for m in [Some(input[i]), Some(output[i]), other[i], factor[i]].into_iter().flatten() {
                let [first, last] = memories[m].touch;
                memories[m].touch = [first.min(i), last.max(i)];
            }
        }
        let sent = plan.ends.outputs.iter().map(|&port| memories[at(port)].row * memories[at(port)].h).sum();
        for &port in &plan.ends.outputs {
            memories[at(port)].rows = false;
        }
        let only = plan.ends.only_input();
        for &port in &plan.ends.inputs {
            memories[at(port)].rows &= only.is_some() && !other.contains(&Some(at(port)));
        }
        let from = only.map(at);
        let arrival = only.map_or(vec![], |input| super::fold::arrival(plan, input, &plan.folds[0]).0);
        let reads_it = |r: usize, m: usize| input[r] == m || other[r] == Some(m) || factor[r] == Some(m);
        let reads = |m: usize| (0..layers.len()).filter(|&r| reads_it(r, m)).collect();
        let readers = (0..memories.len()).map(reads).collect();
        Network { plan, memories, input, other, output, factor, from, arrival, sent, readers, room, bus }
    }

    /// The first row that a layer reads of its input for its output rows from `row` on; none if there are no more.
    fn first_read(&self, layer: usize, row: usize) -> usize {
        let l = &self.plan.layers[layer];
        if row >= l.layer.y.shape[1] {
            return usize::MAX;
        }
        let first = l.reads(&(row..row + 1)).start;
        if self.memories[self.input[layer]].pairs { first / 2 * 2 } else { first }
    }

    /// The first row of a memory that a layer still needs when its output's rows before `row` are there.
    fn first_needed(&self, memory: usize, layer: usize, row: usize) -> usize {
        let by_window = if self.input[layer] == memory { self.first_read(layer, row) } else { usize::MAX };
        let done = row >= self.plan.layers[layer].layer.y.shape[1];
        let by_addition = if self.other[layer] == Some(memory) && !done { row } else { usize::MAX };
        let by_product = if self.factor[layer] == Some(memory) && !done { 0 } else { usize::MAX };
        by_window.min(by_addition).min(by_product)
    }

    /// Whether only these layers touch a memory, so that it may hold some rows at a time.
    fn inside(&self, m: usize, [first, last]: [usize; 2]) -> bool {
        let Memory { touch: [from, to], rows, apart, .. } = self.memories[m];
        rows && from >= first && to <= last && !apart
    }

    /// Memories that are in use while these layers run, without the network's only input.
    fn in_use(&self, [first, last]: [usize; 2]) -> impl Iterator<Item = usize> {
        let in_use = move |m: &usize| {
            let Memory { touch: [from, to], apart, spilled, .. } = self.memories[*m];
            let touches = |l| {
                let ports = [Some(self.input[l]), Some(self.output[l]), self.other[l], self.factor[l]];
                ports.contains(&Some(*m))
            };
            let alive = from <= last && to >= first && (!spilled || (first..=last).any(touches));
            Some(*m) != self.from && (apart || alive)
        };
        (0..self.memories.len()).filter(in_use)
    }

    /// Layers `first` to `last` in so many passes; `None` where they can't run so. `ahead`: with room for rows that are moved
    /// while the next ones are computed.
    fn run(&self, [first, last]: [usize; 2], passes: usize, ahead: bool) -> Option<Group> {
        let layers = &self.plan.layers;
        let height = |layer: usize| layers[layer].layer.y.shape[1];
        let group = first..=last;
        if passes > 1 && group.clone().any(|l| layers[l].layer.exchanges()) {
            return None;
        }
        let readers = |m: usize| self.readers[m].iter().copied().filter(|r| group.contains(r));
        for writer in group.clone().filter(|_| passes > 1) {
            let m = self.output[writer];
            if !self.memories[m].rows && readers(m).any(|r| r > writer) {
                return None;
            }
        }
        // What lies outside: rows of it that are there; the last layer that writes it, if later groups read it.
        let outside = |m: usize| self.memories[m].spilled && !self.inside(m, [first, last]);
        let mut loaded: BTreeMap<usize, usize> = BTreeMap::new();
        let stored_by = |m: usize| {
            let later = outside(m) && self.memories[m].touch[1] > last;
            group.clone().rev().find(|&l| later && self.output[l] == m)
        };
        let (mut moved, mut moves, mut stores) = (0, 0, 0);
        // Rows of what is moved that are in use during each strip that moves some.
        let mut turns: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        let mut produced = vec![0; layers.len()];
        let mut needed: BTreeMap<usize, usize> = BTreeMap::new();
        let mut strips: Vec<Strip> = Vec::new();
        let mut words = 0;
        for pass in 1..=passes {
            // Rows that each layer has to have computed at the pass's end.
            let mut targets = vec![0; layers.len()];
            for layer in (first..=last).rev() {
                let m = self.output[layer];
                let by_reader = |r: usize| {
                    let rows = targets[r];
                    let by_window =
                        (self.input[r] == m && rows > 0).then(|| layers[r].reads(&(rows - 1..rows)).end);
                    let by_addition = (self.other[r] == Some(m)).then_some(rows);
                    by_window.max(by_addition)
                };
                let wanted = readers(m).filter(|&r| r > layer).filter_map(by_reader).max();
                let share = || (height(layer) * pass).div_ceil(passes);
                let target = if pass == passes { height(layer) } else { wanted.unwrap_or_else(share) };
                targets[layer] = target.min(height(layer)).max(produced[layer]);
            }
            for layer in first..=last {
                let rows = produced[layer]..targets[layer];
                if rows.is_empty() {
                    continue;
                }
                let l = &layers[layer];
                let mut strip = Strip::of(layer, l, self.plan.array, self.plan.has_slide, rows.clone())?;
                let m = self.output[layer];
                let first_needed = |m: usize, r: usize| self.first_needed(m, r, produced[r]);
                // Who reads what this layer overwrites in place has to be done with it.
                let in_place = self.other[layer] == Some(m);
                if in_place && readers(m).any(|r| r < layer && first_needed(m, r) < rows.end) {
                    return None;
                }
                let tail = |m: usize| readers(m).map(|r| first_needed(m, r)).min().unwrap_or(usize::MAX);
                let mut live = vec![(m, rows.end - tail(m).min(rows.start))];
                if let Some(from) = self.from.filter(|&from| self.input[layer] == from) {
                    live.push((from, strip.reads(l).end.saturating_sub(tail(from))));
                }
                for o in [Some(self.input[layer]), self.other[layer]].into_iter().flatten() {
                    if !outside(o) || self.memories[o].touch[0] >= first {
                        continue;
                    }
                    let by_window = if self.input[layer] == o { strip.reads(l).end } else { 0 };
                    let by_addition = if self.other[layer] == Some(o) { rows.end } else { 0 };
                    let there = loaded.entry(o).or_default();
                    let end = by_window.max(by_addition).max(*there);
                    if end > *there {
                        strip.loads.push(Move::of(self.memories[o].owner, *there..end));
                        turns.entry(o).or_default().push(tail(o).min(*there)..end);
                        moved += (end - *there) * self.memories[o].row;
                        moves += 1;
                    }
                    *there = end;
                    live.push((o, end - tail(o).min(end)));
                }
                if stored_by(m) == Some(layer) {
                    strip.stores.push(Move::of(self.memories[m].owner, rows.clone()));
                    turns.entry(m).or_default().push(tail(m).min(rows.start)..rows.end);
                    moved += rows.len() * self.memories[m].row;
                    moves += 1;
                    stores += 1;
                }
                for (m, rows) in live {
                    let most = needed.entry(m).or_default();
                    words += rows.saturating_sub(*most) * self.memories[m].row;
                    *most = rows.max(*most);
                }
                if words > self.room {
                    return None;
                }
                produced[layer] = targets[layer];
                strips.push(strip);
            }
        }
        // The next turn's rows come, or this one's leave, meanwhile; where results take the operands' places, both.
        for (m, turns) in turns.iter().filter(|_| ahead) {
            let beside = if stored_by(*m).is_some() && loaded.contains_key(m) { 4 } else { 2 };
            let rows = |turns: &[Range<usize>]| {
                let from = turns.iter().map(|rows| rows.start).min().unwrap_or(0);
                turns.iter().map(|rows| rows.end).max().unwrap_or(0) - from
            };
            let most = turns.windows(beside.min(turns.len())).map(rows).max();
            needed.entry(*m).and_modify(|rows| *rows = most.unwrap_or(0).max(*rows));
        }
        // Two rows at once are a slot of the ring's; operands of additions have the rings of the results.
        let mut rings: BTreeMap<usize, usize> = BTreeMap::new();
        for (&m, &rows) in &needed {
            let memory = &self.memories[m];
            let rows = if memory.pairs { rows.next_multiple_of(2) } else { rows };
            let across = Some(m) != self.from && !memory.spilled && !self.inside(m, [first, last]);
            let kept = across || !memory.rows;
            let whole = kept || rows >= memory.h;
            rings.insert(m, if whole { memory.h } else { rows });
        }
        loop {
            let before = rings.clone();
            for layer in first..=last {
                let Some(other) = self.other[layer] else { continue };
                let rows = |m: usize| before.get(&m).copied().unwrap_or(self.memories[m].h);
                let both = rows(other).max(rows(self.output[layer]));
                for m in [other, self.output[layer]] {
                    rings.entry(m).and_modify(|rows| *rows = both.max(*rows));
                }
            }
            if rings == before {
                break;
            }
        }
        let needed = self.from.and_then(|from| rings.get(&from).copied());
        let input = self.input_ring([first, last], &mut strips, needed, &rings)?;
        let words = |m: usize| {
            let memory = &self.memories[m];
            memory.row * rings.get(&m).copied().unwrap_or(memory.h)
        };
        let once = |l: &Planned<'_>| l.weight_words() * l.loops.blocks;
        let mut by_owner: BTreeMap<Port, usize> = rings
            .iter()
            .filter(|&(&m, &rows)| Some(m) != self.from && rows < self.memories[m].h)
            .map(|(&m, &rows)| (self.memories[m].owner, rows))
            .collect();
        let from = self.from.map(|from| &self.memories[from]);
        if let Some((rows, from)) = input.zip(from).filter(|(rows, from)| *rows < from.h) {
            by_owner.insert(from.owner, rows);
        }
        let computed = strips.iter().map(|s| s.loops.cycles).sum::<usize>();
        let beats = moved * self.bus[0];
        let cycles = if ahead {
            // What is loaded for the first pass and stored after the last is waited for.
            computed.max(beats + stores * self.bus[1]) + beats / passes + 2 * self.bus[1]
        } else {
            computed + beats + moves * self.bus[1]
        };
        Some(Group {
            layers: [first, last],
            passes,
            ahead,
            cycles,
            rings: by_owner,
            words: self.in_use([first, last]).map(words).sum(),
            input: input.zip(from).map(|(rows, from)| rows * from.row),
            weights: [
                strips.iter().map(|s| once(&layers[s.layer])).sum(),
                layers[first..=last].iter().map(once).sum(),
            ],
            steps: strips.len(),
            moves,
            strips,
        })
    }

    /// Rows of the network's only input that its memory holds, if the group reads it; marks the strips with what they need. `None`
    /// if the stream can't keep pace.
    #[expect(clippy::option_option, reason = "the group may be none, and may not read the input")]
    fn input_ring(
        &self,
        [first, last]: [usize; 2],
        strips: &mut [Strip],
        needed: Option<usize>,
        others: &BTreeMap<usize, usize>,
    ) -> Option<Option<usize>> {
        let Some(at) = self.from else { return Some(None) };
        let from = &self.memories[at];
        let [begin, end] = from.touch;
        if first > end || last < begin {
            return Some(None);
        }
        let inside = from.rows && first <= begin && end <= last;
        let Some(needed) = needed.filter(|&rows| inside && rows < from.h) else { return Some(Some(from.h)) };
        // What each strip needs and leaves.
        let readers: Vec<usize> =
            (first..=last).filter(|&r| self.input[r] == at || self.other[r] == Some(at)).collect();
        let last_reader = strips.iter().rposition(|s| readers.contains(&s.layer))?;
        let mut produced = vec![0; self.plan.layers.len()];
        let (mut there, mut step) = (0, 0);
        for (i, strip) in strips.iter_mut().enumerate() {
            if i > last_reader {
                strip.input_rows = [0, 0];
                continue;
            }
            if self.input[strip.layer] == at {
                let end = strip.reads(&self.plan.layers[strip.layer]).end;
                step = step.max(end.saturating_sub(there));
                there = there.max(end);
            }
            produced[strip.layer] = strip.rows.end;
            let free = readers.iter().map(|&r| self.first_needed(at, r, produced[r])).min();
            let needed = if i == last_reader { from.h } else { there };
            strip.input_rows = [needed, free.unwrap_or(0).min(from.h)];
        }
        // Room for further passes, until the stream keeps pace.
        let rings = (1..).map(|ahead| needed + ahead * step).take_while(|&rows| rows < from.h);
        let found = rings.take(8).find(|&rows| self.keeps_pace(strips, rows, others));
        Some(Some(found.unwrap_or(from.h)))
    }

    /// Whether the input's rows are there when they are needed, with a ring of so many. The ingest unit goes on in every cycle
    /// but those in which the scratchpad's port B is another's: at most one for each word that the post pipeline reads or
    /// writes, for each that the output stream reads of the sample before, and for each that is stored outside; what is loaded
    /// comes in later groups. A row's cycles are as many as its words or more. `others`: the heights of the others' rings.
    fn keeps_pace(&self, strips: &[Strip], ring: usize, others: &BTreeMap<usize, usize>) -> bool {
        let work = |row: usize| {
            let before = row.checked_sub(1).map_or(0, |before| self.arrival[before]);
            self.arrival[row] - before + SLACK
        };
        let (mut there, mut freed) = (ring, 0);
        // Cycles of work done on row `there`; cycles that the output stream may still take.
        let (mut done, mut owed) = (0, self.sent);
        // A strip's rows have been stored at the latest when their places are taken: two stores of the tensor later, or
        // never where it has a place for each row.
        let mut storing: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
        for strip in strips {
            let [needed, free] = strip.input_rows;
            if needed > there {
                return false;
            }
            let l = &self.plan.layers[strip.layer];
            let pixels = strip.rows.len() * l.layer.y.shape[2];
            let groups = l.y.extent().div_ceil(self.plan.array.group());
            let uses = pixels * groups * if self.other[strip.layer].is_some() { 2 } else { 1 };
            let stored: usize = storing.values().flatten().sum();
            let free_cycles = strip.loops.cycles.saturating_sub(uses + stored);
            let late = owed.min(free_cycles);
            owed -= late;
            done += free_cycles - late;
            while there < self.arrival.len() && there < freed + ring && done >= work(there) {
                done -= work(there);
                there += 1;
            }
            if there >= self.arrival.len() || there >= freed + ring {
                done = 0;
            }
            freed = freed.max(free);
            for moved in &strip.stores {
                let m = self.output[strip.layer];
                let last = storing.entry(m).or_default();
                let ringed = others.get(&m).is_some_and(|&rows| rows < self.memories[m].h);
                let before = if ringed { 0 } else { last[0] };
                *last = [before + last[1], moved.rows.len() * self.memories[m].row];
            }
        }
        true
    }

    /// Every group that can run.
    fn all(&self) -> Vec<Group> {
        let mut found = Vec::new();
        for last in 0..self.plan.layers.len() {
            let rows = self.plan.layers[last].layer.y.shape[1];
            for first in (0..=last).rev().take(LONGEST) {
                let layers = [first, last];
                let whole = |m: usize| self.memories[m].row * self.memories[m].h;
                let crossing =
                    self.in_use(layers).filter(|&m| !self.memories[m].spilled && !self.inside(m, layers));
                if crossing.map(whole).sum::<usize>() > self.room {
                    continue;
                }
                let single = first == last;
                found.extend(single.then(|| self.run(layers, 1, false)).flatten());
                if single && first > 0 {
                    continue;
                }
                for passes in passes(rows).into_iter().filter(|&p| p > 1) {
                    let plain = self.run(layers, passes, false);
                    let moves = plain.as_ref().is_some_and(|g| g.moves > 0);
                    let ahead = moves.then(|| self.run(layers, passes, true)).flatten();
                    found.extend(plain.into_iter().chain(ahead).map(|g| Group { strips: vec![], ..g }));
                }
            }
        }
        found
    }
}

/// Numbers of passes over so many rows that differ in the rows of a pass, ascending.
fn passes(rows: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (1..=rows).map(|of_pass| rows.div_ceil(of_pass)).collect();
    all.dedup();
    all.retain(|&p| p <= MOST_PASSES);
    all.reverse();
    all
}

impl Memory {
    /// Whether its tensor can lie in external memory between groups.
    fn can_spill(&self) -> bool {
        self.rows && !self.apart && !self.joined
    }
}

/// Groups of every kind that a network can be divided into.
#[derive(Debug)]
pub(crate) struct Groups<'p, 'a> {
    network: Network<'p, 'a>,
    all: Vec<Group>,
}

impl<'p, 'a> Groups<'p, 'a> {
    /// Those that need at most `room` words of the scratchpad. Tensors of more than `kept` words lie in external memory
    /// between groups. `bus`: beats of a word, and cycles of a move without beats.
    pub(crate) fn of(plan: &'p Plan<'a>, room: usize, kept: usize, bus: [usize; 2]) -> Groups<'p, 'a> {
        let mut network = Network::of(plan, room, bus);
        for memory in &mut network.memories {
            memory.spilled = memory.can_spill() && memory.row * memory.h > kept;
        }
        let all = network.all();
        Groups { network, all }
    }

    /// Words of the largest tensor that can lie in external memory.
    pub(crate) fn largest_spill(plan: &Plan<'_>) -> usize {
        let network = Network::of(plan, 0, [0, 0]);
        let can = network.memories.iter().filter(|m| m.can_spill());
        can.map(|m| m.row * m.h).max().unwrap_or(0)
    }

    /// The division with the least cost that needs at most `words` of the scratchpad.
    pub(crate) fn best(&self, words: usize, cost: impl Fn(&Group) -> usize) -> Option<Vec<Group>> {
        let count = self.network.plan.layers.len();
        let costs: Vec<usize> = self.all.iter().map(cost).collect();
        // The input's memory is there all the time: for each size that a group gives it, the best of the others.
        let mut sizes: Vec<usize> = self.all.iter().filter_map(|g| g.input).collect();
        if self.network.from.is_none() {
            sizes.push(0);
        }
        sizes.sort_unstable();
        sizes.dedup();
        let mut best: Option<(usize, Vec<usize>)> = None;
        for input in sizes {
            let Some(room) = words.checked_sub(input) else { break };
            // The cheapest way to have computed the layers before each, and its last group.
            let mut ways: Vec<Option<(usize, usize)>> = vec![None; count + 1];
            ways[0] = Some((0, 0));
            for (i, g) in self.all.iter().enumerate() {
                let [first, last] = g.layers;
                if g.words > room || g.input.is_some_and(|own| own > input) {
                    continue;
                }
                if let Some((before, _)) = ways[first] {
                    let total = before + costs[i];
                    if ways[last + 1].is_none_or(|(least, _)| total < least) {
                        ways[last + 1] = Some((total, i));
                    }
                }
            }
            let Some((total, _)) = ways[count] else { continue };
            if best.as_ref().is_none_or(|(least, _)| total < *least) {
                let (mut chosen, mut at) = (Vec::new(), count);
                while at > 0 {
                    let Some((_, i)) = ways[at] else { break };
                    chosen.push(i);
                    at = self.all[i].layers[0];
                }
                chosen.reverse();
                best = Some((total, chosen));
            }
        }
        let (_, chosen) = best?;
        let again = |&i: &usize| self.network.run(self.all[i].layers, self.all[i].passes, self.all[i].ahead);
        chosen.iter().map(again).collect()
    }

    /// The fewest words of the scratchpad that any division needs.
    pub(crate) fn least(&self) -> usize {
        let largest = self.all.iter().map(|g| g.words + g.input.unwrap_or(0)).max().unwrap_or(0);
        let (mut less, mut enough) = (0, largest * 2);
        while enough - less > 1 {
            let between = less.midpoint(enough);
            if self.best(between, |_| 0).is_some() { enough = between } else { less = between }
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_passes() {
        assert_eq!(passes(1), [1]);
        assert_eq!(passes(5), [1, 2, 3, 5]);
        assert_eq!(passes(12), [1, 2, 3, 4, 6, 12]);
        for rows in 1..=500 {
            let all = passes(rows);
            assert!(
                all.is_sorted_by(|a, b| a < b) && all[0] == 1 && all.iter().all(|&n| n <= MOST_PASSES),
                "{rows}"
            );
            // Each number that some rows of a pass lead to, and no other.
            let reached = |n: usize| (1..=rows).any(|of_pass| rows.div_ceil(of_pass) == n);
            assert!((1..=MOST_PASSES).all(|n| reached(n) == all.contains(&n)), "{rows}");
        }
    }
}
