//! A network within a budget of memory on the chip: what stays there, what comes from outside, which tensors are in rings.
//!
//! In: a plan with everything on the chip, the budget. Out: the plan with the fewest cycles among those tried: several
//! shares of the budget for activations, for each the division into groups with the fewest cycles, for each of these several
//! divisions of the rest among weights and parameters. Guarantees: the memories fit the budget, descriptors and commands
//! included; a refusal names a budget that would do, and one byte less would not.

use super::external::{self, Network, Sizes};
use super::groups::{Group, Groups};
use super::images::{self, Images, Places};
use super::layout;
use super::layers::Layer;
use super::steps::{self, Strip};
use super::{Plan, arena, blocks, lower};
use crate::diag::Result;

/// Hundredths of the budget that activations may take.
const SHARES: [usize; 15] = [90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 20, 10];

/// What a network needs on the chip, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage {
    /// In all.
    pub(super) least: usize,
    /// For activations.
    pub(super) activations: usize,
}

/// The plan within the budget; `None` if none is found.
///
/// # Errors
/// O2C0900 where a layer and its proof do not fit.
pub(super) fn within<'a>(plan: &Plan<'a>, options: external::Options) -> Result<Option<Plan<'a>>> {
    let need = Need::of(plan)?;
    if need.all(plan) <= 8 * options.on_chip {
        return Ok(Some(plan.clone()));
    }
    let divide = |plan: &Plan<'a>, strips: &[Strip]| {
        let (steps, external) = external::plan(&need.network(plan, strips), options)?;
        Some(Plan { steps, external: Some(external), ..plan.clone() })
    };
    let mut best: Option<Plan<'a>> = divide(plan, &steps::whole(&plan.layers));
    let groups = Groups::of(plan, options.on_chip / plan.array.word());
    let mut tried: Vec<Vec<([usize; 2], usize)>> = Vec::new();
    for share in SHARES {
        let Some(chosen) = need.groups(plan, &groups, options, share) else { break };
        let kind: Vec<_> = chosen.iter().map(|g| (g.layers, g.passes)).collect();
        let cycles: usize = chosen.iter().map(|g| g.cycles).sum();
        if tried.contains(&kind) || best.as_ref().is_some_and(|b| b.cycles() <= cycles) {
            continue;
        }
        tried.push(kind);
        let (ringed, strips) = in_rings(plan, chosen)?;
        let found = divide(&ringed, &strips);
        let fewer = |found: &Plan<'a>| best.as_ref().is_none_or(|best| found.cycles() < best.cycles());
        if let Some(found) = found.filter(fewer) {
            best = Some(found);
        }
    }
    Ok(best)
}

/// The least budget that would do.
///
/// # Errors
/// O2C0900 where a layer and its proof do not fit.
pub(super) fn least(plan: &Plan<'_>, options: external::Options) -> Result<Shortage> {
    let need = Need::of(plan)?;
    let groups = Groups::of(plan, usize::MAX);
    let fits = |on_chip: usize| -> Result<bool> {
        let options = external::Options { on_chip, ..options };
        if external::fits(&need.network(plan, &steps::whole(&plan.layers)), options) {
            return Ok(true);
        }
        for share in SHARES {
            let Some(chosen) = need.groups(plan, &groups, options, share) else { break };
            let (ringed, strips) = in_rings(plan, chosen)?;
            if external::fits(&need.network(&ringed, &strips), options) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let (mut less, mut enough) = (options.on_chip, need.all(plan).div_ceil(8));
    // Beyond what a memory can have words there is nothing to find.
    while !fits(enough)? && enough < external::MOST_BYTES {
        enough *= 2;
    }
    while enough - less > 1 {
        let between = less.midpoint(enough);
        if fits(between)? { enough = between } else { less = between }
    }
    Ok(Shortage { least: enough, activations: groups.least() * plan.array.word() })
}

/// What does not depend on how the tensors lie.
struct Need {
    places: Vec<Places>,
    /// Bits of a weight word and of a parameter word.
    bits: [usize; 2],
    /// Bits of all tables.
    tables: usize,
}

impl Need {
    fn of(plan: &Plan<'_>) -> Result<Need> {
        let images = Images::of(&plan.layers, plan.quantized, &plan.layouts, plan.array)?;
        let weight_bits = plan.array.k * plan.array.c * images::weight_bits(&plan.layers);
        let bits = [weight_bits, images.param_bits(plan.array)];
        let tables = images.all_table_bits();
        Ok(Need { places: images.places, bits, tables })
    }

    /// Strips of the plan, with what they need.
    fn network<'n, 'a>(&'n self, plan: &'n Plan<'a>, strips: &'n [Strip]) -> Network<'n, 'a> {
        let working: usize = lower::storage(plan).iter().map(|s| s.width * s.depth).sum();
        let sizes = Sizes { bits: self.bits, resident: working + self.tables };
        Network { layers: &plan.layers, strips, places: &self.places, array: plan.array, sizes }
    }

    /// Bits of all memories if nothing is external.
    fn all(&self, plan: &Plan<'_>) -> usize {
        external::all_on_chip(&self.network(plan, &[]))
    }

    /// The groups with the fewest cycles where activations take so many hundredths of the budget.
    fn groups(
        &self,
        plan: &Plan<'_>,
        groups: &Groups<'_, '_>,
        options: external::Options,
        share: usize,
    ) -> Option<Vec<Group>> {
        let word_bits = 8 * plan.array.word();
        let budget = 8 * options.on_chip;
        let words = budget * share / 100 / word_bits;
        let room = budget.saturating_sub(self.tables + words * word_bits) * 9 / 10;
        let beats = self.bits[0].div_ceil(options.bus_bits);
        groups.best(words, |[again, once]| {
            beats * if once * self.bits[0] <= room { once } else { again }
        })
    }
}

/// The plan with its tensors in the groups' rings, and the groups' strips.
fn in_rings<'a>(plan: &Plan<'a>, groups: Vec<Group>) -> Result<(Plan<'a>, Vec<Strip>)> {
    let mut wishes = plan.wishes.clone();
    wishes.rings = groups.iter().flat_map(|g| g.rings.clone()).collect();
    let layers: Vec<Layer<'a>> = plan.layers.iter().map(|l| l.layer.clone()).collect();
    let layouts = layout::layouts(plan.graph, &layers, plan.input, plan.array, &wishes)?;
    let mut planned = plan.layers.clone();
    for l in &mut planned {
        let place = |port| layouts.get(&port).map(|(map, _)| (map.ring, map.plane));
        if let Some((ring, plane)) = place(crate::graph::Port::from(l.layer.last)) {
            (l.y.ring, l.y.plane) = (ring, plane);
        }
        let folded = l.layer.input == plan.input;
        match (wishes.rings.get(&l.layer.input), place(l.layer.input)) {
            // The input as the ingest unit writes it has a map of its own.
            (Some(&ring), _) if folded => (l.map.ring, l.map.plane) = (ring, ring * l.map.row),
            (_, Some((ring, plane))) if !folded => (l.map.ring, l.map.plane) = (ring, plane),
            _ => {}
        }
    }
    let of_group = |(i, g): (usize, &Group)| (g.layers[0]..=g.layers[1]).map(move |_| i);
    let of_layer: Vec<usize> = groups.iter().enumerate().flat_map(of_group).collect();
    let (ports, blocks) = blocks(&layouts, &planned, &of_layer, [plan.input, plan.output]);
    let (bases, words) = arena::place(&blocks);
    let ringed = Plan {
        layers: planned,
        wishes,
        layouts,
        regions: ports.into_iter().zip(bases).collect(),
        words: words.max(plan.banks),
        least_words: arena::bound(&blocks),
        ..plan.clone()
    };
    Ok((ringed, groups.into_iter().flat_map(|g| g.strips).collect()))
}
