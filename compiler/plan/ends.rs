//! What the streams carry: the tensors of a sample's packet, and those of its result's.
//!
//! In: the integer graph. Out: [`Ends`]. Guarantees: inputs are in the order of the model's, and each is read; each tensor
//! is in a packet once, however many of the model's outputs the host makes of it; no tensor is in both.

use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::Port;
use crate::graph::int::{HeadUnit, IntGraph, IntOp, head_of};

/// Tensors of a packet at most: `rtl/o2c_shell.v`.
const MOST: usize = 255;

/// Tensors between the accelerator and the host, each packet's in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

impl Ends {
    /// Those of a graph. An input that nothing reads is no part of the packet.
    ///
    /// # Errors
    /// O2C0203 where there is none, or more than the hardware can have, or an output of the model is an input.
    pub(crate) fn of(graph: &IntGraph) -> Result<Ends> {
        let ids = graph.ids();
        let is_input = |port: Port| matches!(graph.node(port.node).op, IntOp::Input(_));
        let read = |port: &Port| is_input(*port) && !graph.consumers(*port).is_empty();
        let inputs: Vec<Port> = ids.iter().map(|&id| Port::from(id)).filter(read).collect();
        let mut outputs: Vec<Port> = Vec::new();
        // In the model's order; what it does not list by ids.
        let listed = graph.outputs.iter().map(|port| port.node);
        let written = listed.chain(ids).filter(|id| matches!(graph.node(*id).op, IntOp::Output(_)));
        for port in written.filter_map(|id| graph.inputs(id).first().copied()) {
            if !outputs.contains(&port) {
                outputs.push(port);
            }
        }
        let mut faults = Vec::new();
        let mut refuse = |message: &str, cause: String| {
            faults.push(Diagnostic::new(code::INPUT_UNSUPPORTED, message, cause));
        };
        for (what, count) in [("input", inputs.len()), ("output", outputs.len())] {
            if count == 0 {
                refuse(&format!("the model has no {what}"), "it needs no accelerator".into());
            } else if count > MOST {
                refuse(&format!("the model has too many {what}s"), format!("{count}; a packet holds {MOST}"));
            }
        }
        if outputs.iter().any(|port| inputs.contains(port)) {
            refuse("an output of the model is its input", "it needs no accelerator".into());
        }
        if faults.is_empty() { Ok(Ends { inputs, outputs }) } else { Err(Diagnostics(faults)) }
    }

    /// Every tensor.
    pub(crate) fn all(&self) -> impl Iterator<Item = Port> {
        self.inputs.iter().chain(&self.outputs).copied()
    }

    /// The units behind the outputs.
    pub(crate) fn heads(&self, graph: &IntGraph) -> Vec<Option<HeadUnit>> {
        self.outputs.iter().map(|&port| head_of(graph, port)).collect()
    }

    /// Whether a stream carries a tensor.
    pub(crate) fn contains(&self, port: Port) -> bool {
        self.all().any(|other| other == port)
    }

    /// The input, where it is the only one.
    pub(crate) fn only_input(&self) -> Option<Port> {
        if let [input] = self.inputs[..] { Some(input) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::parse::parse;
    use crate::passes::compile_front;

    /// Names of the inputs and of the outputs' tensors.
    fn ends(text: &str) -> std::result::Result<[Vec<String>; 2], String> {
        let graph = compile_front(&parse(text).unwrap()).unwrap();
        let found = Ends::of(&graph).map_err(|Diagnostics(faults)| faults[0].message.clone())?;
        let names = |ports: &[Port]| ports.iter().map(|&p| graph.value(p).name.clone()).collect();
        Ok([names(&found.inputs), names(&found.outputs)])
    }

    #[test]
    fn packets_hold_each_tensor_once() {
        let conv = |y: &str, x: &str| {
            format!("{y} = QLinearConv({x}, f32 0.5, u8 10, i8[4,4,1,1] 2, f32 0.25, i8 0, f32 0.5, u8 20)\n")
        };
        // In the model's order, whoever is read first; outputs of one tensor share it; z is read by nobody.
        let text = "input z: u8[1,4,4,4]\ninput x: u8[1,4,4,4]\ninput w: u8[1,4,4,4]\n".to_owned()
            + &conv("a", "w")
            + &conv("b", "x")
            + "v, i = TopK(b, i64[1] 2) axis=1\noutput v: u8\noutput a: u8\noutput i: i64";
        let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(ends(&text), Ok([names(&["x", "w"]), names(&["b", "a"])]));
    }
}
