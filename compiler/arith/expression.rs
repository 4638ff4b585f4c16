//! A function that several operators compute, evaluated at one integer.
//!
//! In: the steps, a channel and a canonical integer. Out: the canonical integer of the last step, or `None` where rounding
//! somewhere depends on the last bits of a library function. Also the straight line that chains of additions and products
//! would be without rounding.

use super::float::{dequantize, narrow};
use super::host;
use super::image::Image;
use super::unary::{byte, float, qlinear};
use super::{AddForm, AddSpec, ProductForm, ProductSpec};
use crate::graph::expression::{Binary, Expression, Operand, Quantization, Quantized, Step};

/// The value of a step.
#[derive(Clone, Copy)]
enum Value {
    Integer(i32),
    Float(Image),
}

/// The bytes of one channel, indexed by canonical x + 128; `None` if they can't be given exactly.
pub fn channel_table(expression: &Expression, channel: usize) -> Option<[i8; 256]> {
    let mut table = [0i8; 256];
    for (entry, q) in table.iter_mut().zip(i8::MIN..=i8::MAX) {
        *entry = narrow(evaluate(expression, channel, i32::from(q))?);
    }
    Some(table)
}

/// Slope and intercept, in canonical integers, of what a channel computes between its bounds; `None` if that is no
/// straight line: one that additions of constants and products and quotients with them make of x, Relu and Clip
/// aside, between one DequantizeLinear and one QuantizeLinear.
pub fn line(expression: &Expression, channel: usize) -> Option<(f64, f64)> {
    /// A value before QuantizeLinear.
    #[derive(Clone, Copy)]
    enum Real {
        Line(f64, f64),
        Constant(f64),
    }
    let (last, before) = expression.steps.split_last()?;
    let mut values: Vec<Real> = Vec::with_capacity(before.len());
    let constant = |operand| match operand {
        Operand::Float(v) => Some(v),
        Operand::Channel(k) => expression.constants.get(k)?.get(channel).copied(),
        Operand::X | Operand::Step(_) | Operand::Integer(_) => None,
    };
    for step in before {
        let real = |operand: &Operand| match *operand {
            Operand::Step(n) => values.get(n).copied(),
            other => constant(other).map(|v| Real::Constant(f64::from(v))),
        };
        let value = match step {
            Step::Dequantize((Operand::X, q)) => {
                let scale = f64::from(q.scale);
                Real::Line(scale, -f64::from(q.zero_point) * scale)
            }
            Step::Accumulated { x: Operand::X, bias, scale, weight, alpha } => {
                let factor = f64::from(*scale) * f64::from(constant(*weight)?) * f64::from(*alpha);
                Real::Line(factor, -f64::from(constant(*bias)?) * factor)
            }
            // An integer constant, dequantized exactly as the operator does it.
            Step::Dequantize((Operand::Integer(v), q)) => {
                Real::Constant(f64::from(dequantize(*v, q.scale, q.zero_point)))
            }
            Step::Function("Relu" | "Clip", _, x) => real(x)?,
            Step::BatchNormalization([x, factor, summand]) => match (real(x)?, real(factor)?, real(summand)?)
            {
                (Real::Line(a, b), Real::Constant(f), Real::Constant(s)) => Real::Line(a * f, b * f + s),
                _ => return None,
            },
            Step::Arithmetic(kind, [x, y]) => match (kind, real(x)?, real(y)?) {
                (Binary::Add, Real::Line(a, b), Real::Constant(c))
                | (Binary::Add, Real::Constant(c), Real::Line(a, b)) => Real::Line(a, b + c),
                (Binary::Sub, Real::Line(a, b), Real::Constant(c)) => Real::Line(a, b - c),
                (Binary::Sub, Real::Constant(c), Real::Line(a, b)) => Real::Line(-a, c - b),
                (Binary::Mul, Real::Line(a, b), Real::Constant(c))
                | (Binary::Mul, Real::Constant(c), Real::Line(a, b)) => Real::Line(a * c, b * c),
                (Binary::Div, Real::Line(a, b), Real::Constant(c)) => Real::Line(a / c, b / c),
                _ => return None,
            },
            _ => return None,
        };
        values.push(value);
    }
    match last {
        Step::Quantize(Operand::Step(n), q) => match *values.get(*n)? {
            Real::Line(a, b) => {
                let scale = f64::from(q.scale);
                Some((a / scale, b / scale + f64::from(q.zero_point)))
            }
            Real::Constant(_) => None,
        },
        _ => None,
    }
}

/// The last step's integer for x = `q`.
pub fn evaluate(expression: &Expression, channel: usize, q: i32) -> Option<i32> {
    match last(expression, channel, q)? {
        Value::Integer(v) => Some(v),
        Value::Float(_) => None,
    }
}

/// The last step's float for x = `q`; `None` where that is not known to the bit.
pub fn evaluate_float(expression: &Expression, channel: usize, q: i32) -> Option<f32> {
    match last(expression, channel, q)? {
        Value::Float(image) => image.is_exact().then_some(image.lo),
        Value::Integer(_) => None,
    }
}

fn last(expression: &Expression, channel: usize, q: i32) -> Option<Value> {
    let mut values = Vec::with_capacity(expression.steps.len());
    for step in &expression.steps {
        values.push(compute(step, q, &values, |k| expression.constants.get(k)?.get(channel).copied())?);
    }
    values.last().copied()
}

/// Which way a function of an accumulator goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It never falls.
    Rising,
    /// It never rises.
    Falling,
}

/// The direction of a chain of operators, each of which reads the one before and constants; `None` where they do not
/// guarantee one. float32 rounding never falls, so it is that of the operators on reals.
pub fn direction(expression: &Expression, channel: usize) -> Option<Direction> {
    let constant = |operand: &Operand| match *operand {
        Operand::Float(v) => Some(v),
        Operand::Channel(k) => expression.constants.get(k)?.get(channel).copied(),
        Operand::X | Operand::Step(_) | Operand::Integer(_) => None,
    };
    let mut rising = true;
    for (n, step) in expression.steps.iter().enumerate() {
        let above = |operand: &Operand| match *operand {
            Operand::X => n == 0,
            Operand::Step(k) => k + 1 == n,
            Operand::Float(_) | Operand::Integer(_) | Operand::Channel(_) => false,
        };
        let keeps = match step {
            Step::Dequantize((x, _)) | Step::Quantize(x, _) | Step::Clamp((x, _), ..) => {
                above(x).then_some(true)
            }
            Step::Threshold(x, ..) => above(x).then_some(true),
            Step::Accumulated { x, weight, alpha, .. } if above(x) => {
                Some((constant(weight)? < 0.0) == (*alpha < 0.0))
            }
            Step::Function(name, attributes, x) if above(x) => {
                let get = |key: &str, default: f32| {
                    attributes.iter().find(|(k, _)| *k == key).map_or(default, |(_, v)| *v)
                };
                match *name {
                    "Relu" | "Clip" | "Floor" | "Ceil" | "Round" | "Sign" => Some(true),
                    "Neg" => Some(false),
                    "LeakyRelu" => (get("alpha", 0.01) >= 0.0).then_some(true),
                    "HardSigmoid" => (get("alpha", 0.2) >= 0.0).then_some(true),
                    _ => None,
                }
            }
            Step::BatchNormalization([x, factor, _]) if above(x) => Some(constant(factor)? >= 0.0),
            Step::Arithmetic(kind, [a, b]) => match (kind, above(a), above(b)) {
                (Binary::Add | Binary::Min | Binary::Max, true, false) => constant(b).map(|_| true),
                (Binary::Add | Binary::Min | Binary::Max, false, true) => constant(a).map(|_| true),
                (Binary::Sub, true, false) => constant(b).map(|_| true),
                (Binary::Sub, false, true) => constant(a).map(|_| false),
                (Binary::Mul, true, false) => Some(constant(b)? >= 0.0),
                (Binary::Mul, false, true) => Some(constant(a)? >= 0.0),
                (Binary::Div, true, false) => constant(b).filter(|v| *v != 0.0).map(|v| v > 0.0),
                (Binary::PRelu, true, false) => constant(b).filter(|v| *v >= 0.0).map(|_| true),
                _ => None,
            },
            Step::Accumulated { .. }
            | Step::Function(..)
            | Step::BatchNormalization(_)
            | Step::QLinearFunction(..)
            | Step::QLinearArithmetic(..) => None,
        };
        rising ^= !keeps?;
    }
    Some(if rising { Direction::Rising } else { Direction::Falling })
}

fn compute(step: &Step, q: i32, values: &[Value], constant: impl Fn(usize) -> Option<f32>) -> Option<Value> {
    let value = |operand: Operand| match operand {
        Operand::X => Some(Value::Integer(q)),
        Operand::Step(n) => values.get(n).copied(),
        Operand::Float(v) => Some(Value::Float(Image::exact(v))),
        Operand::Integer(v) => Some(Value::Integer(v)),
        Operand::Channel(k) => Some(Value::Float(Image::exact(constant(k)?))),
    };
    let image = |operand| match value(operand)? {
        Value::Float(v) => Some(v),
        Value::Integer(_) => None,
    };
    let integer = |(operand, _): Quantized| match value(operand)? {
        Value::Integer(v) => Some(v),
        Value::Float(_) => None,
    };
    let real = |x: Quantized| Some(dequantize(integer(x)?, x.1.scale, x.1.zero_point));
    Some(match step {
        Step::Dequantize(x) => Value::Float(Image::exact(real(*x)?)),
        Step::Quantize(x, y) => Value::Integer(byte(image(*x)?, y)?),
        Step::Clamp(x, lo, hi) => Value::Integer(integer(*x)?.clamp(*lo, *hi.max(lo))),
        Step::Function(name, attributes, x) => Value::Float(image(*x)?.each(|v| float(name, attributes, v))?),
        Step::QLinearFunction(name, attributes, x, y) => {
            Value::Integer(byte(qlinear(name, attributes, real(*x)?)?, y)?)
        }
        Step::Arithmetic(kind, [a, b]) => Value::Float(Image::arithmetic(*kind, image(*a)?, image(*b)?)?),
        Step::BatchNormalization([x, factor, summand]) => {
            let [x, factor, summand] = [image(*x)?, image(*factor)?, image(*summand)?];
            if !(x.is_exact() && factor.is_exact() && summand.is_exact()) {
                return None;
            }
            Value::Float(Image::exact(host::affine(x.lo, (factor.lo, summand.lo))))
        }
        Step::Accumulated { x, bias, scale, weight, alpha } => {
            let (Value::Integer(acc), bias, weight) = (value(*x)?, image(*bias)?, image(*weight)?) else {
                return None;
            };
            // Scales of 24 bits each: their product is exact.
            let factor = f64::from(*scale) * f64::from(weight.lo) * f64::from(*alpha);
            Value::Float(Image::exact(((f64::from(acc) - f64::from(bias.lo)) * factor) as f32))
        }
        Step::Threshold(x, thresholds, values) => {
            let x = image(*x)?;
            let reached = |v: f32| -> Option<usize> {
                let each = thresholds.iter().map(|t| Some(v >= image(*t)?.lo));
                each.collect::<Option<Vec<bool>>>().map(|all| all.into_iter().filter(|r| *r).count())
            };
            let (low, high) = (reached(x.lo)?, reached(x.hi)?);
            if low != high {
                return None;
            }
            Value::Float(Image::exact(*values.get(low)?))
        }
        Step::QLinearArithmetic(kind, [a, b], y) => {
            Value::Integer(qlinear_arithmetic(*kind, (integer(*a)?, a.1), (integer(*b)?, b.1), *y)?)
        }
    })
}

/// com.microsoft QLinearAdd and QLinearMul.
fn qlinear_arithmetic(
    kind: Binary,
    (a, pa): (i32, Quantization),
    (b, pb): (i32, Quantization),
    y: Quantization,
) -> Option<i32> {
    let side = |p: Quantization| (p.scale, p.zero_point + p.offset, p.offset);
    let (a, b) = (i8::try_from(a).ok()?, i8::try_from(b).ok()?);
    let (sa, sb, sy, lo, hi) = (side(pa), side(pb), side(y), -128, 127);
    match kind {
        Binary::Add => {
            let form = AddForm::QLinear;
            Some(i32::from(AddSpec { form, a: sa, b: sb, y: sy, lo, hi }.apply(a, b)))
        }
        Binary::Mul => {
            let form = ProductForm::QLinear;
            Some(i32::from(ProductSpec { form, a: sa, b: sb, y: sy, lo, hi }.apply(a, b)))
        }
        Binary::Sub | Binary::Div | Binary::Min | Binary::Max | Binary::Pow | Binary::PRelu => None,
    }
}
