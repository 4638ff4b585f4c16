//! Folds BatchNormalization into a Conv with constant float weights that nothing else reads.
//!
//! w' = w * g, b' = (b - mean) * g + bias with g = scale / sqrt(var + epsilon), in double precision, rounded once to
//! float32. Weights that are quantized already stay as they are: the product would not be the file's integers.

use ndarray::{ArrayD, Axis};

use super::names::{Names, uses};
use crate::diag::Result;
use crate::graph::NodeId;
use crate::graph::float::{Fact, FloatGraph};
use crate::onnx::model::{DType, Tensor, TensorData};
use crate::ops::Op;

fn floats(graph: &FloatGraph, id: NodeId) -> Option<&ArrayD<f64>> {
    match &graph.node(id).op {
        Op::Const(Tensor { dtype: DType::F32, data: TensorData::Float(a) }) => Some(a),
        _ => None,
    }
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut names = Names::of(graph);
    for id in graph.topo().unwrap_or_default() {
        let Op::BatchNormalization(epsilon) = graph.node(id).op else { continue };
        let inputs = graph.inputs(id);
        let conv = inputs[0].node;
        if !matches!(graph.node(conv).op, Op::Conv(_)) || uses(graph, conv.into()) != 1 {
            continue;
        }
        let operands = graph.inputs(conv);
        let bias = match operands.get(2) {
            None => None,
            Some(p) => match floats(graph, p.node) {
                Some(b) => Some(b),
                None => continue,
            },
        };
        let statistics: Option<Vec<_>> = inputs[1..].iter().map(|p| floats(graph, p.node)).collect();
        let (Some(w), Some(statistics)) = (floats(graph, operands[1].node), statistics) else { continue };
        let &[scale, shift, mean, var] = statistics.as_slice() else { continue };
        let once = |v: f64| f64::from(v as f32);
        let gain: Vec<f64> =
            scale.iter().zip(var).map(|(s, v)| s / (v + f64::from(epsilon)).sqrt()).collect();
        let mut weight = w.clone();
        for (mut slice, g) in weight.axis_iter_mut(Axis(0)).zip(&gain) {
            slice.mapv_inplace(|v| once(v * g));
        }
        let offset: Vec<f64> = (0..gain.len())
            .map(|i| {
                let b = bias.and_then(|b| b.iter().nth(i)).copied().unwrap_or(0.0);
                let at = |a: &ArrayD<f64>| a.iter().nth(i).copied().unwrap_or(0.0);
                once((b - at(mean)) * gain[i] + at(shift))
            })
            .collect();
        let mut constant = |data: ArrayD<f64>, what: &str| {
            let fact = Fact::new(DType::F32, data.shape());
            let name = format!("{}_{what}", graph.node(id).name);
            let op = Op::Const(Tensor { dtype: DType::F32, data: TensorData::Float(data) });
            names.add(graph, &name, &name, op, &[], fact)
        };
        let weight = constant(weight, "weight");
        let bias = constant(ndarray::arr1(&offset).into_dyn(), "bias");
        graph.set_inputs(conv, &[operands[0], weight.into(), bias.into()]);
        graph.replace_uses(id.into(), conv.into());
        graph.remove(id);
    }
    Ok(())
}
