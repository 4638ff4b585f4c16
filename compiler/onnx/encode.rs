//! [`Model`] to the bytes of an ONNX file.
//!
//! Guarantees: [`super::decode`] of the result gives an equal model; tensors are `raw_data`, little-endian, in
//! their declared type; a value that its type cannot hold is an internal fault, never rounded. The same model
//! always gives the same bytes.

use prost::Message as _;

use super::model::{Attribute, DType, Dim, Model, ModelNode, Tensor, TensorData, ValueInfo};
use super::proto::attribute_proto::AttributeType;
use super::proto::tensor_proto::DataType;
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use super::tensor::{bf16_to_f64, bits, f16_to_f64, range};
use crate::diag::{self, Diagnostic, code};

/// The ONNX file of a model, as small as its types allow.
///
/// # Errors
/// `INTERNAL` if the model holds a value that its type cannot hold, or an [`Attribute::Other`].
pub fn encode(model: &Model) -> diag::Result<Vec<u8>> {
    let mut initializer = Vec::with_capacity(model.initializers.len());
    for (name, t) in &model.initializers {
        initializer.push(tensor(name, t)?);
    }
    let mut node = Vec::with_capacity(model.nodes.len());
    for n in &model.nodes {
        node.push(self::node(n)?);
    }
    let graph = GraphProto {
        node,
        name: Some(model.name.clone()),
        initializer,
        input: model.inputs.iter().map(value_info).collect(),
        output: model.outputs.iter().map(value_info).collect(),
        quantization_annotation: model.annotations.iter().map(annotation).collect(),
        ..GraphProto::default()
    };
    let opset = |(domain, version): (&String, &i64)| OperatorSetIdProto {
        domain: Some(domain.clone()),
        version: Some(*version),
    };
    let proto = ModelProto {
        ir_version: Some(ir_version(model)),
        producer_name: Some("onnx2chip".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        opset_import: model.opsets.iter().map(opset).collect(),
        graph: Some(graph),
        ..ModelProto::default()
    };
    Ok(proto.encode_to_vec())
}

/// The oldest IR version that has the model's types and opset, at least 8 (docs/Versioning.md of ONNX).
fn ir_version(model: &Model) -> i64 {
    let types = model.inputs.iter().chain(&model.outputs).map(|v| v.dtype);
    let constants = model.initializers.values().map(|t| t.dtype);
    let attributes = model.nodes.iter().flat_map(|n| n.attributes.values()).filter_map(|a| match a {
        Attribute::Tensor(t) => Some(t.dtype),
        _ => None,
    });
    let by_type = types.chain(constants).chain(attributes).map(|t| match t {
        DType::U2 | DType::I2 => 13,
        DType::U4 | DType::I4 => 10,
        _ => 8,
    });
    let by_opset = match model.opsets.get("").copied().unwrap_or(1) {
        ..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        23 => 11,
        24 => 12,
        25 => 13,
        _ => 14,
    };
    by_type.max().unwrap_or(8).max(by_opset)
}

fn internal(what: &str, cause: String) -> Diagnostic {
    Diagnostic::new(code::INTERNAL, "the model can't be written as ONNX", cause).at(what)
}

fn data_type(dtype: DType) -> DataType {
    match dtype {
        DType::F32 => DataType::Float,
        DType::F64 => DataType::Double,
        DType::F16 => DataType::Float16,
        DType::BF16 => DataType::Bfloat16,
        DType::U8 => DataType::Uint8,
        DType::I8 => DataType::Int8,
        DType::U16 => DataType::Uint16,
        DType::I16 => DataType::Int16,
        DType::U32 => DataType::Uint32,
        DType::I32 => DataType::Int32,
        DType::U64 => DataType::Uint64,
        DType::I64 => DataType::Int64,
        DType::Bool => DataType::Bool,
        DType::U4 => DataType::Uint4,
        DType::I4 => DataType::Int4,
        DType::U2 => DataType::Uint2,
        DType::I2 => DataType::Int2,
        DType::String => DataType::String,
    }
}

fn annotation((tensor, kind): (&String, &String)) -> super::proto::TensorAnnotation {
    let entry = super::proto::StringStringEntryProto {
        key: Some("finn_datatype".to_owned()),
        value: Some(kind.clone()),
    };
    super::proto::TensorAnnotation {
        tensor_name: Some(tensor.clone()),
        quant_parameter_tensor_names: vec![entry],
    }
}

fn value_info(v: &ValueInfo) -> ValueInfoProto {
    let dim = |d: &Dim| tensor_shape_proto::Dimension {
        value: match d {
            Dim::Fixed(n) => Some(tensor_shape_proto::dimension::Value::DimValue(*n as i64)),
            Dim::Symbol(s) if s.is_empty() => None,
            Dim::Symbol(s) => Some(tensor_shape_proto::dimension::Value::DimParam(s.clone())),
        },
        denotation: None,
    };
    let tensor = type_proto::Tensor {
        elem_type: Some(data_type(v.dtype) as i32),
        shape: v.shape.as_ref().map(|s| TensorShapeProto { dim: s.iter().map(dim).collect() }),
    };
    ValueInfoProto {
        name: Some(v.name.clone()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), denotation: None }),
        ..ValueInfoProto::default()
    }
}

fn node(n: &ModelNode) -> Result<NodeProto, Diagnostic> {
    let mut attribute = Vec::with_capacity(n.attributes.len());
    for (name, a) in &n.attributes {
        attribute.push(self::attribute(n, name, a)?);
    }
    Ok(NodeProto {
        input: n.inputs.clone(),
        output: n.outputs.clone(),
        name: (!n.name.is_empty()).then(|| n.name.clone()),
        op_type: Some(n.op_type.clone()),
        domain: (!n.domain.is_empty()).then(|| n.domain.clone()),
        attribute,
        ..NodeProto::default()
    })
}

fn attribute(n: &ModelNode, name: &str, a: &Attribute) -> Result<AttributeProto, Diagnostic> {
    let mut p = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let kind = match a {
        Attribute::Int(v) => {
            p.i = Some(*v);
            AttributeType::Int
        }
        Attribute::Float(v) => {
            p.f = Some(*v);
            AttributeType::Float
        }
        Attribute::String(v) => {
            p.s = Some(v.as_bytes().to_vec());
            AttributeType::String
        }
        Attribute::Ints(v) => {
            p.ints.clone_from(v);
            AttributeType::Ints
        }
        Attribute::Floats(v) => {
            p.floats.clone_from(v);
            AttributeType::Floats
        }
        Attribute::Strings(v) => {
            p.strings = v.iter().map(|s| s.as_bytes().to_vec()).collect();
            AttributeType::Strings
        }
        Attribute::Tensor(t) => {
            p.t = Some(tensor("", t)?);
            AttributeType::Tensor
        }
        Attribute::Other(kind) => {
            let place = format!("node {:?} ({}), attribute {name:?}", n.name, n.op_type);
            return Err(internal(&place, format!("its kind {kind} is not kept")));
        }
    };
    p.r#type = Some(kind as i32);
    Ok(p)
}

fn tensor(name: &str, t: &Tensor) -> Result<TensorProto, Diagnostic> {
    let place = format!("tensor {name:?}");
    let raw = match &t.data {
        TensorData::Float(a) => floats(a.iter().copied(), t.dtype),
        TensorData::Int(a) => ints(a.iter().copied(), t.dtype),
    };
    Ok(TensorProto {
        dims: t.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(data_type(t.dtype) as i32),
        name: (!name.is_empty()).then(|| name.to_owned()),
        raw_data: Some(raw.map_err(|cause| internal(&place, cause))?.into()),
        ..TensorProto::default()
    })
}

fn floats(values: impl Iterator<Item = f64>, dtype: DType) -> Result<Vec<u8>, String> {
    let mut raw = Vec::new();
    for v in values {
        // The narrowing casts round; what does not come back equal is refused.
        let back = match dtype {
            DType::F64 => {
                raw.extend(v.to_le_bytes());
                v
            }
            DType::F32 => {
                let w = v as f32;
                raw.extend(w.to_le_bytes());
                f64::from(w)
            }
            DType::BF16 => {
                let b = ((v as f32).to_bits() >> 16) as u16;
                let b = if v.is_nan() { 0x7fc0 } else { b };
                raw.extend(b.to_le_bytes());
                bf16_to_f64(b)
            }
            DType::F16 => {
                let b = f16_bits(v);
                raw.extend(b.to_le_bytes());
                f16_to_f64(b)
            }
            _ => return Err(format!("float data in a tensor of {dtype:?}")),
        };
        if back.to_bits() != v.to_bits() && !(back.is_nan() && v.is_nan()) {
            return Err(format!("{v} is not a value of {dtype:?}"));
        }
    }
    Ok(raw)
}

/// The binary16 of a value that is one; of other values, one near them.
fn f16_bits(v: f64) -> u16 {
    let sign = if v.is_sign_negative() { 0x8000 } else { 0 };
    let a = v.abs();
    if v.is_nan() {
        return 0x7e00;
    }
    if a >= 65536.0 {
        return sign | 0x7c00;
    }
    // Exponents -14 (subnormals too) to 15; the mantissa's leading one is added to the exponent field.
    let exponent = (((a.to_bits() >> 52) as i32) - 1023).max(-14);
    let mantissa = (a * f64::from(2f32.powi(10 - exponent))) as u16;
    sign | ((((exponent + 14) as u16) << 10) + mantissa)
}

fn ints(values: impl Iterator<Item = i64>, dtype: DType) -> Result<Vec<u8>, String> {
    let (Some((low, high)), Some(width)) = (range(dtype), bits(dtype)) else {
        return Err(format!("integer data in a tensor of {dtype:?}"));
    };
    let mut raw: Vec<u8> = Vec::new();
    let mut used = 0;
    for v in values {
        if !(low..=high).contains(&v) {
            return Err(format!("{v} is not a value of {dtype:?}"));
        }
        let bytes = v.to_le_bytes();
        if width >= 8 {
            raw.extend(&bytes[..width / 8]);
            continue;
        }
        let field = bytes[0] & ((1 << width) - 1);
        match raw.last_mut() {
            Some(last) if used + width <= 8 => *last |= field << used,
            _ => {
                raw.push(field);
                used = 0;
            }
        }
        used += width;
    }
    Ok(raw)
}
