//! Merges QuantizeLinear nodes, and DequantizeLinear nodes, that do the same to the same tensor.
//!
//! Exporters may write a pair of them for each reader; ONNX Runtime merges them before it chooses kernels. Equal means
//! every parameter, also how the file writes the scale, because that decides about kernels. The first node stays.

use std::collections::BTreeMap;

use crate::diag::Result;
use crate::graph::float::FloatGraph;
use crate::graph::{NodeId, Port};
use crate::ops::Op;

fn equal(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Quantize(p), Op::Quantize(q)) | (Op::Dequantize(p), Op::Dequantize(q)) => p == q,
        _ => false,
    }
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    // Producers come first, so the readers of merged nodes are found to read one tensor.
    let mut kept: BTreeMap<Port, Vec<NodeId>> = BTreeMap::new();
    for id in graph.topo().unwrap_or_default() {
        if !matches!(graph.node(id).op, Op::Quantize(_) | Op::Dequantize(_)) {
            continue;
        }
        let &[x] = graph.inputs(id).as_slice() else { continue };
        let here = kept.entry(x).or_default();
        match here.iter().find(|k| equal(&graph.node(**k).op, &graph.node(id).op)) {
            Some(&first) => {
                graph.replace_uses(id.into(), first.into());
                graph.remove(id);
            }
            None => here.push(id),
        }
    }
    Ok(())
}
