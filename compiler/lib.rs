//! onnx2chip compiles a quantized ONNX network into a verified, synthesizable Verilog accelerator.
//!
//! Stages are types: `onnx::Model -> Graph<Float> -> Graph<Int> -> Plan -> Checked<Design> -> Files`.
//! See `docs/architecture.md` for the invariants.

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
