//! Functions of one 8-bit element as 256-entry tables, equal to ONNX Runtime's bytes.
//!
//! In: where the function comes from and the quantization of both sides. Out: the table over canonical integers, or
//! `None` where an entry can't be vouched for. Attributes carry their ONNX names; Clip's bounds are `min` and `max`.
//! Most functions are reproduced to the bit. Those that ONNX Runtime computes with Eigen's exponential or logarithm
//! (Elu, Selu, Celu, Softplus, Mish, Log) are narrow intervals, because the last bit there depends on the element's
//! position; a table is given only if no entry depends on where in its interval the value lies.

use super::float::{dequantize, narrow, quantize};
use super::image::Image;
use super::{Rule, eigen, expression, mlas};
use crate::graph::expression::Quantization;
use crate::graph::int::{QFact, TableSource};

/// The table of a unary function, indexed by canonical x + 128; `None` if it can't be given exactly.
///
/// Entries for integers outside the width of `x` saturate like any other input.
pub fn unary_table(source: &TableSource, x: &QFact, y: &QFact) -> Option<Box<[i8; 256]>> {
    let mut table = Box::new([0i8; 256]);
    let (x, y) = (quantization(x), quantization(y));
    for (entry, q) in table.iter_mut().zip(i8::MIN..=i8::MAX) {
        *entry = one(source, &x, &y, i32::from(q))?;
    }
    Some(table)
}

fn quantization(fact: &QFact) -> Quantization {
    Quantization {
        bounds: bounds(fact.bits),
        ..Quantization::byte(fact.scale, fact.zero_point, fact.source_offset)
    }
}

fn one(source: &TableSource, x: &Quantization, y: &Quantization, q: i32) -> Option<i8> {
    // Centred differences and bounds are the same in the file's numbering and in the canonical one.
    let v = || dequantize(q, x.scale, x.zero_point);
    let image = match source {
        TableSource::Clamp(low, high) => return Some(narrow(q.clamp(*low, *high.max(low)))),
        TableSource::Requantize => Image::exact(v()),
        TableSource::QLinear(name, attributes) => qlinear(name, attributes, v())?,
        TableSource::Float(name, attributes) => float(name, attributes, v())?,
        TableSource::Expression(e) => return expression::evaluate(e, 0, q).map(narrow),
    };
    byte(image, y).map(narrow)
}

/// QuantizeLinear of a value; `None` if that depends on where in its interval it lies.
pub(super) fn byte(image: Image, y: &Quantization) -> Option<i32> {
    let (lo, hi) = y.bounds;
    let to_byte = |v: f32| match y.rule {
        Rule::Onnx => quantize(v, y.scale, y.zero_point, lo, hi),
        // These never fall.
        Rule::Quant(_) | Rule::Sign | Rule::Bipolar | Rule::Trunc(_) => y.quantize(v),
    };
    let least = to_byte(image.lo);
    (least == to_byte(image.hi)).then_some(least)
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

/// The value before QuantizeLinear in a com.microsoft QLinear function.
pub(super) fn qlinear(name: &str, attributes: &[(&'static str, f32)], v: f32) -> Option<Image> {
    match name {
        "QLinearSigmoid" => Some(Image::exact(mlas::logistic(v))),
        "QLinearLeakyRelu" => float("LeakyRelu", attributes, v),
        _ => None,
    }
}

/// The float32 kernels of ONNX Runtime's CPU provider; attribute defaults are the ONNX specification's.
pub(super) fn float(name: &str, attributes: &[(&'static str, f32)], v: f32) -> Option<Image> {
    let alpha = |default| attribute(attributes, "alpha", default);
    let gamma = |default| attribute(attributes, "gamma", default);
    let exact = match name {
        "Relu" => v.max(0.0),
        "Clip" => v.max(attribute(attributes, "min", f32::MIN)).min(attribute(attributes, "max", f32::MAX)),
        "Abs" => v.abs(),
        "Neg" => -v,
        "Floor" => v.floor(),
        "Ceil" => v.ceil(),
        "Round" => v.round_ties_even(),
        "Sign" if v == 0.0 => 0.0,
        "Sign" => v.signum(),
        "Sqrt" => v.sqrt(),
        "Reciprocal" => 1.0 / v,
        "LeakyRelu" => {
            if v >= 0.0 {
                v
            } else {
                alpha(0.01) * v
            }
        }
        "ThresholdedRelu" => {
            if v > alpha(1.0) {
                v
            } else {
                0.0
            }
        }
        "Sigmoid" => mlas::logistic(v),
        "Tanh" => mlas::tanh(v),
        "Exp" => mlas::exp(v),
        "Erf" => mlas::erf(v),
        "Gelu" => 0.5 * v * (mlas::erf(v * std::f32::consts::FRAC_1_SQRT_2) + 1.0),
        "FastGelu" => {
            const B: f32 = 0.797_884_6; // sqrt(2 / pi)
            const C: f32 = 0.035_677_407; // 0.044715 * B
            0.5 * v * (mlas::tanh(v * (C * v * v + B)) + 1.0)
        }
        "QuickGelu" => v * mlas::logistic(alpha(1.702) * v),
        "HardSigmoid" => hard_sigmoid(v, alpha(0.2), attribute(attributes, "beta", 0.5)),
        "HardSwish" => v * hard_sigmoid(v, 1.0 / 6.0, 0.5),
        "Softsign" => v * (1.0 / (1.0 + v.abs())),
        "Elu" if v >= 0.0 => v,
        "Elu" => return Some(scaled(alpha(1.0), exp_less_one(v))),
        "Celu" => {
            let a = alpha(1.0);
            let below = scaled(a, exp_less_one(v / a)).rising(|v| v.min(0.0));
            return Some(below.rising(|b| v.max(0.0) + b));
        }
        "Selu" => {
            let below = scaled(alpha(1.673_263_2), exp_less_one(v)).rising(|v| v.min(0.0));
            return Some(scaled(gamma(1.050_701), below.rising(|b| v.max(0.0) + b)));
        }
        "Softplus" => return Some(eigen::softplus(v)),
        "Mish" => return eigen::softplus(v).each(|s| Some(Image::exact(v * mlas::tanh(s)))),
        "Log" => return Some(eigen::log(v)),
        "Shrink" => {
            let (limit, bias) = (attribute(attributes, "lambd", 0.5), attribute(attributes, "bias", 0.0));
            if v < -limit {
                v + bias
            } else if v > limit {
                v - bias
            } else {
                0.0
            }
        }
        _ => return library(name, v),
    };
    Some(Image::exact(exact))
}

/// Functions of Eigen and the C library that are not reproduced: intervals of twice the relative error that was
/// measured over millions of values (ONNX Runtime 1.32, x86-64), vectors and single elements; trigonometric functions
/// of at most 40 in size.
fn library(name: &str, v: f32) -> Option<Image> {
    const PERIODIC: f64 = 40.0;
    let x = f64::from(v);
    let (y, error) = match name {
        "Sin" | "Cos" | "Tan" if x.abs() > PERIODIC => return None,
        "Sin" => (x.sin(), 3.5e-7),
        "Cos" => (x.cos(), 3.5e-7),
        "Tan" => (x.tan(), 2e-7),
        "Asin" => (x.asin(), 1e-6),
        "Acos" => (x.acos(), 6e-7),
        "Atan" => (x.atan(), 6e-7),
        "Sinh" => (x.sinh(), 3e-7),
        "Cosh" => (x.cosh(), 3e-7),
        "Asinh" => (x.asinh(), 3e-7),
        "Acosh" => (x.acosh(), 3e-7),
        "Atanh" => (x.atanh(), 3e-7),
        _ => return None,
    };
    // Infinities and NaN come from the argument alone.
    Some(if y.is_finite() { Image::near(y, error) } else { Image::exact(y as f32) })
}

fn hard_sigmoid(v: f32, alpha: f32, beta: f32) -> f32 {
    (alpha * v + beta).clamp(0.0, 1.0)
}

/// A factor of any sign.
fn scaled(factor: f32, v: Image) -> Image {
    let (a, b) = (factor * v.lo, factor * v.hi);
    Image { lo: a.min(b), hi: a.max(b) }
}

fn exp_less_one(v: f32) -> Image {
    eigen::exp(v).rising(|e| e - 1.0)
}
