//! What the host runs before the first integer and after the last one, by ONNX Runtime's formulas.
//!
//! Tensors are flat, row-major in their ONNX shape; an axis is given as `(outer, axis, inner)` extents. Quantized
//! values are in the *file's* numbering (int8 or uint8), held as i32. Every function on a tensor expects
//! outer * axis * inner elements.

use super::float;
use super::image::Image;
use super::mlas::{self, Lanes};
use crate::graph::expression::Binary;

/// Bounds of the file's 8-bit type.
pub fn bounds(signed: bool) -> (i32, i32) {
    if signed { (-128, 127) } else { (0, 255) }
}

/// QuantizeLinear: rne(fl(v / scale)) + zero_point, saturated to int8 or uint8.
///
/// Infinities saturate. NaN, which ONNX leaves open, becomes the lower bound as in MLAS's vector kernels.
pub fn quantize_linear(v: f32, scale: f32, zero_point: i32, signed: bool) -> i32 {
    let (lo, hi) = bounds(signed);
    float::quantize(v, scale, zero_point, lo, hi)
}

/// DequantizeLinear: fl((q - zero_point) * scale).
pub fn dequantize_linear(q: i32, scale: f32, zero_point: i32) -> f32 {
    float::dequantize(q, scale, zero_point)
}

/// A float function of one element, by ONNX name and float attributes; `None` where its value is not known to the bit.
pub fn function(name: &str, attributes: &[(&'static str, f32)], v: f32) -> Option<f32> {
    let image = super::unary::float(name, attributes, v)?;
    // The bits of a NaN are nobody's to promise.
    (image.is_exact() && !image.lo.is_nan()).then_some(image.lo)
}

/// The same for any float32 value: what has no value is not a number, and so is a function of it, but for two.
pub fn function_of_any(name: &str, attributes: &[(&'static str, f32)], v: f32) -> f32 {
    match name {
        "ThresholdedRelu" | "Shrink" if v.is_nan() => 0.0,
        _ if v.is_nan() => f32::NAN,
        _ => function(name, attributes, v).unwrap_or(f32::NAN),
    }
}

/// Whether [`function`] gives a value for every number.
pub fn is_known(name: &str, attributes: &[(&'static str, f32)]) -> bool {
    // A function is exact throughout or an interval wherever it is computed; outside its domain it is not a number.
    let probes = [-1.3, -0.7, -0.2, 0.2, 0.7, 1.3];
    probes.iter().all(|v| super::unary::float(name, attributes, *v).is_some_and(Image::is_exact))
}

/// Float arithmetic on two elements; NaN goes through Min and Max. Pow is known for the exponents 2 and 3 alone.
pub fn arithmetic(kind: Binary, a: f32, b: f32) -> f32 {
    match kind {
        Binary::Min | Binary::Max if a.is_nan() || b.is_nan() => f32::NAN,
        _ => Image::arithmetic(kind, Image::exact(a), Image::exact(b)).map_or(f32::NAN, |v| v.lo),
    }
}

/// A power; `None` where its last bit is the C library's to say.
pub fn power(base: f32, exponent: f32) -> Option<f32> {
    let image = Image::arithmetic(Binary::Pow, Image::exact(base), Image::exact(exponent))?;
    (image.is_exact() && image.lo.is_finite()).then_some(image.lo)
}

/// BatchNormalization of a channel as ONNX Runtime computes it: the factor and the summand of [`affine`], from scale,
/// bias, mean and variance.
pub fn batch_normalization([scale, bias, mean, variance]: [f32; 4], epsilon: f32) -> (f32, f32) {
    // Every operation rounds to float32.
    let factor = 1.0 / (variance + epsilon).sqrt() * scale;
    (factor, bias - mean * factor)
}

/// fl(fl(x * factor) + summand).
pub fn affine(x: f32, (factor, summand): (f32, f32)) -> f32 {
    x * factor + summand
}

/// The extents before, of and after `axis`; `None` if the shape has no such axis.
pub fn extents(shape: &[usize], axis: usize) -> Option<(usize, usize, usize)> {
    let length = *shape.get(axis)?;
    Some((shape[..axis].iter().product(), length, shape[axis + 1..].iter().product()))
}

/// Calls `f` with each row along the axis: gathered, changed, written back.
fn rows<T: Copy>(
    data: &mut [T],
    (outer, length, inner): (usize, usize, usize),
    mut f: impl FnMut(&mut Vec<T>),
) {
    let mut row = Vec::with_capacity(length);
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| (o * length + k) * inner + i;
            row.clear();
            row.extend((0..length).map(|k| data[at(k)]));
            f(&mut row);
            for (k, &v) in row.iter().enumerate() {
                data[at(k)] = v;
            }
        }
    }
}

/// Softmax (opset 13 and later) along one axis, in place. The last bit depends on the vector width of the machine
/// that ONNX Runtime runs on: `lanes`.
pub fn softmax(data: &mut [f32], extents: (usize, usize, usize), lanes: Lanes) {
    rows(data, extents, |row| mlas::softmax(row, lanes));
}

/// LogSoftmax (opset 13 and later) along one axis, in place. The last bit of the sum depends on `lanes`; its logarithm is
/// the C library's, as in ONNX Runtime.
pub fn log_softmax(data: &mut [f32], extents: (usize, usize, usize), lanes: Lanes) {
    rows(data, extents, |row| mlas::log_softmax(row, lanes));
}

/// com.microsoft QLinearSoftmax with `opset >= 13` along one axis, in place, file numbering.
///
/// A table of exp((i - 255 + shift) * scale) in float32, a float32 sum in index order, one rounding (as ONNX Runtime
/// 1.32 computes it; earlier versions divide in float32 and let int8 results of 128 wrap). The output scale enters as floor(1 / scale).
pub fn qlinear_softmax(
    data: &mut [i32],
    extents: (usize, usize, usize),
    input_scale: f32,
    output: (f32, i32),
    signed: bool,
) {
    let table = exponentials(input_scale, extents.1);
    let factor = (1.0 / output.0).floor();
    let (_, highest) = bounds(signed);
    rows(data, extents, |row| {
        let largest = row.iter().copied().max().unwrap_or(highest);
        // Entry 255 belongs to the row's largest element.
        let exponential =
            |q: i32| usize::try_from(255 - (largest - q)).ok().and_then(|i| table.get(i)).copied();
        let sum = row.iter().fold(0.0f32, |sum, &q| sum + exponential(q).unwrap_or(0.0));
        for q in row.iter_mut() {
            // Quotient and product are in double precision; only table and sum are float32.
            let v = f64::from(exponential(*q).unwrap_or(0.0)) / f64::from(sum) * f64::from(factor);
            // Bounded by 1 / scale; `as` saturates beyond int32.
            *q = (v.round_ties_even() as i32).saturating_add(output.1).min(highest);
        }
    });
}

/// The lookup table of QLinearSoftmax: index 255 for the largest element.
fn exponentials(scale: f32, length: usize) -> [f32; 256] {
    // Room for a sum of `length` terms: log(FLT_MAX / length) - 5, in input steps. FLT_MAX / length is float32.
    let room = f64::from((f32::MAX / length as f32).ln());
    let shift = (room - 5.0).max(0.0) / f64::from(scale);
    let mut table = [0.0f32; 256];
    for (i, entry) in (0i32..).zip(table.iter_mut()) {
        *entry = ((f64::from(i) - 255.0 + shift) * f64::from(scale)).exp() as f32;
    }
    table
}

/// ArgMax along one axis: the index of the first (or last) greatest element of each row, outer-major.
pub fn arg_max<T: Copy + PartialOrd>(
    data: &[T],
    (outer, length, inner): (usize, usize, usize),
    select_last_index: bool,
) -> Vec<i64> {
    let mut all = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| data[(o * length + k) * inner + i];
            let mut best = 0usize;
            for k in 1..length {
                if at(k) > at(best) || (select_last_index && at(k) >= at(best)) {
                    best = k;
                }
            }
            all.push(i64::try_from(best).unwrap_or(i64::MAX));
        }
    }
    all
}

/// TopK along one axis: the places in `data` of the k greatest (or least) elements of each row, in the result's row-major
/// order. Of equal elements the first one comes first.
pub fn top_k<T: Copy + PartialOrd>(
    data: &[T],
    (outer, length, inner): (usize, usize, usize),
    k: usize,
    largest: bool,
) -> Vec<usize> {
    let mut all = vec![0; outer * k * inner];
    for o in 0..outer {
        for i in 0..inner {
            let at = |n: usize| (o * length + n) * inner + i;
            let mut order: Vec<usize> = (0..length).collect();
            // A stable sort keeps equal elements in their order; there are no NaNs behind integers.
            order.sort_by(|a, b| {
                let ordering = data[at(*a)].partial_cmp(&data[at(*b)]).unwrap_or(std::cmp::Ordering::Equal);
                if largest { ordering.reverse() } else { ordering }
            });
            for (n, place) in order.into_iter().take(k).enumerate() {
                all[(o * k + n) * inner + i] = at(place);
            }
        }
    }
    all
}

/// The index along the axis of each place in a tensor.
pub fn indices(places: &[usize], (_, length, inner): (usize, usize, usize)) -> Vec<i64> {
    let index = |at: &usize| i64::try_from(at / inner.max(1) % length.max(1)).unwrap_or(i64::MAX);
    places.iter().map(index).collect()
}
