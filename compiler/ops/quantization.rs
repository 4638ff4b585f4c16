//! The affine quantization of a tensor: scales, zero points, axis, element type; checked once, here.
//!
//! real = (q - zero_point) * scale, per tensor or per slice along an axis
//! (<https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>).

use crate::arith::{Quantizer, Rounding, Rule};
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
    /// The quantized element type: of ONNX's the one that holds `lo` to `hi`.
    pub dtype: DType,
    /// Least integer.
    pub lo: i64,
    /// Greatest integer.
    pub hi: i64,
    /// How a real becomes an integer.
    pub rule: Rule,
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
            && self.range() == other.range()
    }
    /// Bits of an integer: of an unsigned type's greatest one, or of two's complement.
    pub fn bits(&self) -> u32 {
        let magnitude = |v: i64| i64::BITS - (if v < 0 { !v } else { v }).leading_zeros();
        match integer_width(self.dtype) {
            Some((_, false)) => magnitude(self.hi).max(1),
            _ => magnitude(self.hi).max(magnitude(self.lo)) + 1,
        }
    }
    /// What to add to a canonical signed integer to get the file's: 2^(bits-1) for an unsigned type, else 0.
    pub fn offset(&self) -> i64 {
        match integer_width(self.dtype) {
            Some((width, false)) if width <= 32 => 1_i64 << (self.bits() - 1),
            _ => 0,
        }
    }
    /// Least and greatest integer.
    pub fn range(&self) -> (i64, i64) {
        (self.lo, self.hi)
    }
    /// Whether the integers are all those of an 8-bit type, made by ONNX's rule: what ONNX Runtime's kernels are for.
    pub fn is_byte(&self) -> bool {
        self.rule == Rule::Onnx && matches!(self.dtype, DType::U8 | DType::I8)
    }
    /// Whether the bounds are those of signed and of unsigned integers of a width together: a Trunc of five operands says neither.
    pub fn is_of_either_sign(&self) -> bool {
        self.lo < 0 && self.hi == -2 * self.lo - 1
    }
    /// Whether the rule is ONNX's, or gives the same integers.
    pub fn is_nearest(&self) -> bool {
        match self.rule {
            Rule::Onnx => true,
            Rule::Quant(Rounding::Round) => self.zero_point.iter().all(|z| *z == 0),
            Rule::Quant(_) | Rule::Sign | Rule::Bipolar | Rule::Trunc(_) => false,
        }
    }
    /// Whether an integer's own real value becomes this integer again: values on the grid, in the middle of a step.
    pub fn is_settled(&self) -> bool {
        matches!(self.rule, Rule::Onnx | Rule::Quant(Rounding::Round | Rounding::HalfUp | Rounding::HalfDown))
    }
    /// One real value by the rule, in float32.
    pub fn quantize(&self, x: f32, slice: usize) -> i64 {
        self.quantizer(slice).apply(x)
    }
    /// The rule with the numbers of one slice.
    pub fn quantizer(&self, slice: usize) -> Quantizer {
        let scale = self.scale[slice.min(self.scale.len() - 1)];
        let zero_point = self.zero_point[slice.min(self.zero_point.len() - 1)];
        Quantizer { scale, zero_point, lo: self.lo, hi: self.hi, rule: self.rule }
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
    Ok(Params { scale: scales, zero_point: zero_points, axis, dtype, lo, hi, rule: Rule::Onnx, scalar })
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
        if self.rule != Rule::Onnx {
            write!(f, " {}..{} {}", self.lo, self.hi, self.rule)?;
        }
        Ok(())
    }
}
