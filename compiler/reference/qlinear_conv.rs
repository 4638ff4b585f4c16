//! A convolution as QLinearConv.
//!
//! ONNX Runtime's int8 kernel takes int8 weights only, and one type for the operand and the result. Where the
//! weights need uint8 (a zero point of their own), or the types differ, the tensors pass through uint8:
//! DequantizeLinear and QuantizeLinear with the same scale move each integer by the offset exactly.
//! The kernel takes one weight zero point: where channels' weights span more than 8 bits together, several
//! convolutions of neighbouring channels each have their own, and a Concat joins them.

use std::ops::Range;

use ndarray::Axis;

use super::build::integer;
use super::export::{Exporter, WeightForm, dtype, window};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{Conv, QFact};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{Attribute, DType};

/// Neighbouring output channels whose weights fit 8 bits with one zero point, and their range (0 included).
struct Run {
    channels: Range<usize>,
    least: i16,
    most: i16,
}

/// The channels in as few runs as neighbours allow.
fn runs(conv: &Conv) -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    for (o, channel) in conv.weight.axis_iter(Axis(0)).enumerate() {
        let (least, most) = channel.iter().fold((0, 0), |(l, m), w| ((*w).min(l), (*w).max(m)));
        match all.last_mut() {
            // Weights are at most 9 bits wide, so nothing overflows.
            Some(run) if run.most.max(most) - run.least.min(least) <= 255 => {
                (run.least, run.most) = (run.least.min(least), run.most.max(most));
                run.channels.end = o + 1;
            }
            _ => all.push(Run { channels: o..o + 1, least, most }),
        }
    }
    all
}

impl Exporter<'_> {
    /// As [`Exporter::whole`], the last rows and columns left out where the node has no more.
    pub(crate) fn conv(&mut self, id: NodeId, conv: &Conv, x: Port, y: &str) -> Result<()> {
        let (xs, ys) = (self.fact(x).shape, self.fact(id.into()).shape);
        if (0..2).all(|d| conv.window.output(xs[d + 1], d, false).is_none_or(|n| n <= ys[d + 1])) {
            return self.whole(id, conv, x, y);
        }
        let name = self.graph.node(id).name.as_str();
        let whole = self.b.fresh(&format!("{y}_whole"));
        self.whole(id, conv, x, &whole)?;
        let ends = vec![integer(ys[1]), integer(ys[2])];
        let bounds = [("starts", vec![0, 0]), ("ends", ends), ("axes", vec![2, 3])]
            .map(|(what, v)| self.b.ints(&format!("{name}_{what}"), DType::I64, &[2], v));
        let [starts, ends, axes] = &bounds;
        self.b.node(&format!("{name}_cut"), ("", "Slice"), &[&whole, starts, ends, axes], y, vec![]);
        Ok(())
    }

    fn whole(&mut self, id: NodeId, conv: &Conv, x: Port, y: &str) -> Result<()> {
        let name = self.graph.node(id).name.as_str();
        let (xf, yf) = (self.fact(x).clone(), self.fact(id.into()).clone());
        let (co, cg, kh, kw) = conv.weight.dim();
        let ranges = runs(conv);
        let int8 = ranges.iter().all(|r| r.least >= -128 && r.most <= 127);
        let weight_type = match self.options.weights {
            WeightForm::Natural if int8 => DType::I8,
            WeightForm::Natural | WeightForm::Unsigned => DType::U8,
        };
        // Stored w + zero: of int8 weights by the type's offset, of others from 0 on.
        let zero = |r: &Run| match weight_type {
            DType::I8 => 0,
            _ if int8 => 128,
            _ => -i64::from(r.least),
        };
        if ranges.iter().any(|r| r.most - r.least > 255) || (ranges.len() > 1 && conv.groups > 1) {
            return Err(Diagnostic::new(
                code::WIDTH_UNSUPPORTED,
                "the weights can't be written as ONNX",
                "the zero points of one group's channels lie more than 8 bits apart",
            )
            .at(format!("node {name:?}"))
            .into());
        }
        let uint8 = weight_type == DType::U8 || dtype(&xf) != dtype(&yf) || dtype(&xf) == DType::U8;
        let kind = if uint8 { DType::U8 } else { DType::I8 };
        let shifted = |f: &QFact| uint8 && dtype(f) == DType::I8;

        let scales = &conv.rescale.scale;
        let natural: Vec<f32> = conv.weight_scale.iter().map(|w| (xf.scale * w) / yf.scale).collect();
        let of = |v: &[f32], o: usize| if v.len() == 1 { v.first().copied() } else { v.get(o).copied() };
        let agree = (0..co).all(|o| of(&natural, o).is_some() && of(&natural, o) == of(scales, o));
        let [xs, mut xz] = self.parameters[&x.node].clone();
        let [ys, mut yz] = self.parameters[&id].clone();
        // Where the specification is not the product of the three scales, unit scales around it give the same bytes.
        let (ws, cx, cy) = if agree {
            (conv.weight_scale.clone(), xs.clone(), ys.clone())
        } else {
            let one = self.b.floats(&format!("{name}_one"), &[], &[1.0]);
            (scales.clone(), one.clone(), one)
        };
        let mut at = self.operand(x);
        if shifted(&xf) {
            let zero = self.b.ints(
                &format!("{at}_uint8_zero_point"),
                kind,
                &[],
                vec![i64::from(xf.zero_point) + 128],
            );
            let to = self.b.fresh(&format!("{at}_uint8"));
            self.shift(name, &at, &to, &xs, &xz, &zero);
            (at, xz) = (to, zero);
        }
        let (target, own_zero) = if shifted(&yf) {
            let zero = self.b.ints(
                &format!("{y}_uint8_zero_point"),
                kind,
                &[],
                vec![i64::from(yf.zero_point) + 128],
            );
            (self.b.fresh(&format!("{y}_uint8")), std::mem::replace(&mut yz, zero))
        } else {
            (y.to_owned(), String::new())
        };
        let b = &mut self.b;
        let mut parts = Vec::with_capacity(ranges.len());
        for run in &ranges {
            let n = run.channels.len();
            let zero = zero(run);
            let ws = if ws.len() == 1 { &ws[..] } else { &ws[run.channels.clone()] };
            let per_channel: &[usize] = if ws.len() == 1 { &[] } else { &[n] };
            let zeros = vec![zero; ws.len()];
            let weight = conv.weight.slice_axis(Axis(0), run.channels.clone().into());
            let data = weight.iter().map(|w| i64::from(*w) + zero).collect();
            let w = b.ints(&format!("{name}_weight"), weight_type, &[n, cg, kh, kw], data);
            let ws = b.floats(&format!("{name}_weight_scale"), per_channel, ws);
            let wz = b.ints(&format!("{name}_weight_zero_point"), weight_type, per_channel, zeros);
            let bias = conv.bias[run.channels.clone()].iter().map(|v| i64::from(*v)).collect();
            let bias = b.ints(&format!("{name}_bias"), DType::I32, &[n], bias);
            let mut attributes = window(&conv.window, &xf, &yf);
            attributes.push(("group", Attribute::Int(integer(conv.groups))));
            let operands: [&str; 9] = [&at, &cx, &xz, &w, &ws, &wz, &cy, &yz, &bias];
            let to = if n == co { target.clone() } else { b.fresh(&format!("{target}_part")) };
            parts.push(b.node(name, ("", "QLinearConv"), &operands, &to, attributes));
        }
        if parts.len() > 1 {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let axis = vec![("axis", Attribute::Int(1))];
            b.node(&format!("{name}_concat"), ("", "Concat"), &parts, &target, axis);
        }
        if shifted(&yf) {
            self.shift(name, &target, y, &ys, &yz, &own_zero);
        }
        Ok(())
    }

    /// From one 8-bit type to the other: the scale stays, the zero point moves.
    fn shift(&mut self, node: &str, from: &str, to: &str, scale: &str, zero: &str, new_zero: &str) {
        let float = self.b.fresh(&format!("{to}_float"));
        self.b.node(
            &format!("{node}_dequantize"),
            ("", "DequantizeLinear"),
            &[from, scale, zero],
            &float,
            vec![],
        );
        self.b.node(
            &format!("{node}_quantize"),
            ("", "QuantizeLinear"),
            &[&float, scale, new_zero],
            to,
            vec![],
        );
    }
}
