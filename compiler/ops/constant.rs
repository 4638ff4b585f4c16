//! `Constant`, `ConstantOfShape`: <https://onnx.ai/onnx/operators/onnx__Constant.html>, `ConstantOfShape`.

use ndarray::{ArrayD, IxDyn, arr0, arr1};

use super::Op;
use super::context::{Context, Imported, Rule};
use crate::onnx::model::{Attribute, DType, Tensor, TensorData};

/// Largest tensor that ConstantOfShape may make, in elements.
const LIMIT: usize = 1 << 24;

/// The import rule of Constant: exactly one of its value attributes.
pub fn import(ctx: &Context<'_>) -> Imported {
    let float = |a: ArrayD<f64>| Tensor { dtype: DType::F32, data: TensorData::Float(a) };
    let int = |a: ArrayD<i64>| Tensor { dtype: DType::I64, data: TensorData::Int(a) };
    let names = ["value", "value_float", "value_floats", "value_int", "value_ints"];
    let found: Vec<_> = names.iter().filter_map(|n| ctx.any(n)).collect();
    let tensor = match found.as_slice() {
        [Attribute::Tensor(t)] => t.clone(),
        [Attribute::Float(v)] => float(arr0(f64::from(*v)).into_dyn()),
        [Attribute::Floats(v)] => {
            float(arr1(&v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()).into_dyn())
        }
        [Attribute::Int(v)] => int(arr0(*v).into_dyn()),
        [Attribute::Ints(v)] => int(arr1(v).into_dyn()),
        _ => return Err(ctx.invalid("it needs exactly one of value, value_float(s), value_int(s)")),
    };
    Rule::first(Op::Const(tensor), 0)
}

/// The import rule of ConstantOfShape.
pub fn import_of_shape(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let dims = ctx.constant_ints(0)?.unwrap_or_default();
    let shape: Option<Vec<usize>> = dims.iter().map(|d| usize::try_from(*d).ok()).collect();
    let shape = shape
        .filter(|s| s.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).is_some_and(|n| n <= LIMIT))
        .ok_or_else(|| ctx.invalid(format!("shape {dims:?}")))?;
    let tensor = match ctx.any("value") {
        None => Tensor { dtype: DType::F32, data: TensorData::Float(ArrayD::zeros(IxDyn(&shape))) },
        Some(Attribute::Tensor(t)) => {
            let data = match &t.data {
                TensorData::Float(v) if v.len() == 1 => TensorData::Float(ArrayD::from_elem(
                    IxDyn(&shape),
                    v.iter().copied().next().unwrap_or(0.0),
                )),
                TensorData::Int(v) if v.len() == 1 => {
                    TensorData::Int(ArrayD::from_elem(IxDyn(&shape), v.iter().copied().next().unwrap_or(0)))
                }
                _ => return Err(ctx.invalid("attribute `value` has to hold one element")),
            };
            Tensor { dtype: t.dtype, data }
        }
        Some(_) => return Err(ctx.invalid("attribute `value` has to be a tensor")),
    };
    Rule::of(Op::Const(tensor), &[])
}
