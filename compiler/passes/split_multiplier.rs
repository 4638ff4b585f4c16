//! Makes a depthwise convolution with a channel multiplier several without, which the array computes at full speed.
//!
//! In: an integer graph. Out: the same outputs. Output channel g * m + i of a convolution with m outputs for each channel g
//! becomes channel g of convolution i; their results stand beside each other, so tensors behind them have their channels in
//! another order. Operators of one channel carry the order on; convolutions of all channels and selections undo it in their
//! weights and indices; before others a selection does so. Guarantees: a convolution is left as it is where such
//! selections take more than is won, or where its channels fill no words.

use std::collections::BTreeMap;

use ndarray::{Array4, Axis};

use super::names::free;
use crate::graph::int::{Concat, Conv, ConvForm, IntGraph, IntOp, QFact, Select};
use crate::graph::{NodeId, Port, Value};

/// Channels of a word, as far as the gain is estimated.
const WORD: usize = 16;
/// Fewer taps are not worth it.
const LEAST_TAPS: usize = 3;

/// For each channel of a tensor in its new order the one that it was.
type Order = Vec<usize>;

/// Splits what pays.
pub fn run(graph: &mut IntGraph) {
    // The last first: what was split there carries the order of what is before.
    for id in graph.topo().unwrap_or_default().into_iter().rev() {
        if let Some(multiplier) = multiplier(graph, id)
            && let Some(change) = Change::of(graph, id, multiplier)
        {
            change.apply(graph, id, multiplier);
        }
    }
}

/// Outputs for each channel, if that is what the node computes and its channels nearly fill words.
fn multiplier(graph: &IntGraph, id: NodeId) -> Option<usize> {
    let IntOp::Conv(conv) = &graph.node(id).op else { return None };
    let (outputs, of_group, rows, columns) = conv.weight.dim();
    let [channels, ..] = graph.value(*graph.inputs(id).first()?).fact.shape;
    let multiplier = outputs / channels;
    let each = conv.groups == channels && of_group == 1 && conv.form == ConvForm::Integer;
    let full = 2 * channels.next_multiple_of(WORD) <= 3 * channels;
    (each && multiplier > 1 && full && rows * columns >= LEAST_TAPS).then_some(multiplier)
}

/// What another order of a convolution's channels asks for.
struct Change {
    /// Tensors in another order.
    orders: BTreeMap<Port, Order>,
    /// Nodes that carry it on, and that undo it.
    carry: Vec<NodeId>,
    undo: Vec<NodeId>,
    /// Operands that are brought back by a selection.
    back: Vec<(NodeId, usize)>,
}

impl Change {
    fn of(graph: &IntGraph, id: NodeId, multiplier: usize) -> Option<Change> {
        let port = Port::from(id);
        let [outputs, h, w] = graph.value(port).fact.shape;
        let channels = outputs / multiplier;
        let order = (0..outputs).map(|at| at % channels * multiplier + at / channels).collect();
        let mut change =
            Change { orders: BTreeMap::from([(port, order)]), carry: vec![], undo: vec![], back: vec![] };
        for node in graph.topo()? {
            change.visit(graph, node);
        }
        if change.orders.keys().any(|port| graph.outputs.contains(port)) {
            return None;
        }
        // Cycles, roughly: a selection reads every word of a pixel for every word that it writes.
        let words = |channels: usize| channels.div_ceil(WORD);
        let mut brought: Vec<Port> = change.back.iter().map(|&(node, at)| graph.inputs(node)[at]).collect();
        brought.sort_unstable();
        brought.dedup();
        let cost = brought.iter().map(|port| {
            let [c, h, w] = graph.value(*port).fact.shape;
            h * w * words(c) * words(c)
        });
        let IntOp::Conv(conv) = &graph.node(id).op else { return None };
        let [rows, columns] = conv.window.kernel;
        let won = h * w * words(outputs) * (rows * columns - 2);
        (cost.sum::<usize>() < won).then_some(change)
    }

    /// What a node that reads tensors in another order does with it.
    fn visit(&mut self, graph: &IntGraph, id: NodeId) {
        let inputs = graph.inputs(id);
        let orders: Vec<Option<&Order>> = inputs.iter().map(|port| self.orders.get(port)).collect();
        let Some(order) = orders.iter().copied().flatten().next() else { return };
        let alike = orders.iter().all(|other| *other == Some(order));
        let shape = |at: usize| graph.value(inputs[at]).fact.shape;
        let carried: Option<Order> = match &graph.node(id).op {
            IntOp::Conv(conv) if conv.groups == 1 => {
                self.undo.push(id);
                return;
            }
            IntOp::Select(_) => {
                self.undo.push(id);
                return;
            }
            IntOp::Conv(conv) => {
                let each = conv.groups == order.len()
                    && !matches!(conv.form, ConvForm::Transposed | ConvForm::Wide(_));
                let outputs = conv.weight.dim().0 / conv.groups;
                each.then(|| order.iter().flat_map(|g| (0..outputs).map(move |i| g * outputs + i)).collect())
            }
            IntOp::Table(_) | IntOp::MaxPool(_) | IntOp::AveragePool(_) => Some(order.clone()),
            IntOp::Product(_) if orders[0].is_some() && orders[1].is_none() && shape(1)[0] == 1 => {
                Some(order.clone())
            }
            IntOp::Concat(Concat::Channels) => {
                let mut all = Vec::new();
                for (at, of) in orders.iter().enumerate() {
                    let first = all.len();
                    match of {
                        Some(order) => all.extend(order.iter().map(|c| first + c)),
                        None => all.extend(first..first + shape(at)[0]),
                    }
                }
                Some(all)
            }
            IntOp::Add(_) | IntOp::Product(_) | IntOp::Concat(_) => alike.then(|| order.clone()),
            IntOp::Input(_) | IntOp::Output(_) => None,
        };
        match carried {
            Some(order) => {
                self.orders.insert(id.into(), order);
                self.carry.push(id);
            }
            None => {
                let back = orders.iter().enumerate().filter(|(_, order)| order.is_some());
                self.back.extend(back.map(|(at, _)| (id, at)));
            }
        }
    }

    fn apply(self, graph: &mut IntGraph, id: NodeId, multiplier: usize) {
        let Change { orders, carry, undo, back } = self;
        // Orders of operands, before these are replaced.
        let order_of = |graph: &IntGraph, id: NodeId| orders.get(&graph.inputs(id)[0]).cloned();
        for node in undo {
            let Some(order) = order_of(graph, node) else { continue };
            match &mut graph.node_mut(node).op {
                IntOp::Conv(conv) => conv.weight = conv.weight.select(Axis(1), &order),
                IntOp::Select(select) => {
                    let place = |channel: usize| order.iter().position(|&of| of == channel);
                    for channel in &mut select.channels {
                        *channel = channel.and_then(place);
                    }
                }
                _ => {}
            }
        }
        for node in &carry {
            let Some(order) = orders.get(&Port::from(*node)) else { continue };
            if let IntOp::Conv(conv) = &mut graph.node_mut(*node).op {
                *conv = chosen(conv, order, conv.groups);
            }
        }
        // One selection for all readers of a tensor.
        let mut undone: BTreeMap<Port, Port> = BTreeMap::new();
        for (node, at) in back {
            let mut inputs = graph.inputs(node);
            let port = inputs[at];
            let Some(order) = orders.get(&port) else { continue };
            inputs[at] = *undone.entry(port).or_insert_with(|| in_order(graph, port, order));
            graph.set_inputs(node, &inputs);
        }
        // Names of the model's tensors stay with their order of channels.
        for port in orders.keys().filter(|port| port.node != id) {
            let name = free(graph, &format!("{}_reordered", graph.value(*port).name));
            graph.node_mut(port.node).outputs[usize::from(port.out)].name = name;
        }
        split(graph, id, multiplier);
    }
}

/// The convolution with these of its output channels, in so many groups.
fn chosen(conv: &Conv, outputs: &[usize], groups: usize) -> Conv {
    let scales = |all: &[f32]| -> Vec<f32> {
        if all.len() == 1 { all.to_vec() } else { outputs.iter().map(|&o| all[o]).collect() }
    };
    let mut rescale = conv.rescale.clone();
    rescale.scale = scales(&conv.rescale.scale);
    let weight: Array4<i16> = conv.weight.select(Axis(0), outputs);
    Conv {
        window: conv.window,
        groups,
        weight,
        bias: outputs.iter().map(|&o| conv.bias[o]).collect(),
        rescale,
        weight_scale: scales(&conv.weight_scale),
        form: match &conv.form {
            ConvForm::Affine(e) => ConvForm::Affine(e.select(outputs)),
            ConvForm::Epilogue(e) => ConvForm::Epilogue(e.select(outputs)),
            form @ (ConvForm::Integer | ConvForm::Transposed | ConvForm::Wide(_)) => form.clone(),
        },
    }
}

/// The convolutions of one output for each channel, and the function behind them if that is the only reader.
fn split(graph: &mut IntGraph, id: NodeId, multiplier: usize) {
    let (IntOp::Conv(conv), inputs) = (graph.node(id).op.clone(), graph.inputs(id)) else { return };
    let table = match graph.consumers(id.into()).as_slice() {
        [(reader, _)] if matches!(graph.node(*reader).op, IntOp::Table(_)) => Some(*reader),
        _ => None,
    };
    let last = table.unwrap_or(id);
    let channels = conv.groups;
    let mut parts = Vec::new();
    for i in 0..multiplier {
        let outputs: Vec<usize> = (0..channels).map(|g| g * multiplier + i).collect();
        let mut part = inputs[0];
        for of in [Some(id), table].into_iter().flatten() {
            let op = match &graph.node(of).op {
                IntOp::Conv(conv) => IntOp::Conv(chosen(conv, &outputs, channels)),
                other => other.clone(),
            };
            let Value { name, fact } = graph.value(of.into()).clone();
            let fact = QFact { shape: [channels, fact.shape[1], fact.shape[2]], ..fact };
            let node = free(graph, &format!("{}_{i}", graph.node(of).name));
            let name = free(graph, &format!("{name}_{i}"));
            part = graph.add(node, op, &[part], vec![Value { name, fact }]).into();
        }
        parts.push(part);
    }
    let Value { name, fact } = graph.value(last.into()).clone();
    let name = free(graph, &format!("{name}_parts"));
    let whole = graph.add(name.clone(), IntOp::Concat(Concat::Channels), &parts, vec![Value { name, fact }]);
    graph.replace_uses(last.into(), whole.into());
    for node in table.into_iter().chain([id]) {
        graph.remove(node);
    }
}

/// A selection that brings a tensor's channels back to their order.
fn in_order(graph: &mut IntGraph, port: Port, order: &[usize]) -> Port {
    let Value { name, fact } = graph.value(port).clone();
    let channels = (0..order.len()).map(|channel| order.iter().position(|&of| of == channel)).collect();
    let select = Select { channels, origin: [0, 0], steps: [1, 1], fill: fact.zero_point, exchanged: false };
    let name = free(graph, &format!("{name}_in_order"));
    graph.add(name.clone(), IntOp::Select(select), &[port], vec![Value { name, fact }]).into()
}
