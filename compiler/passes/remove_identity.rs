//! Removes Identity, Reshape to the same shape, Transpose that keeps the order, Pad by nothing, and Clip without bounds.

use crate::diag::Result;
use crate::graph::float::FloatGraph;
use crate::ops::Op;

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    for id in graph.topo().unwrap_or_default() {
        let inputs = graph.inputs(id);
        let &[x] = inputs.as_slice() else { continue };
        let nothing = match &graph.node(id).op {
            Op::Identity => true,
            Op::Reshape(shape) => *shape == graph.value(x).fact.shape,
            Op::Transpose(perm) => perm.iter().enumerate().all(|(i, p)| i == *p),
            Op::Pad(p) => p.before.iter().chain(&p.after).all(|n| *n == 0),
            Op::Clip(c) => c.min.is_none() && c.max.is_none(),
            _ => false,
        };
        if nothing {
            graph.replace_uses(id.into(), x);
            graph.remove(id);
        }
    }
    Ok(())
}
