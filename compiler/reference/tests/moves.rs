//! Moves toward int8 leave every byte as it was and let ONNX Runtime fuse.

use ndarray::{ArrayD, IxDyn};

use crate::exec::Data;
use crate::onnx;
use crate::onnx::model::{Attribute, DType, Model};
use crate::reference::build::{Builder, sizes};
use crate::reference::ort::{Session, Setting, Source, runtime};
use crate::reference::{cut, float, moves};

/// QDQ: Conv, Clip, Transpose, Reshape, MatMul, Softmax; the Clip's bounds lie inside the range of the result.
fn model() -> Model {
    let mut b = Builder::new("qdq", 13);
    let mut k = 0;
    let mut step = |b: &mut Builder, op: &str, inputs: &[&str], attributes: Vec<(&str, Attribute)>| {
        k += 1;
        let to = b.fresh(&format!("t{k}_{op}"));
        b.node(op, ("", op), inputs, &to, attributes)
    };
    b.reserve("x");
    b.input("x", DType::F32, &[1, 2, 4, 4]);
    let scale = b.floats("scale", &[], &[0.02]);
    let zero = b.ints("zero", DType::I8, &[], vec![-5]);
    let plain = b.ints("plain", DType::I8, &[], vec![0]);
    let w = b.ints("w", DType::I8, &[3, 2, 1, 1], vec![90, -70, 33, 81, -127, 5]);
    let m = b.ints("m", DType::I8, &[48, 4], (0..192).map(|i| (i * 37) % 251 - 125).collect());
    let low = b.floats("low", &[], &[-0.313]);
    let high = b.floats("high", &[], &[0.917]);
    let shape = b.ints("shape", DType::I64, &[2], vec![1, 48]);
    let q = step(&mut b, "QuantizeLinear", &["x", &scale, &zero], vec![]);
    let x = step(&mut b, "DequantizeLinear", &[&q, &scale, &zero], vec![]);
    let w = step(&mut b, "DequantizeLinear", &[&w, &scale, &plain], vec![]);
    let y = step(&mut b, "Conv", &[&x, &w], vec![]);
    let y = step(&mut b, "Clip", &[&y, &low, &high], vec![]);
    let q = step(&mut b, "QuantizeLinear", &[&y, &scale, &zero], vec![]);
    let y = step(&mut b, "DequantizeLinear", &[&q, &scale, &zero], vec![]);
    let y = step(&mut b, "Transpose", &[&y], vec![("perm", sizes(&[0, 2, 3, 1]))]);
    let y = step(&mut b, "Reshape", &[&y, &shape], vec![]);
    let m = step(&mut b, "DequantizeLinear", &[&m, &scale, &plain], vec![]);
    let y = step(&mut b, "MatMul", &[&y, &m], vec![]);
    let q = step(&mut b, "QuantizeLinear", &[&y, &scale, &zero], vec![]);
    let y = step(&mut b, "DequantizeLinear", &[&q, &scale, &zero], vec![]);
    let y = step(&mut b, "Softmax", &[&y], vec![("axis", Attribute::Int(1))]);
    b.output(&y, DType::F32, &[1, 4]);
    b.finish()
}

#[test]
fn moved_operators_stand_elsewhere() {
    let moved = moves::toward_int8(&model()).unwrap();
    let producer =
        |t: &str| moved.nodes.iter().find(|n| n.outputs[0] == t).map_or("", |n| n.op_type.as_str());
    let input_of = |op: &str| producer(&moved.nodes.iter().find(|n| n.op_type == op).unwrap().inputs[0]);
    assert_eq!(input_of("Clip"), "QuantizeLinear");
    assert_eq!(input_of("Transpose"), "Clip");
    assert_eq!(input_of("Reshape"), "Transpose");
    assert_eq!(input_of("MatMul"), "DequantizeLinear");
    // -0.313 and 0.917 at a step of 0.02 with zero point -5.
    let bound = |name: &str| match &moved.initializers.iter().find(|(k, _)| k.ends_with(name)).unwrap().1.data
    {
        onnx::model::TensorData::Int(a) => a.first().copied(),
        onnx::model::TensorData::Float(_) => None,
    };
    assert_eq!((bound("/clip_min"), bound("/clip_max")), (Some(-21), Some(41)));
    assert!(moves::toward_int8(&moved).is_none());
    let cut = cut::model(&moved).unwrap();
    assert_eq!(
        cut.nodes.iter().find(|n| n.outputs[0] == cut.outputs[0].name).unwrap().op_type,
        "DequantizeLinear"
    );
}

#[test]
fn moves_change_no_byte_and_reach_int8() {
    if let Err(e) = runtime() {
        eprintln!("skipped: {e}");
        return;
    }
    let (before, after) = (model(), moves::toward_int8(&model()).unwrap());
    let encode = |m: &Model| onnx::encode(m).unwrap();
    let float = |m: &Model| float::operators(&Source::Bytes(encode(m)).optimized(Setting::FullInt8).unwrap());
    assert!(float::sums(&float(&before)), "{:?}", float(&before));
    assert!(!float::sums(&float(&after)), "{:?}", float(&after));
    let mut sessions =
        [&before, &after].map(|m| Session::from_bytes(&encode(m), Setting::Disabled, 1).unwrap());
    for seed in 0..50_u16 {
        let v = (0..32_u16).map(|i| f32::from((seed * 131 + i * 57) % 400) * 0.011 - 2.2).collect();
        let x = Data::F32(ArrayD::from_shape_vec(IxDyn(&[1, 2, 4, 4]), v).unwrap());
        let [a, b] = sessions.each_mut().map(|s| s.run(&[("x".into(), x.clone())]).unwrap()[0].1.to_bytes());
        assert_eq!(a, b);
    }
}
