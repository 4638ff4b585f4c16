//! Golden vectors and facts from the stages before: the executor's trace, the proofs, the host's steps.
//!
//! In: a checked design with the integer graph and the proofs it was planned from, and input arrays. Out:
//! [`Vectors`] and [`LayerFacts`]. Guarantees: every golden value is the executor's own; inputs made here depend on
//! the graph and the seed alone.

use std::collections::BTreeMap;

use super::{Differing, DifferingAt, LayerFacts, LayerVectors, SampleVectors, Vectors, internal};
use crate::design::{Design, Stream};
use crate::diag::{Diagnostic, Result, code};
use crate::exec::data::array;
use crate::exec::{Data, Executor, Stage};
use crate::graph::int::{Arrangement, HostStep, HostType, IntGraph, IntOp, QFact};
use crate::graph::{NodeId, Port};
use crate::quant::{Difference, FixedReport, LaneKind, Quantized, signed_bits};

/// Most bytes of golden values in a hand-off folder: they are held in memory, some times over, and simulators read them
/// whole.
pub const MAX_VECTOR_BYTES: u64 = 1 << 30;

/// Refuses more samples than [`MAX_VECTOR_BYTES`] hold; nothing has been allocated for them yet.
///
/// # Errors
/// O2C0011 with the number of samples that fit.
pub fn check_samples(graph: &IntGraph, samples: usize) -> Result<()> {
    let values = graph.ids().into_iter().flat_map(|id| &graph.node(id).outputs).map(|v| v.fact.len() as u64);
    // Of a value at most an accumulator of four bytes, a requantized and a written one; of the host's, eight bytes.
    let each = values.fold(0u64, |sum, n| sum.saturating_add(n.saturating_mul(8))).max(1);
    let most = (MAX_VECTOR_BYTES / each).max(1);
    if u64::try_from(samples).is_ok_and(|n| n <= most) {
        return Ok(());
    }
    let cause = format!(
        "{samples} samples of up to {each} bytes of golden values exceed {MAX_VECTOR_BYTES} bytes, the most of a folder"
    );
    Err(Diagnostic::new(code::LIMIT_EXCEEDED, "there are too many samples for golden vectors", cause)
        .remedy(format!("give --samples as at most {most}; `run` takes any number"))
        .into())
}

/// Runs the executor on every sample and keeps what the design's layers and streams show.
///
/// # Errors
/// Those of [`check_samples`] and [`Executor::trace`]; O2C0900 if the design names a node that the graph does not compute.
pub fn vectors(design: &Design, graph: &IntGraph, quantized: &Quantized, inputs: &[Data]) -> Result<Vectors> {
    let mut executor = Executor::new(graph)?;
    if quantized.layers.values().any(|l| l.differing_accumulators != 0) {
        // Asked for by the user, who is told where: what the hardware makes is golden then.
        executor = executor.with_quantized(quantized);
    }
    let count = inputs.first().and_then(|d| d.shape().first().copied()).unwrap_or(0);
    check_samples(graph, count)?;
    let (source, sink) = (boundary(graph, true)?, boundary(graph, false)?);
    let mut samples = Vec::with_capacity(count);
    for sample in 0..count {
        let trace = executor.trace(inputs, sample)?;
        let stages: BTreeMap<NodeId, &Stage> = trace.stages.iter().map(|s| (s.node, s)).collect();
        let stage = |node: NodeId| {
            stages
                .get(&node)
                .copied()
                .ok_or_else(|| internal(format!("node {} has no golden values", node.0)))
        };
        let mut layers = Vec::with_capacity(design.layers.len());
        for layer in &design.layers {
            let (first, last) = (stage(NodeId(layer.first_node))?, stage(NodeId(layer.last_node))?);
            let (acc, q) = match &first.accumulator {
                Some(acc) => (acc.clone(), first.output.clone()),
                None => (vec![], vec![]),
            };
            layers.push(LayerVectors { acc, q, y: last.output.clone() });
        }
        samples.push(SampleVectors {
            input: wire(&stage(source)?.output, graph, source, &design.input),
            layers,
            output: wire(&stage(sink)?.output, graph, sink, &design.output),
        });
    }
    let host = match (inputs, executor.run(inputs)?.as_slice()) {
        ([input], [output]) => Some([input.clone(), output.clone()]),
        _ => None,
    };
    let order = [order(graph, true, &design.input), order(graph, false, &design.output)];
    Ok(Vectors { samples, host, order })
}

/// The model's element of each byte on the wire; `None` where the layout is the model's own.
fn order(graph: &IntGraph, input: bool, stream: &Stream) -> Option<Vec<i64>> {
    let source = graph.ids().into_iter().find_map(|id| match &graph.node(id).op {
        IntOp::Input(host) if input => host.arrangement.source.as_ref(),
        IntOp::Output(host) if !input => host.arrangement.source.as_ref(),
        IntOp::Input(_)
        | IntOp::Output(_)
        | IntOp::Conv(_)
        | IntOp::Add(_)
        | IntOp::Table(_)
        | IntOp::MaxPool(_)
        | IntOp::AveragePool(_)
        | IntOp::Select(_)
        | IntOp::Concat(_) => None,
    })?;
    let [c, h, w] = stream.shape;
    let at = |pixel: usize| (0..c).map(move |channel| i64::from(source[channel * h * w + pixel]));
    Some((0..h * w).flat_map(at).collect())
}

/// The node whose value the input stream carries (the graph's only input), or the output stream (the only output).
fn boundary(graph: &IntGraph, input: bool) -> Result<NodeId> {
    let found: Vec<NodeId> = graph
        .ids()
        .into_iter()
        .filter_map(|id| match &graph.node(id).op {
            IntOp::Input(_) if input => Some(id),
            IntOp::Output(_) if !input => graph.inputs(id).first().map(|p| p.node),
            IntOp::Input(_)
            | IntOp::Output(_)
            | IntOp::Conv(_)
            | IntOp::Add(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_)
            | IntOp::Select(_)
            | IntOp::Concat(_) => None,
        })
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        _ => Err(internal(format!("{} tensors at one end of the design", found.len()))),
    }
}

/// A canonical tensor as the stream's bytes: row, column, channel; the file's own integers.
fn wire(values: &[i8], graph: &IntGraph, node: NodeId, stream: &Stream) -> Vec<u8> {
    let offset = graph.value(Port::from(node)).fact.source_offset;
    let [c, h, w] = stream.shape;
    let mut out = Vec::with_capacity(values.len());
    for pixel in 0..h * w {
        for channel in 0..c {
            // Two's complement: adding 128 to a canonical byte turns its top bit, adding 0 keeps it.
            let byte = values[channel * h * w + pixel].to_le_bytes()[0];
            out.push(if offset == 128 { byte ^ 0x80 } else { byte });
        }
    }
    out
}

/// What was proved of each layer.
///
/// # Errors
/// O2C0900 if a layer's node has no proof.
pub fn layer_facts(design: &Design, quantized: &Quantized) -> Result<Vec<LayerFacts>> {
    let of = |node: u32| {
        quantized.layers.get(&NodeId(node)).ok_or_else(|| internal(format!("node {node} has no proof")))
    };
    design
        .layers
        .iter()
        .map(|layer| {
            let (first, last) = (of(layer.first_node)?, of(layer.last_node)?);
            let fused = layer.first_node != layer.last_node;
            let mut lane = lane_name(first.lane).to_owned();
            let mut differing = first.differing_accumulators;
            if fused {
                lane = format!("{lane}+{}", lane_name(last.lane));
                differing += last.differing_accumulators;
            }
            let width = signed_bits(first.reachable.0).max(signed_bits(first.reachable.1));
            Ok(LayerFacts {
                lane,
                reachable: [first.reachable.0, first.reachable.1],
                accumulator_bits: u8::try_from(first.accumulator_bits.max(width)).unwrap_or(u8::MAX),
                differing_accumulators: differing,
                // An addition is exact in either mode.
                differing: first.fixed.as_ref().and_then(differing_in),
                ambiguous_sums: first.ambiguous_sums,
            })
        })
        .collect()
}

/// What the report says of a layer's fixed format; nothing where it equals the reference.
fn differing_in(report: &FixedReport) -> Option<Differing> {
    let at = |d: Difference| DifferingAt {
        channel: d.channel,
        accumulator: d.acc,
        expected: d.reference,
        got: d.fixed,
    };
    let (first, largest) = (report.first?, report.largest?);
    Some(Differing {
        channels: report.channels,
        saturated_scales: report.saturated_scales,
        largest_difference: largest.reference.abs_diff(largest.fixed),
        first: at(first),
        largest: at(largest),
    })
}

fn lane_name(lane: LaneKind) -> &'static str {
    match lane {
        LaneKind::Offset => "offset",
        LaneKind::Exact => "exact",
        LaneKind::Mixed => "mixed",
        LaneKind::Table => "table",
        LaneKind::Identity => "identity",
        LaneKind::Float => "float",
    }
}

/// The host's work before the input and after the output, a sentence each.
pub fn host_steps(graph: &IntGraph) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after) = (vec![], vec![]);
    for id in graph.ids() {
        let node = graph.node(id);
        match &node.op {
            IntOp::Input(host) => {
                let Some(value) = node.outputs.first() else { continue };
                let fact = &value.fact;
                let (zero, low) = (fact.zero_point + fact.source_offset, fact.source_offset - 128);
                if host.dtype == HostType::F32 {
                    before.push(format!(
                        "{:?}: clamp(round_half_even(x / {:?}) + {zero}, {low}, {}), the quotient in float32 (a division, not a product with the reciprocal)",
                        value.name,
                        fact.scale,
                        low + 255
                    ));
                }
                before.extend(arrange(&value.name, &host.arrangement, fact, true));
            }
            IntOp::Output(host) => {
                let fact = graph.inputs(id).first().map(|p| &graph.value(*p).fact);
                if let Some(fact) = fact {
                    after.extend(arrange(&node.name, &host.arrangement, fact, false));
                }
                after.extend(host.steps.iter().map(sentence));
            }
            IntOp::Conv(_)
            | IntOp::Add(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_)
            | IntOp::Select(_)
            | IntOp::Concat(_) => {}
        }
    }
    (before, after)
}

fn arrange(name: &str, a: &Arrangement, fact: &QFact, input: bool) -> Option<String> {
    let [c, h, w] = fact.shape;
    if a.source.is_none() && (c == 1 || h * w == 1) {
        return None;
    }
    let (from, to) = (format!("{:?}", a.onnx_shape), format!("rows {h}, columns {w}, channels {c}"));
    let mapped = match (a.source.is_some(), input) {
        (false, _) => "",
        (true, true) => "; the model changes the layout: vectors/input_order.npy has each byte's element",
        (true, false) => "; the model changes the layout: vectors/output_order.npy has each byte's element",
    };
    Some(if input {
        format!("{name:?}: reorder {from} to {to}{mapped}")
    } else {
        format!("{name:?}: reorder {to} to {from}{mapped}")
    })
}

fn sentence(step: &HostStep) -> String {
    let name = |signed: bool| if signed { "int8" } else { "uint8" };
    match step {
        HostStep::Dequantize(scale, zero) => {
            format!("dequantize: float32(y - {zero}) * {scale:?}, the product in float32")
        }
        HostStep::Quantize(scale, zero, signed) => {
            format!(
                "quantize: round_half_even(y / {scale:?}) + {zero}, saturated to {}; the quotient in float32",
                name(*signed)
            )
        }
        HostStep::Function(name, attributes) => function(name, attributes),
        HostStep::Softmax(axis) => format!(
            "Softmax over axis {axis}: exp(y - max) / sum(exp(y - max)), float32; the last bit depends on the exponential and the order of the sum"
        ),
        HostStep::QLinearSoftmax { axis, input, output, signed } => format!(
            "QLinearSoftmax over axis {axis} (n elements), to {}: e(y) = float32(exp((y - max + h) * {s:?})) with h = \
             max(log(3.4028235e38 / n) - 5, 0) / {s:?}, the logarithm's argument and result in float32, all else in double; \
             min(round_half_even(e(y) / sum * {factor:?}) + {}, {}), the sum in float32 in the order of the elements, quotient \
             and product in double ({factor:?} is floor(1 / {:?}), the output's scale)",
            name(*signed),
            output.1,
            if *signed { 127 } else { 255 },
            output.0,
            s = input.0,
            factor = (1.0 / output.0).floor(),
        ),
        HostStep::ArgMax { axis, keepdims, select_last_index } => format!(
            "ArgMax over axis {axis}, the {} of equal ones{}",
            if *select_last_index { "last" } else { "first" },
            if *keepdims { ", the axis kept with length 1" } else { "" }
        ),
        HostStep::Reshape(shape) => format!("reshape to {shape:?}"),
    }
}

/// A float function of each value: its formula where that fixes every bit.
fn function(name: &str, attributes: &[(&'static str, f32)]) -> String {
    let formula = match name {
        "Relu" => "max(y, 0)",
        "Clip" => "y, not below min and not above max",
        "Abs" => "|y|",
        "Neg" => "-y",
        "Floor" | "Ceil" => "y rounded to an integer",
        "Round" => "round_half_even(y)",
        "Sign" => "-1, 0 or 1",
        "Sqrt" => "sqrt(y), rounded once",
        "Reciprocal" => "1 / y, rounded once",
        "LeakyRelu" => "y, or alpha * y where y < 0",
        "ThresholdedRelu" => "y, or 0 where y <= alpha",
        "Shrink" => "y + bias where y < -lambd, y - bias where y > lambd, else 0",
        "HardSigmoid" => "alpha * y + beta, not below 0 and not above 1",
        "HardSwish" => "y * (y / 6 + 1/2, not below 0 and not above 1), the factor 1/6 in float32",
        _ => {
            "ONNX's function; the last bits are those of ONNX Runtime's own approximation, others differ in those alone"
        }
    };
    let values: Vec<String> = attributes.iter().map(|(n, v)| format!("{n} = {v:?}")).collect();
    let with = if values.is_empty() { String::new() } else { format!(", with {}", values.join(", ")) };
    format!("{name} of each value, in float32: {formula}{with}")
}

/// Seeded pseudo-random inputs in the model's own types, over the range that its quantization covers.
///
/// # Errors
/// Those of [`check_samples`]; O2C0900 if a shape holds too many elements.
pub fn random_inputs(graph: &IntGraph, samples: usize, seed: u64) -> Result<Vec<Data>> {
    check_samples(graph, samples)?;
    let mut state = seed;
    let mut byte = move || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()[0]
    };
    let executor = Executor::new(graph)?;
    let facts: BTreeMap<&str, &QFact> = graph
        .ids()
        .into_iter()
        .filter(|id| matches!(graph.node(*id).op, IntOp::Input(_)))
        .filter_map(|id| graph.node(id).outputs.first())
        .map(|v| (v.name.as_str(), &v.fact))
        .collect();
    let mut out = Vec::new();
    for edge in executor.inputs() {
        let mut shape = edge.shape.clone();
        match shape.first_mut() {
            Some(batch) => *batch = samples,
            None => return Err(internal("an input has no batch axis")),
        }
        let n: usize = shape.iter().product();
        let fact = facts
            .get(edge.name.as_str())
            .ok_or_else(|| internal(format!("input {:?} has no fact", edge.name)))?;
        let bytes: Vec<u8> = (0..n).map(|_| byte()).collect();
        let signed = |b: u8| i8::from_le_bytes([b]);
        let data = match edge.dtype {
            HostType::F32 => {
                let real = |b: &u8| (i32::from(signed(*b)) - fact.zero_point) as f32 * fact.scale;
                array(&shape, bytes.iter().map(real).collect()).map(Data::F32)
            }
            HostType::U8 => array(&shape, bytes).map(Data::U8),
            HostType::I8 => array(&shape, bytes.iter().map(|b| signed(*b)).collect()).map(Data::I8),
            HostType::I64 => array(&shape, bytes.iter().map(|b| i64::from(*b)).collect()).map(Data::I64),
        };
        out.push(data.ok_or_else(|| internal("an input does not fit its shape"))?);
    }
    Ok(out)
}
