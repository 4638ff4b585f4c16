//! Which results of additions take their operand's place.
//!
//! In: layers in the order of execution. Out: for such a result the operand. Guarantees: nobody reads the operand after the
//! layer that adds it, and it has the result's layout; each byte is read before it is overwritten, since the post pipeline
//! reads a word's operand before it writes the word (`rtl/o2c_post.v`).

use std::collections::BTreeMap;

use super::ends::Ends;
use super::layers::Layer;
use crate::graph::Port;
use crate::graph::int::{IntGraph, IntOp};

/// Results and operands; the memory of `ends`, the network's inputs and outputs, is shared with nobody.
pub(crate) fn in_place(graph: &IntGraph, layers: &[Layer<'_>], ends: &Ends) -> BTreeMap<Port, Port> {
    let joined = |port: Port| {
        let of_join = |node| matches!(graph.node(node).op, IntOp::Concat(_));
        of_join(port.node) || graph.consumers(port).iter().any(|&(reader, _)| of_join(reader))
    };
    let reads = |l: &Layer<'_>, port| l.input == port || l.others().any(|other| other == port);
    let result = |(i, layer): (usize, &Layer<'_>)| {
        let other = layer.residual()?;
        let y = Port::from(layer.last);
        let later = layers.iter().skip(i + 1).any(|l| reads(l, other));
        let free = ![y, other].iter().any(|&port| ends.contains(port) || joined(port));
        let walked = layer.input == other || layer.factor().is_some_and(|factor| factor.port == other);
        (free && !later && !walked).then_some((y, other))
    };
    layers.iter().enumerate().filter_map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{AddForm, AddSpec};
    use crate::graph::Value;
    use crate::graph::int::{
        Add, Arrangement, Concat, HostInput, HostOutput, HostType, MaxPool, QFact, Window,
    };
    use crate::plan::layers::layers;
    use crate::quant::{RescaleMode, solve};

    /// Nodes by their letters: `x` is the input; `p` a pool of the one before, `+y` an addition of it and `y`, `|y` a
    /// concatenation of both. Which of the additions take an operand's place.
    fn check(nodes: &[(&str, &str, Option<&str>)], expect: &[(&str, &str)]) {
        let mut g = IntGraph::default();
        let fact = |c| QFact { shape: [c, 2, 3], bits: 8, scale: 0.5, zero_point: 1, source_offset: 0 };
        let arrangement = |c: usize| Arrangement { onnx_shape: vec![1, c, 2, 3], source: None };
        let input = HostInput { dtype: HostType::I8, prepare: None, rule: None, arrangement: arrangement(4) };
        let value = |name: &str, c| vec![Value { name: name.into(), fact: fact(c) }];
        let mut ports =
            BTreeMap::from([("x", Port::from(g.add("x", IntOp::Input(input), &[], value("x", 4))))]);
        let mut newest = ports["x"];
        for &(name, a, b) in nodes {
            let c = g.value(ports[a]).fact.shape[0];
            let side = (0.5, 1, 0);
            let spec = AddSpec { form: AddForm::QLinear, a: side, b: side, y: side, lo: -128, hi: 127 };
            newest = match b {
                None => g.add(
                    name,
                    IntOp::MaxPool(MaxPool { window: Window::POINT }),
                    &[ports[a]],
                    value(name, c),
                ),
                Some(b) if name.starts_with('j') => {
                    g.add(name, IntOp::Concat(Concat::Channels), &[ports[a], ports[b]], value(name, 2 * c))
                }
                Some(b) => g.add(name, IntOp::Add(Add { spec }), &[ports[a], ports[b]], value(name, c)),
            }
            .into();
            ports.insert(name, newest);
        }
        let c = g.value(newest).fact.shape[0];
        let output =
            HostOutput { dtype: HostType::I8, arrangement: arrangement(c), steps: vec![], head: None };
        let end = g.add("end", IntOp::Output(output), &[newest], vec![]);
        g.outputs.push(end.into());
        let quantized = solve(&g, RescaleMode::Proved).unwrap();
        let found = in_place(&g, &layers(&g, &quantized).unwrap(), &Ends::of(&g).unwrap());
        let expect: BTreeMap<Port, Port> =
            expect.iter().map(|&(y, other)| (ports[y], ports[other])).collect();
        assert_eq!(found, expect, "{nodes:?}");
    }

    #[test]
    fn operands_that_nobody_reads_later() {
        let chain = [("a", "x", None), ("b", "a", None), ("c", "b", None), ("s", "c", Some("a"))];
        let with = |more: &[(&'static str, &'static str, Option<&'static str>)]| [&chain[..], more].concat();
        check(&with(&[("z", "s", None)]), &[("s", "a")]);
        // Read again, by a window or by another addition.
        check(
            &with(&[("d", "s", None), ("e", "a", None), ("t", "e", Some("d")), ("z", "t", None)]),
            &[("t", "e")],
        );
        check(&with(&[("d", "s", None), ("t", "d", Some("a")), ("z", "t", None)]), &[("t", "a")]);
        // The result is the network's output; the operand is its input; the window reads what is added.
        check(&with(&[]), &[]);
        check(&[("a", "x", None), ("s", "a", Some("x")), ("z", "s", None)], &[]);
        check(&[("a", "x", None), ("b", "a", None), ("s", "b", Some("a")), ("z", "s", None)], &[]);
        // A part of a concatenation.
        check(&with(&[("j", "s", Some("c")), ("z", "j", None)]), &[]);
    }
}
