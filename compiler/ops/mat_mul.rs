//! `MatMul`: <https://onnx.ai/onnx/operators/onnx__MatMul.html>, with a matrix of constant weights as B.

use super::Op;
use super::context::{Context, Imported, Rule};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    Rule::first(Op::MatMul, 2)
}

/// The output shape for A of rank 2 or more and B a matrix.
pub fn shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let (Some((&k, rows)), &[kb, n]) = (a.split_last(), b) else {
        return Err(format!("{a:?} by {b:?}: only a matrix on the right is supported"));
    };
    if k != kb || rows.is_empty() {
        return Err(format!("{a:?} and {b:?} do not multiply"));
    }
    let mut shape = rows.to_vec();
    shape.push(n);
    Ok(shape)
}
