//! ONNX Runtime as the reference: the canonical graph exported for it, and comparisons with it.

mod build;
pub mod export;
mod layout;
mod steps;
