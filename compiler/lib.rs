//! onnx2chip compiles a quantized ONNX network into a verified, synthesizable Verilog accelerator.
//!
//! Stages are types: `onnx::Model -> Graph<Float> -> Graph<Int> -> Plan -> Checked<Design> -> Files`.
//! See `docs/architecture.md` for the invariants. The three functions below are the whole pipeline.

pub mod arith;
pub mod design;
pub mod diag;
pub mod emit;
pub mod exec;
pub mod graph;
pub mod hw;
pub mod onnx;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod quant;
pub mod reference;
pub mod targets;

use std::path::Path;

use diag::Result;

/// A model that was read: its integer graph, and what identifies the file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name without its folder.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The canonical integer graph.
    pub graph: graph::int::IntGraph,
}

/// Reads an ONNX file and brings it into integer form.
///
/// # Errors
/// Every reason why the file or the network is refused.
pub fn load(path: &Path) -> Result<Source> {
    let model = onnx::read(path)?;
    let graph = passes::compile_front(&model)?;
    let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Ok(Source { file, sha256: emit::file_digest(path)?, graph })
}

/// What to build.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pixels, channels, outputs at once; ignored with `macs`.
    pub array: [usize; 3],
    /// Search the array shape with at most this many multipliers.
    pub macs: Option<usize>,
    /// Requantize lanes; `None` for the planner's choice.
    pub lanes: Option<usize>,
    /// The device.
    pub target: &'static targets::Target,
    /// The top module's name; `None` for the model file's.
    pub name: Option<String>,
    /// How accumulators become bytes.
    pub rescale: quant::RescaleMode,
}

/// A network that became a design.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it was made from.
    pub source: Source,
    /// The integer form of every layer, with its proof.
    pub quantized: quant::Quantized,
    /// The netlist as data.
    pub design: design::Checked<design::Design>,
    /// The device.
    pub target: &'static targets::Target,
}

/// Proves, plans and checks.
///
/// # Errors
/// Every reason why the network can't be built as asked.
pub fn compile(source: Source, options: &Options) -> Result<Compiled> {
    let quantized = quant::solve(&source.graph, options.rescale)?;
    let name = options.name.clone().unwrap_or_else(|| stem(&source.file));
    let design = |array| {
        let shape = plan::Options { array, lanes: options.lanes };
        plan::plan(&source.graph, &quantized, &shape)?.design(&name)
    };
    let design = match options.macs {
        None => design(options.array)?,
        Some(macs) => fastest(macs, design)?,
    };
    options.target.check(&design)?;
    Ok(Compiled { source, quantized, design, target: options.target })
}

/// The design with the fewest cycles among the array shapes of `macs` multipliers (rounded down to a power of two).
fn fastest(
    macs: usize,
    design: impl Fn([usize; 3]) -> Result<design::Checked<design::Design>>,
) -> Result<design::Checked<design::Design>> {
    let log = macs.checked_ilog2().unwrap_or(0);
    let mut best: Result<design::Checked<design::Design>> = design([1, 1, 1 << log]);
    for p in 0..=log {
        for c in 0..=log - p {
            // A shape that the planner refuses is no candidate; if all are, the last refusal stands.
            let next = design([1 << p, 1 << c, 1 << (log - p - c)]);
            let better = match (&best, &next) {
                (Ok(b), Ok(n)) => n.cycles < b.cycles,
                (Err(_), _) => true,
                (Ok(_), Err(_)) => false,
            };
            if better {
                best = next;
            }
        }
    }
    best
}

/// Every file of the hand-off folder, with golden vectors for the inputs (samples on the first axis).
///
/// # Errors
/// O2C0500 if the inputs do not fit the model.
pub fn hand_off(
    compiled: &Compiled,
    inputs: &[exec::Data],
    formats: &[emit::MemFormat],
) -> Result<emit::Files> {
    let Compiled { source, quantized, design, target } = compiled;
    let (host_before, host_after) = emit::host_steps(&source.graph);
    let facts = emit::Facts {
        model: source.file.clone(),
        model_sha256: source.sha256.clone(),
        target: target.name.into(),
        clock_mhz: target.clock_mhz,
        host_before,
        host_after,
        layers: emit::layer_facts(design, quantized)?,
    };
    let vectors = emit::vectors(design, &source.graph, quantized, inputs)?;
    emit::files(&emit::Package { design, facts: &facts, vectors: &vectors, formats })
}

/// A file's name without its ending.
fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}
