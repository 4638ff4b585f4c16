//! Fresh names: unique in the graph, derived from the ONNX name that they belong to.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::graph::float::{Fact, FloatGraph};
use crate::graph::int::IntGraph;
use crate::graph::{NodeId, Port, Value};
use crate::ops::Op;

/// Every name of a graph's nodes and values.
pub(super) struct Names {
    nodes: BTreeSet<String>,
    values: BTreeSet<String>,
}

/// The name, or the first of `name#2`, `name#3` ... that is not taken; it is taken then.
pub(super) fn unique(taken: &mut BTreeSet<String>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut n = 1;
    while !taken.insert(name.clone()) {
        n += 1;
        name = format!("{wanted}#{n}");
    }
    name
}

/// The name, or a longer one that no node and no value has.
pub(super) fn free(graph: &IntGraph, name: &str) -> String {
    let taken = |name: &str| {
        let node = |id: NodeId| graph.node(id).name == name;
        let value = |id: NodeId| graph.node(id).outputs.iter().any(|v| v.name == name);
        graph.ids().into_iter().any(|id| node(id) || value(id))
    };
    let mut unique = name.to_owned();
    while taken(&unique) {
        unique.push('_');
    }
    unique
}

impl Names {
    /// The names of `graph`.
    pub(super) fn of(graph: &FloatGraph) -> Self {
        let mut names = Names { nodes: BTreeSet::new(), values: BTreeSet::new() };
        for id in graph.ids() {
            let node = graph.node(id);
            names.nodes.insert(node.name.clone());
            names.values.extend(node.outputs.iter().map(|v| v.name.clone()));
        }
        names
    }
    /// Adds a node with one output, both named after what is wanted.
    pub(super) fn add(
        &mut self,
        graph: &mut FloatGraph,
        node: &str,
        value: &str,
        op: Op,
        inputs: &[Port],
        fact: Fact,
    ) -> NodeId {
        let node = unique(&mut self.nodes, node);
        let value = unique(&mut self.values, value);
        graph.add(node, op, inputs, vec![Value { name: value, fact }])
    }
}

/// How diagnostics name a node of the graph.
pub(super) fn label(graph: &FloatGraph, id: NodeId) -> String {
    let node = graph.node(id);
    format!("node \"{}\" ({})", node.name, node.op.onnx_name())
}

/// A diagnostic at a node of the graph.
pub(super) fn at(
    graph: &FloatGraph,
    id: NodeId,
    code: Code,
    message: impl Into<String>,
    cause: impl Into<String>,
) -> Diagnostic {
    Diagnostic::new(code, message, cause).at(label(graph, id))
}

/// How many readers a port has, graph outputs included.
pub(super) fn uses(graph: &FloatGraph, port: Port) -> usize {
    graph.consumers(port).len() + graph.outputs.iter().filter(|p| **p == port).count()
}

/// Gives the nodes each other's names: the node that stays takes over the ONNX node's name.
pub(super) fn swap_names(graph: &mut FloatGraph, a: NodeId, b: NodeId) {
    let name = std::mem::take(&mut graph.node_mut(a).name);
    let name = std::mem::replace(&mut graph.node_mut(b).name, name);
    graph.node_mut(a).name = name;
}
