//! Float operators with constants for each channel become a convolution of one element that remembers them.
//!
//! In: an expression whose constants belong to one axis of the ONNX tensor. Out: the same with an element for each
//! channel of the canonical tensor, whose channels are brought onto that axis first where they do not lie on it.

use ndarray::Array4;

use super::layout::{self, Placed};
use super::{Lower, Lowered, fact};
use crate::arith::{self, RescaleSpec};
use crate::diag::code;
use crate::graph::NodeId;
use crate::graph::expression::Expression;
use crate::graph::int::{Conv, ConvForm, IntOp, QFact, Window};
use crate::ops::quantized::Quantized;
use crate::passes::names::at;

/// Of an accumulator that has at most 9 bits besides.
const LARGEST_BIAS: f64 = 65536.0;

/// For each canonical channel the index along an axis that all its elements have; `None` if they differ.
fn channels(placed: &Placed, of: [usize; 3], shape: &[usize], axis: usize) -> Option<Vec<usize>> {
    let [c, h, w] = of;
    let inner: usize = shape[axis + 1..].iter().product();
    let mut found: Vec<Option<usize>> = vec![None; c];
    for j in 0..c * h * w {
        let index = j / inner % shape[axis];
        let slot = &mut found[placed.at(j) / (h * w)];
        if *slot.get_or_insert(index) != index {
            return None;
        }
    }
    found.into_iter().collect()
}

impl Lower<'_> {
    pub(super) fn affine(&mut self, id: NodeId, q: &Quantized, axis: usize, e: &Expression) -> Lowered<()> {
        let x = self.graph.inputs(id)[0];
        let (mut placed, mut xf) = self.operand(id, x, q.inputs.first())?;
        let shape = &self.graph.value(x).fact.shape;
        let mut order = channels(&placed, xf.shape, shape, axis);
        if order.is_none() {
            let (port, fact) = self.arrange(id, x, layout::natural(shape), &|i| i)?;
            (placed, xf) = (Placed { port, position: None }, fact);
            order = channels(&placed, xf.shape, shape, axis);
        }
        let Some(order) = order else {
            return Err(
                self.fault(id, format!("they vary along axis {axis} of {shape:?}, not along the channels"))
            );
        };
        let e = e.select(&order);
        let zero = xf.zero_point;
        let yf = fact(self.graph, id, &q.output, xf.shape)?;
        let op = self.of_channels(id, e, zero, &yf)?;
        self.place(id, IntOp::Conv(op), &[placed.port], yf, placed.position);
        Ok(())
    }

    /// The convolution of a tensor whose zero point is `zero`.
    fn of_channels(&self, id: NodeId, e: Expression, zero: i32, y: &QFact) -> Lowered<Conv> {
        let channels = y.shape[0];
        let (mut lo, mut hi) = (i32::MAX, i32::MIN);
        let (mut weight, mut scale) = (Array4::zeros((channels, 1, 1, 1)), Vec::with_capacity(channels));
        let mut bias = vec![0; channels];
        for c in 0..channels {
            let (Some(table), Some((slope, intercept))) = (arith::channel_table(&e, c), arith::line(&e, c))
            else {
                let cause = "the passes took it for a straight line";
                return Err(at(
                    self.graph,
                    id,
                    code::INTERNAL,
                    "a function of each channel is no line",
                    cause,
                ));
            };
            for y in table {
                (lo, hi) = (lo.min(i32::from(y)), hi.max(i32::from(y)));
            }
            weight[[c, 0, 0, 0]] = if slope > 0.0 {
                1
            } else if slope < 0.0 {
                -1
            } else {
                0
            };
            // Ties are float32's own then, which the exact lane has.
            let offset = (intercept + slope * f64::from(zero) - f64::from(y.zero_point)) / slope.abs();
            if offset.fract() == 0.0 && offset.abs() <= LARGEST_BIAS {
                bias[c] = offset as i32;
            }
            // Beyond float32's range every lane is as good.
            scale.push(slope.abs().min(f64::from(f32::MAX)) as f32);
        }
        Ok(Conv {
            window: Window::POINT,
            groups: channels,
            weight,
            bias,
            rescale: RescaleSpec { scale, zero_point: y.zero_point, lo, hi },
            weight_scale: vec![1.0],
            form: ConvForm::Affine(e),
        })
    }
}
