//! The canonical graph as a QOperator ONNX model (`compile --emit-onnx`).
//!
//! In: an [`IntGraph`]. Out: a neutral [`Model`] with the same inputs and outputs as the original (batch 1), in
//! which every integer tensor is `[1, c, h, w]` of the file's own type (uint8 stays uint8). Guarantees: run with
//! optimisation disabled, ONNX Runtime computes each operator by the formula that `arith` specifies; what can't
//! be written so is a diagnostic.

use std::collections::BTreeMap;

use super::build::{Builder, MICROSOFT, sizes};
use super::{expression, layout, prepare, steps};
use crate::arith::{AddForm, AverageForm, ProductForm, Rule};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::expression::{Expression, Operand, Quantization, Step};
use crate::graph::int::*;
use crate::graph::{NodeId, Port};
use crate::onnx::model::{Attribute, DType, Model};

/// How weights that fit int8 are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightForm {
    /// int8 with zero point 0.
    #[default]
    Natural,
    /// uint8 with zero point 128: the form whose kernels do not saturate on CPUs without VNNI.
    Unsigned,
}

/// What to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Every integer tensor is an output of the graph, after the model's own.
    pub all_outputs: bool,
    /// How weights are written.
    pub weights: WeightForm,
}

/// The model, and where to find each tensor in it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The model.
    pub model: Model,
    /// The tensor that holds each node's result.
    pub tensors: BTreeMap<NodeId, String>,
}

/// Writes the graph.
///
/// # Errors
/// O2C0203 for what QONNX has and ONNX has not.
pub fn export(graph: &IntGraph, options: &ExportOptions) -> Result<Exported> {
    for id in graph.ids() {
        if let Some(cause) = beyond_onnx(&graph.node(id).op) {
            let problem = "the network can't be written in ONNX's own operators";
            return Err(Diagnostic::new(code::INPUT_UNSUPPORTED, problem, cause)
                .at(format!("node {:?}", graph.node(id).name))
                .remedy("its reference is the Python package qonnx: see `make qonnx`")
                .into());
        }
    }
    let order = graph.topo().ok_or_else(|| {
        Diagnostic::new(code::INTERNAL, "the integer graph has a cycle", "found by the export")
    })?;
    let mut b = Builder::new("canonical", opset(graph, &order));
    // The model's own names first, so that nothing else takes them.
    for id in &order {
        let node = graph.node(*id);
        // An input's and an output's node bear the name of the model's tensor.
        if let IntOp::Input(_) | IntOp::Output(_) = node.op {
            b.reserve(&node.name);
        }
    }
    let mut e = Exporter { graph, options, b, tensors: BTreeMap::new(), parameters: BTreeMap::new() };
    for id in &order {
        if !matches!(graph.node(*id).op, IntOp::Output(_)) {
            e.compute(*id)?;
        }
    }
    let listed = graph.outputs.iter().map(|p| p.node);
    // As the executor has them: by their ids, which is not the order of execution where a pass has added copies.
    let rest = graph.ids().into_iter().filter(|id| graph.outputs.iter().all(|p| p.node != *id));
    for id in listed.chain(rest) {
        if let IntOp::Output(output) = &graph.node(id).op {
            e.output(id, output)?;
        }
    }
    if options.all_outputs {
        for (id, name) in e.tensors.clone() {
            let fact = &graph.value(id.into()).fact;
            e.b.output(&name, dtype(fact), &batched(fact.shape));
        }
    }
    Ok(Exported { model: e.b.finish(), tensors: e.tensors })
}

/// What an operator has that ONNX Runtime's operators can't say.
fn beyond_onnx(op: &IntOp) -> Option<&'static str> {
    let ruled = |q: &Quantization| q.rule != Rule::Onnx;
    let expression = |e: &Expression| {
        let beyond = e.steps.iter().any(|step| match step {
            Step::Quantize(_, q) => ruled(q),
            Step::Accumulated { .. } | Step::Threshold(..) => true,
            _ => false,
        });
        beyond.then_some("a quantizer rounds or clamps as QONNX has it")
    };
    match op {
        IntOp::Input(input) => {
            let thresholds = |p: &crate::graph::prepare::Prepare| {
                p.steps.iter().any(|s| matches!(s.work, crate::graph::prepare::Work::Threshold(_)))
            };
            let beyond =
                input.rule.as_ref().is_some_and(ruled) || input.prepare.as_ref().is_some_and(thresholds);
            beyond.then_some("the input is quantized as QONNX has it")
        }
        IntOp::Conv(Conv { form: ConvForm::Epilogue(_) | ConvForm::Wide(_), .. }) => {
            Some("a layer's accumulator becomes a float, not an integer of another scale")
        }
        IntOp::Conv(Conv { form: ConvForm::Affine(e), .. })
        | IntOp::Table(Table { source: TableSource::Expression(e), .. }) => expression(e),
        IntOp::Output(output) => output
            .steps
            .iter()
            .any(|s| matches!(s, HostStep::Accumulator { .. }))
            .then_some("an accumulator leaves the chip"),
        IntOp::Conv(_)
        | IntOp::Add(_)
        | IntOp::Product(_)
        | IntOp::Table(_)
        | IntOp::MaxPool(_)
        | IntOp::AveragePool(_)
        | IntOp::Select(_)
        | IntOp::Concat(_) => None,
    }
}

/// The oldest ai.onnx opset that has what the graph needs.
fn opset(graph: &IntGraph, order: &[NodeId]) -> i64 {
    let needs = |op: &IntOp| match op {
        IntOp::Table(Table { source: TableSource::Float(name, _), .. }) => expression::opset(name),
        IntOp::Table(Table { source: TableSource::Expression(e), .. })
        | IntOp::Conv(Conv { form: ConvForm::Affine(e) | ConvForm::Epilogue(e), .. }) => {
            expression::opset_of(e)
        }
        IntOp::Output(output) => {
            let opset =
                |s: &HostStep| if let HostStep::Function(f, _) = s { expression::opset(f) } else { 13 };
            output.steps.iter().map(opset).max().unwrap_or(13)
        }
        IntOp::AveragePool(p) if p.window.dilations != [1, 1] => 19,
        IntOp::Input(HostInput { prepare: Some(p), .. }) => prepare::opset(p),
        IntOp::Input(_)
        | IntOp::Conv(_)
        | IntOp::Add(_)
        | IntOp::Product(_)
        | IntOp::Table(_)
        | IntOp::MaxPool(_)
        | IntOp::AveragePool(_)
        | IntOp::Select(_)
        | IntOp::Concat(_) => 13,
    };
    order.iter().map(|id| needs(&graph.node(*id).op)).max().unwrap_or(13)
}

fn batched([c, h, w]: [usize; 3]) -> [usize; 4] {
    [1, c, h, w]
}

/// The type of the file's integers.
pub(crate) fn dtype(fact: &QFact) -> DType {
    if fact.source_offset > 0 { DType::U8 } else { DType::I8 }
}

pub(crate) struct Exporter<'a> {
    pub(crate) graph: &'a IntGraph,
    pub(crate) options: &'a ExportOptions,
    pub(crate) b: Builder,
    tensors: BTreeMap<NodeId, String>,
    /// Scale and zero point constants of each node's result.
    pub(crate) parameters: BTreeMap<NodeId, [String; 2]>,
}

impl Exporter<'_> {
    fn compute(&mut self, id: NodeId) -> Result<()> {
        let node = self.graph.node(id);
        let inputs = self.graph.inputs(id);
        let Some(value) = node.outputs.first() else {
            return Err(self.fault(id, "it has no result"));
        };
        let (fact, name) = (&value.fact, &node.name);
        let full = (-128, 127);
        if let IntOp::Input(input) = &node.op {
            return self.input(id, input, fact);
        }
        let (lo, hi) = match &node.op {
            // An expression has its bounds in itself.
            IntOp::Conv(Conv { form: ConvForm::Affine(_), .. }) => full,
            IntOp::Conv(conv) => (conv.rescale.lo, conv.rescale.hi),
            IntOp::Add(add) => (add.spec.lo, add.spec.hi),
            IntOp::Product(product) => (product.spec.lo, product.spec.hi),
            IntOp::AveragePool(pool) => (pool.spec.lo, pool.spec.hi),
            IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::Select(_)
            | IntOp::Concat(_)
            | IntOp::Input(_)
            | IntOp::Output(_) => full,
        };
        let clamped = (lo, hi) != full;
        let result = self.b.fresh(&value.name);
        let target =
            if clamped { self.b.fresh(&format!("{}_unclamped", value.name)) } else { result.clone() };
        self.parameters_of(id, fact);
        match &node.op {
            IntOp::Conv(conv) => match &conv.form {
                ConvForm::Affine(e) => self.expression(id, e, inputs[0], &target),
                ConvForm::Integer | ConvForm::Transposed => self.conv(id, conv, inputs[0], &target)?,
                ConvForm::Epilogue(_) | ConvForm::Wide(_) => {
                    return Err(self.fault(id, "ONNX has no such operator"));
                }
            },
            IntOp::Add(add) => match add.spec.form {
                AddForm::QLinear => {
                    let mut operands = inputs.clone();
                    // ONNX Runtime takes single elements the other way round.
                    if fact.len() == 1 {
                        operands.reverse();
                    }
                    self.qlinear(name, "QLinearAdd", &operands, id, &target, vec![])?;
                }
                form @ (AddForm::Float | AddForm::Difference) => {
                    self.float(name, form.name(), &inputs, id, &target, vec![])?;
                }
            },
            IntOp::Product(product) => match product.spec.form {
                ProductForm::QLinear => self.qlinear(name, "QLinearMul", &inputs, id, &target, vec![])?,
                ProductForm::Float => self.float(name, "Mul", &inputs, id, &target, vec![])?,
            },
            IntOp::MaxPool(pool) => {
                let x = self.operand(inputs[0]);
                let mut attributes = window(&pool.window, self.fact(inputs[0]), fact);
                // ONNX Runtime wants pads below the kernel's size, which a dilated window may overhang by more.
                let pads = ("pads", sizes(&pool.window.pads));
                let x_shape = self.fact(inputs[0]).shape;
                let ceil = |d| pool.window.output(x_shape[d + 1], d, true) == Some(fact.shape[d + 1]);
                if !attributes.contains(&pads) && ceil(0) && ceil(1) {
                    attributes.retain(|(k, _)| *k != "pads");
                    attributes.extend([pads, ("ceil_mode", Attribute::Int(1))]);
                }
                self.b.node(name, ("", "MaxPool"), &[&x], &target, attributes);
            }
            IntOp::AveragePool(pool) => self.average(id, pool, inputs[0], &target)?,
            IntOp::Table(table) => self.table(id, table, inputs[0], &target)?,
            IntOp::Select(select) => self.select(id, select, inputs[0], &target)?,
            IntOp::Concat(concat) => self.concat(name, *concat, &inputs, fact.shape, &target),
            IntOp::Input(_) | IntOp::Output(_) => {}
        }
        if clamped {
            self.clip(name, &target, &result, fact, (lo, hi));
        }
        self.tensors.insert(id, result);
        Ok(())
    }

    pub(crate) fn fault(&self, id: NodeId, cause: impl Into<String>) -> Diagnostics {
        let node = self.graph.node(id);
        Diagnostic::new(code::INTERNAL, "the node can't be written as ONNX", cause)
            .at(format!("node {:?}", node.name))
            .into()
    }

    pub(crate) fn fact(&self, port: Port) -> &QFact {
        &self.graph.value(port).fact
    }

    pub(crate) fn operand(&self, port: Port) -> String {
        self.tensors[&port.node].clone()
    }

    /// Scale and zero point constants of a node's result.
    fn parameters_of(&mut self, id: NodeId, fact: &QFact) {
        let name = self.graph.value(id.into()).name.clone();
        let scale = self.b.floats(&format!("{name}_scale"), &[], &[fact.scale]);
        let zero = i64::from(fact.zero_point) + i64::from(fact.source_offset);
        let zero = self.b.ints(&format!("{name}_zero_point"), dtype(fact), &[], vec![zero]);
        self.parameters.insert(id, [scale, zero]);
    }

    fn input(&mut self, id: NodeId, input: &HostInput, fact: &QFact) -> Result<()> {
        let node = self.graph.node(id);
        let (name, tensor) = (&node.name, &self.graph.value(id.into()).name);
        let shape = input.shape();
        let own = match input.dtype {
            HostType::F32 => DType::F32,
            HostType::U8 => DType::U8,
            HostType::I8 => DType::I8,
            HostType::I64 => return Err(self.fault(id, "an int64 input")),
        };
        self.b.input(name, own, shape);
        self.parameters_of(id, fact);
        let mut at = name.clone();
        if let Some(prepare) = &input.prepare {
            at = prepare::write(&mut self.b, name, prepare, &at);
        }
        if input.is_float() {
            let [scale, zero] = self.parameters[&id].clone();
            let to = self.b.fresh(tensor);
            match &input.rule {
                None => at = self.b.node(name, ("", "QuantizeLinear"), &[&at, &scale, &zero], &to, vec![]),
                Some(rule) => {
                    let all = self.b.fresh(&format!("{tensor}_byte"));
                    let all = self.b.node(name, ("", "QuantizeLinear"), &[&at, &scale, &zero], &all, vec![]);
                    self.clip(name, &all, &to, fact, rule.bounds);
                    at = to;
                }
            }
        }
        let layout = layout::find(&input.arrangement);
        at = layout::to_canonical(&mut self.b, name, &at, &input.arrangement, &layout, fact.shape);
        // An output of its own, never the model's input itself.
        if at == *name && self.options.all_outputs {
            let to = self.b.fresh(tensor);
            at = self.b.node(name, ("", "Identity"), &[&at], &to, vec![]);
        }
        self.tensors.insert(id, at);
        Ok(())
    }

    fn average(&mut self, id: NodeId, pool: &AveragePool, x: Port, y: &str) -> Result<()> {
        let name = self.graph.node(id).name.clone();
        let (xf, yf) = (self.fact(x).clone(), self.fact(id.into()).clone());
        let whole = pool.window.kernel == xf.shape[1..] && pool.window.pads == [0; 4];
        let mut attributes = window(&pool.window, &xf, &yf);
        if pool.window.dilations == [1, 1] {
            attributes.retain(|(k, _)| *k != "dilations");
        }
        attributes.push(("count_include_pad", Attribute::Int(i64::from(pool.count_include_pad))));
        match pool.spec.form {
            AverageForm::QLinearGlobal if whole => {
                let attributes = vec![("channels_last", Attribute::Int(0))];
                self.qlinear(&name, "QLinearGlobalAveragePool", &[x], id, y, attributes)
            }
            AverageForm::QLinearGlobal => Err(self.fault(id, "a global average pool over a part of the map")),
            AverageForm::QLinear => self.qlinear(&name, "QLinearAveragePool", &[x], id, y, attributes),
            AverageForm::Float if whole => self.float(&name, "GlobalAveragePool", &[x], id, y, vec![]),
            AverageForm::Float => self.float(&name, "AveragePool", &[x], id, y, attributes),
        }
    }

    fn table(&mut self, id: NodeId, table: &Table, x: Port, y: &str) -> Result<()> {
        let name = self.graph.node(id).name.clone();
        let float = |a: &[(&'static str, f32)]| a.iter().map(|(k, v)| (*k, Attribute::Float(*v))).collect();
        match &table.source {
            TableSource::Requantize => self.float(&name, "", &[x], id, y, vec![]),
            TableSource::Clamp(lo, hi) => {
                let fact = self.fact(x).clone();
                if dtype(&fact) != dtype(self.fact(id.into())) {
                    return Err(self.fault(id, "a clamp that changes the type"));
                }
                let at = self.operand(x);
                self.clip(&name, &at, y, &fact, (*lo, *hi));
                Ok(())
            }
            TableSource::QLinear(op, attributes) => self.qlinear(&name, op, &[x], id, y, float(attributes)),
            TableSource::Float(op, attributes) => {
                let q = |f: &QFact| Quantization::byte(f.scale, f.zero_point, f.source_offset);
                let steps = vec![
                    Step::Dequantize((Operand::X, q(self.fact(x)))),
                    Step::Function(op, attributes.clone(), Operand::Step(0)),
                    Step::Quantize(Operand::Step(1), q(self.fact(id.into()))),
                ];
                self.expression(id, &Expression { steps, constants: Vec::new() }, x, y);
                Ok(())
            }
            TableSource::Expression(e) => {
                self.expression(id, e, x, y);
                Ok(())
            }
        }
    }

    /// The operators of an expression.
    fn expression(&mut self, id: NodeId, expression: &Expression, x: Port, y: &str) {
        let (at, channels) = (self.operand(x), self.fact(x).shape[0]);
        expression::write(&mut self.b, &self.graph.node(id).name, expression, (&at, channels), y);
    }

    /// A com.microsoft operator whose operands are (tensor, scale, zero point) triples, then the result's pair.
    fn qlinear(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[Port],
        id: NodeId,
        y: &str,
        attributes: Vec<(&str, Attribute)>,
    ) -> Result<()> {
        let own = dtype(self.fact(id.into()));
        if inputs.iter().any(|p| dtype(self.fact(*p)) != own) {
            return Err(self.fault(id, format!("{op} with operands of different types")));
        }
        let mut operands = Vec::new();
        for port in inputs {
            operands.push(self.operand(*port));
            operands.extend(self.parameters[&port.node].clone());
        }
        operands.extend(self.parameters[&id].clone());
        let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
        self.b.node(name, (MICROSOFT, op), &operands, y, attributes);
        Ok(())
    }

    /// DequantizeLinear of each operand, a float operator ("" for none), QuantizeLinear.
    fn float(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[Port],
        id: NodeId,
        y: &str,
        attributes: Vec<(&str, Attribute)>,
    ) -> Result<()> {
        let mut operands = Vec::new();
        for port in inputs {
            let at = self.operand(*port);
            let [scale, zero] = self.parameters[&port.node].clone();
            let to = self.b.fresh(&format!("{at}_float"));
            let node = format!("{name}_dequantize");
            operands.push(self.b.node(&node, ("", "DequantizeLinear"), &[&at, &scale, &zero], &to, vec![]));
        }
        let mut at = operands[0].clone();
        if !op.is_empty() {
            let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
            let to = self.b.fresh(&format!("{y}_float"));
            at = self.b.node(name, ("", op), &operands, &to, attributes);
        }
        let [scale, zero] = self.parameters[&id].clone();
        self.b.node(&format!("{name}_quantize"), ("", "QuantizeLinear"), &[&at, &scale, &zero], y, vec![]);
        Ok(())
    }

    /// An integer Clip (opset 12) between canonical bounds.
    fn clip(&mut self, name: &str, x: &str, y: &str, fact: &QFact, (lo, hi): (i32, i32)) {
        let file = |v: i32| vec![i64::from(v) + i64::from(fact.source_offset)];
        let low = self.b.ints(&format!("{name}_min"), dtype(fact), &[], file(lo));
        let high = self.b.ints(&format!("{name}_max"), dtype(fact), &[], file(hi));
        self.b.node(&format!("{name}_clip"), ("", "Clip"), &[x, &low, &high], y, vec![]);
    }

    fn output(&mut self, id: NodeId, output: &HostOutput) -> Result<()> {
        let node = self.graph.node(id);
        let (name, from) = (&node.name, self.graph.inputs(id)[0]);
        let mut at = self.operand(from);
        let layout = layout::find(&output.arrangement);
        let shape = self.fact(from).shape;
        at = layout::to_onnx(&mut self.b, name, &at, &output.arrangement, &layout, shape);
        let signed = dtype(self.fact(from)) == DType::I8;
        let first = &output.arrangement.onnx_shape;
        let (mut at, shape) = steps::write(&mut self.b, name, at, &output.steps, signed, first);
        if at != *name {
            at = self.b.node(name, ("", "Identity"), &[&at], name, vec![]);
        }
        let own = match output.dtype {
            HostType::F32 => DType::F32,
            HostType::U8 => DType::U8,
            HostType::I8 => DType::I8,
            HostType::I64 => DType::I64,
        };
        self.b.output(&at, own, &shape);
        Ok(())
    }
}

/// Window attributes whose end pads give exactly the output's size under ONNX's floor rule.
pub(crate) fn window(window: &Window, x: &QFact, y: &QFact) -> Vec<(&'static str, Attribute)> {
    let mut pads = window.pads;
    for axis in 0..2 {
        let reach = (y.shape[axis + 1] - 1) * window.strides[axis]
            + (window.kernel[axis] - 1) * window.dilations[axis]
            + 1;
        let needed = reach.saturating_sub(x.shape[axis + 1] + pads[axis]);
        pads[axis + 2] = pads[axis + 2].max(needed);
    }
    vec![
        ("kernel_shape", sizes(&window.kernel)),
        ("strides", sizes(&window.strides)),
        ("dilations", sizes(&window.dilations)),
        ("pads", sizes(&pads)),
    ]
}
