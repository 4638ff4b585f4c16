//! The order of execution.
//!
//! In: the integer graph. Out: every node after its producers. Where an addition joins two branches, the one whose
//! last layer has the longer windows runs last, if nothing forbids it: the addition is fused into that layer, where
//! its operand's reads hide behind the array's work. Ties and everything else go by node id, so the order is stable.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::graph::int::{IntGraph, IntOp};
use crate::graph::{NodeId, Port};

/// The order; `None` if the graph has a cycle.
pub(crate) fn schedule(graph: &IntGraph) -> Option<Vec<NodeId>> {
    let mut before: BTreeMap<NodeId, BTreeSet<NodeId>> =
        graph.ids().into_iter().map(|id| (id, graph.inputs(id).iter().map(|p| p.node).collect())).collect();
    for id in graph.ids() {
        if !matches!(graph.node(id).op, IntOp::Add(_)) {
            continue;
        }
        let operands = graph.inputs(id);
        let [a, b] = operands.as_slice() else { continue };
        if let (Some(wa), Some(wb)) = (fusible(graph, *a), fusible(graph, *b)) {
            let (light, heavy) = if wa <= wb { (a.node, b.node) } else { (b.node, a.node) };
            if light != heavy && !reaches(&before, light, heavy) {
                before.entry(heavy).or_default().insert(light);
            }
        }
    }
    kahn(&before)
}

/// Reads of one output pixel, if the addition could be fused into this producer.
fn fusible(graph: &IntGraph, port: Port) -> Option<usize> {
    if graph.consumers(port).len() != 1 {
        return None;
    }
    match &graph.node(port.node).op {
        IntOp::Conv(conv) => Some(conv.weight.len() / conv.weight.dim().0.max(1)),
        IntOp::MaxPool(pool) => Some(pool.window.kernel.iter().product()),
        IntOp::AveragePool(pool) => Some(pool.window.kernel.iter().product()),
        IntOp::Select(_) => Some(1),
        IntOp::Product(_) => Some(2),
        IntOp::Input(_) | IntOp::Output(_) | IntOp::Add(_) | IntOp::Table(_) | IntOp::Concat(_) => None,
    }
}

/// Whether `from` depends on `on`.
fn reaches(before: &BTreeMap<NodeId, BTreeSet<NodeId>>, from: NodeId, on: NodeId) -> bool {
    let mut stack = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(id) = stack.pop() {
        if id == on {
            return true;
        }
        if seen.insert(id) {
            stack.extend(before.get(&id).into_iter().flatten());
        }
    }
    false
}

/// Smallest id first among the nodes whose producers are all done.
fn kahn(before: &BTreeMap<NodeId, BTreeSet<NodeId>>) -> Option<Vec<NodeId>> {
    let mut missing: BTreeMap<NodeId, usize> = before.iter().map(|(&id, b)| (id, b.len())).collect();
    let mut after: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for (&id, producers) in before {
        for &p in producers {
            after.entry(p).or_default().push(id);
        }
    }
    let mut ready: BinaryHeap<_> =
        missing.iter().filter(|(_, n)| **n == 0).map(|(&id, _)| Reverse(id)).collect();
    let mut order = Vec::with_capacity(before.len());
    while let Some(Reverse(id)) = ready.pop() {
        order.push(id);
        for next in after.get(&id).into_iter().flatten() {
            let n = missing.entry(*next).or_default();
            *n -= 1;
            if *n == 0 {
                ready.push(Reverse(*next));
            }
        }
    }
    (order.len() == before.len()).then_some(order)
}
