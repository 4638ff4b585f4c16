//! A network within a budget of memory on the chip: what stays there, what comes from outside, which tensors are in rings.
//!
//! In: a plan with everything on the chip, the budget. Out: the plan with the fewest cycles among those tried: several
//! shares of the budget for activations, for each the division into groups with the fewest cycles, for each of these several
//! divisions of the rest among weights and parameters. Guarantees: the memories fit the budget, descriptors and commands
//! included; a refusal names a budget that would do, the least that a bisection finds: a smaller one may do that divides the network
//! in another way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::arena::{self, Block};
use super::external::{self, Network, Sizes};
use super::groups::{Group, Groups};
use super::images::{Images, Places};
use super::layers::Layer;
use super::layout::{self, Layouts};
use super::steps::{self, Move, Strip, Touched};
use super::{Plan, blocks, head, lower};
use crate::diag::Result;
use crate::graph::Port;

/// Thousandths of the budget that activations may take.
const SHARES: [usize; 27] = [
    900, 875, 850, 825, 800, 775, 750, 725, 700, 675, 650, 625, 600, 575, 550, 525, 500, 475, 450, 425, 400,
    375, 350, 300, 250, 200, 100,
];

/// What a network needs on the chip, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage {
    /// In all.
    pub(super) least: usize,
    /// KiB that do: another division may be chosen there, so not always the next above the least.
    pub(super) kib: usize,
    /// For activations.
    pub(super) activations: usize,
    /// The layer that needs the most of them.
    pub(super) layer: Option<usize>,
}

/// Cycles that a byte of descriptors and commands is worth.
const PRICES: [usize; 3] = [0, 4, 32];

/// What is tried: shares of the budget for activations, prices of descriptors and commands.
fn tries() -> impl Iterator<Item = (usize, usize)> {
    SHARES.into_iter().flat_map(|share| PRICES.map(|price| (share, price)))
}

/// Cycles of a move beside its beats and the memory's latency.
const MOVE_CYCLES: usize = 16;

/// The plan within the budget; `None` if none is found.
///
/// # Errors
/// O2C0900 where a layer and its proof do not fit.
pub(super) fn within<'a>(plan: &Plan<'a>, options: external::Options) -> Result<Option<Plan<'a>>> {
    let need = Need::of(plan)?;
    if need.all(plan) <= 8 * options.on_chip {
        return Ok(Some(plan.clone()));
    }
    let mut search = Search { plan, need, options, best: None };
    search.consider(plan, &steps::whole(&plan.layers));
    for kept in KEPT {
        search.groups(kept)?;
    }
    // Between the two there may be better ones.
    if search.best.is_some() {
        let largest = Groups::largest_spill(plan);
        for kept in [largest / 2, largest / 4, largest / 8] {
            search.groups(kept)?;
        }
    }
    Ok(search.best)
}

/// Words of tensors that stay on the chip between groups at most: all, or none. If a network fits the budget, it does so with
/// one of these.
const KEPT: [usize; 2] = [usize::MAX, 0];
/// No further division is tried where the best one takes at most this share more cycles than with everything on the chip.
const GOOD_ENOUGH: usize = 200;

/// A division is not timed if its estimate is this share above the best one's cycles: estimates may be too high.
const SLACK: usize = 50;

/// The plans that are tried.
struct Search<'p, 'a> {
    plan: &'p Plan<'a>,
    need: Need,
    options: external::Options,
    best: Option<Plan<'a>>,
}

impl<'a> Search<'_, 'a> {
    fn consider(&mut self, plan: &Plan<'a>, strips: &[Strip]) {
        let found = external::plan(&self.need.network(plan, strips), self.options);
        let found = found.map(|(steps, external)| Plan { steps, external: Some(external), ..plan.clone() });
        let fewer = |found: &Plan<'a>| self.best.as_ref().is_none_or(|best| found.cycles() < best.cycles());
        if let Some(found) = found.filter(fewer) {
            self.best = Some(found);
        }
    }

    /// Groups between which tensors of at most `kept` words stay on the chip.
    fn groups(&mut self, kept: usize) -> Result<()> {
        let natural = self.plan.cycles();
        if self.best.as_ref().is_some_and(|best| best.cycles() <= natural + natural / GOOD_ENOUGH) {
            return Ok(());
        }
        let room = self.options.on_chip / self.plan.array.word();
        let groups = self.need.all_groups(self.plan, self.options, room, kept);
        let mut tried = Vec::new();
        for (share, price) in tries() {
            let chosen = self.need.groups(self.plan, &groups, self.options, (share, price));
            let Some(chosen) = chosen else { continue };
            let kind = kinds(&chosen);
            let cycles: usize =
                chosen.iter().map(|g| self.need.cycles(self.plan, g, self.options, share).0).sum();
            if tried.contains(&kind)
                || self.best.as_ref().is_some_and(|best| best.cycles() + best.cycles() / SLACK <= cycles)
            {
                continue;
            }
            tried.push(kind);
            let (ringed, strips) = in_rings(self.plan, chosen)?;
            self.consider(&ringed, &strips);
        }
        Ok(())
    }
}

/// The least budget that would do, if it is below so many bytes.
///
/// # Errors
/// O2C0900 where a layer and its proof do not fit.
pub(super) fn least(
    plan: &Plan<'_>,
    options: external::Options,
    below: Option<usize>,
) -> Result<Option<Shortage>> {
    let need = Need::of(plan)?;
    let all_on_chip = need.all(plan).div_ceil(8);
    let mut enough = below.map_or(all_on_chip, |below| all_on_chip.min(below.saturating_sub(1)));
    let room = enough / plan.array.word();
    let all = KEPT.map(|kept| need.all_groups(plan, options, room, kept));
    let fits = |on_chip: usize| -> Result<bool> {
        let options = external::Options { on_chip, ..options };
        let whole = steps::whole(&plan.layers);
        if on_chip >= all_on_chip || external::fits(&need.network(plan, &whole), options) {
            return Ok(true);
        }
        for groups in &all {
            let mut tried = Vec::new();
            for share in SHARES {
                for price in PRICES.into_iter().rev() {
                    let Some(chosen) = need.groups(plan, groups, options, (share, price)) else { continue };
                    if tried.contains(&kinds(&chosen)) {
                        continue;
                    }
                    tried.push(kinds(&chosen));
                    let (ringed, strips) = in_rings(plan, chosen)?;
                    if external::fits(&need.network(&ringed, &strips), options) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    };
    if !fits(enough)? {
        return Ok(None);
    }
    let mut less = options.on_chip;
    while enough > less + 1 {
        let between = less.midpoint(enough);
        if fits(between)? { enough = between } else { less = between }
    }
    let mut kib = enough.div_ceil(1024);
    while !fits(1024 * kib)? {
        kib += 1;
    }
    let tightest =
        all.iter().map(|groups| (groups.least(), groups.tightest())).min_by_key(|(words, _)| *words);
    let (words, layer) = tightest.unwrap_or((0, None));
    Ok(Some(Shortage { least: enough, kib, activations: words * plan.array.word(), layer }))
}

/// What tells divisions of the same network apart.
fn kinds(groups: &[Group]) -> Vec<([usize; 2], usize, bool)> {
    groups.iter().map(|g| (g.layers, g.passes, g.ahead)).collect()
}

/// What does not depend on how the tensors lie.
struct Need {
    places: Vec<Places>,
    /// Bits of a weight word and of a parameter word.
    bits: [usize; 2],
    /// Bits of all tables, and of the memories behind the output region.
    tables: usize,
}

impl Need {
    fn of(plan: &Plan<'_>) -> Result<Need> {
        let images = Images::of(&plan.layers, plan.quantized, &plan.layouts, plan.array)?;
        let bits = [plan.array.k * plan.array.c * plan.weight_bits(), images.param_bits(plan.array)];
        let behind = head::memory_bits(&plan.ends.heads(plan.graph))?;
        let tables = images.all_table_bits() + behind;
        Ok(Need { places: images.places, bits, tables })
    }

    /// Strips of the plan, with what they need.
    fn network<'n, 'a>(&'n self, plan: &'n Plan<'a>, strips: &'n [Strip]) -> Network<'n, 'a> {
        let working: usize = lower::storage(plan).iter().map(|s| s.width * s.depth).sum();
        let sizes = Sizes { bits: self.bits, word: 8 * plan.array.word(), resident: working + self.tables };
        let spilled = plan.spilled;
        Network { layers: &plan.layers, strips, places: &self.places, array: plan.array, sizes, spilled }
    }

    /// Bits of all memories if nothing is external.
    fn all(&self, plan: &Plan<'_>) -> usize {
        external::all_on_chip(&self.network(plan, &[]))
    }

    /// Groups of every kind, see [`Groups::of`].
    fn all_groups<'p, 'a>(
        &self,
        plan: &'p Plan<'a>,
        options: external::Options,
        room: usize,
        kept: usize,
    ) -> Groups<'p, 'a> {
        let beats = (8 * plan.array.word()).div_ceil(options.bus_bits);
        Groups::of(plan, room, kept, [beats, options.latency + MOVE_CYCLES])
    }

    /// The groups with the fewest cycles where activations take so many thousandths of the budget.
    fn groups(
        &self,
        plan: &Plan<'_>,
        groups: &Groups<'_, '_>,
        options: external::Options,
        (share, price): (usize, usize),
    ) -> Option<Vec<Group>> {
        let words = options.on_chip * share / 1000 / plan.array.word();
        groups.best(words, |group| {
            let (cycles, steps) = self.cycles(plan, group, options, share);
            cycles + price * external::administration([group.steps, steps, group.moves])
        })
    }

    /// Cycles of a group with the loading of its weights, and steps beside those of its strips, about.
    fn cycles(
        &self,
        plan: &Plan<'_>,
        group: &Group,
        options: external::Options,
        share: usize,
    ) -> (usize, usize) {
        let budget = 8 * options.on_chip;
        let words = options.on_chip * share / 1000 / plan.array.word();
        let room = budget.saturating_sub(self.tables + words * 8 * plan.array.word()) * 3 / 4;
        let beats = self.bits[0].div_ceil(options.bus_bits);
        let [again, once] = group.weights;
        let (load, steps) = if once * self.bits[0] <= room {
            (once, 0)
        } else {
            (again, (again * self.bits[0]).checked_div(room / 2).unwrap_or(0))
        };
        (group.cycles.max(load * beats), steps)
    }
}

/// What of a tensor that lies outside between groups is on the chip in one of them.
struct Piece {
    /// Rows at a time.
    ring: usize,
    /// Words of a plane.
    plane: usize,
    planes: Range<usize>,
}

/// The planes of a tensor in its memory, which has all rows.
fn planes(layouts: &Layouts, port: Port) -> Option<Touched> {
    let (map, region) = layouts.get(&port)?;
    let first = region.offset.checked_div(map.plane)?;
    Some(Touched { owner: region.owner, planes: first..first + map.blocks, rows: 0..map.h })
}

/// The plan with its tensors in the groups' rings, and the groups' strips.
fn in_rings<'a>(plan: &Plan<'a>, groups: Vec<Group>) -> Result<(Plan<'a>, Vec<Strip>)> {
    let moves = || groups.iter().flat_map(|g| &g.strips).flat_map(|s| s.loads.iter().chain(&s.stores));
    let spilled: BTreeSet<Port> = moves().map(|m| m.owner).collect();
    let mut wishes = plan.wishes.clone();
    let rings = groups.iter().flat_map(|g| &g.rings).map(|(&owner, &rows)| (owner, rows));
    wishes.rings = rings.filter(|(owner, _)| !spilled.contains(owner)).collect();
    let layers: Vec<Layer<'a>> = plan.layers.iter().map(|l| l.layer.clone()).collect();
    let layouts = layout::layouts(plan.graph, &layers, &plan.ends.inputs, plan.array, &wishes)?;
    let of_group = |(i, g): (usize, &Group)| (g.layers[0]..=g.layers[1]).map(move |_| i);
    let of_layer: Vec<usize> = groups.iter().enumerate().flat_map(of_group).collect();

    // A tensor that is outside between groups has a ring of its own in each of them.
    let owner =
        |port: Port| layouts.get(&port).map(|(_, region)| region.owner).filter(|o| spilled.contains(o));
    let mut pieces: BTreeMap<(Port, usize), Piece> = BTreeMap::new();
    let mut planned = plan.layers.clone();
    for (l, &group) in planned.iter_mut().zip(&of_layer) {
        let folded = plan.ends.inputs.contains(&l.layer.input);
        let other = l.layer.residual();
        let mut place = |port: Port| {
            let (map, _) = layouts.get(&port)?;
            let Some(owner) = owner(port) else { return Some((map.ring, map.plane)) };
            let ring = groups[group].rings.get(&owner).copied().unwrap_or(map.h);
            let Touched { planes, .. } = planes(&layouts, port)?;
            let plane = ring * map.row;
            let piece = pieces.entry((owner, group)).or_insert(Piece { ring, plane, planes: planes.clone() });
            piece.planes = piece.planes.start.min(planes.start)..piece.planes.end.max(planes.end);
            Some((ring, plane))
        };
        if let Some((ring, plane)) = place(Port::from(l.layer.last)) {
            (l.y.ring, l.y.plane) = (ring, plane);
        }
        other.and_then(&mut place);
        match (wishes.rings.get(&l.layer.input), place(l.layer.input)) {
            // An input as the ingest unit writes it has a map of its own.
            (Some(&ring), _) if folded => (l.map.ring, l.map.plane) = (ring, ring * l.map.row),
            (_, Some((ring, plane))) if !folded => (l.map.ring, l.map.plane) = (ring, plane),
            _ => {}
        }
    }
    let (ports, whole) = blocks(&layouts, &planned, &of_layer, &plan.ends);
    let kept: Vec<(Port, Block)> =
        ports.into_iter().zip(whole).filter(|(p, _)| !spilled.contains(p)).collect();
    let of_pieces = pieces
        .iter()
        .map(|(&(_, group), piece)| Block { words: piece.plane * piece.planes.len(), alive: (group, group) });
    let blocks: Vec<Block> = kept.iter().map(|&(_, b)| b).chain(of_pieces).collect();
    let (bases, words) = arena::place(&blocks);
    let of_piece: BTreeMap<(Port, usize), usize> =
        pieces.keys().copied().zip(bases[kept.len()..].iter().copied()).collect();
    let mut ringed = Plan {
        layers: planned,
        wishes,
        layouts,
        regions: kept.iter().map(|&(port, _)| port).zip(bases).collect(),
        words: words.max(plan.banks),
        least_words: arena::bound(&blocks),
        ..plan.clone()
    };
    // Where some planes of a tensor begin that is outside between groups.
    let inside = |owner: Port, planes: &Range<usize>, group: usize| {
        let (piece, base) = pieces.get(&(owner, group)).zip(of_piece.get(&(owner, group)))?;
        Some((piece, base + (planes.start - piece.planes.start) * piece.plane))
    };
    let base_in = |ringed: &Plan<'a>, port: Port, group: usize| {
        let found = planes(&ringed.layouts, port).and_then(|t| inside(t.owner, &t.planes, group));
        found.map_or_else(|| super::base(ringed, port), |(_, base)| Ok(base))
    };
    for (i, &group) in of_layer.iter().enumerate() {
        let l = &ringed.layers[i];
        let (input, other, last) = (l.layer.input, l.layer.residual(), Port::from(l.layer.last));
        let at = |port| base_in(&ringed, port, group);
        let bases = [at(input)?, other.map_or(Ok(0), at)?, at(last)?];
        ringed.layers[i].bases = bases;
    }

    // Each tensor that is moved has a place of its own outside.
    let (mut outside, mut words) = (BTreeMap::new(), 0);
    let mut strips = Vec::new();
    for (group, g) in groups.into_iter().enumerate() {
        for mut strip in g.strips {
            let l = &ringed.layers[strip.layer];
            let parts = [
                Some((l.layer.input, strip.reads(l))),
                l.layer.residual().map(|other| (other, strip.rows.clone())),
                Some((Port::from(l.layer.last), strip.rows.clone())),
            ];
            let touched =
                |(port, rows)| planes(&ringed.layouts, port).map(|touched| Touched { rows, ..touched });
            let touched = parts.into_iter().flatten().filter_map(touched);
            strip.touched = touched.filter(|touched| spilled.contains(&touched.owner)).collect();
            strip.group = group;
            for moved in strip.loads.iter_mut().chain(&mut strip.stores) {
                let height = super::lay(&ringed, moved.owner)?.h;
                let outside = *outside.entry((moved.owner, moved.planes.start)).or_insert_with(|| {
                    words += height * moved.row();
                    words - height * moved.row()
                });
                let Some((piece, base)) = inside(moved.owner, &moved.planes, group) else { continue };
                *moved = Move { base, outside, plane: piece.plane, ring: piece.ring, ..moved.clone() };
            }
            strips.push(strip);
        }
    }
    ringed.spilled = words;
    Ok((ringed, strips))
}
