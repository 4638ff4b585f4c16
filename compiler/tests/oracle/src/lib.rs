//! The neutral model by another road: rust-protobuf's types, and tensors read as one stream of bits.
//!
//! In: the bytes of a model without external data. Out: the [`Model`] that the compiler's decoder has to give.
//! Nothing is checked here and hostile bytes may panic or abort: only feed it what the compiler accepted.

use ndarray::{ArrayD, IxDyn};
use onnx_protobuf::tensor_proto::DataType as T;
use onnx_protobuf::{
    AttributeProto, AttributeValue, Message as _, ModelProto, NodeProto, TensorProto, ValueInfoProto,
    tensor_shape_proto, type_proto,
};
use onnx2chip::onnx::model::{Attribute, DType, Dim, Model, ModelNode, Tensor, TensorData, ValueInfo};
use protobuf::Enum as _;

/// INT4, UINT4, INT2 and UINT2 are younger than onnx-protobuf 0.2.3.
const YOUNGER: [(i32, DType); 4] = [(21, DType::U4), (22, DType::I4), (25, DType::U2), (26, DType::I2)];

/// Decodes a model.
///
/// # Panics
/// Where the bytes are no model that the compiler accepts.
pub fn model(bytes: &[u8]) -> Model {
    let m = ModelProto::parse_from_bytes(bytes).expect("protobuf");
    let g = &m.graph;
    let initializers: std::collections::BTreeMap<_, _> =
        g.initializer.iter().map(|t| (t.name.clone(), tensor(t))).collect();
    Model {
        name: g.name.clone(),
        opsets: m.opset_import.iter().map(|o| (domain(&o.domain), o.version)).collect(),
        inputs: g.input.iter().filter(|v| !initializers.contains_key(&v.name)).map(value).collect(),
        outputs: g.output.iter().map(value).collect(),
        nodes: g.node.iter().map(node).collect(),
        initializers,
        annotations: g
            .quantization_annotation
            .iter()
            .flat_map(|a| a.quant_parameter_tensor_names.iter().map(move |e| (a, e)))
            .filter(|(_, e)| e.key == "finn_datatype")
            .map(|(a, e)| (a.tensor_name.clone(), e.value.clone()))
            .collect(),
        declared: Default::default(),
    }
}

fn domain(name: &str) -> String {
    if name == "ai.onnx" { String::new() } else { name.to_owned() }
}

fn node(n: &NodeProto) -> ModelNode {
    ModelNode {
        name: n.name.clone(),
        op_type: n.op_type.clone(),
        domain: domain(&n.domain),
        inputs: n.input.clone(),
        outputs: n.output.clone(),
        attributes: n.attribute.iter().map(|a| (a.name.clone(), attribute(a))).collect(),
    }
}

fn attribute(a: &AttributeProto) -> Attribute {
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).expect("UTF-8");
    match a.as_value() {
        AttributeValue::Float32(v) => Attribute::Float(v),
        AttributeValue::Float32s(v) => Attribute::Floats(v.to_vec()),
        AttributeValue::Integer64(v) => Attribute::Int(v),
        AttributeValue::Integer64s(v) => Attribute::Ints(v.to_vec()),
        AttributeValue::String(v) => Attribute::String(text(v)),
        AttributeValue::Strings(v) => Attribute::Strings(v.iter().map(|s| text(s)).collect()),
        AttributeValue::Tensor(v) => Attribute::Tensor(tensor(v)),
        AttributeValue::Tensors(_) => Attribute::Other("TENSORS"),
        AttributeValue::Type(_) => Attribute::Other("TYPE_PROTO"),
        AttributeValue::Types(_) => Attribute::Other("TYPE_PROTOS"),
        AttributeValue::Graph(_) => Attribute::Other("GRAPH"),
        AttributeValue::Graphs(_) => Attribute::Other("GRAPHS"),
        AttributeValue::SparseTensor(_) => Attribute::Other("SPARSE_TENSOR"),
        AttributeValue::SparseTensors(_) => Attribute::Other("SPARSE_TENSORS"),
        AttributeValue::Unknown(kind) => panic!("attribute {} has type {kind}", a.name),
    }
}

fn value(v: &ValueInfoProto) -> ValueInfo {
    let Some(type_proto::Value::TensorType(t)) = &v.type_.value else { panic!("{} is no tensor", v.name) };
    let dim = |d: &tensor_shape_proto::Dimension| match &d.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(n)) => {
            Dim::Fixed(usize::try_from(*n).expect("size"))
        }
        Some(tensor_shape_proto::dimension::Value::DimParam(s)) => Dim::Symbol(s.clone()),
        Some(_) | None => Dim::Symbol(String::new()),
    };
    ValueInfo {
        name: v.name.clone(),
        dtype: dtype(t.elem_type),
        shape: t.shape.as_ref().map(|s| s.dim.iter().map(dim).collect()),
    }
}

fn dtype(number: i32) -> DType {
    if let Some((_, younger)) = YOUNGER.iter().find(|(n, _)| *n == number) {
        return *younger;
    }
    match T::from_i32(number).expect("data type") {
        T::FLOAT => DType::F32,
        T::DOUBLE => DType::F64,
        T::FLOAT16 => DType::F16,
        T::BFLOAT16 => DType::BF16,
        T::UINT8 => DType::U8,
        T::INT8 => DType::I8,
        T::UINT16 => DType::U16,
        T::INT16 => DType::I16,
        T::UINT32 => DType::U32,
        T::INT32 => DType::I32,
        T::UINT64 => DType::U64,
        T::INT64 => DType::I64,
        T::BOOL => DType::Bool,
        T::STRING => DType::String,
        other => panic!("{other:?}"),
    }
}

fn tensor(t: &TensorProto) -> Tensor {
    let dtype = dtype(t.data_type);
    let shape: Vec<usize> = t.dims.iter().map(|d| usize::try_from(*d).expect("size")).collect();
    let (width, signed) = match dtype {
        DType::F64 | DType::U64 => (64, false),
        DType::I64 => (64, true),
        DType::F32 | DType::U32 => (32, false),
        DType::I32 => (32, true),
        DType::F16 | DType::BF16 | DType::U16 => (16, false),
        DType::I16 => (16, true),
        DType::U8 | DType::Bool => (8, false),
        DType::I8 => (8, true),
        DType::U4 => (4, false),
        DType::I4 => (4, true),
        DType::U2 => (2, false),
        DType::I2 => (2, true),
        DType::String => panic!("strings"),
    };
    // Whatever the field, its little-endian bytes are what `raw_data` would hold.
    let mut bytes = t.raw_data.clone();
    t.float_data.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    t.double_data.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    t.int64_data.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    t.uint64_data.iter().for_each(|v| bytes.extend(&v.to_le_bytes()[..width / 8]));
    t.int32_data.iter().for_each(|v| bytes.extend(&v.to_le_bytes()[..width.div_ceil(8)]));
    let bit = |i: usize| u64::from(bytes[i / 8] >> (i % 8) & 1);
    let element = |i: usize| (0..width).fold(0u64, |e, b| e | bit(i * width + b) << b);
    let elements = (0..shape.iter().product()).map(element);
    let data = match dtype {
        DType::F64 => floats(&shape, elements, 11, 52),
        DType::F32 => floats(&shape, elements, 8, 23),
        DType::F16 => floats(&shape, elements, 5, 10),
        DType::BF16 => floats(&shape, elements, 8, 7),
        _ => {
            let sign = 1u64 << (width - 1);
            let int = |e: u64| if signed { (e ^ sign).wrapping_sub(sign) as i64 } else { e as i64 };
            TensorData::Int(
                ArrayD::from_shape_vec(IxDyn(&shape), elements.map(int).collect()).expect("shape"),
            )
        }
    };
    Tensor { dtype, data }
}

/// IEEE 754 of any size, by its definition.
fn floats(shape: &[usize], bits: impl Iterator<Item = u64>, exponent: u32, mantissa: u32) -> TensorData {
    let bias = (1i32 << (exponent - 1)) - 1;
    let float = |e: u64| {
        let m = e & ((1 << mantissa) - 1);
        let x = (e >> mantissa & ((1 << exponent) - 1)) as i32;
        let negative = e >> (mantissa + exponent) & 1 == 1;
        let size = if x == 2 * bias + 1 {
            if m == 0 { f64::INFINITY } else { f64::NAN }
        } else {
            let (m, x) = if x == 0 { (m, 1) } else { (m | 1 << mantissa, x) };
            // In two steps, so that the smallest f64 do not vanish on the way.
            let power = x - bias - mantissa as i32;
            m as f64 * 2f64.powi(power / 2) * 2f64.powi(power - power / 2)
        };
        if negative { -size } else { size }
    };
    TensorData::Float(ArrayD::from_shape_vec(IxDyn(shape), bits.map(float).collect()).expect("shape"))
}
