//! The seam to `arith`: the formulas as the executor calls them.

use crate::arith::{AddSpec, AverageSpec};

/// One result of an average over `divisor` elements.
pub(crate) fn average(spec: &AverageSpec, sum: i32, divisor: i32) -> i8 {
    let divisor = divisor.max(1) as f32;
    let (sx, _) = spec.x;
    let (sy, zy) = spec.y;
    let v = (sum as f32 * sx) / divisor / sy;
    (v.round_ties_even() as i32 + zy).clamp(spec.lo, spec.hi) as i8
}

/// All 65,536 sums of canonical integers, `[(a + 128) * 256 + (b + 128)]`.
pub(crate) fn add_table(spec: &AddSpec) -> Box<[i8]> {
    let all = -128..=127;
    all.clone().flat_map(|a| all.clone().map(move |b| add(spec, a, b))).collect()
}

fn add(spec: &AddSpec, a: i8, b: i8) -> i8 {
    let (sa, za, _) = spec.a;
    let (sb, zb, _) = spec.b;
    let (sy, zy, oy) = spec.y;
    let (a, b) = (f32::from(i16::from(a)) + spec.a.2 as f32, f32::from(i16::from(b)) + spec.b.2 as f32);
    let y = match spec.form {
        crate::arith::AddForm::QLinear => {
            let (ra, rb) = (sa / sy, sb / sy);
            let fixed = zy as f32 - (ra * za as f32 + rb * zb as f32);
            ra.mul_add(a, rb.mul_add(b, fixed)).round_ties_even()
        }
        crate::arith::AddForm::Float => {
            (((a - za as f32) * sa + (b - zb as f32) * sb) / sy).round_ties_even() + zy as f32
        }
    };
    (y as i32 - oy).clamp(spec.lo, spec.hi) as i8
}

/// QuantizeLinear: the file's integer.
pub(crate) fn quantize(v: f32, scale: f32, zero_point: i32, signed: bool) -> i32 {
    let (lo, hi) = if signed { (-128, 127) } else { (0, 255) };
    ((v / scale).round_ties_even() as i32).saturating_add(zero_point).clamp(lo, hi)
}

/// DequantizeLinear of the file's integer.
pub(crate) fn dequantize(q: i32, scale: f32, zero_point: i32) -> f32 {
    (q - zero_point) as f32 * scale
}

/// Softmax of one row.
pub(crate) fn softmax(row: &[f32]) -> Vec<f32> {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f32> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f32 = e.iter().sum();
    e.iter().map(|v| v / sum).collect()
}

/// com.microsoft QLinearSoftmax of one row of the file's integers.
pub(crate) fn qlinear_softmax(row: &[i32], input: (f32, i32), output: (f32, i32), signed: bool) -> Vec<i32> {
    let row: Vec<f32> = row.iter().map(|q| dequantize(*q, input.0, input.1)).collect();
    softmax(&row).iter().map(|v| quantize(*v, output.0, output.1, signed)).collect()
}
