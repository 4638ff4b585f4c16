//! The user's file in an equal form that ONNX Runtime can fuse into int8.
//!
//! Its fusion wants DequantizeLinear, the operator and QuantizeLinear side by side; otherwise it computes the
//! operator in float32 at any setting, and float32 sums are no integer reference. Two moves change no byte:
//! a Clip before a QuantizeLinear goes behind it as an integer Clip (rounding is monotone), and layout changes between
//! DequantizeLinear and a Gemm or MatMul go before the DequantizeLinear.
//!
//! In: a model. Out: the model rewritten, or `None` where nothing was to move. Guarantees: only operators with one
//! reader and constant parameters move.

use std::collections::BTreeMap;

use crate::arith::host::quantize_linear;
use crate::onnx::model::{Attribute, DType, Model, ModelNode, Tensor, TensorData};

/// Makes every move that can be made.
pub(crate) fn toward_int8(model: &Model) -> Option<Model> {
    let mut done = clips(model);
    // Each round moves the first of a chain of layout changes.
    while let Some(next) = layouts(done.as_ref().unwrap_or(model)) {
        done = Some(next);
    }
    done.map(sorted)
}

/// The one node that reads a tensor, if it is no output and no other node reads it.
fn only_reader<'a>(model: &'a Model, tensor: &str) -> Option<(usize, &'a ModelNode)> {
    let mut readers = model.nodes.iter().enumerate().filter(|(_, n)| n.inputs.iter().any(|i| i == tensor));
    let reader = readers.next().filter(|_| model.outputs.iter().all(|o| o.name != tensor))?;
    readers.next().is_none().then_some(reader)
}

/// Each Clip behind the QuantizeLinear that reads it.
fn clips(model: &Model) -> Option<Model> {
    let mut out = model.clone();
    let mut moved = false;
    for (at, clip) in
        model.nodes.iter().enumerate().filter(|(_, n)| n.op_type == "Clip" && n.domain.is_empty())
    {
        let [Some(from), Some(result)] = [clip.inputs.first(), clip.outputs.first()] else { continue };
        let Some((reader, quantize)) = only_reader(model, result) else { continue };
        if quantize.op_type != "QuantizeLinear" || quantize.inputs.first() != Some(result) {
            continue;
        }
        // A product is elementwise: float32 is as good a reference as int8, and has other bytes.
        if model.nodes.iter().any(|n| n.op_type == "Mul" && n.outputs.first() == Some(from)) {
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
        out.nodes[reader].inputs[0].clone_from(from);
        out.nodes[reader].outputs[0].clone_from(&before);
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
    moved.then_some(out)
}

fn is_layout(node: &ModelNode) -> bool {
    matches!(node.op_type.as_str(), "Flatten" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze")
}

/// Whether a tensor is read only by a Gemm or MatMul, through layout changes perhaps.
fn leads_to_product(model: &Model, tensor: &str) -> bool {
    let mut at = tensor;
    for _ in 0..model.nodes.len() {
        let Some((_, reader)) = only_reader(model, at) else { return false };
        if reader.inputs.first().map(String::as_str) != Some(at) {
            return false;
        }
        match reader.op_type.as_str() {
            "Gemm" | "MatMul" => return true,
            _ if is_layout(reader) => at = &reader.outputs[0],
            _ => return false,
        }
    }
    false
}

/// Each layout change of an activation before a product goes in front of the DequantizeLinear.
fn layouts(model: &Model) -> Option<Model> {
    let mut out = model.clone();
    let mut moved = false;
    for (at, node) in model.nodes.iter().enumerate().filter(|(_, n)| is_layout(n)) {
        let [Some(from), Some(result)] = [node.inputs.first(), node.outputs.first()] else { continue };
        let dequantize = model.nodes.iter().position(|n| n.outputs.first() == Some(from));
        let Some(dequantize) = dequantize.filter(|_| leads_to_product(model, from)) else { continue };
        let source = &model.nodes[dequantize];
        let per_tensor = source.inputs.get(1).is_some_and(|s| scalar(model, s).is_some());
        let constant = source.inputs.first().is_none_or(|i| model.initializers.contains_key(i));
        if source.op_type != "DequantizeLinear" || !per_tensor || constant {
            continue;
        }
        let between = format!("{result}/integers");
        out.nodes[at].inputs[0].clone_from(&source.inputs[0]);
        out.nodes[at].outputs[0].clone_from(&between);
        out.nodes[dequantize].inputs[0] = between;
        out.nodes[dequantize].outputs[0].clone_from(result);
        moved = true;
    }
    moved.then_some(out)
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
