//! Clip between a float operator and its QuantizeLinear, moved behind it as an integer Clip.
//!
//! ONNX Runtime does not fuse a convolution into int8 across a Clip, at any setting: it computes the convolution in
//! float32. Rounding is monotone, so the order of clamp and rounding changes no byte.
//!
//! In: a model. Out: the model rewritten, or `None` where nothing was to move. Guarantees: only a Clip with constant
//! bounds whose one reader is a QuantizeLinear with constant parameters moves.

use std::collections::BTreeMap;

use crate::arith::host::quantize_linear;
use crate::onnx::model::{Attribute, DType, Model, ModelNode, Tensor, TensorData};

/// Moves every Clip that can be moved.
pub(crate) fn behind_quantize(model: &Model) -> Option<Model> {
    let mut out = model.clone();
    let mut moved = false;
    for (at, clip) in
        model.nodes.iter().enumerate().filter(|(_, n)| n.op_type == "Clip" && n.domain.is_empty())
    {
        let [Some(from), Some(result)] = [clip.inputs.first(), clip.outputs.first()] else { continue };
        let reads = |n: &ModelNode| n.inputs.iter().any(|i| i == result);
        let mut readers = model.nodes.iter().enumerate().filter(|(_, n)| reads(n));
        let (Some((reader, quantize)), None) = (readers.next(), readers.next()) else { continue };
        if quantize.op_type != "QuantizeLinear"
            || quantize.inputs.first() != Some(result)
            || model.outputs.iter().any(|o| o.name == *result)
        {
            continue;
        }
        let Some(parameters) = parameters(model, quantize) else { continue };
        let Some([low, high]) = clip_bounds(model, clip) else { continue };
        let quantized = quantize.outputs[0].clone();
        let before = format!("{quantized}/before_clip");
        let constant = |part: &str| format!("{quantized}/clip_{part}");
        for (part, v) in [("min", low), ("max", high)] {
            let q =
                quantize_linear(v, parameters.scale, parameters.zero_point, parameters.dtype == DType::I8);
            let data = TensorData::Int(ndarray::arr0(i64::from(q)).into_dyn());
            out.initializers.insert(constant(part), Tensor { dtype: parameters.dtype, data });
        }
        let n = &mut out.nodes[reader];
        n.inputs[0].clone_from(from);
        n.outputs[0].clone_from(&before);
        // The Clip takes its new place in name; order does not matter to ONNX Runtime's loader.
        out.nodes[at] = ModelNode {
            name: clip.name.clone(),
            op_type: "Clip".into(),
            domain: String::new(),
            inputs: vec![before, constant("min"), constant("max")],
            outputs: vec![quantized],
            attributes: BTreeMap::new(),
        };
        moved = true;
    }
    moved.then(|| sorted(out))
}

struct Parameters {
    scale: f32,
    zero_point: i32,
    dtype: DType,
}

fn parameters(model: &Model, quantize: &ModelNode) -> Option<Parameters> {
    let scale = scalar(model, quantize.inputs.get(1)?)?;
    let (zero_point, dtype) = match quantize.inputs.get(2).filter(|n| !n.is_empty()) {
        None => (0, DType::U8),
        Some(name) => match &model.initializers.get(name)?.data {
            TensorData::Int(a) if a.len() == 1 => {
                (i32::try_from(*a.first()?).ok()?, model.initializers.get(name)?.dtype)
            }
            TensorData::Int(_) | TensorData::Float(_) => return None,
        },
    };
    matches!(dtype, DType::I8 | DType::U8).then_some(Parameters { scale, zero_point, dtype })
}

/// Bounds of a Clip, as operands (opset 11) or attributes; an absent one is infinite.
fn clip_bounds(model: &Model, clip: &ModelNode) -> Option<[f32; 2]> {
    let bound = |operand: usize, attribute: &str, absent: f32| match (
        clip.inputs.get(operand).filter(|n| !n.is_empty()),
        clip.attributes.get(attribute),
    ) {
        (Some(name), _) => scalar(model, name),
        (None, Some(Attribute::Float(v))) => Some(*v),
        (None, _) => Some(absent),
    };
    Some([bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?])
}

fn scalar(model: &Model, name: &str) -> Option<f32> {
    match &model.initializers.get(name)?.data {
        // A float32 constant, widened for storage: exact both ways.
        TensorData::Float(a) if a.len() == 1 => Some(*a.first()? as f32),
        TensorData::Float(_) | TensorData::Int(_) => None,
    }
}

/// Nodes after their producers, otherwise in order: the ONNX specification demands it.
fn sorted(mut model: Model) -> Model {
    let mut waiting = std::mem::take(&mut model.nodes);
    let mut missing: BTreeMap<String, ()> =
        waiting.iter().flat_map(|n| n.outputs.iter().cloned().map(|o| (o, ()))).collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut rest = Vec::new();
        for node in waiting {
            if node.inputs.iter().any(|i| missing.contains_key(i)) {
                rest.push(node);
            } else {
                node.outputs.iter().for_each(|o| {
                    missing.remove(o);
                });
                model.nodes.push(node);
            }
        }
        if rest.len() == before {
            // A cycle in the file; ONNX Runtime will say so.
            model.nodes.extend(rest);
            break;
        }
        waiting = rest;
    }
    model
}
