//! The float stage: the ONNX graph with typed operators, as imported and while it is being brought to canonical form.
//!
//! In: [`crate::ops::import`]. Out: [`super::int`], through `passes`. Guarantees (see [`super::verify`]): every
//! value has an element type and a fixed shape (batch 1), names are unique, facts agree with the operators' shape
//! rules. An activation of the file's int8 or uint8 type holds the file's integers here; canonical signed integers
//! begin with the integer stage.

use super::{Graph, Stage};
use crate::onnx::model::DType;
use crate::ops::Op;

/// The float stage.
#[derive(Clone, Copy, Debug)]
pub struct Float;

impl Stage for Float {
    type Op = Op;
    type Fact = Fact;
}

/// The imported graph.
pub type FloatGraph = Graph<Float>;

/// What is known of a value: element type and shape, batch axis included (of size 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// ONNX element type.
    pub dtype: DType,
    /// ONNX shape.
    pub shape: Vec<usize>,
}

impl Fact {
    /// A fact.
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Fact { dtype, shape: shape.into() }
    }
    /// Number of elements, at most `usize::MAX`.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |n, d| n.saturating_mul(*d))
    }
    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dims: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        write!(f, "{}[{}]", dtype_name(self.dtype), dims.join(","))
    }
}

const NAMES: &[(DType, &str)] = &[
    (DType::F32, "f32"),
    (DType::F64, "f64"),
    (DType::F16, "f16"),
    (DType::BF16, "bf16"),
    (DType::U8, "u8"),
    (DType::I8, "i8"),
    (DType::U16, "u16"),
    (DType::I16, "i16"),
    (DType::U32, "u32"),
    (DType::I32, "i32"),
    (DType::U64, "u64"),
    (DType::I64, "i64"),
    (DType::Bool, "bool"),
    (DType::U4, "u4"),
    (DType::I4, "i4"),
    (DType::U2, "u2"),
    (DType::I2, "i2"),
    (DType::String, "string"),
];

/// The short name that graph text uses, e.g. `f32`.
pub fn dtype_name(dtype: DType) -> &'static str {
    NAMES.iter().find(|(d, _)| *d == dtype).map_or("?", |(_, n)| n)
}

/// The element type of a short name.
pub fn dtype_of_name(name: &str) -> Option<DType> {
    NAMES.iter().find(|(_, n)| *n == name).map(|(d, _)| *d)
}

/// Whether the element type is one of the float types.
pub fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
}

/// (bits, signed) of an integer element type; `None` for float, bool and string.
pub fn integer_width(dtype: DType) -> Option<(u32, bool)> {
    Some(match dtype {
        DType::U2 => (2, false),
        DType::I2 => (2, true),
        DType::U4 => (4, false),
        DType::I4 => (4, true),
        DType::U8 => (8, false),
        DType::I8 => (8, true),
        DType::U16 => (16, false),
        DType::I16 => (16, true),
        DType::U32 => (32, false),
        DType::I32 => (32, true),
        DType::U64 => (64, false),
        DType::I64 => (64, true),
        DType::F32 | DType::F64 | DType::F16 | DType::BF16 | DType::Bool | DType::String => return None,
    })
}

/// Least and greatest value of an integer type of at most 32 bits.
pub fn integer_range(dtype: DType) -> Option<(i64, i64)> {
    match integer_width(dtype)? {
        (bits, true) if bits <= 32 => Some((-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1)),
        (bits, false) if bits <= 32 => Some((0, (1_i64 << bits) - 1)),
        _ => None,
    }
}
