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

use rayon::prelude::*;

use super::memories::{Memory, Network, Place};
use super::span::Span;
use super::steps::Strip;
use super::sweep::Sweep;
use super::{Plan, Planned, lcm};
use crate::graph::Port;

/// Layers of a group at most.
const LONGEST: usize = 40;
/// Passes of a group at most.
const MOST_PASSES: usize = 112;
/// Cycles by which a row of the input may come later than its bytes: the units between them.
const SLACK: usize = 16;

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

impl Network<'_, '_> {
    /// The group of layers that have run so, its strips apart. `ahead`: the rings have room for rows that are moved while others
    /// are computed. `None` if the network's input can't keep pace.
    fn group(&self, span: &Span, passes: usize, sweep: &mut Sweep, ahead: bool) -> Option<Group> {
        let layers = &self.plan.layers;
        let [first, last] = span.layers;
        if ahead {
            sweep.ahead();
        }
        // Two rows at once are a slot of the ring's; operands of additions have the rings of the results.
        let mut rings: BTreeMap<usize, usize> = BTreeMap::new();
        for (&m, &rows) in &sweep.needed {
            let memory = &self.memories[m];
            let rows = rows.next_multiple_of(memory.multiple());
            let across = Some(m) != self.from && !memory.spilled && !self.inside(m, span.layers);
            let kept = across || !memory.rows;
            let whole = kept || rows >= memory.h;
            rings.insert(m, if whole { memory.h } else { rows });
        }
        loop {
            let before = rings.clone();
            for layer in first..=last {
                let Some(other) = self.other[layer].map(|other| other.memory) else { continue };
                let y = self.output[layer].memory;
                let rows = |m: usize| before.get(&m).copied().unwrap_or(self.memories[m].h);
                let multiple = lcm(self.memories[other].multiple(), self.memories[y].multiple());
                let both = rows(other).max(rows(y)).next_multiple_of(multiple).min(self.memories[y].h);
                for m in [other, y] {
                    rings.entry(m).and_modify(|rows| *rows = both.max(*rows));
                }
            }
            if rings == before {
                break;
            }
        }
        let needed = self.from.and_then(|from| rings.get(&from).copied());
        let input = self.input_ring(span.layers, &mut sweep.strips, needed, &rings)?;
        let words = |&m: &usize| span.rows[m] * rings.get(&m).copied().unwrap_or(self.memories[m].h);
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
        let Sweep { ref strips, moved, moves, stores, .. } = *sweep;
        let computed = strips.iter().map(|s| s.loops.cycles).sum::<usize>();
        let beats = moved * self.bus[0];
        let cycles = if ahead {
            // What is loaded for the first pass and stored after the last is waited for.
            computed.max(beats + stores * self.bus[1]) + beats / passes + 2 * self.bus[1]
        } else {
            computed + beats + moves * self.bus[1]
        };
        Some(Group {
            layers: span.layers,
            passes,
            ahead,
            cycles,
            rings: by_owner,
            words: span.in_use.iter().map(words).sum(),
            input: input.zip(from).map(|(rows, from)| rows * from.row()),
            weights: [
                strips.iter().map(|s| once(&layers[s.layer])).sum(),
                layers[first..=last].iter().map(once).sum(),
            ],
            steps: strips.len(),
            moves,
            strips: vec![],
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
            (first..=last).filter(|&r| self.operands(r).any(|place| place.memory == at)).collect();
        let last_reader = strips.iter().rposition(|s| readers.contains(&s.layer))?;
        let mut produced = vec![0; self.plan.layers.len()];
        let (mut there, mut step) = (0, 0);
        for (i, strip) in strips.iter_mut().enumerate() {
            if i > last_reader {
                strip.input_rows = [0, 0];
                continue;
            }
            if self.input[strip.layer].memory == at {
                let end = strip.reads(&self.plan.layers[strip.layer]).end;
                step = step.max(end.saturating_sub(there));
                there = there.max(end);
            }
            produced[strip.layer] = strip.rows.end;
            let free = readers.iter().map(|&r| self.first_needed(&Place::all(at), r, produced[r])).min();
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
        let mut storing: BTreeMap<(Port, usize), [usize; 2]> = BTreeMap::new();
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
                let y = self.output[strip.layer].memory;
                let last = storing.entry((moved.owner, moved.planes.start)).or_default();
                let ringed = others.get(&y).is_some_and(|&rows| rows < self.memories[y].h);
                let before = if ringed { 0 } else { last[0] };
                *last = [before + last[1], moved.words()];
            }
        }
        true
    }

    /// Every group that can run, those that end with an earlier layer first.
    fn all(&self) -> Vec<Group> {
        (0..self.plan.layers.len()).into_par_iter().flat_map_iter(|last| self.that_end_with(last)).collect()
    }

    fn that_end_with(&self, last: usize) -> Vec<Group> {
        let rows = self.plan.layers[last].layer.y.shape[1];
        let mut found = Vec::new();
        for first in (0..=last).rev().take(LONGEST) {
            let layers = [first, last];
            let crossing =
                self.in_use(layers).filter(|&m| !self.memories[m].spilled && !self.inside(m, layers));
            if crossing.map(|m| self.memories[m].whole()).sum::<usize>() > self.room {
                continue;
            }
            let span = Span::of(self, layers);
            // One layer is divided only where the input's rows are awaited.
            let useful = |&p: &usize| if first == last { p == 1 || first == 0 } else { p > 1 };
            for passes in passes(rows).into_iter().filter(useful) {
                let Some(mut sweep) = self.sweep(&span, passes) else { continue };
                found.extend(self.group(&span, passes, &mut sweep, false));
                if passes > 1 && sweep.moves > 0 {
                    found.extend(self.group(&span, passes, &mut sweep, true));
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
            memory.spilled = memory.can_spill() && memory.whole() > kept;
        }
        let all = network.all();
        Groups { network, all }
    }

    /// Words of the largest tensor that can lie in external memory.
    pub(crate) fn largest_spill(plan: &Plan<'_>) -> usize {
        let network = Network::of(plan, 0, [0, 0]);
        let can = network.memories.iter().filter(|m| m.can_spill());
        can.map(Memory::whole).max().unwrap_or(0)
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
        let again = |&i: &usize| {
            let Group { layers, passes, ahead, .. } = self.all[i];
            let span = Span::of(&self.network, layers);
            let mut sweep = self.network.sweep(&span, passes)?;
            let group = self.network.group(&span, passes, &mut sweep, ahead)?;
            Some(Group { strips: sweep.strips, ..group })
        };
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

    /// The layer whose group needs the most words of the scratchpad, even with the fewest that it can have.
    pub(crate) fn tightest(&self) -> Option<usize> {
        let mut least = vec![usize::MAX; self.network.plan.layers.len()];
        for g in &self.all {
            for words in &mut least[g.layers[0]..=g.layers[1]] {
                *words = (*words).min(g.words + g.input.unwrap_or(0));
            }
        }
        (0..least.len()).max_by_key(|&layer| least[layer])
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
