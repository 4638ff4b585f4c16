//! Array shape, tiling, buffers, descriptors, cycles.
//!
//! In: the integer graph with its proofs, and the array's shape. Out: a [`Plan`], and from it the checked design.
//! Guarantees: the cycles are those that the RTL takes; every tensor has its place; everything that does not fit
//! the engine is refused with the figure that would.

mod arena;
mod bits;
mod cycles;
mod image;
mod layers;
mod layout;
mod lower;
mod reach;
mod requant;
mod schedule;

use crate::design::{Checked, Design};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::int::{IntGraph, IntOp};
use crate::graph::{NodeId, Port};
use crate::quant::Quantized;
use arena::Block;
use cycles::{Array, Loops};
use layers::{Kernel, Layer, Tail};
use layout::{Layouts, Map};
use reach::Reach;

/// Bytes of the widest scratchpad word.
const MAX_WORD: usize = 64;
/// Most pixels or output channels at once.
const MAX_AXIS: usize = 256;
/// Bytes of the widest group that the ingest unit folds.
const MAX_FOLD: usize = 256;
/// Lanes may cost this share of the fewest cycles: 1 / 200.
const LANE_TOLERANCE: usize = 200;

/// What to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Pixels, channels, outputs at once: powers of two.
    pub array: [usize; 3],
    /// Requantize lanes; `None` takes the fewest that cost at most 0.5% of the cycles.
    pub lanes: Option<usize>,
}

/// The input tensor's layout in the scratchpad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Kernel columns in a word group; 1 means the plain layout.
    pub(crate) columns: usize,
    /// Column stride of the convolution.
    pub(crate) stride: usize,
    /// Columns of padding on the left.
    pub(crate) pad_left: usize,
    /// Groups of a row.
    pub(crate) out_w: usize,
}

/// A layer with its loops.
#[derive(Clone, Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) layer: Layer<'a>,
    pub(crate) map: Map,
    /// Which of the map's channel blocks are read.
    pub(crate) reach: Reach,
    pub(crate) loops: Loops,
    /// Whether the kernel's columns lie in the map's channels.
    pub(crate) folded: bool,
}

impl<'a> Planned<'a> {
    /// A layer whose input lies as `map`, and whose output as `y`.
    fn new(layer: &Layer<'a>, array: Array, map: Map, y: &Map, folded: bool) -> Planned<'a> {
        let reach = Reach::of(&layer.kernel, array, &map, y, folded);
        let [rows, columns] = layer.kernel.window().kernel;
        let kernel = [rows, if folded { 1 } else { columns }];
        let loops = cycles::loops(layer, array, &reach, kernel, y.extent());
        Planned { layer: layer.clone(), map, reach, loops, folded }
    }
}

/// A network on one engine.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub(crate) graph: &'a IntGraph,
    pub(crate) quantized: &'a Quantized,
    pub(crate) array: Array,
    pub(crate) layers: Vec<Planned<'a>>,
    pub(crate) input: Port,
    pub(crate) output: Port,
    pub(crate) fold: Fold,
    /// How tensors lie, and where in which region.
    pub(crate) layouts: Layouts,
    /// Regions of the scratchpad with their first words.
    pub(crate) regions: Vec<(Port, usize)>,
    /// Words of the scratchpad.
    pub(crate) words: usize,
    /// The largest sum of words of tensors that live at once: no placement needs fewer.
    pub(crate) least_words: usize,
}

impl Plan<'_> {
    /// The array: pixels, channels, outputs at once.
    pub fn array(&self) -> [usize; 3] {
        [self.array.p, self.array.c, self.array.k]
    }

    /// Requantize lanes.
    pub fn lanes(&self) -> usize {
        self.array.r
    }

    /// Bits of the weight memory and the scratchpad, weights of 8 bits: no design of this plan has fewer.
    pub fn least_memory_bits(&self) -> usize {
        let array = self.layers.iter().filter(|l| l.layer.kernel.on_array());
        let words: usize = array.map(|l| l.loops.reads * l.loops.blocks).sum();
        8 * (words * self.array.k * self.array.c + self.words * self.array.word())
    }

    /// Cycles of one sample.
    pub fn cycles(&self) -> usize {
        self.layers.iter().map(|l| l.loops.cycles).sum()
    }

    /// The netlist, with both AXI4-Streams of `stream_bits` bits.
    ///
    /// # Errors
    /// Those of [`check_stream_bits`]; O2C0401 if a layer exceeds a field of the descriptor.
    pub fn design(&self, name: &str, stream_bits: usize) -> Result<Checked<Design>> {
        lower::design(self, name, stream_bits)
    }
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
/// O2C0400 for an array that can't be built, O2C0203 for graphs with several inputs or outputs, O2C0201 for layers
/// that the engine lacks, O2C0401 for layers that exceed it.
pub fn plan<'a>(graph: &'a IntGraph, quantized: &'a Quantized, options: &Options) -> Result<Plan<'a>> {
    let [p, c, k] = options.array;
    // Independent of each other: one run lists all that is at fault.
    let mut faults = Vec::new();
    let lanes = keep(lanes(options), &mut faults);
    let layers = keep(layers::layers(graph, quantized), &mut faults);
    if layers.as_ref().is_some_and(Vec::is_empty) {
        faults.push(
            Diagnostic::new(code::GRAPH_INVALID, "there is nothing to compute", "no layer is left")
                .remedy("the model's integer part is empty: it needs no accelerator"),
        );
    }
    let input = keep(one_input(graph), &mut faults);
    let output = keep(one_output(graph), &mut faults);
    if input.is_some() && input == output {
        faults.extend(unsupported("an output of the model is its input", "it needs no accelerator").0);
    }
    let (Some(lanes), Some(layers), Some(input), Some(output), true) =
        (lanes, layers, input, output, faults.is_empty())
    else {
        return Err(Diagnostics(faults));
    };
    let plans: Vec<Plan<'a>> = lanes
        .into_iter()
        .map(|r| on_array(graph, quantized, &layers, Array { p, c, k, r }, input, output))
        .collect::<Result<_>>()?;
    let best = plans.iter().map(Plan::cycles).min().unwrap_or(0);
    let chosen = plans.into_iter().find(|plan| plan.cycles() <= best + best / LANE_TOLERANCE);
    chosen.ok_or_else(|| Diagnostic::new(code::INTERNAL, "no plan", "no number of lanes was tried").into())
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

fn unsupported(message: &str, cause: impl Into<String>) -> Diagnostics {
    Diagnostic::new(code::INPUT_UNSUPPORTED, message, cause).into()
}

fn one_input(graph: &IntGraph) -> Result<Port> {
    let found: Vec<NodeId> =
        graph.ids().into_iter().filter(|&id| matches!(graph.node(id).op, IntOp::Input(_))).collect();
    match found.as_slice() {
        [id] => Ok(Port::from(*id)),
        _ => {
            let cause = format!("it has {}; the accelerator has one input stream", found.len());
            Err(unsupported("a model with several inputs can't be compiled", cause))
        }
    }
}

fn one_output(graph: &IntGraph) -> Result<Port> {
    let found: Vec<Port> = graph
        .ids()
        .into_iter()
        .filter(|&id| matches!(graph.node(id).op, IntOp::Output(_)))
        .filter_map(|id| graph.inputs(id).first().copied())
        .collect();
    match found.as_slice() {
        // The host makes several outputs of one tensor.
        [port, rest @ ..] if rest.iter().all(|other| other == port) => Ok(*port),
        _ => {
            let cause = format!("it has {}; the accelerator has one output stream", found.len());
            Err(unsupported("a model with several outputs can't be compiled", cause))
        }
    }
}

/// The plan for one shape of the array.
fn on_array<'a>(
    graph: &'a IntGraph,
    quantized: &'a Quantized,
    layers: &[Layer<'a>],
    array: Array,
    input: Port,
    output: Port,
) -> Result<Plan<'a>> {
    let layouts = layout::layouts(graph, layers, input, array)?;
    let lay = |port: Port| {
        let found = layouts.get(&port).map(|(map, _)| map);
        found
            .ok_or_else(|| Diagnostic::new(code::INTERNAL, "a tensor has no layout", port.node.0.to_string()))
    };
    let plain = Fold { columns: 1, stride: 1, pad_left: 0, out_w: 1 };
    let mut fold = plain;
    let mut planned = Vec::with_capacity(layers.len());
    for layer in layers {
        let window = layer.kernel.window();
        let y = lay(Port::from(layer.last))?;
        let mut entry = Planned::new(layer, array, lay(layer.input)?.clone(), y, false);
        if layer.input == input
            && readers(layers, input) == 1
            && let Some(folded) = folded(layer, array, y).filter(|f| f.loops.cycles < entry.loops.cycles)
        {
            let [_, _, out_w] = layer.y.shape;
            fold = Fold {
                columns: window.kernel[1],
                stride: window.strides[1],
                pad_left: window.pads[1],
                out_w,
            };
            entry = folded;
        }
        planned.push(entry);
    }
    if let Some(last) = planned.last_mut() {
        last.loops.cycles = last.loops.to_last_write;
    }
    let (ports, blocks) = blocks(&layouts, &planned, [input, output]);
    let (bases, words) = arena::place(&blocks);
    let regions = ports.into_iter().zip(bases).collect();
    let least_words = arena::bound(&blocks);
    Ok(Plan {
        graph,
        quantized,
        array,
        layers: planned,
        input,
        output,
        fold,
        layouts,
        regions,
        words,
        least_words,
    })
}

/// The scratchpad's regions, each from the first layer that writes into it to the last that reads from it.
fn blocks(layouts: &Layouts, layers: &[Planned<'_>], [input, output]: [Port; 2]) -> (Vec<Port>, Vec<Block>) {
    let owner = |port: Port| layouts.get(&port).map(|(_, region)| region.owner);
    let touches = |l: &Planned<'_>, region: Port| {
        let other = match l.layer.tail {
            Tail::Add { other, .. } => Some(other),
            Tail::None | Tail::Table => None,
        };
        let ports = [Some(l.layer.input), other, Some(Port::from(l.layer.last))];
        ports.into_iter().flatten().any(|port| owner(port) == Some(region))
    };
    let mut ports = Vec::new();
    let mut blocks = Vec::new();
    for (&port, (map, region)) in layouts {
        if region.owner != port {
            continue;
        }
        let users = || layers.iter().enumerate().filter(|(_, l)| touches(l, port)).map(|(i, _)| i);
        // The input region is refilled, and the output region read, while other samples run: they are shared with nobody.
        let alive = if [input, output].contains(&port) {
            (0, layers.len())
        } else {
            (users().min().unwrap_or(0), users().max().unwrap_or(0))
        };
        let folded = layers.iter().find(|l| l.folded && l.layer.input == port);
        let words = folded.map_or(map, |l| &l.map).words();
        ports.push(port);
        blocks.push(Block { words, alive });
    }
    (ports, blocks)
}

/// Layers that read a tensor, residual operands included.
fn readers(layers: &[Layer<'_>], port: Port) -> usize {
    let other = |l: &&Layer<'_>| matches!(l.tail, Tail::Add { other, .. } if other == port);
    layers.iter().filter(|l| l.input == port).count() + layers.iter().filter(other).count()
}

/// The first convolution with its kernel's columns folded into the channels by the ingest unit.
fn folded<'a>(layer: &Layer<'a>, array: Array, y: &Map) -> Option<Planned<'a>> {
    let Kernel::Array(conv) = layer.kernel else { return None };
    let window = conv.window;
    let [channels, h, _] = layer.x.shape;
    let group = channels * window.kernel[1];
    if window.kernel[1] == 1 || window.kernel[1] > 64 || window.dilations[1] != 1 || group > MAX_FOLD {
        return None;
    }
    let map = Map::plain([group, h, layer.y.shape[2]], array);
    Some(Planned::new(layer, array, map, y, true))
}
