//! Real models in, and back out; every encoding of a tensor. Hostile files: `hostile`, `fuzz`.

mod fuzz;
mod hostile;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;

use super::model::{Attribute, DType, Dim, Tensor, TensorData};
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto, type_proto,
};
use super::{decode, encode, read};
use crate::diag::{Diagnostics, code};

/// The `.onnx` files of the folders that are there: committed ones, and the larger collection beside the project.
fn real_models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["models", "../shared/zoo/models", "../shared/zoo/float"] {
        match std::fs::read_dir(root.join(folder)) {
            Ok(dir) => paths.extend(dir.filter_map(|e| Some(e.ok()?.path()))),
            Err(_) => eprintln!("skipped: no folder {folder}"),
        }
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    paths
}

/// A committed model.
fn committed(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)).unwrap()
}

/// y = Add(x, w), all float [2].
fn tiny() -> ModelProto {
    let info = |name: &str| ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: Some(1),
                shape: Some(TensorShapeProto {
                    dim: vec![tensor_shape_proto::Dimension {
                        value: Some(tensor_shape_proto::dimension::Value::DimValue(2)),
                        denotation: None,
                    }],
                }),
            })),
            denotation: None,
        }),
        ..Default::default()
    };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(13) }],
        graph: Some(GraphProto {
            name: Some("g".into()),
            node: vec![NodeProto {
                input: vec!["x".into(), "w".into()],
                output: vec!["y".into()],
                name: Some("add".into()),
                op_type: Some("Add".into()),
                ..Default::default()
            }],
            initializer: vec![TensorProto {
                name: Some("w".into()),
                dims: vec![2],
                data_type: Some(1),
                float_data: vec![1.0, 2.0],
                ..Default::default()
            }],
            input: vec![info("x")],
            output: vec![info("y")],
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn graph(m: &mut ModelProto) -> &mut GraphProto {
    m.graph.as_mut().unwrap()
}

fn weight(m: &mut ModelProto) -> &mut TensorProto {
    &mut graph(m).initializer[0]
}

fn node(m: &mut ModelProto) -> &mut NodeProto {
    &mut graph(m).node[0]
}

fn refusal(bytes: impl Into<Bytes>) -> Diagnostics {
    decode(bytes.into(), None).map(|_| panic!("accepted")).unwrap_err()
}

fn attribute(
    kind: attribute_proto::AttributeType,
    change: impl FnOnce(&mut AttributeProto),
) -> AttributeProto {
    let mut a = AttributeProto { name: Some("a".into()), r#type: Some(kind as i32), ..Default::default() };
    change(&mut a);
    a
}

/// A file may list its nodes in any order; the model has producers first.
#[test]
fn nodes_are_sorted() {
    let text = "input x: f32[1,2]\na = Relu(x)\nb = Add(a, x)\nc = Add(b, a)\noutput c: f32";
    let model = crate::graph::parse::parse(text).unwrap();
    let mut shuffled = model.clone();
    shuffled.nodes.reverse();
    assert_eq!(decode(encode(&shuffled).unwrap().into(), None).unwrap().nodes, model.nodes);
}

#[test]
fn real_models_come_back_equal() {
    for path in real_models() {
        let model = read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let again = decode(encode(&model).unwrap().into(), None).unwrap();
        assert_eq!(model, again, "{}", path.display());
        assert_eq!(encode(&model).unwrap(), encode(&again).unwrap());
    }
}

#[test]
fn a_file_is_read_alike_mapped_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut m = tiny();
    for count in [2, 1 << 19] {
        let w = weight(&mut m);
        (w.dims, w.float_data) = (vec![count], vec![1.5; usize::try_from(count).unwrap()]);
        let path = folder.path().join("m.onnx");
        std::fs::write(&path, m.encode_to_vec()).unwrap();
        assert_eq!(read(&path).unwrap(), decode(m.encode_to_vec().into(), None).unwrap());
    }
    for path in [folder.path().to_owned(), folder.path().join("none"), PathBuf::from("/dev/zero")] {
        assert_eq!(read(&path).unwrap_err().0[0].code, code::FILE_UNREADABLE);
    }
}

#[test]
fn the_tiny_model_says_what_it_says() {
    let mut m = tiny();
    m.opset_import[0].domain = Some("ai.onnx".into());
    node(&mut m).domain = Some("ai.onnx".into());
    let mut listed = graph(&mut m).input[0].clone();
    listed.name = Some("w".into());
    graph(&mut m).input.push(listed);
    use attribute_proto::AttributeType as T;
    let named = |name: &str, mut a: AttributeProto| {
        a.name = Some(name.into());
        a
    };
    node(&mut m).attribute = vec![
        named("i", attribute(T::Int, |a| a.i = Some(-3))),
        named("zero", attribute(T::Int, |_| {})),
        named("f", attribute(T::Float, |a| a.f = Some(0.5))),
        named("s", attribute(T::String, |a| a.s = Some(b"SAME".to_vec()))),
        named("is", attribute(T::Ints, |a| a.ints = vec![1, -2])),
        named("fs", attribute(T::Floats, |a| a.floats = vec![1.5])),
        named("ss", attribute(T::Strings, |a| a.strings = vec![b"u".to_vec(), b"v".to_vec()])),
        named("t", attribute(T::Tensor, |a| a.t = tiny().graph.map(|g| g.initializer[0].clone()))),
        named("g", attribute(T::Graph, |a| a.g = Some(GraphProto::default()))),
    ];
    let model = decode(m.encode_to_vec().into(), None).unwrap();
    assert_eq!(model.opsets.iter().collect::<Vec<_>>(), [(&String::new(), &13)]);
    assert_eq!(model.inputs.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["x"]);
    assert_eq!(model.inputs[0].shape, Some(vec![Dim::Fixed(2)]));
    let w = Tensor { dtype: DType::F32, data: TensorData::Float(ndarray::arr1(&[1.0, 2.0]).into_dyn()) };
    assert_eq!(model.initializers["w"], w);
    let n = &model.nodes[0];
    assert_eq!((n.op_type.as_str(), n.domain.as_str()), ("Add", ""));
    for (name, want) in [
        ("i", Attribute::Int(-3)),
        ("zero", Attribute::Int(0)),
        ("f", Attribute::Float(0.5)),
        ("s", Attribute::String("SAME".into())),
        ("is", Attribute::Ints(vec![1, -2])),
        ("fs", Attribute::Floats(vec![1.5])),
        ("ss", Attribute::Strings(vec!["u".into(), "v".into()])),
        ("t", Attribute::Tensor(w)),
        ("g", Attribute::Other("GRAPH")),
    ] {
        assert_eq!(n.attributes[name], want, "{name}");
    }
    assert_eq!(encode(&model).unwrap_err().0[0].code, code::INTERNAL);
}

#[test]
fn every_encoding_of_a_tensor() {
    use tensor_proto::DataType as T;
    type Typed = fn(&mut TensorProto);
    // Type, typed field, raw bytes, values.
    let cases: &[(T, Typed, &[u8], &[f64])] = &[
        (T::Float, |t| t.float_data = vec![-0.5, 3.0], &[0, 0, 0, 0xbf, 0, 0, 0x40, 0x40], &[-0.5, 3.0]),
        (T::Double, |t| t.double_data = vec![-2.0], &[0, 0, 0, 0, 0, 0, 0, 0xc0], &[-2.0]),
        (
            T::Float16,
            |t| t.int32_data = vec![0x3c00, 0x8001],
            &[0, 0x3c, 1, 0x80],
            &[1.0, -5.960464477539063e-8],
        ),
        (T::Bfloat16, |t| t.int32_data = vec![0x3f80, 0xc040], &[0x80, 0x3f, 0x40, 0xc0], &[1.0, -3.0]),
        (T::Uint8, |t| t.int32_data = vec![0, 255, 7], &[0, 255, 7], &[0.0, 255.0, 7.0]),
        (T::Int8, |t| t.int32_data = vec![-128, 127], &[0x80, 0x7f], &[-128.0, 127.0]),
        (T::Uint16, |t| t.int32_data = vec![0xffff, 1], &[255, 255, 1, 0], &[65535.0, 1.0]),
        (T::Int16, |t| t.int32_data = vec![-2, 258], &[254, 255, 2, 1], &[-2.0, 258.0]),
        (T::Int32, |t| t.int32_data = vec![-2], &[254, 255, 255, 255], &[-2.0]),
        (T::Uint32, |t| t.uint64_data = vec![0xffff_fffe], &[254, 255, 255, 255], &[4294967294.0]),
        (T::Int64, |t| t.int64_data = vec![-1], &[255; 8], &[-1.0]),
        (T::Uint64, |t| t.uint64_data = vec![513], &[1, 2, 0, 0, 0, 0, 0, 0], &[513.0]),
        (T::Bool, |t| t.int32_data = vec![1, 0], &[1, 0], &[1.0, 0.0]),
        (T::Uint4, |t| t.int32_data = vec![0x21, 0x0f], &[0x21, 0x0f], &[1.0, 2.0, 15.0]),
        (T::Int4, |t| t.int32_data = vec![0x71, 0x08], &[0x71, 0x08], &[1.0, 7.0, -8.0]),
        (T::Uint2, |t| t.int32_data = vec![0xe4, 2], &[0xe4, 2], &[0.0, 1.0, 2.0, 3.0, 2.0]),
        (T::Int2, |t| t.int32_data = vec![0xe4, 1], &[0xe4, 1], &[0.0, 1.0, -2.0, -1.0, 1.0]),
        (T::Uint8, |_| {}, &[], &[]),
    ];
    for (ty, typed, raw, values) in cases {
        for store_raw in [false, true] {
            let mut m = tiny();
            let t = weight(&mut m);
            t.float_data.clear();
            t.data_type = Some(*ty as i32);
            t.dims = vec![i64::try_from(values.len()).unwrap()];
            if store_raw {
                t.raw_data = Some(Bytes::from_static(raw));
            } else {
                typed(t);
            }
            let model = decode(m.encode_to_vec().into(), None).unwrap();
            let got = match &model.initializers["w"].data {
                TensorData::Float(a) => a.iter().copied().collect::<Vec<_>>(),
                TensorData::Int(a) => a.iter().map(|&v| v as f64).collect(),
            };
            assert_eq!(got, *values, "{ty:?} raw {store_raw}");
            let out = ModelProto::decode(encode(&model).unwrap().as_slice()).unwrap();
            assert_eq!(out.graph.unwrap().initializer[0].raw_data.as_deref(), Some(*raw), "{ty:?}");

            // One byte or entry too many or too few is not the tensor.
            if !values.is_empty() {
                let mut longer = m.clone();
                weight(&mut longer).dims = vec![i64::try_from(values.len() + 4).unwrap()];
                assert_eq!(refusal(longer.encode_to_vec()).0[0].code, code::TENSOR_INVALID, "{ty:?}");
                weight(&mut m).dims = vec![0];
                assert_eq!(refusal(m.encode_to_vec()).0[0].code, code::TENSOR_INVALID, "{ty:?}");
            }
        }
    }
}

#[test]
fn every_16_bit_float_comes_back() {
    for ty in [tensor_proto::DataType::Float16, tensor_proto::DataType::Bfloat16] {
        let nan = if ty == tensor_proto::DataType::Float16 { 0x7c00 } else { 0x7f80 };
        let bits: Vec<u16> = (0..=u16::MAX).filter(|b| b & 0x7fff <= nan).collect();
        let raw: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
        let mut m = tiny();
        let t = weight(&mut m);
        t.float_data.clear();
        t.data_type = Some(ty as i32);
        t.dims = vec![i64::try_from(bits.len()).unwrap()];
        t.raw_data = Some(raw.clone().into());
        let model = decode(m.encode_to_vec().into(), None).unwrap();
        let out = ModelProto::decode(encode(&model).unwrap().as_slice()).unwrap();
        assert_eq!(out.graph.unwrap().initializer[0].raw_data.as_deref(), Some(raw.as_slice()), "{ty:?}");
    }
}

#[test]
fn encode_never_rounds() {
    let mut model = decode(tiny().encode_to_vec().into(), None).unwrap();
    let float = |v: f64| TensorData::Float(ndarray::arr1(&[v]).into_dyn());
    let int = |v: i64| TensorData::Int(ndarray::arr1(&[v]).into_dyn());
    for (dtype, data) in [
        (DType::F32, float(0.1)),
        (DType::F16, float(2049.0)),
        (DType::F16, float(65536.0)),
        (DType::BF16, float(257.0)),
        (DType::U8, int(256)),
        (DType::I4, int(8)),
        (DType::U64, int(-1)),
        (DType::F32, int(1)),
        (DType::I8, float(1.0)),
    ] {
        let shown = format!("{dtype:?} {data:?}");
        model.initializers.insert("w".into(), Tensor { dtype, data });
        assert_eq!(encode(&model).unwrap_err().0[0].code, code::INTERNAL, "{shown}");
    }
}
