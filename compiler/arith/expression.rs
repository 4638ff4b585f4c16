//! A function that several operators compute, evaluated at one integer.
//!
//! In: the steps and a canonical integer. Out: the canonical integer of the last step, or `None` where rounding
//! somewhere depends on the last bits of a library function.

use super::float::dequantize;
use super::image::Image;
use super::unary::{byte, float, qlinear};
use super::{AddForm, AddSpec, ProductForm, ProductSpec};
use crate::graph::expression::{Binary, Expression, Operand, Quantization, Quantized, Step};

/// The bits of every integer in an expression.
const BITS: u8 = 8;

/// The value of a step.
#[derive(Clone, Copy)]
enum Value {
    Integer(i32),
    Float(Image),
}

/// The last step's integer for x = `q`.
pub(super) fn evaluate(expression: &Expression, q: i32) -> Option<i32> {
    let mut values = Vec::with_capacity(expression.steps.len());
    for step in &expression.steps {
        values.push(compute(step, q, &values)?);
    }
    match values.last()? {
        Value::Integer(v) => Some(*v),
        Value::Float(_) => None,
    }
}

fn compute(step: &Step, q: i32, values: &[Value]) -> Option<Value> {
    let value = |operand: Operand| match operand {
        Operand::X => Some(Value::Integer(q)),
        Operand::Step(n) => values.get(n).copied(),
        Operand::Float(v) => Some(Value::Float(Image::exact(v))),
        Operand::Integer(v) => Some(Value::Integer(v)),
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
        Step::Quantize(x, y) => Value::Integer(byte(image(*x)?, y, BITS)?),
        Step::Clamp(x, lo, hi) => Value::Integer(integer(*x)?.clamp(*lo, *hi.max(lo))),
        Step::Function(name, attributes, x) => Value::Float(image(*x)?.each(|v| float(name, attributes, v))?),
        Step::QLinearFunction(name, attributes, x, y) => {
            Value::Integer(byte(qlinear(name, attributes, real(*x)?)?, y, BITS)?)
        }
        Step::Arithmetic(kind, [a, b]) => Value::Float(Image::arithmetic(*kind, image(*a)?, image(*b)?)?),
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
