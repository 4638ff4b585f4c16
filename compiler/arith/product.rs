//! Product of two quantized tensors, in the forms that ONNX Runtime computes.

use super::float::{dequantize, fl32, narrow, rne, saturate};
use super::{ProductForm, ProductSpec};

impl ProductSpec {
    /// The canonical product of canonical `a` and `b`.
    pub fn apply(&self, a: i8, b: i8) -> i8 {
        let (sa, za, offset_a) = self.a;
        let (sb, zb, offset_b) = self.b;
        let (sy, zy, offset_y) = self.y;
        match self.form {
            ProductForm::QLinear => self.of_product(self.centred(a, b)),
            ProductForm::Float => {
                let (a, b) = (i32::from(a) + offset_a, i32::from(b) + offset_b);
                let v = dequantize(a, sa, za) * dequantize(b, sb, zb);
                narrow(saturate(v / sy, zy, self.lo + offset_y, self.hi + offset_y) - offset_y)
            }
        }
    }

    /// (a - za) * (b - zb), at most 255 * 255 in magnitude: what the hardware requantizes.
    pub fn centred(&self, a: i8, b: i8) -> i32 {
        let side = |q: i8, (_, zero, offset): (f32, i32, i32)| i32::from(q) + offset - zero;
        side(a, self.a) * side(b, self.b)
    }

    /// QLinearMul's canonical result for a centred product: it never decreases.
    pub fn of_product(&self, product: i32) -> i8 {
        let (_, zero, offset) = self.y;
        // The zero point is inside the float value, so that rounding sees it too.
        let v = rne(fl32(product) * self.ratio() + fl32(zero));
        narrow(v.max(self.lo + offset).min(self.hi + offset) - offset)
    }

    /// QLinearMul's factor: fl(fl(sa * sb) / sy).
    pub fn ratio(&self) -> f32 {
        self.a.0 * self.b.0 / self.y.0
    }

    /// Whether every factor and product of the formula is a number.
    pub fn is_finite(&self) -> bool {
        // Larger than any difference of bytes: no value of the formula is larger than this one.
        let most = 512.0;
        let real = (most * self.a.0) * (most * self.b.0) / self.y.0;
        real.is_finite() && (most * most * self.ratio()).is_finite()
    }

    /// All 65,536 products, `[(a + 128) * 256 + (b + 128)]`.
    pub fn table(&self) -> Box<[i8]> {
        let pairs = (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b)));
        pairs.map(|(a, b)| self.apply(a, b)).collect()
    }
}
