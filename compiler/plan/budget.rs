//! A network within a budget of memory on the chip: what stays there, what comes from outside, which tensors are in rings.
//!
//! In: a plan with everything on the chip, the budget. Out: the plan with the fewest cycles among those tried: several
//! shares of the budget for activations, for each the division into groups with the fewest cycles, for each of these several
//! divisions of the rest among weights and parameters. Guarantees: the memories fit the budget, descriptors and commands
//! included; a refusal names a budget that would do, and one byte less would not.

use super::external::{self, Sizes};
use super::groups::{Group, Groups};
use super::images::{self, Images};
use super::layout;
use super::layers::Layer;
use super::steps::{self, Strip};
use super::{Plan, Shortage, arena, blocks, lower};
use crate::diag::Result;

/// Hundredths of the budget that activations may take.
const SHARES: [usize; 15] = [90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 20, 10];

/// The plan within the budget, or what it lacks.
///
/// # Errors
/// O2C0900 where a layer and its proof do not fit.
pub(super) fn within<'a>(
    plan: Plan<'a>,
    options: external::Options,
) -> Result<std::result::Result<Plan<'a>, Shortage>> {
    let images = Images::of(&plan.layers, plan.quantized, &plan.layouts, plan.array)?;
    let weight_bits = plan.array.k * plan.array.c * images::weight_bits(&plan.layers);
    let need = Need { bits: [weight_bits, images.param_bits(plan.array)], tables: images.all_table_bits() };
    let whole = need.sizes(&plan);
    if external::all_on_chip(&plan.layers, &images.places, whole) <= 8 * options.on_chip {
        return Ok(Ok(plan));
    }
    let strips = steps::whole(&plan.layers);
    let divide = |plan: &Plan<'a>, strips: &[Strip], options| {
        external::plan(&plan.layers, strips, &images.places, plan.array, need.sizes(plan), options)
    };
    let mut best: Option<Plan<'a>> = divide(&plan, &strips, options)
        .map(|(steps, external)| Plan { steps, external: Some(external), ..plan.clone() });
    let groups = Groups::of(&plan);
    let mut tried: Vec<Vec<([usize; 2], usize)>> = Vec::new();
    for share in SHARES {
        let Some(chosen) = need.groups(&plan, &groups, options, share) else { continue };
        let kind: Vec<_> = chosen.iter().map(|g| (g.layers, g.passes)).collect();
        let cycles: usize = chosen.iter().map(|g| g.cycles).sum();
        if tried.contains(&kind) || best.as_ref().is_some_and(|b| b.cycles() <= cycles) {
            continue;
        }
        tried.push(kind);
        let ringed = in_rings(&plan, &chosen)?;
        let strips: Vec<Strip> = chosen.into_iter().flat_map(|g| g.strips).collect();
        if let Some((steps, external)) = divide(&ringed, &strips, options) {
            let found = Plan { steps, external: Some(external), ..ringed };
            if best.as_ref().is_none_or(|b| found.cycles() < b.cycles()) {
                best = Some(found);
            }
        }
    }
    if let Some(best) = best {
        return Ok(Ok(best));
    }
    // The least budget that would do.
    let fits = |on_chip: usize| -> Result<bool> {
        let options = external::Options { on_chip, ..options };
        let whole_fits = external::fits(&plan.layers, &strips, &images.places, plan.array, whole, options);
        if whole_fits {
            return Ok(true);
        }
        for share in SHARES {
            let Some(chosen) = need.groups(&plan, &groups, options, share) else { break };
            let ringed = in_rings(&plan, &chosen)?;
            let strips: Vec<Strip> = chosen.into_iter().flat_map(|g| g.strips).collect();
            let sizes = need.sizes(&ringed);
            if external::fits(&ringed.layers, &strips, &images.places, plan.array, sizes, options) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let (mut less, mut enough) =
        (options.on_chip, external::all_on_chip(&plan.layers, &images.places, whole).div_ceil(8));
    // Beyond what a memory can have words there is nothing to find.
    while !fits(enough)? && enough < external::MOST_BYTES {
        enough *= 2;
    }
    while enough - less > 1 {
        let between = less.midpoint(enough);
        if fits(between)? { enough = between } else { less = between }
    }
    Ok(Err(Shortage { least: enough, activations: groups.least() * plan.array.word() }))
}

/// What does not depend on how the tensors lie.
struct Need {
    /// Bits of a weight word and of a parameter word.
    bits: [usize; 2],
    /// Bits of all tables.
    tables: usize,
}

impl Need {
    fn sizes(&self, plan: &Plan<'_>) -> Sizes {
        let working: usize = lower::storage(plan).iter().map(|s| s.width * s.depth).sum();
        Sizes { bits: self.bits, word: 8 * plan.array.word(), resident: working + self.tables }
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

/// The plan with its tensors in the groups' rings.
fn in_rings<'a>(plan: &Plan<'a>, groups: &[Group]) -> Result<Plan<'a>> {
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
    Ok(Plan {
        layers: planned,
        wishes,
        layouts,
        regions: ports.into_iter().zip(bases).collect(),
        words: words.max(plan.banks),
        least_words: arena::bound(&blocks),
        ..plan.clone()
    })
}
