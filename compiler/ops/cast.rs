//! `Cast` on constants: <https://onnx.ai/onnx/operators/onnx__Cast.html>.

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::graph::float::{integer_range, is_float};
use crate::onnx::model::{DType, Tensor, TensorData};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    // Concerns float8 only.
    ctx.versions("saturate", 19..=i64::MAX)?;
    ctx.int("saturate", 1)?;
    let to = ctx.opt_int("to")?.ok_or_else(|| ctx.invalid("attribute `to` is missing"))?;
    // TensorProto.DataType numbers.
    let dtype = match to {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        11 => DType::F64,
        other => return Err(ctx.unsupported("to", &other.to_string(), "casts to this type are not folded")),
    };
    if ctx.fact(0)?.dtype == dtype {
        return Rule::first(Op::Identity, 1);
    }
    Rule::first(Op::Cast(dtype), 1)
}

/// The value for a constant operand; `None` where it does not fit the type.
pub fn eval(to: DType, x: &Tensor) -> Option<Tensor> {
    let data = match &x.data {
        TensorData::Int(a) if is_float(to) => {
            // i64 to f32 or f64, rounded to nearest even, as every runtime does.
            TensorData::Float(a.mapv(|v| if to == DType::F32 { f64::from(v as f32) } else { v as f64 }))
        }
        TensorData::Int(a) if to == DType::Bool => TensorData::Int(a.mapv(|v| i64::from(v != 0))),
        TensorData::Int(a) => {
            let (lo, hi) = integer_range(to).unwrap_or((i64::MIN, i64::MAX));
            if a.iter().any(|v| *v < lo || *v > hi) {
                return None;
            }
            TensorData::Int(a.clone())
        }
        TensorData::Float(a) if is_float(to) => {
            TensorData::Float(a.mapv(|v| if to == DType::F32 { f64::from(v as f32) } else { v }))
        }
        TensorData::Float(a) => {
            let (lo, hi) = integer_range(to).unwrap_or((-(1 << 53), 1 << 53));
            if a.iter().any(|v| !v.is_finite() || v.trunc() < lo as f64 || v.trunc() > hi as f64) {
                return None;
            }
            TensorData::Int(a.mapv(|v| v.trunc() as i64))
        }
    };
    Some(Tensor { dtype: to, data })
}
