//! The canonical quantized operator: integers in, integers out, every parameter in the operator.
//!
//! QOperator files import to it directly; QDQ files reach it through `passes`. Operands are the file's integers:
//! x (and for kernels with weights: w, then optionally an int32 bias whose scale is x_scale * w_scale * alpha). A Conv or MatMul
//! whose result is int32 gives the accumulators themselves.

use super::average_pool::AveragePool;
use super::conv::Conv;
use super::conv_transpose::ConvTranspose;
use super::quantization::Params;
use crate::arith::{AddForm, AverageForm, ProductForm};
use crate::graph::expression::Expression;
use crate::graph::int::TableSource;

/// What is computed.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// Operands x, w, optional bias.
    Conv(Conv),
    /// Operands x, w, optional bias; its weights' parameters are those of a group's channels (axis 1).
    ConvTranspose(ConvTranspose),
    /// Operands a, b, optional bias: alpha * a' * b' + bias.
    MatMul {
        /// Factor of the product.
        alpha: f32,
        /// a is transposed.
        trans_a: bool,
        /// b is transposed.
        trans_b: bool,
    },
    /// Operands a, b.
    Add(AddForm),
    /// Operands a, b.
    Mul(ProductForm),
    /// Operand x.
    Average(AveragePool, AverageForm),
    /// Operand x.
    Table(TableSource),
    /// Operand x: an expression whose constants have an element for each of the axis.
    Affine(usize, Expression),
    /// Operand x; the axis. Runs on the host.
    Softmax(usize),
    /// Any number of operands; the axis.
    Concat(usize),
}

/// A kernel between quantized tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// What is computed.
    pub kernel: Kernel,
    /// Parameters of each quantized operand (x or a; w or b).
    pub inputs: Vec<Params>,
    /// Parameters of the result.
    pub output: Params,
    /// Bounds of the result in the file's integers: the type's range, narrowed by Relu and Clip.
    pub lo: i64,
    /// See `lo`.
    pub hi: i64,
    /// Conv and MatMul: what makes the result of the accumulator of each channel, instead of one rescale. Its first
    /// constant is the scale of each channel's weights.
    pub epilogue: Option<Expression>,
}

impl Quantized {
    /// A kernel without Relu or Clip.
    pub fn new(kernel: Kernel, inputs: Vec<Params>, output: Params) -> Self {
        let (lo, hi) = output.range();
        Quantized { kernel, inputs, output, lo, hi, epilogue: None }
    }
}
