//! `MaxPool`, `GlobalMaxPool`: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>. Pads never win.

use super::Op;
use super::context::{Context, Imported, Rule};
use super::window;
use crate::graph::int::Window;

/// A maximum over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPool {
    /// The window.
    pub window: Window,
    /// ONNX `ceil_mode`.
    pub ceil: bool,
}

/// The import rule of MaxPool.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    ctx.versions("dilations", 10..=i64::MAX)?;
    ctx.versions("ceil_mode", 10..=i64::MAX)?;
    ctx.versions("storage_order", 8..=i64::MAX)?;
    let window = window::read_uncropped(ctx, &ctx.fact(0)?.shape)?;
    let ceil = ctx.flag("ceil_mode", false)?;
    // Says how the optional Indices output counts; that output is refused where it is used.
    ctx.flag("storage_order", false)?;
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
    Rule::first(Op::MaxPool(MaxPool { window, ceil }), 1)
}

/// The import rule of GlobalMaxPool.
pub fn import_global(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let shape = &ctx.fact(0)?.shape;
    let size = window::spatial(shape).ok_or_else(|| {
        ctx.operand(0, format!("its shape is {shape:?}; one or two spatial axes are supported"))
    })?;
    Rule::first(Op::MaxPool(MaxPool { window: window::whole(size), ceil: false }), 1)
}
