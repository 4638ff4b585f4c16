//! `DepthToSpace` and `SpaceToDepth`: blocks of pixels as channels and back.
//! <https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>, <https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html>.

use super::Op;
use super::context::{Context, Imported, Rule};

/// Either operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Rows and columns of a block.
    pub block: usize,
    /// Whether the channels become pixels.
    pub direction: Direction,
}

/// Which way, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// DepthToSpace, mode DCR: the block's place is the outer part of the channel.
    DepthColumnRow,
    /// DepthToSpace, mode CRD: the inner part.
    ColumnRowDepth,
    /// SpaceToDepth: the outer part.
    ToDepth,
}

impl Space {
    /// The operand's channel of the result's channel `c` at place (i, j) of a block, for DepthToSpace with `channels`
    /// in the result.
    pub fn channel(&self, c: usize, [i, j]: [usize; 2], channels: usize) -> usize {
        let place = i * self.block + j;
        match self.direction {
            Direction::ColumnRowDepth => c * self.block * self.block + place,
            Direction::DepthColumnRow | Direction::ToDepth => place * channels + c,
        }
    }
}

fn block(ctx: &Context<'_>) -> Result<usize, crate::diag::Diagnostic> {
    ctx.arity_within(1, 1)?;
    let given = ctx.opt_int("blocksize")?.ok_or_else(|| ctx.invalid("attribute `blocksize` is missing"))?;
    usize::try_from(given)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| ctx.invalid(format!("attribute `blocksize` = {given}")))
}

/// The import rule of DepthToSpace.
pub fn import_to_space(ctx: &Context<'_>) -> Imported {
    let block = block(ctx)?;
    let direction = match ctx.string("mode", "DCR")?.as_str() {
        "DCR" => Direction::DepthColumnRow,
        "CRD" => Direction::ColumnRowDepth,
        other => return Err(ctx.invalid(format!("attribute `mode` = {other}"))),
    };
    Rule::first(Op::Space(Space { block, direction }), 1)
}

/// The import rule of SpaceToDepth.
pub fn import_to_depth(ctx: &Context<'_>) -> Imported {
    Rule::first(Op::Space(Space { block: block(ctx)?, direction: Direction::ToDepth }), 1)
}

/// The output shape: `[n, c, h, w]` to `[n, c / block^2, h * block, w * block]`, or the other way round.
pub fn shape(space: &Space, x: &[usize]) -> Result<Vec<usize>, String> {
    let fault = || format!("blocks of {} in {x:?}", space.block);
    let &[n, c, h, w] = x else { return Err(fault()) };
    let (b, of) = (space.block, |size: usize, by: usize| size.is_multiple_of(by).then_some(size / by));
    let area = b.checked_mul(b).ok_or_else(fault)?;
    let found = if space.direction == Direction::ToDepth {
        Some(vec![
            n,
            c.checked_mul(area).ok_or_else(fault)?,
            of(h, b).ok_or_else(fault)?,
            of(w, b).ok_or_else(fault)?,
        ])
    } else {
        of(c, area).and_then(|c| Some(vec![n, c, h.checked_mul(b)?, w.checked_mul(b)?]))
    };
    found.ok_or_else(fault)
}
