//! Layers whose result is a function of the accumulator, or the accumulator itself.
//!
//! In: a kernel with an expression, or with an int32 result, and its centred weights. Out: the integer stage's convolution
//! whose functions never fall: where a channel's falls, its weights and their scale are negated.

use ndarray::{Array4, ArrayView4, Axis};

use super::layout::Placed;
use super::{Lower, Lowered, bounds, fact};
use crate::arith::{Direction, RescaleSpec, direction, evaluate, line};
use crate::diag::code;
use crate::graph::expression::{Expression, Operand, Quantization, Step};
use crate::graph::int::{self, ConvForm, IntOp, QFact, Window};
use crate::graph::{NodeId, Port};
use crate::onnx::model::DType;
use crate::ops::quantization::Params;
use crate::ops::quantized::Quantized;
use crate::passes::names::at;

/// A convolution without its result's shape.
pub(super) struct Layer {
    op: int::Conv,
    /// Of an accumulator that leaves the chip.
    bytes: Option<usize>,
}

/// What a channel's accumulator reaches.
fn reach(weights: &ndarray::ArrayView3<'_, i16>, x: &Params) -> (i64, i64) {
    let zero = x.zero_point.first().copied().unwrap_or(0);
    let (low, high) = (x.lo - zero, x.hi - zero);
    // Pads contribute 0.
    let (low, high) = (low.min(0), high.max(0));
    weights.iter().map(|w| i64::from(*w)).fold((0, 0), |(from, to), w| {
        if w > 0 { (from + w * low, to + w * high) } else { (from + w * high, to + w * low) }
    })
}

impl Lower<'_> {
    pub(super) fn accumulated(
        &self,
        id: NodeId,
        q: &Quantized,
        (window, groups): (Window, usize),
        weight: ArrayView4<'_, i16>,
    ) -> Lowered<Option<Layer>> {
        let x = &q.inputs[0];
        let weight_scale = q.inputs[1].scale.clone();
        if let Some(e) = &q.epilogue {
            let y = fact(self.graph, id, &q.output, [1, 1, 1])?;
            let (lo, hi) = bounds(q);
            let (weight, e) = rising(weight, e.clone(), x);
            // QONNX rounds to even behind the zero point: in the file's numbering.
            let zero_point = y.zero_point - (y.zero_point + y.source_offset).rem_euclid(2);
            let (bias, e) = through_zero(e, zero_point, weight.dim().0);
            let e = clamped(&e, q, (lo, hi), &y);
            let rescale = RescaleSpec { scale: vec![1.0], zero_point, lo, hi };
            let form = ConvForm::Epilogue(e);
            let op = int::Conv { window, groups, weight, bias, rescale, weight_scale, form };
            return Ok(Some(Layer { op, bytes: None }));
        }
        if q.output.dtype != DType::I32 {
            return Ok(None);
        }
        let bits = |v: i64| i64::BITS - (if v < 0 { !v } else { v }).leading_zeros() + 1;
        let most = weight.outer_iter().map(|w| reach(&w, x)).map(|(a, b)| bits(a).max(bits(b))).max();
        let bytes = usize::try_from(most.unwrap_or(1).div_ceil(8)).unwrap_or(usize::MAX);
        if bytes > 4 {
            let cause = format!("it needs {} bits", most.unwrap_or(0));
            let problem = "an accumulator may leave int32";
            return Err(at(self.graph, id, code::ACCUMULATOR_OVERFLOW, problem, cause));
        }
        if groups != 1 {
            return Err(self.fault(
                id,
                "a grouped convolution is the last layer, and its result is not quantized".into(),
            ));
        }
        let rows: Vec<usize> = (0..weight.dim().0).flat_map(|o| std::iter::repeat_n(o, bytes)).collect();
        let weight_scale = if weight_scale.len() == 1 {
            weight_scale
        } else {
            rows.iter().map(|o| weight_scale[*o]).collect()
        };
        let op = int::Conv {
            window,
            groups,
            weight: weight.select(Axis(0), &rows),
            bias: vec![0; rows.len()],
            rescale: RescaleSpec { scale: vec![1.0], zero_point: 0, lo: -128, hi: 127 },
            weight_scale,
            form: ConvForm::Wide(bytes),
        };
        Ok(Some(Layer { op, bytes: Some(bytes) }))
    }

    pub(super) fn place_accumulated(
        &mut self,
        id: NodeId,
        Layer { op, bytes }: Layer,
        x: Port,
        [c, h, w]: [usize; 3],
        position: Option<Vec<u32>>,
    ) -> Lowered<()> {
        let Some(bytes) = bytes else {
            let output = match &self.graph.node(id).op {
                crate::ops::Op::Quantized(q) => &q.output,
                _ => return Err(self.fault(id, "it is no layer".into())),
            };
            let yf = fact(self.graph, id, output, [c, h, w])?;
            self.place(id, IntOp::Conv(op), &[x], yf, position);
            return Ok(());
        };
        let yf = QFact { shape: [c * bytes, h, w], bits: 8, scale: 1.0, zero_point: 0, source_offset: 0 };
        let node = self.graph.node(id);
        let port = self.add(&node.name, &node.outputs[0].name, IntOp::Conv(op), &[x], yf);
        self.placed.insert(id.into(), Placed { port, position });
        self.wide.insert(id.into(), bytes);
        Ok(())
    }
}

/// The expression with the bounds that Relu and Clip on its integers have set.
fn clamped(e: &Expression, q: &Quantized, (lo, hi): (i32, i32), y: &QFact) -> Expression {
    let mut e = e.clone();
    if (q.lo, q.hi) != q.output.range() {
        let last = Operand::Step(e.steps.len() - 1);
        e.steps.push(Step::Clamp((last, Quantization::byte(y.scale, y.zero_point, y.source_offset)), lo, hi));
    }
    e
}

/// Weights and function of every channel such that the function does not fall.
fn rising(weight: ArrayView4<'_, i16>, mut e: Expression, x: &Params) -> (Array4<i16>, Expression) {
    let mut weight = weight.to_owned();
    for (c, mut w) in weight.axis_iter_mut(Axis(0)).enumerate() {
        let (from, to) = reach(&w.view(), x);
        let value = |acc: i64| {
            evaluate(&e, c, i32::try_from(acc).unwrap_or(if acc < 0 { i32::MIN } else { i32::MAX }))
        };
        let falls = match direction(&e, c) {
            Some(d) => d == Direction::Falling,
            // The proof sees every accumulator.
            None => value(from) > value(to),
        };
        if falls && let Some(scale) = e.constants.first_mut().and_then(|s| s.get_mut(c)) {
            *scale = -*scale;
            w.mapv_inplace(|w| -w);
        }
    }
    (weight, e)
}

/// Largest bias that is taken into an accumulator: exact in float32.
const LARGEST_BIAS: f64 = 4_194_304.0;

/// Each channel's bias with which its line goes through this integer at 0, where the bias is an integer: ties are then where
/// the lane that rounds as float32 does has them.
fn through_zero(mut e: Expression, zero_point: i32, channels: usize) -> (Vec<i32>, Expression) {
    let bias = |c: usize| {
        let Some((slope, intercept)) = line(&e, c) else { return 0 };
        let offset = (intercept - f64::from(zero_point)) / slope;
        // An integer of few bits; NaN is none.
        if offset.fract() == 0.0 && offset.abs() <= LARGEST_BIAS { offset as i32 } else { 0 }
    };
    let all: Vec<i32> = (0..channels).map(bias).collect();
    if all.iter().any(|b| *b != 0) {
        let constant = Operand::Channel(e.constants.len());
        e.constants.push(all.iter().map(|b| *b as f32).collect());
        if let Some(Step::Accumulated { bias, .. }) = e.steps.first_mut() {
            *bias = constant;
        }
    }
    (all, e)
}
