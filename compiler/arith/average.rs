//! Averages of quantized values, in the three forms that ONNX Runtime computes.
//!
//! QLinearGlobalAveragePool sums integers, so it is a function of the integer sum. QLinearAveragePool and the float
//! form add dequantized float32 values; those additions round, and then equal integer sums can give different
//! bytes. [`AverageSpec::spread`] counts the sums for which that happens. QLinearAveragePool without pads over the
//! whole map is computed as QLinearGlobalAveragePool and has to be imported as such.

use super::float::{fl32, narrow, rne, saturate};
use super::rescale::requantize;
use super::{AverageForm, AverageSpec};

/// Above this many taps the exact search of [`AverageSpec::spread`] is not run (its cost grows with the square).
const SEARCH_TAPS: usize = 100;

/// Above this many taps not even the bound is evaluated for every sum.
const BOUNDED_TAPS: usize = 1 << 16;

/// The file offsets that QLinearAveragePool may have been written with: int8 and uint8.
const OFFSETS: [i32; 2] = [0, 128];

/// Centred sums for which the source operator's result is not [`AverageSpec::apply`]'s for every choice of taps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many.
    pub ambiguous: u64,
    /// The lowest.
    pub first: Option<i32>,
}

impl AverageSpec {
    /// The canonical average for a centred sum (sum of x - zx over the taps inside the map) and a divisor above 0.
    ///
    /// For `QLinearGlobal` this is the operator's own formula. For the other two it is the operator's formula on a
    /// sum that did not round, but a real-valued tie goes to even whatever float32 makes of it; where
    /// [`AverageSpec::spread`] counts nothing it equals the operator for all taps. It never decreases with the sum.
    pub fn apply(&self, centred_sum: i32, divisor: i32) -> i8 {
        let ((sx, _), (sy, zy)) = (self.x, self.y);
        match self.form {
            AverageForm::QLinearGlobal => {
                let scale = self.integer_scale(divisor);
                requantize(centred_sum, scale, zy, self.lo, self.hi)
            }
            AverageForm::QLinear | AverageForm::Float => {
                // Both products are exact in double, so a tie is a tie.
                let (numerator, step) =
                    (f64::from(centred_sum) * f64::from(sx), f64::from(divisor) * f64::from(sy));
                let steps = numerator / step;
                // Only where neighbouring sums lie further apart than float32 errs, so that order is kept.
                let coarse = f64::from(sx) / step > 1.0 / 1024.0;
                if coarse && steps.fract().abs() == 0.5 {
                    // QLinear rounds with the zero point added (file offsets are even), Float without. `as` saturates.
                    let before = if self.form == AverageForm::QLinear { zy } else { 0 };
                    let y = (steps + f64::from(before)).round_ties_even() as i32;
                    return narrow(y.saturating_add(zy - before).max(self.lo).min(self.hi));
                }
                self.finish(fl32(centred_sum) * sx, divisor, 0)
            }
        }
    }

    /// fl(sx / fl(sy * divisor)), as QLinearGlobalAveragePool computes it: output steps for each step of the sum.
    pub(crate) fn integer_scale(&self, divisor: i32) -> f32 {
        self.x.0 / (self.y.0 * fl32(divisor))
    }

    /// The operator's own result for canonical taps (those inside the map, row-major), a divisor above 0 and the
    /// file's offset of y (0 int8, 128 uint8).
    pub fn apply_taps(&self, taps: impl IntoIterator<Item = i8>, divisor: i32, offset: i32) -> i8 {
        let (sx, zx) = self.x;
        let centred = taps.into_iter().map(|x| i32::from(x) - zx);
        match self.form {
            AverageForm::QLinearGlobal => self.apply(centred.sum(), divisor),
            AverageForm::QLinear | AverageForm::Float => {
                self.finish(centred.fold(0.0f32, |sum, x| sum + fl32(x) * sx), divisor, offset)
            }
        }
    }

    /// Float32 sums that surround whatever adding `taps` dequantized values of at most `magnitude` steps each, in any
    /// order, makes of an integer sum.
    pub(crate) fn around(&self, sum: i64, taps: i64, magnitude: i64) -> (f32, f32) {
        let (sx, _) = self.x;
        let exact = sum as f64 * f64::from(sx);
        // Each product and each addition rounds once: relative error 2^-24 each, 1.01 for the higher orders.
        let error = taps as f64 * (taps * magnitude) as f64 * f64::from(sx) * 1.01 / 16_777_216.0;
        // Double to single rounds to nearest; one step outward makes the interval safe.
        (((exact - error) as f32).next_down(), ((exact + error) as f32).next_up())
    }

    /// Over which sums of `taps` inputs from `range` (canonical, inclusive) the operator is not the function of the
    /// sum that [`AverageSpec::apply`] is. Exact for QLinear up to 100 taps; beyond, and for Float, a sum counts
    /// unless an error bound that holds for every order of summation shows that it has one result.
    pub fn spread(&self, taps: usize, range: (i32, i32), divisor: i32) -> Spread {
        if matches!(self.form, AverageForm::QLinearGlobal) || taps == 0 {
            return Spread::default();
        }
        let (sx, zx) = self.x;
        let (low, high) = (range.0 - zx, range.1 - zx);
        let n = match i32::try_from(taps) {
            Ok(n) if taps <= BOUNDED_TAPS => n,
            // Not examined, so not vouched for.
            Ok(_) | Err(_) => return Spread { ambiguous: 1, first: Some(low) },
        };
        let magnitude = low.abs().max(high.abs());
        let same = |sum: i32, least: f32, most: f32| {
            let y = self.apply(sum, divisor);
            OFFSETS.iter().all(|&o| self.finish(least, divisor, o) == y && self.finish(most, divisor, o) == y)
        };
        // With a power of two nothing rounds while integer sums fit a mantissa.
        let power = sx.is_normal() && sx.to_bits().trailing_zeros() >= 23;
        let unrounded = power && n.saturating_mul(magnitude) < 1 << 24;
        let decided = |sum: i32| {
            if unrounded {
                return same(sum, fl32(sum) * sx, fl32(sum) * sx);
            }
            let (least, most) = self.around(i64::from(sum), i64::from(n), i64::from(magnitude));
            same(sum, least, most)
        };
        let open: Vec<i32> = (low * n..=high * n).filter(|&sum| !decided(sum)).collect();
        let open = match self.form {
            AverageForm::QLinear if !open.is_empty() && taps <= SEARCH_TAPS => {
                let extremes = float_sums(taps, (low, high), sx);
                open.into_iter()
                    .filter(|&sum| {
                        let at = usize::try_from(sum - low * n).unwrap_or(0);
                        let (least, most) = extremes[at];
                        !same(sum, least, most)
                    })
                    .collect()
            }
            AverageForm::QLinear | AverageForm::Float | AverageForm::QLinearGlobal => open,
        };
        Spread { ambiguous: u64::try_from(open.len()).unwrap_or(u64::MAX), first: open.first().copied() }
    }

    /// A float32 sum of dequantized taps to the canonical output; `offset` is the file's offset of y. It never
    /// decreases with the sum.
    pub(crate) fn finish(&self, sum: f32, divisor: i32, offset: i32) -> i8 {
        let (sy, zy) = self.y;
        let steps = sum / fl32(divisor) / sy;
        match self.form {
            // Here the zero point is added in float, in the file's numbering, before the rounding.
            AverageForm::QLinear => {
                narrow((rne(steps + fl32(zy + offset)) - offset).max(self.lo).min(self.hi))
            }
            AverageForm::Float | AverageForm::QLinearGlobal => narrow(saturate(steps, zy, self.lo, self.hi)),
        }
    }
}

/// For every integer sum of `taps` values in `range`, the least and the greatest float32 value that adding
/// fl(x * scale) in sequence can reach. float32 addition is monotone in the partial sum, so keeping the two
/// extremes for each integer partial sum is exact.
fn float_sums(taps: usize, range: (i32, i32), scale: f32) -> Vec<(f32, f32)> {
    let terms: Vec<f32> = (range.0..=range.1).map(|x| fl32(x) * scale).collect();
    let mut least = vec![0.0f32];
    let mut most = vec![0.0f32];
    for _ in 0..taps {
        let len = least.len() + terms.len() - 1;
        let mut next_least = vec![f32::INFINITY; len];
        let mut next_most = vec![f32::NEG_INFINITY; len];
        for (shift, &term) in terms.iter().enumerate() {
            for (to, &from) in next_least[shift..].iter_mut().zip(&least) {
                *to = to.min(from + term);
            }
            for (to, &from) in next_most[shift..].iter_mut().zip(&most) {
                *to = to.max(from + term);
            }
        }
        (least, most) = (next_least, next_most);
    }
    least.into_iter().zip(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The count equals enumeration of all taps, in both file types.
    #[test]
    fn spread_equals_enumeration() {
        let mut open = 0;
        for (sx, sy) in [(0.1f32, 0.1f32), (0.125, 0.25), (0.3, 0.3), (0.07, 0.021), (1.0, 0.4), (0.9, 0.1)] {
            for (taps, zero_point) in [(2usize, 8), (3, 17), (4, -128), (4, 17)] {
                let spec = AverageSpec {
                    form: AverageForm::QLinear,
                    x: (sx, -2),
                    y: (sy, zero_point),
                    lo: -128,
                    hi: 127,
                };
                let (range, divisor) = ((-5, 7), i32::try_from(taps).unwrap());
                let mut wrong = std::collections::BTreeSet::new();
                let mut window = vec![range.0; taps];
                loop {
                    let sum: i32 = window.iter().map(|x| x + 2).sum();
                    let canonical = || window.iter().map(|&x| narrow(x));
                    if OFFSETS
                        .iter()
                        .any(|&o| spec.apply_taps(canonical(), divisor, o) != spec.apply(sum, divisor))
                    {
                        wrong.insert(sum);
                    }
                    let Some(next) = window.iter().position(|&x| x < range.1) else { break };
                    window[next] += 1;
                    window[..next].fill(range.0);
                }
                let found = spec.spread(taps, range, divisor);
                assert_eq!(found.ambiguous, u64::try_from(wrong.len()).unwrap(), "{spec:?} {taps}");
                assert_eq!(found.first, wrong.first().copied());
                open += wrong.len();
            }
        }
        assert!(open > 0);
        // Powers of two have no sum with two results, in float32 neither.
        for form in [AverageForm::QLinear, AverageForm::Float] {
            let spec = AverageSpec { form, x: (0.125, 3), y: (0.25, 5), lo: -128, hi: 127 };
            assert_eq!(spec.spread(4, (-128, 127), 4), Spread::default());
        }
    }
}
