//! The descriptor of a step: loops, addresses, bounds.

use super::images::Places;
use super::layers::{Factor, Kernel, Layer, Tail};
use super::steps::{Step, Strip};
use super::{Plan, Planned, base, internal, lay};
use crate::diag::Result;
use crate::graph::{NodeId, Port};
use crate::hw::descriptor::Descriptor;

/// The field of a kernel's tiles counts those below each other from this bit on.
const BESIDE: usize = 1 << 8;

/// The low 32 bits of an address step.
fn step_of(value: i64) -> u64 {
    value.rem_euclid(1 << 32).unsigned_abs()
}

pub(super) fn byte(value: i32) -> u64 {
    u64::from(value.rem_euclid(256).unsigned_abs())
}

/// Where the words of a product's second operand are.
#[derive(Clone, Copy, Debug, Default)]
struct Other {
    /// The first.
    base: i64,
    /// From a column to the next, 0 where one column serves all.
    column: i64,
    /// From a row's last column to the next row's first.
    row: i64,
    /// From a block of channels to the next.
    block: i64,
}

impl Other {
    /// The words that go with a result of `w` columns, from its channel block `before` and its row `first` on.
    fn of(plan: &Plan<'_>, factor: &Factor<'_>, w: usize, [before, first]: [usize; 2]) -> Result<Other> {
        let map = lay(plan, factor.port)?;
        let [channels, rows, columns] = factor.fact.shape;
        let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let step = |size: usize, words: usize| if size == 1 { 0 } else { int(words) };
        let (column, block) = (step(columns, map.column), step(channels, map.plane));
        let down = step(rows, map.row);
        let base = int(base(plan, factor.port)?) + int(before) * block + int(first) * down;
        Ok(Other { base, column, row: down - (int(w) - 1) * column, block })
    }
}

/// The descriptor of one step. `of` is its layer's share of the memory images.
///
/// # Errors
/// O2C0900 for tensors without a place.
pub(super) fn descriptor(plan: &Plan<'_>, step: &Step, of: &Places) -> Result<Descriptor> {
    let strip = &step.strip;
    let l = &plan.layers[strip.layer];
    let [weight_base, param_base] = step.loaded_at.unwrap_or([of.weights, of.params]);
    let Planned { layer, map, y, reach, folding, .. } = l;
    let Strip { rows, slide, loops, .. } = strip;
    let array = plan.array;
    let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let window = layer.kernel.window();
    // A folded kernel is one column wide, and one row high, on a map that already steps by the stride.
    let [kh, kw] = folding.replace(window.kernel, 1);
    let [sh, sw] = folding.replace(window.strides, 1);
    let [dh, dw] = window.dilations;
    let [top, left] = folding.replace(layer.kernel.origin(), 0);
    let [walk_h, out_w] = layer.walk();
    // Whole where rows become columns.
    let out_h = if layer.exchanges() { walk_h } else { rows.len() };
    let (plane, pitch) = (int(map.plane), int(map.row));
    let read = int(reach.count);
    let (y_row, y_column) = if layer.exchanges() { (y.column, y.row) } else { (y.row, y.column) };

    let proof = |id: NodeId| plan.quantized.layers.get(&id).ok_or_else(|| internal("a layer has no proof"));
    let (first, last) = (proof(layer.first)?, proof(layer.last)?);
    // A standalone addition or table requantizes by the identity.
    let standalone = layer.first == layer.last && layer.tail != Tail::None;
    let (q_lo, q_hi) = if standalone { (-128, 127) } else { (first.lo, first.hi) };

    let float = first.float_sum.as_ref().filter(|_| matches!(layer.kernel, Kernel::FloatSum(_)));
    let (mode, pad) = match layer.kernel {
        Kernel::Array(_) => (if slide.is_some() { 3 } else { 0 }, layer.x.zero_point),
        Kernel::Select(select) => (0, select.fill),
        Kernel::Max(_) => (1, -128),
        Kernel::Sum(_) | Kernel::FloatSum(_) | Kernel::Product(_) => (2, layer.x.zero_point),
    };
    let pool = !layer.kernel.on_array();
    let [in_base, other_base, out_base] = l.bases;
    // Blocks before this step's: their output planes, and what they read.
    let before = step.blocks.start;
    let out_base = out_base + before * l.block(array) / array.word() * y.plane;
    let res_delta = match layer.tail {
        Tail::Add { .. } => int(other_base) - int(l.bases[2]),
        Tail::None | Tail::Table => 0,
    };
    let reads_input = |step: &Step| {
        let layer = &plan.layers[step.strip.layer].layer;
        [layer.input].into_iter().chain(layer.others()).any(|port| plan.ends.inputs.contains(&port))
    };
    let last_reader = plan.steps.iter().rfind(|s| reads_input(s)) == Some(step);
    let writes = |step: &Step| writes_output(plan, &plan.layers[step.strip.layer].layer);
    let completes = plan.steps.iter().rfind(|s| writes(s)) == Some(step);
    let back = (int(kw) - 1) * int(dw);
    let down = int(dh) * pitch - back;
    let factor = layer.factor();
    let other = factor.map(|f| Other::of(plan, &f, out_w, [before, rows.start])).transpose()?;
    let (a, b, c, inc_a, inc_b, inc_c) = match slide {
        None if other.is_some() => {
            let Other { base, column, row, .. } = other.unwrap_or_default();
            (2, 1, 1, base, column, row)
        }
        Some(slide) => {
            let [down, beside] = slide.tiles.map(|tiles| tiles.count);
            let c = beside + (down - 1) * BESIDE;
            let inc_c = int(slide.tiles[0].step) * pitch;
            (slide.slots, slide.columns * sw + 1, c, int(slide.slot_rows()) * pitch, pitch, inc_c)
        }
        None if pool => (kw, kh, 1, int(dw), down, 0),
        None => {
            let rewind = (read - 1) * plane;
            (reach.count, kw, kh, plane, int(dw) - rewind, down - rewind)
        }
    };
    let tiles = slide.filter(|slide| slide.passes() > 1).map(|slide| slide.tiles);
    // The window slides over whole rows and planes; the others walk over windows.
    let (walk_row, block_step, repeat) = match slide {
        Some(slide) => {
            let above = if slide.skip > 0 { -int(slide.skip * slide.slot_rows()) * pitch } else { 0 };
            (above, plane, slide.skip + 1)
        }
        None => {
            let row = int(sh) * pitch - (int(out_w) - 1) * int(sw);
            let (step, repeat) = if pool { (1, 1) } else { (int(reach.step), reach.repeat) };
            (row, step * plane, repeat)
        }
    };
    // Rows count from a multiple of the ring's, so that reads go once around it at most.
    let top = int(rows.start) * int(sh) + top;
    let first_row = slide.map_or(top, |slide| slide.first_row);
    let rounds = first_row.max(0) / int(map.ring) * int(map.ring);
    let around = int(map.ring) * pitch;
    let (walk_h0, ring_row, ring_words) = match slide {
        Some(slide) => {
            let slot_rows = int(slide.slot_rows());
            // Nothing of a map that stands as a whole lies behind its last slot.
            let slots = (int(map.ring) - first_row + rounds + slot_rows - 1) / slot_rows - 1;
            let whole = map.ring == map.h && slide.passes() == 1;
            let slots = if whole { int(slide.slots) } else { slots };
            (top - int(slide.window_row), slots, inc_a - around)
        }
        None => (top, int(map.ring), around),
    };
    let base_row = first_row - rounds;
    let in_base = int(in_base) + int(before / if slide.is_some() { 1 } else { repeat }) * block_step;
    let back_to = |count: usize, step: usize| (int(count) - 1) * int(step);
    // Rows of the output before its ring's end.
    let out_row = rows.start % y.ring;
    let out_base = out_base + out_row * y.row;
    let before_end = Some(y.ring - out_row).filter(|&left| y.ring < y.h && left < out_h);
    let out_ring = int(y.ring) * int(y.row);
    let (run, out_step, out_wrap, out_around) = match slide {
        Some(_) => {
            let around = if before_end.is_some() { out_ring } else { 0 };
            let wrap = int(y.column) - back_to(out_h, y.row) + around;
            (out_h, y.row, wrap, int(y.row) - out_ring)
        }
        None => {
            let wrap = int(y_row) - back_to(out_w, y_column);
            (out_w, y_column, wrap, wrap - out_ring)
        }
    };
    let bits = |from: usize, count: usize| ((1u64 << count) - 1) << from;
    // Those of the window that hold a tap of some tile.
    let places = |taps: Vec<[usize; 2]>| taps.into_iter().fold(0, |all, [_, at]| all | 1u64 << at);
    let coordinate = |n: i64| n.rem_euclid(1 << 16).unsigned_abs();
    let byte_of_b = |f: Factor<'_>| byte(f.fact.zero_point);
    let thresholds = float.is_some() || factor.is_some_and(|f| f.thresholds);
    Ok(Descriptor {
        mode,
        residual: u64::from(matches!(layer.tail, Tail::Add { .. })),
        table: u64::from(of.tables),
        release_input: u64::from(last_reader),
        writes_output: u64::from(writes(step)),
        completes_output: u64::from(completes),
        pair: u64::from(slide.is_some_and(|s| s.pair)),
        count_divisor: u64::from(of.by_taps),
        pad_value: byte(pad),
        q_lo: byte(q_lo),
        q_hi: byte(q_hi),
        y_lo: byte(last.lo),
        y_hi: byte(last.hi),
        table_odd: u64::from(of.ties_to_odd),
        table_unsigned: u64::from(of.ties_unsigned),
        table_threshold: u64::from(thresholds),
        product: u64::from(factor.is_some()),
        correct_by_b: u64::from(first.product_steps.as_ref().is_some_and(|s| s.by_b)),
        spread: u64::from(factor.is_some_and(|f| f.fact.shape[0] == 1 && layer.x.shape[0] > 1)),
        table_index: of.table as u64,
        a_last: a as u64 - 1,
        b_last: b as u64 - 1,
        c_last: c as u64 - 1,
        kb_last: step.blocks.len() as u64 - 1,
        unit_last: match slide {
            Some(slide) => slide.columns as u64 - 1 + ((slide.hold_more as u64 - 1) << 16),
            None => loops.tiles as u64 - 1,
        },
        group_last: loops.group_cycles as u64 - 1,
        gap: loops.gap as u64,
        vec_last: loops.vectors as u64 - 1,
        hold_last: loops.hold as u64 - 1,
        in_h: (int(map.h) - rounds).unsigned_abs(),
        in_w: map.w as u64,
        out_w_last: out_w as u64 - 1,
        run_last: run as u64 - 1,
        walk_h0: coordinate(walk_h0 - rounds),
        walk_w0: coordinate(left),
        stride_h: sh as u64,
        stride_w: sw as u64,
        dil_h: tiles.map_or(dh, |[down, _]| down.step) as u64,
        // Both operands of a product are at the same place.
        dil_w: if factor.is_some() { 0 } else { tiles.map_or(dw, |[_, beside]| beside.step) as u64 },
        walk_base: step_of(in_base + base_row * pitch + left),
        walk_col: step_of(int(sw)) & bits(0, 24),
        wait_loads: step.loads as u64,
        walk_row: step_of(walk_row),
        inc_a: step_of(inc_a),
        inc_b: step_of(inc_b),
        inc_c: step_of(inc_c),
        weight_base: match (float, &other) {
            (Some(f), _) => u64::from(f.mantissa),
            (None, Some(other)) => step_of(other.block) & bits(0, 24),
            (None, None) => weight_base as u64,
        },
        param_base: param_base as u64,
        out_groups: l.groups_from(before, array) as u64,
        out_base: out_base as u64,
        res_delta: step_of(res_delta),
        pixels: (out_h * out_w) as u64,
        emit_first: factor.map_or(slide.map_or(0, |s| s.first as u64), byte_of_b),
        emit_step: slide.map_or(0, |s| s.step as u64 - 1),
        block_step: if step.blocks.len() > 1 { step_of(block_step) } else { 0 },
        block_repeat: repeat as u64 - 1,
        out_plane: y.plane as u64,
        emit_wrap: slide.map_or(0, |s| s.wrap as u64 - 1),
        out_step: out_step as u64,
        window_rows: slide.map_or(0, |s| places(s.tap_rows(window))),
        out_wrap: step_of(out_wrap) & bits(0, 24),
        window_columns: slide.map_or(0, |s| places(s.tap_columns(window))),
        ring_row: coordinate(ring_row),
        ring_run: before_end.map_or(bits(0, 16), |left| left as u64 - 1),
        ring_words: step_of(ring_words) & bits(0, 24),
        out_around: step_of(out_around) & bits(0, 24),
        input_rows: strip.input_rows[0] as u64,
        input_freed: strip.input_rows[1] as u64,
    })
}

/// Whether a layer writes an output region: a concatenation is written by the layers of its operands.
pub(super) fn writes_output(plan: &Plan<'_>, layer: &Layer<'_>) -> bool {
    let owner = |port: Port| plan.layouts.get(&port).map(|(_, region)| region.owner);
    plan.ends.outputs.iter().any(|&output| owner(Port::from(layer.last)) == owner(output))
}
