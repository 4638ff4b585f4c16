//! `TensorProto` to [`Tensor`]: every encoding that ONNX allows, sizes checked exactly.
//!
//! Source: the comments on `TensorProto` in onnx.proto. Bytes are little-endian on every host; 4-bit and 2-bit
//! elements are packed from the least significant bits of a byte upwards, in `raw_data` as in `int32_data`.

use std::path::Path;

use bytes::Bytes;
use ndarray::{ArrayD, IxDyn};

use super::model::{DType, Tensor, TensorData};
use super::proto::tensor_proto::{DataLocation, DataType};
use super::proto::{StringStringEntryProto, TensorProto};
use super::{MAX_ELEMENTS, MAX_RANK, external};
use crate::diag::{Diagnostic, code};

/// The element type of ONNX's number.
///
/// # Errors
/// `INPUT_UNSUPPORTED` for complex and narrow float types, `TENSOR_INVALID` for no type at all.
pub(super) fn dtype(number: i32) -> Result<DType, Diagnostic> {
    let Ok(ty) = DataType::try_from(number) else {
        return Err(Diagnostic::new(
            code::INPUT_UNSUPPORTED,
            "the element type is not known",
            format!("ONNX data type {number}"),
        ));
    };
    Ok(match ty {
        DataType::Float => DType::F32,
        DataType::Uint8 => DType::U8,
        DataType::Int8 => DType::I8,
        DataType::Uint16 => DType::U16,
        DataType::Int16 => DType::I16,
        DataType::Int32 => DType::I32,
        DataType::Int64 => DType::I64,
        DataType::String => DType::String,
        DataType::Bool => DType::Bool,
        DataType::Float16 => DType::F16,
        DataType::Double => DType::F64,
        DataType::Uint32 => DType::U32,
        DataType::Uint64 => DType::U64,
        DataType::Bfloat16 => DType::BF16,
        DataType::Uint4 => DType::U4,
        DataType::Int4 => DType::I4,
        DataType::Uint2 => DType::U2,
        DataType::Int2 => DType::I2,
        DataType::Undefined => {
            return Err(Diagnostic::new(
                code::TENSOR_INVALID,
                "no element type is given",
                "data_type is absent or 0",
            ));
        }
        DataType::Complex64
        | DataType::Complex128
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float4e2m1
        | DataType::Float8e8m0
        | DataType::Float6e2m3
        | DataType::Float6e3m2 => {
            return Err(Diagnostic::new(
                code::INPUT_UNSUPPORTED,
                "the element type is not supported",
                format!("data type {}", ty.as_str_name()),
            ));
        }
    })
}

/// Bits of one element; `None` for strings.
pub(super) fn bits(dtype: DType) -> Option<usize> {
    match dtype {
        DType::F64 | DType::U64 | DType::I64 => Some(64),
        DType::F32 | DType::U32 | DType::I32 => Some(32),
        DType::F16 | DType::BF16 | DType::U16 | DType::I16 => Some(16),
        DType::U8 | DType::I8 | DType::Bool => Some(8),
        DType::U4 | DType::I4 => Some(4),
        DType::U2 | DType::I2 => Some(2),
        DType::String => None,
    }
}

/// Decodes a tensor; `left` is how many more elements the model may have.
///
/// # Errors
/// `TENSOR_INVALID`, `INPUT_UNSUPPORTED`, `EXTERNAL_DATA`, `LIMIT_EXCEEDED`.
pub(super) fn tensor(t: &TensorProto, dir: Option<&Path>, left: &mut usize) -> Result<Tensor, Diagnostic> {
    let dtype = dtype(t.data_type.unwrap_or(0))?;
    if t.segment.is_some() {
        return Err(unsupported("the tensor is stored in segments"));
    }
    let shape = shape(&t.dims)?;
    let Some(width) = bits(dtype) else {
        return Err(unsupported("the tensor holds strings"));
    };
    let count = elements(&shape)?;
    *left = left.checked_sub(count).ok_or_else(too_many)?;
    let bytes = (count * width).div_ceil(8);
    let data = match stored(t, dir, bytes)? {
        Some(raw) if raw.len() == bytes => from_bytes(dtype, count, &raw)?,
        Some(raw) => return Err(size_error("raw_data", raw.len(), bytes, "bytes", &shape, dtype)),
        None => from_typed(t, dtype, count, &shape)?,
    };
    let fits = |e: ndarray::ShapeError| invalid(e.to_string());
    let data = match data {
        Flat::Float(v) => TensorData::Float(ArrayD::from_shape_vec(IxDyn(&shape), v).map_err(fits)?),
        Flat::Int(v) => TensorData::Int(ArrayD::from_shape_vec(IxDyn(&shape), v).map_err(fits)?),
    };
    Ok(Tensor { dtype, data })
}

enum Flat {
    Float(Vec<f64>),
    Int(Vec<i64>),
}

fn invalid(cause: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code::TENSOR_INVALID, "the tensor is not valid", cause)
}

fn unsupported(cause: &str) -> Diagnostic {
    Diagnostic::new(code::INPUT_UNSUPPORTED, "the tensor is stored in a way that is not supported", cause)
}

fn too_many() -> Diagnostic {
    Diagnostic::new(
        code::LIMIT_EXCEEDED,
        "the model's constants are too large",
        format!("at most {MAX_ELEMENTS} elements are accepted, all tensors together"),
    )
}

fn size_error(field: &str, got: usize, want: usize, unit: &str, shape: &[usize], dtype: DType) -> Diagnostic {
    invalid(format!("{field} holds {got} {unit}; shape {shape:?} of {dtype:?} needs {want}"))
}

fn shape(dims: &[i64]) -> Result<Vec<usize>, Diagnostic> {
    if dims.len() > MAX_RANK {
        return Err(Diagnostic::new(
            code::LIMIT_EXCEEDED,
            "the tensor has too many dimensions",
            format!("{}; at most {MAX_RANK} are accepted", dims.len()),
        ));
    }
    dims.iter()
        .map(|&d| usize::try_from(d).map_err(|_| invalid(format!("dimension {d} in shape {dims:?}"))))
        .collect()
}

fn elements(shape: &[usize]) -> Result<usize, Diagnostic> {
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(too_many)
}

/// The raw bytes, if the tensor is stored as such, in the file or beside it.
fn stored(t: &TensorProto, dir: Option<&Path>, bytes: usize) -> Result<Option<Bytes>, Diagnostic> {
    let typed = typed_fields(t);
    let external = match t.data_location {
        None => false,
        Some(l) => match DataLocation::try_from(l) {
            Ok(DataLocation::Default) => false,
            Ok(DataLocation::External) => true,
            Err(_) => return Err(invalid(format!("data_location {l} is not known"))),
        },
    };
    let given: Vec<&str> = typed
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(name, _)| *name)
        .chain(t.raw_data.as_ref().map(|_| "raw_data"))
        .chain((external || !t.external_data.is_empty()).then_some("external_data"))
        .collect();
    if given.len() > 1 {
        return Err(invalid(format!("the data are given more than once: {}", given.join(", "))));
    }
    if !external && !t.external_data.is_empty() {
        return Err(invalid("external_data is given, but data_location is not EXTERNAL"));
    }
    if external {
        let entries: Vec<(&str, &str)> = t.external_data.iter().map(entry).collect();
        return external::load(&entries, dir, bytes).map(Some);
    }
    Ok(t.raw_data.clone())
}

fn entry(e: &StringStringEntryProto) -> (&str, &str) {
    (e.key(), e.value())
}

fn typed_fields(t: &TensorProto) -> [(&'static str, usize); 6] {
    [
        ("float_data", t.float_data.len()),
        ("int32_data", t.int32_data.len()),
        ("string_data", t.string_data.len()),
        ("int64_data", t.int64_data.len()),
        ("double_data", t.double_data.len()),
        ("uint64_data", t.uint64_data.len()),
    ]
}

fn from_typed(t: &TensorProto, dtype: DType, count: usize, shape: &[usize]) -> Result<Flat, Diagnostic> {
    let (field, entries) = match dtype {
        DType::F32 => ("float_data", count),
        DType::F64 => ("double_data", count),
        DType::I64 => ("int64_data", count),
        DType::U32 | DType::U64 => ("uint64_data", count),
        DType::F16
        | DType::BF16
        | DType::U8
        | DType::I8
        | DType::U16
        | DType::I16
        | DType::I32
        | DType::Bool => ("int32_data", count),
        DType::U4 | DType::I4 => ("int32_data", count.div_ceil(2)),
        DType::U2 | DType::I2 => ("int32_data", count.div_ceil(4)),
        DType::String => return Err(unsupported("the tensor holds strings")),
    };
    for (name, got) in typed_fields(t) {
        let want = if name == field { entries } else { 0 };
        if got != want {
            return Err(size_error(name, got, want, "entries", shape, dtype));
        }
    }
    Ok(match dtype {
        DType::F32 => Flat::Float(t.float_data.iter().map(|&v| f64::from(v)).collect()),
        DType::F64 => Flat::Float(t.double_data.clone()),
        DType::I64 => Flat::Int(t.int64_data.clone()),
        DType::U32 | DType::U64 => Flat::Int(ints(&t.uint64_data, dtype)?),
        DType::U8 | DType::I8 | DType::U16 | DType::I16 | DType::I32 | DType::Bool => {
            Flat::Int(ints(&t.int32_data, dtype)?)
        }
        DType::F16 | DType::BF16 => {
            let bits = ints(&t.int32_data, DType::U16)?;
            let bits = bits.into_iter().filter_map(|b| u16::try_from(b).ok());
            Flat::Float(bits.map(if dtype == DType::F16 { f16_to_f64 } else { bf16_to_f64 }).collect())
        }
        DType::U4 | DType::I4 | DType::U2 | DType::I2 => {
            let bytes = ints(&t.int32_data, DType::U8)?;
            let bytes: Vec<u8> = bytes.into_iter().filter_map(|b| u8::try_from(b).ok()).collect();
            from_bytes(dtype, count, &bytes)?
        }
        DType::String => return Err(unsupported("the tensor holds strings")),
    })
}

/// Least and greatest value of an integer type, as far as i64 goes; `None` for other types.
pub(super) fn range(dtype: DType) -> Option<(i64, i64)> {
    Some(match dtype {
        DType::U8 => (0, 255),
        DType::I8 => (-128, 127),
        DType::U16 => (0, 0xffff),
        DType::I16 => (-0x8000, 0x7fff),
        DType::U32 => (0, 0xffff_ffff),
        DType::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        DType::U64 => (0, i64::MAX),
        DType::I64 => (i64::MIN, i64::MAX),
        DType::Bool => (0, 1),
        DType::U4 => (0, 15),
        DType::I4 => (-8, 7),
        DType::U2 => (0, 3),
        DType::I2 => (-2, 1),
        DType::F32 | DType::F64 | DType::F16 | DType::BF16 | DType::String => return None,
    })
}

/// Widens, and refuses what lies outside of the element type.
fn ints<T: Copy + TryInto<i64> + std::fmt::Display>(
    values: &[T],
    dtype: DType,
) -> Result<Vec<i64>, Diagnostic> {
    let (low, high) = range(dtype).unwrap_or((0, 0));
    values
        .iter()
        .map(|&v| {
            v.try_into().ok().filter(|w| (low..=high).contains(w)).ok_or_else(|| {
                invalid(format!("the value {v} is outside of {dtype:?}, which may be {low} to {high}"))
            })
        })
        .collect()
}

/// Decodes exactly `count` elements; the caller has checked the length of `raw`.
fn from_bytes(dtype: DType, count: usize, raw: &[u8]) -> Result<Flat, Diagnostic> {
    Ok(match dtype {
        DType::F32 => Flat::Float(words(raw, |b| f64::from(f32::from_le_bytes(b)))),
        DType::F64 => Flat::Float(words(raw, f64::from_le_bytes)),
        DType::F16 => Flat::Float(words(raw, |b| f16_to_f64(u16::from_le_bytes(b)))),
        DType::BF16 => Flat::Float(words(raw, |b| bf16_to_f64(u16::from_le_bytes(b)))),
        DType::U8 => Flat::Int(words(raw, |b| i64::from(u8::from_le_bytes(b)))),
        DType::I8 => Flat::Int(words(raw, |b| i64::from(i8::from_le_bytes(b)))),
        DType::U16 => Flat::Int(words(raw, |b| i64::from(u16::from_le_bytes(b)))),
        DType::I16 => Flat::Int(words(raw, |b| i64::from(i16::from_le_bytes(b)))),
        DType::U32 => Flat::Int(words(raw, |b| i64::from(u32::from_le_bytes(b)))),
        DType::I32 => Flat::Int(words(raw, |b| i64::from(i32::from_le_bytes(b)))),
        DType::I64 => Flat::Int(words(raw, i64::from_le_bytes)),
        DType::U64 => Flat::Int(ints(&words(raw, u64::from_le_bytes), dtype)?),
        DType::Bool => Flat::Int(ints(raw, dtype)?),
        DType::U4 => Flat::Int(packed(raw, count, 4, false)),
        DType::I4 => Flat::Int(packed(raw, count, 4, true)),
        DType::U2 => Flat::Int(packed(raw, count, 2, false)),
        DType::I2 => Flat::Int(packed(raw, count, 2, true)),
        DType::String => return Err(unsupported("the tensor holds strings")),
    })
}

fn words<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks::<N>().0.iter().map(|b| f(*b)).collect()
}

/// Elements of `width` bits (2 or 4), the first in the least significant bits.
fn packed(raw: &[u8], count: usize, width: u32, signed: bool) -> Vec<i64> {
    let per_byte = 8 / width;
    raw.iter()
        .flat_map(|&byte| (0..per_byte).map(move |i| i64::from(byte >> (i * width)) & ((1 << width) - 1)))
        .map(|v| if signed && v >> (width - 1) != 0 { v - (1 << width) } else { v })
        .take(count)
        .collect()
}

/// IEEE 754 binary16, exactly.
pub(super) fn f16_to_f64(bits: u16) -> f64 {
    let mantissa = f64::from(bits & 0x3ff);
    let magnitude = match bits >> 10 & 0x1f {
        0 => mantissa * f64::from(2f32.powi(-24)),
        31 if bits & 0x3ff == 0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1024.0 + mantissa) * f64::from(2f32.powi(i32::from(e) - 25)),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// bfloat16, exactly.
pub(super) fn bf16_to_f64(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}
