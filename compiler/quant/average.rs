//! Averages: a lane for each divisor that occurs, or float32 sums and thresholds.
//!
//! In: a pool's window, scales and the range of its input. Out: its [`LayerQuant`]. Guarantees: equal to
//! [`AverageSpec::apply`] on every sum; equal to QLinearAveragePool for every order of taps; the sums of a float32
//! average for which its source operator's order of addition decides are counted.

use std::collections::BTreeMap;

use super::fixed::FixedFormat;
use super::float_sum;
use super::interval::{self, Interval, Operand, hull};
use super::layer::{Place, Reference, int32, passive, rescaled, within_int32};
use super::steps::Steps;
use super::{LaneKind, LayerQuant, signed_bits};
use crate::arith::{AverageForm, AverageSpec};
use crate::diag::{Result, code};
use crate::graph::int::{AveragePool, QFact};

/// Scales outside are refused by ONNX Runtime's global average pool.
const GLOBAL_SCALES: std::ops::Range<f64> = 1.0 / 4_294_967_296.0..256.0;

/// The windows that are divided by the same number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// The divisor.
    pub(super) divisor: i32,
    /// The most taps of them that lie inside the map.
    pub(super) taps: i64,
    /// What their centred sums can reach.
    pub(super) sums: Interval,
}

/// Sums whose byte depends on how float32 adds them.
#[derive(Clone, Copy, Debug, Default)]
struct Ambiguity {
    sums: u64,
    /// The lowest of them, and the taps that are added.
    first: Option<(i32, i64)>,
}

/// The integer form of an average.
pub(super) fn solve(
    place: &Place,
    op: &AveragePool,
    y: &QFact,
    format: Option<FixedFormat>,
) -> Result<LayerQuant> {
    let (fact, x) = place.operand()?;
    let spec = &op.spec;
    place.bounds(spec.lo, spec.hi)?;
    place.scale("input's scale", spec.x.0, false)?;
    place.scale("output's scale", spec.y.0, false)?;
    place.zero_point(spec.x.1)?;
    place.zero_point(spec.y.1)?;
    let ([_, ih, iw], [_, oh, ow]) = (fact.shape, y.shape);
    let Ok(taps) = i64::try_from(op.window.kernel[0].saturating_mul(op.window.kernel[1])) else {
        return Err(place
            .fault(code::ACCUMULATOR_OVERFLOW, "the window is too large", "its size overflows")
            .into());
    };
    if spec.form == AverageForm::QLinear && op.window.kernel == [ih, iw] && op.window.pads == [0; 4] {
        let cause = "QLinearAveragePool over the whole map is computed as QLinearGlobalAveragePool";
        return Err(place
            .fault(code::INTERNAL, "an average was imported with the wrong formula", cause)
            .into());
    }
    let counts = interval::inside_counts(&op.window, [ih, iw], [oh, ow]);
    let raw = interval::pool_raw(taps, counts.first().is_none_or(|&n| n < taps), x);
    within_int32(place, "the sum of a window", raw)?;

    let (mut shares, mut ambiguity) = (BTreeMap::<i64, Share>::new(), Ambiguity::default());
    for &inside in &counts {
        let sums = interval::pool_sum(inside, x);
        within_int32(place, "the sum of a window", sums)?;
        let divisor = if op.count_include_pad { taps } else { inside };
        let range = (int32(x.range.0), int32(x.range.1));
        let spread = spec.spread(usize::try_from(inside).unwrap_or(usize::MAX), range, int32(divisor));
        ambiguity.sums = ambiguity.sums.saturating_add(spread.ambiguous);
        ambiguity.first = ambiguity.first.or(spread.first.map(|first| (first, inside)));
        let share = shares.entry(divisor).or_insert(Share { divisor: int32(divisor), taps: inside, sums });
        (share.taps, share.sums) = (share.taps.max(inside), hull(share.sums, sums));
    }
    let shares: Vec<Share> = shares.into_values().collect();

    let float = || by_float(place, spec, &shares, x, y, raw);
    if let (AverageForm::QLinear, Some((first, taps))) = (spec.form, ambiguity.first) {
        let cause = format!(
            "ONNX Runtime adds {taps} float32 values of scale {:e}; from the sum {first} on float32 decides the byte",
            spec.x.0
        );
        return float().ok_or_else(|| {
            place
                .fault(code::RESCALE_INFEASIBLE, "an average is not a function of its integer sum", cause)
                .remedy("use GlobalAveragePool, or quantize the input with a power-of-two scale")
                .into()
        });
    }
    let references: Vec<Reference> =
        shares.iter().map(|share| reference(place, spec, share)).collect::<Result<_>>()?;
    match (rescaled(place, &references, (spec.lo, spec.hi), raw, format), spec.form) {
        (Ok(layer), _) => {
            let divisors = shares.iter().map(|s| s.divisor).collect();
            Ok(LayerQuant { divisors, ambiguous_sums: ambiguity.sums, ..layer })
        }
        // What no lane does: ties that go to even with an odd zero point added, or two divisions that round.
        (Err(faults), AverageForm::QLinear) => float().ok_or(faults),
        (Err(faults), AverageForm::Float) if ambiguity.sums == 0 => float().ok_or(faults),
        (Err(faults), AverageForm::Float | AverageForm::QLinearGlobal) => Err(faults),
    }
}

/// The formula on the integer sum, for one divisor.
fn reference(place: &Place, spec: &AverageSpec, share: &Share) -> Result<Reference> {
    let Share { divisor, sums: (from, to), .. } = *share;
    let slope = f64::from(spec.x.0) / (f64::from(spec.y.0) * f64::from(divisor));
    if spec.form == AverageForm::QLinearGlobal && !GLOBAL_SCALES.contains(&slope) {
        let cause =
            format!("input scale / (output scale * {divisor}) is {slope:e}; it must be in 2^-32 .. 256");
        return Err(place.fault(code::SCALE_INVALID, "the average's scale is out of range", cause).into());
    }
    let f = |sum| i32::from(spec.apply(int32(sum), divisor));
    let steps = Steps::find(f, from, to, slope, f64::from(spec.y.1));
    Ok(Reference { steps, slope, intercept: f64::from(spec.y.1), scale: spec.integer_scale(divisor) })
}

/// The layer with sums as float32 makes them; `None` if they are beyond what can be examined.
fn by_float(
    place: &Place,
    spec: &AverageSpec,
    shares: &[Share],
    x: Operand,
    y: &QFact,
    raw: Interval,
) -> Option<LayerQuant> {
    let magnitude = (x.range.0 - x.zero_point).abs().max((x.range.1 - x.zero_point).abs());
    let (float_sum, channels) = float_sum::solve(spec, shares, magnitude, y.source_offset)?;
    let output = (i64::from(spec.lo), i64::from(spec.hi));
    let reachable = shares.iter().map(|s| s.sums).reduce(hull)?;
    Some(LayerQuant {
        channels,
        divisors: shares.iter().map(|s| s.divisor).collect(),
        lo: spec.lo,
        hi: spec.hi,
        reachable,
        intervals: shares.iter().map(|s| s.sums).collect(),
        raw,
        accumulator_bits: signed_bits(raw.0).max(signed_bits(raw.1)),
        float_sum: Some(float_sum),
        ..passive(place.name, LaneKind::Float, reachable, output)
    })
}
