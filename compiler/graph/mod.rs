//! The graph: a `petgraph::StableDiGraph` with typed operators, facts on every value, and ids of its own.
//!
//! In: nodes added by the importer or a pass. Out: deterministic traversal. Guarantees: operand order is the
//! port number on the edge (petgraph's edge order is not operand order), node ids are never reused, the
//! topological order is Kahn's with a smallest-id heap, so that the same graph always prints the same text.

pub mod expression;
pub mod float;
pub mod int;
pub mod parse;
pub mod prepare;
pub mod text;
pub mod verify;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Debug;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

/// What a graph is made of at one stage of compilation.
pub trait Stage {
    /// The operators.
    type Op: Clone + Debug;
    /// What is known of a value: shape and type.
    type Fact: Clone + Debug;
}

/// A node's identity: stable across rewrites, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// One output of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The producing node.
    pub node: NodeId,
    /// Which of its outputs.
    pub out: u16,
}

impl From<NodeId> for Port {
    fn from(node: NodeId) -> Self {
        Port { node, out: 0 }
    }
}

/// A value: the name it has in the ONNX file and what is known of it.
#[derive(Clone, Debug)]
pub struct Value<F> {
    /// The ONNX tensor's name, unique in the graph.
    pub name: String,
    /// Shape and type.
    pub fact: F,
}

/// An operator with its outputs.
#[derive(Clone, Debug)]
pub struct Node<S: Stage> {
    /// Identity.
    pub id: NodeId,
    /// The ONNX node's name, else its first output's, unique in the graph.
    pub name: String,
    /// The operator.
    pub op: S::Op,
    /// The outputs, in ONNX order.
    pub outputs: Vec<Value<S::Fact>>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    from: u16,
    to: u16,
}

/// A directed acyclic graph of operators.
#[derive(Clone, Debug)]
pub struct Graph<S: Stage> {
    dag: StableDiGraph<Node<S>, Edge>,
    index: BTreeMap<NodeId, NodeIndex>,
    next: u32,
    /// The graph's results, in order.
    pub outputs: Vec<Port>,
}

impl<S: Stage> Default for Graph<S> {
    fn default() -> Self {
        Graph { dag: StableDiGraph::new(), index: BTreeMap::new(), next: 0, outputs: Vec::new() }
    }
}

impl<S: Stage> Graph<S> {
    /// Adds a node fed by `inputs` (operand 0 first).
    pub fn add(
        &mut self,
        name: impl Into<String>,
        op: S::Op,
        inputs: &[Port],
        outputs: Vec<Value<S::Fact>>,
    ) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        let ix = self.dag.add_node(Node { id, name: name.into(), op, outputs });
        self.index.insert(id, ix);
        for (to, port) in inputs.iter().enumerate() {
            self.dag.add_edge(self.index[&port.node], ix, Edge { from: port.out, to: to as u16 });
        }
        id
    }
    /// The node of an id that is in the graph.
    pub fn node(&self, id: NodeId) -> &Node<S> {
        &self.dag[self.index[&id]]
    }
    /// The node, to change.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node<S> {
        &mut self.dag[self.index[&id]]
    }
    /// Whether the node is still there.
    pub fn contains(&self, id: NodeId) -> bool {
        self.index.contains_key(&id)
    }
    /// The value at a port.
    pub fn value(&self, port: Port) -> &Value<S::Fact> {
        &self.node(port.node).outputs[usize::from(port.out)]
    }
    /// The operands of a node, in operand order.
    pub fn inputs(&self, id: NodeId) -> Vec<Port> {
        let mut edges: Vec<_> = self
            .dag
            .edges_directed(self.index[&id], Direction::Incoming)
            .map(|e| (e.weight().to, Port { node: self.dag[e.source()].id, out: e.weight().from }))
            .collect();
        edges.sort_by_key(|(to, _)| *to);
        edges.into_iter().map(|(_, port)| port).collect()
    }
    /// Who reads a port: (node, operand number), ascending.
    pub fn consumers(&self, port: Port) -> Vec<(NodeId, u16)> {
        let mut all: Vec<_> = self
            .dag
            .edges_directed(self.index[&port.node], Direction::Outgoing)
            .filter(|e| e.weight().from == port.out)
            .map(|e| (self.dag[e.target()].id, e.weight().to))
            .collect();
        all.sort_unstable();
        all
    }
    /// Replaces all operands of a node.
    pub fn set_inputs(&mut self, id: NodeId, inputs: &[Port]) {
        let ix = self.index[&id];
        let old: Vec<_> = self.dag.edges_directed(ix, Direction::Incoming).map(|e| e.id()).collect();
        for e in old {
            self.dag.remove_edge(e);
        }
        for (to, port) in inputs.iter().enumerate() {
            self.dag.add_edge(self.index[&port.node], ix, Edge { from: port.out, to: to as u16 });
        }
    }
    /// Makes every reader of `old`, and every graph output that is `old`, read `new`.
    pub fn replace_uses(&mut self, old: Port, new: Port) {
        for (node, _) in self.consumers(old) {
            let inputs: Vec<_> =
                self.inputs(node).into_iter().map(|p| if p == old { new } else { p }).collect();
            self.set_inputs(node, &inputs);
        }
        for out in &mut self.outputs {
            if *out == old {
                *out = new;
            }
        }
    }
    /// Removes a node and its edges. Its id is never used again.
    pub fn remove(&mut self, id: NodeId) {
        if let Some(ix) = self.index.remove(&id) {
            self.dag.remove_node(ix);
        }
    }
    /// Every node id, ascending.
    pub fn ids(&self) -> Vec<NodeId> {
        self.index.keys().copied().collect()
    }
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.index.len()
    }
    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
    /// Every node after its producers, smallest id first among the ready ones. `None` if there is a cycle.
    pub fn topo(&self) -> Option<Vec<NodeId>> {
        let mut missing: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut ready = BinaryHeap::new();
        for (&id, &ix) in &self.index {
            let n = self.dag.edges_directed(ix, Direction::Incoming).count();
            missing.insert(id, n);
            if n == 0 {
                ready.push(Reverse(id));
            }
        }
        let mut order = Vec::with_capacity(self.index.len());
        while let Some(Reverse(id)) = ready.pop() {
            order.push(id);
            for e in self.dag.edges_directed(self.index[&id], Direction::Outgoing) {
                let target = self.dag[e.target()].id;
                let n = missing.entry(target).or_default();
                *n -= 1;
                if *n == 0 {
                    ready.push(Reverse(target));
                }
            }
        }
        (order.len() == self.index.len()).then_some(order)
    }
}
