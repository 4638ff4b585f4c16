//! The inner loops in plain Rust; the meaning of the packed formats.

use super::{Acc, Dense, Depthwise, LANES, Requant, depthwise_lane};

/// Sums stay inside int32: the caller proved it for every partial sum from the intervals of x and w.
pub(super) fn dense<const P: usize>(d: &Dense<'_>, x: &[i16], base: &[usize; P], acc: &mut [Acc; P]) {
    for (base, acc) in base.iter().zip(acc) {
        *acc = *d.bias;
        let mut weights = d.weights.chunks_exact(2 * LANES);
        for run in d.runs {
            let x = &x[base + run..][..2 * d.pairs];
            for (pair, w) in x.chunks_exact(2).zip(&mut weights) {
                let (x0, x1) = (i32::from(pair[0]), i32::from(pair[1]));
                for (acc, w) in acc.iter_mut().zip(w.chunks_exact(2)) {
                    *acc += x0 * i32::from(w[0]) + x1 * i32::from(w[1]);
                }
            }
        }
    }
}

pub(super) fn depthwise(d: &Depthwise<'_>, x: &[i16], base: usize, acc: &mut Acc) {
    *acc = *d.bias;
    for (taps, w) in d.taps.chunks_exact(2).zip(d.weights.chunks_exact(2 * LANES)) {
        let x0 = &x[base + taps[0]..][..LANES];
        let x1 = &x[base + taps[1]..][..LANES];
        for (j, acc) in acc.iter_mut().enumerate() {
            let lane = depthwise_lane(j);
            *acc += i32::from(x0[j]) * i32::from(w[2 * lane]) + i32::from(x1[j]) * i32::from(w[2 * lane + 1]);
        }
    }
}

pub(super) fn requantize(r: &Requant<'_>, acc: &Acc) -> [i8; LANES] {
    std::array::from_fn(|j| {
        // `as f32` rounds to nearest even; the bounds are integers, so clamping before rounding changes nothing;
        // the clamped value fits i8 once the zero point is added, so neither `as` can wrap.
        let v = (acc[j] as f32 * r.scale[j]).clamp(r.lo, r.hi).round_ties_even();
        (v as i32 + r.zero_point) as i8
    })
}

pub(super) fn center(from: &[i8], zero_point: i16, to: &mut [i16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = i16::from(*from) - zero_point;
    }
}
