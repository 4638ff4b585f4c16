//! Typed arrays at the model's edge: what a user's `.npy` file holds and what a model output is.
//!
//! In: nothing. Out: [`Data`], samples stacked on the first axis. Guarantees: C order.

use ndarray::{ArrayD, IxDyn};

use crate::graph::int::HostType;

/// An array in one of the element types that a model's input or output may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// float32
    F32(ArrayD<f32>),
    /// uint8
    U8(ArrayD<u8>),
    /// int8
    I8(ArrayD<i8>),
    /// int32 (accumulators in dumps)
    I32(ArrayD<i32>),
    /// int64
    I64(ArrayD<i64>),
}

impl Data {
    /// The shape, samples first.
    pub fn shape(&self) -> &[usize] {
        match self {
            Data::F32(a) => a.shape(),
            Data::U8(a) => a.shape(),
            Data::I8(a) => a.shape(),
            Data::I32(a) => a.shape(),
            Data::I64(a) => a.shape(),
        }
    }

    /// The element type's ONNX name, e.g. `float32`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Data::F32(_) => "float32",
            Data::U8(_) => "uint8",
            Data::I8(_) => "int8",
            Data::I32(_) => "int32",
            Data::I64(_) => "int64",
        }
    }

    /// Every element's bytes (little endian), row-major: for comparisons to the last bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Data::F32(a) => a.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Data::U8(a) => a.iter().copied().collect(),
            Data::I8(a) => a.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Data::I32(a) => a.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Data::I64(a) => a.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    /// Every element as a real number, row-major; int64 beyond 2^53 is rounded.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Data::F32(a) => a.iter().map(|v| f64::from(*v)).collect(),
            Data::U8(a) => a.iter().map(|v| f64::from(*v)).collect(),
            Data::I8(a) => a.iter().map(|v| f64::from(*v)).collect(),
            Data::I32(a) => a.iter().map(|v| f64::from(*v)).collect(),
            Data::I64(a) => a.iter().map(|v| *v as f64).collect(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples `range` of the first axis, copied.
    pub fn samples(&self, range: std::ops::Range<usize>) -> Data {
        fn cut<T: Clone>(a: &ArrayD<T>, range: std::ops::Range<usize>) -> ArrayD<T> {
            a.slice_axis(ndarray::Axis(0), ndarray::Slice::from(range)).as_standard_layout().into_owned()
        }
        match self {
            Data::F32(a) => Data::F32(cut(a, range)),
            Data::U8(a) => Data::U8(cut(a, range)),
            Data::I8(a) => Data::I8(cut(a, range)),
            Data::I32(a) => Data::I32(cut(a, range)),
            Data::I64(a) => Data::I64(cut(a, range)),
        }
    }

    /// Element `i`, row-major, as decimal text; for messages.
    pub fn text_at(&self, i: usize) -> String {
        fn at<T: std::fmt::Display>(a: &ArrayD<T>, i: usize) -> String {
            a.iter().nth(i).map_or_else(String::new, T::to_string)
        }
        match self {
            Data::F32(a) => at(a, i),
            Data::U8(a) => at(a, i),
            Data::I8(a) => at(a, i),
            Data::I32(a) => at(a, i),
            Data::I64(a) => at(a, i),
        }
    }
}

/// The element type's name as ONNX writes it.
pub fn type_name(t: HostType) -> &'static str {
    match t {
        HostType::F32 => "float32",
        HostType::U8 => "uint8",
        HostType::I8 => "int8",
        HostType::I64 => "int64",
    }
}

/// An array from its row-major elements; `None` if the count does not fit the shape.
pub(crate) fn array<T>(shape: &[usize], data: Vec<T>) -> Option<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), data).ok()
}
