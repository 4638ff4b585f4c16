//! `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`: the elements stay in their order, only the shape changes
//! (<https://onnx.ai/onnx/operators/onnx__Reshape.html>, `Flatten`, `Squeeze`, `Unsqueeze`).

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use crate::diag::Diagnostic;
use crate::onnx::model::{Tensor, TensorData};

fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d))
}

fn to(ctx: &Context<'_>, shape: Vec<usize>) -> Imported {
    let x = ctx.fact(0)?;
    if count(&shape) != Some(x.len()) {
        return Err(ctx.mismatch(format!("{:?} does not reshape to {shape:?}", x.shape)));
    }
    Rule::first(Op::Reshape(shape), 1)
}

/// The import rule of Reshape: 0 copies a dimension (unless `allowzero`), -1 is inferred.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    let target = ctx.constant_ints(1)?.unwrap_or_default();
    ctx.versions("allowzero", 14..=i64::MAX)?;
    let allow_zero = ctx.flag("allowzero", false)?;
    let x = ctx.fact(0)?;
    let mut shape = Vec::with_capacity(target.len());
    let mut infer = None;
    for (i, &d) in target.iter().enumerate() {
        shape.push(match d {
            -1 if infer.is_none() => {
                infer = Some(i);
                1
            }
            0 if !allow_zero => *x.shape.get(i).ok_or_else(|| ctx.mismatch(format!("shape {target:?}")))?,
            d => usize::try_from(d).map_err(|_| ctx.invalid(format!("shape {target:?}")))?,
        });
    }
    if let Some(i) = infer {
        let rest =
            count(&shape).filter(|n| *n > 0).ok_or_else(|| ctx.mismatch(format!("shape {target:?}")))?;
        if x.len() % rest != 0 {
            return Err(ctx.mismatch(format!("{:?} does not reshape to {target:?}", x.shape)));
        }
        shape[i] = x.len() / rest;
    }
    to(ctx, shape)
}

/// The import rule of Flatten: to a matrix, split before `axis`.
pub fn import_flatten(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let x = &ctx.fact(0)?.shape;
    let at = ctx.int("axis", 1)?;
    let rank = i64::try_from(x.len()).unwrap_or(i64::MAX);
    let at = usize::try_from(if at < 0 { at + rank } else { at })
        .ok()
        .filter(|a| *a <= x.len())
        .ok_or_else(|| ctx.invalid(format!("attribute `axis` = {at} for shape {x:?}")))?;
    to(ctx, vec![x[..at].iter().product(), x[at..].iter().product()])
}

/// The import rule of Squeeze: axes are an attribute up to opset 12, operand 1 from 13; none, or an empty list,
/// means all of size 1.
pub fn import_squeeze(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 2)?;
    let x = &ctx.fact(0)?.shape;
    let drop: Vec<usize> = match ctx.axes(1, 13)?.filter(|axes| !axes.is_empty()) {
        None => (0..x.len()).filter(|i| x[*i] == 1).collect(),
        Some(axes) => resolve(ctx, &axes, x.len())?,
    };
    if let Some(i) = drop.iter().find(|i| x[**i] != 1) {
        return Err(ctx.mismatch(format!("axis {i} of {x:?} has not size 1")));
    }
    to(ctx, (0..x.len()).filter(|i| !drop.contains(i)).map(|i| x[i]).collect())
}

/// The import rule of Unsqueeze: axes are an attribute up to opset 12, operand 1 from 13.
pub fn import_unsqueeze(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 2)?;
    let x = &ctx.fact(0)?.shape;
    let axes = ctx.axes(1, 13)?.ok_or_else(|| ctx.invalid("`axes` is missing"))?;
    let rank = x.len() + axes.len();
    let mut add = resolve(ctx, &axes, rank)?;
    add.sort_unstable();
    add.dedup();
    if add.len() != axes.len() {
        return Err(ctx.invalid(format!("`axes` = {axes:?} repeats an axis")));
    }
    let mut rest = x.iter();
    let shape = (0..rank)
        .map(|i| if add.binary_search(&i).is_ok() { 1 } else { rest.next().copied().unwrap_or(1) })
        .collect();
    to(ctx, shape)
}

fn resolve(ctx: &Context<'_>, axes: &[i64], rank: usize) -> Result<Vec<usize>, Diagnostic> {
    axes.iter()
        .map(|a| axis(*a, rank).ok_or_else(|| ctx.invalid(format!("axis {a} does not exist in rank {rank}"))))
        .collect()
}

/// The value for a constant operand.
pub fn eval(shape: &[usize], x: &Tensor) -> Option<Tensor> {
    let data = match &x.data {
        TensorData::Float(a) => {
            TensorData::Float(a.as_standard_layout().into_owned().into_shape_with_order(shape).ok()?)
        }
        TensorData::Int(a) => {
            TensorData::Int(a.as_standard_layout().into_owned().into_shape_with_order(shape).ok()?)
        }
    };
    Some(Tensor { dtype: x.dtype, data })
}
