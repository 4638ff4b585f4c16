//! `ModelProto` to [`Model`], with every rule of ONNX's IR that the compiler relies on checked.
//!
//! Guarantees: at least one node and one output; every name is defined once and before its use (nodes that a file
//! lists in another order are sorted, as ONNX Runtime does); an initializer agrees with the graph input of the same
//! name. Source: docs/IR.md of ONNX.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::model::{Dim, Model, ModelNode, ValueInfo};
use super::proto::tensor_shape_proto::dimension::Value as DimValue;
use super::proto::type_proto::Value as TypeValue;
use super::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use super::{MAX_ELEMENTS, MAX_IR_VERSION, MAX_NODES, MAX_RANK, attribute, tensor};
use crate::diag::{self, Diagnostic, Diagnostics, code};

/// More faults than this are not listed.
const MAX_FAULTS: usize = 50;

/// Decodes a model; `dir` is where external data may lie.
///
/// # Errors
/// Every fault found, up to 50.
pub(super) fn model(proto: ModelProto, dir: Option<&Path>) -> diag::Result<Model> {
    let ir_version = ir_version(&proto)?;
    let Some(graph) = &proto.graph else {
        return Err(not_onnx("the model has no graph").into());
    };
    if graph.node.is_empty() || graph.output.is_empty() {
        let what = if graph.node.is_empty() { "nodes" } else { "outputs" };
        return Err(invalid(format!("the graph has no {what}")).into());
    }
    if graph.node.len() > MAX_NODES {
        return Err(Diagnostic::new(
            code::LIMIT_EXCEEDED,
            "the graph has too many nodes",
            format!("{}; at most {MAX_NODES} are accepted", graph.node.len()),
        )
        .into());
    }
    let mut read = Reader { ir_version, dir, left: MAX_ELEMENTS, faults: Vec::new() };
    read.functions(&proto, graph);
    let mut model =
        Model { name: graph.name().to_owned(), opsets: read.opsets(&proto.opset_import), ..Model::default() };
    read.initializers(graph, &mut model);
    for v in &graph.input {
        let place = format!("graph input {:?}", v.name());
        let Some(info) = read.keep(&place, value_info(v)) else { continue };
        match model.initializers.get(&info.name) {
            Some(t) => {
                let shape_fits = info.shape.as_ref().is_none_or(|dims| {
                    dims.len() == t.shape().len()
                        && dims
                            .iter()
                            .zip(t.shape())
                            .all(|(d, s)| matches!(d, Dim::Symbol(_)) || *d == Dim::Fixed(*s))
                });
                if t.dtype != info.dtype || !shape_fits {
                    read.fault(
                        &place,
                        invalid("it differs in type or shape from the initializer of its name"),
                    );
                }
            }
            None => model.inputs.push(info),
        }
    }
    for v in &graph.output {
        let info = read.keep(&format!("graph output {:?}", v.name()), value_info(v));
        model.outputs.extend(info);
    }
    for (i, n) in graph.node.iter().enumerate() {
        let node = read.node(n, &place(n, i));
        model.nodes.push(node);
    }
    for a in &graph.quantization_annotation {
        for entry in a.quant_parameter_tensor_names.iter().filter(|e| e.key() == "finn_datatype") {
            model.annotations.insert(a.tensor_name().to_owned(), entry.value().to_owned());
        }
    }
    read.default_opset(&model);
    read.names(graph, &model);
    if read.faults.is_empty() {
        read.sort(&mut model.nodes);
    }
    if read.faults.is_empty() { Ok(model) } else { Err(Diagnostics(read.faults)) }
}

fn not_onnx(cause: &str) -> Diagnostic {
    Diagnostic::new(code::NOT_ONNX, "the file is not a complete ONNX model", cause)
}

fn invalid(cause: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code::GRAPH_INVALID, "the graph is not well formed", cause)
}

fn ir_version(proto: &ModelProto) -> Result<i64, Diagnostic> {
    match proto.ir_version {
        None => Err(not_onnx("it states no ir_version")),
        Some(v @ 1..=MAX_IR_VERSION) => Ok(v),
        Some(v) => Err(Diagnostic::new(
            code::OPSET_UNSUPPORTED,
            "the IR version is not supported",
            format!("ir_version is {v}; 1 to {MAX_IR_VERSION} are understood"),
        )),
    }
}

/// `ai.onnx` and the empty domain are the same.
fn domain(text: &str) -> &str {
    if text == "ai.onnx" { "" } else { text }
}

fn place(n: &NodeProto, index: usize) -> String {
    let op = n.op_type();
    match (n.name(), n.output.iter().find(|o| !o.is_empty())) {
        ("", Some(output)) => format!("node of output {output:?} ({op})"),
        ("", None) => format!("node number {index} ({op})"),
        (name, _) => format!("node {name:?} ({op})"),
    }
}

fn value_info(v: &ValueInfoProto) -> Result<ValueInfo, Diagnostic> {
    if v.name().is_empty() {
        return Err(invalid("it has no name"));
    }
    let Some(value) = v.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(invalid("it has no type"));
    };
    let kind = match value {
        TypeValue::TensorType(t) => {
            let shape = match &t.shape {
                None => None,
                Some(s) if s.dim.len() > MAX_RANK => {
                    return Err(Diagnostic::new(
                        code::LIMIT_EXCEEDED,
                        "the tensor has too many dimensions",
                        format!("{}; at most {MAX_RANK} are accepted", s.dim.len()),
                    ));
                }
                Some(s) => Some(s.dim.iter().map(|d| dim(d.value.as_ref())).collect::<Result<_, _>>()?),
            };
            return Ok(ValueInfo { name: v.name().to_owned(), dtype: tensor::dtype(t.elem_type())?, shape });
        }
        TypeValue::SequenceType(_) => "a sequence",
        TypeValue::MapType(_) => "a map",
        TypeValue::OptionalType(_) => "an optional",
        TypeValue::SparseTensorType(_) => "a sparse tensor",
        TypeValue::OpaqueType(_) => "an opaque type",
    };
    Err(Diagnostic::new(code::INPUT_UNSUPPORTED, "the value is not a tensor", format!("it is {kind}")))
}

fn dim(value: Option<&DimValue>) -> Result<Dim, Diagnostic> {
    Ok(match value {
        None => Dim::Symbol(String::new()),
        Some(DimValue::DimParam(s)) => Dim::Symbol(s.clone()),
        Some(DimValue::DimValue(n)) => {
            Dim::Fixed(usize::try_from(*n).map_err(|_| invalid(format!("a dimension is {n}")))?)
        }
    })
}

struct Reader<'a> {
    ir_version: i64,
    dir: Option<&'a Path>,
    /// Tensor elements that the model may still have.
    left: usize,
    faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn fault(&mut self, place: &str, d: Diagnostic) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(if place.is_empty() { d } else { d.at(place) });
        }
    }

    fn keep<T>(&mut self, place: &str, r: Result<T, Diagnostic>) -> Option<T> {
        r.map_err(|d| self.fault(place, d)).ok()
    }

    fn opsets(&mut self, imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
        let mut opsets = BTreeMap::new();
        for import in imports {
            let name = domain(import.domain());
            let version = import.version();
            if version < 1 {
                self.fault("", invalid(format!("opset import {name:?} has version {version}")));
            }
            if opsets.insert(name.to_owned(), version).is_some_and(|before| before != version) {
                self.fault("", invalid(format!("opset {name:?} is imported in two versions")));
            }
        }
        if imports.is_empty() {
            if self.ir_version < 3 {
                opsets.insert(String::new(), 1);
            } else {
                self.fault("", not_onnx("it imports no opset"));
            }
        }
        opsets
    }

    /// A function that is called gives its node another meaning than the operator of that name.
    fn functions(&mut self, proto: &ModelProto, graph: &GraphProto) {
        let defined: BTreeSet<(&str, &str)> =
            proto.functions.iter().map(|f| (domain(f.domain()), f.name())).collect();
        for (i, n) in graph.node.iter().enumerate() {
            let called = defined.contains(&(domain(n.domain()), n.op_type()));
            if called || !n.overload().is_empty() {
                let cause = "the node calls a function that the model itself defines";
                let d =
                    Diagnostic::new(code::OP_UNSUPPORTED, "model-local functions are not supported", cause)
                        .remedy("inline the functions with onnx.inliner.inline_local_functions");
                self.fault(&place(n, i), d);
            }
        }
    }

    /// The meaning of an operator of ONNX follows from the opset. Other domains go undeclared in real files.
    fn default_opset(&mut self, model: &Model) {
        if !model.opsets.is_empty()
            && !model.opsets.contains_key("")
            && model.nodes.iter().any(|n| n.domain.is_empty())
        {
            self.fault("", invalid("it uses operators of ai.onnx, but does not import its opset"));
        }
    }

    fn initializers(&mut self, graph: &GraphProto, model: &mut Model) {
        for t in &graph.initializer {
            let place = format!("initializer {:?}", t.name());
            if t.name().is_empty() {
                self.fault(&place, invalid("an initializer has no name"));
                continue;
            }
            let decoded = tensor::tensor(t, self.dir, &mut self.left);
            let Some(value) = self.keep(&place, decoded) else { continue };
            if model.initializers.insert(t.name().to_owned(), value).is_some() {
                self.fault(&place, invalid("the name is given to two initializers"));
            }
        }
        for s in &graph.sparse_initializer {
            let name = s.values.as_ref().map_or("", |v| v.name());
            let d = Diagnostic::new(
                code::INPUT_UNSUPPORTED,
                "sparse initializers are not supported",
                "sparse_initializer",
            )
            .remedy("store the tensor densely");
            self.fault(&format!("initializer {name:?}"), d);
        }
    }

    fn node(&mut self, n: &NodeProto, place: &str) -> ModelNode {
        if n.op_type().is_empty() {
            self.fault(place, invalid("the node has no operator"));
        }
        if n.output.iter().all(String::is_empty) {
            self.fault(place, invalid("the node has no output"));
        }
        let mut attributes = BTreeMap::new();
        for a in &n.attribute {
            let at = format!("{place}, attribute {:?}", a.name());
            if a.name().is_empty() {
                self.fault(&at, invalid("an attribute has no name"));
                continue;
            }
            let decoded = attribute::attribute(a, self.ir_version, self.dir, &mut self.left);
            let Some(value) = self.keep(&at, decoded) else { continue };
            if attributes.insert(a.name().to_owned(), value).is_some() {
                self.fault(&at, invalid("the attribute is given twice"));
            }
        }
        ModelNode {
            name: n.name().to_owned(),
            op_type: n.op_type().to_owned(),
            domain: domain(n.domain()).to_owned(),
            inputs: n.input.clone(),
            outputs: n.output.clone(),
            attributes,
        }
    }

    /// Puts producers before their readers and leaves all else in the file's order.
    fn sort(&mut self, nodes: &mut Vec<ModelNode>) {
        let mut producer: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, node) in nodes.iter().enumerate() {
            producer.extend(node.outputs.iter().filter(|o| !o.is_empty()).map(|o| (o.as_str(), i)));
        }
        let mut waits = vec![0_usize; nodes.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        for (i, node) in nodes.iter().enumerate() {
            for p in node.inputs.iter().filter_map(|n| producer.get(n.as_str())) {
                waits[i] += 1;
                readers[*p].push(i);
            }
        }
        let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|i| waits[*i] == 0).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(i) = ready.pop_first() {
            order.push(i);
            for &r in &readers[i] {
                waits[r] -= 1;
                if waits[r] == 0 {
                    ready.insert(r);
                }
            }
        }
        if let Some(i) = waits.iter().position(|w| *w > 0) {
            let at = format!("node {:?} ({})", nodes[i].name, nodes[i].op_type);
            self.fault(&at, invalid("it depends on its own result"));
        } else if !order.is_sorted() {
            let mut old: Vec<Option<ModelNode>> = std::mem::take(nodes).into_iter().map(Some).collect();
            *nodes = order.into_iter().filter_map(|i| old[i].take()).collect();
        }
    }

    /// Single assignment, and a definition for each use.
    fn names(&mut self, graph: &GraphProto, model: &Model) {
        // Names of tensors that were refused are known as well: one fault is reported once.
        let mut defined: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
        defined.extend(graph.sparse_initializer.iter().filter_map(|s| s.values.as_ref()).map(|v| v.name()));
        let mut inputs = BTreeSet::new();
        for v in &graph.input {
            if !inputs.insert(v.name()) {
                self.fault(
                    &format!("graph input {:?}", v.name()),
                    invalid("the name is given to two inputs"),
                );
            }
        }
        defined.extend(inputs);
        for (i, n) in graph.node.iter().enumerate() {
            for name in n.output.iter().filter(|s| !s.is_empty()) {
                if !defined.insert(name) {
                    self.fault(&place(n, i), invalid(format!("output {name:?} is defined twice")));
                }
            }
        }
        for (i, n) in graph.node.iter().enumerate() {
            for name in n.input.iter().filter(|s| !s.is_empty() && !defined.contains(s.as_str())) {
                self.fault(&place(n, i), invalid(format!("input {name:?} is defined nowhere")));
            }
        }
        let mut outputs = BTreeSet::new();
        for v in &model.outputs {
            let at = format!("graph output {:?}", v.name);
            if !defined.contains(v.name.as_str()) {
                self.fault(&at, invalid("no node, input or initializer has this name"));
            }
            if !outputs.insert(v.name.as_str()) {
                self.fault(&at, invalid("the name is given to two outputs"));
            }
        }
    }
}
