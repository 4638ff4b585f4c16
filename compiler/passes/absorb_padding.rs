//! Makes padding part of the convolution or maximum that reads it: with the zero point, and with the least integer.
//!
//! In: an integer graph. Out: the same values. Guarantees: a Pad of rows and columns with zero before a convolution, or
//! with what never wins before a maximum, takes no layer of its own.

use crate::graph::int::{Conv, ConvForm, IntGraph, IntOp, MaxPool};
use crate::graph::{NodeId, Port};

/// Absorbs what can be.
pub(super) fn run(graph: &mut IntGraph) {
    for id in graph.ids() {
        while let Some((source, [top, left, bottom, right])) = padding(graph, id) {
            if let IntOp::Conv(Conv { window, .. }) | IntOp::MaxPool(MaxPool { window }) =
                &mut graph.node_mut(id).op
            {
                for (pad, more) in window.pads.iter_mut().zip([top, left, bottom, right]) {
                    *pad += more;
                }
            }
            graph.set_inputs(id, &[source]);
        }
    }
}

/// What an operand is padded from, and by how many rows and columns: top, left, bottom, right.
fn padding(graph: &IntGraph, id: NodeId) -> Option<(Port, [usize; 4])> {
    let pool = match &graph.node(id).op {
        // Of one element there is nothing to absorb it.
        IntOp::Conv(Conv { form: ConvForm::Affine(_), .. }) => return None,
        IntOp::Conv(_) => None,
        IntOp::MaxPool(pool) => Some(pool.window),
        _ => return None,
    };
    let operand = *graph.inputs(id).first()?;
    let IntOp::Select(select) = &graph.node(operand.node).op else { return None };
    let source = *graph.inputs(operand.node).first()?;
    let (x, y) = (&graph.value(source).fact, &graph.value(operand).fact);
    let whole = select.channels.iter().copied().eq((0..x.shape[0]).map(Some));
    let least = -(1_i32 << (x.bits - 1));
    let fill = if pool.is_some() { least } else { x.zero_point };
    if !whole || select.exchanged || select.steps != [1, 1] || select.fill != fill {
        return None;
    }
    let mut pads = [0; 4];
    for d in 0..2 {
        pads[d] = usize::try_from(select.origin[d].checked_neg()?).ok()?;
        pads[d + 2] = y.shape[d + 1].checked_sub(pads[d] + x.shape[d + 1])?;
    }
    if let Some(mut window) = pool {
        window.pads.iter_mut().zip(pads).for_each(|(pad, more)| *pad += more);
        let z = &graph.value(id.into()).fact;
        // ONNX wants pads below the kernel's size, and drops windows that begin in the padding at the end.
        let fits = |d: usize| {
            let size = |ceil| window.output(x.shape[d + 1], d, ceil) == Some(z.shape[d + 1]);
            window.pads[d].max(window.pads[d + 2]) < window.kernel[d] && (size(false) || size(true))
        };
        return (fits(0) && fits(1)).then_some((source, pads));
    }
    Some((source, pads))
}
