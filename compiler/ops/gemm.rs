//! `Gemm`: <https://onnx.ai/onnx/operators/onnx__Gemm.html>: alpha * A' * B' + beta * C.

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::diag::Diagnostic;

/// The attributes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gemm {
    /// Factor of the product.
    pub alpha: f32,
    /// Factor of C.
    pub beta: f32,
    /// A is transposed.
    pub trans_a: bool,
    /// B is transposed.
    pub trans_b: bool,
}

/// Reads the attributes; `beta` is not an attribute of every form.
pub fn read(ctx: &Context<'_>, has_beta: bool) -> Result<Gemm, Diagnostic> {
    let gemm = Gemm {
        alpha: ctx.float("alpha", 1.0)?,
        beta: if has_beta { ctx.float("beta", 1.0)? } else { 1.0 },
        trans_a: ctx.flag("transA", false)?,
        trans_b: ctx.flag("transB", false)?,
    };
    if !gemm.alpha.is_finite() || gemm.alpha <= 0.0 {
        return Err(ctx.unsupported("alpha", &gemm.alpha.to_string(), "it has to be above 0"));
    }
    Ok(gemm)
}

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(2, 3)?;
    let gemm = read(ctx, true)?;
    if ctx.opset < 7 {
        ctx.int("broadcast", 1)?;
    }
    Rule::first(Op::Gemm(gemm), if ctx.has(2) { 3 } else { 2 })
}

/// Whether C of shape `c` fits a product of shape `y`: unidirectional broadcasting, aligned at the end.
pub fn bias_fits(c: &[usize], y: &[usize]) -> Result<(), String> {
    let fits = c.len() <= y.len() && c.iter().rev().zip(y.iter().rev()).all(|(c, y)| *c == 1 || c == y);
    if fits { Ok(()) } else { Err(format!("a bias of shape {c:?} does not broadcast to {y:?}")) }
}

/// Whether a bias of shape `c` is one value, or one for each of `columns`: every axis but the last has size 1.
pub fn per_column(c: &[usize], columns: usize) -> bool {
    match c.split_last() {
        None => true,
        Some((last, rows)) => (*last == 1 || *last == columns) && rows.iter().all(|d| *d == 1),
    }
}

/// The output shape.
pub fn shape(gemm: &Gemm, a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let (&[a0, a1], &[b0, b1]) = (a, b) else {
        return Err(format!("Gemm multiplies matrices, not {a:?} and {b:?}"));
    };
    let (m, ka) = if gemm.trans_a { (a1, a0) } else { (a0, a1) };
    let (kb, n) = if gemm.trans_b { (b1, b0) } else { (b0, b1) };
    if ka != kb {
        return Err(format!("{a:?} and {b:?} do not multiply"));
    }
    Ok(vec![m, n])
}
