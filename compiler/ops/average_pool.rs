//! `AveragePool`, `GlobalAveragePool`, and com.microsoft's quantized forms:
//! <https://onnx.ai/onnx/operators/onnx__AveragePool.html>,
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearAveragePool>.

use super::Op;
use super::context::{Context, Imported, Rule};
use super::quantized::{Kernel, Quantized};
use super::window;
use crate::arith::AverageForm;
use crate::diag::Diagnostic;
use crate::graph::int::Window;

/// Which operator an average stems from: ONNX Runtime computes each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `AveragePool`.
    Pool,
    /// `GlobalAveragePool`.
    Global,
    /// `ReduceMean`.
    Mean,
}

/// An average over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePool {
    /// The window; the whole map for the global forms.
    pub window: Window,
    /// ONNX `ceil_mode`.
    pub ceil: bool,
    /// ONNX `count_include_pad`.
    pub count_include_pad: bool,
    /// The source operator.
    pub origin: Origin,
}

/// Refuses quantized maps that come channels last.
fn channels_first(ctx: &Context<'_>) -> Result<(), Diagnostic> {
    if ctx.flag("channels_last", false)? {
        return Err(ctx.unsupported("channels_last", "1", "only channels first is supported"));
    }
    Ok(())
}

fn read(ctx: &Context<'_>, form: AverageForm) -> Result<AveragePool, Diagnostic> {
    ctx.versions("dilations", 19..=i64::MAX)?;
    ctx.versions("ceil_mode", 10..=i64::MAX)?;
    let window = window::read_uncropped(ctx, &ctx.fact(0)?.shape)?;
    let pool = AveragePool {
        window,
        ceil: ctx.flag("ceil_mode", false)?,
        count_include_pad: ctx.flag("count_include_pad", false)?,
        origin: Origin::Pool,
    };
    for d in 0..2 {
        let extent = window.dilations[d] * (window.kernel[d] - 1) + 1;
        if window.pads[d] >= extent || window.pads[d + 2] >= extent {
            return Err(ctx.unsupported(
                "pads",
                &format!("{:?}", window.pads),
                "a window would see pads only",
            ));
        }
    }
    // ONNX Runtime's QLinearAveragePool divides by the kernel's size, AveragePool by the cells inside the pads, and a
    // fusion may make the one of the other.
    if pool.ceil && pool.count_include_pad && form != AverageForm::QLinear {
        let shape = &ctx.fact(0)?.shape;
        let size = window::spatial(shape).unwrap_or_default();
        for (d, size) in size.into_iter().enumerate() {
            if window.output(size, d, true) != window.output(size, d, false) {
                return Err(ctx.unsupported(
                    "ceil_mode",
                    "1",
                    "with count_include_pad ONNX Runtime's forms divide the last window by different counts",
                ));
            }
        }
    }
    Ok(pool)
}

fn global(ctx: &Context<'_>) -> Result<AveragePool, Diagnostic> {
    let shape = &ctx.fact(0)?.shape;
    let size = window::spatial(shape).ok_or_else(|| {
        ctx.operand(0, format!("its shape is {shape:?}; one or two spatial axes are supported"))
    })?;
    let window = window::whole(size);
    Ok(AveragePool { window, ceil: false, count_include_pad: false, origin: Origin::Global })
}

/// The import rule of AveragePool.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    Rule::first(Op::AveragePool(read(ctx, AverageForm::Float)?), 1)
}

/// The import rule of GlobalAveragePool.
pub fn import_global(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    Rule::first(Op::AveragePool(global(ctx)?), 1)
}

fn quantized(ctx: &Context<'_>, pool: AveragePool, form: AverageForm) -> Imported {
    let x = ctx.fact(0)?;
    let xq = ctx.params(1, 2, x.dtype, &x.shape, 1)?;
    let yq = ctx.params(3, 4, x.dtype, &x.shape, 1)?;
    Rule::of(Op::Quantized(Quantized::new(Kernel::Average(pool, form), vec![xq], yq)), &[0])
}

/// The import rule of com.microsoft QLinearAveragePool: x, x_scale, x_zero_point, y_scale, y_zero_point.
pub fn import_qlinear(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(4, 5)?;
    channels_first(ctx)?;
    let pool = read(ctx, AverageForm::QLinear)?;
    if pool.window.dilations != [1, 1] {
        return Err(ctx.unsupported("dilations", "above 1", "QLinearAveragePool has no such attribute"));
    }
    quantized(ctx, pool, AverageForm::QLinear)
}

/// The import rule of com.microsoft QLinearGlobalAveragePool, operands as above.
pub fn import_qlinear_global(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(4, 5)?;
    channels_first(ctx)?;
    quantized(ctx, global(ctx)?, AverageForm::QLinearGlobal)
}

/// The output shape.
pub fn shape(pool: &AveragePool, x: &[usize]) -> Result<Vec<usize>, String> {
    let channels = *x.get(1).ok_or_else(|| format!("a pool of {x:?}"))?;
    window::output_shape(x, channels, &pool.window, pool.ceil)
        .ok_or_else(|| format!("the window {} does not fit {x:?}", window::describe(&pool.window)))
}
