//! Pooling over row, column, channel order.
//!
//! In: one sample's canonical map. Out: the pooled map, and for averages the centred sums. Guarantees: taps
//! outside the map never take part; windows may hang over the edge (ceil_mode).

use std::ops::Range;

use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{QFact, Window};

/// The geometry of a pooling layer.
#[derive(Debug)]
pub(crate) struct Pool {
    x: [usize; 3],
    y: [usize; 3],
    window: Window,
}

impl Pool {
    /// Checks the shapes.
    pub(crate) fn new(window: Window, x: &QFact, y: &QFact, node: &str) -> Result<Pool> {
        let ok = x.shape[0] == y.shape[0]
            && !x.is_empty()
            && !y.is_empty()
            && window.kernel.iter().chain(&window.strides).chain(&window.dilations).all(|v| *v > 0);
        if !ok {
            let cause = format!("{:?} to {:?} by {window:?}", x.shape, y.shape);
            return Err(Diagnostic::new(code::INTERNAL, "a pool is not well formed", cause).at(node).into());
        }
        Ok(Pool { x: x.shape, y: y.shape, window })
    }

    /// Maximum of the taps inside the map; `lowest` where there is none.
    pub(crate) fn max(&self, x: &[i8], y: &mut [i8], lowest: i8) {
        let c = self.x[0];
        for (pixel, y) in y.chunks_exact_mut(c).enumerate() {
            y.fill(lowest);
            self.taps(pixel, |at| {
                for (y, x) in y.iter_mut().zip(&x[at * c..][..c]) {
                    *y = (*y).max(*x);
                }
            });
        }
    }

    /// Averages: `rescale` makes a byte of a centred sum, the float32 sum of the taps times `scale` in row-major order
    /// (0 without a scale), and the divisor; `sums` receives the centred sums.
    pub(crate) fn average(
        &self,
        x: &[i8],
        y: &mut [i8],
        mut sums: Option<&mut [i32]>,
        (zero_point, scale): (i32, Option<f32>),
        count_include_pad: bool,
        rescale: impl Fn(i32, f32, i32) -> i8,
    ) {
        let c = self.x[0];
        let all = i32::try_from(self.window.kernel[0] * self.window.kernel[1]).unwrap_or(i32::MAX);
        let mut acc = vec![0_i32; c];
        let mut float = vec![0.0_f32; c];
        for (pixel, y) in y.chunks_exact_mut(c).enumerate() {
            acc.fill(0);
            float.fill(0.0);
            let mut taps = 0_i32;
            self.taps(pixel, |at| {
                taps += 1;
                for (acc, x) in acc.iter_mut().zip(&x[at * c..][..c]) {
                    // At most 2^23 taps of 255 each: checked for the whole map at import.
                    *acc += i32::from(*x) - zero_point;
                }
                if let Some(scale) = scale {
                    for (sum, x) in float.iter_mut().zip(&x[at * c..][..c]) {
                        // Exact: a difference of 9 bits.
                        *sum += (i32::from(*x) - zero_point) as f32 * scale;
                    }
                }
            });
            let divisor = if count_include_pad { all } else { taps.max(1) };
            for ((y, acc), float) in y.iter_mut().zip(&acc).zip(&float) {
                *y = rescale(*acc, *float, divisor);
            }
            if let Some(sums) = &mut sums {
                sums[pixel * c..][..c].copy_from_slice(&acc);
            }
        }
    }

    /// Calls `f` with the index of every map position under the window of output `pixel`, in row-major order.
    fn taps(&self, pixel: usize, mut f: impl FnMut(usize)) {
        let width = self.y[2];
        let rows = self.inside(0, pixel / width);
        let columns = self.inside(1, pixel % width);
        for kh in rows {
            let row = (pixel / width * self.window.strides[0] + kh * self.window.dilations[0])
                - self.window.pads[0];
            for kw in columns.clone() {
                let column = (pixel % width * self.window.strides[1] + kw * self.window.dilations[1])
                    - self.window.pads[1];
                f(row * self.x[2] + column);
            }
        }
    }

    /// The taps of output position `at` on an axis that lie inside the map.
    fn inside(&self, axis: usize, at: usize) -> Range<usize> {
        let (kernel, dilation) = (self.window.kernel[axis], self.window.dilations[axis]);
        let (start, pad) = (at * self.window.strides[axis], self.window.pads[axis]);
        let first = pad.saturating_sub(start).div_ceil(dilation);
        let end = (self.x[axis + 1] + pad).saturating_sub(start).div_ceil(dilation).min(kernel);
        first.min(end)..end
    }
}
