//! `QuantizeLinear` and `DequantizeLinear`, ai.onnx and com.microsoft:
//! <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>, <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>.
//!
//! y = saturate(rne(x / scale) + zero_point); x = (y - zero_point) * scale.

use ndarray::{ArrayD, Axis};

use super::Op;
use super::context::{Context, Imported, Rule};
use super::quantization::Params;
use crate::diag::Diagnostic;
use crate::graph::float::is_float;
use crate::onnx::model::{DType, Tensor, TensorData};

fn common(ctx: &Context<'_>) -> Result<i64, Diagnostic> {
    ctx.arity_within(2, 3)?;
    for (name, since) in [("axis", 13), ("block_size", 21), ("precision", 23)] {
        ctx.versions(name, since..=i64::MAX)?;
    }
    let block = ctx.int("block_size", 0)?;
    if block != 0 {
        return Err(ctx.unsupported(
            "block_size",
            &block.to_string(),
            "blocked quantization is not supported",
        ));
    }
    let precision = ctx.int("precision", 0)?;
    if !matches!(precision, 0 | 1) {
        return Err(ctx.unsupported("precision", &precision.to_string(), "the division is done in float32"));
    }
    ctx.int("axis", 1)
}

/// The import rule of QuantizeLinear.
pub fn import_quantize(ctx: &Context<'_>) -> Imported {
    let axis = common(ctx)?;
    // Concerns float8 only, which no zero point here can have.
    ctx.versions("saturate", 19..=i64::MAX)?;
    ctx.int("saturate", 1)?;
    ctx.versions("output_dtype", 21..=i64::MAX)?;
    // TensorProto.DataType numbers of the types that can be a result.
    let said = ctx.int("output_dtype", 0)?;
    let dtype = match said {
        0 | 2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        21 => DType::U4,
        22 => DType::I4,
        25 => DType::U2,
        26 => DType::I2,
        other => {
            return Err(ctx.unsupported("output_dtype", &other.to_string(), "it is not an integer type"));
        }
    };
    let x = ctx.fact(0)?;
    if x.dtype != DType::F32 {
        return Err(ctx.operand(0, format!("its type is {:?}; float32 is supported", x.dtype)));
    }
    let params = ctx.params(1, 2, dtype, &x.shape, axis)?;
    if said != 0 && params.dtype != dtype {
        let cause = format!("attribute `output_dtype` says {dtype:?}, the zero point is {:?}", params.dtype);
        return Err(ctx.invalid(cause));
    }
    Rule::first(Op::Quantize(params), 1)
}

/// The import rule of DequantizeLinear.
pub fn import_dequantize(ctx: &Context<'_>) -> Imported {
    let axis = common(ctx)?;
    ctx.versions("output_dtype", 23..=i64::MAX)?;
    if !matches!(ctx.int("output_dtype", 0)?, 0 | 1) {
        return Err(ctx.unsupported("output_dtype", "other than float32", "the result has to be float32"));
    }
    let x = ctx.fact(0)?;
    if is_float(x.dtype) {
        return Err(ctx.operand(0, format!("its type is {:?}; it has to be an integer type", x.dtype)));
    }
    let params = ctx.params(1, 2, x.dtype, &x.shape, axis)?;
    if params.dtype != x.dtype {
        return Err(ctx.mismatch(format!("the tensor is {:?}, its zero point {:?}", x.dtype, params.dtype)));
    }
    Rule::first(Op::Dequantize(params), 1)
}

/// QuantizeLinear of a constant.
pub fn eval(params: &Params, x: &Tensor) -> Option<Tensor> {
    let TensorData::Float(values) = &x.data else { return None };
    // What becomes of "not a number" is left open by ONNX.
    if x.dtype != DType::F32 || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut out = ArrayD::<i64>::zeros(values.raw_dim());
    match params.axis {
        None => out.zip_mut_with(values, |o, v| *o = params.quantize(*v as f32, 0)),
        Some(axis) => {
            for (slice, (mut o, v)) in
                out.axis_iter_mut(Axis(axis)).zip(values.axis_iter(Axis(axis))).enumerate()
            {
                o.zip_mut_with(&v, |o, v| *o = params.quantize(*v as f32, slice));
            }
        }
    }
    Some(Tensor { dtype: params.dtype, data: TensorData::Int(out) })
}

/// The real values of an integer constant.
pub fn dequantized(params: &Params, x: &Tensor) -> Option<Tensor> {
    let TensorData::Int(values) = &x.data else { return None };
    // Integers of 8 bits convert exactly; int32's difference is rounded, as by ONNX Runtime.
    let real = |v: i64, slice: usize| f64::from((v - params.zero_point[slice]) as f32 * params.scale[slice]);
    let data = TensorData::Float(match params.axis {
        None => values.mapv(|v| real(v, 0)),
        Some(axis) if values.shape().get(axis) == Some(&params.scale.len()) => {
            ArrayD::from_shape_fn(values.raw_dim(), |at| real(values[&at], at[axis]))
        }
        Some(_) => return None,
    });
    Some(Tensor { dtype: DType::F32, data })
}
