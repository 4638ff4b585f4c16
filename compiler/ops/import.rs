//! A neutral model becomes a float-stage graph: one rule per node, shapes determined, every refusal collected.
//!
//! A symbolic batch axis becomes 1; any other unknown dimension is refused. Constants needed to know a shape are
//! evaluated on the way (Shape, Gather, Concat chains); the nodes stay for the constant folding pass.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Context, label};
use super::{KNOWN, Op, quantize_linear};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::float::{Fact, FloatGraph};
use crate::graph::{Port, Value};
use crate::onnx::model::{Dim, Model, ModelNode, Tensor};

/// Oldest and newest supported version of ai.onnx.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=27;

/// How the domains of QONNX's operators begin: those of its own tools, and of Brevitas' export.
const QONNX_DOMAINS: &[&str] = &["qonnx", "onnx.brevitas", "finn"];

/// Values up to this many elements are evaluated during import; shape arithmetic is far below.
const SMALL: usize = 1 << 16;

/// Largest input or computed tensor, in elements: bounds the memory that a hostile file can ask for.
pub const LARGEST: usize = 1 << 26;

/// Operators that are folded on constants and shapes, and run on the host before the first QuantizeLinear.
const CONSTANTS_ONLY: &[&str] = &["Gather", "Cast"];

/// Operators of dynamic quantization, whose scales are computed from the data.
const DYNAMIC: &[&str] = &[
    "ConvInteger",
    "DynamicQuantizeLSTM",
    "DynamicQuantizeLinear",
    "DynamicQuantizeMatMul",
    "MatMulInteger",
    "MatMulIntegerToFloat",
];

/// The refusal of such an operator on an activation.
pub fn of_activation(op: &str, node: String) -> Diagnostic {
    Diagnostic::new(
        code::INPUT_UNSUPPORTED,
        format!("{op} of an activation is not supported"),
        "only constants and shapes can be folded through it",
    )
    .at(node)
}

/// Tensors that stem from quantized ones and that no operator on integers uses; nodes come after their producers.
fn trailing<'a>(order: &[&'a ModelNode]) -> BTreeSet<&'a str> {
    let integers = |node: &ModelNode| node.op_type.starts_with('Q');
    let mut behind = BTreeSet::new();
    for node in order {
        if integers(node)
            || node.op_type == "DequantizeLinear"
            || node.inputs.iter().any(|i| behind.contains(i.as_str()))
        {
            behind.extend(node.outputs.iter().map(String::as_str));
        }
    }
    let mut before = BTreeSet::new();
    for node in order.iter().rev() {
        if integers(node) || node.outputs.iter().any(|o| before.contains(o.as_str())) {
            before.extend(node.inputs.iter().map(String::as_str));
        }
    }
    &behind - &before
}

struct Importer<'a> {
    model: &'a Model,
    graph: FloatGraph,
    ports: BTreeMap<&'a str, Port>,
    known: BTreeMap<Port, Tensor>,
    poisoned: BTreeSet<&'a str>,
    /// Of the poisoned tensors those that hold shapes, not activations.
    shapes: BTreeSet<&'a str>,
    /// Node names in use, with the number that the next node of the same name gets.
    taken: BTreeMap<String, u32>,
    /// Tensors behind the last quantized operators.
    trailing: BTreeSet<&'a str>,
    faults: Vec<Diagnostic>,
}

/// Imports a model, or lists everything that stands in the way.
pub fn import(model: &Model) -> Result<FloatGraph> {
    let mut importer = Importer {
        model,
        graph: FloatGraph::default(),
        ports: BTreeMap::new(),
        known: BTreeMap::new(),
        poisoned: BTreeSet::new(),
        shapes: BTreeSet::new(),
        taken: BTreeMap::new(),
        trailing: BTreeSet::new(),
        faults: Vec::new(),
    };
    importer.run();
    if importer.faults.is_empty() { Ok(importer.graph) } else { Err(Diagnostics(importer.faults)) }
}

impl<'a> Importer<'a> {
    fn run(&mut self) {
        let version = self.model.opsets.get("").copied();
        if !version.is_some_and(|v| OPSETS.contains(&v)) {
            let said = version.map_or("none".to_owned(), |v| v.to_string());
            self.faults.push(Diagnostic::new(
                code::OPSET_UNSUPPORTED,
                "the opset version is not supported",
                format!("ai.onnx version: {said}; {} to {} are supported", OPSETS.start(), OPSETS.end()),
            ));
            return;
        }
        for input in &self.model.inputs {
            self.input(input);
        }
        for (name, tensor) in &self.model.initializers {
            if self.model.inputs.iter().any(|i| i.name == *name) {
                continue;
            }
            let fact = Fact::new(tensor.dtype, tensor.shape());
            let id = self.add(name, Op::Const(tensor.clone()), &[], name, fact);
            self.ports.insert(name, id);
        }
        let order = self.order();
        self.trailing = trailing(&order);
        for node in order {
            self.node(node);
        }
        for output in &self.model.outputs {
            match self.ports.get(output.name.as_str()) {
                Some(port) => self.graph.outputs.push(*port),
                None if self.poisoned.contains(output.name.as_str()) => {}
                None => self.faults.push(
                    Diagnostic::new(
                        code::GRAPH_INVALID,
                        "a graph output has no producer",
                        "no node, input or initializer has this name",
                    )
                    .at(format!("output \"{}\"", output.name)),
                ),
            }
        }
        // With a fault the passes don't run, so what they would refuse for certain is listed here.
        if !self.faults.is_empty() {
            for id in self.graph.ids() {
                let node = self.graph.node(id);
                let name = node.op.name();
                // Of an input it may be the host's.
                let of_input = self
                    .graph
                    .inputs(id)
                    .first()
                    .is_some_and(|p| matches!(self.graph.node(p.node).op, Op::Input));
                if CONSTANTS_ONLY.contains(&&*name) && !of_input && !self.known.contains_key(&id.into()) {
                    self.faults.push(of_activation(&name, format!("node \"{}\" ({name})", node.name)));
                }
            }
        }
        if self.model.outputs.is_empty() {
            let cause = "the graph lists no outputs";
            self.faults.push(Diagnostic::new(code::GRAPH_INVALID, "the graph has no outputs", cause));
        }
    }

    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.taken.contains_key(&name) {
            let next = self.taken.entry(wanted.to_owned()).or_insert(1);
            *next += 1;
            name = format!("{wanted}#{next}");
        }
        self.taken.insert(name.clone(), 1);
        name
    }

    fn add(&mut self, name: &str, op: Op, inputs: &[Port], output: &str, fact: Fact) -> Port {
        let name = self.unique(name);
        self.graph.add(name, op, inputs, vec![Value { name: output.to_owned(), fact }]).into()
    }

    fn input(&mut self, input: &'a crate::onnx::model::ValueInfo) {
        let place = format!("input \"{}\"", input.name);
        let Some(dims) = &input.shape else {
            self.faults.push(
                Diagnostic::new(code::SHAPE_UNKNOWN, "an input has no shape", "the file gives none")
                    .at(place),
            );
            self.poisoned.insert(&input.name);
            return;
        };
        let mut shape = Vec::with_capacity(dims.len());
        for (i, dim) in dims.iter().enumerate() {
            match dim {
                Dim::Fixed(0) | Dim::Symbol(_) if i == 0 => shape.push(1),
                Dim::Fixed(n) => shape.push(*n),
                Dim::Symbol(symbol) => {
                    self.faults.push(
                        Diagnostic::new(
                            code::SHAPE_UNKNOWN,
                            format!("axis {i} of an input has no fixed size"),
                            format!("its size is \"{symbol}\"; only the batch axis may be symbolic"),
                        )
                        .at(place),
                    );
                    self.poisoned.insert(&input.name);
                    return;
                }
            }
        }
        let elements = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        if elements.is_none_or(|n| n == 0 || n > LARGEST) {
            self.faults.push(
                Diagnostic::new(
                    code::SHAPE_UNKNOWN,
                    "an input's shape is not usable",
                    format!("shape {shape:?}"),
                )
                .at(place),
            );
            self.poisoned.insert(&input.name);
            return;
        }
        if shape.first() != Some(&1) {
            let (message, cause) = if shape.is_empty() {
                ("an input has no batch axis", "it is a scalar".to_owned())
            } else {
                let cause = format!("shape {shape:?}; the accelerator computes one sample at a time");
                ("the batch size is fixed to more than 1", cause)
            };
            self.faults.push(
                Diagnostic::new(code::INPUT_UNSUPPORTED, message, cause)
                    .at(place)
                    .remedy("export the model with batch size 1 or a symbolic batch axis"),
            );
            self.poisoned.insert(&input.name);
            return;
        }
        let fact = Fact::new(input.dtype, shape);
        let port = self.add(&input.name, Op::Input, &[], &input.name, fact);
        self.ports.insert(&input.name, port);
    }

    /// The nodes with producers first, otherwise in file order; faults for cycles, repeated and missing names.
    fn order(&mut self) -> Vec<&'a ModelNode> {
        let nodes = &self.model.nodes;
        let mut producer: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, node) in nodes.iter().enumerate() {
            for out in node.outputs.iter().filter(|o| !o.is_empty()) {
                let again = producer.insert(out, i).is_some()
                    || self.model.initializers.contains_key(out)
                    || self.model.inputs.iter().any(|v| v.name == *out);
                if again {
                    self.faults.push(
                        Diagnostic::new(
                            code::GRAPH_INVALID,
                            format!("tensor \"{out}\" has two producers"),
                            "every tensor has to be written once",
                        )
                        .at(label(node)),
                    );
                }
            }
        }
        let mut waits: Vec<usize> = vec![0; nodes.len()];
        let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, node) in nodes.iter().enumerate() {
            for input in node.inputs.iter().filter(|n| !n.is_empty()) {
                if let Some(&p) = producer.get(input.as_str()) {
                    waits[i] += 1;
                    readers.entry(p).or_default().push(i);
                }
            }
        }
        let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|i| waits[*i] == 0).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(i) = ready.pop_first() {
            order.push(&nodes[i]);
            for &r in readers.get(&i).map(Vec::as_slice).unwrap_or_default() {
                waits[r] -= 1;
                if waits[r] == 0 {
                    ready.insert(r);
                }
            }
        }
        if order.len() < nodes.len()
            && let Some(i) = waits.iter().position(|w| *w > 0)
        {
            self.faults.push(
                Diagnostic::new(
                    code::GRAPH_INVALID,
                    "the graph has a cycle",
                    "a node depends on its own result",
                )
                .at(label(&nodes[i])),
            );
        }
        order
    }

    fn node(&mut self, node: &'a ModelNode) {
        if node.inputs.iter().any(|n| self.poisoned.contains(n.as_str())) {
            // The fault that poisoned the operand is listed already; an unknown operator is worth its own.
            if self.known(node).is_none() {
                self.refuse_unknown(node);
            }
            let shape = |n: &String| !self.poisoned.contains(n.as_str()) || self.shapes.contains(n.as_str());
            if node.op_type == "Shape" || node.inputs.iter().all(shape) {
                self.shapes.extend(node.outputs.iter().map(String::as_str));
            }
            self.poison(node);
            return;
        }
        match self.rule(node) {
            Ok(()) => {}
            Err(fault) => {
                self.faults.push(fault);
                self.poison(node);
            }
        }
    }

    fn poison(&mut self, node: &'a ModelNode) {
        self.poisoned.extend(node.outputs.iter().filter(|o| !o.is_empty()).map(String::as_str));
    }

    fn known(&self, node: &ModelNode) -> Option<&'static super::Known> {
        KNOWN.iter().find(|k| k.domain == node.domain && k.op_type == node.op_type)
    }

    fn refuse_unknown(&mut self, node: &ModelNode) {
        let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
        let cause = format!("there is no import rule for {domain}.{}", node.op_type);
        let mut fault = Diagnostic::new(
            code::OP_UNSUPPORTED,
            format!("operator {} is not supported", node.op_type),
            cause,
        )
        .at(label(node));
        if QONNX_DOMAINS.iter().any(|d| domain.starts_with(d)) {
            fault.cause += "; of QONNX Quant, BipolarQuant, Trunc and MultiThreshold are supported";
            fault = fault.remedy("convert the model to QDQ ONNX (QuantizeLinear, DequantizeLinear)");
        } else if DYNAMIC.contains(&node.op_type.as_str()) {
            fault = fault.remedy(
                "quantize statically (onnxruntime.quantization.quantize_static): scales have to be constants",
            );
        } else if node.outputs.iter().any(|o| self.trailing.contains(o.as_str())) {
            fault = fault.remedy("cut it off the end of the graph and apply it to the output on the host");
        }
        self.faults.push(fault);
    }

    fn rule(&mut self, node: &'a ModelNode) -> std::result::Result<(), Diagnostic> {
        let Some(known) = self.known(node) else {
            self.refuse_unknown(node);
            self.poison(node);
            return Ok(());
        };
        let mut ports = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            ports.push(match self.ports.get(name.as_str()) {
                _ if name.is_empty() => None,
                Some(port) => Some(*port),
                None => {
                    return Err(Diagnostic::new(
                        code::GRAPH_INVALID,
                        format!("tensor \"{name}\" has no producer"),
                        "no node, input or initializer has this name",
                    )
                    .at(label(node)));
                }
            });
        }
        let facts = ports.iter().map(|p| p.map(|p| self.graph.value(p).fact.clone())).collect();
        let constants = ports.iter().map(|p| p.and_then(|p| self.constant(p))).collect();
        let opset = self.model.opsets.get(node.domain.as_str()).copied().unwrap_or(1);
        let ctx = Context::new(node, opset, facts, constants);
        let rule = (known.import)(&ctx)?;
        ctx.finish()?;
        let made = 1 + rule.further.len();
        if let Some(extra) = node.outputs.iter().skip(made).find(|o| !o.is_empty() && self.is_read(o)) {
            return Err(ctx.error(
                code::OP_UNSUPPORTED,
                format!("a further output of {} is not supported", node.op_type),
                format!("output \"{extra}\" is read"),
            ));
        }
        if node.outputs.iter().all(String::is_empty) {
            return Err(ctx.invalid("it has no output"));
        }
        let mut operands = Vec::with_capacity(rule.operands.len());
        for i in rule.operands {
            operands.push(
                ports
                    .get(i)
                    .copied()
                    .flatten()
                    .ok_or_else(|| ctx.invalid(format!("operand {i} is missing")))?,
            );
        }
        for op in rule.before {
            let [x] = operands.as_slice() else { return Err(ctx.invalid("it has several operands")) };
            let port = self.step(&ctx, op, *x)?;
            operands = vec![port];
        }
        for (op, output) in std::iter::once(rule.op).chain(rule.further).zip(&node.outputs) {
            if !output.is_empty() {
                self.made(&ctx, op, &operands, output)?;
            }
        }
        Ok(())
    }

    /// Adds the operator that makes `output`.
    fn made(
        &mut self,
        ctx: &Context<'a>,
        op: Op,
        operands: &[Port],
        output: &'a str,
    ) -> std::result::Result<(), Diagnostic> {
        let inputs: Vec<&Fact> = operands.iter().map(|p| &self.graph.value(*p).fact).collect();
        let fact = op.infer(&inputs).map_err(|cause| ctx.mismatch(cause))?;
        if fact.len() > LARGEST && !matches!(op, Op::Const(_)) {
            return Err(ctx.mismatch(format!("the result {fact} is too large")));
        }
        let value = if fact.len() <= SMALL && !matches!(op, Op::Const(_)) && !operands.is_empty() {
            let values: Option<Vec<Tensor>> = operands.iter().map(|p| self.constant(*p)).collect();
            values.and_then(|v| op.eval(&v.iter().collect::<Vec<_>>()))
        } else {
            None
        };
        let name = if ctx.node.name.is_empty() { output } else { &ctx.node.name };
        let port = self.add(name, op, operands, output, fact);
        if let Some(value) = value {
            self.known.insert(port, value);
        }
        self.ports.insert(output, port);
        Ok(())
    }

    /// Adds an operator that only the node's next one reads.
    fn step(&mut self, ctx: &Context<'a>, op: Op, x: Port) -> std::result::Result<Port, Diagnostic> {
        let fact = op.infer(&[&self.graph.value(x).fact]).map_err(|cause| ctx.mismatch(cause))?;
        let value = self.constant(x).and_then(|v| op.eval(&[&v]));
        let output = ctx.node.outputs.iter().find(|o| !o.is_empty()).map_or("", String::as_str);
        let name = if ctx.node.name.is_empty() { output } else { &ctx.node.name };
        let kind = if matches!(op, Op::Threshold(_)) { "thresholds" } else { "quantized" };
        let mut value_name = format!("{output}_{kind}");
        while self.is_read(&value_name)
            || self
                .graph
                .ids()
                .iter()
                .any(|id| self.graph.node(*id).outputs.iter().any(|v| v.name == value_name))
        {
            value_name.push('_');
        }
        let port = self.add(&format!("{name}_{kind}"), op, &[x], &value_name, fact);
        if let Some(value) = value {
            self.known.insert(port, value);
        }
        Ok(port)
    }

    fn is_read(&self, tensor: &str) -> bool {
        self.model.nodes.iter().any(|n| n.inputs.iter().any(|i| i == tensor))
            || self.model.outputs.iter().any(|o| o.name == tensor)
    }

    fn constant(&self, port: Port) -> Option<Tensor> {
        match &self.graph.node(port.node).op {
            Op::Const(t) if t.shape().iter().product::<usize>() <= SMALL => Some(t.clone()),
            // The node stays, but its value is known: a bound of Clip, or what Pad writes.
            Op::Dequantize(p) => {
                quantize_linear::dequantized(p, &self.constant(*self.graph.inputs(port.node).first()?)?)
            }
            _ => self.known.get(&port).cloned(),
        }
    }
}
