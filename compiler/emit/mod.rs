//! Data to text: a checked design, its golden vectors and its facts become a hand-off folder. Takes no decisions.
//!
//! In: [`Package`]. Out: [`Files`], a sorted list of named byte strings, each with its manifest entry; [`folder`]
//! writes them to disk, whole or not at all. Guarantees: the same package gives the same bytes; no clock, path,
//! user name or environment is in any of them; behaviour comes from the fixed `rtl/` and `testbench/`, and what is
//! generated is structure, tables and memory contents.

pub mod folder;
mod golden;
mod host;
mod library;
mod manifest;
mod memory;
pub mod report;
pub mod roofline;
#[cfg(test)]
mod tests;
mod text;
mod vectors;

use serde::Serialize;

pub use golden::{MAX_VECTOR_BYTES, check_samples, layer_facts, random_inputs, vectors};
pub use host::host_steps;
pub use library::RTL_FILES;
pub use manifest::{Entry, Manifest, file_digest};
pub use memory::MemFormat;
pub use vectors::{HostArray, LayerVectors, SampleVectors, Vectors};

use crate::design::{Checked, Design};
use crate::diag::{Diagnostic, Diagnostics, Result, code};

/// The marker in `manifest.json` by which a hand-off folder is recognised.
pub const FORMAT: &str = "onnx2chip hand-off 1";

/// How accumulators become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Rescale {
    /// Equal to ONNX Runtime on every reachable accumulator.
    #[default]
    Exact,
    /// One fixed-point format for all scales.
    Fixed {
        /// Bits of the scale word, sign included.
        swl: u8,
        /// Fraction bits of the scale.
        sfl: u8,
    },
}

/// An accumulator for which the hardware differs from ONNX Runtime's formula; outputs are canonical integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct DifferingAt {
    /// Output channel; for an average the divisor's position in the list of divisors.
    pub channel: usize,
    /// The accumulator, bias included.
    pub accumulator: i64,
    /// ONNX Runtime's requantized integer.
    pub expected: i32,
    /// The hardware's.
    pub got: i32,
}

/// Where and by how much a layer in fixed mode differs, over all accumulators in the proved interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Differing {
    /// Channels with at least one differing accumulator.
    pub channels: usize,
    /// Channels whose scale exceeds the scale word and was held at the largest.
    pub saturated_scales: usize,
    /// Steps of the requantized integer between the two, at most.
    pub largest_difference: u32,
    /// The lowest accumulator of the lowest channel.
    pub first: DifferingAt,
    /// The first with the largest difference.
    pub largest: DifferingAt,
}

/// What `quant` proved of a layer's requantization, for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct LayerFacts {
    /// Which lane: `offset`, `exact`, `table`, `none`, or how the channels are dealt among them.
    pub lane: String,
    /// The interval that the accumulator was proved to stay in, over all channels.
    pub reachable: [i64; 2],
    /// Bits of a signed integer that holds the interval.
    pub accumulator_bits: u8,
    /// Accumulators inside the interval for which the hardware differs from ONNX Runtime's formula.
    pub differing_accumulators: u64,
    /// Where those are and by how much, if there are any.
    pub differing: Option<Differing>,
    /// Sums of a float32 average for which ONNX Runtime's byte depends on its order of addition.
    pub ambiguous_sums: u64,
}

/// The device, as reports and scripts name it.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// The target's name.
    pub name: String,
    /// Its family, e.g. `ecp5`; empty for none in particular.
    pub family: String,
    /// How the family's place and route is told the device; empty for its default.
    pub part: String,
    /// The family's block memory, e.g. `DP16KD`; empty for none in particular.
    pub block: String,
    /// Block memories that the device has; 0 for no limit.
    pub blocks: usize,
    /// Block memories of each of the design's memories, in their order; empty where they are not counted.
    pub memory_blocks: Vec<usize>,
    /// Multipliers that the device has; 0 for no limit.
    pub multipliers: usize,
}

/// What the report says beside the design.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The model file's name, without its folder.
    pub model: String,
    /// SHA-256 of the model file, lower-case hex.
    pub model_sha256: String,
    /// The device.
    pub target: Device,
    /// Clock that the constraints ask for, in MHz.
    pub clock_mhz: u32,
    /// How accumulators become bytes.
    pub rescale: Rescale,
    /// What the host does before the input stream, one sentence each.
    pub host_before: Vec<String>,
    /// What the host does after the output stream, one sentence each.
    pub host_after: Vec<String>,
    /// One for each layer of the design.
    pub layers: Vec<LayerFacts>,
}

/// Everything that goes into a hand-off folder.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    /// The netlist.
    pub design: &'a Checked<Design>,
    /// What the report says beside it.
    pub facts: &'a Facts,
    /// Golden vectors of at least one sample.
    pub vectors: &'a Vectors,
    /// Memory formats beside `.hex`.
    pub formats: &'a [MemFormat],
}

/// One file of the folder.
#[derive(Clone, Debug)]
pub struct File {
    /// Its line in the manifest, path and digest included.
    pub entry: Entry,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The files of a folder, ascending by path, `manifest.json` last.
#[derive(Clone, Debug)]
pub struct Files(Vec<File>);

impl Files {
    /// The files, ascending by path, `manifest.json` last.
    pub fn iter(&self) -> std::slice::Iter<'_, File> {
        self.0.iter()
    }
    /// The bytes of the file at a path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.iter().find(|f| f.entry.path == path).map(|f| f.bytes.as_slice())
    }
}

/// Makes every file of the hand-off folder, in memory.
///
/// # Errors
/// O2C0900 if the vectors or facts do not fit the design, or a library file is not in the binary.
pub fn files(package: &Package<'_>) -> Result<Files> {
    let design = package.design;
    if package.facts.layers.len() != design.layers.len() {
        return Err(internal("the facts do not have one entry for each layer"));
    }
    let mut out = Vec::new();
    library::add(design, &mut out)?;
    memory::add(design, package.formats, &mut out)?;
    vectors::add(package, &mut out)?;
    text::add(package, &mut out)?;
    report::add(&report::Report::new(package)?, &mut out)?;
    out.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
    if let Some(w) = out.windows(2).find(|w| w[0].entry.path == w[1].entry.path) {
        return Err(internal(format!("two files are called {}", w[0].entry.path)));
    }
    let manifest = manifest::Manifest::new(design, &out)?;
    out.push(File::text("manifest.json", "this list", manifest.to_json()?));
    Ok(Files(out))
}

impl File {
    /// A text file.
    fn text(path: impl Into<String>, what: impl Into<String>, text: String) -> File {
        File::bytes(path, what, text.into_bytes())
    }
    /// Any file.
    fn bytes(path: impl Into<String>, what: impl Into<String>, bytes: Vec<u8>) -> File {
        File { entry: Entry::new(path.into(), what.into(), &bytes), bytes }
    }
}

fn internal(cause: impl Into<String>) -> Diagnostics {
    Diagnostic::new(code::INTERNAL, "the hand-off folder can't be made (emit)", cause).into()
}

/// The value of a parameter of `o2c_accelerator`.
fn param(design: &Design, name: &str) -> Result<i64> {
    design
        .params
        .iter()
        .find(|p| p.name == name)
        .map(|p| p.value.first())
        .ok_or_else(|| internal(format!("the design has no parameter {name}")))
}

/// Bytes of one stream beat.
fn stream_bytes(design: &Design) -> Result<usize> {
    let bits = usize::try_from(param(design, "STREAM_W")?).unwrap_or(0);
    if bits == 0 || bits % 8 != 0 {
        return Err(internal(format!("STREAM_W = {bits} is not a whole number of bytes")));
    }
    Ok(bits / 8)
}
