//! `Concat` on constants: <https://onnx.ai/onnx/operators/onnx__Concat.html>.

use ndarray::{ArrayD, ArrayViewD, Axis, concatenate};

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use crate::onnx::model::{Tensor, TensorData};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    let n = ctx.arity();
    ctx.arity_within(1, n.max(1))?;
    let given = ctx.opt_int("axis")?.ok_or_else(|| ctx.invalid("attribute `axis` is missing"))?;
    let at = axis(given, ctx.fact(0)?.shape.len())
        .ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    (0..n).try_for_each(|i| ctx.fact(i).map(drop))?;
    Rule::first(Op::Concat(at), n)
}

/// The output shape.
pub fn shape(at: usize, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
    let mut shape = inputs.first().map(|s| s.to_vec()).unwrap_or_default();
    if at >= shape.len() {
        return Err(format!("axis {at} of {shape:?}"));
    }
    shape[at] = 0;
    for s in inputs {
        let fits = s.len() == shape.len() && (0..s.len()).all(|i| i == at || s[i] == shape[i]);
        if !fits {
            return Err(format!("{inputs:?} do not concatenate along axis {at}"));
        }
        shape[at] += s[at];
    }
    Ok(shape)
}

/// The value for constant operands.
pub fn eval(at: usize, inputs: &[&Tensor]) -> Option<Tensor> {
    fn all<T: Clone>(at: usize, views: Option<Vec<&ArrayD<T>>>) -> Option<ArrayD<T>> {
        let views: Vec<ArrayViewD<'_, T>> = views?.into_iter().map(|a| a.view()).collect();
        concatenate(Axis(at), &views).ok().map(|a| a.as_standard_layout().into_owned())
    }
    let dtype = inputs.first()?.dtype;
    let float = |t: &&Tensor| matches!(t.data, TensorData::Float(_));
    let data = if inputs.iter().all(float) {
        let views = inputs.iter().map(|t| match &t.data {
            TensorData::Float(a) => Some(a),
            TensorData::Int(_) => None,
        });
        TensorData::Float(all(at, views.collect())?)
    } else {
        let views = inputs.iter().map(|t| match &t.data {
            TensorData::Int(a) => Some(a),
            TensorData::Float(_) => None,
        });
        TensorData::Int(all(at, views.collect())?)
    };
    Some(Tensor { dtype, data })
}
