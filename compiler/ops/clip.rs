//! `Clip` and `Relu`: <https://onnx.ai/onnx/operators/onnx__Clip.html>, <https://onnx.ai/onnx/operators/onnx__Relu.html>.
//!
//! On a quantized tensor both act on the stored integers, as ONNX defines them.

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::graph::float::is_float;
use crate::onnx::model::TensorData;

/// Bounds; `None` where there is none. Relu is `0 ..`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// Lower bound.
    pub min: Option<f32>,
    /// Upper bound.
    pub max: Option<f32>,
}

/// The import rule of Clip: bounds are attributes up to opset 10, operands from 11.
pub fn import(ctx: &Context<'_>) -> Imported {
    let bound = |name: &str, i: usize| -> Result<Option<f32>, crate::diag::Diagnostic> {
        if ctx.opset < 11 {
            let value = ctx.float(name, f32::NAN)?;
            return Ok((!value.is_nan()).then_some(value));
        }
        let Some(t) = ctx.constant(i)? else { return Ok(None) };
        match &t.data {
            TensorData::Int(v) if v.len() == 1 && !is_float(ctx.fact(0)?.dtype) => {
                // Integers of at most 16 bits are exact in float32; wider types are not activations.
                Ok(v.iter().next().map(|v| *v as f32))
            }
            _ => ctx.constant_float(i),
        }
    };
    ctx.arity_within(1, if ctx.opset < 11 { 1 } else { 3 })?;
    let clip = Clip { min: bound("min", 1)?, max: bound("max", 2)? };
    if clip.min.is_some_and(f32::is_nan) || clip.max.is_some_and(f32::is_nan) {
        return Err(ctx.invalid("a bound is not a number"));
    }
    Rule::first(Op::Clip(clip), 1)
}

/// The import rule of Relu.
pub fn import_relu(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    Rule::first(Op::Clip(Clip { min: Some(0.0), max: None }), 1)
}
