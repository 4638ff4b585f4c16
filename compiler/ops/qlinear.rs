//! The operators of the QOperator form, which arrive in canonical form at once: `QLinearConv`, `QLinearMatMul`
//! (<https://onnx.ai/onnx/operators/onnx__QLinearConv.html>, `QLinearMatMul`) and com.microsoft `QGemm`, `QLinearAdd`,
//! `QLinearMul`, `QLinearSigmoid`, `QLinearLeakyRelu`, `QLinearSoftmax`
//! (<https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>).

use super::context::{Context, Imported, Rule, axis};
use super::quantized::{Kernel, Quantized};
use super::{Op, conv, gemm, softmax, unary};
use crate::arith::{AddForm, ProductForm};
use crate::graph::int::TableSource;

/// QLinearConv: x, x_scale, x_zp, w, w_scale, w_zp, y_scale, y_zp, optional bias.
pub fn import_conv(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(8, 9)?;
    let conv = conv::read(ctx, 3)?;
    let (x, w) = (ctx.fact(0)?, ctx.fact(3)?);
    let xq = ctx.params(1, 2, x.dtype, &x.shape, 1)?;
    let wq = ctx.weight_params(4, 5, w.dtype, &w.shape, 0)?;
    let yq = ctx.params(6, 7, x.dtype, &[w.shape[0]], 0)?;
    let operands: &[usize] = if ctx.has(8) { &[0, 3, 8] } else { &[0, 3] };
    Rule::of(Op::Quantized(Quantized::new(Kernel::Conv(conv), vec![xq, wq], yq)), operands)
}

/// QLinearMatMul: a, a_scale, a_zp, b, b_scale, b_zp, y_scale, y_zp.
pub fn import_mat_mul(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(8, 8)?;
    let (a, b) = (ctx.fact(0)?, ctx.fact(3)?);
    let aq = ctx.params(1, 2, a.dtype, &a.shape, -1)?;
    let bq = ctx.weight_params(4, 5, b.dtype, &b.shape, -1)?;
    let yq = ctx.params(6, 7, a.dtype, &[1], 0)?;
    super::mat_mul::matrix_right(ctx, 0, 3)?;
    let kernel = Kernel::MatMul { alpha: 1.0, trans_a: false, trans_b: false };
    Rule::of(Op::Quantized(Quantized::new(kernel, vec![aq, bq], yq)), &[0, 3])
}

/// QGemm: a, a_scale, a_zp, b, b_scale, b_zp, optional bias, y_scale, y_zp.
pub fn import_gemm(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(6, 9)?;
    let gemm = gemm::read(ctx, false)?;
    if !ctx.has(7) {
        return Err(ctx
            .error(
                crate::diag::code::NOT_QUANTIZED,
                "the result of QGemm is not quantized",
                "operand y_scale is absent, so the result is float32",
            )
            .remedy("give QGemm its y_scale and y_zero_point"));
    }
    let (a, b) = (ctx.fact(0)?, ctx.fact(3)?);
    let aq = ctx.params(1, 2, a.dtype, &a.shape, 1)?;
    let bq = ctx.params(4, 5, b.dtype, &b.shape, if gemm.trans_b { 0 } else { 1 })?;
    let yq = ctx.params(7, 8, a.dtype, &[1], 0)?;
    let kernel = Kernel::MatMul { alpha: gemm.alpha, trans_a: gemm.trans_a, trans_b: gemm.trans_b };
    let operands: &[usize] = if ctx.has(6) { &[0, 3, 6] } else { &[0, 3] };
    Rule::of(Op::Quantized(Quantized::new(kernel, vec![aq, bq], yq)), operands)
}

/// QLinearAdd: a, a_scale, a_zp, b, b_scale, b_zp, y_scale, y_zp.
pub fn import_add(ctx: &Context<'_>) -> Imported {
    import_binary(ctx, Kernel::Add(AddForm::QLinear))
}

/// QLinearMul: the same operands.
pub fn import_mul(ctx: &Context<'_>) -> Imported {
    import_binary(ctx, Kernel::Mul(ProductForm::QLinear))
}

fn import_binary(ctx: &Context<'_>, kernel: Kernel) -> Imported {
    ctx.arity_within(7, 8)?;
    let (a, b) = (ctx.fact(0)?, ctx.fact(3)?);
    let aq = ctx.params(1, 2, a.dtype, &a.shape, 1)?;
    let bq = ctx.params(4, 5, b.dtype, &b.shape, 1)?;
    let yq = ctx.params(6, 7, a.dtype, &[1], 0)?;
    Rule::of(Op::Quantized(Quantized::new(kernel, vec![aq, bq], yq)), &[0, 3])
}

/// QLinearSigmoid and QLinearLeakyRelu: x, x_scale, x_zp, y_scale, y_zp.
pub fn import_unary(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(4, 5)?;
    let function = unary::read(ctx, ctx.node.op_type.trim_start_matches("QLinear"))?;
    let x = ctx.fact(0)?;
    let xq = ctx.params(1, 2, x.dtype, &x.shape, 1)?;
    let yq = ctx.params(3, 4, x.dtype, &x.shape, 1)?;
    let name = function.qlinear.ok_or_else(|| ctx.invalid("it has no quantized form"))?;
    let source = TableSource::QLinear(name, function.attributes);
    Rule::of(Op::Quantized(Quantized::new(Kernel::Table(source), vec![xq], yq)), &[0])
}

/// QLinearSoftmax: x, x_scale, x_zp, y_scale, y_zp. Below opset 13 the axis begins a flattened tail.
pub fn import_softmax(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(5, 5)?;
    let x = ctx.fact(0)?;
    let opset = ctx.opt_int("opset")?.ok_or_else(|| ctx.invalid("attribute `opset` is missing"))?;
    let given = ctx.int("axis", -1)?;
    let at = axis(given, x.shape.len()).ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    let at = if opset < 13 {
        softmax::tail(&x.shape, at).ok_or_else(|| softmax::no_tail(ctx, given))?
    } else {
        at
    };
    let xq = ctx.params(1, 2, x.dtype, &x.shape, 1)?;
    let yq = ctx.params(3, 4, x.dtype, &x.shape, 1)?;
    Rule::of(Op::Quantized(Quantized::new(Kernel::Softmax(at), vec![xq], yq)), &[0])
}

/// QLinearConcat: y_scale, y_zp, then x, x_scale, x_zp of each operand. Each operand's integers become the result's by
/// DequantizeLinear and QuantizeLinear.
pub fn import_concat(ctx: &Context<'_>) -> Imported {
    let n = ctx.arity();
    ctx.arity_within(5, n.max(5))?;
    if n % 3 != 2 {
        return Err(
            ctx.invalid(format!("it has {n} operands; three belong to each tensor, and two to the result"))
        );
    }
    let operands: Vec<usize> = (2..n).step_by(3).collect();
    let first = ctx.fact(2)?;
    let given = ctx.opt_int("axis")?.ok_or_else(|| ctx.invalid("attribute `axis` is missing"))?;
    let at =
        axis(given, first.shape.len()).ok_or_else(|| ctx.invalid(format!("attribute `axis` = {given}")))?;
    let yq = ctx.params(0, 1, first.dtype, &first.shape, 1)?;
    let inputs = operands.iter().map(|&i| {
        let x = ctx.fact(i)?;
        ctx.params(i + 1, i + 2, x.dtype, &x.shape, 1)
    });
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    Rule::of(Op::Quantized(Quantized::new(Kernel::Concat(at), inputs, yq)), &operands)
}
