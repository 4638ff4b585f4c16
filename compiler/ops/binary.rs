//! `Add`, `Sub`, `Mul`, `Div`, `Min`, `Max`, `Pow`, `PRelu`: elementwise with broadcasting
//! (<https://onnx.ai/onnx/operators/onnx__Add.html> and so on for the other names,
//! <https://github.com/onnx/onnx/blob/main/docs/Broadcasting.md>).

use ndarray::{ArrayD, Axis, Zip};

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::arith::host;
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

/// Constant bases to one constant exponent, where the power's float32 rounding is beyond doubt.
fn power(x: &ArrayD<f64>, y: &ArrayD<f64>) -> Option<Tensor> {
    let (1, Some(exponent)) = (y.len(), y.first()) else { return None };
    // Exact: the tensors hold float32 values widened to f64.
    let one = |v: &f64| host::power(*v as f32, *exponent as f32).map(f64::from);
    let made: Option<Vec<f64>> = x.iter().map(one).collect();
    let rank = x.ndim().max(y.ndim());
    let shape = (0..rank).map(|d| (d + x.ndim()).checked_sub(rank).map_or(1, |d| x.len_of(Axis(d))));
    let data = ArrayD::from_shape_vec(shape.collect::<Vec<_>>(), made?).ok()?;
    Some(Tensor { dtype: DType::F32, data: TensorData::Float(data) })
}

/// The value for constant operands: float32 arithmetic for float32, checked integers; `None` otherwise.
pub fn eval(kind: Binary, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let shape = broadcast(a.shape(), b.shape()).ok()?;
    let data = match (&a.data, &b.data) {
        (TensorData::Float(x), TensorData::Float(y)) if a.dtype == DType::F32 && b.dtype == DType::F32 => {
            if kind == Binary::Pow {
                return power(x, y);
            }
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
