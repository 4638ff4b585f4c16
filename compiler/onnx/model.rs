//! The neutral model: what an ONNX file says, without protobuf, decoded and range-checked but not interpreted.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use crate::diag::{Diagnostic, code};

/// Element types that the compiler can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are ONNX's own")]
pub enum DType {
    F32,
    F64,
    F16,
    BF16,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    Bool,
    U4,
    I4,
    U2,
    I2,
    String,
}

/// A constant tensor: every integer type widened to i64, every float to f64 (exact for all of them).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Declared element type.
    pub dtype: DType,
    /// The data.
    pub data: TensorData,
}

/// The elements of a [`Tensor`], row-major in its ONNX shape.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// f16, bf16, f32 (and f64 values).
    Float(ArrayD<f64>),
    /// Every integer type and bool; u64 above i64::MAX is refused.
    Int(ArrayD<i64>),
}

impl Tensor {
    /// The ONNX shape.
    pub fn shape(&self) -> &[usize] {
        match &self.data {
            TensorData::Float(a) => a.shape(),
            TensorData::Int(a) => a.shape(),
        }
    }
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are ONNX's own")]
pub enum Attribute {
    Int(i64),
    Float(f32),
    String(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<String>),
    Tensor(Tensor),
    /// A kind that the compiler does not use (graphs, sparse tensors, types), by its name.
    Other(&'static str),
}

/// One node of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelNode {
    /// May be empty, may repeat.
    pub name: String,
    /// E.g. `Conv`.
    pub op_type: String,
    /// "" for ai.onnx (also when written out), else as in the file.
    pub domain: String,
    /// Operand names; "" for an absent optional one.
    pub inputs: Vec<String>,
    /// Result names; "" for an absent optional one.
    pub outputs: Vec<String>,
    /// By name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// A dimension of a graph input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Known.
    Fixed(usize),
    /// Symbolic or absent.
    Symbol(String),
}

/// A graph input, output or annotated value.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueInfo {
    /// Tensor name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// `None` when the file gives no shape.
    pub shape: Option<Vec<Dim>>,
}

/// A whole model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// Graph name.
    pub name: String,
    /// Domain ("" for ai.onnx) to version.
    pub opsets: BTreeMap<String, i64>,
    /// Inputs that are not initializers, in order.
    pub inputs: Vec<ValueInfo>,
    /// Outputs, in order.
    pub outputs: Vec<ValueInfo>,
    /// Constants by name (Constant nodes stay nodes).
    pub initializers: BTreeMap<String, Tensor>,
    /// Nodes in file order.
    pub nodes: Vec<ModelNode>,
    /// QONNX's data types by tensor name, as the file's `quantization_annotation` has them (`finn_datatype`).
    pub annotations: BTreeMap<String, String>,
    /// Data types of inputs that the user gives, `TYPE` or `TYPE:SCALE`.
    pub declared: BTreeMap<String, String>,
}

impl Model {
    /// Takes data types of inputs: `NAME=TYPE` or `NAME=TYPE:SCALE`.
    ///
    /// # Errors
    /// O2C0004 for a text without a name; types are judged when the graph is compiled.
    pub fn declare(&mut self, types: &[String]) -> Result<(), Diagnostic> {
        for text in types {
            // A name may have "=" in it, a type not.
            let Some((name, kind)) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()) else {
                let cause = format!("\"{text}\" is not NAME=TYPE");
                return Err(Diagnostic::new(
                    code::CONFIG_INVALID,
                    "the type of an input is not usable",
                    cause,
                ));
            };
            self.declared.insert(name.to_owned(), kind.to_owned());
        }
        Ok(())
    }
}
