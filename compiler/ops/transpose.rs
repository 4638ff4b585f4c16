//! `Transpose`: <https://onnx.ai/onnx/operators/onnx__Transpose.html>.

use super::Op;
use super::context::{Context, Imported, Rule, axis};
use crate::onnx::model::{Tensor, TensorData};

/// The import rule; without `perm` the axes are reversed.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let rank = ctx.fact(0)?.shape.len();
    let perm = match ctx.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(perm) => {
            let at: Vec<_> = perm.iter().filter_map(|a| axis(*a, rank)).collect();
            let mut sorted = at.clone();
            sorted.sort_unstable();
            if sorted != (0..rank).collect::<Vec<_>>() || perm.len() != rank {
                return Err(
                    ctx.invalid(format!("attribute `perm` = {perm:?} is no permutation of {rank} axes"))
                );
            }
            at
        }
    };
    Rule::first(Op::Transpose(perm), 1)
}

/// The output shape.
pub fn shape(perm: &[usize], x: &[usize]) -> Result<Vec<usize>, String> {
    if perm.len() != x.len() {
        return Err(format!("perm {perm:?} for {x:?}"));
    }
    Ok(perm.iter().map(|&p| x[p]).collect())
}

/// The value for a constant operand.
pub fn eval(perm: &[usize], x: &Tensor) -> Tensor {
    let data = match &x.data {
        TensorData::Float(a) => {
            TensorData::Float(a.view().permuted_axes(perm.to_vec()).as_standard_layout().into_owned())
        }
        TensorData::Int(a) => {
            TensorData::Int(a.view().permuted_axes(perm.to_vec()).as_standard_layout().into_owned())
        }
    };
    Tensor { dtype: x.dtype, data }
}
