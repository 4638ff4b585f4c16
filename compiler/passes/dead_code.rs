//! Removes nodes from which no graph output can be reached; graph inputs stay.

use std::collections::BTreeSet;

use crate::diag::Result;
use crate::graph::NodeId;
use crate::graph::float::FloatGraph;
use crate::ops::Op;

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut live: BTreeSet<NodeId> = BTreeSet::new();
    let mut todo: Vec<NodeId> = graph.outputs.iter().map(|p| p.node).collect();
    while let Some(id) = todo.pop() {
        if live.insert(id) {
            todo.extend(graph.inputs(id).iter().map(|p| p.node));
        }
    }
    for id in graph.ids() {
        if !live.contains(&id) && !matches!(graph.node(id).op, Op::Input) {
            graph.remove(id);
        }
    }
    Ok(())
}
