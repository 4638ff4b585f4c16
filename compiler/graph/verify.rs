//! Checks a graph's structure and facts; run after every pass, also in release builds.
//!
//! In: a float-stage or integer-stage graph and the name of the pass that made it. Out: nothing, or O2C0900 naming
//! the pass: a fault here is the compiler's own.

use std::collections::BTreeSet;

use super::expression::{Expression, Operand, Step};
use super::float::FloatGraph;
use super::int::{Conv, ConvForm, IntGraph, IntOp, QFact, TableSource, Window};
use super::{Graph, NodeId, Stage};
use crate::diag::{Diagnostic, Result, code};
use crate::ops::Op;

fn fault(pass: &str, node: &str, cause: String) -> Diagnostic {
    Diagnostic::new(code::INTERNAL, format!("the graph is not valid after pass `{pass}`"), cause)
        .at(format!("node \"{node}\""))
}

fn structure<S: Stage>(graph: &Graph<S>, pass: &str) -> Result<Vec<NodeId>> {
    let Some(order) = graph.topo() else {
        return Err(fault(pass, "", "it has a cycle".into()).into());
    };
    let mut nodes = BTreeSet::new();
    let mut values = BTreeSet::new();
    for &id in &order {
        let node = graph.node(id);
        if !nodes.insert(node.name.as_str()) {
            return Err(fault(pass, &node.name, "two nodes have this name".into()).into());
        }
        for value in &node.outputs {
            if !values.insert(value.name.as_str()) {
                return Err(
                    fault(pass, &node.name, format!("two values are named \"{}\"", value.name)).into()
                );
            }
        }
        for port in graph.inputs(id) {
            if usize::from(port.out) >= graph.node(port.node).outputs.len() {
                return Err(fault(pass, &node.name, "an operand does not exist".into()).into());
            }
        }
    }
    for port in &graph.outputs {
        if !graph.contains(port.node) || usize::from(port.out) >= graph.node(port.node).outputs.len() {
            return Err(fault(pass, "", "a graph output does not exist".into()).into());
        }
    }
    Ok(order)
}

/// Structure, unique names, arity, and every fact equal to what the operator's shape rule says.
pub fn float(graph: &FloatGraph, pass: &str) -> Result<()> {
    for id in structure(graph, pass)? {
        let node = graph.node(id);
        let [value] = node.outputs.as_slice() else {
            return Err(fault(pass, &node.name, format!("{} outputs", node.outputs.len())).into());
        };
        if matches!(node.op, Op::Input) {
            continue;
        }
        let inputs = graph.inputs(id);
        let facts: Vec<_> = inputs.iter().map(|p| &graph.value(*p).fact).collect();
        match node.op.infer(&facts) {
            Ok(fact) if fact == value.fact => {}
            Ok(fact) => {
                let cause = format!("{} yields {fact}, the graph says {}", node.op.name(), value.fact);
                return Err(fault(pass, &node.name, cause).into());
            }
            Err(cause) => return Err(fault(pass, &node.name, format!("{}: {cause}", node.op.name())).into()),
        }
    }
    Ok(())
}

/// Structure, unique names, arity, facts inside their widths, shapes that the operators yield.
pub fn int(graph: &IntGraph, pass: &str) -> Result<()> {
    for id in structure(graph, pass)? {
        let node = graph.node(id);
        let inputs: Vec<&QFact> = graph.inputs(id).iter().map(|p| &graph.value(*p).fact).collect();
        if let Err(cause) = int_node(&node.op, &inputs, node.outputs.first().map(|v| &v.fact)) {
            return Err(fault(pass, &node.name, cause).into());
        }
    }
    Ok(())
}

fn int_node(op: &IntOp, inputs: &[&QFact], output: Option<&QFact>) -> std::result::Result<(), String> {
    let arity = match op {
        IntOp::Input(_) => 0,
        IntOp::Add(_) | IntOp::Product(_) => 2,
        IntOp::Conv(_)
        | IntOp::Table(_)
        | IntOp::MaxPool(_)
        | IntOp::AveragePool(_)
        | IntOp::Select(_)
        | IntOp::Output(_) => 1,
        IntOp::Concat(_) => inputs.len().max(1),
    };
    if inputs.len() != arity {
        return Err(format!("{} operands instead of {arity}", inputs.len()));
    }
    if let Some(fact) = output {
        check_fact(fact)?;
    }
    let y = || output.ok_or_else(|| "it has no output".to_owned());
    let windowed = |w: &crate::graph::int::Window, x: &QFact, y: &QFact| {
        (0..2).all(|d| {
            let flat = w.output(x.shape[d + 1], d, false);
            let ceil = w.output(x.shape[d + 1], d, true);
            flat == Some(y.shape[d + 1]) || ceil == Some(y.shape[d + 1])
        })
    };
    let fits = |w: &crate::graph::int::Window, x: &QFact, y: &QFact| {
        let most =
            |d: usize| [false, true].into_iter().filter_map(|ceil| w.output(x.shape[d + 1], d, ceil)).max();
        (0..2).all(|d| most(d).is_some_and(|most| y.shape[d + 1] <= most))
    };
    let alike = |x: &QFact, y: &QFact| {
        (x.scale, x.zero_point, x.source_offset, x.bits) == (y.scale, y.zero_point, y.source_offset, y.bits)
    };
    match op {
        IntOp::Input(input) => {
            let n: usize = input.arrangement.onnx_shape.iter().product();
            if n != y()?.len() {
                return Err(format!("{n} elements of the input, {} of the value", y()?.len()));
            }
            if let Some(prepare) = &input.prepare {
                prepare.check()?;
                if prepare.output() != input.arrangement.onnx_shape {
                    return Err(format!(
                        "{:?} is prepared, {:?} is read",
                        prepare.output(),
                        input.arrangement
                    ));
                }
            }
        }
        IntOp::Conv(c) => {
            let (x, y) = (inputs[0], y()?);
            let (o, i, kh, kw) = c.weight.dim();
            let scales = |n: usize| n == 1 || n == o;
            if y.shape[0] != o
                || i * c.groups != x.shape[0]
                || [kh, kw] != c.window.kernel
                || c.bias.len() != o
                || !scales(c.rescale.scale.len())
                || !scales(c.weight_scale.len())
                || !fits(&c.window, x, y)
            {
                return Err(format!("weights {:?}, x {:?}, y {:?}", c.weight.dim(), x.shape, y.shape));
            }
            if let ConvForm::Wide(bytes) = c.form
                && !((1..=4).contains(&bytes) && o % bytes == 0)
            {
                return Err(format!("{o} channels of {bytes} bytes"));
            }
            if let ConvForm::Epilogue(e) = &c.form
                && !e.constants.iter().all(|k| k.len() == o)
            {
                return Err(format!("({e}) of {o} channels"));
            }
            if let ConvForm::Affine(e) = &c.form
                && !affine(c, e, x, y)
            {
                return Err(format!("({e}) of {} channels is no function of one element", x.shape[0]));
            }
        }
        IntOp::Add(_) => {
            if inputs[0].shape != inputs[1].shape || inputs[0].shape != y()?.shape {
                return Err("the shapes differ".into());
            }
        }
        IntOp::Product(_) => {
            let (a, b) = (inputs[0].shape, inputs[1].shape);
            if a != y()?.shape || (0..3).any(|d| b[d] != a[d] && b[d] != 1) {
                return Err(format!("a {a:?}, b {b:?}, y {:?}", y()?.shape));
            }
        }
        IntOp::Table(table) => {
            if inputs[0].shape != y()?.shape {
                return Err("the shapes differ".into());
            }
            if matches!(&table.source, TableSource::Expression(e) if !e.constants.is_empty()) {
                return Err("a table for all channels has constants of each".into());
            }
        }
        IntOp::MaxPool(p) => {
            let (x, y) = (inputs[0], y()?);
            if x.shape[0] != y.shape[0] || !windowed(&p.window, x, y) || !alike(x, y) {
                return Err(format!("x {x:?}, y {y:?}"));
            }
        }
        IntOp::AveragePool(p) => {
            let (x, y) = (inputs[0], y()?);
            if x.shape[0] != y.shape[0] || !windowed(&p.window, x, y) {
                return Err(format!("x {:?}, y {:?}", x.shape, y.shape));
            }
        }
        IntOp::Select(s) => {
            let (x, y) = (inputs[0], y()?);
            let known = s.channels.iter().flatten().all(|&c| c < x.shape[0]);
            if !known || s.channels.len() != y.shape[0] || s.steps.contains(&0) || !alike(x, y) {
                return Err(format!("x {x:?}, y {y:?}, {s:?}"));
            }
        }
        IntOp::Concat(concat) => {
            let y = y()?;
            let shapes: Vec<[usize; 3]> = inputs.iter().map(|x| x.shape).collect();
            let fits = concat.parts(&shapes).is_some_and(|(_, whole)| whole == y.shape);
            if !fits || !inputs.iter().all(|x| alike(x, y)) {
                return Err(format!("{concat:?} of {inputs:?} to {y:?}"));
            }
        }
        IntOp::Output(out) => {
            let n: usize = out.arrangement.onnx_shape.iter().product();
            if n != inputs[0].len() || output.is_some() {
                return Err(format!("{n} elements of the output, {} of the value", inputs[0].len()));
            }
            if let Some(head) = &out.head {
                let length = head.unit.length();
                if length == 0 || !inputs[0].len().is_multiple_of(length) {
                    return Err(format!("groups of {length} in {} elements", inputs[0].len()));
                }
            }
        }
    }
    Ok(())
}

/// Whether a convolution is what [`ConvForm::Affine`] says.
fn affine(conv: &Conv, e: &Expression, x: &QFact, y: &QFact) -> bool {
    let fits = |operand: Operand| match operand {
        Operand::Channel(k) => k < e.constants.len(),
        Operand::X | Operand::Step(_) | Operand::Float(_) | Operand::Integer(_) => true,
    };
    conv.window == Window::POINT
        && x.shape == y.shape
        && conv.groups == x.shape[0]
        && conv.weight.iter().all(|w| (-1..=1).contains(w))
        && e.steps.iter().flat_map(Step::operands).all(fits)
        && e.constants.iter().all(|c| c.len() == x.shape[0])
}

fn check_fact(fact: &QFact) -> std::result::Result<(), String> {
    let half = 1_i64 << (u32::from(fact.bits.clamp(1, 31)) - 1);
    let zero = i64::from(fact.zero_point);
    if !(1..=8).contains(&fact.bits) || zero < -half || zero >= half {
        return Err(format!("zero point {zero} in {} bits", fact.bits));
    }
    if !fact.scale.is_finite() || fact.scale <= 0.0 || fact.is_empty() {
        return Err(format!("scale {}, shape {:?}", fact.scale, fact.shape));
    }
    Ok(())
}
