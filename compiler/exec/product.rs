//! Products of two tensors in row, column, channel order.
//!
//! In: two samples' canonical maps, the second with axes of one element where it is broadcast. Out: the product's map,
//! and the centred products that the hardware requantizes.

use super::index;
use crate::arith::ProductSpec;
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::QFact;
use crate::quant::LayerQuant;

/// A product ready to run.
#[derive(Debug)]
pub(crate) struct Product {
    spec: ProductSpec,
    /// All results: the formula's own.
    table: Box<[i8]>,
    /// Channels, rows, columns of the result.
    shape: [usize; 3],
    /// Steps of b's index for a channel, a row, a column; 0 where it has one.
    steps: [usize; 3],
}

impl Product {
    /// Checks the shapes.
    pub(crate) fn new(spec: ProductSpec, a: &QFact, b: &QFact, y: &QFact, node: &str) -> Result<Product> {
        let shape = y.shape;
        if a.shape != shape || (0..3).any(|d| b.shape[d] != shape[d] && b.shape[d] != 1) {
            let cause = format!("{:?} times {:?} to {shape:?}", a.shape, b.shape);
            return Err(Diagnostic::new(code::INTERNAL, "a product is not well formed", cause)
                .at(node)
                .into());
        }
        let [c, _, w] = b.shape;
        let step = |d: usize, step: usize| if b.shape[d] == 1 { 0 } else { step };
        Ok(Product { spec, table: spec.table(), shape, steps: [step(0, 1), step(1, w * c), step(2, c)] })
    }

    /// One sample; `sums` receives the centred products, `rescale` takes the formula's place.
    pub(crate) fn run(
        &self,
        a: &[i8],
        b: &[i8],
        y: &mut [i8],
        mut sums: Option<&mut [i32]>,
        rescale: Option<&LayerQuant>,
    ) {
        let [c, h, w] = self.shape;
        let [channel, row, column] = self.steps;
        let lane = rescale.and_then(|r| Some((r.channels.first()?, r.lo, r.hi)));
        for pixel in 0..h * w {
            let first = pixel / w * row + pixel % w * column;
            for at in pixel * c..(pixel + 1) * c {
                let (a, b) = (a[at], b[first + at % c * channel]);
                let product = self.spec.centred(a, b);
                y[at] = match lane {
                    Some((lane, lo, hi)) => lane.apply(i64::from(product), lo, hi),
                    None => self.table[usize::from(index(a)) << 8 | usize::from(index(b))],
                };
                if let Some(sums) = &mut sums {
                    sums[at] = product;
                }
            }
        }
    }
}
