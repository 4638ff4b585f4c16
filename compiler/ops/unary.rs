//! Elementwise functions of one operand: each becomes a 256-entry table between quantized tensors.
//!
//! Specifications: `https://onnx.ai/onnx/operators/onnx__NAME.html` for each name in [`FUNCTIONS`]. The meaning
//! (float32 formulas) is in `arith`, which builds the tables.

use super::Op;
use ndarray::ArrayD;

use super::context::{Context, Imported, Rule};
use crate::arith::host;
use crate::onnx::model::{DType, Tensor, TensorData};

/// One function: its ONNX name and its float attributes with defaults.
pub struct Function {
    /// ONNX operator.
    pub name: &'static str,
    /// Attributes and their defaults.
    pub attributes: &'static [(&'static str, f32)],
    /// The com.microsoft operator that ONNX Runtime fuses DequantizeLinear, f, QuantizeLinear into, if any.
    pub qlinear: Option<&'static str>,
}

/// Every function that can be a table.
pub const FUNCTIONS: &[Function] = &[
    Function { name: "LeakyRelu", attributes: &[("alpha", 0.01)], qlinear: Some("QLinearLeakyRelu") },
    Function { name: "Sigmoid", attributes: &[], qlinear: Some("QLinearSigmoid") },
    Function { name: "HardSigmoid", attributes: &[("alpha", 0.2), ("beta", 0.5)], qlinear: None },
    Function { name: "HardSwish", attributes: &[], qlinear: None },
    Function { name: "Tanh", attributes: &[], qlinear: None },
    Function { name: "Elu", attributes: &[("alpha", 1.0)], qlinear: None },
    Function { name: "Celu", attributes: &[("alpha", 1.0)], qlinear: None },
    Function { name: "Selu", attributes: &[("alpha", 1.673_263_2), ("gamma", 1.050_701)], qlinear: None },
    Function { name: "Softplus", attributes: &[], qlinear: None },
    Function { name: "Softsign", attributes: &[], qlinear: None },
    Function { name: "Abs", attributes: &[], qlinear: None },
    Function { name: "Neg", attributes: &[], qlinear: None },
    Function { name: "Exp", attributes: &[], qlinear: None },
    Function { name: "Log", attributes: &[], qlinear: None },
    Function { name: "Sqrt", attributes: &[], qlinear: None },
    Function { name: "Reciprocal", attributes: &[], qlinear: None },
    Function { name: "Floor", attributes: &[], qlinear: None },
    Function { name: "Ceil", attributes: &[], qlinear: None },
    Function { name: "Round", attributes: &[], qlinear: None },
    Function { name: "Sign", attributes: &[], qlinear: None },
    Function { name: "Erf", attributes: &[], qlinear: None },
    Function { name: "Gelu", attributes: &[], qlinear: None },
    Function { name: "FastGelu", attributes: &[], qlinear: None },
    Function { name: "QuickGelu", attributes: &[("alpha", 1.702)], qlinear: None },
    Function { name: "ThresholdedRelu", attributes: &[("alpha", 1.0)], qlinear: None },
    Function { name: "Mish", attributes: &[], qlinear: None },
    Function { name: "Shrink", attributes: &[("lambd", 0.5), ("bias", 0.0)], qlinear: None },
    Function { name: "Acos", attributes: &[], qlinear: None },
    Function { name: "Acosh", attributes: &[], qlinear: None },
    Function { name: "Asin", attributes: &[], qlinear: None },
    Function { name: "Asinh", attributes: &[], qlinear: None },
    Function { name: "Atan", attributes: &[], qlinear: None },
    Function { name: "Atanh", attributes: &[], qlinear: None },
    Function { name: "Cos", attributes: &[], qlinear: None },
    Function { name: "Cosh", attributes: &[], qlinear: None },
    Function { name: "Sin", attributes: &[], qlinear: None },
    Function { name: "Sinh", attributes: &[], qlinear: None },
    Function { name: "Tan", attributes: &[], qlinear: None },
];

/// A function with its attributes' values.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// ONNX operator, one of [`FUNCTIONS`].
    pub name: &'static str,
    /// Attributes in the table's order.
    pub attributes: Vec<(&'static str, f32)>,
    /// See [`Function::qlinear`].
    pub qlinear: Option<&'static str>,
}

/// Reads the attributes of function `name`.
pub fn read(ctx: &Context<'_>, name: &str) -> Result<Unary, crate::diag::Diagnostic> {
    let function =
        FUNCTIONS.iter().find(|f| f.name == name).ok_or_else(|| ctx.invalid("it is not a function"))?;
    let attributes = function
        .attributes
        .iter()
        .map(|&(name, default)| Ok((name, ctx.float(name, default)?)))
        .collect::<Result<_, _>>()?;
    Ok(Unary { name: function.name, attributes, qlinear: function.qlinear })
}

/// The import rule of ai.onnx Gelu (com.microsoft's has no attribute): with `approximate` = tanh it is
/// com.microsoft FastGelu.
pub fn import_gelu(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    let approximate = ctx.string("approximate", "none")?;
    let name = match approximate.as_str() {
        "none" => "Gelu",
        "tanh" => "FastGelu",
        other => return Err(ctx.unsupported("approximate", other, "ONNX knows none and tanh")),
    };
    Rule::first(Op::Unary(read(ctx, name)?), 1)
}

/// The import rule.
pub fn import(ctx: &Context<'_>) -> Imported {
    ctx.arity_within(1, 1)?;
    Rule::first(Op::Unary(read(ctx, &ctx.node.op_type)?), 1)
}

/// The value for a constant operand, where every element's is known to the bit.
pub fn eval(f: &Unary, x: &Tensor) -> Option<Tensor> {
    let TensorData::Float(values) = &x.data else { return None };
    if x.dtype != DType::F32 {
        return None;
    }
    // Exact: the tensor holds float32 values widened to f64.
    let one = |v: &f64| host::function(f.name, &f.attributes, *v as f32).map(f64::from);
    let made: Option<Vec<f64>> = values.iter().map(one).collect();
    let data = ArrayD::from_shape_vec(values.raw_dim(), made?).ok()?;
    Some(Tensor { dtype: DType::F32, data: TensorData::Float(data) })
}
