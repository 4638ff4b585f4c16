//! Scales to integers, with a proof, or a refusal.
//!
//! In: the integer graph, whose rescales are still specified by float32 formulas. Out: [`Quantized`], one
//! [`LayerQuant`] for each node that computes: the requantize lane of every channel, proved equal to ONNX Runtime's
//! formula on every accumulator that the layer can reach, the tables of additions, and the accumulator intervals.
//! Guarantees: no sampling; the same graph gives the same result; nothing is approximated unless
//! [`RescaleMode::Fixed`] asks for it, and then every differing accumulator is counted.

mod add;
mod affine;
mod average;
mod epilogue;
mod fixed;
mod float_sum;
mod interval;
mod layer;
mod offset;
mod product;
mod share;
mod steps;
mod tables;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

pub(crate) use epilogue::StepFunction;
pub use fixed::{Difference, FixedFormat, FixedReport};
pub use float_sum::FloatSum;
pub(crate) use product::KEY_BITS;
pub use product::ProductSteps;
pub use tables::{Tables, Ties};

use crate::arith::lane::Channel;
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::int::{Conv, ConvForm, IntGraph, IntOp};
use crate::graph::{NodeId, Port};
use interval::Interval;

/// Which rescale the hardware gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RescaleMode {
    /// Equal to the reference on every reachable accumulator, proved channel by channel.
    #[default]
    Proved,
    /// Torch2Chip's fixed format, with a report of where it differs.
    Fixed {
        /// Bits of the scale word, sign included: 2 to 25.
        swl: u8,
        /// Fraction bits: 0 to 48.
        sfl: u8,
    },
}

/// Which kind of requantize unit a layer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneKind {
    /// Every channel multiplies, adds and shifts.
    Offset,
    /// Every channel needs float32 rounding.
    Exact,
    /// Both occur.
    Mixed,
    /// Tables: additions and unary functions.
    Table,
    /// Thresholds: averages that are no function of the integer sum, by float32 sums, and products that no lane makes.
    Float,
    /// Bytes pass unchanged (MaxPool).
    Identity,
}

/// The integer form of one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerQuant {
    /// The node's name in the graph.
    pub name: String,
    /// Conv: one for each output channel. AveragePool: one for each entry of `divisors`. Else the identity.
    pub channels: Vec<Channel>,
    /// AveragePool: the divisors that occur, ascending. Else empty.
    pub divisors: Vec<i32>,
    /// Canonical bounds of the output; where `lo` is above `hi` the low byte is taken instead, of an accumulator's bytes.
    pub lo: i32,
    /// See `lo`.
    pub hi: i32,
    /// What the rescale can see: the centred accumulator, bias included, over all channels.
    pub reachable: Interval,
    /// The same for each entry of `channels`: where its lane is proved.
    #[serde(skip)]
    pub intervals: Vec<Interval>,
    /// Every partial sum in the array: x*w with canonical x, the zero point not subtracted, pads contributing zx*w.
    pub raw: Interval,
    /// Conv: bits of a signed number that hold every weight. Else 0.
    pub weight_bits: u32,
    /// Bits of a signed register that holds all of `raw`.
    pub accumulator_bits: u32,
    /// Canonical values that the output takes.
    pub output: Interval,
    /// Which unit it needs.
    pub lane: LaneKind,
    /// Reachable accumulators (or pairs, or table entries) whose output differs from the reference: 0 unless Fixed.
    pub differing_accumulators: u64,
    /// A float32 AveragePool, GlobalAveragePool or ReduceMean: sums for which ONNX Runtime's byte depends on the order
    /// in which it adds, that is on vector width and memory alignment. Here the rounded real average is taken.
    pub ambiguous_sums: u64,
    /// AveragePool by float32 sums; `channels` are estimates then, the byte or one less.
    pub float_sum: Option<FloatSum>,
    /// A product by thresholds; `channels` is an estimate then, the byte or one less.
    pub product_steps: Option<ProductSteps>,
    /// Where the differing ones are, in Fixed mode.
    pub fixed: Option<FixedReport>,
    /// Add and Table: the tables.
    pub tables: Option<Tables>,
    /// Table that only changes scale and zero point: the lane that makes its bytes of x itself, if there is a cheap one. It
    /// is taken where the table would be a layer of its own.
    pub straight: Option<Channel>,
}

/// The integer form of a graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quantized {
    /// Bits of a signed weight that hold every layer's.
    pub weight_bits: u32,
    /// Each node but the inputs and outputs.
    #[serde(serialize_with = "layers_in_order")]
    pub layers: BTreeMap<NodeId, LayerQuant>,
    /// Bits of the widest multiplier over all channels: what the requantize unit is built with.
    pub multiplier_bits: u32,
    /// Bits of the widest signed offset of the cheap lane.
    pub offset_bits: u32,
    /// Different right shifts over all channels, ascending.
    pub shifts: Vec<u8>,
    /// Channels on the cheap lane and on the exact one.
    pub offset_channels: usize,
    /// See `offset_channels`.
    pub exact_channels: usize,
}

fn layers_in_order<S: Serializer>(
    layers: &BTreeMap<NodeId, LayerQuant>,
    s: S,
) -> std::result::Result<S::Ok, S::Error> {
    s.collect_seq(layers.values())
}

/// Bits of a two's-complement register that holds `v`.
pub(crate) fn signed_bits(v: i64) -> u32 {
    let magnitude = if v < 0 { !v } else { v };
    i64::BITS - magnitude.leading_zeros() + 1
}

/// Finds and proves the integer form of every node.
///
/// # Errors
/// Diagnostics for every node at fault: O2C0302 (bounds wider than 8 bits), O2C0303 (a scale that is not finite or is
/// negative, a count of scales that fits no channel), O2C0304 (an accumulator can leave int32), O2C0305 (an average
/// beyond what can be examined, an addition without tables), O2C0004 (a fixed format out of range).
pub fn solve(graph: &IntGraph, mode: RescaleMode) -> Result<Quantized> {
    let format = match mode {
        RescaleMode::Proved => None,
        RescaleMode::Fixed { swl, sfl } if (2..=25).contains(&swl) && sfl <= offset::MAX_SHIFT => {
            Some(FixedFormat { swl, sfl })
        }
        RescaleMode::Fixed { swl, sfl } => {
            let cause =
                format!("swl = {swl}, sfl = {sfl}; swl may be 2 to 25 and sfl 0 to {}", offset::MAX_SHIFT);
            return Err(Diagnostic::new(
                code::CONFIG_INVALID,
                "the fixed scale format is out of range",
                cause,
            )
            .into());
        }
    };
    let Some(order) = graph.topo() else {
        return Err(Diagnostic::new(code::INTERNAL, "the integer graph has a cycle", "quant::solve").into());
    };
    let mut ranges: BTreeMap<Port, Interval> = BTreeMap::new();
    let mut layers = BTreeMap::new();
    let mut faults = Vec::new();
    for id in order {
        let node = graph.node(id);
        let operands: Vec<Interval> =
            graph.inputs(id).iter().map(|p| ranges.get(p).copied().unwrap_or((-128, 127))).collect();
        if let IntOp::Input(_) = node.op {
            if let Some(value) = node.outputs.first() {
                ranges.insert(id.into(), bounds_of(&node.op).unwrap_or_else(|| width(value.fact.bits)));
            }
            continue;
        }
        let known = graph.inputs(id).iter().all(|p| ranges.contains_key(p));
        if !known && matches!(&node.op, IntOp::Conv(Conv { form: ConvForm::Wide(_), .. })) {
            // Its bytes hold what the operand reaches, which is at fault.
            continue;
        }
        match layer::solve(graph, id, &operands, format) {
            Ok(Some(layer)) => {
                ranges.insert(id.into(), layer.output);
                layers.insert(id, layer);
            }
            // An Output, or a fault: what reads it assumes the whole width.
            Ok(None) => {}
            Err(Diagnostics(more)) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(Diagnostics(faults));
    }
    if format.is_none() {
        share::share_shifts(&mut layers);
    }
    Ok(summary(layers))
}

/// The accumulators beside every step of a lane on an interval, and the interval's ends: test vectors that no wrong
/// threshold survives. Ascending, without repeats; empty for an empty interval.
pub fn edges(channel: Channel, lo: i32, hi: i32, (from, to): Interval) -> Vec<i64> {
    if from > to {
        return Vec::new();
    }
    let (m, power, zero) = match channel {
        Channel::Offset { m, b, shift } => (m, shift, b as f64 / f64::from(shift).exp2() - 0.5),
        Channel::Exact { m, shift, zero_point } => (m, shift, f64::from(zero_point)),
    };
    let slope = f64::from(m) / f64::from(power).exp2();
    let steps = steps::Steps::find(|acc| i32::from(channel.apply(acc, lo, hi)), from, to, slope, zero);
    let ends: std::collections::BTreeSet<i64> =
        steps.runs().flat_map(|(start, end, _)| [start, end]).collect();
    ends.into_iter().collect()
}

/// What an input that is quantized by a rule of its own holds.
fn bounds_of(op: &IntOp) -> Option<Interval> {
    let IntOp::Input(input) = op else { return None };
    input.rule.map(|rule| (i64::from(rule.bounds.0), i64::from(rule.bounds.1)))
}

/// The values of a signed integer of `bits` bits.
fn width(bits: u8) -> Interval {
    let half = 1i64 << (u32::from(bits).clamp(1, 8) - 1);
    (-half, half - 1)
}

fn summary(layers: BTreeMap<NodeId, LayerQuant>) -> Quantized {
    let mut q = Quantized::default();
    let mut shifts = std::collections::BTreeSet::new();
    for channel in layers.values().filter(|l| l.tables.is_none()).flat_map(|l| &l.channels) {
        q.multiplier_bits = q.multiplier_bits.max(channel.multiplier_bits());
        shifts.insert(channel.shift());
        match channel {
            Channel::Offset { b, .. } => {
                q.offset_bits = q.offset_bits.max(signed_bits(*b));
                q.offset_channels += 1;
            }
            Channel::Exact { .. } => q.exact_channels += 1,
        }
    }
    q.shifts = shifts.into_iter().collect();
    q.weight_bits = layers.values().map(|l| l.weight_bits).max().unwrap_or(0);
    q.layers = layers;
    q
}
