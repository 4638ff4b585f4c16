//! Moves Reshape, Transpose, MaxPool, Slice, Pad and Concat, which only select elements, from float values to integer
//! tensors.
//!
//! - op(DequantizeLinear(x)) becomes DequantizeLinear(op(x)), for Pad where its fill is one of x's values;
//! - QuantizeLinear(op(f)) becomes op(QuantizeLinear(f)), for Concat of each operand;
//! - Clip or a function of op(f) becomes op of Clip or the function of f, but for Pad.
//!
//! Exact: quantization with one scale is monotone and acts on each element alone. Every rule brings an operator
//! closer to integers, so this ends.

use super::names::{Names, swap_names, uses};
use crate::diag::Result;
use crate::graph::NodeId;
use crate::graph::float::{Fact, FloatGraph};
use crate::ops::Op;
use crate::ops::pad::{Fill, Pad};
use crate::ops::quantization::Params;

/// Whether the operator has the same attributes for floats and for integers.
fn movable(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Transpose(_) | Op::MaxPool(_) | Op::Slice(_) | Op::Space(_))
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut names = Names::of(graph);
    let mut again = true;
    while again {
        again = false;
        for id in graph.topo().unwrap_or_default() {
            again |= graph.contains(id) && step(graph, &mut names, id);
        }
    }
    Ok(())
}

fn step(graph: &mut FloatGraph, names: &mut Names, id: NodeId) -> bool {
    let inputs = graph.inputs(id);
    let &[x] = inputs.as_slice() else { return false };
    match (&graph.node(id).op, &graph.node(x.node).op) {
        (Op::Pad(pad), Op::Dequantize(p)) if pad.is_exact(p) => {
            let Some(moved) = pad.quantized(p) else { return false };
            graph.node_mut(id).op = Op::Pad(moved);
        }
        (Op::Quantize(p), Op::Pad(pad)) if uses(graph, x) == 1 => {
            let Some(moved) = pad.quantized(p) else { return false };
            graph.node_mut(x.node).op = Op::Pad(moved);
        }
        (Op::Quantize(p), Op::Concat(_)) if p.axis.is_none() => {
            quantize_operands(graph, names, id, x.node, &p.clone());
            return true;
        }
        _ => {}
    }
    let (op, above) = (&graph.node(id).op, &graph.node(x.node).op);
    let new = match (op, above) {
        (op, Op::Dequantize(p)) if movable(op) || is_integer_pad(op) => {
            let shape = &graph.value(x).fact.shape;
            moved_params(p, op, shape, &graph.value(id.into()).fact.shape).map(Op::Dequantize)
        }
        (Op::Quantize(p), above) if (movable(above) || is_integer_pad(above)) && p.axis.is_none() => {
            Some(Op::Quantize(p.clone()))
        }
        (Op::Clip(_) | Op::Unary(_), above) if movable(above) => Some(op.clone()),
        _ => None,
    };
    let Some(lower) = new else { return false };
    let Some(&source) = graph.inputs(x.node).first() else { return false };
    exchange(graph, names, id, x.node, source, lower);
    true
}

/// A Pad whose fill is an integer already: it has been found to move.
fn is_integer_pad(op: &Op) -> bool {
    matches!(op, Op::Pad(Pad { fill: Fill::Integer(_), .. }))
}

/// `QuantizeLinear(Concat(a, b))` becomes `Concat(QuantizeLinear(a), QuantizeLinear(b))`.
fn quantize_operands(graph: &mut FloatGraph, names: &mut Names, id: NodeId, concat: NodeId, p: &Params) {
    let op = graph.node(concat).op.clone();
    let operands: Vec<_> = graph
        .inputs(concat)
        .into_iter()
        .map(|x| {
            let fact = Fact::new(p.dtype, graph.value(x).fact.shape.clone());
            let name = format!("{}_quantized", graph.value(x).name);
            names.add(graph, &name, &name, Op::Quantize(p.clone()), &[x], fact).into()
        })
        .collect();
    graph.node_mut(id).op = op;
    graph.set_inputs(id, &operands);
    if uses(graph, concat.into()) == 0 {
        swap_names(graph, id, concat);
        graph.remove(concat);
    }
}

/// `id(above(source))` becomes `above'(id'(source))`: a new node takes `id`'s operator for the moved one.
fn exchange(
    graph: &mut FloatGraph,
    names: &mut Names,
    id: NodeId,
    above: NodeId,
    source: crate::graph::Port,
    pointwise: Op,
) {
    let fact = graph.value(source).fact.clone();
    let (first, second) = match &pointwise {
        // The selecting operator goes first, on integers.
        Op::Dequantize(_) => {
            let fact = Fact::new(fact.dtype, graph.value(id.into()).fact.shape.clone());
            ((graph.node(id).op.clone(), fact), pointwise)
        }
        // The pointwise operator goes first.
        Op::Quantize(p) => {
            let fact = Fact::new(p.dtype, fact.shape);
            ((pointwise, fact), graph.node(above).op.clone())
        }
        _ => ((pointwise, fact), graph.node(above).op.clone()),
    };
    // The new value is the integer form of the operator's result, or of its operand.
    let value = match &first.0 {
        Op::Quantize(_) => format!("{}_quantized", graph.value(source).name),
        Op::Clip(_) | Op::Unary(_) => format!("{}_first", graph.value(id.into()).name),
        _ => format!("{}_quantized", graph.value(id.into()).name),
    };
    // The new node does what `id` did, so it takes its name; `id` keeps its value and is named after `above`.
    let name = graph.node(above).name.clone();
    let new = names.add(graph, &name, &value, first.0, &[source], first.1);
    swap_names(graph, id, new);
    graph.node_mut(id).op = second;
    graph.set_inputs(id, &[new.into()]);
    if uses(graph, above.into()) == 0 {
        swap_names(graph, id, above);
        graph.remove(above);
    }
}

/// The parameters after the operator; `None` where per-axis parameters cannot follow.
fn moved_params(p: &Params, op: &Op, from: &[usize], to: &[usize]) -> Option<Params> {
    let Some(axis) = p.axis else { return Some(p.clone()) };
    let axis = match op {
        Op::Transpose(perm) => perm.iter().position(|a| *a == axis)?,
        Op::Reshape(_) => {
            let before: usize = from[..axis].iter().product();
            (0..to.len()).find(|&j| to[j] == from[axis] && to[..j].iter().product::<usize>() == before)?
        }
        _ => return None,
    };
    Some(Params { axis: Some(axis), ..p.clone() })
}
