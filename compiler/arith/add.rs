//! Addition and subtraction of two quantized tensors, in the forms that ONNX Runtime computes.

use super::float::{dequantize, fl32, narrow, rne, saturate};
use super::{AddForm, AddSpec};

impl AddSpec {
    /// The canonical sum of canonical `a` and `b`.
    pub fn apply(&self, a: i8, b: i8) -> i8 {
        AddFormula::new(self).apply(a, b)
    }

    /// QLinearAdd's float32 term of b with all constants, for b in the file's numbering; a's term is added to it in
    /// one rounding.
    pub(crate) fn operand_b(&self, b: i32) -> f32 {
        let formula = AddFormula::new(self);
        fl32(b).mul_add(formula.rb, formula.fixed)
    }

    /// Whether every factor and sum of the formula is a number.
    pub fn is_finite(&self) -> bool {
        let formula = AddFormula::new(self);
        let ends = [i8::MIN, i8::MAX].map(i32::from);
        let term = |(scale, zero, offset): (f32, i32, i32)| {
            ends.iter().all(|q| dequantize(q + offset, scale, zero).is_finite())
        };
        let all = [formula.ra, formula.rb, formula.fixed].iter().all(|v| (v * 512.0).is_finite());
        all && term(self.a) && term(self.b)
    }

    /// All 65,536 sums, `[(a + 128) * 256 + (b + 128)]`.
    pub fn table(&self) -> Box<[i8]> {
        let formula = AddFormula::new(self);
        let mut all = Vec::with_capacity(1 << 16);
        for a in i8::MIN..=i8::MAX {
            for b in i8::MIN..=i8::MAX {
                all.push(formula.apply(a, b));
            }
        }
        all.into_boxed_slice()
    }
}

/// The formula with its constants computed once.
struct AddFormula<'a> {
    spec: &'a AddSpec,
    ra: f32,
    rb: f32,
    fixed: f32,
}

impl<'a> AddFormula<'a> {
    fn new(spec: &'a AddSpec) -> Self {
        let (sa, za, _) = spec.a;
        let (sb, zb, _) = spec.b;
        let (sy, zy, _) = spec.y;
        let (ra, rb) = (sa / sy, sb / sy);
        AddFormula { spec, ra, rb, fixed: constant(ra, za, rb, zb, zy) }
    }

    fn apply(&self, a: i8, b: i8) -> i8 {
        let spec = self.spec;
        let (sa, za, offset_a) = spec.a;
        let (sb, zb, offset_b) = spec.b;
        let (sy, zy, offset_y) = spec.y;
        let (a, b) = (i32::from(a) + offset_a, i32::from(b) + offset_b);
        // The bounds in the file's numbering; Relu and Clip act on the rounded value, which is monotone.
        let (lo, hi) = (spec.lo + offset_y, spec.hi + offset_y);
        let y = match spec.form {
            AddForm::QLinear => {
                let v = fl32(a).mul_add(self.ra, fl32(b).mul_add(self.rb, self.fixed));
                // The zero point is inside the float value, so that rounding sees it too.
                rne(v).max(lo).min(hi)
            }
            AddForm::Float => {
                let v = dequantize(a, sa, za) + dequantize(b, sb, zb);
                saturate(v / sy, zy, lo, hi)
            }
            AddForm::Difference => {
                let v = dequantize(a, sa, za) - dequantize(b, sb, zb);
                saturate(v / sy, zy, lo, hi)
            }
        };
        narrow(y - offset_y)
    }
}

/// zy - (ra*za + rb*zb) as the AVX2 kernel's scalar prologue is compiled: rb*zb rounded, then one fused step.
fn constant(ra: f32, za: i32, rb: f32, zb: i32, zy: i32) -> f32 {
    fl32(zy) - ra.mul_add(fl32(za), rb * fl32(zb))
}
