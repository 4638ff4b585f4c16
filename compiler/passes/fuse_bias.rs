//! Makes an Add of a constant, one value per output channel, the bias of the Conv, ConvTranspose, Gemm or MatMul before it.
//!
//! The constant may be float or the DequantizeLinear of an integer constant; a Reshape brings it to one axis.

use super::names::{Names, uses};
use crate::diag::Result;
use crate::graph::float::{Fact, FloatGraph};
use crate::graph::{NodeId, Port};
use crate::ops::Op;
use crate::ops::binary::Binary;

/// Whether a value is constant: float, or a quantized constant.
fn constant(graph: &FloatGraph, port: Port) -> bool {
    match &graph.node(port.node).op {
        Op::Const(_) => true,
        Op::Dequantize(_) => {
            graph.inputs(port.node).first().is_some_and(|p| matches!(graph.node(p.node).op, Op::Const(_)))
        }
        _ => false,
    }
}

fn candidate(graph: &FloatGraph, layer: Port, bias: Port) -> bool {
    let op = &graph.node(layer.node).op;
    if uses(graph, layer) != 1 || graph.inputs(layer.node).len() != 2 || !constant(graph, bias) {
        return false;
    }
    let out = &graph.value(layer).fact.shape;
    let shape = &graph.value(bias).fact.shape;
    let axis = match op {
        Op::Conv(_) | Op::ConvTranspose(_) => 1,
        Op::Gemm(_) | Op::MatMul => out.len() - 1,
        _ => return false,
    };
    // Aligned at the end, every axis but the channels' is 1.
    shape.len() <= out.len()
        && shape
            .iter()
            .rev()
            .zip(out.iter().enumerate().rev())
            .all(|(d, (i, n))| *d == if i == axis { *n } else { 1 })
        && shape.iter().product::<usize>() == out[axis]
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut names = Names::of(graph);
    for id in graph.topo().unwrap_or_default() {
        if !matches!(graph.node(id).op, Op::Binary(Binary::Add)) {
            continue;
        }
        let inputs = graph.inputs(id);
        let (layer, bias) = match *inputs.as_slice() {
            [a, b] if candidate(graph, a, b) => (a, b),
            [a, b] if candidate(graph, b, a) => (b, a),
            _ => continue,
        };
        if graph.value(layer).fact != graph.value(id.into()).fact {
            continue;
        }
        let bias = flat(graph, &mut names, bias);
        let mut operands = graph.inputs(layer.node);
        operands.push(bias);
        graph.set_inputs(layer.node, &operands);
        if let Op::Gemm(gemm) = &mut graph.node_mut(layer.node).op {
            gemm.beta = 1.0;
        }
        graph.replace_uses(id.into(), layer);
        graph.remove(id);
    }
    Ok(())
}

fn flat(graph: &mut FloatGraph, names: &mut Names, bias: Port) -> Port {
    let value = graph.value(bias).clone();
    if value.fact.shape.len() == 1 {
        return bias;
    }
    let n = value.fact.len();
    let name = format!("{}_flat", value.name);
    let id: NodeId =
        names.add(graph, &name, &name, Op::Reshape(vec![n]), &[bias], Fact::new(value.fact.dtype, [n]));
    id.into()
}
