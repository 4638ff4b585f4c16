//! Canonical float stage to integer stage: layouts resolved, weights and biases as integers, host steps at the edges.
//!
//! In: a graph after [`super::PIPELINE`]. Out: the integer graph, or every operator that can't run on integers.
//! Guarantees: every integer is canonical (signed); every producer and reader agree on scale and zero point.

mod affine;
mod arrange;
mod conv_transpose;
mod epilogue;
mod host;
mod layer;
mod layout;
mod product;
mod refuse;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use super::fold_expressions::quantization;
use super::integer_clip::params_below;
use super::names::{at, unique};
use crate::arith::{self, AddForm, AddSpec, AverageForm, AverageSpec};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::float::{FloatGraph, integer_width};
use crate::graph::int::{
    Add, Arrangement, AveragePool, HostInput, HostType, IntGraph, IntOp, MaxPool, QFact, Table, TableSource,
};
use crate::graph::{NodeId, Port, Value};
use crate::onnx::model::{DType, Model};
use crate::ops::Op;
use crate::ops::quantization::Params;
use crate::ops::quantized::{Kernel, Quantized};
use layout::Placed;

/// The lowering of one graph.
struct Lower<'a> {
    graph: &'a FloatGraph,
    int: IntGraph,
    placed: BTreeMap<Port, Placed>,
    /// Of each model input the node whose result its integers are.
    inputs: BTreeMap<NodeId, NodeId>,
    nodes: BTreeSet<String>,
    values: BTreeSet<String>,
    /// Of accumulators that leave the chip: bytes of each.
    wide: BTreeMap<Port, usize>,
}

type Lowered<T> = std::result::Result<T, Diagnostic>;

pub(super) fn run(graph: &FloatGraph, model: &Model) -> Result<IntGraph> {
    let faults = refuse::unsupported(graph);
    if !faults.is_empty() {
        return Err(Diagnostics(faults));
    }
    let mut lower = Lower {
        graph,
        int: IntGraph::default(),
        placed: BTreeMap::new(),
        inputs: BTreeMap::new(),
        nodes: BTreeSet::new(),
        values: BTreeSet::new(),
        wide: BTreeMap::new(),
    };
    let mut faults = Vec::new();
    // What depends on a refused node is not judged.
    let mut failed = BTreeSet::new();
    let order = graph.topo().unwrap_or_default();
    lower.inputs_first(&order);
    for id in order {
        if graph.inputs(id).iter().any(|p| failed.contains(&p.node)) {
            failed.insert(id);
        } else if let Err(fault) = lower.node(id) {
            faults.push(fault);
            failed.insert(id);
        }
    }
    for (i, port) in graph.outputs.iter().enumerate().filter(|(_, p)| !failed.contains(&p.node)) {
        let name = model.outputs.get(i).map_or("", |o| o.name.as_str());
        if let Err(fault) = lower.output(*port, name) {
            faults.push(fault);
        }
    }
    if faults.is_empty() { Ok(lower.int) } else { Err(Diagnostics(faults)) }
}

/// The scale and zero point as the integer stage has them; at most 8 bits.
fn fact(graph: &FloatGraph, id: NodeId, params: &Params, shape: [usize; 3]) -> Lowered<QFact> {
    let width = Some(params.bits()).filter(|bits| *bits <= 8);
    let (Some(bits), Some((scale, zero_point))) = (width, params.per_tensor()) else {
        return Err(if width.is_some() {
            at(
                graph,
                id,
                code::INPUT_UNSUPPORTED,
                "an activation is quantized per axis",
                format!("it has {} scales; activations need one", params.scale.len()),
            )
        } else {
            at(
                graph,
                id,
                code::WIDTH_UNSUPPORTED,
                "a bit width is not supported",
                if integer_width(params.dtype).is_some_and(|(bits, _)| bits == params.bits()) {
                    format!("an activation is {:?}", params.dtype)
                } else {
                    format!("an activation has {} bits; 1 to 8 are supported", params.bits())
                },
            )
        });
    };
    let offset = params.offset();
    Ok(QFact {
        shape,
        bits: u8::try_from(bits).unwrap_or(u8::MAX),
        scale,
        // Both fit: the zero point is inside the range of at most 8 bits.
        zero_point: i32::try_from(zero_point - offset).unwrap_or(0),
        source_offset: i32::try_from(offset).unwrap_or(0),
    })
}

/// Canonical bounds of a quantized operator's result.
fn bounds(q: &Quantized) -> (i32, i32) {
    let canonical = |v: i64| i32::try_from(v - q.output.offset()).unwrap_or(0);
    (canonical(q.lo), canonical(q.hi))
}

/// Whether ONNX Runtime's QLinearAdd takes its operands the other way round, which its one rounding of a's term shows:
/// it does where it walks along the innermost axis with one element of a (that is the first axis from the end on
/// which either has more than one).
fn swaps(a: &[usize], b: &[usize]) -> bool {
    let axes = a.iter().rev().zip(b.iter().rev());
    axes.clone().find(|(a, b)| **a > 1 || **b > 1).is_none_or(|(a, _)| *a == 1)
}

impl Lower<'_> {
    /// Lowers the model's inputs in their order, which is that of the integer graph's. Faults come again with their node.
    fn inputs_first(&mut self, order: &[NodeId]) {
        for source in self.graph.ids() {
            if !matches!(self.graph.node(source).op, Op::Input) {
                continue;
            }
            let reads = |id: &NodeId| self.quantizes(*id) == Some(source);
            let first = order.iter().copied().find(reads).unwrap_or(source);
            let _ = self.node(first);
        }
    }

    /// The model's input that a QuantizeLinear reads, prepared or not.
    fn quantizes(&self, id: NodeId) -> Option<NodeId> {
        let Op::Quantize(_) = self.graph.node(id).op else { return None };
        let x = self.graph.inputs(id).first()?.node;
        match self.graph.node(x).op {
            Op::Input => Some(x),
            Op::Prepare(_) => self.graph.inputs(x).first().map(|p| p.node),
            _ => None,
        }
    }

    fn node(&mut self, id: NodeId) -> Lowered<()> {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        match &graph.node(id).op {
            Op::Input => self.integer_input(id),
            Op::Quantize(params) => match self.quantizes(id) {
                Some(source) => self.float_input(id, source, params),
                None => Ok(()),
            },
            Op::Quantized(q) => match &q.kernel {
                Kernel::Softmax(_) => Ok(()),
                _ => self.quantized(id, q),
            },
            Op::MaxPool(pool) => {
                let x = self.natural(id, inputs[0])?;
                let fact = QFact { shape: layout::natural(&graph.value(id.into()).fact.shape), ..x.1 };
                let op = IntOp::MaxPool(MaxPool { window: pool.window });
                self.place(id, op, &[x.0], fact, None);
                Ok(())
            }
            Op::Slice(slice) => {
                let sources = slice.keep.iter().map(|k| k.iter().copied().map(Some).collect()).collect();
                self.select(id, sources, None)
            }
            Op::Space(space) => self.space(id, space),
            Op::Pad(pad) => {
                let shape = &graph.value(inputs[0]).fact.shape;
                let sources = shape.iter().enumerate().map(|(at, &size)| pad.sources(at, size)).collect();
                self.select(id, sources, Some(pad.fill))
            }
            Op::Concat(at) => self.concat(id, *at, None),
            Op::Reshape(_) => {
                if let Some(x) = self.placed.get(&inputs[0]).cloned() {
                    self.placed.insert(id.into(), x);
                }
                if let Some(bytes) = self.wide.get(&inputs[0]).copied() {
                    self.wide.insert(id.into(), bytes);
                }
                Ok(())
            }
            Op::Transpose(perm) => {
                if let Some(x) = self.placed.get(&inputs[0]) {
                    let y = x.transposed(&graph.value(inputs[0]).fact.shape, perm);
                    self.placed.insert(id.into(), y);
                }
                Ok(())
            }
            Op::Const(_)
            | Op::Prepare(_)
            | Op::Dequantize(_)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::Accumulated(..)
            | Op::ArgMax(_)
            | Op::TopK(_)
            // Refused before lowering.
            | Op::Conv(_)
            | Op::ConvTranspose(_)
            | Op::Gemm(_)
            | Op::MatMul
            | Op::Binary(_)
            | Op::BatchNormalization(_)
            | Op::Clip(_)
            | Op::Unary(_)
            | Op::AveragePool(_)
            | Op::Mean(_)
            | Op::Identity
            | Op::Threshold(_)
            | Op::Gather(_)
            | Op::Cast(_) => Ok(()),
        }
    }

    /// Adds an integer node for float-stage node `id` and says where its result lies.
    fn place(&mut self, id: NodeId, op: IntOp, inputs: &[Port], fact: QFact, position: Option<Vec<u32>>) {
        let node = self.graph.node(id);
        let port = self.add(&node.name, &node.outputs[0].name, op, inputs, fact);
        self.placed.insert(id.into(), Placed { port, position });
    }

    fn add(&mut self, node: &str, value: &str, op: IntOp, inputs: &[Port], fact: QFact) -> Port {
        let name = unique(&mut self.nodes, node);
        let value = unique(&mut self.values, value);
        self.int.add(name, op, inputs, vec![Value { name: value, fact }]).into()
    }

    fn integer_input(&mut self, id: NodeId) -> Lowered<()> {
        let value = &self.graph.value(id.into()).fact;
        let dtype = match value.dtype {
            DType::U8 => HostType::U8,
            DType::I8 => HostType::I8,
            // A float input becomes integer at its QuantizeLinear; other types are refused where they are read.
            _ => return Ok(()),
        };
        let prepares = |(reader, _): &(NodeId, u16)| matches!(self.graph.node(*reader).op, Op::Prepare(_));
        if self.placed.contains_key(&id.into()) || self.graph.consumers(id.into()).iter().all(prepares) {
            return Ok(());
        }
        let Some(params) = params_below(self.graph, id, 0) else {
            return Err(at(
                self.graph,
                id,
                code::NOT_QUANTIZED,
                "the scale of an integer input is not known",
                "no quantized operator or DequantizeLinear reads it",
            ));
        };
        self.input(id, id, &params, dtype)
    }

    /// A QuantizeLinear of model input `source`, or of what prepares it.
    fn float_input(&mut self, id: NodeId, source: NodeId, params: &Params) -> Lowered<()> {
        let dtype = match self.graph.value(source.into()).fact.dtype {
            DType::U8 => HostType::U8,
            DType::I8 => HostType::I8,
            _ => HostType::F32,
        };
        if let Some(other) = self.inputs.get(&source).copied() {
            let op = &self.graph.node(other).op;
            let same = self.graph.inputs(other) == self.graph.inputs(id);
            if matches!(op, Op::Quantize(p) if p.same(params)) && same {
                let same = self.placed[&Port::from(other)].clone();
                self.placed.insert(id.into(), same);
                return Ok(());
            }
            let other = super::names::label(self.graph, other);
            return Err(at(
                self.graph,
                id,
                code::INPUT_UNSUPPORTED,
                "an input is quantized twice, differently",
                if same {
                    format!("{other} uses other parameters")
                } else {
                    format!("{other} reads it otherwise")
                },
            )
            .remedy("quantize the input once"));
        }
        self.input(id, source, params, dtype)
    }

    /// The input whose integers are the result of `id`: `source` itself, or a QuantizeLinear behind it.
    fn input(&mut self, id: NodeId, source: NodeId, params: &Params, dtype: HostType) -> Lowered<()> {
        let above = self.graph.inputs(id).first().map(|p| self.graph.node(p.node));
        let prepare = match above.map(|n| &n.op) {
            Some(Op::Prepare(p)) => Some(p.clone()),
            _ => None,
        };
        let onnx_shape = self.graph.value(id.into()).fact.shape.clone();
        let (shape, order) = layout::demanded(self.graph, id.into());
        let fact = fact(self.graph, source, params, shape)?;
        let position = order.as_deref().map(layout::inverse);
        let arrangement = Arrangement { onnx_shape, source: order };
        let quantizes = matches!(self.graph.node(id).op, Op::Quantize(_)) && !params.is_byte();
        let rule = quantizes.then(|| quantization(params)).flatten();
        let op = IntOp::Input(HostInput { dtype, prepare, rule, arrangement });
        // Node and value bear the ONNX input's name, by which the host feeds it.
        let name = self.graph.node(source).name.clone();
        let value = self.graph.value(source.into()).name.clone();
        let port = self.add(&name, &value, op, &[], fact);
        self.placed.insert(id.into(), Placed { port, position });
        self.inputs.insert(source, id);
        Ok(())
    }

    /// Where an integer operand lies, its fact checked against what the reader says of it.
    fn operand(&self, id: NodeId, port: Port, params: Option<&Params>) -> Lowered<(Placed, QFact)> {
        let Some(placed) = self.placed.get(&port) else {
            return Err(refuse::operand(self.graph, id, port));
        };
        let have = self.int.value(placed.port).fact.clone();
        if let Some(params) = params {
            let want = fact(self.graph, id, params, have.shape)?;
            if want != have {
                return Err(at(
                    self.graph,
                    id,
                    code::SCALE_INVALID,
                    format!(
                        "scale or zero point of \"{}\" contradict its producer's",
                        self.graph.value(port).name
                    ),
                    format!(
                        "here {} and {}, at the producer {} and {}",
                        want.scale,
                        want.zero_point + want.source_offset,
                        have.scale,
                        have.zero_point + have.source_offset
                    ),
                ));
            }
        }
        Ok((placed.clone(), have))
    }

    /// An operand whose integers lie in plain channel, row, column order of its ONNX shape, moved there if need be.
    fn natural(&mut self, id: NodeId, port: Port) -> Lowered<(Port, QFact)> {
        let (placed, fact) = self.operand(id, port, None)?;
        let graph = self.graph;
        let shape = &graph.value(port).fact.shape;
        if !matches!(shape.as_slice(), [1, _, _] | [1, _, _, _]) {
            return Err(at(
                self.graph,
                id,
                code::INPUT_UNSUPPORTED,
                "the first axis of a map is not the batch",
                format!("\"{}\" has shape {shape:?}; a sample's maps are [1, C, ..]", graph.value(port).name),
            )
            .remedy("keep the batch axis where the tensor is reshaped or squeezed"));
        }
        let natural = layout::natural(shape);
        if placed.position.is_some() || fact.shape != natural {
            return self.arrange(id, port, natural, &|i| i);
        }
        Ok((placed.port, fact))
    }

    fn layout(&self, id: NodeId, port: Port) -> Diagnostic {
        at(
            self.graph,
            id,
            code::LAYOUT_UNSUPPORTED,
            "a layout change can't be absorbed",
            format!(
                "\"{}\" arrives reshaped or transposed; weights and the graph's edges absorb that, this operator can't, and to \
                 move the elements would take too many layers",
                self.graph.value(port).name
            ),
        )
    }

    fn quantized(&mut self, id: NodeId, q: &Quantized) -> Lowered<()> {
        match &q.kernel {
            Kernel::Conv(conv) => self.conv(id, q, conv),
            Kernel::ConvTranspose(conv) => self.conv_transpose(id, q, conv),
            Kernel::MatMul { alpha, trans_a, trans_b } => self.mat_mul(id, q, *alpha, *trans_a, *trans_b),
            Kernel::Add(form) => self.residual(id, q, *form),
            Kernel::Average(pool, form) => {
                let x = self.graph.inputs(id)[0];
                self.operand(id, x, q.inputs.first())?;
                let (port, xf) = self.natural(id, x)?;
                let shape = layout::natural(&self.graph.value(id.into()).fact.shape);
                let yf = fact(self.graph, id, &q.output, shape)?;
                let (lo, hi) = bounds(q);
                // QLinearAveragePool over the whole map without pads runs as the global operator there.
                let whole = pool.window.kernel == xf.shape[1..] && pool.window.pads == [0; 4];
                let form = match form {
                    AverageForm::QLinear if whole => AverageForm::QLinearGlobal,
                    AverageForm::QLinear | AverageForm::QLinearGlobal | AverageForm::Float => *form,
                };
                let spec =
                    AverageSpec { form, x: (xf.scale, xf.zero_point), y: (yf.scale, yf.zero_point), lo, hi };
                if !(xf.scale / yf.scale).is_finite() {
                    return Err(at(
                        self.graph,
                        id,
                        code::SCALE_INVALID,
                        "the output's scale is too small for the input's",
                        format!("{:?} / {:?} is beyond float32", xf.scale, yf.scale),
                    ));
                }
                let op = AveragePool { window: pool.window, count_include_pad: pool.count_include_pad, spec };
                self.place(id, IntOp::AveragePool(op), &[port], yf, None);
                Ok(())
            }
            Kernel::Table(source) => self.table(id, q, source),
            Kernel::Affine(axis, e) => self.affine(id, q, *axis, e),
            Kernel::Concat(at) => self.concat(id, *at, Some(q)),
            Kernel::Mul(form) => self.product(id, q, *form),
            // The host's.
            Kernel::Softmax(_) => Ok(()),
        }
    }

    fn residual(&mut self, id: NodeId, q: &Quantized, form: AddForm) -> Lowered<()> {
        let inputs = self.graph.inputs(id);
        let [a, b] = self.pair(id, q)?;
        let constant = |p: Port| matches!(self.graph.node(p.node).op, Op::Const(_));
        let shapes = (&self.graph.value(inputs[0]).fact.shape, &self.graph.value(inputs[1]).fact.shape);
        let constants = constant(inputs[0]) || constant(inputs[1]);
        if !constants && shapes.0 != shapes.1 {
            return Err(at(
                self.graph,
                id,
                code::INPUT_UNSUPPORTED,
                format!("{} with broadcasting is not supported", form.name()),
                format!("shapes {:?} and {:?}", shapes.0, shapes.1),
            ));
        }
        let (mut a, mut b) = (a, b);
        if a.0.position != b.0.position || a.1.shape != b.1.shape {
            (a, b) = (self.in_order(id, inputs[0])?, self.in_order(id, inputs[1])?);
        }
        let (a, b) = if form == AddForm::QLinear && swaps(shapes.0, shapes.1) { (b, a) } else { (a, b) };
        let yf = fact(self.graph, id, &q.output, a.1.shape)?;
        let (lo, hi) = bounds(q);
        let side = |f: &QFact| (f.scale, f.zero_point + f.source_offset, f.source_offset);
        let spec = AddSpec { form, a: side(&a.1), b: side(&b.1), y: side(&yf), lo, hi };
        if !spec.is_finite() {
            return Err(at(
                self.graph,
                id,
                code::SCALE_INVALID,
                format!(
                    "the scales of {} lie too far apart",
                    if form == AddForm::Difference { "a subtraction" } else { "an addition" }
                ),
                format!("{:?} and {:?} over {:?} is beyond float32", a.1.scale, b.1.scale, yf.scale),
            ));
        }
        self.place(id, IntOp::Add(Add { spec }), &[a.0.port, b.0.port], yf, a.0.position);
        Ok(())
    }

    fn table(&mut self, id: NodeId, q: &Quantized, source: &TableSource) -> Lowered<()> {
        let x = self.graph.inputs(id)[0];
        let (placed, xf) = self.operand(id, x, q.inputs.first())?;
        let yf = fact(self.graph, id, &q.output, xf.shape)?;
        let compute = |source: &TableSource, x: &QFact| {
            arith::unary_table(source, x, &yf).ok_or_else(|| refuse::no_table(self.graph, id, source, x, &yf))
        };
        let table = compute(source, &xf)?;
        let (lo, hi) = bounds(q);
        let clamp = TableSource::Clamp(lo, hi);
        let bites = *source != clamp && table.iter().any(|v| i32::from(*v) < lo || i32::from(*v) > hi);
        if !bites {
            let op = IntOp::Table(Table { table, source: source.clone() });
            self.place(id, op, &[placed.port], yf, placed.position);
            return Ok(());
        }
        let second = compute(&clamp, &yf)?;
        let node = self.graph.node(id);
        let (name, value) =
            (format!("{}_unclipped", node.name), format!("{}_unclipped", node.outputs[0].name));
        let op = IntOp::Table(Table { table, source: source.clone() });
        let first = self.add(&name, &value, op, &[placed.port], yf.clone());
        let op = IntOp::Table(Table { table: second, source: clamp });
        self.place(id, op, &[first], yf, placed.position);
        Ok(())
    }
}
