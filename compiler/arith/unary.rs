//! Unary functions of an 8-bit tensor as 256-entry tables, equal to ONNX Runtime's bytes.
//!
//! In: where the function comes from and the quantization of both sides. Out: the table over canonical integers, or
//! `None` where the operator is unknown here or its bytes can't be vouched for. Attributes carry their ONNX names;
//! Clip's bounds are `min` and `max`. Functions that ONNX Runtime
//! computes with a library exponential or logarithm (Elu, Selu, Softplus, Exp, Erf-based Gelu) are evaluated in double
//! precision; a table is given only if no entry lies so near a rounding threshold that the library's error
//! could move it.

use super::float::{dequantize, narrow, quantize};
use super::mlas;
use crate::graph::int::{QFact, TableSource};

/// Relative error that ONNX Runtime's float32 library functions stay below, with their few surrounding operations.
const LIBRARY_ERROR: f64 = 1e-6;

/// A value of a unary function in float32: known to the bit, or to an interval.
enum Image {
    Exact(f32),
    Within(f32, f32),
}

/// The table of a unary function, indexed by canonical x + 128; `None` if it can't be given exactly.
///
/// Entries for integers outside the width of `x` saturate like any other input.
pub fn unary_table(source: &TableSource, x: &QFact, y: &QFact) -> Option<Box<[i8; 256]>> {
    let mut table = Box::new([0i8; 256]);
    for (entry, q) in table.iter_mut().zip(i8::MIN..=i8::MAX) {
        *entry = one(source, x, y, i32::from(q))?;
    }
    Some(table)
}

fn one(source: &TableSource, x: &QFact, y: &QFact, q: i32) -> Option<i8> {
    // Centred differences and bounds are the same in the file's numbering and in the canonical one.
    let (lo, hi) = bounds(y.bits);
    let to_byte = |v: f32| narrow(quantize(v, y.scale, y.zero_point, lo, hi));
    let v = dequantize(q, x.scale, x.zero_point);
    let image = match source {
        TableSource::Clamp(low, high) => return Some(narrow(q.clamp(*low, *high.max(low)))),
        TableSource::Requantize => Image::Exact(v),
        TableSource::QLinear(name, attributes) => qlinear(name, attributes, v)?,
        TableSource::Float(name, attributes) => float(name, attributes, v)?,
    };
    match image {
        Image::Exact(v) => Some(to_byte(v)),
        Image::Within(least, most) => (to_byte(least) == to_byte(most)).then(|| to_byte(least)),
    }
}

/// Canonical bounds of a width of 1 to 8 bits.
fn bounds(bits: u8) -> (i32, i32) {
    let half = 1i32 << (u32::from(bits).clamp(1, 8) - 1);
    (-half, half - 1)
}

/// A float attribute, or the operator's default.
fn attribute(attributes: &[(&'static str, f32)], name: &str, default: f32) -> f32 {
    attributes.iter().find(|(n, _)| *n == name).map_or(default, |(_, v)| *v)
}

fn qlinear(name: &str, attributes: &[(&'static str, f32)], v: f32) -> Option<Image> {
    match name {
        "QLinearSigmoid" => Some(Image::Exact(mlas::logistic(v))),
        "QLinearLeakyRelu" => float("LeakyRelu", attributes, v),
        _ => None,
    }
}

/// The float32 kernels of ONNX Runtime's CPU provider; attribute defaults are the ONNX specification's.
fn float(name: &str, attributes: &[(&'static str, f32)], v: f32) -> Option<Image> {
    let alpha = |default| attribute(attributes, "alpha", default);
    let gamma = |default| attribute(attributes, "gamma", default);
    let wide = f64::from(v);
    Some(match name {
        "Relu" => Image::Exact(v.max(0.0)),
        "Clip" => {
            let low = attribute(attributes, "min", f32::MIN);
            Image::Exact(v.max(low).min(attribute(attributes, "max", f32::MAX)))
        }
        "Abs" => Image::Exact(v.abs()),
        "Neg" => Image::Exact(-v),
        "LeakyRelu" => Image::Exact(if v >= 0.0 { v } else { alpha(0.01) * v }),
        "ThresholdedRelu" => Image::Exact(if v > alpha(1.0) { v } else { 0.0 }),
        "Sigmoid" => Image::Exact(mlas::logistic(v)),
        "Tanh" => Image::Exact(mlas::tanh(v)),
        "HardSigmoid" => Image::Exact(hard_sigmoid(v, alpha(0.2), attribute(attributes, "beta", 0.5))),
        "HardSwish" => Image::Exact(v * hard_sigmoid(v, 1.0 / 6.0, 0.5)),
        "Softsign" => Image::Exact(v * (1.0 / (1.0 + v.abs()))),
        "Elu" if v >= 0.0 => Image::Exact(v),
        "Elu" => near(f64::from(alpha(1.0)) * wide.exp_m1(), f64::from(alpha(1.0)) * LIBRARY_ERROR),
        "Selu" => {
            let (a, g) = (f64::from(alpha(1.673_263_2)), f64::from(gamma(1.050_701)));
            let y = if v > 0.0 { wide } else { a * wide.exp_m1() };
            near(g * y, g * a * LIBRARY_ERROR)
        }
        "Softplus" => near(wide.max(0.0) + (-wide.abs()).exp().ln_1p(), LIBRARY_ERROR),
        "Exp" => near(wide.exp(), 0.0),
        _ => return None,
    })
}

fn hard_sigmoid(v: f32, alpha: f32, beta: f32) -> f32 {
    (alpha * v + beta).clamp(0.0, 1.0)
}

/// An interval around a value: the library's relative error and an absolute one (cancellation).
fn near(v: f64, absolute: f64) -> Image {
    let error = v.abs() * LIBRARY_ERROR + absolute;
    // Double to single rounds to nearest; one step outward keeps the interval safe.
    Image::Within(((v - error) as f32).next_down(), ((v + error) as f32).next_up())
}
