//! Select and Concat over row, column, channel order.
//!
//! In: canonical maps. Out: elements of them at other places, values unchanged.

use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{Part, QFact, Select};

/// A [`Select`] with its shapes.
#[derive(Debug)]
pub(crate) struct Selection {
    x: [usize; 3],
    y: [usize; 3],
    /// Source pixel of each output pixel, row-major; `None` outside.
    pixels: Vec<Option<usize>>,
    select: Select,
    fill: i8,
}

impl Selection {
    /// Checks the shapes.
    pub(crate) fn new(select: &Select, x: &QFact, y: &QFact, node: &str) -> Result<Selection> {
        let fault = |cause: String| {
            Diagnostic::new(code::INTERNAL, "a selection is not well formed", cause).at(node.to_owned())
        };
        let [c, h, w] = x.shape;
        let known = select.channels.iter().flatten().all(|&from| from < c);
        let Some(fill) =
            i8::try_from(select.fill).ok().filter(|_| known && select.channels.len() == y.shape[0])
        else {
            return Err(fault(format!("{:?} to {:?} by {select:?}", x.shape, y.shape)).into());
        };
        let axis = |d: usize, size: usize, at: usize| {
            let step = i64::try_from(select.steps[d] * at).ok()?;
            usize::try_from(select.origin[d] + step).ok().filter(|&from| from < size)
        };
        let pixels = (0..y.shape[1] * y.shape[2]).map(|pixel| {
            let (row, column) = match (pixel / y.shape[2], pixel % y.shape[2]) {
                (row, column) if select.exchanged => (column, row),
                place => place,
            };
            Some(axis(0, h, row)? * w + axis(1, w, column)?)
        });
        Ok(Selection { x: x.shape, y: y.shape, pixels: pixels.collect(), select: select.clone(), fill })
    }

    pub(crate) fn run(&self, x: &[i8], y: &mut [i8]) {
        let c = self.x[0];
        for (to, from) in y.chunks_exact_mut(self.y[0]).zip(&self.pixels) {
            for (y, channel) in to.iter_mut().zip(&self.select.channels) {
                *y = match (from, channel) {
                    (Some(pixel), Some(channel)) => x[pixel * c + channel],
                    _ => self.fill,
                };
            }
        }
    }
}

/// Writes an operand's elements to their places in the whole.
pub(crate) fn place(
    x: &[i8],
    [c, _, w]: [usize; 3],
    part: &Part,
    y: &mut [i8],
    [all, _, columns]: [usize; 3],
) {
    for (pixel, from) in x.chunks_exact(c).enumerate() {
        let row = part.origin[0] + pixel / w * part.steps[0];
        let column = part.origin[1] + pixel % w * part.steps[1];
        let to = (row * columns + column) * all + part.channel;
        y[to..to + c].copy_from_slice(from);
    }
}
