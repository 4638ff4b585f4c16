//! Files that lie, attack or are cut short: each is refused, with its code and the reason in words.

use bytes::Bytes;
use prost::Message as _;

use super::{attribute, committed, graph, node, refusal, tiny, weight};
use crate::diag::{Code, code};
use crate::onnx::proto::{
    AttributeProto, FunctionProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    StringStringEntryProto, TypeProto, attribute_proto, tensor_proto, type_proto,
};
use crate::onnx::{decode, read};

/// A length-delimited field.
fn wrap(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    prost::encode_length_delimiter(inner.len(), &mut out).unwrap();
    out.extend(inner);
    out
}

/// Changes the tiny model; expects one fault of that code, whose text contains `says`.
fn check(want: Code, says: &str, change: impl FnOnce(&mut ModelProto)) {
    let mut m = tiny();
    change(&mut m);
    let faults = refusal(m.encode_to_vec());
    assert_eq!(faults.0.len(), 1, "{faults}");
    assert_eq!(faults.0[0].code, want, "{faults}");
    assert!(faults.to_string().contains(says), "{says:?} is not in\n{faults}");
}

#[test]
fn tensors_that_lie() {
    let t = code::TENSOR_INVALID;
    check(t, "needs 2", |m| weight(m).float_data.push(3.0));
    check(t, "needs 3", |m| weight(m).dims = vec![3]);
    check(t, "dimension -1", |m| weight(m).dims = vec![-1]);
    check(t, "more than once: float_data, raw_data", |m| {
        weight(m).raw_data = Some(Bytes::from_static(&[0; 8]))
    });
    check(t, "more than once: float_data, int32_data", |m| weight(m).int32_data = vec![1, 2]);
    check(t, "float_data holds 2", |m| weight(m).data_type = Some(3));
    check(t, "data_type is absent", |m| weight(m).data_type = None);
    check(t, "data_location 7", |m| weight(m).data_location = Some(7));
    check(t, "data_location is not EXTERNAL", |m| {
        weight(m).float_data.clear();
        weight(m).external_data = vec![StringStringEntryProto::default()];
    });
    let ints = |ty: tensor_proto::DataType, values: [i32; 2]| {
        move |m: &mut ModelProto| {
            weight(m).float_data.clear();
            weight(m).data_type = Some(ty as i32);
            weight(m).int32_data = values.to_vec();
        }
    };
    check(t, "300 is outside of U8", ints(tensor_proto::DataType::Uint8, [1, 300]));
    check(t, "-129 is outside of I8", ints(tensor_proto::DataType::Int8, [1, -129]));
    check(t, "2 is outside of Bool", ints(tensor_proto::DataType::Bool, [1, 2]));
    check(t, "-1 is outside", ints(tensor_proto::DataType::Float16, [1, -1]));
    check(t, "18446744073709551615 is outside of U64", |m| {
        weight(m).float_data.clear();
        weight(m).data_type = Some(13);
        weight(m).uint64_data = vec![1, u64::MAX];
    });
    let u = code::INPUT_UNSUPPORTED;
    check(u, "segments", |m| weight(m).segment = Some(tensor_proto::Segment::default()));
    check(u, "FLOAT8E5M2", |m| weight(m).data_type = Some(19));
    check(u, "data type 99", |m| weight(m).data_type = Some(99));
    check(u, "strings", |m| weight(m).data_type = Some(8));
    check(u, "sparse_initializer", |m| {
        let w = graph(m).initializer.remove(0);
        graph(m).sparse_initializer =
            vec![SparseTensorProto { values: Some(w), indices: None, dims: vec![2] }];
    });
    check(u, "a sequence", |m| {
        let sequence = type_proto::Sequence { elem_type: None };
        graph(m).input[0].r#type = Some(TypeProto {
            value: Some(type_proto::Value::SequenceType(Box::new(sequence))),
            denotation: None,
        });
    });
    let l = code::LIMIT_EXCEEDED;
    check(l, "too large", |m| weight(m).dims = vec![1 << 40, 1 << 40]);
    check(l, "too large", |m| weight(m).dims = vec![1 << 20, 1 << 20]);
    check(l, "too many dimensions", |m| weight(m).dims = vec![1; 100]);
}

#[test]
fn graphs_that_are_not() {
    let g = code::GRAPH_INVALID;
    check(code::NOT_ONNX, "no graph", |m| m.graph = None);
    check(code::NOT_ONNX, "no ir_version", |m| m.ir_version = None);
    check(code::NOT_ONNX, "no opset", |m| m.opset_import.clear());
    check(code::OPSET_UNSUPPORTED, "ir_version is 15", |m| m.ir_version = Some(15));
    check(g, "no nodes", |m| graph(m).node.clear());
    check(g, "no outputs", |m| graph(m).output.clear());
    check(g, "two versions", |m| {
        m.opset_import.push(OperatorSetIdProto { domain: Some("ai.onnx".into()), version: Some(14) });
    });
    check(g, "does not import", |m| m.opset_import[0].domain = Some("ai.onnx.ml".into()));
    check(g, "has version 0", |m| m.opset_import[0].version = None);
    check(g, "\"z\" is defined nowhere", |m| node(m).input[0] = "z".into());
    check(g, "depends on its own result", |m| node(m).input[0] = "y".into());
    check(g, "defined twice", |m| node(m).output.push("x".into()));
    check(g, "no node, input or initializer", |m| graph(m).output[0].name = Some("z".into()));
    check(g, "two outputs", |m| {
        let o = graph(m).output[0].clone();
        graph(m).output.push(o);
    });
    check(g, "two inputs", |m| {
        let i = graph(m).input[0].clone();
        graph(m).input.push(i);
    });
    check(g, "two initializers", |m| {
        let w = weight(m).clone();
        graph(m).initializer.push(w);
    });
    check(g, "differs in type or shape", |m| {
        let mut i = graph(m).input[0].clone();
        i.name = Some("w".into());
        graph(m).input.push(i);
        weight(m).dims = vec![2, 1];
    });
    check(g, "no operator", |m| node(m).op_type = None);
    check(g, "has no type", |m| graph(m).output[0].r#type = None);
    check(code::OP_UNSUPPORTED, "model itself defines", |m| {
        m.functions.push(FunctionProto { name: Some("Add".into()), ..Default::default() });
    });
    check(code::OP_UNSUPPORTED, "model itself defines", |m| node(m).overload = Some("v".into()));
}

#[test]
fn attributes_that_lie() {
    use attribute_proto::AttributeType as T;
    let g = code::GRAPH_INVALID;
    let with = |a: AttributeProto| move |m: &mut ModelProto| node(m).attribute.push(a);
    check(g, "given twice", |m| node(m).attribute = vec![attribute(T::Int, |_| {}); 2]);
    check(g, "its type is INT, but it holds FLOAT", with(attribute(T::Int, |a| a.f = Some(1.0))));
    check(
        g,
        "holds INTS",
        with(attribute(T::Int, |a| {
            a.i = Some(1);
            a.ints = vec![1];
        })),
    );
    check(g, "no type", with(attribute(T::Undefined, |a| a.i = Some(1))));
    check(g, "not known", with(AttributeProto { r#type: Some(77), ..attribute(T::Int, |_| {}) }));
    check(g, "holds none", with(attribute(T::Tensor, |_| {})));
    check(g, "not UTF-8", with(attribute(T::String, |a| a.s = Some(vec![0xff]))));
    check(g, "function", with(attribute(T::Int, |a| a.ref_attr_name = Some("b".into()))));
    check(g, "has no name", with(attribute(T::Int, |a| a.name = None)));
}

#[test]
fn bytes_that_are_no_model() {
    let not = |bytes: &[u8], says: &str| {
        let d = refusal(bytes.to_vec());
        assert_eq!(d.0[0].code, code::NOT_ONNX, "{d}");
        assert!(d.to_string().contains(says), "{says:?} is not in\n{d}");
    };
    not(b"", "empty");
    not(b"\x08", "no end");
    not(b"hello, world", "ModelProto has no field 13");
    not(b"\x09\0\0\0\0\0\0\0\0", "ModelProto.ir_version can't have wire type 1");
    not(b"\x0a\x01\x08", "ModelProto.ir_version can't have wire type 2");
    not(b"\x08\x08\x08\x08", "ModelProto.ir_version is given twice");
    not(b"\xf8\x07\x00", "ModelProto has no field 127");
    not(b"\x3a\x05\x0a", "5 bytes are announced, 1 are left");
    not(b"\x3a\x02\x12\x05hello", "5 bytes are announced, 0 are left");
    not(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "longer than 64 bits");
    not(b"\x12\x01\xff", "UTF-8");
    // data_type of an initializer, 1 << 32 | 1; int32_data in one piece, the same.
    for field in [b"\x10\x81\x80\x80\x80\x10".to_vec(), b"\x2a\x05\x81\x80\x80\x80\x10".to_vec()] {
        not(&wrap(0x3a, &wrap(0x2a, &field)), "4294967297 is no 32-bit number");
    }
    // A dimension that is both a number and a symbol: model, graph, input, type, tensor, shape, dimension.
    let dim = [0x3a, 0x5a, 0x12, 0x0a, 0x12, 0x0a].iter().rev();
    not(&dim.fold(vec![0x08, 2, 0x12, 1, b'n'], |inner, &tag| wrap(tag, &inner)), "dim_param is given twice");

    // protobuf has no end mark: what only lacks the last imports, of domains that may go undeclared, is whole.
    let whole = Bytes::from(committed("mnist_lenet_int8_qdq.onnx"));
    let model = decode(whole.clone(), None).unwrap();
    for end in 0..whole.len() {
        match decode(whole.slice(..end), None) {
            Err(d) => assert!([code::NOT_ONNX, code::GRAPH_INVALID].contains(&d.0[0].code), "{d}"),
            Ok(mut m) => {
                assert!(m.opsets.iter().all(|o| model.opsets.get_key_value(o.0) == Some(o)));
                m.opsets.clone_from(&model.opsets);
                assert!(m == model, "cut at {end}");
            }
        }
    }
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    // Attribute in node in graph, 5,000 times: 15,000 messages deep.
    let mut inner: Vec<u8> = Vec::new();
    for _ in 0..5_000 {
        inner = wrap(0x0a, &wrap(0x2a, &wrap(0x32, &inner)));
    }
    let d = refusal(wrap(0x3a, &inner));
    assert_eq!(d.0[0].code, code::LIMIT_EXCEEDED, "{d}");
    // What the limit lets through, prost decodes.
    let mut m = tiny();
    for _ in 0..18 {
        let mut outer = tiny();
        node(&mut outer).attribute =
            vec![attribute(attribute_proto::AttributeType::Graph, |a| a.g = m.graph.take())];
        m = outer;
    }
    decode(m.encode_to_vec().into(), None).unwrap();
}

#[test]
fn many_empty_messages_are_refused() {
    // Two bytes each in the file, hundreds in memory.
    let nodes = [0x0a, 0].repeat(crate::onnx::MAX_MESSAGES + 1);
    let d = refusal(wrap(0x3a, &nodes));
    assert_eq!(d.0[0].code, code::LIMIT_EXCEEDED, "{d}");
    check(code::LIMIT_EXCEEDED, "too many nodes", |m| {
        graph(m).node = vec![NodeProto::default(); crate::onnx::MAX_NODES + 1];
    });
}

#[test]
fn external_data() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("model");
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    let data: Vec<u8> = [9.0f32, 1.0, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(dir.join("w.bin"), &data).unwrap();
    std::fs::write(folder.path().join("secret.bin"), &data).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret.bin", dir.join("link.bin")).unwrap();
        std::os::unix::fs::symlink("..", dir.join("up")).unwrap();
        std::os::unix::fs::symlink("w.bin", dir.join("inside.bin")).unwrap();
    }
    let model = |entries: &[(&str, &str)]| {
        let mut m = tiny();
        let t = weight(&mut m);
        t.float_data.clear();
        t.data_location = Some(1);
        t.external_data = entries
            .iter()
            .map(|(k, v)| StringStringEntryProto { key: Some((*k).into()), value: Some((*v).into()) })
            .collect();
        Bytes::from(m.encode_to_vec())
    };
    let want = decode(tiny().encode_to_vec().into(), None).unwrap();
    let good: &[&[(&str, &str)]] = &[
        &[("location", "w.bin"), ("offset", "4"), ("length", "8")],
        &[("location", "./w.bin"), ("offset", "4"), ("checksum", "0123")],
    ];
    for entries in good {
        assert_eq!(decode(model(entries), Some(&dir)).unwrap(), want, "{entries:?}");
    }
    let bad: &[(&[(&str, &str)], &str)] = &[
        (&[], "no location"),
        (&[("location", "")], "no location"),
        (&[("location", "../secret.bin")], "leads out"),
        (&[("location", "sub/../w.bin")], "leads out"),
        (&[("location", "/etc/passwd")], "leads out"),
        (&[("location", "C:\\w.bin")], "leads out"),
        (&[("location", "C:w.bin")], "leads out"),
        (&[("location", "..\\secret.bin")], "leads out"),
        (&[("location", "w.bin\0")], "leads out"),
        (&[("location", "none.bin")], "none.bin"),
        (&[("location", "sub")], "not a regular file"),
        (&[("location", "w.bin"), ("offset", "5")], "12 bytes"),
        (&[("location", "w.bin"), ("offset", "-4")], "not a number"),
        (&[("location", "w.bin"), ("offset", "+4")], "not a number"),
        (&[("location", "w.bin"), ("offset", "18446744073709551615")], "12 bytes"),
        (&[("location", "w.bin"), ("offset", "18446744073709551616")], "not a number"),
        (&[("location", "w.bin"), ("length", "12")], "need 8"),
        (&[("location", "w.bin"), ("length", "")], "not a number"),
        (&[("location", "w.bin"), ("location", "w.bin")], "given twice"),
        (&[("location", "w.bin"), ("basepath", "/")], "not known"),
    ];
    #[cfg(unix)]
    let links: &[(&[(&str, &str)], &str)] =
        &[(&[("location", "link.bin")], "leads out"), (&[("location", "up/secret.bin")], "leads out")];
    #[cfg(not(unix))]
    let links: &[(&[(&str, &str)], &str)] = &[];
    for (entries, says) in bad.iter().chain(links) {
        let d = decode(model(entries), Some(&dir)).unwrap_err();
        assert_eq!(d.0[0].code, code::EXTERNAL_DATA, "{d}");
        assert!(d.to_string().contains(says), "{entries:?}: {says:?} is not in\n{d}");
    }
    #[cfg(unix)]
    assert!(decode(model(&[("location", "inside.bin"), ("offset", "4")]), Some(&dir)).is_ok());
    let d = decode(model(good[0]), None).unwrap_err();
    assert_eq!(d.0[0].code, code::EXTERNAL_DATA);
    // Read from a file, the folder is the file's own.
    std::fs::write(dir.join("m.onnx"), model(good[0])).unwrap();
    assert_eq!(read(&dir.join("m.onnx")).unwrap(), want);
}
