//! A network on one array, everything on the chip.
//!
//! In: the layers, the array, the means that may be used. Out: a [`Plan`]. Guarantees: of those means each layer takes what
//! costs the fewest cycles.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::{self, Array};
use super::ends::Ends;
use super::fold::{Fold, Folding, folded};
use super::layers::{Layer, Tail};
use super::layout::{self, Wishes};
use super::slide::{self, Slides};
use super::{Plan, Planned, Wish, arena, base, blocks, in_place, steps};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::Port;
use crate::graph::int::{IntGraph, IntOp};
use crate::quant::Quantized;

/// What a plan may use that takes memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Means {
    /// The array's depthwise mode.
    pub(crate) slides: Slides,
    /// The most that an input's layout may hold beside each other.
    pub(crate) folding: Folding,
}

/// What is planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'s, 'a> {
    pub(crate) graph: &'a IntGraph,
    pub(crate) quantized: &'a Quantized,
    pub(crate) layers: &'s [Layer<'a>],
    pub(crate) ends: &'s Ends,
    pub(crate) stream_bits: usize,
    /// What the array's multipliers are to be.
    pub(crate) multipliers: Wish,
}

/// The plan for one array and no other means than these.
///
/// # Errors
/// O2C0900 for a tensor without a layout.
pub(crate) fn build<'a>(subject: &Subject<'_, 'a>, array: Array, means: Means) -> Result<Plan<'a>> {
    let Subject { graph, quantized, layers, ends, stream_bits, multipliers } = *subject;
    let slides = means.slides;
    let pairs = pairs(graph, layers, array, slides, ends);
    let in_place = in_place::in_place(graph, layers, ends);
    let wishes = Wishes { pairs, in_place, rings: BTreeMap::new() };
    let layouts = layout::layouts(graph, layers, &ends.inputs, array, &wishes)?;
    let lay = |port: Port| {
        let found = layouts.get(&port).map(|(map, _)| map);
        found
            .ok_or_else(|| Diagnostic::new(code::INTERNAL, "a tensor has no layout", port.node.0.to_string()))
    };
    let plain = Fold { kernel: [1, 1], strides: [1, 1], pads: [0, 0], out: [1, 1] };
    let mut folds = vec![plain; ends.inputs.len()];
    let mut planned = Vec::with_capacity(layers.len());
    for layer in layers {
        let y = lay(Port::from(layer.last))?;
        let mut entry = Planned::new(layer, array, lay(layer.input)?.clone(), y, Folding::Plain, slides);
        let input = ends.inputs.iter().position(|&input| input == layer.input);
        if let Some(input) = input.filter(|_| readers(layers, layer.input) == 1) {
            let foldings = [Folding::Columns, Folding::Window].into_iter().filter(|&f| f <= means.folding);
            let folded = foldings.filter_map(|f| folded(layer, array, y, f, slides));
            let best = folded.fold(entry, |best, other| {
                let cost = |p: &Planned<'_>| (p.loops.cycles, p.map.words());
                if cost(&other) < cost(&best) { other } else { best }
            });
            folds[input] = Fold::of(layer, best.folding);
            entry = best;
        }
        planned.push(entry);
    }
    let each: Vec<usize> = (0..planned.len()).collect();
    let (ports, blocks) = blocks(&layouts, &planned, &each, ends);
    let (bases, words) = arena::place(&blocks);
    let sliding = || planned.iter().filter_map(|l| l.slide);
    let banks = if sliding().any(|s| s.pair) {
        8
    } else if sliding().next().is_some() {
        4
    } else {
        1
    };
    let regions = ports.into_iter().zip(bases).collect();
    let least_words = arena::bound(&blocks);
    let mut plan = Plan {
        graph,
        quantized,
        array,
        stream_bits,
        means,
        wish: multipliers,
        has_slide: slides != Slides::None,
        banks,
        steps: steps::resident(steps::whole(&planned)),
        layers: planned,
        ends: ends.clone(),
        folds,
        wishes,
        layouts,
        regions,
        words: words.max(banks),
        least_words,
        spilled: 0,
        external: None,
    };
    for i in 0..plan.layers.len() {
        let l = &plan.layers[i];
        let other = l.layer.residual().map_or(Ok(0), |other| base(&plan, other))?;
        let bases = [base(&plan, l.layer.input)?, other, base(&plan, Port::from(l.layer.last))?];
        plan.layers[i].bases = bases;
    }
    Ok(plan)
}

/// Tensors whose rows are to lie so that a depthwise layer of stride 2 reads two at once. Not those whose place is shared
/// with, or counted from, another tensor's: the streams', operands of concatenations and additions.
fn pairs(
    graph: &IntGraph,
    layers: &[Layer<'_>],
    array: Array,
    slides: Slides,
    ends: &Ends,
) -> BTreeSet<Port> {
    let mut fixed: BTreeSet<Port> = ends.all().collect();
    for id in graph.ids() {
        if matches!(graph.node(id).op, IntOp::Concat(_)) {
            fixed.extend(graph.inputs(id));
            fixed.insert(Port::from(id));
        }
    }
    for layer in layers {
        if let Tail::Add { other, .. } = layer.tail {
            fixed.extend([other, Port::from(layer.last)]);
        }
    }
    let wanted =
        layers.iter().filter(|l| slide::wants_pairs(l, array, slides, cycles::group_cycles(l, array)));
    wanted.map(|l| l.input).filter(|port| !fixed.contains(port)).collect()
}

/// How often layers read a tensor, as residual operands and second factors too.
fn readers(layers: &[Layer<'_>], port: Port) -> usize {
    layers.iter().flat_map(|l| [l.input].into_iter().chain(l.others())).filter(|p| *p == port).count()
}
