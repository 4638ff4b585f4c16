//! Array shape, tiling, buffers, descriptors, cycles.
//!
//! In: the integer graph with its proofs, and the array's shape. Out: a [`Plan`], and from it the checked design.
//! Guarantees: the cycles are those that the RTL takes; every tensor has its place; everything that does not fit
//! the engine is refused with the figure that would.

mod arena;
mod bits;
mod budget;
mod build;
mod cycles;
mod describe;
mod dma;
mod ends;
pub mod external;
mod fold;
mod groups;
mod head;
mod image;
mod images;
mod in_place;
mod layers;
mod layout;
mod lower;
mod memories;
mod order;
mod port;
mod reach;
mod requant;
mod schedule;
mod slide;
mod span;
mod steps;
mod sweep;

use std::ops::Range;

use crate::design::{Checked, Design, Multipliers};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::Port;
use crate::graph::int::IntGraph;
use crate::quant::Quantized;
use arena::Block;
use budget::Shortage;
use build::{Means, Subject};
use cycles::{Array, Loops};
use ends::Ends;
use external::External;
use fold::{Fold, Folding};
use layers::Layer;
use layout::{Layouts, Map, Wishes};
use reach::Reach;
use slide::{Slide, Slides};
use steps::Step;

/// Bytes of the widest scratchpad word.
const MAX_WORD: usize = 64;
/// Most pixels or output channels at once.
const MAX_AXIS: usize = 256;
/// Lanes may cost this share of the fewest cycles: 1 / 200.
const LANE_TOLERANCE: usize = 200;

/// What to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Pixels, channels, outputs at once: powers of two.
    pub array: [usize; 3],
    /// Requantize lanes; `None` takes the fewest that cost at most 0.5% of the cycles.
    pub lanes: Option<usize>,
    /// Bits of both AXI4-Streams: a power of two from 8 to 512.
    pub stream_bits: usize,
    /// Where weights and parameters are, if not all on the chip.
    pub external: Option<external::Options>,
    /// What the array's multipliers are.
    pub multipliers: Wish,
}

/// How firmly the kind of the array's multipliers is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The target's: where packed ones can't be, `*`.
    Target(Multipliers),
    /// The user's: for packed ones the array goes without its depthwise mode.
    User(Multipliers),
}

impl Wish {
    /// The kind.
    pub fn kind(self) -> Multipliers {
        let (Wish::Target(kind) | Wish::User(kind)) = self;
        kind
    }
}

/// Most bits of the weights of which a DSP of 25 x 18 bits multiplies two by one activation.
const MOST_PACKED_BITS: usize = 8;

/// A layer with its loops.
#[derive(Clone, Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) layer: Layer<'a>,
    pub(crate) map: Map,
    /// How its output lies.
    pub(crate) y: Map,
    /// Which of the map's channel blocks are read.
    pub(crate) reach: Reach,
    pub(crate) loops: Loops,
    /// What of the kernel lies in the map's channels.
    pub(crate) folding: Folding,
    /// How a depthwise layer's window slides, if it does.
    pub(crate) slide: Option<Slide>,
    /// First words of its input, of its other operand and of its output.
    pub(crate) bases: [usize; 3],
}

impl<'a> Planned<'a> {
    /// A layer whose input lies as `map`, and whose output as `y`; with the array's depthwise mode where there is one and
    /// it is faster.
    fn new(
        layer: &Layer<'a>,
        array: Array,
        map: Map,
        y: &Map,
        folding: Folding,
        slides: Slides,
    ) -> Planned<'a> {
        let reach = Reach::of(&layer.kernel, array, &map, y);
        let rows = 0..layer.y.shape[1];
        let y = y.clone();
        let written = [y.extent(), rows.len()];
        let has_slide = slides != Slides::None;
        let walked = cycles::loops(layer, array, &reach, kernel(layer, folding), written, has_slide);
        let (layer, slide, bases) = (layer.clone(), None, [0; 3]);
        let l = Planned { layer, map, y, reach, loops: walked, folding, slide, bases };
        let may_slide = has_slide && folding == Folding::Plain;
        match l
            .slid_if(array, &rows, |s| s.allowed(slides))
            .filter(|(_, faster)| may_slide && faster.cycles < walked.cycles)
        {
            Some((slide, loops)) => Planned { slide: Some(slide), loops, ..l },
            None => l,
        }
    }
}

/// The kernel on the map: what is folded is one row or column.
fn kernel(layer: &Layer<'_>, folding: Folding) -> [usize; 2] {
    folding.replace(layer.kernel.window().kernel, 1)
}

impl Planned<'_> {
    /// The loops of some rows, window by window.
    fn walked(&self, array: Array, has_slide: bool, rows: &Range<usize>) -> Loops {
        let written = [self.y.extent(), rows.len()];
        cycles::loops(&self.layer, array, &self.reach, kernel(&self.layer, self.folding), written, has_slide)
    }

    /// How the window slides over some rows, and their loops, if it can.
    fn slid(&self, array: Array, rows: &Range<usize>) -> Option<(Slide, Loops)> {
        // With the same weights.
        self.slid_if(array, rows, |s| self.slide.is_none_or(|own| own.pair == s.pair))
    }

    fn slid_if(
        &self,
        array: Array,
        rows: &Range<usize>,
        allowed: impl Fn(&Slide) -> bool,
    ) -> Option<(Slide, Loops)> {
        let group_cycles = cycles::group_cycles(&self.layer, array);
        let residual = self.layer.residual().is_some();
        let maps = [&self.map, &self.y];
        let slide = Slide::of(&self.layer, array, maps, group_cycles, residual, rows, allowed)?;
        Some((slide, cycles::slide_loops(&self.layer, array, &slide, [self.y.blocks, rows.len()])))
    }

    /// Rows of the map that windows read for some rows.
    fn reads(&self, rows: &Range<usize>) -> Range<usize> {
        // Its rows become columns.
        if self.layer.exchanges() {
            return 0..self.map.h;
        }
        let window = self.layer.kernel.window();
        let [kernel, _] = kernel(&self.layer, self.folding);
        let [stride, _] = self.folding.replace(window.strides, 1);
        let [top, _] = self.folding.replace(self.layer.kernel.origin(), 0);
        // A row of the map, or the one behind its last.
        let row = |n: usize, more: usize| {
            let at = i64::try_from(n * stride + more).unwrap_or(i64::MAX).saturating_add(top);
            usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(self.map.h)
        };
        let end = row(rows.end - 1, (kernel - 1) * window.dilations[0] + 1);
        row(rows.start, 0).min(end)..end
    }

    /// Channels of a block of output channels.
    pub(crate) fn block(&self, array: Array) -> usize {
        if self.slide.is_some() || !self.layer.kernel.on_array() { array.word() } else { array.k }
    }

    /// Groups of output channels from a block of them on.
    pub(crate) fn groups_from(&self, block: usize, array: Array) -> usize {
        self.y.extent().div_ceil(array.group()) - block * self.block(array) / array.group()
    }

    /// Whether a ring holds its input or its output.
    fn in_rings(&self) -> bool {
        [&self.map, &self.y].iter().any(|map| map.ring < map.h)
    }

    /// Weight words of such a block.
    pub(crate) fn weight_words(&self) -> usize {
        if self.layer.kernel.on_array() { self.loops.reads } else { 0 }
    }
}

/// A network on one engine.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub(crate) graph: &'a IntGraph,
    pub(crate) quantized: &'a Quantized,
    pub(crate) array: Array,
    /// Bits of both AXI4-Streams.
    pub(crate) stream_bits: usize,
    /// What it may use.
    pub(crate) means: Means,
    /// What the array's multipliers are to be.
    pub(crate) wish: Wish,
    /// Whether the array is built for depthwise layers too.
    pub(crate) has_slide: bool,
    /// Banks of the scratchpad: words that it can read at once.
    pub(crate) banks: usize,
    pub(crate) layers: Vec<Planned<'a>>,
    /// What the descriptors compute, in the order of execution.
    pub(crate) steps: Vec<Step>,
    /// What the streams carry.
    pub(crate) ends: Ends,
    /// How each input lies.
    pub(crate) folds: Vec<Fold>,
    /// What the layouts were made of.
    pub(crate) wishes: Wishes,
    /// How tensors lie, and where in which region.
    pub(crate) layouts: Layouts,
    /// Regions of the scratchpad with their first words.
    pub(crate) regions: Vec<(Port, usize)>,
    /// Words of the scratchpad.
    pub(crate) words: usize,
    /// The largest sum of words of tensors that live at once: no placement needs fewer.
    pub(crate) least_words: usize,
    /// Words of the scratchpad's that have a place in external memory.
    pub(crate) spilled: usize,
    /// The memories that hold a part of the weights and parameters at a time, if not all have a place.
    pub(crate) external: Option<External>,
}

impl<'a> Plan<'a> {
    /// The array: pixels, channels, outputs at once.
    pub fn array(&self) -> [usize; 3] {
        [self.array.p, self.array.c, self.array.k]
    }

    /// Requantize lanes.
    pub fn lanes(&self) -> usize {
        self.array.r
    }

    /// What the array's multipliers are.
    pub fn multipliers(&self) -> Multipliers {
        let single = || self.has_slide || self.array.k < 2 || self.weight_bits() > MOST_PACKED_BITS;
        match self.wish {
            Wish::Target(Multipliers::Packed) if single() => Multipliers::Infer,
            Wish::Target(kind) | Wish::User(kind) => kind,
        }
    }

    /// Bits of the weight memory and the scratchpad: no design of this plan has fewer.
    pub fn least_memory_bits(&self) -> usize {
        let array = self.layers.iter().filter(|l| l.layer.kernel.on_array());
        let words: usize = array.map(|l| l.loops.reads * l.loops.blocks).sum();
        words * self.array.k * self.array.c * self.weight_bits() + 8 * self.words * self.array.word()
    }

    /// Bits of a weight of the array.
    pub(crate) fn weight_bits(&self) -> usize {
        weight_bits(self.quantized.weight_bits)
    }

    /// Whether depthwise layers keep partial sums.
    fn has_passes(&self) -> bool {
        self.layers.iter().any(|l| l.slide.is_some_and(|slide| slide.passes() > 1))
    }

    /// Cycles of one sample.
    pub fn cycles(&self) -> usize {
        self.steps.iter().map(|s| s.cycles).sum()
    }

    /// The same with weights and parameters in external memory, and tensors in rings of rows, if it does not fit into the
    /// budget; where that is not enough, with fewer means. `None` if no way to do so is found.
    ///
    /// # Errors
    /// O2C0900 where a layer and its proof do not fit.
    pub fn within(&self, options: external::Options) -> Result<Option<Plan<'a>>> {
        let mut found = budget::within(self, options)?;
        for leaner in self.leaner()? {
            // Partial sums take memory that may be of better use; a folded input saves more cycles than its memory would.
            if found.is_none() || leaner.means.folding == self.means.folding {
                let other = budget::within(&leaner, options)?;
                found = [found, other].into_iter().flatten().min_by_key(Plan::cycles);
            }
        }
        Ok(found)
    }

    /// The same on the same array by other means.
    fn with(&self, means: Means) -> Result<Plan<'a>> {
        let layers: Vec<Layer<'a>> = self.layers.iter().map(|l| l.layer.clone()).collect();
        let Plan { graph, quantized, stream_bits, wish: multipliers, .. } = *self;
        let ends = &self.ends;
        let subject = Subject { graph, quantized, layers: &layers, ends, stream_bits, multipliers };
        build::build(&subject, self.array, means)
    }

    /// The same without partial sums; then also with less and less of the input's kernel folded.
    fn leaner(&self) -> Result<Vec<Plan<'a>>> {
        let slides = if self.has_passes() { Slides::Window } else { self.means.slides };
        let folded = self.layers.iter().map(|l| l.folding).max().unwrap_or(Folding::Plain);
        let foldings = [Folding::Columns, Folding::Plain].into_iter().filter(|&folding| folding < folded);
        let without = self.has_passes().then_some(self.means.folding);
        without.into_iter().chain(foldings).map(|folding| self.with(Means { slides, folding })).collect()
    }

    /// The netlist.
    ///
    /// # Errors
    /// O2C0401 if a layer exceeds a field of the descriptor.
    pub fn design(&self, name: &str) -> Result<Checked<Design>> {
        lower::design(self, name)
    }
}

/// Bits that weights have in memory which need so many: those of selections are 1.
fn weight_bits(needed: u32) -> usize {
    // Lossless: at most 64.
    needed.max(2) as usize
}

/// The refusal of a budget by all of these plans, with the least that would do for one of them.
pub fn refusal(plans: &[Plan<'_>], options: external::Options) -> Diagnostics {
    let mut found: Option<(Shortage, Plan<'_>)> = None;
    for plan in plans {
        let searched = plan.leaner().and_then(|leaner| {
            for plan in [plan.clone()].into_iter().chain(leaner) {
                let below = found.as_ref().map(|(shortage, _)| shortage.least);
                if let Some(shortage) = budget::least(&plan, options, below)? {
                    found = Some((shortage, plan));
                }
            }
            Ok(())
        });
        if let Err(faults) = searched {
            return faults;
        }
    }
    let Some((Shortage { least, kib, activations, layer }, plan)) = found else {
        return internal("a budget is refused, but by no plan");
    };
    let [p, c, k] = plan.array();
    let layer = layer.map_or("", |at| &plan.layers[at].layer.name);
    let cause = format!(
        "{} bytes on the chip are allowed; with the array {p},{c},{k} activations, tables and the largest part of a layer that \
         can't be divided need {least}, of them {activations} for activations, the most for the layer \"{layer}\"",
        options.on_chip
    );
    Diagnostic::new(code::BUDGET_EXCEEDED, "the network needs more memory on the chip", cause)
        .remedy(format!("give --on-chip {kib} or more"))
        .into()
}

/// Whether the streams can have this width: 8, 16, 32, 64, 128, 256 or 512 bits, the range of `rtl/o2c_axis_pack.v`.
///
/// # Errors
/// O2C0004 if they can't.
pub fn check_stream_bits(bits: usize) -> Result<()> {
    if bits.is_power_of_two() && (8..=512).contains(&bits) {
        return Ok(());
    }
    let cause = format!("--stream-bits {bits}: it is a power of two from 8 to 512");
    Err(Diagnostic::new(code::CONFIG_INVALID, "the streams can't have this width", cause).into())
}

/// Plans a network on an array.
///
/// # Errors
/// Those of [`check_stream_bits`]; O2C0400 for an array that can't be built, O2C0203 for graphs without inputs or outputs,
/// O2C0201 for layers that the engine lacks, O2C0401 for layers that exceed it.
pub fn plan<'a>(graph: &'a IntGraph, quantized: &'a Quantized, options: &Options) -> Result<Plan<'a>> {
    let [p, c, k] = options.array;
    // Independent of each other: one run lists all that is at fault.
    let mut faults = Vec::new();
    keep(check_stream_bits(options.stream_bits), &mut faults);
    let lanes = keep(lanes(options), &mut faults);
    let layers = keep(layers::layers(graph, quantized), &mut faults);
    if layers.as_ref().is_some_and(Vec::is_empty) {
        faults.push(
            Diagnostic::new(code::GRAPH_INVALID, "there is nothing to compute", "no layer is left")
                .remedy("the model's integer part is empty: it needs no accelerator"),
        );
    }
    let ends = keep(Ends::of(graph), &mut faults);
    let (Some(lanes), Some(layers), Some(ends), true) = (lanes, layers, ends, faults.is_empty()) else {
        return Err(Diagnostics(faults));
    };
    // The cheaper first: few lanes, no depthwise mode.
    let array = |r| Array { p, c, k, r };
    let passes = layers.iter().any(|l| slide::takes_passes(l, array(1)));
    let slides = [Slides::None, Slides::Window].into_iter().chain(passes.then_some(Slides::Passes));
    let kinds = if options.multipliers == Wish::User(Multipliers::Packed) { 1 } else { 3 };
    let arrays =
        lanes.into_iter().flat_map(|r| slides.clone().take(kinds).map(move |slides| (array(r), slides)));
    let Options { stream_bits, multipliers, .. } = *options;
    let subject = Subject { graph, quantized, layers: &layers, ends: &ends, stream_bits, multipliers };
    let plan = |(array, slides)| build::build(&subject, array, Means { slides, folding: Folding::Window });
    let plans = arrays.map(plan).collect::<Result<Vec<_>>>()?;
    let no_plan = || Diagnostic::new(code::INTERNAL, "no plan", "no number of lanes was tried");
    let chosen = cheapest(plans.iter()).ok_or_else(no_plan)?;
    let Some(external) = options.external else { return Ok(chosen.clone()) };
    chosen.within(external)?.ok_or_else(|| refusal(std::slice::from_ref(chosen), external))
}

/// The first whose cycles are near the fewest.
fn cheapest<'p, 'a>(plans: impl Iterator<Item = &'p Plan<'a>> + Clone) -> Option<&'p Plan<'a>> {
    let best = plans.clone().map(Plan::cycles).min()?;
    plans.into_iter().find(|plan| plan.cycles() <= best + best / LANE_TOLERANCE)
}

/// The value, or nothing and its faults in the list.
fn keep<T>(result: Result<T>, faults: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|Diagnostics(more)| faults.extend(more)).ok()
}

/// Array shapes with at most `macs` multipliers that can be built, ascending by multipliers.
pub fn arrays(macs: usize) -> Vec<[usize; 3]> {
    let powers = || (0..=MAX_AXIS.ilog2()).map(|l| 1usize << l);
    let mut found: Vec<[usize; 3]> = powers()
        .flat_map(|p| powers().flat_map(move |c| powers().map(move |k| [p, c, k])))
        .filter(|a| check_array(*a).is_ok() && a.iter().product::<usize>() <= macs)
        .collect();
    found.sort_by_key(|a| (a.iter().product::<usize>(), *a));
    found
}

/// The numbers of requantize lanes to choose from.
fn lanes(options: &Options) -> Result<Vec<usize>> {
    let [p, c, k] = options.array;
    check_array([p, c, k])?;
    if options.multipliers == Wish::User(Multipliers::Packed) && k < 2 {
        let cause = format!("{p},{c},{k} has one output channel; two share a multiplier");
        return Err(Diagnostic::new(code::ARRAY_INVALID, "this array can't have packed multipliers", cause)
            .remedy("give --array with K of 2 or more, or --multipliers infer")
            .into());
    }
    let group = k.min(p * c);
    match options.lanes {
        Some(r) if r.is_power_of_two() && r <= group => Ok(vec![r]),
        Some(r) => Err(Diagnostic::new(
            code::ARRAY_INVALID,
            "the number of requantize lanes is not valid",
            format!("{r} lanes; the array {p},{c},{k} takes a power of two up to {group}"),
        )
        .remedy(format!("give --lanes as a power of two from 1 to {group}"))
        .into()),
        None => Ok((0..=group.ilog2()).map(|l| 1 << l).collect()),
    }
}

fn check_array([p, c, k]: [usize; 3]) -> Result<()> {
    let fault = |cause: String| -> Result<()> {
        Err(Diagnostic::new(code::ARRAY_INVALID, "the array shape is not valid", cause).into())
    };
    if ![p, c, k].iter().all(|n| n.is_power_of_two()) {
        return fault(format!("{p},{c},{k} are not powers of two"));
    }
    if p.saturating_mul(c) > MAX_WORD {
        return fault(format!("a scratchpad word of P*C = {} bytes exceeds {MAX_WORD}", p.saturating_mul(c)));
    }
    if k > MAX_AXIS || p > MAX_AXIS {
        return fault(format!("{p},{c},{k}: P and K are at most {MAX_AXIS}"));
    }
    Ok(())
}

/// First word of a tensor.
pub(super) fn base(plan: &Plan<'_>, port: Port) -> Result<usize> {
    let none = || internal(format!("node {} has no place", port.node.0));
    let (_, region) = plan.layouts.get(&port).ok_or_else(none)?;
    let owner = plan.regions.iter().find(|(p, _)| *p == region.owner);
    owner.map(|&(_, base)| base + region.offset).ok_or_else(none)
}

/// How a tensor lies.
pub(super) fn lay<'a>(plan: &'a Plan<'_>, port: Port) -> Result<&'a Map> {
    let found = plan.layouts.get(&port).map(|(map, _)| map);
    found.ok_or_else(|| internal(format!("node {} has no layout", port.node.0)))
}

/// The least common multiple of two numbers that are not 0.
fn lcm(a: usize, b: usize) -> usize {
    let (mut gcd, mut rest) = (a, b);
    while rest > 0 {
        (gcd, rest) = (rest, gcd % rest);
    }
    a / gcd * b
}

fn internal(cause: impl Into<String>) -> Diagnostics {
    Diagnostic::new(code::INTERNAL, "a plan can't become a design", cause).into()
}

/// The scratchpad's regions, each from the first layer that writes into it to the last that reads from it; layers of a group
/// run at the same time. `group` tells each layer's.
fn blocks(
    layouts: &Layouts,
    layers: &[Planned<'_>],
    group: &[usize],
    ends: &Ends,
) -> (Vec<Port>, Vec<Block>) {
    let owner = |port: Port| layouts.get(&port).map(|(_, region)| region.owner);
    let touches = |l: &Planned<'_>, region: Port| {
        let ports = [l.layer.input, Port::from(l.layer.last)].into_iter().chain(l.layer.others());
        ports.into_iter().any(|port| owner(port) == Some(region))
    };
    let mut ports = Vec::new();
    let mut blocks = Vec::new();
    for (&port, (map, region)) in layouts {
        if region.owner != port {
            continue;
        }
        let users = || layers.iter().enumerate().filter(|(_, l)| touches(l, port)).map(|(i, _)| group[i]);
        // The input regions are refilled, and the output regions read, while other samples run: they are shared with nobody.
        let alive = if ends.contains(port) {
            (0, layers.len())
        } else {
            (users().min().unwrap_or(0), users().max().unwrap_or(0))
        };
        let folded = layers.iter().find(|l| l.folding != Folding::Plain && l.layer.input == port);
        let words = folded.map_or(map, |l| &l.map).words();
        ports.push(port);
        blocks.push(Block { words, alive });
    }
    (ports, blocks)
}
