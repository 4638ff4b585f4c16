//! What an accumulator can reach: integer intervals from the weights and the range of the input.
//!
//! In: a node, the range of its operand. Out: proved intervals of the accumulator (centred, bias included: what the
//! rescale sees) and of every partial sum in the array (zero point not subtracted). All in i64, where nothing here
//! can overflow; leaving int32 is the caller's diagnostic.

use crate::graph::int::{Conv, Window};

/// An inclusive interval.
pub(crate) type Interval = (i64, i64);

/// The interval that holds both.
pub(crate) fn hull(a: Interval, b: Interval) -> Interval {
    (a.0.min(b.0), a.1.max(b.1))
}

/// What is known of an operand: the canonical values it takes, and its zero point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub(crate) range: Interval,
    pub(crate) zero_point: i64,
}

impl Operand {
    /// The values a tap can take: with pads the zero point as well.
    fn taps(self, padded: bool) -> Interval {
        if padded { hull(self.range, (self.zero_point, self.zero_point)) } else { self.range }
    }
}

/// Whether any tap can lie outside the map.
fn padded(window: &Window) -> bool {
    window.pads.iter().any(|&p| p > 0)
}

/// The accumulators of one output channel: (centred with bias, every partial sum of x*w).
pub(crate) fn conv_channel(conv: &Conv, channel: usize, x: Operand) -> (Interval, Interval) {
    let taps = x.taps(padded(&conv.window));
    let (positive, negative) = conv
        .weight
        .index_axis(ndarray::Axis(0), channel)
        .iter()
        .map(|&w| i64::from(w))
        .fold((0i64, 0i64), |(p, n), w| if w > 0 { (p + w, n) } else { (p, n + w) });
    let bias = conv.bias.get(channel).copied().map_or(0, i64::from);
    let (low, high) = (taps.0 - x.zero_point, taps.1 - x.zero_point);
    let centred = (positive * low + negative * high + bias, positive * high + negative * low + bias);
    // Partial sums start at 0 and stop anywhere, so each tap counts only where it widens the interval.
    let (low, high) = (taps.0.min(0), taps.1.max(0));
    (centred, (positive * low + negative * high, positive * high + negative * low))
}

/// How many taps of a pooling window lie inside the map, over all output positions: each count once, ascending.
pub(crate) fn inside_counts(window: &Window, input: [usize; 2], output: [usize; 2]) -> Vec<i64> {
    let axis = |i: usize| -> std::collections::BTreeSet<usize> {
        (0..output[i])
            .map(|o| {
                (0..window.kernel[i])
                    .filter(|k| {
                        // Position in the padded map, then in the map itself.
                        let at = o * window.strides[i] + k * window.dilations[i];
                        at.checked_sub(window.pads[i]).is_some_and(|at| at < input[i])
                    })
                    .count()
            })
            .collect()
    };
    let (rows, columns) = (axis(0), axis(1));
    let all: std::collections::BTreeSet<i64> = rows
        .iter()
        .flat_map(|r| columns.iter().map(move |c| r * c))
        .filter_map(|n| i64::try_from(n).ok())
        .filter(|&n| n > 0)
        .collect();
    all.into_iter().collect()
}

/// The centred sum of `taps` values.
pub(crate) fn pool_sum(taps: i64, x: Operand) -> Interval {
    (taps * (x.range.0 - x.zero_point), taps * (x.range.1 - x.zero_point))
}

/// Every partial sum of a pooling window of `taps` taps in the array; taps outside the map, beside it or beyond it
/// (ceil_mode), contribute the zero point where there are any.
pub(crate) fn pool_raw(taps: i64, outside: bool, x: Operand) -> Interval {
    let (low, high) = x.taps(outside);
    (taps * low.min(0), taps * high.max(0))
}
