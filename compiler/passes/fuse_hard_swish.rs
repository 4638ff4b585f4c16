//! Makes Mul(x, HardSigmoid(x)) with alpha 1/6 and beta 1/2 a HardSwish, which is what ONNX defines HardSwish to be.
//!
//! x may reach the two operators through two DequantizeLinear nodes of the same tensor.

use crate::diag::Result;
use crate::graph::Port;
use crate::graph::float::FloatGraph;
use crate::ops::Op;
use crate::ops::binary::Binary;
use crate::ops::unary::{FUNCTIONS, Unary};

/// The HardSigmoid that HardSwish contains: its operand, if `port` is one.
fn gate(graph: &FloatGraph, port: Port) -> Option<Port> {
    match &graph.node(port.node).op {
        Op::Unary(f) if f.name == "HardSigmoid" && f.attributes == [("alpha", 1.0 / 6.0), ("beta", 0.5)] => {
            graph.inputs(port.node).first().copied()
        }
        _ => None,
    }
}

/// Whether two values are the same.
fn same(graph: &FloatGraph, a: Port, b: Port) -> bool {
    if a == b {
        return true;
    }
    match (&graph.node(a.node).op, &graph.node(b.node).op) {
        (Op::Dequantize(p), Op::Dequantize(q)) => p.same(q) && graph.inputs(a.node) == graph.inputs(b.node),
        _ => false,
    }
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let Some(function) = FUNCTIONS.iter().find(|f| f.name == "HardSwish") else { return Ok(()) };
    for id in graph.topo().unwrap_or_default() {
        if !matches!(graph.node(id).op, Op::Binary(Binary::Mul)) {
            continue;
        }
        let inputs = graph.inputs(id);
        let x = match *inputs.as_slice() {
            [x, g] if gate(graph, g).is_some_and(|y| same(graph, x, y)) => x,
            [g, x] if gate(graph, g).is_some_and(|y| same(graph, x, y)) => x,
            _ => continue,
        };
        let unary = Unary { name: function.name, attributes: Vec::new(), qlinear: function.qlinear };
        graph.node_mut(id).op = Op::Unary(unary);
        graph.set_inputs(id, &[x]);
    }
    Ok(())
}
