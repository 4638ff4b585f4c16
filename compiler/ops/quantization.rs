//! The affine quantization of a tensor: scales, zero points, axis, element type; checked once, here.
//!
//! real = (q - zero_point) * scale, per tensor or per slice along an axis
//! (<https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>).

use crate::diag::{Diagnostic, code};
use crate::graph::float::{integer_range, integer_width};
use crate::onnx::model::{DType, Tensor, TensorData};

/// Scales and zero points of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// One scale, or one per slice along `axis`; finite and above 0.
    pub scale: Vec<f32>,
    /// The file's zero points, as many as scales, inside the element type's range.
    pub zero_point: Vec<i64>,
    /// The axis of per-axis quantization.
    pub axis: Option<usize>,
    /// The quantized element type.
    pub dtype: DType,
    /// Whether the scale is a rank-0 tensor in the file (ONNX Runtime fuses some operators only then).
    pub scalar: bool,
}

impl Params {
    /// The one scale of per-tensor parameters.
    pub fn per_tensor(&self) -> Option<(f32, i64)> {
        match (self.axis, self.scale.as_slice(), self.zero_point.as_slice()) {
            (None, &[scale], &[zero_point]) => Some((scale, zero_point)),
            _ => None,
        }
    }
    /// Whether the same real values are meant (how the file writes the scale does not matter).
    pub fn same(&self, other: &Params) -> bool {
        self.scale == other.scale
            && self.zero_point == other.zero_point
            && self.axis == other.axis
            && self.dtype == other.dtype
    }
    /// What to add to a canonical signed integer to get the file's: 2^(bits-1) for an unsigned type, else 0.
    pub fn offset(&self) -> i64 {
        match integer_width(self.dtype) {
            Some((bits, false)) if bits <= 32 => 1_i64 << (bits - 1),
            _ => 0,
        }
    }
    /// Least and greatest value of the file's type.
    pub fn range(&self) -> (i64, i64) {
        integer_range(self.dtype).unwrap_or((i64::from(i32::MIN), i64::from(i32::MAX)))
    }
    /// QuantizeLinear of one real value by the parameters of a per-tensor quantization:
    /// saturate(rne(x / scale) + zero point), in float32 as ONNX Runtime does.
    pub fn quantize(&self, x: f32, slice: usize) -> i64 {
        let (lo, hi) = self.range();
        let scale = self.scale[slice.min(self.scale.len() - 1)];
        let zero_point = self.zero_point[slice.min(self.zero_point.len() - 1)];
        let q = (x / scale).round_ties_even();
        // A saturating float-to-integer conversion: NaN becomes 0, infinities the bounds.
        (q as i64).saturating_add(zero_point).clamp(lo, hi)
    }
}

/// Reads scale and zero point tensors. `dtype` is the quantized type where there is no zero point tensor.
///
/// `dims` is the shape of the tensor that they quantize, `axis` the ONNX attribute (used if the scale is a vector).
pub fn params(
    scale: &Tensor,
    zero_point: Option<&Tensor>,
    dtype: DType,
    dims: &[usize],
    axis: i64,
) -> Result<Params, Diagnostic> {
    let fail =
        |cause: String| Diagnostic::new(code::SCALE_INVALID, "quantization parameters are not valid", cause);
    let TensorData::Float(values) = &scale.data else {
        return Err(fail(format!("the scale's type is {:?}; it must be a float type", scale.dtype)));
    };
    if scale.dtype != DType::F32 {
        return Err(fail(format!("the scale's type is {:?}; only float32 is supported", scale.dtype)));
    }
    // Exact: the tensor holds float32 values widened to f64.
    let scales: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    if let Some(bad) = scales.iter().find(|s| !s.is_finite() || **s <= 0.0) {
        return Err(fail(format!("a scale is {bad}; scales must be finite and above 0")));
    }
    let dtype = zero_point.map_or(dtype, |z| z.dtype);
    let Some((lo, hi)) = integer_range(dtype) else {
        return Err(Diagnostic::new(
            code::WIDTH_UNSUPPORTED,
            "a quantized element type is not supported",
            format!("the zero point's type is {dtype:?}; it must be an integer type of at most 32 bits"),
        ));
    };
    let zero_points: Vec<i64> = match zero_point {
        None => vec![0; scales.len()],
        Some(z) => match &z.data {
            TensorData::Int(z) => z.iter().copied().collect(),
            TensorData::Float(_) => return Err(fail("the zero point is a float tensor".into())),
        },
    };
    if let Some(bad) = zero_points.iter().find(|z| **z < lo || **z > hi) {
        return Err(fail(format!("a zero point is {bad}; {dtype:?} holds {lo} to {hi}")));
    }
    if zero_points.len() != scales.len() {
        return Err(fail(format!("there are {} scales but {} zero points", scales.len(), zero_points.len())));
    }
    let scalar = scale.shape().is_empty();
    let axis = match (scale.shape(), scales.len()) {
        ([] | [1], 1) => None,
        ([n], _) => {
            let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
            let at = if axis < 0 { axis + rank } else { axis };
            let at = usize::try_from(at).ok().filter(|a| *a < dims.len()).ok_or_else(|| {
                fail(format!("axis {axis} does not exist in a tensor of rank {}", dims.len()))
            })?;
            if dims[at] != *n {
                return Err(fail(format!("there are {n} scales for axis {at} of size {}", dims[at])));
            }
            Some(at)
        }
        _ => {
            return Err(Diagnostic::new(
                code::ATTRIBUTE_UNSUPPORTED,
                "blocked quantization is not supported",
                format!("the scale has shape {:?}", scale.shape()),
            )
            .remedy("quantize per tensor or per axis"));
        }
    };
    Ok(Params { scale: scales, zero_point: zero_points, axis, dtype, scalar })
}

impl std::fmt::Display for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list =
            |v: Vec<String>| if v.len() > 4 { format!("[{}, .. {}]", v[0], v.len()) } else { v.join(" ") };
        write!(f, "{}", crate::graph::float::dtype_name(self.dtype))?;
        write!(f, " {}", list(self.scale.iter().map(ToString::to_string).collect()))?;
        let zeros = if self.zero_point.iter().all(|z| *z == self.zero_point[0]) {
            self.zero_point[0].to_string()
        } else {
            list(self.zero_point.iter().map(ToString::to_string).collect())
        };
        write!(f, " {zeros}")?;
        if let Some(axis) = self.axis {
            write!(f, " axis {axis}")?;
        }
        Ok(())
    }
}
