//! Which results of additions take their operand's place.
//!
//! In: layers in the order of execution. Out: for such a result the operand. Guarantees: nobody reads the operand after the
//! layer that adds it, and it has the result's layout; each byte is read before it is overwritten, since the post pipeline
//! reads a word's operand before it writes the word (`rtl/o2c_post.v`).

use std::collections::BTreeMap;

use super::layers::{Layer, Tail};
use crate::graph::Port;
use crate::graph::int::{IntGraph, IntOp};

/// Results and operands; `ends` are the network's input and output, whose memory is shared with nobody.
pub(crate) fn in_place(graph: &IntGraph, layers: &[Layer<'_>], ends: [Port; 2]) -> BTreeMap<Port, Port> {
    let joined = |port: Port| {
        let of_join = |node| matches!(graph.node(node).op, IntOp::Concat(_));
        of_join(port.node) || graph.consumers(port).iter().any(|&(reader, _)| of_join(reader))
    };
    let reads = |l: &Layer<'_>, port| l.input == port || l.others().any(|other| other == port);
    let result = |(i, layer): (usize, &Layer<'_>)| {
        let Tail::Add { other, .. } = layer.tail else { return None };
        let y = Port::from(layer.last);
        let later = layers.iter().skip(i + 1).any(|l| reads(l, other));
        let free = ![y, other].iter().any(|&port| ends.contains(&port) || joined(port));
        let walked = layer.input == other || layer.factor() == Some(other);
        (free && !later && !walked).then_some((y, other))
    };
    layers.iter().enumerate().filter_map(result).collect()
}
