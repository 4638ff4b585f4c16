//! A convolution as QLinearConv.
//!
//! ONNX Runtime's int8 kernel takes int8 weights only, and one type for the operand and the result. Where the
//! weights need uint8 (a zero point of their own), or the types differ, the tensors pass through uint8:
//! DequantizeLinear and QuantizeLinear with the same scale move each integer by the offset exactly.

use super::build::integer;
use super::export::{Exporter, WeightForm, dtype, window};
use crate::diag::Result;
use crate::graph::int::{Conv, QFact};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{Attribute, DType};

impl Exporter<'_> {
    pub(crate) fn conv(&mut self, id: NodeId, conv: &Conv, x: Port, y: &str) -> Result<()> {
        let name = self.graph.node(id).name.as_str();
        let (xf, yf) = (self.fact(x).clone(), self.fact(id.into()).clone());
        let (co, cg, kh, kw) = conv.weight.dim();
        let (least, most) = conv.weight.iter().fold((0_i16, 0_i16), |(l, m), w| (l.min(*w), m.max(*w)));
        let int8 = least >= -128 && most <= 127;
        let (weight_type, zero) = match self.options.weights {
            WeightForm::Natural if int8 => (DType::I8, 0),
            _ if int8 => (DType::U8, 128),
            // Stored w + zero, 0 to 255.
            _ if i32::from(most) - i32::from(least) <= 255 => (DType::U8, -i64::from(least)),
            _ => return Err(self.fault(id, format!("its weights span {least} to {most}, more than 8 bits"))),
        };
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
        let per_channel: &[usize] = if ws.len() == 1 { &[] } else { &[co] };
        let zeros = vec![zero; ws.len()];
        let data = conv.weight.iter().map(|w| i64::from(*w) + zero).collect();
        let w = b.ints(&format!("{name}_weight"), weight_type, &[co, cg, kh, kw], data);
        let ws = b.floats(&format!("{name}_weight_scale"), per_channel, &ws);
        let wz = b.ints(&format!("{name}_weight_zero_point"), weight_type, per_channel, zeros);
        let bias = conv.bias.iter().map(|v| i64::from(*v)).collect();
        let bias = b.ints(&format!("{name}_bias"), DType::I32, &[co], bias);
        let mut attributes = window(&conv.window, &xf, &yf);
        attributes.push(("group", Attribute::Int(integer(conv.groups))));
        let operands: [&str; 9] = [&at, &cx, &xz, &w, &ws, &wz, &cy, &yz, &bias];
        b.node(name, ("", "QLinearConv"), &operands, &target, attributes);
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
