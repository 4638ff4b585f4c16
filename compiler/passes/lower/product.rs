//! Operators of two activations: their operands, and the product.

use super::layout::Placed;
use super::{Lower, Lowered, bounds, fact, refuse};
use crate::arith::{ProductForm, ProductSpec};
use crate::diag::code;
use crate::graph::int::{IntOp, Product, QFact};
use crate::graph::{NodeId, Port};
use crate::ops::Op;
use crate::ops::quantized::Quantized;
use crate::passes::names::at;

/// The element of a tensor of shape `of` that element `j` of the result of shape `y` is made of, both row-major and
/// broadcast as ONNX has it.
fn broadcast_from(y: &[usize], of: &[usize], mut j: usize) -> usize {
    let (mut found, mut stride) = (0, 1);
    for (d, &size) in y.iter().enumerate().rev() {
        let own = (d + of.len()).checked_sub(y.len()).map_or(1, |k| of[k]);
        if own > 1 {
            found += j % size * stride;
            stride *= own;
        }
        j /= size;
    }
    found
}

impl Lower<'_> {
    /// Both operands of a quantized operator; one of them may be constant.
    pub(super) fn pair(&mut self, id: NodeId, q: &Quantized) -> Lowered<[(Placed, QFact); 2]> {
        let inputs = self.graph.inputs(id);
        let constant = |p: Port| matches!(self.graph.node(p.node).op, Op::Const(_));
        match (constant(inputs[0]), constant(inputs[1])) {
            (false, false) => Ok([
                self.operand(id, inputs[0], q.inputs.first())?,
                self.operand(id, inputs[1], q.inputs.get(1))?,
            ]),
            (false, true) => {
                let x = self.operand(id, inputs[0], q.inputs.first())?;
                let c = self.constant(id, &x, inputs[0], inputs[1], &q.inputs[1])?;
                Ok([x, c])
            }
            (true, false) => {
                let x = self.operand(id, inputs[1], q.inputs.get(1))?;
                let c = self.constant(id, &x, inputs[1], inputs[0], &q.inputs[0])?;
                Ok([c, x])
            }
            (true, true) => Err(refuse::operand(self.graph, id, inputs[0])),
        }
    }

    /// A product whose one operand has the result's shape. The other's axes are the result's, or of one element.
    pub(super) fn product(&mut self, id: NodeId, q: &Quantized, form: ProductForm) -> Lowered<()> {
        let inputs = self.graph.inputs(id);
        let pair = self.pair(id, q)?;
        let whole = self.graph.value(id.into()).fact.shape.clone();
        // A constant has been brought to the other operand's shape.
        let constant = inputs.iter().any(|p| matches!(self.graph.node(p.node).op, Op::Const(_)));
        let shape = |k: usize| if constant { &whole } else { &self.graph.value(inputs[k]).fact.shape };
        let elements: usize = whole.iter().product();
        let [first, second] = &pair;
        let (a, b, b_shape) = if first.1.len() == elements {
            (first, second, shape(1))
        } else if second.1.len() == elements {
            (second, first, shape(0))
        } else {
            return Err(at(
                self.graph,
                id,
                code::INPUT_UNSUPPORTED,
                "a product of two operands that both are broadcast is not supported",
                format!("shapes {:?} and {:?} make {whole:?}", first.1.shape, second.1.shape),
            )
            .remedy("let one operand have the result's shape"));
        };
        let ([c, h, w], of) = (a.1.shape, b.1.shape);
        let fits = (0..3).all(|d| of[d] == a.1.shape[d] || of[d] == 1);
        let same_place = |j: usize| {
            let at = a.0.at(j);
            let place = [at / (h * w), at / w % h, at % w];
            let own = (0..3).fold(0, |n, d| n * of[d] + if of[d] == 1 { 0 } else { place[d] });
            b.0.at(broadcast_from(&whole, b_shape, j)) == own
        };
        if !fits || c * h * w != elements || !(0..elements).all(same_place) {
            return Err(self.layout(id, inputs[0]));
        }
        let yf = fact(self.graph, id, &q.output, a.1.shape)?;
        let (lo, hi) = bounds(q);
        let side = |f: &QFact| (f.scale, f.zero_point + f.source_offset, f.source_offset);
        let spec = ProductSpec { form, a: side(&a.1), b: side(&b.1), y: side(&yf), lo, hi };
        if !spec.is_finite() {
            return Err(at(
                self.graph,
                id,
                code::SCALE_INVALID,
                "the scales of a product lie too far apart",
                format!("{:?} times {:?} over {:?} is beyond float32", a.1.scale, b.1.scale, yf.scale),
            ));
        }
        let (operands, position) = ([a.0.port, b.0.port], a.0.position.clone());
        self.place(id, IntOp::Product(Product { spec }), &operands, yf, position);
        Ok(())
    }
}
