//! Products of two tensors: a lane on the centred integer product, or a lane and thresholds.
//!
//! In: a product's formula and the ranges of its operands. Out: its [`LayerQuant`]. Guarantees: equal to
//! [`ProductSpec::apply`] on every pair of bytes that the operands can hold.
//!
//! QLinearMul is a step function of the integer product p, and so is the float32 form but for a few p whose
//! factors decide, since float32 has rounded each of them. A lane does, as a rule. Where none does (ties that go to even
//! with an odd zero point added, for one), an estimate q is one of two bytes, and a threshold says which:
//!
//!   y = q + (256 * p >= T\[q\] + (p < 0 ? 255 - B\[x\] : B\[x\]))
//!
//! B is 0 unless the factors decide: then x, one of them, tells which they are, p being given. A factor that float32
//! rounds up makes the product larger in magnitude, whence the sign.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::fixed::FixedFormat;
use super::interval::Interval;
use super::layer::{Place, Reference, passive, rescaled};
use super::steps::Steps;
use super::{LaneKind, LayerQuant, signed_bits};
use crate::arith::lane::Channel;
use crate::arith::{ProductForm, ProductSpec};
use crate::diag::{Result, code};

/// Thresholds count so many bits below a product's: `KEY_SHIFT` of `rtl/o2c_product.v`.
const KEY_SHIFT: u32 = 8;
/// Corrections are below this.
const LEVELS: i64 = 1 << KEY_SHIFT;
/// Bits of a signed product with these.
pub(crate) const KEY_BITS: u32 = 17 + KEY_SHIFT;
/// Above every such product: never reached.
const NEVER: i64 = (1 << (KEY_BITS - 1)) - 1;

/// Thresholds of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProductSteps {
    /// For each canonical estimate -128 ..= 127: the least product, times 256, whose byte is one higher.
    pub thresholds: Vec<i64>,
    /// For each canonical byte -128 ..= 127 of one factor: what is added to it for products of at least 0; for others 255
    /// less it.
    pub corrections: Vec<i64>,
    /// That factor is b, else a.
    pub by_b: bool,
}

impl ProductSteps {
    /// The byte of a product that the lane estimates to be `q`.
    pub fn apply(&self, q: i8, (a, b): (i8, i8), product: i32) -> i8 {
        let index = |v: i8| usize::from(v.to_le_bytes()[0] ^ 0x80);
        let correction = self.corrections[index(if self.by_b { b } else { a })];
        let at = self.thresholds[index(q)] + if product < 0 { LEVELS - 1 - correction } else { correction };
        if (i64::from(product) << KEY_SHIFT) >= at { q.saturating_add(1) } else { q }
    }
}

/// What each product that the operands can make becomes.
struct Reached {
    /// The least and the greatest byte.
    bytes: BTreeMap<i64, (i32, i32)>,
    /// Of the products whose bytes differ, the factors and their byte.
    open: BTreeMap<i64, Vec<([i8; 2], i32)>>,
}

impl Reached {
    fn of(spec: &ProductSpec, pairs: impl Iterator<Item = (i8, i8)> + Clone) -> Reached {
        let mut bytes: BTreeMap<i64, (i32, i32)> = BTreeMap::new();
        let value = |(a, b)| (i64::from(spec.centred(a, b)), i32::from(spec.apply(a, b)));
        for (product, y) in pairs.clone().map(value) {
            let (least, most) = bytes.entry(product).or_insert((y, y));
            (*least, *most) = ((*least).min(y), (*most).max(y));
        }
        let mut open: BTreeMap<i64, Vec<([i8; 2], i32)>> = BTreeMap::new();
        if bytes.values().any(|(least, most)| least != most) {
            for (a, b) in pairs {
                let (product, y) = value((a, b));
                if bytes.get(&product).is_some_and(|(least, most)| least != most) {
                    open.entry(product).or_default().push(([a, b], y));
                }
            }
        }
        Reached { bytes, open }
    }

    /// The bytes as a function on an interval that never decreases; `None` if there is none. Between products that are
    /// reached it is the real product's byte, held to those beside it.
    fn function(&self, spec: &ProductSpec, (from, to): Interval) -> Option<Vec<i32>> {
        if !self.open.is_empty() {
            return None;
        }
        let real = f64::from(spec.a.0) * f64::from(spec.b.0) / f64::from(spec.y.0);
        let mut all = Vec::with_capacity(usize::try_from(to - from + 1).unwrap_or(0));
        let mut before = i32::MIN;
        for (&product, &(byte, _)) in &self.bytes {
            if byte < before {
                return None;
            }
            let mut at = from + i64::try_from(all.len()).ok()?;
            while at < product {
                // Far inside int32 after the clamp.
                let guess =
                    (at as f64 * real).round_ties_even().clamp(-1e6, 1e6) as i32 + spec.y.1 - spec.y.2;
                all.push(guess.clamp(before.max(spec.lo), byte));
                at += 1;
            }
            all.push(byte);
            before = byte;
        }
        Some(all)
    }
}

/// The integer form of a product of operands with the given canonical ranges.
pub(super) fn solve(
    place: &Place,
    spec: &ProductSpec,
    [a, b]: [Interval; 2],
    format: Option<FixedFormat>,
) -> Result<LayerQuant> {
    place.bounds(spec.lo, spec.hi)?;
    for (what, (scale, zero_point, _)) in
        [("scale of a", spec.a), ("scale of b", spec.b), ("scale of y", spec.y)]
    {
        place.scale(what, scale, false)?;
        place.zero_point(zero_point)?;
    }
    let byte = |v: i64| i8::try_from(v.clamp(-128, 127)).unwrap_or(0);
    let (a, b) = ((byte(a.0), byte(a.1)), (byte(b.0), byte(b.1)));
    let corners =
        [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)].map(|(a, b)| i64::from(spec.centred(a, b)));
    let reach = corners.iter().fold((corners[0], corners[0]), |r, &p| (r.0.min(p), r.1.max(p)));
    let pairs = (a.0..=a.1).flat_map(move |a| (b.0..=b.1).map(move |b| (a, b)));
    let reached = Reached::of(spec, pairs.clone());
    let slope = f64::from(spec.ratio());
    let zero_point = spec.y.1 - spec.y.2;
    let steps = match spec.form {
        ProductForm::QLinear => {
            let f = |p: i64| i32::from(spec.of_product(i32::try_from(p).unwrap_or(0)));
            Some(Steps::find(f, reach.0, reach.1, slope, f64::from(zero_point)))
        }
        ProductForm::Float => reached.function(spec, reach).map(|all| {
            let f = |p: i64| all[usize::try_from(p - reach.0).unwrap_or(0).min(all.len() - 1)];
            Steps::find(f, reach.0, reach.1, slope, f64::from(zero_point))
        }),
    };
    if let Some(steps) = steps {
        let reference = Reference { steps, slope, intercept: f64::from(zero_point), scale: spec.ratio() };
        if let Ok(layer) = rescaled(place, &[reference], (spec.lo, spec.hi), reach, format) {
            return Ok(layer);
        }
    }
    let all: Vec<(i8, i8)> = pairs.collect();
    let found = [false, true].into_iter().find_map(|by_b| {
        let (lane, steps) = by_thresholds(spec, &reached, slope, by_b)?;
        // All pairs are compared with the model of the hardware.
        let proved = all.par_iter().all(|&(a, b)| {
            let product = spec.centred(a, b);
            let q = lane.apply(i64::from(product), spec.lo, spec.hi);
            steps.apply(q, (a, b), product) == spec.apply(a, b)
        });
        proved.then_some((lane, steps))
    });
    let Some((lane, product_steps)) = found else {
        let cause = "float32 rounds both factors, and no thresholds tell its bytes on all pairs";
        return Err(place
            .fault(code::RESCALE_INFEASIBLE, "a product has no integer form", cause)
            .remedy("change one of the three scales by a little, or give them as scalars (shape []), so that ONNX Runtime computes QLinearMul")
            .into());
    };
    Ok(LayerQuant {
        channels: vec![lane],
        lo: spec.lo,
        hi: spec.hi,
        intervals: vec![reach],
        raw: reach,
        accumulator_bits: signed_bits(reach.0).max(signed_bits(reach.1)),
        product_steps: Some(product_steps),
        ..passive(place.name, LaneKind::Float, reach, (i64::from(spec.lo), i64::from(spec.hi)))
    })
}

/// The narrowest lane whose result is the byte or one less, and the thresholds that say which.
fn by_thresholds(
    spec: &ProductSpec,
    reached: &Reached,
    slope: f64,
    by_b: bool,
) -> Option<(Channel, ProductSteps)> {
    let lane = (0..=40u8).find_map(|shift| {
        let one = f64::from(shift).exp2();
        let (m, b) = ((slope * one).round(), (f64::from(spec.y.1 - spec.y.2) * one).round());
        if m > 16_777_215.0 {
            return None;
        }
        // Both are small integers here.
        let lane = Channel::Offset { m: m as u32, b: b as i64, shift };
        let fits = reached.bytes.iter().all(|(&product, &(least, most))| {
            let q = i32::from(lane.apply(product, spec.lo, spec.hi));
            q <= least && most <= q + 1
        });
        fits.then_some(lane)
    })?;
    let corrections = corrections(&reached.open, usize::from(by_b))?;
    let index = |v: i32| usize::try_from(v + 128).unwrap_or(0);
    let mut thresholds = vec![NEVER; 256];
    // Descending, so that the least product above each estimate remains.
    for (&product, &(least, most)) in reached.bytes.iter().rev() {
        let q = i32::from(lane.apply(product, spec.lo, spec.hi));
        if most <= q {
            continue;
        }
        // Below the product by all that a correction can add, or, of an open product, by what it adds to those that are to
        // reach the threshold.
        let up = reached.open.get(&product).into_iter().flatten().filter(|(_, y)| *y > q);
        let up = up.map(|(pair, _)| corrections[index(i32::from(pair[usize::from(by_b)]))]);
        let key = product << KEY_SHIFT;
        thresholds[index(q)] = match (least > q, product < 0) {
            (true, _) => key - (LEVELS - 1),
            (false, false) => key - up.max().unwrap_or(0),
            (false, true) => key - (LEVELS - 1) + up.min().unwrap_or(0),
        };
    }
    Some((lane, ProductSteps { thresholds, corrections, by_b }))
}

/// A level for each byte of one factor, so that of every open product those that make the byte of larger magnitude have
/// lower levels than the others.
fn corrections(open: &BTreeMap<i64, Vec<([i8; 2], i32)>>, factor: usize) -> Option<Vec<i64>> {
    let mut levels = vec![0i64; 256];
    let index = |a: i8| usize::from(a.to_le_bytes()[0] ^ 0x80);
    loop {
        let mut changed = false;
        for (&product, pairs) in open {
            let bytes = || pairs.iter().map(|(_, y)| *y);
            let larger = if product < 0 { bytes().min() } else { bytes().max() }?;
            let of = |large: bool| {
                pairs
                    .iter()
                    .filter(move |(_, y)| (*y == larger) == large)
                    .map(|(pair, _)| index(pair[factor]))
            };
            let top = of(true).map(|at| levels[at]).max()?;
            for at in of(false) {
                if levels[at] <= top {
                    levels[at] = top + 1;
                    changed = true;
                    if top + 1 >= LEVELS {
                        return None;
                    }
                }
            }
        }
        if !changed {
            return Some(levels);
        }
    }
}
