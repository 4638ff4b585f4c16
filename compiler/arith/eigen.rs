//! Exponential and logarithm as ONNX Runtime's element-by-element kernels compute them on x86-64: with Eigen.
//!
//! In: one float32. Out: every float32 that the element can become. Eigen takes four elements at a time by the
//! polynomials below, without fused steps; the elements at the ends of a thread's share go to the C library. Which it
//! is depends on the element's position, so the result is the interval of both. The polynomials are reproduced
//! operation for operation (ONNX Runtime 1.32: no difference in more than 300 million values); of the C library only
//! an error bound is assumed, twice and more what glibc documents.
//! The coefficients are data of Eigen (MPL-2.0), `GenericPacketMathFunctions.h`.
#![allow(clippy::excessive_precision, reason = "the coefficients are written as their source writes them")]

use super::image::Image;

/// Relative error of the C library's `expf` beyond correct rounding (glibc: 0.002 units in the last place).
const EXP_ERROR: f64 = 1e-8;
/// The same of `logf` (glibc: 0.32 units).
const LOG_ERROR: f64 = 6e-8;
/// The same of `log1pf` (glibc: 0.5 units).
const LOG_1P_ERROR: f64 = 1.2e-7;

/// exp(x).
pub(crate) fn exp(x: f32) -> Image {
    // exp(0) = 1 in every implementation.
    if x == 0.0 {
        return Image::exact(1.0);
    }
    Image::near(f64::from(x).exp(), EXP_ERROR).with(vector_exp(x))
}

/// log(x); minus infinity at 0, NaN below.
pub(crate) fn log(x: f32) -> Image {
    if x > 0.0 && x != 1.0 {
        Image::near(f64::from(x).ln(), LOG_ERROR).with(vector_log(x))
    } else {
        Image::exact(x.ln())
    }
}

/// log(exp(x) + 1), for positive x as x + log(exp(-x) + 1).
pub(crate) fn softplus(x: f32) -> Image {
    let power = -x.abs();
    let library = Image::near(f64::from(power).exp(), EXP_ERROR);
    let log_1p = |v: f32| Image::near(f64::from(v).ln_1p(), LOG_1P_ERROR);
    let library = Image { lo: log_1p(library.lo).lo, hi: log_1p(library.hi).hi };
    let log = library.with(vector_log_1p(vector_exp(power)));
    if x > 0.0 { log.rising(|l| x + l) } else { log }
}

fn vector_exp(x: f32) -> f32 {
    const LOG2_RECIPROCAL: f32 = std::f32::consts::LOG2_E;
    const LOG2_HIGH: f32 = 0.693359375;
    const LOG2_LOW: f32 = -2.12194440e-4;
    const P: [f32; 5] = [
        1.37449637986719608306884765625e-3,
        8.36894474923610687255859375e-3,
        4.166965186595916748046875e-2,
        0.16666518151760101318359375,
        0.49999988079071044921875,
    ];
    if x < -104.0 {
        return 0.0;
    }
    let bounded = x.min(88.723);
    let m = (bounded * LOG2_RECIPROCAL + 0.5).floor();
    let r = m * -LOG2_LOW + (m * -LOG2_HIGH + bounded);
    let square = r * r;
    let even = square * (square * P[0] + P[2]) + P[4];
    let odd = square * P[1] + P[3];
    let y = square * (r * odd + even) + (r + 1.0);
    // y * 2^m with one rounding: both factors are exact in double.
    ((f64::from(y) * f64::from(m).exp2()) as f32).max(x)
}

/// For finite x above 0.
fn vector_log(x: f32) -> f32 {
    const P: [f32; 3] = [0.18256296349849254, 1.0000000190281063, 1.0000000190281136];
    const Q: [f32; 4] = [0.049616247954120038, 0.59923249590823520, 1.4999999999999927, 1.0];
    let (mut fraction, mut exponent) = split(x);
    if fraction < std::f32::consts::FRAC_1_SQRT_2 {
        fraction += fraction - 1.0;
        exponent -= 1.0;
    } else {
        fraction -= 1.0;
    }
    let polynomial = |c: &[f32]| c.iter().skip(1).fold(c[0], |p, c| fraction * p + c);
    exponent * std::f32::consts::LN_2 + fraction * polynomial(&P) / polynomial(&Q)
}

/// A positive x as a fraction of 0.5 .. 1 and a power of two.
fn split(x: f32) -> (f32, f32) {
    if x < f32::MIN_POSITIVE {
        let (fraction, exponent) = split(x * 16_777_216.0);
        return (fraction, exponent - 24.0);
    }
    let bits = x.to_bits();
    // The biased exponent has 8 bits: exact in float32.
    let exponent = ((bits >> 23) & 0xff) as f32 - 126.0;
    (f32::from_bits(bits & 0x807f_ffff | 0x3f00_0000), exponent)
}

/// For x from 0 to 1.
fn vector_log_1p(x: f32) -> f32 {
    let sum = x + 1.0;
    if sum == 1.0 { x } else { x * (vector_log(sum) / (sum - 1.0)) }
}
