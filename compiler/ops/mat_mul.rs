//! `MatMul`: <https://onnx.ai/onnx/operators/onnx__MatMul.html>, with a matrix of constant weights as B.

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::diag::{Diagnostic, code};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 2)?;
    matrix_right(ctx, 0, 1)?;
    Rule::first(Op::MatMul, 2)
}

/// Refuses products whose right operand, ONNX operand `b`, is no matrix.
pub fn matrix_right(ctx: &Context<'_>, a: usize, b: usize) -> Result<(), Diagnostic> {
    let (left, right) = (&ctx.fact(a)?.shape, &ctx.fact(b)?.shape);
    if right.len() == 2 && left.len() >= 2 {
        return Ok(());
    }
    let op = &ctx.node.op_type;
    Err(ctx
        .error(
            code::INPUT_UNSUPPORTED,
            format!("this form of {op} is not supported"),
            format!("shapes {left:?} and {right:?}"),
        )
        .remedy("only rows by one matrix of constant weights are multiplied; batches and vectors are not"))
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
