//! `Add`, `Sub`, `Mul`, `Div`, `Min`, `Max`, `Pow`, `PRelu`: elementwise with broadcasting
//! (<https://onnx.ai/onnx/operators/onnx__Add.html> and so on for the other names,
//! <https://github.com/onnx/onnx/blob/main/docs/Broadcasting.md>).

use ndarray::{ArrayD, Zip};

use super::Op;
use super::context::{Context, Imported, Rule};
pub use crate::graph::expression::Binary;
use crate::onnx::model::{DType, Tensor, TensorData};

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    if matches!(ctx.node.op_type.as_str(), "Min" | "Max") && ctx.arity() != 2 {
        return Err(ctx.error(
            crate::diag::code::OP_UNSUPPORTED,
            format!("{} of {} operands is not supported", ctx.node.op_type, ctx.arity()),
            "two are: a tensor and a constant, or two functions of one tensor",
        ));
    }
    ctx.arity_within(2, 2)?;
    let kind = match ctx.node.op_type.as_str() {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Min" => Binary::Min,
        "Max" => Binary::Max,
        "Pow" => Binary::Pow,
        "PRelu" => Binary::PRelu,
        _ => Binary::Div,
    };
    Rule::first(Op::Binary(kind), 2)
}

/// ONNX's multidirectional broadcasting.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("{a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

/// The value for constant operands: float32 arithmetic for float32, checked integers; `None` otherwise.
pub fn eval(kind: Binary, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let shape = broadcast(a.shape(), b.shape()).ok()?;
    let data = match (&a.data, &b.data) {
        (TensorData::Float(x), TensorData::Float(y)) if a.dtype == DType::F32 && b.dtype == DType::F32 => {
            let f: fn(f32, f32) -> f32 = match kind {
                Binary::Add => |x, y| x + y,
                Binary::Sub => |x, y| x - y,
                Binary::Mul => |x, y| x * y,
                Binary::Div => |x, y| x / y,
                Binary::Min | Binary::Max | Binary::Pow | Binary::PRelu => return None,
            };
            let mut out = ArrayD::<f64>::zeros(shape.clone());
            Zip::from(&mut out)
                .and(x.broadcast(shape.clone())?)
                .and(y.broadcast(shape)?)
                .for_each(|o, &x, &y| *o = f64::from(f(x as f32, y as f32)));
            TensorData::Float(out)
        }
        (TensorData::Int(x), TensorData::Int(y)) if a.dtype == DType::I64 && b.dtype == DType::I64 => {
            let f: fn(i64, i64) -> Option<i64> = match kind {
                Binary::Add => i64::checked_add,
                Binary::Sub => i64::checked_sub,
                Binary::Mul => i64::checked_mul,
                Binary::Div => i64::checked_div,
                Binary::Min | Binary::Max | Binary::Pow | Binary::PRelu => return None,
            };
            let mut out = ArrayD::<i64>::zeros(shape.clone());
            let mut fits = true;
            Zip::from(&mut out).and(x.broadcast(shape.clone())?).and(y.broadcast(shape)?).for_each(
                |o, &x, &y| {
                    let value = f(x, y);
                    fits &= value.is_some();
                    *o = value.unwrap_or(0);
                },
            );
            if !fits {
                return None;
            }
            TensorData::Int(out)
        }
        (TensorData::Float(_) | TensorData::Int(_), TensorData::Float(_) | TensorData::Int(_)) => {
            return None;
        }
    };
    Some(Tensor { dtype: a.dtype, data })
}
