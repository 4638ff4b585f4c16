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
pub(super) fn evaluate(expression: &Expression, channel: usize, q: i32) -> Option<i32> {
    let mut values = Vec::with_capacity(expression.steps.len());
    for step in &expression.steps {
        values.push(compute(step, q, &values, |k| expression.constants.get(k)?.get(channel).copied())?);
    }
    match values.last()? {
        Value::Integer(v) => Some(*v),
        Value::Float(_) => None,
    }
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
