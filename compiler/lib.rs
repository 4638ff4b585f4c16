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
