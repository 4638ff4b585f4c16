//! Float operators with constants for each channel, on one byte: the reference of each channel's lane.
//!
//! In: a convolution of one element whose bytes an expression says, and what its accumulators reach. Out: each channel's
//! step function of the accumulator, sign * (x - zero point) + bias, that is of every byte that the operand can hold.

use super::interval::Interval;
use super::layer::{Place, Reference, int32};
use super::steps::Steps;
use crate::arith::{channel_table, line};
use crate::diag::{Result, code};
use crate::graph::expression::Expression;
use crate::graph::int::Conv;

/// The reference of every channel.
pub(super) fn references(
    place: &Place,
    op: &Conv,
    e: &Expression,
    reach: &[Interval],
) -> Result<Vec<Reference>> {
    let (fact, _) = place.operand()?;
    let zero = i64::from(fact.zero_point);
    let mut all = Vec::with_capacity(reach.len());
    for (c, ((&(from, to), weight), &bias)) in reach.iter().zip(&op.weight).zip(&op.bias).enumerate() {
        let fault = |cause: &str| {
            let cause = format!("channel {c}: {cause}");
            place.fault(code::RESCALE_INFEASIBLE, "a function of each channel has no integer form", cause)
        };
        let (Some(table), Some((slope, intercept))) = (channel_table(e, c), line(e, c)) else {
            return Err(fault("it is no straight line").into());
        };
        let (sign, bias) = (i64::from(*weight), i64::from(bias));
        // Of a level channel every byte makes the same.
        let f = |acc: i64| {
            let at = usize::try_from((acc - bias) * sign + zero + 128).unwrap_or(0);
            i32::from(table[at.min(table.len() - 1)])
        };
        let level = sign != 0 || table.iter().all(|y| *y == table[0]);
        if !level || !(from..to).all(|acc| f(acc) <= f(acc + 1)) {
            return Err(fault("float32 does not keep to its direction").into());
        }
        let at_zero = intercept + slope * f64::from(int32(zero));
        let slope = slope.abs();
        let intercept = at_zero - slope * f64::from(int32(bias));
        let steps = Steps::find(f, from, to, slope.max(f64::MIN_POSITIVE), intercept);
        // Rounded; the exact lane is tried with it, and the proof decides.
        all.push(Reference { steps, slope, intercept, scale: slope as f32 });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::super::tests::{Random, fact, input, value};
    use super::super::{RescaleMode, solve};
    use crate::arith::RescaleSpec;
    use crate::arith::lane::Channel;
    use crate::diag::{Diagnostics, code};
    use crate::graph::NodeId;
    use crate::graph::expression::{Expression, Operand, Quantization, Step};
    use crate::graph::int::*;

    /// x * factor + summand of each channel between 8-bit tensors, with or without Relu.
    struct Lines {
        x: (f32, i32),
        y: (f32, i32),
        factors: Vec<f32>,
        summands: Vec<f32>,
        relu: bool,
    }

    impl Lines {
        fn random(random: &mut Random, dyadic: bool) -> Lines {
            let zero_point = |random: &mut Random| i32::try_from(random.range(-128, 127)).unwrap();
            let zero_points = [zero_point(random), zero_point(random)];
            let mut real = |low: i64, high: i64| random.range(low * 10_000, high * 10_000) as f32 * 1.003e-7;
            let scale = |v: f32| if dyadic { v.log2().round().exp2() } else { v };
            let (sx, sy) = (scale(real(5, 80)), scale(real(5, 80)));
            let factor = |v: f32| if dyadic { (v * 4.0).round() / 4.0 } else { v };
            let factors = (0..24)
                .map(|c| match c {
                    0 => 0.0,
                    1 => 1e-6,
                    2 => -3e4,
                    3 => 1e30,
                    _ => factor(real(-3000, 3000)),
                })
                .collect();
            let summands =
                (0..24).map(|c| if c % 5 == 0 { 0.0 } else { factor(real(-2000, 2000)) }).collect();
            let relu = real(0, 1000) < 0.5;
            Lines { x: (sx, zero_points[0]), y: (sy, zero_points[1]), factors, summands, relu }
        }

        /// The formula itself.
        fn byte(&self, c: usize, q: i32) -> i32 {
            let v = (q - self.x.1) as f32 * self.x.0 * self.factors[c] + self.summands[c];
            let v = if self.relu { v.max(0.0) } else { v };
            (v / self.y.0).round_ties_even().clamp(-1e6, 1e6) as i32 + self.y.1
        }

        fn graph(&self) -> (IntGraph, NodeId) {
            let of = |(scale, zero_point): (f32, i32)| Quantization::byte(scale, zero_point, 0);
            let mut steps = vec![
                Step::Dequantize((Operand::X, of(self.x))),
                Step::BatchNormalization([Operand::Step(0), Operand::Channel(0), Operand::Channel(1)]),
            ];
            if self.relu {
                steps.push(Step::Function("Relu", vec![], Operand::Step(1)));
            }
            steps.push(Step::Quantize(Operand::Step(steps.len() - 1), of(self.y)));
            let channels = self.factors.len();
            let e = Expression { steps, constants: vec![self.factors.clone(), self.summands.clone()] };
            let sign = |c: usize| if self.factors[c] == 0.0 { 0 } else { self.factors[c].signum() as i16 };
            let scale = |f: &f32| f.abs() * self.x.0 / self.y.0;
            // Where the lines go through the output's zero point at an integer.
            let bias = |c: usize| match self.summands[c] / (self.factors[c].abs() * self.x.0) {
                v if v.fract() == 0.0 && v.abs() < 1e5 => v as i32,
                _ => 0,
            };
            let conv = Conv {
                window: Window::POINT,
                groups: channels,
                weight: Array4::from_shape_fn((channels, 1, 1, 1), |(c, ..)| sign(c)),
                bias: (0..channels).map(bias).collect(),
                rescale: RescaleSpec {
                    scale: self.factors.iter().map(scale).collect(),
                    zero_point: self.y.1,
                    lo: if self.relu { self.y.1 } else { -128 },
                    hi: 127,
                },
                weight_scale: vec![1.0],
                form: ConvForm::Affine(e),
            };
            let mut graph = IntGraph::default();
            let x = input(&mut graph, fact([channels, 2, 2], self.x.0, self.x.1));
            let y = value("lines", fact([channels, 2, 2], self.y.0, self.y.1));
            let id = graph.add("lines", IntOp::Conv(conv), &[x.into()], y);
            (graph, id)
        }
    }

    /// Lines of every channel, steep, level and falling ones: each byte of the lane is the formula's.
    #[test]
    fn lines_are_exact_on_all_bytes() {
        let mut random = Random(29);
        let (mut refused, mut exact) = (0, 0);
        for n in 0..300 {
            let dyadic = n % 3 == 0;
            let lines = Lines::random(&mut random, dyadic);
            let (graph, id) = lines.graph();
            let quantized = match solve(&graph, RescaleMode::Proved) {
                Ok(quantized) => quantized,
                Err(Diagnostics(faults)) => {
                    assert!(dyadic && faults[0].code == code::RESCALE_INFEASIBLE, "{faults:?}");
                    assert!(faults[0].cause.starts_with("channel "), "{faults:?}");
                    refused += 1;
                    continue;
                }
            };
            let layer = &quantized.layers[&id];
            let IntOp::Conv(conv) = &graph.node(id).op else { panic!("no convolution") };
            for (c, channel) in layer.channels.iter().enumerate() {
                exact += usize::from(matches!(channel, Channel::Exact { .. }));
                for q in -128..=127 {
                    let acc = i64::from(conv.weight[[c, 0, 0, 0]]) * i64::from(q - lines.x.1)
                        + i64::from(conv.bias[c]);
                    let y = i32::from(channel.apply(acc, layer.lo, layer.hi));
                    assert_eq!(y, lines.byte(c, q).clamp(-128, 127), "{n} {c} {q}");
                }
            }
        }
        eprintln!("{refused} of 100 with ties refused, {exact} exact lanes");
        assert!(refused < 100);
    }
}
