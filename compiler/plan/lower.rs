//! A plan as a design: descriptors, memory images, parameters of `o2c_accelerator`.

use super::bits::{self, Word};
use super::ends::Ends;
use super::external::{self, External};
use super::fold::{self, Fold, Folding};
use super::image::TableImage;
use super::images::{self, Images};
use super::layers::Kernel;
use super::steps::Step;
use super::{Plan, Planned, base, describe, head, internal, lay, slide};
use crate::design::{
    self, Checked, Design, Field, Ident, Join, JoinPart, Layer, Memory, Param, ParamValue, Recipe, Storage,
    Stream,
};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::int::{HeadUnit, IntGraph, IntOp, QFact};
use crate::graph::{NodeId, Port};
use crate::hw::descriptor::{self, Descriptor};
use crate::quant::{LayerQuant, Ties};

/// Parameters of the bus where there is none.
const NO_BUS: external::Options =
    external::Options { on_chip: 0, bus_bits: 64, burst: 16, outstanding: 4, latency: 0 };
/// Most words of the scratchpad: the engine's addresses have 24 bits.
const MAX_DEPTH: usize = 1 << 24;
/// Most bits of the weight memory: 256 MiB in a file that simulators read whole.
const MAX_WEIGHT_BITS: usize = 1 << 31;
/// The descriptor's word that holds the block step.
const BLOCK_STEP_WORD: usize = 22;
/// Bits of a centred product, signed; two bytes before it is made.
const PRODUCT_BITS: usize = 17;
/// Tables that the descriptor's index can name.
const MOST_TABLES: usize = 256;

/// Library files that every design uses, a module before its users.
const RTL: &[&str] = &[
    "o2c_rom.v",
    "o2c_ram.v",
    "o2c_ram_sdp.v",
    "o2c_skid.v",
    "o2c_field_rw.v",
    "o2c_field_w1c.v",
    "o2c_field_w1s.v",
    "o2c_axil.v",
    "o2c_axil_regs.v",
    "o2c_axis_unpack.v",
    "o2c_axis_pack.v",
    "o2c_delay.v",
    "o2c_fold_axis.v",
    "o2c_fold.v",
    "o2c_ingest.v",
    "o2c_egress.v",
    "o2c_argmax.v",
    "o2c_softmax.v",
    "o2c_result.v",
    "o2c_shell.v",
    "o2c_mul_split.v",
    "o2c_round24.v",
    "o2c_table_round.v",
    "o2c_requantize.v",
    "o2c_addr_gen.v",
    "o2c_slide_gen.v",
    "o2c_tree.v",
    "o2c_dot_table.v",
    "o2c_dot_lut.v",
    "o2c_dot_packed.v",
    "o2c_dot.v",
    "o2c_mac_array.v",
    "o2c_pool.v",
    "o2c_pool_float.v",
    "o2c_product.v",
    "o2c_post.v",
    "o2c_scratchpad.v",
    "o2c_sequencer.v",
    "o2c_store.v",
    "o2c_dma.v",
    "o2c_engine.v",
    "o2c_accelerator.v",
];

pub(super) fn design(plan: &Plan<'_>, name: &str) -> Result<Checked<Design>> {
    let array = plan.array;
    let weight_bits = plan.weight_bits();
    within_limits(plan, weight_bits)?;
    let images = Images::of(&plan.layers, plan.quantized, &plan.layouts, array)?;
    let weights = images::weights(&plan.layers, &plan.layouts, array, weight_bits)?;
    let widths = images.widths;
    let parameters = images.parameters(array);
    let mut descriptors = Vec::with_capacity(plan.steps.len());
    let mut recipes: Vec<Option<Recipe>> = vec![None; plan.layers.len()];
    let mut faults = Vec::new();
    for step in &plan.steps {
        let layer = step.strip.layer;
        let l = &plan.layers[layer];
        let descriptor = describe::descriptor(plan, step, &images.places[layer])?;
        recipes[layer].get_or_insert_with(|| recipe(l, &descriptor));
        match descriptor.words() {
            Ok(words) => descriptors.push(words),
            Err(Diagnostics(all)) => {
                faults.extend(all.into_iter().map(|d| d.at(format!("node \"{}\"", l.layer.name))));
            }
        }
    }
    if !faults.is_empty() {
        return Err(Diagnostics(faults));
    }

    let quant = |id: NodeId| plan.quantized.layers.get(&id).ok_or_else(|| internal("a layer has no proof"));
    let (sum, mut pool, mut acc) = (sum_bits(plan, weight_bits)?, 9, widths.bias);
    for l in &plan.layers {
        let q = quant(l.layer.first)?;
        let raw = bits::signed(q.raw.0).max(bits::signed(q.raw.1));
        if !l.layer.kernel.on_array() {
            pool = pool.max(raw);
        }
        if let Kernel::Product(_) = l.layer.kernel {
            pool = pool.max(PRODUCT_BITS);
        }
        acc = acc.max(bits::signed(q.reachable.0)).max(bits::signed(q.reachable.1));
    }
    acc = acc.max(sum);
    if acc > 32 {
        return Err(Diagnostic::new(
            code::ACCUMULATOR_OVERFLOW,
            "an accumulator exceeds 32 bits",
            format!("{acc} bits"),
        )
        .into());
    }

    if images.tables.len() > MOST_TABLES {
        let cause =
            format!("it needs {} tables of 256 entries; {MOST_TABLES} have an index", images.tables.len());
        return Err(Diagnostic::new(code::BUDGET_EXCEEDED, "the network is too large for the engine", cause)
            .remedy("use fewer additions and functions of one element, and averages with fewer divisors")
            .into());
    }
    let float_bits = images::float_bits(&plan.layers, plan.quantized);
    let (table_shift, table_bits) = (images.table_shift, images.table_bits);
    let (table_a, table_b): (Vec<_>, Vec<_>) = images.tables.iter().map(TableImage::entries).unzip();
    let table_words = |of: Vec<Vec<i64>>| -> Vec<Vec<u8>> {
        of.into_iter().flatten().map(|v| entry(v, table_bits)).collect()
    };
    let wide = |t: &TableImage| matches!(t, TableImage::Sum(t) if t.ties != Ties::Exact);
    let has_array = plan.layers.iter().any(|l| l.layer.kernel.on_array());
    let has_pool = plan.layers.iter().any(|l| !l.layer.kernel.on_array());

    let has_product = plan.layers.iter().any(|l| matches!(l.layer.kernel, Kernel::Product(_)));

    let counts = plan.layers.iter().flat_map(|l| {
        let [kh, kw] = l.layer.kernel.window().kernel;
        [kh, kw, l.map.blocks, l.loops.blocks]
    });
    let nw = bits::unsigned(counts.max().unwrap_or(1) as u64);
    let mw = bits::unsigned(
        plan.layers.iter().map(|l| l.loops.tiles * l.loops.vectors.max(1) + array.p).max().unwrap_or(1)
            as u64,
    );
    let cw = coordinate_bits(plan);
    if cw > 16 || nw > 16 || mw > 24 {
        let cause = format!("coordinates need {cw} bits of 16, loops {nw} of 16, pixels {mw} of 24");
        return Err(Diagnostic::new(code::BUDGET_EXCEEDED, "a layer is too large for the engine", cause)
            .remedy("reduce the layer's map or kernel")
            .into());
    }

    let word_bits = [array.k * array.c * weight_bits, images.param_bits(array)];
    let layers = named_layers(plan, recipes.into_iter().flatten().collect(), word_bits, &quant)?;
    let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let flag = i64::from;
    let tdepth = if images.tables.is_empty() { 1 } else { 256 * images.tables.len() };
    let bus = plan.external.as_ref().map_or(NO_BUS, |e| e.options);
    let [weight_depth, param_depth] =
        plan.external.as_ref().map_or([weights.len().max(1), parameters.len()], |e| e.depths);
    let changes = plan.external.is_some() && external::only_changes(plan.layers.len(), plan.steps.len());
    let rom: Vec<u32> = if changes {
        descriptor::changes(&descriptors)
    } else {
        descriptors.iter().flatten().copied().collect()
    };
    let units = plan.ends.heads(plan.graph);
    let behind = head::build(&units)?;
    let multipliers = plan.multipliers();
    let params = [
        ("STREAM_W", int(plan.stream_bits)),
        ("P", int(array.p)),
        ("C", int(array.c)),
        ("K", int(array.k)),
        ("R", int(array.r)),
        ("XB", 8),
        ("WB", int(weight_bits)),
        ("MUL_STYLE", i64::from(multipliers.style())),
        ("SUM_W", int(sum)),
        ("POOL_W", int(pool)),
        ("ACC_W", int(acc)),
        ("BIAS_W", int(widths.bias)),
        ("MUL_W", int(widths.mul)),
        ("OFF_W", int(widths.off)),
        ("SHIFT_W", int(widths.shift)),
        ("SHIFT_BASE", int(widths.shift_base)),
        ("SHIFT_MAX", int(widths.shift_max)),
        ("EXACT", flag(widths.exact)),
        ("DEPTH", int(plan.words)),
        ("WDEPTH", int(weight_depth)),
        ("PDEPTH", int(param_depth)),
        ("NLAYERS", int(plan.steps.len())),
        ("CHANGES", flag(changes)),
        ("NROM", int(rom.len())),
        ("CW", int(cw)),
        ("NW", int(nw)),
        ("MW", int(mw)),
        ("HAS_ARRAY", flag(has_array)),
        ("HAS_POOL", flag(has_pool)),
        ("HAS_PRODUCT", flag(has_product)),
        ("HAS_STEP", flag(descriptors.iter().any(|words| words[BLOCK_STEP_WORD] != 0))),
        ("HAS_SLIDE", flag(plan.has_slide)),
        ("HAS_RING", flag(plan.layers.iter().any(Planned::in_rings))),
        ("BANKS", int(plan.banks)),
        ("PSUM_DEPTH", int(partial_sums(plan))),
        ("HAS_TABLE", flag(!images.tables.is_empty())),
        ("TABLE_W", int(table_bits)),
        ("TABLE_SHIFT", i64::from(table_shift)),
        ("TABLE_WINDOW", flag(images.tables.iter().any(wide))),
        ("FLOAT_W", int(float_bits)),
        ("SELECT_W", int(widths.select)),
        ("TDEPTH", int(tdepth)),
        ("EXT", flag(plan.external.is_some())),
        ("BUS_W", int(bus.bus_bits)),
        ("BURST", int(bus.burst)),
        ("OUTSTANDING", int(bus.outstanding)),
        ("NCMDS", int(plan.external.as_ref().map_or(1, |e| e.commands.len()))),
        ("SPILL", flag(plan.external.as_ref().is_some_and(External::spills))),
    ];
    let mut params: Vec<Param> =
        params.into_iter().map(|(name, value)| Param { name, value: ParamValue::One(value) }).collect();
    params.extend(stream_params(plan, &behind)?);

    let mut memories = vec![
        Memory {
            name: "descriptors",
            param: "DESC_INIT",
            width: 32,
            words: rom.iter().map(|w| w.to_le_bytes().to_vec()).collect(),
            what: "layer descriptors in execution order",
            packing: format!(
                "{} words a layer, fields as in docs/descriptor.md{}",
                descriptor::WORDS,
                if changes {
                    "; behind a word with a bit for each of them only those that change"
                } else {
                    ""
                }
            ),
            fields: vec![],
        },
        Memory {
            name: "parameters",
            param: "PARAM_INIT",
            width: images.param_bits(array),
            words: parameters,
            what: "requantize parameters of every output channel",
            packing: format!(
                "{} channels: bias {}, multiplier {}, offset {}, shift - {} {}{} bits{}",
                array.r,
                widths.bias,
                widths.mul,
                widths.off,
                widths.shift_base,
                widths.shift,
                if widths.exact { ", exact 1" } else { "" },
                if widths.select > 0 { format!("; table {} bits", widths.select) } else { String::new() }
            ),
            fields: widths.fields(array.r),
        },
    ];
    if has_array {
        memories.push(Memory {
            name: "weights",
            param: "WEIGHT_INIT",
            width: array.k * array.c * weight_bits,
            words: weights,
            what: "weights in the order of use",
            packing: format!(
                "{} output channels x {} input channels of {weight_bits} bits, input channel fastest; words of a layer: \
                 for each {} output channels, kernel row, kernel column, {} input channels, and {} of these",
                array.k,
                array.c,
                array.k,
                array.word(),
                array.c
            ),
            fields: vec![plain_field("weight", weight_bits, array.k * array.c)],
        });
    }
    if !images.tables.is_empty() {
        let packing = format!("256 signed entries of {table_bits} bits a table, for canonical -128 to 127");
        memories.push(Memory {
            name: "table_a",
            param: "TABLE_A_INIT",
            width: table_bits,
            words: table_words(table_a),
            what: "tables of unary functions, of additions' own operand, and thresholds of float32 sums and of products",
            packing: packing.clone(),
            fields: vec![plain_field("entry", table_bits, 1)],
        });
        memories.push(Memory {
            name: "table_b",
            param: "TABLE_B_INIT",
            width: table_bits,
            words: table_words(table_b),
            what: "tables of additions' residual operand, and corrections of products' thresholds",
            packing,
            fields: vec![plain_field("entry", table_bits, 1)],
        });
    }

    memories.extend(behind.table);
    let mut storage = storage(plan);
    storage.extend(behind.storage);
    let external = plan.external.as_ref().map(|e| outside(e, &mut memories, &mut storage));
    Design {
        name: Ident::legalise(name),
        array: [array.p, array.c, array.k],
        multipliers,
        lanes: array.r,
        params,
        memories,
        storage,
        cycles: layers.iter().map(|l| l.cycles).sum(),
        external,
        layers,
        steps: plan.steps.iter().map(|s| design_step(plan, s)).collect(),
        joins: joins(plan.graph),
        // In a ring it waits for the engine.
        input: Stream {
            cycles: if in_ring(plan) > 0 { 0 } else { fold::input_cycles(plan) as u64 },
            ..stream(plan, &plan.ends.inputs, &[])?
        },
        output: stream(plan, &plan.ends.outputs, &units)?,
        rtl_files: RTL.to_vec(),
    }
    .check()
}

/// Rows of the input that the scratchpad holds at a time; 0 where it holds all.
fn in_ring(plan: &Plan<'_>) -> usize {
    plan.ends.only_input().and_then(|input| plan.wishes.rings.get(&input).copied()).unwrap_or(0)
}

/// The tensors of a packet, behind their units where they have some.
fn stream(plan: &Plan<'_>, ports: &[Port], units: &[Option<HeadUnit>]) -> Result<Stream> {
    let mut found = Stream { bytes: 0, cycles: 0, tensors: vec![] };
    for (i, &port) in ports.iter().enumerate() {
        let value = plan.graph.value(port);
        let fact = &value.fact;
        let plain = design::Tensor {
            node: port.node.0,
            tensor: value.name.clone(),
            shape: fact.shape,
            offset: found.bytes,
            bytes: fact.len(),
            dtype: if fact.source_offset == 128 { "uint8" } else { "int8" },
            scale: fact.scale,
            zero_point: fact.zero_point + fact.source_offset,
            head: None,
        };
        let (tensor, cycles) = head::sent(units.get(i).and_then(Option::as_ref), fact, plain)?;
        found.bytes += tensor.bytes;
        found.cycles += cycles as u64;
        found.tensors.push(tensor);
    }
    Ok(found)
}

/// The parameters of `rtl/o2c_shell.v` that tell of the regions.
fn stream_params(plan: &Plan<'_>, behind: &head::Built) -> Result<Vec<Param>> {
    let Ends { inputs, outputs } = &plan.ends;
    let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let xor = |fact: &QFact| if fact.source_offset == 128 { 128 } else { 0 };
    let one = |name, value| Param { name, value: ParamValue::One(value) };
    let mut found = vec![one("N_IN", int(inputs.len())), one("N_OUT", int(outputs.len()))];
    let mut fields = Fields::default();
    for (&port, fold) in inputs.iter().zip(&plan.folds) {
        let fact = &plan.graph.value(port).fact;
        let [c, h, w] = fact.shape;
        let Fold { kernel, strides, pads, out } = *fold;
        let pad_value = i64::try_from(describe::byte(fact.zero_point)).unwrap_or(0);
        fields.push([
            ("IN_BASE", int(base(plan, port)?)),
            ("IN_PIXEL_STEP", 1),
            ("IN_WORD_STEP", int(fold::input_plane(plan, port)?)),
            ("IN_H", int(h)),
            ("IN_W", int(w)),
            ("IN_C", int(c)),
            ("IN_LANES", int(fold::lanes(plan, c))),
            ("IN_XOR", xor(fact)),
            ("FOLD_KH", int(kernel[0])),
            ("FOLD_KW", int(kernel[1])),
            ("FOLD_STRIDE_H", int(strides[0])),
            ("FOLD_STRIDE", int(strides[1])),
            ("FOLD_PAD_T", int(pads[0])),
            ("FOLD_PAD_L", int(pads[1])),
            ("FOLD_OUT_H", int(out[0])),
            ("FOLD_OUT_W", int(out[1])),
            ("PAD_VALUE", pad_value),
        ]);
    }
    found.extend(std::mem::take(&mut fields).0);
    found.push(one("IN_RING", int(in_ring(plan))));
    for (&port, unit) in outputs.iter().zip(&behind.outputs) {
        let fact = &plan.graph.value(port).fact;
        let [c, h, w] = fact.shape;
        fields.push([
            ("OUT_BASE", int(base(plan, port)?)),
            ("OUT_PIXEL_STEP", 1),
            ("OUT_WORD_STEP", int(lay(plan, port)?.plane)),
            ("OUT_PIXELS", int(h * w)),
            ("OUT_C", int(c)),
            ("OUT_XOR", xor(fact)),
        ]);
        fields.push(unit.map(|(name, value)| (name, int(value))));
    }
    found.extend(fields.0);
    found.extend(behind.softmax.iter().map(|&(name, value)| one(name, int(value))));
    Ok(found)
}

/// Parameters of several tensors, collected tensor by tensor.
#[derive(Default)]
struct Fields(Vec<Param>);

impl Fields {
    /// The next tensor's, in the order of the first one's.
    fn push<const N: usize>(&mut self, values: [(&'static str, i64); N]) {
        for (name, value) in values {
            match self.0.iter_mut().find(|p| p.name == name) {
                Some(Param { value: ParamValue::Fields(all), .. }) => all.push(value),
                _ => self.0.push(Param { name, value: ParamValue::Fields(vec![value]) }),
            }
        }
    }
}

fn design_step(plan: &Plan<'_>, step: &Step) -> design::Step {
    let Step { strip, blocks, .. } = step;
    let place = blocks.start * plan.layers[strip.layer].block(plan.array);
    design::Step { layer: strip.layer, place, rows: [strip.rows.start, strip.rows.len()] }
}

/// Every concatenation.
fn joins(graph: &IntGraph) -> Vec<Join> {
    let name = |port: Port| graph.value(port).name.clone();
    let join = |id: NodeId| {
        let IntOp::Concat(concat) = &graph.node(id).op else { return None };
        let inputs = graph.inputs(id);
        let shapes: Vec<[usize; 3]> = inputs.iter().map(|p| graph.value(*p).fact.shape).collect();
        let (parts, _) = concat.parts(&shapes)?;
        let of = inputs.into_iter().zip(parts).map(|(port, part)| JoinPart {
            tensor: name(port),
            channel: part.channel,
            origin: part.origin,
            steps: part.steps,
        });
        Some(Join { tensor: name(id.into()), of: of.collect() })
    };
    graph.topo().unwrap_or_default().into_iter().filter_map(join).collect()
}

/// A signed field that fills the word, `count` times.
fn plain_field(name: &str, width: usize, count: usize) -> Field {
    Field { name: name.into(), lsb: 0, width, signed: true, count, stride: width, add: 0 }
}

/// What the descriptor says, for who has only the memory images.
fn recipe(l: &Planned<'_>, d: &Descriptor) -> Recipe {
    let window = l.layer.kernel.window();
    let signed = Descriptor::signed_byte;
    let array = l.layer.kernel.on_array();
    Recipe {
        unit: match l.layer.kernel {
            Kernel::Array(_) if l.slide.is_some() => "depthwise",
            Kernel::Array(_) | Kernel::Select(_) => "array",
            Kernel::Max(_) => "maximum",
            Kernel::Sum(_) => "sum",
            Kernel::FloatSum(_) => "float32 sum",
            Kernel::Product(factor) if factor.thresholds => "product by thresholds",
            Kernel::Product(_) => "product",
        }
        .into(),
        // Folded: said by `folded` and `folded_rows`, not by parts.
        operand_parts: match l.folding {
            Folding::Plain => l.map.segments.clone(),
            Folding::Columns | Folding::Window => vec![l.layer.x.shape[0]],
        },
        parts: l.y.segments.clone(),
        kernel: window.kernel,
        strides: window.strides,
        dilations: window.dilations,
        pads: l.layer.kernel.origin().map(|n| -n),
        pad_value: signed(d.pad_value),
        factor_zero: if d.product == 1 { signed(d.emit_first) } else { 0 },
        correct_by_b: d.correct_by_b == 1,
        folded: l.folding != Folding::Plain,
        folded_rows: l.folding == Folding::Window,
        blocks: l.reach.count,
        block_step: l.reach.step,
        block_repeat: l.reach.repeat,
        exchanged: l.layer.exchanges(),
        tap_rows: l.slide.map_or(vec![], |s| s.tap_rows(window)),
        tap_columns: l.slide.map_or(vec![], |s| s.tap_columns(window)),
        weight_word: array.then_some(d.weight_base),
        parameter_word: d.param_base,
        by_taps: d.count_divisor == 1,
        q: [signed(d.q_lo), signed(d.q_hi)],
        table: (d.table == 1).then_some(d.table_index),
        ties_to_odd: d.table_odd == 1,
        ties_unsigned: d.table_unsigned == 1,
        y: [signed(d.y_lo), signed(d.y_hi)],
    }
}

/// Refuses memories that can't be addressed or written, before any is filled.
fn within_limits(plan: &Plan<'_>, weight_bits: usize) -> Result<()> {
    let mut faults = Vec::new();
    let mut refuse = |cause: String| {
        faults.push(
            Diagnostic::new(code::BUDGET_EXCEEDED, "the network is too large for the engine", cause)
                .remedy("use a smaller array, or reduce the maps and kernels"),
        );
    };
    if plan.words > MAX_DEPTH {
        refuse(format!("the scratchpad has {} words; at most {MAX_DEPTH} have an address", plan.words));
    }
    let width = plan.array.k * plan.array.c * weight_bits;
    let words = plan
        .layers
        .iter()
        .filter(|l| l.layer.kernel.on_array())
        .map(|l| l.loops.reads.saturating_mul(l.loops.blocks));
    let bits = words.fold(0usize, usize::saturating_add).saturating_mul(width);
    if bits > MAX_WEIGHT_BITS {
        let cause = format!(
            "the weights, each layer's channels rounded up to the array's, take {bits} bits of {MAX_WEIGHT_BITS}"
        );
        refuse(cause);
    }
    if faults.is_empty() { Ok(()) } else { Err(Diagnostics(faults)) }
}

/// Takes weights and parameters out of the memories that have their contents from the start.
fn outside(e: &External, memories: &mut Vec<Memory>, storage: &mut Vec<Storage>) -> design::External {
    let mut bytes = Vec::new();
    let largest = e.largest();
    for (name, memory, which, what) in [
        ("weights", "weight_memory", 0, "the weights of this descriptor and of further ones"),
        ("parameters", "parameter_memory", 1, "the parameters of this descriptor and of further ones"),
    ] {
        let (depth, least_depth) = (e.depths[which], largest[which]);
        let Some(at) = memories.iter().position(|m| m.name == name) else { continue };
        let Memory { width, words, .. } = memories.remove(at);
        let word_bytes = e.options.word_bytes(width);
        for word in &words {
            bytes.extend(word);
            bytes.resize(bytes.len() + word_bytes - word.len(), 0);
        }
        storage.push(Storage { name: memory, width, depth, least_depth, what });
    }
    memories.push(Memory {
        name: "commands",
        param: "CMD_INIT",
        width: e.command_bits(),
        words: e.commands.iter().map(|c| c.word(e.spills())).collect(),
        what: "loads from external memory in their order",
        packing: "one command a word, fields as in rtl/o2c_dma.v".into(),
        fields: vec![],
    });
    let external::Options { bus_bits, burst, outstanding, latency, .. } = e.options;
    design::External { bus_bits, burst, outstanding, latency, bytes, spill_bytes: e.spill_bytes }
}

/// The working memories.
pub(super) fn storage(plan: &Plan<'_>) -> Vec<Storage> {
    let scratchpad = Storage {
        name: "scratchpad",
        width: 8 * plan.array.word(),
        depth: plan.words,
        least_depth: plan.least_words,
        what: "activations, one pixel's channel block a word",
    };
    // As rtl/o2c_delay.v divides it: up to 16 words are registers, else two less than the row is long are in memory.
    let lines = plan.ends.inputs.iter().zip(&plan.folds).filter_map(|(&input, fold)| {
        let [c, _, w] = plan.graph.value(input).fact.shape;
        let above = fold.kernel[0] - 1;
        (above > 0 && w > 16).then(|| Storage {
            name: "line_buffer",
            width: 8 * above * c,
            depth: w - 2,
            least_depth: w - 2,
            what: "an input's rows above the newest one, a column a word",
        })
    });
    let sums = partial_sums(plan);
    let sums = (sums > 0).then(|| Storage {
        name: "partial_sums",
        width: plan.array.word() * sum_bits(plan, plan.weight_bits()).unwrap_or(32),
        depth: sums,
        least_depth: sums,
        what: "partial sums of depthwise layers whose kernels exceed the window, a pixel's channel block a word",
    });
    [scratchpad].into_iter().chain(lines).chain(sums).collect()
}

/// Words of the memory for partial sums of depthwise layers; 0 if none needs it.
fn partial_sums(plan: &Plan<'_>) -> usize {
    let of = |l: &Planned<'_>| {
        let [_, rows, columns] = l.layer.y.shape;
        l.slide.map_or(0, |slide| slide.sums(columns, rows))
    };
    plan.layers.iter().map(of).max().unwrap_or(0)
}

/// Bits of an accumulator.
fn sum_bits(plan: &Plan<'_>, weight_bits: usize) -> Result<usize> {
    let products = if plan.has_slide { plan.array.word() } else { plan.array.c };
    let mut sum = 9 + weight_bits + products.ilog2() as usize;
    for l in &plan.layers {
        let q = plan.quantized.layers.get(&l.layer.first).ok_or_else(|| internal("a layer has no proof"))?;
        sum = sum.max(bits::signed(q.raw.0)).max(bits::signed(q.raw.1));
        if let Kernel::Product(_) = l.layer.kernel {
            sum = sum.max(PRODUCT_BITS);
        }
    }
    Ok(sum)
}

fn entry(value: i64, bits: usize) -> Vec<u8> {
    let mut word = Word::new(bits);
    word.push(value, bits);
    word.finish()
}

/// Bits of a signed coordinate: every row and column that a window of the map can touch.
fn coordinate_bits(plan: &Plan<'_>) -> usize {
    let reach = plan.layers.iter().flat_map(|l| {
        let w = l.layer.kernel.window();
        let [oh, ow] = l.layer.walk();
        let span = |o: usize, axis: usize| o * w.strides[axis] + w.kernel[axis] * w.dilations[axis];
        let first = l.layer.kernel.origin().map(|n| usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX));
        let [top, left] = first;
        // A sliding window is read with all its rows and columns, and one column further.
        let slack = l.slide.map_or(0, |s| s.slots + w.strides[1] + slide::window_rows(plan.array));
        let reach = [span(oh, 0) + top, span(ow, 1) + left, l.map.h + 1, l.map.w + 1, top, left];
        [reach.into_iter().max().unwrap_or(0) + slack, l.layer.x.shape[2], ow]
    });
    bits::signed(reach.max().unwrap_or(1) as i64) + 1
}

fn named_layers<'a>(
    plan: &Plan<'_>,
    recipes: Vec<Recipe>,
    word_bits: [usize; 2],
    quant: &impl Fn(NodeId) -> Result<&'a LayerQuant>,
) -> Result<Vec<Layer>> {
    let tensor = |port: Port| plan.graph.value(port).name.clone();
    let steps_of = |layer| plan.steps.iter().filter(move |s: &&Step| s.strip.layer == layer);
    let cycles_of = |layer| steps_of(layer).map(|s| s.cycles as u64).sum::<u64>();
    let loaded = |s: &Step| {
        let of = |e: &External| e.bytes(s, word_bits);
        plan.external.as_ref().map_or(0, of)
    };
    // What comes on top of the step's own cycles and of the next descriptor's fetch.
    let moved = |s: &Step| {
        let of = |e: &External| e.moved(s, 8 * plan.array.word()).map(|bytes| bytes as u64);
        plan.external.as_ref().map_or([0; 2], of)
    };
    let waited = |s: &Step| {
        let natural = s.strip.loops.of_blocks(s.blocks.len());
        s.cycles.saturating_sub(natural.max(descriptor::WORDS + 3))
    };
    let mut layers: Vec<Layer> = Vec::with_capacity(plan.layers.len());
    for (l, recipe) in plan.layers.iter().zip(recipes) {
        quant(l.layer.last)?;
        let y = l.layer.y;
        let (macs, weight) = match l.layer.kernel {
            Kernel::Array(conv) => {
                let [_, oh, ow] = y.shape;
                (conv.weight.len() * oh * ow, super::weight_bits(quant(l.layer.first)?.weight_bits))
            }
            Kernel::Select(_) => (0, 2),
            Kernel::Max(_) | Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => (0, 0),
        };
        let mut name = l.layer.name.clone();
        while layers.iter().any(|other| other.name == name) {
            name.push('_');
        }
        layers.push(Layer {
            name,
            op: l.layer.op.clone(),
            first_node: l.layer.first.0,
            last_node: l.layer.last.0,
            input_shape: l.layer.x.shape,
            output_shape: y.shape,
            bits: [l.layer.x.bits, u8::try_from(weight).unwrap_or(8)],
            macs: macs as u64,
            cycles: cycles_of(layers.len()),
            loaded_bytes: steps_of(layers.len()).map(loaded).sum::<usize>() as u64,
            moved_bytes: steps_of(layers.len()).map(moved).fold([0; 2], |[a, b], [c, d]| [a + c, b + d]),
            wait_cycles: steps_of(layers.len()).map(waited).sum::<usize>() as u64,
            tensor: tensor(Port::from(l.layer.last)),
            reads: [l.layer.input].into_iter().chain(l.layer.others()).map(tensor).collect(),
            recipe,
            writes_output: describe::writes_output(plan, &l.layer),
            output_quant: (y.scale, y.zero_point, y.source_offset),
        });
    }
    Ok(layers)
}
