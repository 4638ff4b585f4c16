//! Relu and Clip on integer tensors (QOperator models): bounds of the quantized operator before, else a table.
//!
//! ONNX defines both on the stored integers.

use super::names::uses;
use crate::diag::Result;
use crate::graph::float::{FloatGraph, integer_width};
use crate::graph::int::TableSource;
use crate::ops::Op;
use crate::ops::quantization::Params;
use crate::ops::quantized::{Kernel, Quantized};

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    for id in graph.topo().unwrap_or_default() {
        let Op::Clip(clip) = graph.node(id).op else { continue };
        let &[x] = graph.inputs(id).as_slice() else { continue };
        let dtype = graph.value(x).fact.dtype;
        if integer_width(dtype).is_none_or(|(bits, _)| bits > 16) {
            continue;
        }
        // Bounds of an integer Clip are integers; a float conversion saturates at the type's range below.
        let min = clip.min.map_or(i64::MIN, |v| v as i64);
        let max = clip.max.map_or(i64::MAX, |v| v as i64);
        let bound = |v: i64| v.max(min).min(max);
        if uses(graph, x) == 1
            && let Op::Quantized(q) = &mut graph.node_mut(x.node).op
            && !matches!(q.kernel, Kernel::Softmax(_) | Kernel::Concat(_))
        {
            (q.lo, q.hi) = (bound(q.lo), bound(q.hi));
            let producer = x.node;
            graph.replace_uses(id.into(), producer.into());
            graph.remove(id);
        } else if let Some(params) = params_of(graph, x.node, 0).or_else(|| params_below(graph, id, 0)) {
            let (lo, hi) = params.range();
            let (lo, hi) = (bound(lo), bound(hi));
            let low = i32::try_from(lo - params.offset()).unwrap_or(i32::MIN);
            let high = i32::try_from(hi - params.offset()).unwrap_or(i32::MAX);
            let kernel = Kernel::Table(TableSource::Clamp(low, high));
            graph.node_mut(id).op =
                Op::Quantized(Quantized { lo, hi, ..Quantized::new(kernel, vec![params.clone()], params) });
        }
    }
    Ok(())
}

/// How far through layout operators parameters are sought.
const DEPTH: usize = 64;

/// The parameters of an integer value, from the operator that made it.
fn params_of(graph: &FloatGraph, id: crate::graph::NodeId, depth: usize) -> Option<Params> {
    match &graph.node(id).op {
        Op::Quantized(q) => Some(q.output.clone()),
        Op::Quantize(p) => Some(p.clone()),
        Op::Reshape(_)
        | Op::Transpose(_)
        | Op::MaxPool(_)
        | Op::Slice(_)
        | Op::Space(_)
        | Op::Pad(_)
        | Op::Concat(_)
        | Op::Clip(_)
            if depth < DEPTH =>
        {
            graph.inputs(id).first().and_then(|p| params_of(graph, p.node, depth + 1))
        }
        _ => None,
    }
}

/// The parameters of an integer value, from an operator that reads it.
pub(super) fn params_below(graph: &FloatGraph, id: crate::graph::NodeId, depth: usize) -> Option<Params> {
    graph.consumers(id.into()).into_iter().find_map(|(reader, operand)| match &graph.node(reader).op {
        Op::Quantized(q) => q.inputs.get(usize::from(operand)).cloned(),
        Op::Dequantize(p) => Some(p.clone()),
        Op::Reshape(_)
        | Op::Transpose(_)
        | Op::MaxPool(_)
        | Op::Slice(_)
        | Op::Space(_)
        | Op::Pad(_)
        | Op::Concat(_)
        | Op::Clip(_)
            if depth < DEPTH =>
        {
            params_below(graph, reader, depth + 1)
        }
        _ => None,
    })
}
