//! Softmax of quantized values, quantized again, in integers: what `rtl/o2c_softmax.v` computes.
//!
//! In: the operator's scales and its length N. Out: a table of 256 entries and the function on it,
//!
//! ```text
//! d[k] = max x - x[k]
//! y[k] = zero_point + min(rne(quotient[d[k]] / sum of term[d]), most)       exact, ties to even
//! term[d] = 2^F * exp(-d * s)      quotient[d] = term[d] / s_y, or term[d] * floor(1 / s_y)      each rounded once
//! ```
//!
//! **Bound.** Let e = exp(-d * s) and q = e / (s_y * sum of e), the real number that is to be rounded. An entry is within
//! h = 1/2 + 2^-15 of its real value (half a unit, and the exponential's own error times 1 / s_y, see [`exponential`]), but
//! term[0] = 2^F is exact, so the sum S is at least 2^F and within (N - 1) h of 2^F times the real one. The quotient
//! then differs from q by at most (1 + q (N - 1)) h / S; where q exceeds 256 both are saturated, so
//!
//! ```text
//! |quotient[d] / S - q| <= (1 + 256 (N - 1)) h / 2^F <= 2^-11      F = 11 + ceil(log2(1 + 256 (N - 1))), at least 16
//! ```
//!
//! and y is q's own rounding unless q lies so close to a tie. ONNX Runtime computes q in float32 with an error far below a
//! half for the N and scales that [`Softmax::new`] admits (a sum of N terms, each rounding 2^-24), so that its byte and
//! this one are equal or neighbours.

/// Which operator's formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftmaxForm {
    /// DequantizeLinear, Softmax, QuantizeLinear: a quotient by the output's scale.
    Float,
    /// com.microsoft QLinearSoftmax: a product with floor(1 / the output's scale).
    QLinear,
}

/// The operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxSpec {
    /// The formula.
    pub form: SoftmaxForm,
    /// Elements of a group: N.
    pub length: usize,
    /// Real value of one step of the input.
    pub input_scale: f32,
    /// The output's scale, and its zero point in the file's numbering.
    pub output: (f32, i32),
    /// int8 output, else uint8.
    pub signed: bool,
}

/// The operator's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// F: fraction bits of the terms, 16 to 31.
    pub fraction: u32,
    /// 2^F * exp(-d * s) for d = 0 ..= 255.
    pub terms: Vec<u64>,
    /// The same over the output's scale.
    pub quotients: Vec<u64>,
    /// The file's integer of 0.
    pub zero_point: i32,
    /// The most above it, 0 ..= 255.
    pub most: u64,
    length: usize,
}

/// Most elements of a group: ONNX Runtime's float32 sum of more could be further off.
pub const MOST_LENGTH: usize = 4096;
/// Real values of an input step for which the exponents are exact, and float32 has all differences.
const INPUT_SCALES: (f32, f32) = (1.0 / 1_099_511_627_776.0, 1_048_576.0);
/// Output scales: from 2^-12 to 1.
const OUTPUT_SCALES: (f32, f32) = (1.0 / 4096.0, 1.0);
/// ln 2 * 2^64.
const LN_2: u128 = 0xB172_17F7_D1CF_79AC;
const ONE: u128 = 1 << 64;

impl Softmax {
    /// The table.
    ///
    /// # Errors
    /// Why there is none, in words: N or a scale is outside the range for which the bound is proved.
    pub fn new(spec: &SoftmaxSpec) -> Result<Softmax, String> {
        let SoftmaxSpec { form, length, input_scale, output: (scale, zero_point), signed } = *spec;
        let within = |v: f32, (lo, hi): (f32, f32)| (lo..=hi).contains(&v);
        let (lowest, highest) = super::host::bounds(signed);
        if !(1..=MOST_LENGTH).contains(&length) {
            return Err(format!("it is over {length} elements; from 1 to {MOST_LENGTH} are possible"));
        }
        if !within(input_scale, INPUT_SCALES) || !within(scale, OUTPUT_SCALES) {
            return Err(format!("its scales {input_scale:?} and {scale:?} are too small or too large"));
        }
        if !(lowest..=highest).contains(&zero_point) {
            return Err(format!("its zero point {zero_point} is not in the type's range"));
        }
        let spread = 1 + 256 * (length - 1);
        let fraction = (11 + spread.next_power_of_two().ilog2()).max(16);
        let exponentials: Vec<u128> = (0..256).map(|d| exponential(exponent(d, input_scale))).collect();
        let rounded = |numerator: u128, denominator: u128| (2 * numerator + denominator) / (2 * denominator);
        let fits = |v: u128| u64::try_from(v).map_err(|_| "its table is too wide".to_owned());
        let drop = 64 - fraction;
        let terms = exponentials.iter().map(|e| fits(rounded(*e, 1 << drop))).collect::<Result<_, _>>()?;
        let quotient = |e: &u128| match form {
            SoftmaxForm::Float => {
                // e * 2^F / 2^64 / (m * 2^x): at most 2^66 above, at most 2^54 below.
                let (m, x) = parts(scale);
                let up = i64::from(fraction) - 64 - i64::from(x);
                let shift = |by: i64| u32::try_from(by.max(0)).unwrap_or(0);
                rounded(e << shift(up), u128::from(m) << shift(-up))
            }
            SoftmaxForm::QLinear => {
                // At most 4096.
                let factor = (1.0 / scale).floor() as u32;
                rounded(e * u128::from(factor), 1 << drop)
            }
        };
        let quotients = exponentials.iter().map(|e| fits(quotient(e))).collect::<Result<_, _>>()?;
        // At most 255, not below 0.
        let most = u64::from((highest - zero_point).unsigned_abs());
        Ok(Softmax { fraction, terms, quotients, zero_point, most, length })
    }

    /// How far the quotient that is rounded lies from the real one at most, in steps of the output.
    pub fn bound(&self) -> f64 {
        // Small integers and powers of two.
        let spread = (1 + 256 * (self.length - 1)) as f64;
        spread * (0.5 + 0.5_f64.powi(15)) / 2.0_f64.powi(self.fraction.cast_signed())
    }

    /// Bits of the largest term and of the largest quotient.
    pub fn widths(&self) -> [usize; 2] {
        [&self.terms, &self.quotients].map(|column| {
            let bits = 64 - column.iter().copied().max().unwrap_or(0).leading_zeros();
            usize::try_from(bits.max(2)).unwrap_or(64)
        })
    }

    /// One group of the input's integers, whatever their zero point, as integers of the output's file.
    pub fn apply(&self, group: &[i32]) -> Vec<i32> {
        let max = group.iter().copied().max().unwrap_or(0);
        // Differences of bytes are at most 255; a larger one has the last entry.
        let at = |x: i32| usize::from(u8::try_from(max.abs_diff(x)).unwrap_or(u8::MAX));
        // N terms of at most 2^31.
        let sum: u64 = group.iter().map(|x| self.terms[at(*x)]).sum();
        let y = |x: &i32| {
            let (q, rest) = (self.quotients[at(*x)] / sum, self.quotients[at(*x)] % sum);
            let up = u64::from(2 * rest > sum || (2 * rest == sum && q % 2 == 1));
            self.zero_point + i32::try_from((q + up).min(self.most)).unwrap_or(0)
        };
        group.iter().map(y).collect()
    }
}

/// A positive normal float32 as (m, x): m * 2^x, m of 24 bits.
fn parts(v: f32) -> (u32, i32) {
    let bits = v.to_bits();
    let (exponent, fraction) = (bits >> 23 & 255, bits & 0x7f_ffff);
    (fraction | 0x80_0000, exponent.cast_signed() - 150)
}

/// d * s in units of 2^-64, exact; `None` from 64 on.
fn exponent(d: u32, scale: f32) -> Option<u128> {
    let (m, x) = parts(scale);
    // 2^-40 <= s < 2^21: x is from -63 to -3, the product below 2^93.
    let t = (u128::from(d) * u128::from(m)) << u32::try_from(64 + x).unwrap_or(0);
    (t < 64 * ONE).then_some(t)
}

/// exp(-t) in units of 2^-64, t in the same units; within 2^-58 of the real value, exact for 0. Integers only, so that every
/// machine makes the same table.
fn exponential(t: Option<u128>) -> u128 {
    let Some(t) = t else { return 0 };
    // t = k ln 2 + r; k is at most 92, and so k times the constant's error below 2^-59.
    let (k, r) = (t / LN_2, t % LN_2);
    // Taylor's series from its end; r < 0.7 and no value is above 1, so a product is below 2^128. The term after
    // the last one is below 2^-90.
    let series = (1..=24).rev().fold(ONE, |acc, n| ONE - ((r * acc) >> 64) / n);
    series >> k
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{Lanes, host};

    struct Rng(u64);

    impl Rng {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 20) % n
        }
        fn unit(&mut self) -> f64 {
            self.below(1 << 30) as f64 / f64::from(1 << 30)
        }
    }

    fn spec(form: SoftmaxForm, length: usize, input_scale: f32, scale: f32, signed: bool) -> SoftmaxSpec {
        SoftmaxSpec { form, length, input_scale, output: (scale, if signed { -128 } else { 0 }), signed }
    }

    /// The exponential beside the C library's, whose error is below 2^-52 of the value.
    #[test]
    fn exponentials() {
        assert_eq!(exponential(Some(0)), ONE);
        assert_eq!(exponential(None), 0);
        let mut rng = Rng(5);
        for _ in 0..10_000 {
            let scale = (rng.unit() * 40.0 - 30.0).exp2() as f32;
            let d = u32::try_from(rng.below(256)).unwrap();
            let t = exponent(d, scale);
            let real = (-f64::from(d) * f64::from(scale)).exp();
            let got = exponential(t) as f64 / 2.0_f64.powi(64);
            assert!((got - real).abs() <= 2.0_f64.powi(-51) * real + 2.0_f64.powi(-58), "{d} {scale}");
        }
    }

    /// Random operators and groups: within the bound of the real Softmax in float64, and at most a step from ONNX
    /// Runtime's formulas, nearly always none.
    #[test]
    fn agrees_with_the_real_softmax() {
        let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
        let (mut values, mut differing, mut real_differing) = (0u32, 0u32, 0u32);
        for round in 0..1500 {
            let form = [SoftmaxForm::Float, SoftmaxForm::QLinear][round % 2];
            let length = match rng.below(4) {
                0 => 1 + usize::try_from(rng.below(4)).unwrap(),
                1 | 2 => 2 + usize::try_from(rng.below(30)).unwrap(),
                _ => 1 + usize::try_from(rng.below(1000)).unwrap(),
            };
            let input_scale = (rng.unit() * 16.0 - 12.0).exp2() as f32;
            let scale = match rng.below(3) {
                0 => 1.0 / 256.0,
                1 => (1.0 / 255.0 + rng.unit() / 400.0) as f32,
                _ => (-rng.unit() * 11.9).exp2() as f32,
            };
            let signed = rng.below(2) == 1;
            let spec = spec(form, length, input_scale, scale, signed);
            let softmax = Softmax::new(&spec).expect("a table");
            assert!(softmax.bound() <= 2.0_f64.powi(-11), "{spec:?}");
            let base = rng.below(256);
            let span = 1 + rng.below(256);
            let group: Vec<i32> =
                (0..length).map(|_| i32::try_from((base + rng.below(span)) % 256).unwrap()).collect();
            let got = softmax.apply(&group);
            let max = *group.iter().max().unwrap();
            let e: Vec<f64> =
                group.iter().map(|x| (-f64::from(max - x) * f64::from(input_scale)).exp()).collect();
            let sum: f64 = e.iter().sum();
            let factor = match form {
                SoftmaxForm::Float => 1.0 / f64::from(scale),
                SoftmaxForm::QLinear => f64::from((1.0 / scale).floor()),
            };
            let zero = spec.output.1;
            let high = if signed { 127.0 } else { 255.0 };
            for (e, y) in e.iter().zip(&got) {
                let q = e / sum * factor;
                let clamped = (q + f64::from(zero)).min(high) - f64::from(zero);
                // Half a step of rounding, and the bound.
                let off = (clamped - f64::from(y - zero)).abs();
                assert!(off <= 0.5 + softmax.bound() + 1e-9, "{spec:?} {q} {y}");
                real_differing += u32::from(
                    q.round_ties_even().min(f64::from(255)) + f64::from(zero) != f64::from(*y) && q < 255.0,
                );
            }
            let of = (1, length, 1);
            let expect = match form {
                SoftmaxForm::Float => {
                    let mut x: Vec<f32> =
                        group.iter().map(|q| host::dequantize_linear(*q, input_scale, 77)).collect();
                    host::softmax(&mut x, of, Lanes::Fma3);
                    x.iter().map(|v| host::quantize_linear(*v, scale, zero, signed)).collect()
                }
                SoftmaxForm::QLinear => {
                    let mut x = group.clone();
                    host::qlinear_softmax(&mut x, of, input_scale, (scale, zero), signed);
                    x
                }
            };
            for (a, b) in got.iter().zip(&expect) {
                values += 1;
                differing += u32::from(a != b);
                assert!(a.abs_diff(*b) <= 1, "{spec:?}: {a} {b}");
            }
        }
        eprintln!(
            "{values} values: {differing} differ from ONNX Runtime's formula, {real_differing} from float64"
        );
        assert!(values > 100_000 && differing < values / 5_000, "{differing} of {values}");
    }

    /// What the fixed arithmetic decides by itself: ties, saturation, one element, a zero point inside the range.
    #[test]
    fn ties_and_saturation() {
        let of = |length, input: f32, scale: f32, signed| {
            Softmax::new(&spec(SoftmaxForm::Float, length, input, scale, signed)).unwrap()
        };
        // 1/2 over 1/256, saturated at 127; a whole that is 256 steps.
        assert_eq!(of(2, 1.0, 1.0 / 256.0, true).apply(&[3, 3]), [0, 0]);
        assert_eq!(of(1, 1.0, 1.0 / 256.0, false).apply(&[9]), [255]);
        // A half, three halves, five halves: to even.
        assert_eq!(of(512, 1.0, 1.0 / 256.0, false).apply(&[5; 512]), [0; 512]);
        for (scale, y) in [(0.3, 2), (0.2, 2), (0.14, 4)] {
            let pair = Softmax::new(&spec(SoftmaxForm::QLinear, 2, 1.0, scale, false)).unwrap();
            assert_eq!(pair.apply(&[5; 2]), [y; 2], "{scale}");
        }
        let offset =
            SoftmaxSpec { output: (1.0 / 256.0, 100), ..spec(SoftmaxForm::QLinear, 2, 9.0, 0.5, true) };
        assert_eq!(Softmax::new(&offset).unwrap().apply(&[0, 200]), [100, 127]);
        // Outside the range there is no table.
        for bad in [
            spec(SoftmaxForm::Float, 0, 1.0, 0.01, true),
            spec(SoftmaxForm::Float, 5000, 1.0, 0.01, true),
            spec(SoftmaxForm::Float, 5, 1e-20, 0.01, true),
            spec(SoftmaxForm::Float, 5, 1e20, 0.01, true),
            spec(SoftmaxForm::QLinear, 5, 1.0, 1e-5, true),
            spec(SoftmaxForm::QLinear, 5, 1.0, 2.0, true),
        ] {
            assert!(Softmax::new(&bad).is_err(), "{bad:?}");
        }
        assert_eq!(of(10, 0.1, 1.0 / 256.0, false).fraction, 23);
        assert_eq!(of(10, 0.1, 1.0 / 256.0, false).widths(), [24, 32]);
    }
}
