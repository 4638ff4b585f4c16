//! The roofline of a design with external memory: what bounds each layer, as a picture (Williams, Waterman and Patterson,
//! "Roofline: an insightful visual performance model", CACM 2009).
//!
//! Across: multiply-accumulates for each byte moved; up: multiply-accumulates a cycle; both in powers of two.

use super::report::LayerReport;

/// Coordinates for an SVG of [`WIDTH`] by [`HEIGHT`].
pub struct Roofline {
    /// The roof: x and y of its left end, of the ridge and of its right end.
    pub roof: String,
    /// Layers.
    pub points: Vec<Point>,
    /// Labels below: x and text.
    pub across: Vec<(f64, String)>,
    /// Labels at the left: y and text.
    pub up: Vec<(f64, String)>,
}

/// One layer.
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// Name, intensity and speed.
    pub title: String,
    /// Whether it waits for loads.
    pub waits: bool,
}

/// Width of the picture.
pub const WIDTH: f64 = 640.0;
/// Height of the picture.
pub const HEIGHT: f64 = 320.0;
/// Left and lower margin.
const MARGIN: f64 = 40.0;

/// The picture of the layers that have multiplications and move bytes; `None` without any.
pub fn roofline(layers: &[LayerReport], multipliers: usize, bytes_per_cycle: usize) -> Option<Roofline> {
    let of = |l: &LayerReport| {
        let (macs, bytes, cycles) = (l.macs as f64, l.bytes() as f64, l.cycles_predicted as f64);
        (macs > 0.0 && bytes > 0.0 && cycles > 0.0).then(|| (macs / bytes, macs / cycles))
    };
    let found: Vec<(&LayerReport, f64, f64)> =
        layers.iter().filter_map(|l| of(l).map(|(x, y)| (l, x.log2(), y.log2()))).collect();
    let (top, slope) = ((multipliers as f64).log2(), (bytes_per_cycle as f64).log2());
    let ridge = top - slope;
    let least =
        |f: fn(&(&LayerReport, f64, f64)) -> f64, from: f64| found.iter().map(f).fold(from, f64::min).floor();
    let (left, low) = (least(|p| p.1, ridge - 1.0), least(|p| p.2, top - 3.0));
    let right = found.iter().map(|p| p.1).fold(ridge + 2.0, f64::max).ceil();
    let x = |v: f64| round(MARGIN + (v - left) / (right - left) * (WIDTH - MARGIN - 10.0));
    let y = |v: f64| round(10.0 + (top - v) / (top - low) * (HEIGHT - MARGIN - 10.0));
    let point = |(l, at, speed): &(&LayerReport, f64, f64)| Point {
        x: x(*at),
        y: y(*speed),
        title: format!("{}: {:.1} MACs a byte, {:.1} a cycle", l.name, at.exp2(), speed.exp2()),
        waits: l.wait_cycles > 0,
    };
    let foot = (left + slope).max(low);
    let roof = format!("{},{} {},{} {},{}", x(foot - slope), y(foot), x(ridge), y(top), x(right), y(top));
    let steps = |from: f64, to: f64| {
        let mut at = from;
        std::iter::from_fn(move || {
            let now = at;
            at += 1.0;
            (now <= to).then_some(now)
        })
    };
    let label = |v: f64| if v < 0.0 { format!("1/{}", (-v).exp2()) } else { v.exp2().to_string() };
    (!found.is_empty()).then(|| Roofline {
        roof,
        points: found.iter().map(point).collect(),
        across: steps(left, right).map(|v| (x(v), label(v))).collect(),
        up: steps(low, top.floor()).map(|v| (y(v), label(v))).collect(),
    })
}

/// To a tenth of a pixel.
fn round(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}
