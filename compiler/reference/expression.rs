//! A table's expression as ONNX nodes, one for each step.

use super::build::{Builder, MICROSOFT};
use crate::graph::expression::{Attributes, Expression, Operand, Quantization, Step};
use crate::onnx::model::{Attribute, DType};

/// The oldest ai.onnx opset that has a float function.
pub(crate) fn opset(function: &str) -> i64 {
    match function {
        "Gelu" => 20,
        "Mish" => 18,
        "HardSwish" => 14,
        _ => 13,
    }
}

/// The oldest ai.onnx opset that has every function of an expression.
pub(crate) fn opset_of(expression: &Expression) -> i64 {
    let steps = expression.steps.iter();
    steps.map(|s| if let Step::Function(name, ..) = s { opset(name) } else { 13 }).max().unwrap_or(13)
}

fn byte(q: &Quantization) -> DType {
    if q.offset > 0 { DType::U8 } else { DType::I8 }
}

struct Writer<'a> {
    b: &'a mut Builder,
    name: &'a str,
    x: &'a str,
    /// Of x.
    channels: usize,
    constants: &'a [Vec<f32>],
    values: Vec<String>,
}

impl Writer<'_> {
    fn operand(&mut self, operand: Operand, q: Option<&Quantization>) -> String {
        match operand {
            Operand::X => self.x.to_owned(),
            Operand::Step(n) => self.values.get(n).cloned().unwrap_or_default(),
            // The tensor is [1, c, h, w].
            Operand::Channel(_) => self.channels(operand, &[self.channels, 1, 1]),
            Operand::Float(v) => self.b.floats(&format!("{}_constant", self.name), &[], &[v]),
            Operand::Integer(v) => {
                let (dtype, offset) = q.map_or((DType::I8, 0), |q| (byte(q), q.offset));
                let value = vec![i64::from(v) + i64::from(offset)];
                self.b.ints(&format!("{}_constant", self.name), dtype, &[], value)
            }
        }
    }

    /// A constant's elements, one for each channel.
    fn channels(&mut self, operand: Operand, shape: &[usize]) -> String {
        let data = match operand {
            Operand::Channel(k) => self.constants.get(k).cloned().unwrap_or_default(),
            Operand::Float(v) => vec![v; self.channels],
            Operand::X | Operand::Step(_) | Operand::Integer(_) => Vec::new(),
        };
        self.b.floats(&format!("{}_constant", self.name), shape, &data)
    }

    /// Scale and zero point.
    fn pair(&mut self, q: &Quantization) -> [String; 2] {
        let scale = self.b.floats(&format!("{}_scale", self.name), &[], &[q.scale]);
        let zero = vec![i64::from(q.zero_point) + i64::from(q.offset)];
        [scale, self.b.ints(&format!("{}_zero_point", self.name), byte(q), &[], zero)]
    }

    fn node(&mut self, op: (&str, &str), inputs: &[String], to: &str, attributes: &Attributes) {
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = attributes.iter().map(|(k, v)| (*k, Attribute::Float(*v))).collect();
        self.b.node(self.name, op, &inputs, to, attributes);
    }

    fn step(&mut self, step: &Step, to: &str) {
        let mut inputs = Vec::new();
        let mut triple = |w: &mut Self, operand: Operand, q: &Quantization| {
            inputs.push(w.operand(operand, Some(q)));
            inputs.extend(w.pair(q));
        };
        match step {
            Step::Dequantize((x, q)) => {
                triple(self, *x, q);
                self.node(("", "DequantizeLinear"), &inputs, to, &vec![]);
            }
            Step::Quantize(x, y) => {
                let x = self.operand(*x, None);
                let [scale, zero] = self.pair(y);
                if y.bounds == (-128, 127) {
                    self.node(("", "QuantizeLinear"), &[x, scale, zero], to, &vec![]);
                } else {
                    let all = self.b.fresh(&format!("{to}_byte"));
                    self.node(("", "QuantizeLinear"), &[x, scale, zero], &all, &vec![]);
                    let bounds = [y.bounds.0, y.bounds.1].map(|v| self.operand(Operand::Integer(v), Some(y)));
                    let [lo, hi] = bounds;
                    self.node(("", "Clip"), &[all, lo, hi], to, &vec![]);
                }
            }
            Step::Clamp((x, q), lo, hi) => {
                let inputs = [
                    self.operand(*x, Some(q)),
                    self.operand(Operand::Integer(*lo), Some(q)),
                    self.operand(Operand::Integer(*hi), Some(q)),
                ];
                self.node(("", "Clip"), &inputs, to, &vec![]);
            }
            Step::Function(name, attributes, x) => {
                let x = self.operand(*x, None);
                function(self.b, self.name, name, attributes, &x, to);
            }
            Step::QLinearFunction(name, attributes, (x, q), y) => {
                triple(self, *x, q);
                inputs.extend(self.pair(y));
                self.node((MICROSOFT, name), &inputs, to, attributes);
            }
            Step::Arithmetic(kind, [a, b]) => {
                let inputs = [self.operand(*a, None), self.operand(*b, None)];
                self.node(("", kind.name()), &inputs, to, &vec![]);
            }
            Step::BatchNormalization([x, factor, summand]) => {
                // With mean 0, variance 1 and epsilon 0 the operator's factor and summand are its scale and bias.
                let shape = [self.channels];
                let inputs = [
                    self.operand(*x, None),
                    self.channels(*factor, &shape),
                    self.channels(*summand, &shape),
                    self.channels(Operand::Float(0.0), &shape),
                    self.channels(Operand::Float(1.0), &shape),
                ];
                self.node(("", "BatchNormalization"), &inputs, to, &vec![("epsilon", 0.0)]);
            }
            // Refused before: ONNX Runtime has no integer accumulator that becomes a float.
            Step::Accumulated { .. } | Step::Threshold(..) => {}
            Step::QLinearArithmetic(_, [(a, p), (b, q)], y) => {
                triple(self, *a, p);
                triple(self, *b, q);
                inputs.extend(self.pair(y));
                self.node((MICROSOFT, step.name()), &inputs, to, &vec![]);
            }
        }
    }
}

/// Writes a float function of one operand; gives the result's name.
pub(crate) fn function(
    b: &mut Builder,
    node: &str,
    name: &str,
    attributes: &Attributes,
    x: &str,
    to: &str,
) -> String {
    if name == "Clip" {
        // From opset 11 on the bounds are operands.
        let bound =
            |key: &str, default: f32| attributes.iter().find(|(k, _)| *k == key).map_or(default, |(_, v)| *v);
        let constant = format!("{node}_constant");
        let low = b.floats(&constant, &[], &[bound("min", f32::MIN)]);
        let high = b.floats(&constant, &[], &[bound("max", f32::MAX)]);
        return b.node(node, ("", "Clip"), &[x, &low, &high], to, vec![]);
    }
    let domain = if matches!(name, "FastGelu" | "QuickGelu") { MICROSOFT } else { "" };
    let attributes = attributes.iter().map(|(k, v)| (*k, Attribute::Float(*v))).collect();
    b.node(node, (domain, name), &[x], to, attributes)
}

/// Writes the steps for tensor `x` of so many channels; the last one's result is called `y`.
pub(crate) fn write(
    b: &mut Builder,
    name: &str,
    expression: &Expression,
    (x, channels): (&str, usize),
    y: &str,
) {
    let constants = &expression.constants;
    let mut w = Writer { b, name, x, channels, constants, values: Vec::new() };
    for (k, step) in expression.steps.iter().enumerate() {
        let last = k + 1 == expression.steps.len();
        let to = if last { y.to_owned() } else { w.b.fresh(&format!("{y}_step{k}")) };
        w.step(step, &to);
        w.values.push(to);
    }
}
