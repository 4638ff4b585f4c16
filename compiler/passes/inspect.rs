//! What a model is: inputs, outputs, layers with shapes, widths, MACs and quantization, host steps, refusals.
//!
//! In: a neutral model. Out: [`Inspection`], serialisable, also for a model that is refused (then without layers).

use serde::Serialize;

use super::{compile_front, heads};
use crate::diag::{Diagnostic, Diagnostics};
use crate::graph::float::dtype_name;
use crate::graph::int::{ConvForm, HeadPart, HostStep, IntGraph, IntOp, QFact, TableSource};
use crate::graph::{NodeId, Port};
use crate::onnx::model::{Dim, Model, ValueInfo};

/// A model input or output as the file has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// ONNX name.
    pub name: String,
    /// Element type, e.g. `f32`.
    pub dtype: String,
    /// Dimensions; symbolic ones by name. Empty where the file gives none.
    pub shape: Vec<Axis>,
    /// What the accelerator does here beside its layers: `ArgMax` or `Softmax`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hardware: Vec<String>,
    /// What the host does here, in order, e.g. `Quantize`, `Dequantize`, `Softmax`.
    pub host: Vec<String>,
}

/// Quantization of an activation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantization {
    /// Real value of one step.
    pub scale: f32,
    /// The file's zero point.
    pub zero_point: i32,
    /// The file's type is signed.
    pub signed: bool,
    /// Bits.
    pub bits: u8,
}

/// The weights of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weights {
    /// `[out, in / groups, rows, columns]`.
    pub shape: [usize; 4],
    /// Groups.
    pub groups: usize,
    /// One scale, or one per output channel.
    pub scale: Vec<f32>,
    /// Least and greatest weight, zero point subtracted.
    pub range: (i16, i16),
    /// Least and greatest bias.
    pub bias_range: (i32, i32),
}

/// One operator of the integer graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// The ONNX node's name.
    pub name: String,
    /// `Conv`, `ConvTranspose`, `Add`, `Sub`, `Table`, `MaxPool` or `AveragePool`.
    pub op: &'static str,
    /// A table's function, a formula's form.
    pub detail: String,
    /// Layers or inputs it reads.
    pub reads: Vec<String>,
    /// Channels, rows, columns of the first operand.
    pub input: [usize; 3],
    /// Channels, rows, columns of the result.
    pub output: [usize; 3],
    /// Multiplications of one sample, pads counted.
    pub macs: u64,
    /// Kernel rows and columns, where there is a window.
    pub kernel: Option<[usize; 2]>,
    /// Steps of the window.
    pub strides: Option<[usize; 2]>,
    /// Top, left, bottom, right.
    pub pads: Option<[usize; 4]>,
    /// The result's quantization.
    pub quantization: Quantization,
    /// The weights, if there are any.
    pub weights: Option<Weights>,
}

/// Everything that `inspect` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Graph name.
    pub name: String,
    /// Domain ("ai.onnx" written out) and version.
    pub opsets: Vec<(String, i64)>,
    /// Operators of the file and how often they occur, by name.
    pub operators: Vec<(String, usize)>,
    /// Inputs.
    pub inputs: Vec<Edge>,
    /// Outputs.
    pub outputs: Vec<Edge>,
    /// Layers in order of execution; empty if the model is refused.
    pub layers: Vec<Layer>,
    /// Multiplications of one sample.
    pub macs: u64,
    /// Weights and biases, in elements.
    pub parameters: u64,
    /// Why the model is refused; empty if it is not.
    pub refusals: Vec<Diagnostic>,
}

/// Inspects a model, as far as the passes go: what the later stages refuse is not in it.
pub fn inspect(model: &Model) -> Inspection {
    with_graph(model).0
}

/// The same, with the integer graph where there is one.
pub fn with_graph(model: &Model) -> (Inspection, Option<IntGraph>) {
    let (graph, refusals) = match compile_front(model) {
        Ok(mut graph) => {
            heads::run(&mut graph);
            (Some(graph), Vec::new())
        }
        Err(Diagnostics(faults)) => (None, faults),
    };
    let mut operators: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for node in &model.nodes {
        let name = if node.domain.is_empty() {
            node.op_type.clone()
        } else {
            format!("{}.{}", node.domain, node.op_type)
        };
        *operators.entry(name).or_default() += 1;
    }
    let edge = |v: &ValueInfo| Edge {
        name: v.name.clone(),
        dtype: dtype_name(v.dtype).to_owned(),
        shape: v.shape.iter().flatten().map(axis).collect(),
        hardware: Vec::new(),
        host: Vec::new(),
    };
    let mut inspection = Inspection {
        name: model.name.clone(),
        opsets: model
            .opsets
            .iter()
            .map(|(d, v)| (if d.is_empty() { "ai.onnx".to_owned() } else { d.clone() }, *v))
            .collect(),
        operators: operators.into_iter().collect(),
        inputs: model.inputs.iter().map(edge).collect(),
        outputs: model.outputs.iter().map(edge).collect(),
        layers: Vec::new(),
        macs: 0,
        parameters: 0,
        refusals,
    };
    if let Some(graph) = &graph {
        fill(&mut inspection, graph);
    }
    (inspection, graph)
}

/// A dimension; an integer in JSON, or a symbol's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Axis {
    /// A length.
    Fixed(usize),
    /// A symbol's name, `?` without one.
    Symbol(String),
}

impl std::fmt::Display for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Axis::Fixed(n) => write!(f, "{n}"),
            Axis::Symbol(name) => f.write_str(name),
        }
    }
}

fn axis(dim: &Dim) -> Axis {
    match dim {
        Dim::Fixed(n) => Axis::Fixed(*n),
        Dim::Symbol(name) if name.is_empty() => Axis::Symbol("?".to_owned()),
        Dim::Symbol(name) => Axis::Symbol(name.clone()),
    }
}

fn quantization(fact: &QFact) -> Quantization {
    Quantization {
        scale: fact.scale,
        zero_point: fact.zero_point + fact.source_offset,
        signed: fact.source_offset == 0,
        bits: fact.bits,
    }
}

fn fill(inspection: &mut Inspection, graph: &IntGraph) {
    let mut outputs = 0;
    for id in graph.topo().unwrap_or_default() {
        match &graph.node(id).op {
            IntOp::Input(input) => {
                let name = &graph.node(id).name;
                if let Some(edge) = inspection.inputs.iter_mut().find(|e| e.name == *name) {
                    let steps = input.prepare.iter().flat_map(|p| &p.steps);
                    edge.host = steps.map(|s| s.work.name().to_owned()).collect();
                    if input.is_float() {
                        edge.host.push("Quantize".to_owned());
                    }
                    if input.arrangement.source.is_some() {
                        edge.host.push("Transpose".to_owned());
                    }
                }
            }
            IntOp::Output(output) => {
                if let Some(edge) = inspection.outputs.get_mut(outputs) {
                    let head = output.head.as_ref();
                    let chosen = head.is_some_and(|h| h.part != HeadPart::Tensor);
                    let source = output.arrangement.source.iter().filter(|_| !chosen);
                    edge.hardware = head.map(|h| h.unit.name().to_owned()).into_iter().collect();
                    edge.host = source.map(|_| "Transpose".to_owned()).collect();
                    edge.host.extend(head.map_or(&output.steps, |h| &h.steps).iter().map(step));
                }
                outputs += 1;
            }
            IntOp::Conv(_)
            | IntOp::Add(_)
            | IntOp::Product(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_)
            | IntOp::Select(_)
            | IntOp::Concat(_) => {
                let layer = layer(graph, id);
                inspection.macs += layer.macs;
                if let IntOp::Conv(conv) = &graph.node(id).op {
                    inspection.parameters += count(conv.weight.len()) + count(conv.bias.len());
                }
                inspection.layers.push(layer);
            }
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn step(step: &HostStep) -> String {
    match step {
        HostStep::Accumulator { .. } => "Accumulator",
        HostStep::Dequantize(..) => "Dequantize",
        HostStep::Quantize(..) => "Quantize",
        HostStep::Function(name, _) => name,
        HostStep::Softmax(_) => "Softmax",
        HostStep::LogSoftmax(_) => "LogSoftmax",
        HostStep::TopK { .. } => "TopK",
        HostStep::QLinearSoftmax { .. } => "QLinearSoftmax",
        HostStep::ArgMax { .. } => "ArgMax",
        HostStep::Reshape(_) => "Reshape",
    }
    .to_owned()
}

fn layer(graph: &IntGraph, id: NodeId) -> Layer {
    let node = graph.node(id);
    let inputs = graph.inputs(id);
    let fact = &graph.value(Port::from(id)).fact;
    let input = inputs.first().map_or([0; 3], |p| graph.value(*p).fact.shape);
    let mut layer = Layer {
        name: node.name.clone(),
        op: "",
        detail: String::new(),
        reads: inputs.iter().map(|p| graph.node(p.node).name.clone()).collect(),
        input,
        output: fact.shape,
        macs: 0,
        kernel: None,
        strides: None,
        pads: None,
        quantization: quantization(fact),
        weights: None,
    };
    let mut window = None;
    match &node.op {
        IntOp::Conv(conv) => {
            layer.op = match &conv.form {
                ConvForm::Integer | ConvForm::Epilogue(_) | ConvForm::Wide(_) => "Conv",
                ConvForm::Transposed => "ConvTranspose",
                ConvForm::Affine(e) => e.name(),
            };
            window = Some(conv.window);
            let (o, i, h, w) = conv.weight.dim();
            layer.macs = count(i * h * w).saturating_mul(count(fact.len()));
            let range = |v: &mut dyn Iterator<Item = i64>| {
                v.fold((i64::MAX, i64::MIN), |(a, b), v| (a.min(v), b.max(v)))
            };
            let (lo, hi) = range(&mut conv.weight.iter().map(|v| i64::from(*v)));
            let (bias_lo, bias_hi) = range(&mut conv.bias.iter().map(|v| i64::from(*v)));
            layer.weights = Some(Weights {
                shape: [o, i, h, w],
                groups: conv.groups,
                scale: conv.weight_scale.clone(),
                range: (i16::try_from(lo).unwrap_or(0), i16::try_from(hi).unwrap_or(0)),
                bias_range: (i32::try_from(bias_lo).unwrap_or(0), i32::try_from(bias_hi).unwrap_or(0)),
            });
        }
        IntOp::Add(add) => {
            layer.op = add.spec.form.name();
            layer.detail = format!("{:?}", add.spec.form);
        }
        IntOp::Product(product) => {
            layer.op = "Mul";
            layer.detail = format!("{:?}", product.spec.form);
        }
        IntOp::Table(table) => {
            layer.op = "Table";
            layer.detail = match &table.source {
                TableSource::Requantize => "Requantize".to_owned(),
                TableSource::Clamp(lo, hi) => format!("Clamp {lo} {hi}"),
                TableSource::QLinear(name, _) | TableSource::Float(name, _) => (*name).to_owned(),
                TableSource::Expression(e) => {
                    format!("{} in {} steps", e.name(), e.steps.len())
                }
            };
        }
        IntOp::MaxPool(pool) => {
            layer.op = "MaxPool";
            window = Some(pool.window);
        }
        IntOp::AveragePool(pool) => {
            layer.op = "AveragePool";
            layer.detail = format!("{:?}", pool.spec.form);
            window = Some(pool.window);
        }
        IntOp::Select(select) => {
            layer.op = "Select";
            layer.detail = format!("{:?} by {:?}", select.origin, select.steps);
            layer.detail += if select.exchanged { ", exchanged" } else { "" };
        }
        IntOp::Concat(_) => layer.op = "Concat",
        IntOp::Input(_) | IntOp::Output(_) => {}
    }
    layer.kernel = window.map(|w| w.kernel);
    layer.strides = window.map(|w| w.strides);
    layer.pads = window.map(|w| w.pads);
    layer
}
