//! ONNX Runtime as the reference: the canonical graph exported for it, and comparisons with it.

mod build;
pub mod compare;
mod cut;
pub mod export;
mod expression;
mod float;
mod layout;
mod moves;
pub mod ort;
mod prepare;
mod qlinear_conv;
mod select;
mod steps;
#[cfg(test)]
mod tests;
