//! `report.json` and `report.html`: one structure, two forms; `simulate` adds what it measured.

use askama::Template;
use serde::{Deserialize, Serialize};

use super::roofline::{Roofline, roofline};
use super::{Differing, DifferingAt, File, Package, Rescale, internal, stream_bytes};
use crate::design::{Head, ParamValue, Stream, Tensor};
use crate::diag::Result;

/// Cycles of one sample, and what follows from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cycles {
    /// By the planner's formula.
    pub predicted: u64,
    /// By simulation of the Verilog.
    pub measured: Option<u64>,
}

/// One layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LayerReport {
    /// ONNX name.
    pub name: String,
    /// ONNX operators.
    pub op: String,
    /// Channels, rows, columns.
    pub input_shape: [usize; 3],
    /// Channels, rows, columns.
    pub output_shape: [usize; 3],
    /// Activation and weight bits.
    pub bits: [u8; 2],
    /// Multiply-accumulates of the network's layer.
    pub macs: u64,
    /// By the planner's formula.
    pub cycles_predicted: u64,
    /// By simulation.
    pub cycles_measured: Option<u64>,
    /// macs / (cycles * multipliers).
    pub efficiency: f64,
    /// Bytes of weights and parameters loaded for it from external memory.
    #[serde(default)]
    pub bytes_loaded: u64,
    /// Bytes of activations loaded from there.
    #[serde(default)]
    pub activation_bytes_loaded: u64,
    /// Bytes of activations stored there.
    #[serde(default)]
    pub activation_bytes_stored: u64,
    /// Of the predicted cycles, those in which it waits for all these.
    #[serde(default)]
    pub wait_cycles: u64,
    /// What its cycles are for: `compute`, or where it waits what is the more to move, `weights` or `activations`.
    #[serde(default)]
    pub bound: String,
    /// Requantize lane.
    pub lane: String,
    /// Proved interval of the accumulator.
    pub reachable: [i64; 2],
    /// Bits of a signed integer that holds it.
    pub accumulator_bits: u8,
    /// Accumulators in it for which the hardware differs from ONNX Runtime's formula.
    pub differing_accumulators: u64,
    /// Where those are and by how much, if there are any.
    #[serde(default)]
    pub differing: Option<Differing>,
    /// Sums of a float32 average for which ONNX Runtime's byte depends on its order of addition; 0 for all else.
    pub ambiguous_sums: u64,
    /// Scale of the output.
    pub output_scale: f32,
    /// The file's zero point of the output.
    pub output_zero_point: i32,
}

/// One memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Name.
    pub name: String,
    /// `initialised` or `working`.
    pub kind: String,
    /// Bits of a word.
    pub width: usize,
    /// Words.
    pub depth: usize,
    /// Bits in all.
    pub bits: usize,
    /// Block memories of the target that it takes, an estimate, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blocks: Option<usize>,
    /// Words below which no placement of its contents comes, for a working memory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub least_depth: Option<usize>,
    /// What it holds.
    pub what: String,
}

/// One stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamReport {
    /// Bytes of a packet.
    pub bytes: usize,
    /// Cycles to move one sample when nothing stalls; beside the engine's cycles.
    pub cycles: u64,
    /// What a packet holds, in its order.
    #[serde(default)]
    pub tensors: Vec<TensorReport>,
}

/// A tensor in a packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TensorReport {
    /// The ONNX tensor.
    pub tensor: String,
    /// Channels, rows, columns (on the wire: row, column, channel).
    pub shape: [usize; 3],
    /// Its first byte in the packet.
    pub offset: usize,
    /// Its bytes.
    pub bytes: usize,
    /// Type on the wire.
    pub dtype: String,
    /// Real value of one step.
    pub scale: f32,
    /// The integer of real 0.
    pub zero_point: i32,
    /// What the accelerator makes of the integer tensor before it sends it, if anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub head: Option<Head>,
}

/// A parameter of the RTL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParamReport {
    /// Name.
    pub name: String,
    /// Value; a list where it has 32 bits for each tensor of a stream.
    pub value: ParamValue,
}

/// The external memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExternalReport {
    /// Data bits of the AXI4 master.
    pub bus_bits: usize,
    /// Most beats of a burst.
    pub burst: usize,
    /// Most bursts under way.
    pub outstanding: usize,
    /// Cycles from a request to its first beat that the predicted cycles count on.
    pub latency: usize,
    /// Bytes of the image.
    pub bytes: usize,
    /// Bytes of weights and parameters loaded for each sample.
    pub bytes_loaded: u64,
    /// Bytes of activations loaded for each sample.
    #[serde(default)]
    pub activation_bytes_loaded: u64,
    /// Bytes of activations stored for each sample.
    #[serde(default)]
    pub activation_bytes_stored: u64,
    /// Cycles in which a sample's layers wait for all these.
    pub wait_cycles: u64,
}

/// What a simulation found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Samples run.
    pub samples: u64,
    /// Values that differ from golden, in all stages.
    pub mismatches: u64,
    /// Stall mode of the streams.
    pub stall: String,
    /// Cycles from one sample's issue to the next one's, back to back.
    pub interval: Option<u64>,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Compiler and version.
    pub generator: String,
    /// Top module.
    pub name: String,
    /// Model file's name.
    pub model: String,
    /// Its SHA-256.
    pub model_sha256: String,
    /// Target.
    pub target: String,
    /// The target's family, e.g. `ecp5`; empty for none in particular.
    #[serde(default)]
    pub family: String,
    /// The family's block memory; empty for none in particular.
    #[serde(default)]
    pub block: String,
    /// Block memories of the target; 0 for no limit.
    #[serde(default)]
    pub device_blocks: usize,
    /// Multipliers of the target; 0 for no limit.
    #[serde(default)]
    pub device_multipliers: usize,
    /// How accumulators become bytes.
    #[serde(default)]
    pub rescale: Rescale,
    /// Clock asked for.
    pub clock_mhz: u32,
    /// P, C, K.
    pub array: [usize; 3],
    /// Products in a cycle: P * C * K.
    pub multipliers: usize,
    /// What makes them: `infer`, `lut` or `packed`.
    #[serde(default)]
    pub multiplier_kind: String,
    /// Hardware multipliers that make them.
    #[serde(default)]
    pub array_multipliers: usize,
    /// Requantize lanes.
    pub lanes: usize,
    /// Multipliers of one lane, beside the array's.
    #[serde(default)]
    pub lane_multipliers: usize,
    /// Sum over the layers.
    pub macs: u64,
    /// Of one sample.
    pub cycles: Cycles,
    /// macs / cycles.
    pub macs_per_cycle: f64,
    /// macs / (cycles * multipliers).
    pub efficiency: f64,
    /// Microseconds of one sample at the clock asked for, transfers not counted.
    pub latency_us: f64,
    /// Data bits of both streams.
    #[serde(default)]
    pub stream_bits: usize,
    /// Input stream.
    pub input: StreamReport,
    /// Output stream.
    pub output: StreamReport,
    /// The external memory, if there is one.
    #[serde(default)]
    pub external: Option<ExternalReport>,
    /// Host steps before the input.
    pub host_before: Vec<String>,
    /// Host steps after the output.
    pub host_after: Vec<String>,
    /// Layers in execution order.
    pub layers: Vec<LayerReport>,
    /// Memories.
    pub memories: Vec<MemoryReport>,
    /// Parameters of `o2c_accelerator`.
    pub parameters: Vec<ParamReport>,
    /// Golden samples in `vectors/`.
    pub samples: usize,
    /// Set by `simulate`.
    pub simulation: Option<Measured>,
}

impl Report {
    pub(super) fn new(package: &Package<'_>) -> Result<Report> {
        let (d, facts) = (package.design, package.facts);
        let multipliers: usize = d.array.iter().product();
        let macs: u64 = d.layers.iter().map(|l| l.macs).sum();
        let layers = d
            .layers
            .iter()
            .zip(&facts.layers)
            .map(|(l, f)| LayerReport {
                name: l.name.clone(),
                op: l.op.clone(),
                input_shape: l.input_shape,
                output_shape: l.output_shape,
                bits: l.bits,
                macs: l.macs,
                cycles_predicted: l.cycles,
                cycles_measured: None,
                efficiency: ratio(l.macs, l.cycles, multipliers),
                bytes_loaded: l.loaded_bytes,
                activation_bytes_loaded: l.moved_bytes[0],
                activation_bytes_stored: l.moved_bytes[1],
                wait_cycles: l.wait_cycles,
                bound: match l.wait_cycles {
                    0 => "compute",
                    _ if l.moved_bytes.iter().sum::<u64>() > l.loaded_bytes => "activations",
                    _ => "weights",
                }
                .into(),
                lane: f.lane.clone(),
                reachable: f.reachable,
                accumulator_bits: f.accumulator_bits,
                differing_accumulators: f.differing_accumulators,
                differing: f.differing,
                ambiguous_sums: f.ambiguous_sums,
                output_scale: l.output_quant.0,
                output_zero_point: l.output_quant.1 + l.output_quant.2,
            })
            .collect();
        let memory = |name: &str, kind: &str, width: usize, depth: usize, what: &str| MemoryReport {
            name: name.into(),
            kind: kind.into(),
            width,
            depth,
            bits: width * depth,
            blocks: None,
            least_depth: None,
            what: what.into(),
        };
        let initialised =
            d.memories.iter().map(|m| memory(m.name, "initialised", m.width, m.words.len(), m.what));
        let working = d.storage.iter().map(|s| MemoryReport {
            least_depth: Some(s.least_depth),
            ..memory(s.name, "working", s.width, s.depth, s.what)
        });
        let blocks = facts.target.memory_blocks.iter().copied().map(Some).chain(std::iter::repeat(None));
        let memories = initialised.chain(working).zip(blocks).map(|(m, blocks)| MemoryReport { blocks, ..m });
        Ok(Report {
            generator: concat!("onnx2chip ", env!("CARGO_PKG_VERSION")).into(),
            name: d.name.to_string(),
            model: facts.model.clone(),
            model_sha256: facts.model_sha256.clone(),
            target: facts.target.name.clone(),
            family: facts.target.family.clone(),
            block: facts.target.block.clone(),
            device_blocks: facts.target.blocks,
            device_multipliers: facts.target.multipliers,
            rescale: facts.rescale,
            clock_mhz: facts.clock_mhz,
            array: d.array,
            multipliers,
            multiplier_kind: d.multipliers.name().into(),
            array_multipliers: d.array_multipliers(),
            lanes: d.lanes,
            lane_multipliers: d.lane_multipliers(),
            macs,
            cycles: Cycles { predicted: d.cycles, measured: None },
            macs_per_cycle: ratio(macs, d.cycles, 1),
            efficiency: ratio(macs, d.cycles, multipliers),
            latency_us: ratio(d.cycles, u64::from(facts.clock_mhz), 1),
            stream_bits: 8 * stream_bytes(d)?,
            input: stream(&d.input),
            output: stream(&d.output),
            external: d.external.as_ref().map(|e| ExternalReport {
                bus_bits: e.bus_bits,
                burst: e.burst,
                outstanding: e.outstanding,
                latency: e.latency,
                bytes: e.bytes.len(),
                bytes_loaded: d.layers.iter().map(|l| l.loaded_bytes).sum(),
                activation_bytes_loaded: d.layers.iter().map(|l| l.moved_bytes[0]).sum(),
                activation_bytes_stored: d.layers.iter().map(|l| l.moved_bytes[1]).sum(),
                wait_cycles: d.layers.iter().map(|l| l.wait_cycles).sum(),
            }),
            host_before: facts.host_before.clone(),
            host_after: facts.host_after.clone(),
            layers,
            memories: memories.collect(),
            parameters: d
                .params
                .iter()
                .map(|p| ParamReport { name: p.name.into(), value: p.value.clone() })
                .collect(),
            samples: package.vectors.samples.len(),
            simulation: None,
        })
    }
    /// Bits of the initialised and the working memories.
    pub fn memory_bits(&self) -> usize {
        self.memories.iter().map(|m| m.bits).sum()
    }

    /// Size of all memories, for reading: bits, KiB, block memories of the target.
    pub fn memory_size(&self) -> String {
        let bits = self.memory_bits();
        let blocks: usize = self.memories.iter().filter_map(|m| m.blocks).sum();
        let blocks = match (blocks, self.device_blocks) {
            (0, _) => String::new(),
            (n, 0) => format!("; about {n} {}", self.block),
            (n, all) => format!("; about {n} {} of {all}", self.block),
        };
        format!("{} bits = {:.1} KiB{blocks}", grouped(bits as u64, ','), bits as f64 / 8192.0)
    }

    /// The working memories beside the least that any placement needs.
    pub fn scratchpad(&self) -> Vec<String> {
        let found = self.memories.iter().filter_map(|m| m.least_depth.map(|least| (m, least)));
        found
            .map(|(m, least)| {
                format!(
                    "{}: {} words of {} bits, at least {} for what lives at once",
                    m.name,
                    grouped(m.depth as u64, ','),
                    m.width,
                    grouped(least as u64, ',')
                )
            })
            .collect()
    }

    /// How accumulators become bytes, for reading.
    pub fn rescale_use(&self) -> String {
        match self.rescale {
            Rescale::Exact => "exact: equal to ONNX Runtime's formula, proved".into(),
            Rescale::Fixed { swl, sfl } => {
                format!("fixed: scale words of {swl} bits, {sfl} of them fraction")
            }
        }
    }

    /// For each layer in fixed mode that differs, a sentence: how often, by how much, where.
    pub fn differences(&self) -> Vec<String> {
        let found = self.layers.iter().filter_map(|l| l.differing.as_ref().map(|d| (l, d)));
        found
            .map(|(l, d)| {
                let at = |a: &DifferingAt| {
                    let DifferingAt { channel, accumulator, expected, got } = a;
                    format!("channel {channel}, accumulator {accumulator}: expected {expected}, got {got}")
                };
                let held = match d.saturated_scales {
                    0 => String::new(),
                    n => format!("; {} held at the largest word", plural(n, "scale")),
                };
                format!(
                    "{}: {} of {} differ, by at most {} ({}); first {}{held}",
                    l.name,
                    plural_u64(l.differing_accumulators, "accumulator"),
                    plural(d.channels, "channel"),
                    d.largest_difference,
                    at(&d.largest),
                    at(&d.first),
                )
            })
            .collect()
    }

    /// What the accelerator does behind the last layer, for reading.
    pub fn behind(&self) -> Option<String> {
        let several = self.output.tensors.len() > 1;
        let one = |t: &TensorReport| {
            let head = t.head.as_ref()?;
            let name = if several { format!("{:?}: ", t.tensor) } else { String::new() };
            let bound = head.bound.map_or_else(String::new, |b| {
                format!("; what is rounded lies within {b:.1e} steps of the real number, and the byte is ONNX Runtime's or its neighbour")
            });
            Some(format!("{name}{}{bound}", head.what))
        };
        let all: Vec<String> = self.output.tensors.iter().filter_map(one).collect();
        if all.is_empty() { None } else { Some(all.join("; ")) }
    }

    /// Multipliers of the array, and those of the lanes beside them.
    pub fn multiplier_use(&self) -> String {
        let lanes = self.lanes * self.lane_multipliers;
        let all = if self.device_multipliers == 0 {
            String::new()
        } else {
            format!(" = {} of {}", self.array_multipliers + lanes, self.device_multipliers)
        };
        let products = match self.multiplier_kind.as_str() {
            "lut" => format!("{} in LUTs, multipliers: 0", plural(self.multipliers, "product")),
            "packed" => {
                format!(
                    "{} in {}",
                    plural(self.multipliers, "product"),
                    plural(self.array_multipliers, "multiplier")
                )
            }
            _ => plural(self.multipliers, "multiplier"),
        };
        format!("{products} + {lanes} for {}{all}", plural(self.lanes, "requantize lane"))
    }
}

fn stream(s: &Stream) -> StreamReport {
    let tensor = |t: &Tensor| TensorReport {
        tensor: t.tensor.clone(),
        shape: t.shape,
        offset: t.offset,
        bytes: t.bytes,
        dtype: t.dtype.into(),
        scale: t.scale,
        zero_point: t.zero_point,
        head: t.head.clone(),
    };
    StreamReport { bytes: s.bytes, cycles: s.cycles, tensors: s.tensors.iter().map(tensor).collect() }
}

/// A count with its noun.
pub fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A large count with its noun.
fn plural_u64(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n, ','), if n == 1 { "" } else { "s" })
}

/// Digits in groups of three.
pub fn grouped(v: u64, separator: char) -> String {
    let digits = v.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(c);
    }
    out
}

/// macs / (cycles * multipliers) as a percentage with one digit, rounded once, half up.
pub fn efficiency(macs: u64, cycles: u64, multipliers: usize) -> String {
    let whole = u128::from(cycles) * multipliers as u128;
    let tenths = if whole == 0 { 0 } else { (u128::from(macs) * 2000 + whole) / (2 * whole) };
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// a / (b * c) to four digits after the point, 0 when the divisor is.
pub(crate) fn ratio(a: u64, b: u64, c: usize) -> f64 {
    let d = b as f64 * c as f64;
    if d == 0.0 { 0.0 } else { (a as f64 / d * 1e4).round() / 1e4 }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    r: &'a Report,
}

impl LayerReport {
    /// Bytes moved between the chip and external memory.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes_loaded + self.activation_bytes_loaded + self.activation_bytes_stored
    }
}

impl Page<'_> {
    fn roofline(&self, e: &ExternalReport) -> Option<Roofline> {
        roofline(&self.r.layers, self.r.multipliers, e.bus_bits / 8)
    }
    fn intensity(&self, l: &LayerReport) -> String {
        match l.bytes() {
            0 => "–".into(),
            bytes => format!("{:.1}", l.macs as f64 / bytes as f64),
        }
    }
    fn shape(&self, s: &[usize; 3]) -> String {
        format!("{}×{}×{}", s[0], s[1], s[2])
    }
    fn efficiency(&self, macs: &u64, cycles: &u64) -> String {
        efficiency(*macs, *cycles, self.r.multipliers)
    }
    fn group(&self, v: impl std::borrow::Borrow<u64>) -> String {
        grouped(*v.borrow(), '\u{202f}')
    }
    fn size(&self, v: impl std::borrow::Borrow<usize>) -> String {
        self.group(u64::try_from(*v.borrow()).unwrap_or(u64::MAX))
    }
}

/// Adds `report.json` and `report.html`.
pub(super) fn add(report: &Report, out: &mut Vec<File>) -> Result<()> {
    let mut json = serde_json::to_string_pretty(report).map_err(|e| internal(e.to_string()))?;
    json.push('\n');
    out.push(File::text(
        "report.json",
        "figures of the design, for programs; `onnx2chip simulate` adds measured ones",
        json,
    ));
    let html = Page { r: report }.render().map_err(|e| internal(e.to_string()))?;
    out.push(File::text("report.html", "the figures of report.json, to read", html));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_once() {
        assert_eq!(efficiency(442_368, 3105, 256), "55.7%");
        assert_eq!(efficiency(1, 1, 1), "100.0%");
        assert_eq!(efficiency(1, 0, 1), "0.0%");
        assert_eq!((plural(1, "x"), plural(2, "x")), ("1 x".into(), "2 xs".into()));
        assert_eq!(grouped(1_234_567, ','), "1,234,567");
    }
}
