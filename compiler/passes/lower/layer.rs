//! Conv, Gemm and MatMul with constant weights become the integer stage's convolution; constant operands of an
//! Add become one without weights.

use ndarray::Array4;

use super::layout::{self, Placed};
use super::{Lower, Lowered, bounds, fact};
use crate::arith::RescaleSpec;
use crate::diag::{Diagnostic, code};
use crate::graph::float::{FloatGraph, integer_width};
use crate::graph::int::{self, ConvForm, IntOp, QFact, Window};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{Tensor, TensorData};
use crate::ops::Op;
use crate::ops::conv::Conv;
use crate::ops::gemm;
use crate::ops::quantization::Params;
use crate::ops::quantized::Quantized;
use crate::passes::names::at;

/// The integers of a constant operand.
pub(super) fn integers(graph: &FloatGraph, id: NodeId, port: Port) -> Lowered<&ndarray::ArrayD<i64>> {
    match &graph.node(port.node).op {
        Op::Const(Tensor { data: TensorData::Int(a), .. }) => Ok(a),
        _ => Err(at(
            graph,
            id,
            code::INPUT_UNSUPPORTED,
            "the weights or the bias are not constant",
            format!("operand \"{}\" is computed", graph.value(port).name),
        )
        .remedy("matrix products of two activations are not supported yet")),
    }
}

/// The weights' zero points, one or one per channel, and a check of their width.
pub(super) fn weight_zero(graph: &FloatGraph, id: NodeId, w: &Params) -> Lowered<impl Fn(usize) -> i64> {
    if w.bits() > 8 {
        return Err(at(
            graph,
            id,
            code::WIDTH_UNSUPPORTED,
            "a bit width is not supported",
            if integer_width(w.dtype).is_some_and(|(bits, _)| bits == w.bits()) {
                format!("the weights are {:?}", w.dtype)
            } else {
                format!("the weights have {} bits; 1 to 8 are supported", w.bits())
            },
        ));
    }
    let zero = w.zero_point.clone();
    Ok(move |o: usize| zero[if zero.len() == 1 { 0 } else { o }])
}

/// Most channels of a constant operand of an Add or Mul: its weights are a square of zeros.
const LARGEST_CONSTANT: usize = 4096;

/// Centred weights of at most 8 bits lie in -255 ..= 255.
pub(super) fn centred(q: i64, zero: i64) -> i16 {
    i16::try_from(q - zero).unwrap_or(0)
}

impl Lower<'_> {
    pub(super) fn bias(&self, id: NodeId, channels: usize) -> Lowered<Vec<i32>> {
        let Some(port) = self.graph.inputs(id).get(2).copied() else { return Ok(vec![0; channels]) };
        let bias = integers(self.graph, id, port)?;
        if !gemm::per_column(bias.shape(), channels) {
            return Err(self.fault(id, format!("a bias of shape {:?} for {channels} columns", bias.shape())));
        }
        let values: Option<Vec<i32>> = bias.iter().map(|v| i32::try_from(*v).ok()).collect();
        let mut values = values.ok_or_else(|| self.fault(id, "the bias does not fit int32".into()))?;
        if values.len() == 1 {
            values = vec![values[0]; channels];
        }
        Ok(values)
    }

    pub(super) fn fault(&self, id: NodeId, cause: String) -> Diagnostic {
        at(self.graph, id, code::INPUT_UNSUPPORTED, "the operator's constants are not supported", cause)
    }

    /// fl32(fl32(alpha * x_scale * w_scale) / y_scale), one or one per channel.
    pub(super) fn rescale(
        &self,
        id: NodeId,
        q: &Quantized,
        (w, alpha): (&Params, f32),
        x: &QFact,
        y: &QFact,
    ) -> Lowered<RescaleSpec> {
        let (lo, hi) = bounds(q);
        let scale: Vec<f32> = w.scale.iter().map(|w| alpha * x.scale * w / y.scale).collect();
        if let Some(o) = scale.iter().position(|s| !s.is_finite()) {
            return Err(at(
                self.graph,
                id,
                code::SCALE_INVALID,
                "the output's scale is too small for the accumulator's",
                format!("{alpha:?} * {:?} * {:?} / {:?} is beyond float32", x.scale, w.scale[o], y.scale),
            ));
        }
        Ok(RescaleSpec { scale, zero_point: y.zero_point, lo, hi })
    }

    pub(super) fn conv(&mut self, id: NodeId, q: &Quantized, conv: &Conv) -> Lowered<()> {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        self.operand(id, inputs[0], q.inputs.first())?;
        let (port, xf) = self.natural(id, inputs[0])?;
        let weights = integers(graph, id, inputs[1])?;
        let zero = weight_zero(graph, id, &q.inputs[1])?;
        if q.inputs[1].axis.is_some_and(|a| a != 0) {
            return Err(
                self.fault(id, "the weights are quantized along another axis than output channels".into())
            );
        }
        let [kh, kw] = conv.window.kernel;
        let (o, i) = (weights.shape()[0], weights.shape()[1]);
        // The file's own taps stand behind those that only shift the window.
        let ([h, w], [top, left]) = ([kh - conv.lead[0], kw - conv.lead[1]], conv.lead);
        let own = weights
            .to_shape((o, i, h, w))
            .map_err(|e| self.fault(id, format!("weights of shape {:?}: {e}", weights.shape())))?;
        let mut weight = Array4::zeros((o, i, kh, kw));
        for ((o, i, h, w), v) in own.indexed_iter() {
            weight[[o, i, h + top, w + left]] = centred(*v, zero(o));
        }
        let shape = layout::natural(&graph.value(id.into()).fact.shape);
        if let Some(layer) = self.accumulated(id, q, (conv.window, conv.groups), weight.view())? {
            return self.place_accumulated(id, layer, port, shape, None);
        }
        let yf = fact(graph, id, &q.output, shape)?;
        let op = int::Conv {
            window: conv.window,
            groups: conv.groups,
            weight,
            bias: self.bias(id, o)?,
            rescale: self.rescale(id, q, (&q.inputs[1], 1.0), &xf, &yf)?,
            weight_scale: q.inputs[1].scale.clone(),
            form: ConvForm::Integer,
        };
        self.place(id, IntOp::Conv(op), &[port], yf, None);
        Ok(())
    }

    /// One row: a convolution whose kernel is the whole map, its columns permuted as the map lies.
    /// Several rows: a 1x1 convolution over a map whose pixels are the rows.
    pub(super) fn mat_mul(
        &mut self,
        id: NodeId,
        q: &Quantized,
        alpha: f32,
        trans_a: bool,
        trans_b: bool,
    ) -> Lowered<()> {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        let (x, xf) = self.operand(id, inputs[0], q.inputs.first())?;
        let (rows, k) = layout::rows(&graph.value(inputs[0]).fact.shape, trans_a);
        let weights = integers(graph, id, inputs[1])?;
        let &[b0, b1] = weights.shape() else {
            return Err(
                self.fault(id, format!("the weights have shape {:?}; a matrix is needed", weights.shape()))
            );
        };
        let (kb, n) = if trans_b { (b1, b0) } else { (b0, b1) };
        if kb != k || k == 0 {
            return Err(self.fault(id, format!("{k} columns by weights {:?}", weights.shape())));
        }
        let column = usize::from(!trans_b);
        let per_row = q.inputs[1].axis.is_some_and(|a| a != column);
        if per_row {
            return Err(self.fault(id, "the weights are quantized along the summed axis".into()));
        }
        let zero = weight_zero(graph, id, &q.inputs[1])?;
        let at = |k: usize, o: usize| centred(weights[if trans_b { [o, k] } else { [k, o] }], zero(o));
        let [c, h, w] = xf.shape;
        let mut x = x;
        let (window, weight, shape, position) = if rows == 1 {
            let mut weight = Array4::<i16>::zeros((n, c, h, w));
            for k in 0..k {
                let to = x.at(k);
                let (ci, hi, wi) = (to / (h * w), to / w % h, to % w);
                for o in 0..n {
                    weight[[o, ci, hi, wi]] = at(k, o);
                }
            }
            (Window { kernel: [h, w], ..Window::POINT }, weight, [n, 1, 1], None)
        } else {
            let fits = c == k
                && (0..rows).all(|s| {
                    (0..k).all(|k_| x.at(if trans_a { k_ * rows + s } else { s * k + k_ }) == k_ * rows + s)
                });
            let (mut h, mut w) = (h, w);
            if !fits {
                let onnx = |i: usize| if trans_a { i } else { i % rows * k + i / rows };
                let (port, _) = self.arrange(id, inputs[0], [k, 1, rows], &onnx)?;
                x = Placed { port, position: None };
                (h, w) = (1, rows);
            }
            let weight = Array4::from_shape_fn((n, k, 1, 1), |(o, k, _, _)| at(k, o));
            let position = (0..rows).flat_map(|s| (0..n).map(move |o| o * rows + s));
            let position = position.map(|p| u32::try_from(p).unwrap_or(u32::MAX)).collect();
            (Window::POINT, weight, [n, h, w], layout::simple(position))
        };
        if let Some(layer) = self.accumulated(id, q, (window, 1), weight.view())? {
            return self.place_accumulated(id, layer, x.port, shape, position);
        }
        let yf = fact(graph, id, &q.output, shape)?;
        let op = int::Conv {
            window,
            groups: 1,
            weight,
            bias: self.bias(id, n)?,
            rescale: self.rescale(id, q, (&q.inputs[1], alpha), &xf, &yf)?,
            weight_scale: q.inputs[1].scale.clone(),
            form: ConvForm::Integer,
        };
        self.place(id, IntOp::Conv(op), &[x.port], yf, position);
        Ok(())
    }

    /// A constant operand of an Add or Mul with one value per channel of `x`: a convolution of `x` without weights, whose
    /// bias is the constant. Its rescale factor is 1.
    pub(super) fn constant(
        &mut self,
        id: NodeId,
        x: &(Placed, QFact),
        x_port: Port,
        port: Port,
        params: &Params,
    ) -> Lowered<(Placed, QFact)> {
        let graph = self.graph;
        let values = integers(graph, id, port)?;
        let shape = &graph.value(x_port).fact.shape;
        let Some(values) = values.broadcast(shape.as_slice()) else {
            return Err(self.fault(id, format!("the constant {:?} does not fit {shape:?}", values.shape())));
        };
        let [c, h, w] = x.1.shape;
        if c > LARGEST_CONSTANT {
            return Err(self.fault(id, format!("a constant operand has {c} channels")));
        }
        let yf = fact(graph, id, params, x.1.shape)?;
        let mut bias: Vec<Option<i32>> = vec![None; c];
        for (j, v) in values.iter().enumerate() {
            let value = i32::try_from(*v).unwrap_or(0) - yf.source_offset - yf.zero_point;
            let slot = &mut bias[x.0.at(j) / (h * w)];
            if slot.is_some_and(|old| old != value) {
                return Err(self.fault(id, "the constant differs between pixels of a channel".into()));
            }
            *slot = Some(value);
        }
        // For the report alone; the weights are zeros.
        let weight_scale = Some(yf.scale / x.1.scale).filter(|s| s.is_normal()).unwrap_or(1.0);
        let half = 1_i32 << (yf.bits - 1);
        let op = int::Conv {
            window: Window::POINT,
            groups: 1,
            weight: Array4::zeros((c, c, 1, 1)),
            bias: bias.into_iter().map(|b| b.unwrap_or(0)).collect(),
            rescale: RescaleSpec { scale: vec![1.0], zero_point: yf.zero_point, lo: -half, hi: half - 1 },
            weight_scale: vec![weight_scale],
            form: ConvForm::Integer,
        };
        let node = format!("{}_constant", graph.node(id).name);
        let value = graph.value(port).name.clone();
        let port = self.add(&node, &value, IntOp::Conv(op), &[x.0.port], yf.clone());
        Ok((Placed { port, position: x.0.position.clone() }, yf))
    }
}
