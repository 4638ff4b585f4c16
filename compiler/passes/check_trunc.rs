//! Refuses a QONNX Trunc of five operands whose operand may have more bits than it says: such a node clamps nothing.
//!
//! What it truncates has to come from a quantizer whose integers, truncated, lie within the bounds; operators that only move
//! or choose elements may stand between.

use super::names::at;
use crate::arith::{Quantizer, Rule};
use crate::diag::{Diagnostics, Result, code};
use crate::graph::Port;
use crate::graph::float::FloatGraph;
use crate::ops::Op;
use crate::ops::quantization::Params;

/// The quantizer of the integers that a float tensor's elements are.
fn quantizer(graph: &FloatGraph, port: Port) -> Option<&Params> {
    match &graph.node(port.node).op {
        Op::Dequantize(p) => Some(p),
        Op::Reshape(_) | Op::Transpose(_) | Op::Identity | Op::MaxPool(_) | Op::Slice(_) | Op::Space(_) => {
            quantizer(graph, *graph.inputs(port.node).first()?)
        }
        _ => None,
    }
}

/// Whether nothing that the quantizer gives exceeds the bounds of what is truncated.
fn fits(of: &Params, trunc: &Params) -> bool {
    let Some((scale, zero_point)) = of.per_tensor() else { return false };
    // Wider than any integer.
    let open = Quantizer { lo: -(1 << 40), hi: 1 << 40, ..trunc.quantizer(0) };
    // Truncation never falls, so both ends decide. Integers of at most 32 bits.
    [of.lo, of.hi].iter().all(|&q| {
        let real = (q - zero_point) as f32 * scale;
        (trunc.lo..=trunc.hi).contains(&open.apply(real))
    })
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut faults = Vec::new();
    for id in graph.ids() {
        let Op::Quantize(trunc) = &graph.node(id).op else { continue };
        if !matches!(trunc.rule, Rule::Trunc(_)) || !trunc.is_of_either_sign() {
            continue;
        }
        let known = graph.inputs(id).first().and_then(|x| quantizer(graph, *x));
        if !known.is_some_and(|of| fits(of, trunc)) {
            let cause = "with five operands nothing is clamped, and what it truncates is not known to have the bits that it says";
            let problem = "a Trunc may leave its width";
            let fault = at(graph, id, code::WIDTH_UNSUPPORTED, problem, cause)
                .remedy("quantize the operand to that width, or use Trunc with six operands, which clamps");
            faults.push(fault);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Diagnostics(faults)) }
}
