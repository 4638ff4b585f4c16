//! Golden vectors and facts from the stages before: the executor's trace, the proofs, the host's steps.
//!
//! In: a checked design with the integer graph and the proofs it was planned from, and input arrays. Out:
//! [`Vectors`] and [`LayerFacts`]. Guarantees: every golden value is the executor's own; inputs made here depend on
//! the graph and the seed alone.

use std::collections::BTreeMap;

use super::host::{constants, rearranged};
use super::{Differing, DifferingAt, HostArray, LayerFacts, LayerVectors, SampleVectors, Vectors, internal};
use crate::design::{Design, Stream};
use crate::diag::{Diagnostic, Result, code};
use crate::exec::data::array;
use crate::exec::head::HeadRunner;
use crate::exec::{Data, Executor, Stage};
use crate::graph::int::{HostType, IntGraph, IntOp, QFact, head_of};
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
    let outputs = design.output.tensors.iter().map(|t| head_of(graph, Port::from(NodeId(t.node))));
    let heads = outputs.map(|unit| unit.map(|u| HeadRunner::new(&u)).transpose());
    let heads = heads.collect::<Result<Vec<_>>>()?;
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
            input: packet(&design.input, graph, &stage, &[])?,
            layers,
            output: packet(&design.output, graph, &stage, &heads)?,
        });
    }
    let mut host = vec![];
    for (k, (edge, data)) in executor.inputs().into_iter().zip(inputs).enumerate() {
        let (name, of) = match inputs.len() {
            1 => ("host_input".to_owned(), "the model's input".to_owned()),
            _ => (format!("host_input_{k}"), format!("the model's input {:?}", edge.name)),
        };
        host.push(HostArray { name, what: format!("{of}, before the host's steps"), data: data.clone() });
    }
    let outputs = executor.run(inputs)?;
    for (k, (edge, data)) in executor.outputs().into_iter().zip(&outputs).enumerate() {
        let (name, of) = match outputs.len() {
            1 => ("host_output".to_owned(), "the model's output".to_owned()),
            _ => (format!("host_output_{k}"), format!("the model's output {:?}", edge.name)),
        };
        host.push(HostArray { name, what: format!("{of}, after the host's steps"), data: data.clone() });
    }
    host.extend(constants(graph)?);
    let order = orders(graph, design)?;
    Ok(Vectors { samples, host, order })
}

/// The host's element of each byte on the wire, where the layout is not its own.
fn orders(graph: &IntGraph, design: &Design) -> Result<Vec<HostArray>> {
    let mut out = vec![];
    for (k, edge) in rearranged(graph).into_iter().enumerate() {
        let stream = if edge.input { &design.input } else { &design.output };
        let Some(tensor) = stream.tensors.iter().find(|t| t.node == edge.node.0) else { continue };
        let [c, h, w] = tensor.shape;
        let at = |pixel: usize| (0..c).map(move |channel| i64::from(edge.source[channel * h * w + pixel]));
        let elements: Vec<i64> = (0..h * w).flat_map(at).collect();
        let what = format!(
            "the element of {} (row-major, one sample) for each of its bytes in a packet",
            edge.tensor
        );
        let data = array(&[elements.len()], elements)
            .ok_or_else(|| internal(format!("layout change {k} does not fit its stream")))?;
        out.push(HostArray { name: edge.file, what, data: Data::I64(data) });
    }
    Ok(out)
}

/// A packet's bytes: of each tensor, or of what a unit makes of it.
fn packet<'a>(
    stream: &Stream,
    graph: &IntGraph,
    stage: &impl Fn(NodeId) -> Result<&'a Stage>,
    heads: &[Option<HeadRunner>],
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(stream.bytes);
    for (k, tensor) in stream.tensors.iter().enumerate() {
        let node = NodeId(tensor.node);
        let bytes = wire(&stage(node)?.output, graph, node);
        let signed = graph.value(Port::from(node)).fact.source_offset == 0;
        match heads.get(k).and_then(Option::as_ref) {
            Some(head) => out.extend(head.stream(&bytes, signed)),
            None => out.extend(bytes),
        }
    }
    Ok(out)
}

/// A canonical tensor as the stream's bytes: row, column, channel; the file's own integers.
fn wire(values: &[i8], graph: &IntGraph, node: NodeId) -> Vec<u8> {
    let fact = &graph.value(Port::from(node)).fact;
    let (offset, [c, h, w]) = (fact.source_offset, fact.shape);
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
            let own = if first.straight.is_some() { LaneKind::Offset } else { first.lane };
            let mut lane = lane_name(own).to_owned();
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
    let facts: BTreeMap<&str, (NodeId, &QFact)> = graph
        .ids()
        .into_iter()
        .filter(|id| matches!(graph.node(*id).op, IntOp::Input(_)))
        .filter_map(|id| graph.node(id).outputs.first().map(|v| (id, v)))
        .map(|(id, v)| (v.name.as_str(), (id, &v.fact)))
        .collect();
    let mut out = Vec::new();
    for edge in executor.inputs() {
        let mut shape = edge.shape.clone();
        match shape.first_mut() {
            Some(batch) => *batch = samples,
            None => return Err(internal("an input has no batch axis")),
        }
        let n: usize = shape.iter().product();
        let &(node, fact) = facts
            .get(edge.name.as_str())
            .ok_or_else(|| internal(format!("input {:?} has no fact", edge.name)))?;
        let bytes: Vec<u8> = (0..n).map(|_| byte()).collect();
        let signed = |b: u8| i8::from_le_bytes([b]);
        let data = match edge.dtype {
            HostType::F32 if matches!(&graph.node(node).op, IntOp::Input(i) if i.prepare.is_some()) => {
                let (low, high) = executor.spread(&edge.name)?;
                // Two bytes for each value: finer than the steps behind them.
                let mut fine = |b: &u8| (f32::from(*b) + f32::from(byte()) / 256.0) / 256.0;
                let real = |b: &u8| low + (high - low) * fine(b);
                array(&shape, bytes.iter().map(real).collect()).map(Data::F32)
            }
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
