//! The only definition of rounding, saturation and requantization.
//!
//! The specification types say what ONNX Runtime computes (profile `ort-x86`); the integer lanes in
//! [`lane`] say what the hardware computes; `quant` proves that they agree over the reachable interval.

mod add;
mod average;
mod eigen;
mod expression;
mod float;
pub mod host;
mod image;
pub mod lane;
mod mlas;
mod product;
mod quantizer;
mod rescale;
pub mod softmax;
mod unary;

#[cfg(test)]
mod tests;

pub use average::Spread;
pub use expression::{Direction, channel_table, direction, evaluate, evaluate_float, line};
pub use mlas::Lanes;
pub use quantizer::{Quantizer, Rounding, Rule, Threshold, Truncation};
pub use rescale::requantize;
pub use unary::unary_table;

/// Accumulator to output integer: y = clamp(rne(fl32(acc) * scale) + zero_point, lo, hi), one float32
/// conversion, one float32 multiply, round to nearest even (MLAS `MlasRequantizeOutput`).
#[derive(Clone, Debug, PartialEq)]
pub struct RescaleSpec {
    /// fl32(fl32(x_scale * w_scale) / y_scale), one or one per output channel.
    pub scale: Vec<f32>,
    /// Canonical zero point of the output.
    pub zero_point: i32,
    /// Canonical bounds of the output, Relu and Clip included.
    pub lo: i32,
    /// See `lo`.
    pub hi: i32,
}

/// Which operator an integer addition, or subtraction, reproduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddForm {
    /// com.microsoft QLinearAdd: rne(fma(ra, a, fma(rb, b, fl(zy - fma(ra, za, fl(rb*zb)))))), r = fl(s / sy).
    QLinear,
    /// DequantizeLinear, Add, QuantizeLinear in float32: rne(fl(fl((a-za)*sa) + fl((b-zb)*sb)) / sy) + zy.
    Float,
    /// DequantizeLinear, Sub, QuantizeLinear in float32: rne(fl(fl((a-za)*sa) - fl((b-zb)*sb)) / sy) + zy.
    Difference,
}

impl AddForm {
    /// The ONNX operator.
    pub fn name(self) -> &'static str {
        match self {
            AddForm::QLinear | AddForm::Float => "Add",
            AddForm::Difference => "Sub",
        }
    }
}

/// Addition of two quantized tensors; a, b and y are canonical integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddSpec {
    /// Which formula.
    pub form: AddForm,
    /// Scale and the *file's* zero point of a, with its source offset (0 int8, 128 uint8).
    pub a: (f32, i32, i32),
    /// The same of b.
    pub b: (f32, i32, i32),
    /// The same of y.
    pub y: (f32, i32, i32),
    /// Canonical bounds of the output, Relu and Clip included.
    pub lo: i32,
    /// See `lo`.
    pub hi: i32,
}

/// Which operator an integer product reproduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductForm {
    /// com.microsoft QLinearMul: rne(fl(fl((a-za)*(b-zb) * r) + zy)), r = fl(fl(sa*sb) / sy).
    QLinear,
    /// DequantizeLinear, Mul, QuantizeLinear in float32: rne(fl(fl(fl((a-za)*sa) * fl((b-zb)*sb)) / sy)) + zy.
    Float,
}

/// Product of two quantized tensors; a, b and y are canonical integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProductSpec {
    /// Which formula.
    pub form: ProductForm,
    /// Scale and the *file's* zero point of a, with its source offset (0 int8, 128 uint8).
    pub a: (f32, i32, i32),
    /// The same of b.
    pub b: (f32, i32, i32),
    /// The same of y.
    pub y: (f32, i32, i32),
    /// Canonical bounds of the output, Relu and Clip included.
    pub lo: i32,
    /// See `lo`.
    pub hi: i32,
}

/// Which operator an average reproduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AverageForm {
    /// com.microsoft QLinearGlobalAveragePool.
    QLinearGlobal,
    /// com.microsoft QLinearAveragePool. A window over the whole map without pads is `QLinearGlobal` there, so here.
    QLinear,
    /// DequantizeLinear, AveragePool or GlobalAveragePool, QuantizeLinear in float32.
    Float,
}

/// Average of quantized values: a function of the centred sum and the divisor, where [`AverageSpec::spread`] says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AverageSpec {
    /// Which formula.
    pub form: AverageForm,
    /// Scale and canonical zero point of x.
    pub x: (f32, i32),
    /// Scale and canonical zero point of y.
    pub y: (f32, i32),
    /// Canonical bounds of the output.
    pub lo: i32,
    /// See `lo`.
    pub hi: i32,
}
