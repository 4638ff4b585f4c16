//! Prepares concatenations for memory that their operands share.
//!
//! In: an integer graph. Out: the same values, with copies where the hardware needs them. A concatenation's parts lie
//! apart in memory, and operators that keep channels in their places carry that on. Guarantees: every operand of
//! a Concat is computed by a node of its own that nobody else reads and that is no Add, which reads its second operand
//! where it writes; the operands of an Add or a Product have the same parts; a model output has one, and is no model input
//! if there is anything to compute; outputs of one tensor have one copy; every node is needed.

use std::collections::BTreeMap;

use super::names::free;
use crate::graph::int::{Concat, IntGraph, IntOp, QFact, Select, Table, TableSource};
use crate::graph::{NodeId, Port, Value};

/// Removes what no output needs, and inserts copies.
pub fn run(graph: &mut IntGraph) {
    // Readers stand behind what they read, so one sweep from the end finds all.
    for id in graph.topo().unwrap_or_default().into_iter().rev() {
        let kept = matches!(graph.node(id).op, IntOp::Input(_) | IntOp::Output(_));
        if !kept && graph.consumers(id.into()).is_empty() {
            graph.remove(id);
        }
    }
    let mut parts: BTreeMap<Port, Vec<usize>> = BTreeMap::new();
    // What the outputs send instead of a tensor.
    let mut sent: BTreeMap<Port, Port> = BTreeMap::new();
    let computes = |id: &NodeId| !matches!(graph.node(*id).op, IntOp::Input(_) | IntOp::Output(_));
    let computes = graph.ids().iter().any(computes);
    for id in graph.topo().unwrap_or_default() {
        match graph.node(id).op {
            IntOp::Concat(Concat::Channels) => own_operands(graph, id),
            IntOp::Concat(_) => {
                join_operands(graph, id, &parts);
                own_operands(graph, id);
            }
            IntOp::Add(_) => {
                let inputs = graph.inputs(id);
                if inputs.iter().any(|x| parts.get(x) != parts.get(&inputs[0])) {
                    join_operands(graph, id, &parts);
                }
            }
            IntOp::Product(_) => {
                // One channel for all of a's lies in any word.
                let inputs = graph.inputs(id);
                let several = inputs.iter().all(|x| graph.value(*x).fact.shape[0] > 1);
                if several && parts.get(&inputs[0]) != parts.get(&inputs[1]) {
                    join_operands(graph, id, &parts);
                }
            }
            IntOp::Output(_) => {
                for port in graph.inputs(id) {
                    if let Some(&copy) = sent.get(&port) {
                        graph.set_inputs(id, &[copy]);
                        continue;
                    }
                    join_operands(graph, id, &parts);
                    if computes && matches!(graph.node(port.node).op, IntOp::Input(_)) {
                        let name = format!("{}_sent", graph.value(port).name);
                        let copy = insert(graph, &name, copy(), port);
                        graph.set_inputs(id, &[copy]);
                    }
                    sent.extend(graph.inputs(id).first().map(|&copy| (port, copy)));
                }
            }
            IntOp::Input(_)
            | IntOp::Conv(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_)
            | IntOp::Select(_) => {}
        }
        let of =
            |port: &Port| parts.get(port).cloned().unwrap_or_else(|| vec![graph.value(*port).fact.shape[0]]);
        let inputs = graph.inputs(id);
        let own = match graph.node(id).op {
            IntOp::Concat(Concat::Channels) => inputs.iter().flat_map(of).collect(),
            IntOp::Concat(_) => vec![graph.value(id.into()).fact.shape[0]],
            IntOp::Add(_)
            | IntOp::Product(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_) => of(&inputs[0]),
            IntOp::Input(_) | IntOp::Conv(_) | IntOp::Select(_) => vec![graph.value(id.into()).fact.shape[0]],
            IntOp::Output(_) => continue,
        };
        parts.insert(id.into(), own);
    }
}

/// Every value again.
fn copy() -> IntOp {
    let mut table = Box::new([0i8; 256]);
    for (y, x) in table.iter_mut().zip(-128i8..=127) {
        *y = x;
    }
    IntOp::Table(Table { table, source: TableSource::Requantize })
}

fn own_operands(graph: &mut IntGraph, concat: NodeId) {
    let mut inputs = graph.inputs(concat);
    for at in 0..inputs.len() {
        let port = inputs[at];
        let shared = graph.consumers(port).len() != 1;
        if shared || matches!(graph.node(port.node).op, IntOp::Input(_) | IntOp::Add(_)) {
            let name = format!("{}_operand{at}", graph.node(concat).name);
            inputs[at] = insert(graph, &name, copy(), port);
            graph.set_inputs(concat, &inputs);
        }
    }
}

/// Brings the parts of every operand that has several next to each other.
fn join_operands(graph: &mut IntGraph, id: NodeId, parts: &BTreeMap<Port, Vec<usize>>) {
    let mut inputs = graph.inputs(id);
    for at in 0..inputs.len() {
        let port = inputs[at];
        if parts.get(&port).is_some_and(|parts| parts.len() > 1) {
            let fact = &graph.value(port).fact;
            let channels = (0..fact.shape[0]).map(Some).collect();
            let fill = fact.zero_point;
            let copy =
                IntOp::Select(Select { channels, origin: [0, 0], steps: [1, 1], fill, exchanged: false });
            let name = format!("{}_joined", graph.value(port).name);
            inputs[at] = insert(graph, &name, copy, port);
            graph.set_inputs(id, &inputs);
        }
    }
}

/// A node of its operand's facts, under a name that is free.
fn insert(graph: &mut IntGraph, name: &str, op: IntOp, x: Port) -> Port {
    let fact: QFact = graph.value(x).fact.clone();
    let name = free(graph, name);
    graph.add(name.clone(), op, &[x], vec![Value { name, fact }]).into()
}
