//! What is known of a float32 value that ONNX Runtime computes: the value to the bit, or an interval.
//!
//! In: values and intervals. Out: intervals that hold every value that the float32 operation can give. Operations on
//! single values are exact. An interval comes from a library function whose last bits depend on where an element lies
//! in its tensor (Eigen's vectors, the C library for the rest), so no one value is the right one.

use crate::graph::expression::Binary;

/// Most float32 numbers of an interval that a function is evaluated at.
const MOST: usize = 64;

/// Every value from `lo` to `hi`; a single one where they are the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    pub(crate) lo: f32,
    pub(crate) hi: f32,
}

impl Image {
    /// One value; may be infinite or NaN.
    pub(crate) fn exact(v: f32) -> Image {
        Image { lo: v, hi: v }
    }

    /// A float32 number that differs from `v` by at most `relative * |v|`.
    pub(crate) fn near(v: f64, relative: f64) -> Image {
        let error = v.abs() * relative;
        // Rounding is monotone: a float32 number above v - error is not below its rounding.
        Image { lo: (v - error) as f32, hi: (v + error) as f32 }
    }

    /// Whether this is one value.
    pub(crate) fn is_exact(self) -> bool {
        self.lo.to_bits() == self.hi.to_bits()
    }

    /// One more value.
    pub(crate) fn with(self, v: f32) -> Image {
        self.hull(Image::exact(v))
    }

    fn hull(self, other: Image) -> Image {
        Image { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// A function that never falls, at both ends.
    pub(crate) fn rising(self, f: impl Fn(f32) -> f32) -> Image {
        Image { lo: f(self.lo), hi: f(self.hi) }
    }

    /// Any function, at each float32 number of the interval; `None` if there are too many, or a NaN.
    pub(crate) fn each(self, f: impl Fn(f32) -> Option<Image>) -> Option<Image> {
        if self.is_exact() {
            return f(self.lo);
        }
        let mut hull: Option<Image> = None;
        let mut at = self.lo;
        for _ in 0..MOST {
            if at.is_nan() {
                return None;
            }
            let image = f(at)?;
            if image.lo.is_nan() || image.hi.is_nan() {
                return None;
            }
            hull = Some(hull.map_or(image, |h| h.hull(image)));
            if at >= self.hi {
                return hull;
            }
            at = at.next_up();
        }
        None
    }

    /// Arithmetic on two values that are independent as far as is known; `None` where the interval has no bounds.
    pub(crate) fn arithmetic(kind: Binary, a: Image, b: Image) -> Option<Image> {
        if a.is_exact() && b.is_exact() {
            return scalar(kind, a.lo, b.lo);
        }
        let crosses = |v: Image| v.lo <= 0.0 && v.hi >= 0.0;
        let monotone = match kind {
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Min | Binary::Max => true,
            Binary::Div => !crosses(b),
            // Monotone in each operand where x keeps its sign.
            Binary::PRelu => !crosses(a),
            Binary::Pow => false,
        };
        if !monotone {
            return if b.is_exact() { a.each(|v| scalar(kind, v, b.lo)) } else { None };
        }
        let mut hull: Option<Image> = None;
        for (x, y) in [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)] {
            let v = scalar(kind, x, y)?;
            if v.lo.is_nan() || v.hi.is_nan() {
                return None;
            }
            hull = Some(hull.map_or(v, |h| h.hull(v)));
        }
        hull
    }
}

/// Relative error of the C library's `powf` beyond correct rounding (glibc: 0.002 units in the last place).
const POWER_ERROR: f64 = 1e-8;

/// The float32 kernels of ONNX Runtime's CPU provider.
fn scalar(kind: Binary, x: f32, y: f32) -> Option<Image> {
    let exact = |v| Some(Image::exact(v));
    match kind {
        Binary::Add => exact(x + y),
        Binary::Sub => exact(x - y),
        Binary::Mul => exact(x * y),
        Binary::Div => exact(x / y),
        Binary::Min => exact(x.min(y)),
        Binary::Max => exact(x.max(y)),
        Binary::PRelu => exact(if x > 0.0 { x } else { x * y }),
        Binary::Pow if y == 2.0 => exact(x * x),
        Binary::Pow if y == 3.0 => exact(x * x * x),
        Binary::Pow => {
            let v = f64::from(x).powf(f64::from(y));
            if v.is_finite() { Some(Image::near(v, POWER_ERROR)) } else { exact(v as f32) }
        }
    }
}
