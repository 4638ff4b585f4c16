//! Successive layers run strip by strip, on row numbers alone.
//!
//! In: a [`Span`], a number of passes over its last layer's rows. Out: a [`Sweep`]: the strips in their order, how many rows of
//! each memory are in use at once, and what is moved. Guarantees: every row is there when it is read, and none is overwritten
//! that somebody still reads; no row is computed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::memories::{Network, Place};
use super::span::{Shared, Span};
use super::steps::Strip;

/// What running the layers shows.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) strips: Vec<Strip>,
    /// The most rows of each memory that are in use at once.
    pub(super) needed: BTreeMap<usize, usize>,
    /// Rows of each piece that is moved that are in use during each strip that moves some.
    turns: BTreeMap<Place, Vec<Range<usize>>>,
    /// Pieces that are loaded, and stored with what has taken their places.
    both_ways: BTreeSet<Place>,
    /// Words that are moved, moves, and those of them that are stores.
    pub(super) moved: usize,
    pub(super) moves: usize,
    pub(super) stores: usize,
}

impl Sweep {
    /// Makes room for the next turn's rows, which come, or this one's, which leave, while others are computed; where results
    /// take the operands' places, both.
    pub(super) fn ahead(&mut self) {
        for (piece, turns) in &self.turns {
            let beside = if self.both_ways.contains(piece) { 4 } else { 2 };
            let rows = |turns: &[Range<usize>]| {
                let from = turns.iter().map(|rows| rows.start).min().unwrap_or(0);
                turns.iter().map(|rows| rows.end).max().unwrap_or(0) - from
            };
            let most = turns.windows(beside.min(turns.len())).map(rows).max();
            self.needed.entry(piece.memory).and_modify(|rows| *rows = most.unwrap_or(0).max(*rows));
        }
    }
}

impl Network<'_, '_> {
    /// The layers in so many passes; `None` where they can't run so.
    pub(super) fn sweep(&self, span: &Span, passes: usize) -> Option<Sweep> {
        let layers = &self.plan.layers;
        let [first, last] = span.layers;
        let height = |layer: usize| layers[layer].layer.y.shape[1];
        if passes > 1 && (first..=last).any(|l| layers[l].layer.exchanges()) {
            return None;
        }
        for writer in (first..=last).filter(|_| passes > 1) {
            let Shared { place: y, readers } = &span.member(writer).result;
            if !self.memories[y.memory].rows && readers.iter().any(|&r| r > writer) {
                return None;
            }
        }
        let mut sweep = Sweep { strips: Vec::with_capacity(passes * span.members.len()), ..Sweep::default() };
        // Rows that are there of pieces that lie outside.
        let mut loaded: BTreeMap<Place, usize> = BTreeMap::new();
        let mut produced = vec![0; layers.len()];
        let mut targets = vec![0; layers.len()];
        let mut words = 0;
        for pass in 1..=passes {
            // Rows that each layer has to have computed at the pass's end.
            for layer in (first..=last).rev() {
                let Shared { place: y, readers } = &span.member(layer).result;
                let by_reader = |r: usize| {
                    let rows = targets[r];
                    let by_window = (self.walks(r, y) && rows > 0)
                        .then(|| self.input[r].end(layers[r].reads(&(rows - 1..rows)).end));
                    let by_addition =
                        self.other[r].filter(|other| other.meets(y)).map(|other| other.end(rows));
                    by_window.max(by_addition).map(|rows| y.among(rows))
                };
                let wanted = readers.iter().copied().filter(|&r| r > layer).filter_map(by_reader).max();
                let share = || (height(layer) * pass).div_ceil(passes);
                let target = if pass == passes { height(layer) } else { wanted.unwrap_or_else(share) };
                targets[layer] = target.min(height(layer)).max(produced[layer]);
            }
            for layer in first..=last {
                let rows = produced[layer]..targets[layer];
                if rows.is_empty() {
                    continue;
                }
                let (l, member) = (&layers[layer], span.member(layer));
                let mut strip = Strip::of(layer, l, self.plan.array, self.plan.has_slide, rows.clone())?;
                let first_needed = |of: &Place, r: usize| self.first_needed(of, r, produced[r]);
                let Shared { place: y, readers } = &member.result;
                // Who reads what this layer overwrites in place has to be done with it.
                let in_place = self.adds(layer, y);
                if in_place && readers.iter().any(|&r| r < layer && first_needed(y, r) < rows.end) {
                    return None;
                }
                let tail = |of: &Shared| {
                    of.readers.iter().map(|&r| first_needed(&of.place, r)).min().unwrap_or(usize::MAX)
                };
                let mut live =
                    vec![(y.memory, y.end(rows.end) - tail(&member.result).min(y.row(rows.start)))];
                if let Some(x) = &member.input {
                    live.push((x.place.memory, strip.reads(l).end.saturating_sub(tail(x))));
                }
                for piece in &member.loads {
                    let place = piece.place;
                    let by_window = if self.walks(layer, &place) { strip.reads(l).end } else { 0 };
                    let by_addition = if self.adds(layer, &place) { rows.end } else { 0 };
                    let there = loaded.entry(place).or_default();
                    let end = by_window.max(by_addition).max(*there);
                    if end > *there {
                        let load = self.moved(&place, *there..end);
                        sweep.turns.entry(place).or_default().push(tail(piece).min(*there)..end);
                        sweep.moved += load.words();
                        sweep.moves += 1;
                        strip.loads.push(load);
                    }
                    *there = end;
                    live.push((place.memory, end - tail(piece).min(end)));
                }
                for piece in &member.stores {
                    let store = self.moved(&piece.place, rows.clone());
                    sweep.turns.entry(piece.place).or_default().push(tail(piece).min(rows.start)..rows.end);
                    sweep.moved += store.words();
                    sweep.moves += 1;
                    sweep.stores += 1;
                    strip.stores.push(store);
                }
                for (m, rows) in live {
                    let most = sweep.needed.entry(m).or_default();
                    words += rows.saturating_sub(*most) * span.rows[m];
                    *most = rows.max(*most);
                }
                if words > self.room {
                    return None;
                }
                produced[layer] = targets[layer];
                sweep.strips.push(strip);
            }
        }
        sweep.both_ways = loaded.into_keys().filter(|piece| span.stores(piece)).collect();
        Some(sweep)
    }
}
