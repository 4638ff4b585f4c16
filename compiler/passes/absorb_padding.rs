//! Makes padding with the zero point part of the convolution that reads it.
//!
//! In: an integer graph. Out: the same values. Guarantees: a Pad of rows and columns with zero before a convolution
//! takes no layer of its own; pads of a convolution contribute 0, which is what the zero point stands for.

use crate::graph::int::{IntGraph, IntOp};
use crate::graph::{NodeId, Port};

/// Absorbs what can be.
pub(super) fn run(graph: &mut IntGraph) {
    for id in graph.ids() {
        while let Some((source, [top, left, bottom, right])) = padding(graph, id) {
            if let IntOp::Conv(conv) = &mut graph.node_mut(id).op {
                for (pad, more) in conv.window.pads.iter_mut().zip([top, left, bottom, right]) {
                    *pad += more;
                }
            }
            graph.set_inputs(id, &[source]);
        }
    }
}

/// What a convolution's operand is padded from, and by how many rows and columns: top, left, bottom, right.
fn padding(graph: &IntGraph, id: NodeId) -> Option<(Port, [usize; 4])> {
    let IntOp::Conv(_) = graph.node(id).op else { return None };
    let operand = *graph.inputs(id).first()?;
    let IntOp::Select(select) = &graph.node(operand.node).op else { return None };
    let source = *graph.inputs(operand.node).first()?;
    let (x, y) = (&graph.value(source).fact, &graph.value(operand).fact);
    let whole = select.channels.iter().copied().eq((0..x.shape[0]).map(Some));
    if !whole || select.steps != [1, 1] || select.fill != x.zero_point {
        return None;
    }
    let mut pads = [0; 4];
    for d in 0..2 {
        pads[d] = usize::try_from(select.origin[d].checked_neg()?).ok()?;
        pads[d + 2] = y.shape[d + 1].checked_sub(pads[d] + x.shape[d + 1])?;
    }
    Some((source, pads))
}
