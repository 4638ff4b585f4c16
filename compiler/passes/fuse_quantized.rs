//! Fuses DequantizeLinear, an operator with its Relu or Clip, and QuantizeLinear into the canonical quantized operator.
//!
//! It looks up from every QuantizeLinear, so DequantizeLinear nodes may have any number of readers.
//!
//! Which formula: ONNX Runtime 1.32 (all optimisations, `session.qdqisint8allowed=1`) replaces the pattern by its own
//! QLinear kernel for Add, Mul, AveragePool, GlobalAveragePool, Sigmoid, LeakyRelu and Softmax when
//! - DequantizeLinear and QuantizeLinear stand directly at the operator (no Reshape between),
//! - all element types are equal, and the operator's result is read by this QuantizeLinear alone,
//! - a Relu between them is implied by the output (its zero point is the least integer); a Clip likewise, and then only
//!   where scales are rank-0 tensors,
//! - for Add and Mul: every scale is a rank-0 tensor (shape `[1]` prevents it).
//!
//! Otherwise it computes in float32. For Conv, ConvTranspose, Gemm and MatMul the integer form is taken always: their
//! one formula is the rescaled int32 accumulator. (ONNX Runtime has no such form of ConvTranspose and computes it in
//! float32, so that its byte may be a neighbour near a tie.)

use ndarray::arr1;

use super::names::{Names, at, swap_names, uses};
use crate::arith::{AddForm, AverageForm, ProductForm, Rule};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::float::{Fact, FloatGraph};
use crate::graph::int::TableSource;
use crate::graph::{NodeId, Port};
use crate::onnx::model::{DType, Tensor, TensorData};
use crate::ops::Op;
use crate::ops::average_pool::Origin;
use crate::ops::binary::Binary;
use crate::ops::clip::Clip;
use crate::ops::gemm::per_column;
use crate::ops::quantization::Params;
use crate::ops::quantized::{Kernel, Quantized};

/// Relative difference of a bias scale from x_scale * w_scale that rounding in the exporter explains.
const BIAS_SCALE_TOLERANCE: f64 = 1e-5;

/// What a QuantizeLinear becomes.
struct Fused {
    op: Quantized,
    inputs: Vec<Port>,
}

type Found = std::result::Result<Option<Fused>, Diagnostic>;

/// The patterns that ONNX Runtime computes with QLinear formulas; run before layout operators move.
pub(super) fn run_qlinear(graph: &mut FloatGraph) -> Result<()> {
    rewrite(graph, qlinear)
}

/// Everything else.
pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    rewrite(graph, any)
}

fn rewrite(graph: &mut FloatGraph, find: fn(&mut FloatGraph, &mut Names, &Chain) -> Found) -> Result<()> {
    let mut names = Names::of(graph);
    let mut faults = Vec::new();
    for id in graph.topo().unwrap_or_default() {
        let Some(chain) = Chain::above(graph, id) else { continue };
        match find(graph, &mut names, &chain) {
            Ok(None) => {}
            Ok(Some(fused)) => replace(graph, &chain, fused),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Diagnostics(faults)) }
}

/// A QuantizeLinear, the Relus and Clips above it (nearest to the operator first), and the operator.
struct Chain {
    quantize: NodeId,
    y: Params,
    clips: Vec<Clip>,
    core: Port,
    /// Nothing else reads the operator or the clips.
    private: bool,
}

impl Chain {
    fn above(graph: &FloatGraph, id: NodeId) -> Option<Chain> {
        let Op::Quantize(y) = &graph.node(id).op else { return None };
        let mut core = *graph.inputs(id).first()?;
        let mut clips = Vec::new();
        let mut private = uses(graph, core) == 1;
        while let Op::Clip(clip) = graph.node(core.node).op {
            clips.insert(0, clip);
            core = *graph.inputs(core.node).first()?;
            private &= uses(graph, core) == 1;
        }
        Some(Chain { quantize: id, y: y.clone(), clips, core, private })
    }

    /// Bounds of the file's integers: the type's, narrowed by the clips.
    fn bounds(&self) -> (i64, i64) {
        self.clips.iter().fold(self.y.range(), |(lo, hi), clip| {
            // Quantization is monotone, so clipping commutes with it.
            let min = clip.min.map_or(i64::MIN, |v| self.y.quantize(v, 0));
            let max = clip.max.map_or(i64::MAX, |v| self.y.quantize(v, 0));
            (lo.max(min).min(max), hi.max(min).min(max))
        })
    }

    /// Whether ONNX Runtime removes the clips because the output's range implies them.
    fn clips_implied(&self) -> bool {
        let Some((scale, zero)) = self.y.per_tensor() else { return false };
        let (lo, hi) = self.y.range();
        let real = |q: i64| scale * (q - zero) as f32;
        self.clips.iter().all(|clip| match *clip {
            Clip { min: Some(0.0), max: None } => zero == lo,
            Clip { min, max } => {
                self.y.scalar && min.is_none_or(|v| v <= real(lo)) && max.is_none_or(|v| v >= real(hi))
            }
        })
    }

    fn quantized(&self, kernel: Kernel, inputs: Vec<Params>) -> Quantized {
        let (lo, hi) = self.bounds();
        Quantized { kernel, inputs, output: self.y.clone(), lo, hi, epilogue: None }
    }
}

/// The quantized tensor and parameters behind a DequantizeLinear.
fn dequantized(graph: &FloatGraph, port: Port) -> Option<(Port, Params)> {
    match &graph.node(port.node).op {
        Op::Dequantize(p) => Some((*graph.inputs(port.node).first()?, p.clone())),
        _ => None,
    }
}

fn qlinear(graph: &mut FloatGraph, _: &mut Names, chain: &Chain) -> Found {
    if !chain.private || !chain.clips_implied() {
        return Ok(None);
    }
    let operands: Option<Vec<_>> =
        graph.inputs(chain.core.node).into_iter().map(|p| dequantized(graph, p)).collect();
    let Some(operands) = operands else { return Ok(None) };
    if operands.is_empty() || operands.iter().any(|(_, p)| p.dtype != chain.y.dtype || p.axis.is_some()) {
        return Ok(None);
    }
    if !chain.y.is_byte() || !operands.iter().all(|(_, p)| p.is_byte()) {
        return Ok(None);
    }
    let kernel = match &graph.node(chain.core.node).op {
        Op::Binary(Binary::Add) if chain.y.scalar && operands.iter().all(|(_, p)| p.scalar) => {
            Kernel::Add(AddForm::QLinear)
        }
        Op::Binary(Binary::Mul) if chain.y.scalar && operands.iter().all(|(_, p)| p.scalar) => {
            Kernel::Mul(ProductForm::QLinear)
        }
        Op::AveragePool(p) => match p.origin {
            // ONNX Runtime's quantized kernel has no dilations; its own fusion writes a node that it then refuses.
            Origin::Pool if p.window.dilations != [1, 1] => return Ok(None),
            Origin::Pool => Kernel::Average(*p, AverageForm::QLinear),
            Origin::Global => Kernel::Average(*p, AverageForm::QLinearGlobal),
            Origin::Mean => return Ok(None),
        },
        Op::Unary(f) => match f.qlinear {
            Some(name) => Kernel::Table(TableSource::QLinear(name, f.attributes.clone())),
            None => return Ok(None),
        },
        Op::Softmax(axis) => Kernel::Softmax(*axis),
        _ => return Ok(None),
    };
    let (inputs, params) = operands.into_iter().unzip();
    Ok(Some(Fused { op: chain.quantized(kernel, params), inputs }))
}

fn any(graph: &mut FloatGraph, names: &mut Names, chain: &Chain) -> Found {
    let core = chain.core.node;
    let op = graph.node(core).op.clone();
    let inputs = graph.inputs(core);
    match &op {
        // The formulas below round to nearest and then add the zero point.
        Op::Binary(_) | Op::AveragePool(_) if !chain.y.is_nearest() => Ok(None),
        // A pass has given those of QONNX what float32 makes of the accumulator.
        Op::Conv(_) | Op::ConvTranspose(_) | Op::Gemm(_) | Op::MatMul if chain.y.rule != Rule::Onnx => {
            Ok(None)
        }
        Op::Dequantize(p) => {
            let x = inputs[0];
            if p.axis.is_some() || chain.y.axis.is_some() {
                return Ok(None);
            }
            let quantized = if p.same(&chain.y) && chain.y.is_settled() {
                let (lo, hi) = chain.bounds();
                if (lo, hi) == chain.y.range() {
                    pass_through(graph, chain, inputs[0], x);
                    return Ok(None);
                }
                let canonical = |v: i64| i32::try_from(v - p.offset()).unwrap_or(0);
                Quantized {
                    kernel: Kernel::Table(TableSource::Clamp(canonical(lo), canonical(hi))),
                    inputs: vec![p.clone()],
                    output: p.clone(),
                    lo,
                    hi,
                    epilogue: None,
                }
            } else if chain.y.is_byte() {
                chain.quantized(Kernel::Table(TableSource::Requantize), vec![p.clone()])
            } else {
                return Ok(None);
            };
            Ok(Some(Fused { op: quantized, inputs: vec![x] }))
        }
        Op::Conv(conv) => {
            let Some((x, w, wp)) = layer(graph, core)? else { return Ok(None) };
            let channels = graph.value(inputs[1]).fact.shape[0];
            along(graph, core, &wp, 0)?;
            let layer = Layer { core, x: &x.1, w: &wp, channels, alpha: 1.0, beta: 1.0 };
            let mut operands = vec![x.0, w];
            operands.extend(layer.bias(graph, names, inputs.get(2).copied())?);
            Ok(Some(Fused {
                op: chain.quantized(Kernel::Conv(*conv), vec![x.1.clone(), wp]),
                inputs: operands,
            }))
        }
        Op::ConvTranspose(conv) => {
            let Some((x, w, wp)) = layer(graph, core)? else { return Ok(None) };
            let channels = graph.value(inputs[1]).fact.shape[1] * conv.groups;
            along(graph, core, &wp, 1)?;
            let weights = conv.per_output(&wp, channels);
            let layer = Layer { core, x: &x.1, w: &weights, channels, alpha: 1.0, beta: 1.0 };
            let mut operands = vec![x.0, w];
            operands.extend(layer.bias(graph, names, inputs.get(2).copied())?);
            Ok(Some(Fused {
                op: chain.quantized(Kernel::ConvTranspose(*conv), vec![x.1.clone(), wp]),
                inputs: operands,
            }))
        }
        Op::Gemm(_) | Op::MatMul => {
            let Some((x, w, wp)) = layer(graph, core)? else { return Ok(None) };
            let (alpha, beta, trans_a, trans_b) = match &op {
                Op::Gemm(g) => (g.alpha, g.beta, g.trans_a, g.trans_b),
                _ => (1.0, 1.0, false, false),
            };
            let column = if trans_b { 0 } else { 1 };
            let channels = graph.value(inputs[1]).fact.shape[column];
            if wp.axis.is_some_and(|a| a != column) {
                return Err(at(
                    graph,
                    core,
                    code::INPUT_UNSUPPORTED,
                    "the weights are quantized along the wrong axis",
                    format!(
                        "axis {:?}; only per output column (axis {column}) or per tensor is supported",
                        wp.axis
                    ),
                ));
            }
            let layer = Layer { core, x: &x.1, w: &wp, channels, alpha, beta };
            let mut operands = vec![x.0, w];
            operands.extend(layer.bias(graph, names, inputs.get(2).copied())?);
            let kernel = Kernel::MatMul { alpha, trans_a, trans_b };
            Ok(Some(Fused { op: chain.quantized(kernel, vec![x.1.clone(), wp]), inputs: operands }))
        }
        Op::Binary(kind @ (Binary::Add | Binary::Sub | Binary::Mul)) => {
            let (Some(a), Some(b)) = (dequantized(graph, inputs[0]), dequantized(graph, inputs[1])) else {
                return Ok(None);
            };
            let kernel = match kind {
                Binary::Mul => Kernel::Mul(ProductForm::Float),
                Binary::Sub => Kernel::Add(AddForm::Difference),
                _ => Kernel::Add(AddForm::Float),
            };
            let op = chain.quantized(kernel, vec![a.1, b.1]);
            Ok(Some(Fused { op, inputs: vec![a.0, b.0] }))
        }
        Op::AveragePool(p) => Ok(dequantized(graph, inputs[0]).map(|(x, q)| Fused {
            op: chain.quantized(Kernel::Average(*p, AverageForm::Float), vec![q]),
            inputs: vec![x],
        })),
        Op::Unary(_) if !chain.y.is_byte() => Ok(None),
        Op::Unary(f) => Ok(dequantized(graph, inputs[0]).map(|(x, q)| Fused {
            op: chain.quantized(Kernel::Table(TableSource::Float(f.name, f.attributes.clone())), vec![q]),
            inputs: vec![x],
        })),
        _ => Ok(None),
    }
}

/// QuantizeLinear of DequantizeLinear of x with equal parameters is x. Where x is a selecting operator that only this
/// pair reads, it takes the place of the QuantizeLinear, so that the file's name of the tensor survives.
fn pass_through(graph: &mut FloatGraph, chain: &Chain, float: Port, x: Port) {
    let selects = matches!(
        graph.node(x.node).op,
        Op::Reshape(_) | Op::Transpose(_) | Op::MaxPool(_) | Op::Slice(_) | Op::Space(_) | Op::Pad(_)
    );
    if selects && uses(graph, x) == 1 && uses(graph, float) == 1 && chain.clips.is_empty() {
        let (op, inputs) = (graph.node(x.node).op.clone(), graph.inputs(x.node));
        swap_names(graph, chain.quantize, x.node);
        graph.node_mut(chain.quantize).op = op;
        graph.set_inputs(chain.quantize, &inputs);
    } else {
        graph.replace_uses(chain.quantize.into(), x);
    }
}

type Operands = ((Port, Params), Port, Params);

/// Refuses weights that are quantized along another axis than the output channels'.
fn along(graph: &FloatGraph, core: NodeId, w: &Params, axis: usize) -> std::result::Result<(), Diagnostic> {
    if w.axis.is_none_or(|a| a == axis) {
        return Ok(());
    }
    let cause =
        format!("axis {:?}; only per output channel (axis {axis}) or per tensor is supported", w.axis);
    let problem = "the weights are quantized along the wrong axis";
    Err(at(graph, core, code::INPUT_UNSUPPORTED, problem, cause))
}

/// Quantized x and constant quantized weights of a Conv, ConvTranspose, Gemm or MatMul; `None` if it is not quantized.
fn layer(graph: &FloatGraph, core: NodeId) -> std::result::Result<Option<Operands>, Diagnostic> {
    let inputs = graph.inputs(core);
    let (x, w) = (dequantized(graph, inputs[0]), dequantized(graph, inputs[1]));
    let (Some(x), Some((w, wp))) = (x, w) else { return Ok(None) };
    if !matches!(graph.node(w.node).op, Op::Const(_)) {
        return Err(at(
            graph,
            core,
            code::INPUT_UNSUPPORTED,
            "the weights are not constant",
            format!("operand \"{}\" is computed", graph.value(inputs[1]).name),
        )
        .remedy("matrix products of two activations are not supported yet"));
    }
    Ok(Some((x, w, wp)))
}

struct Layer<'a> {
    core: NodeId,
    x: &'a Params,
    w: &'a Params,
    channels: usize,
    alpha: f32,
    beta: f32,
}

impl Layer<'_> {
    /// The accumulator's scale of a channel: fl32(fl32(alpha * x_scale) * w_scale).
    fn scale(&self, channel: usize) -> f32 {
        let x = self.x.scale.first().copied().unwrap_or(1.0);
        self.alpha * x * self.w.scale[channel.min(self.w.scale.len() - 1)]
    }

    fn fault(&self, graph: &FloatGraph, cause: String) -> Diagnostic {
        at(
            graph,
            self.core,
            code::SCALE_INVALID,
            "the bias can't be expressed at the accumulator's scale",
            cause,
        )
        .remedy(if (self.alpha, self.beta) == (1.0, 1.0) {
            "quantize the bias to int32 with scale x_scale * w_scale and zero point 0"
        } else {
            "multiply the weights by alpha and the bias by beta before quantizing, so that both attributes are 1"
        })
    }

    /// The bias as an int32 constant, one value per channel, at the accumulator's scale.
    ///
    /// A float bias is quantized as ONNX Runtime does: rne(b / (x_scale * w_scale)).
    fn bias(
        &self,
        graph: &mut FloatGraph,
        names: &mut Names,
        bias: Option<Port>,
    ) -> std::result::Result<Option<Port>, Diagnostic> {
        let Some(port) = bias else { return Ok(None) };
        if self.beta == 0.0 {
            return Ok(None);
        }
        let constant = |port: Port| match &graph.node(port.node).op {
            Op::Const(t) => Some(t),
            _ => None,
        };
        let spread = |n: usize, i: usize| if n == 1 { 0 } else { i };
        let integers: Vec<i64> = if let Some((q, p)) = dequantized(graph, port) {
            let Some(Tensor { data: TensorData::Int(q), .. }) = constant(q) else {
                return Err(self.fault(graph, "the bias is not constant".into()));
            };
            if self.beta != 1.0 {
                return Err(self
                    .fault(graph, format!("the attribute `beta` = {} scales a quantized bias", self.beta)));
            }
            self.fits(graph, q.shape())?;
            let q: Vec<i64> = q.iter().copied().collect();
            let mut out = Vec::with_capacity(self.channels);
            for i in 0..self.channels {
                let from = spread(q.len(), i);
                let (scale, zero) =
                    (p.scale[spread(p.scale.len(), from)], p.zero_point[spread(p.scale.len(), from)]);
                let want = self.scale(i);
                let value = q[from] - zero;
                // Not a number, or infinite, where the accumulator's scale is 0.
                let off = (f64::from(scale) / f64::from(want) - 1.0).abs();
                if value != 0 && (off.is_nan() || off > BIAS_SCALE_TOLERANCE) {
                    return Err(self.fault(
                        graph,
                        match self.alpha {
                            1.0 => format!("channel {i}: the bias has scale {scale}, the accumulator {want}"),
                            alpha => format!(
                                "channel {i}: the bias has scale {scale}, the accumulator {want} with the \
                                 attribute `alpha` = {alpha}"
                            ),
                        },
                    ));
                }
                out.push(value);
            }
            out
        } else {
            let Some(Tensor { dtype: DType::F32, data: TensorData::Float(b) }) = constant(port) else {
                return Err(
                    self.fault(graph, "the bias is neither a constant nor its DequantizeLinear".into())
                );
            };
            self.fits(graph, b.shape())?;
            let b: Vec<f32> = b.iter().map(|v| *v as f32 * self.beta).collect();
            let mut out = Vec::with_capacity(self.channels);
            for i in 0..self.channels {
                let value = b[spread(b.len(), i)];
                if !value.is_finite() {
                    return Err(self.fault(graph, format!("channel {i}: the bias is {value}")));
                }
                // A channel without bias needs no scale. Of others `as` saturates, and int64's bounds are refused below.
                let steps = if value == 0.0 { 0.0 } else { (value / self.scale(i)).round_ties_even() };
                out.push(steps as i64);
            }
            out
        };
        if let Some(i) = integers.iter().position(|v| i32::try_from(*v).is_err()) {
            return Err(at(
                graph,
                self.core,
                code::ACCUMULATOR_OVERFLOW,
                "a bias does not fit int32",
                format!("channel {i}: {} steps of the accumulator's scale", integers[i]),
            ));
        }
        let name = format!("{}_int32", graph.value(port).name);
        let op = Op::Const(Tensor { dtype: DType::I32, data: TensorData::Int(arr1(&integers).into_dyn()) });
        let id = names.add(graph, &name, &name, op, &[], Fact::new(DType::I32, [integers.len()]));
        Ok(Some(id.into()))
    }

    /// Whether the bias is one value, or one per output channel. A Gemm's may also have one per row, which no layer has.
    fn fits(&self, graph: &FloatGraph, shape: &[usize]) -> std::result::Result<(), Diagnostic> {
        if per_column(shape, self.channels) {
            return Ok(());
        }
        Err(at(
            graph,
            self.core,
            code::INPUT_UNSUPPORTED,
            "the bias is not one value per output channel",
            format!("its shape is {shape:?}, with {} output channels", self.channels),
        ))
    }
}

/// The QuantizeLinear turns into the quantized operator and takes the ONNX operator's name.
fn replace(graph: &mut FloatGraph, chain: &Chain, fused: Fused) {
    let id = chain.quantize;
    if !matches!(graph.node(chain.core.node).op, Op::Dequantize(_)) {
        swap_names(graph, id, chain.core.node);
    }
    graph.set_inputs(id, &fused.inputs);
    graph.node_mut(id).op = Op::Quantized(fused.op);
}
