//! Replaces operators whose operands are all constant by their value.
//!
//! DequantizeLinear is kept: a quantized constant stays integers with scales. Weights given as QuantizeLinear of a
//! float constant become integers here.

use crate::diag::Result;
use crate::graph::float::FloatGraph;
use crate::ops::Op;
use crate::ops::import::LARGEST;

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    for id in graph.topo().unwrap_or_default() {
        let inputs = graph.inputs(id);
        if inputs.is_empty() || graph.value(id.into()).fact.len() > LARGEST {
            continue;
        }
        let mut values = Vec::with_capacity(inputs.len());
        for port in &inputs {
            match &graph.node(port.node).op {
                Op::Const(t) => values.push(t),
                _ => break,
            }
        }
        if values.len() < inputs.len() {
            continue;
        }
        if let Some(value) = graph.node(id).op.eval(&values) {
            graph.node_mut(id).op = Op::Const(value);
            graph.set_inputs(id, &[]);
        }
    }
    Ok(())
}
