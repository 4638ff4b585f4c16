//! Makes several operators between two quantized tensors one table, where all operands stem from the first one.
//!
//! Looked at are each QuantizeLinear that is left, each product and each addition. Its operands are followed up to the
//! nearest integer tensor of which they all are elementwise functions, through float operators, tables and
//! conversions; constants count if all their elements are equal. What lies between keeps its own rounding: it becomes
//! a step of the table's expression. Constants with an element for each channel (along one axis, the same for all), and
//! BatchNormalization, make a function for each channel: it is taken where it is a straight line.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayD;

use super::names::swap_names;
use super::prepare_input;
use crate::arith::{AddForm, ProductForm, host, line};
use crate::diag::Result;
use crate::graph::expression::{Expression, Operand, Quantization, Quantized as Integer, Step};
use crate::graph::float::{FloatGraph, integer_width, is_float};
use crate::graph::int::TableSource;
use crate::graph::{NodeId, Port};
use crate::onnx::model::{DType, Tensor, TensorData};
use crate::ops::Op;
use crate::ops::binary::Binary;
use crate::ops::clip::Clip;
use crate::ops::quantization::Params;
use crate::ops::quantized::{Kernel, Quantized};

/// Most steps of an expression; every table that is inlined adds its own.
const MOST: usize = 64;

/// What a value is a function of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// Nothing.
    Constant,
    /// One integer tensor.
    At(Port),
}

/// Of each value its base, and of each integer tensor the one that it is a function of.
#[derive(Default)]
struct Origins {
    base: BTreeMap<Port, Base>,
    above: BTreeMap<Port, Port>,
}

impl Origins {
    fn of(graph: &FloatGraph, order: &[NodeId]) -> Origins {
        let mut origins = Origins::default();
        for &id in order {
            let inputs = graph.inputs(id);
            let all = || {
                let mut bases = inputs.iter().map(|p| origins.base.get(p).copied());
                let first = bases.next()??;
                bases.try_fold(first, |a, b| origins.common(a, b?))
            };
            let base = match &graph.node(id).op {
                Op::Const(t) => (t.dtype == DType::F32 || element(t).is_some()).then_some(Base::Constant),
                Op::Dequantize(_) if inputs.iter().all(|p| constant(graph, *p)) => Some(Base::Constant),
                Op::Clip(_) if !is_float(graph.value(id.into()).fact.dtype) => None,
                Op::Dequantize(_) | Op::Unary(_) | Op::Clip(_) | Op::Binary(_) | Op::Quantize(_) => all(),
                Op::BatchNormalization(_) | Op::Threshold(_) => all(),
                Op::Quantized(q) => match &q.kernel {
                    Kernel::Table(_) | Kernel::Add(_) | Kernel::Mul(_) => all(),
                    Kernel::Conv(_)
                    | Kernel::ConvTranspose(_)
                    | Kernel::MatMul { .. }
                    | Kernel::Average(..)
                    | Kernel::Affine(..)
                    | Kernel::Softmax(_)
                    | Kernel::Concat(_) => None,
                },
                Op::Input
                | Op::Conv(_)
                | Op::ConvTranspose(_)
                | Op::Gemm(_)
                | Op::MatMul
                | Op::MaxPool(_)
                | Op::AveragePool(_)
                | Op::Mean(_)
                | Op::Reshape(_)
                | Op::Transpose(_)
                | Op::Identity
                | Op::Softmax(_)
                | Op::LogSoftmax(_)
                | Op::Accumulated(..)
                | Op::ArgMax(_)
                | Op::TopK(_)
                | Op::Gather(_)
                | Op::Concat(_)
                | Op::Slice(_)
                | Op::Space(_)
                | Op::Pad(_)
                | Op::Cast(_)
                | Op::Prepare(_) => None,
            };
            let port = Port::from(id);
            let integers = narrow(graph.value(port).fact.dtype);
            if let (true, Some(Base::At(above))) = (integers, base) {
                origins.above.insert(port, above);
            }
            let own = if integers && base != Some(Base::Constant) && !constant(graph, port) {
                Some(Base::At(port))
            } else {
                base
            };
            if let Some(base) = own {
                origins.base.insert(port, base);
            }
        }
        origins
    }

    /// The nearest tensor that both are functions of.
    fn common(&self, a: Base, b: Base) -> Option<Base> {
        let (Base::At(mut a), Base::At(mut b)) = (a, b) else {
            return Some(if a == Base::Constant { b } else { a });
        };
        let mut seen = BTreeSet::from([a]);
        while let Some(above) = self.above.get(&a) {
            a = *above;
            seen.insert(a);
        }
        while !seen.contains(&b) {
            b = *self.above.get(&b)?;
        }
        Some(Base::At(b))
    }
}

fn constant(graph: &FloatGraph, port: Port) -> bool {
    matches!(graph.node(port.node).op, Op::Const(_))
}

/// Whether a value is a constant of several different elements, or its DequantizeLinear.
pub(super) fn several(graph: &FloatGraph, port: Port) -> bool {
    match &graph.node(port.node).op {
        Op::Const(t) => element(t).is_none(),
        Op::Dequantize(_) => graph.inputs(port.node).iter().any(|p| several(graph, *p)),
        _ => false,
    }
}

/// The element of a constant whose elements are all equal.
fn element(t: &Tensor) -> Option<Operand> {
    match (&t.data, t.dtype) {
        (TensorData::Float(v), DType::F32) => {
            let first = *v.first()?;
            // Exact: the tensor holds float32 values widened to f64.
            v.iter().all(|x| *x == first).then_some(Operand::Float(first as f32))
        }
        (TensorData::Int(v), DType::U8 | DType::I8) if v.len() == 1 => {
            let offset = if t.dtype == DType::U8 { 128 } else { 0 };
            i32::try_from(*v.first()? - offset).ok().map(Operand::Integer)
        }
        (TensorData::Float(_) | TensorData::Int(_), _) => None,
    }
}

/// Parameters of a whole tensor of at most 8 bits.
pub(super) fn quantization(p: &Params) -> Option<Quantization> {
    let (scale, zero_point) = p.per_tensor()?;
    if p.bits() > 8 {
        return None;
    }
    let canonical = |v: i64| i32::try_from(v - p.offset()).ok();
    Some(Quantization {
        scale,
        zero_point: canonical(zero_point)?,
        offset: i32::try_from(p.offset()).ok()?,
        bounds: (canonical(p.lo)?, canonical(p.hi)?),
        rule: p.rule,
    })
}

/// Whether a tensor's elements are integers of at most 8 bits, as far as its type says.
fn narrow(dtype: DType) -> bool {
    integer_width(dtype).is_some_and(|(bits, _)| bits <= 8)
}

struct Builder<'a> {
    graph: &'a FloatGraph,
    x: Port,
    /// How x is read.
    params: Option<Params>,
    known: BTreeMap<Port, Operand>,
    expression: Expression,
    /// Of x: that of the constants.
    axis: Option<usize>,
}

impl Builder<'_> {
    fn push(&mut self, step: Step) -> Option<Operand> {
        let steps = &mut self.expression.steps;
        steps.push(step);
        (steps.len() <= MOST).then(|| Operand::Step(steps.len() - 1))
    }

    /// A constant with an element for each of an axis of x, or one for all.
    fn along(&mut self, axis: usize, values: Vec<f32>) -> Option<Operand> {
        let first = *values.first()?;
        if values.iter().all(|v| *v == first) {
            return Some(Operand::Float(first));
        }
        let fits = *self.axis.get_or_insert(axis) == axis && values.iter().all(|v| v.is_finite());
        let constants = &mut self.expression.constants;
        constants.push(values);
        fits.then(|| Operand::Channel(constants.len() - 1))
    }

    /// A constant of several elements that is broadcast to x.
    fn constant(&mut self, port: Port) -> Option<Operand> {
        let values = prepare_input::constant(self.graph, port)?;
        let shape = &self.graph.value(self.x).fact.shape;
        let before = shape.len().checked_sub(values.ndim())?;
        let mut several = (0..values.ndim()).filter(|&d| values.shape()[d] > 1);
        let (axis, None) = (several.next()?, several.next()) else { return None };
        if shape[before + axis] != values.shape()[axis] {
            return None;
        }
        self.along(before + axis, values.iter().copied().collect())
    }

    fn batch_normalization(&mut self, inputs: &[Port], epsilon: f32) -> Option<Operand> {
        let x = self.operand(inputs[0])?;
        let statistics: Option<Vec<_>> =
            inputs[1..].iter().map(|p| prepare_input::constant(self.graph, *p)).collect();
        let (factors, summands) = batch_normalization(&statistics?, epsilon)?;
        if !factors.iter().chain(&summands).all(|v| v.is_finite()) {
            return None;
        }
        let (factor, summand) = (self.along(1, factors)?, self.along(1, summands)?);
        self.push(Step::BatchNormalization([x, factor, summand]))
    }

    /// Where a value is, after the steps that compute it.
    fn operand(&mut self, port: Port) -> Option<Operand> {
        if port == self.x {
            return Some(Operand::X);
        }
        if let Some(known) = self.known.get(&port) {
            return Some(*known);
        }
        let graph = self.graph;
        let inputs = graph.inputs(port.node);
        let operand = match &graph.node(port.node).op {
            Op::Const(t) => element(t).or_else(|| self.constant(port)),
            Op::Dequantize(_) if several(graph, inputs[0]) => self.constant(port),
            // Other integers than bytes have no place in an expression, their real values have.
            Op::Dequantize(p) if constant(graph, inputs[0]) && !p.is_byte() => {
                prepare_input::constant(graph, port)?.first().copied().map(Operand::Float)
            }
            Op::BatchNormalization(epsilon) => self.batch_normalization(&inputs, *epsilon),
            Op::Dequantize(p) => {
                let x = self.integer(inputs[0], p)?;
                self.push(Step::Dequantize(x))
            }
            Op::Quantize(p) => {
                let x = self.operand(inputs[0])?;
                self.push(Step::Quantize(x, quantization(p)?))
            }
            Op::Unary(f) => {
                let x = self.operand(inputs[0])?;
                self.push(Step::Function(f.name, f.attributes.clone(), x))
            }
            Op::Clip(clip) => {
                let x = self.operand(inputs[0])?;
                let (name, attributes) = match *clip {
                    Clip { min: Some(0.0), max: None } => ("Relu", Vec::new()),
                    Clip { min, max } => {
                        let bounds = [("min", min), ("max", max)];
                        ("Clip", bounds.into_iter().filter_map(|(n, v)| Some((n, v?))).collect())
                    }
                };
                self.push(Step::Function(name, attributes, x))
            }
            Op::Binary(kind) => {
                let operands = [self.operand(inputs[0])?, self.operand(inputs[1])?];
                self.push(Step::Arithmetic(*kind, operands))
            }
            Op::Threshold(t) => {
                let x = self.operand(inputs[0])?;
                let thresholds = (0..t.values.len() - 1).map(|k| {
                    let column: Vec<f32> = t.thresholds.iter().map(|row| row[k]).collect();
                    self.along(t.axis, column)
                });
                let thresholds = thresholds.collect::<Option<Vec<_>>>()?;
                self.push(Step::Threshold(x, thresholds, t.values.clone()))
            }
            Op::Quantized(q) => self.quantized(q, &inputs),
            _ => None,
        }?;
        self.known.insert(port, operand);
        Some(operand)
    }

    /// An integer operand that is read by the parameters given.
    fn integer(&mut self, port: Port, params: &Params) -> Option<Integer> {
        if port == self.x && !self.params.get_or_insert_with(|| params.clone()).same(params) {
            return None;
        }
        Some((self.operand(port)?, quantization(params)?))
    }

    fn quantized(&mut self, q: &Quantized, inputs: &[Port]) -> Option<Operand> {
        let y = quantization(&q.output)?;
        let result = match &q.kernel {
            Kernel::Table(source) => {
                let x = self.integer(*inputs.first()?, q.inputs.first()?)?;
                self.table(source, x, y)?
            }
            Kernel::Add(AddForm::Float | AddForm::Difference) | Kernel::Mul(ProductForm::Float) => {
                let kind = match &q.kernel {
                    Kernel::Mul(_) => Binary::Mul,
                    Kernel::Add(AddForm::Difference) => Binary::Sub,
                    _ => Binary::Add,
                };
                let a = self.integer(inputs[0], &q.inputs[0])?;
                let b = self.integer(inputs[1], &q.inputs[1])?;
                let a = self.push(Step::Dequantize(a))?;
                let b = self.push(Step::Dequantize(b))?;
                let sum = self.push(Step::Arithmetic(kind, [a, b]))?;
                self.push(Step::Quantize(sum, y))?
            }
            Kernel::Add(AddForm::QLinear) | Kernel::Mul(ProductForm::QLinear) => {
                let mut a = self.integer(inputs[0], &q.inputs[0])?;
                let mut b = self.integer(inputs[1], &q.inputs[1])?;
                // ONNX Runtime's kernels take a scalar as the second operand.
                if matches!(a.0, Operand::Integer(_)) {
                    std::mem::swap(&mut a, &mut b);
                }
                let kind = if matches!(q.kernel, Kernel::Mul(_)) { Binary::Mul } else { Binary::Add };
                self.push(Step::QLinearArithmetic(kind, [a, b], y))?
            }
            Kernel::Conv(_)
            | Kernel::ConvTranspose(_)
            | Kernel::MatMul { .. }
            | Kernel::Average(..)
            | Kernel::Affine(..)
            | Kernel::Softmax(_)
            | Kernel::Concat(_) => {
                return None;
            }
        };
        if (q.lo, q.hi) == q.output.range() {
            return Some(result);
        }
        let canonical = |v: i64| i32::try_from(v - q.output.offset()).ok();
        self.push(Step::Clamp((result, y), canonical(q.lo)?, canonical(q.hi)?))
    }

    fn table(&mut self, source: &TableSource, x: Integer, y: Quantization) -> Option<Operand> {
        match source {
            TableSource::Requantize => {
                let v = self.push(Step::Dequantize(x))?;
                self.push(Step::Quantize(v, y))
            }
            TableSource::Clamp(lo, hi) => self.push(Step::Clamp(x, *lo, *hi)),
            TableSource::QLinear(name, attributes) => {
                self.push(Step::QLinearFunction(name, attributes.clone(), x, y))
            }
            TableSource::Float(name, attributes) => {
                let v = self.push(Step::Dequantize(x))?;
                let v = self.push(Step::Function(name, attributes.clone(), v))?;
                self.push(Step::Quantize(v, y))
            }
            TableSource::Expression(e) => {
                let before = self.expression.steps.len();
                let moved = |operand| match operand {
                    Operand::X => x.0,
                    Operand::Step(n) => Operand::Step(before + n),
                    Operand::Float(_) | Operand::Integer(_) | Operand::Channel(_) => operand,
                };
                let steps: Vec<Step> = e.steps.iter().map(|s| s.map(moved)).collect();
                let mut last = None;
                for step in steps {
                    last = Some(self.push(step)?);
                }
                last
            }
        }
    }
}

/// Factors and summands of a BatchNormalization with this scale, bias, mean and variance.
pub(super) fn batch_normalization(statistics: &[ArrayD<f32>], epsilon: f32) -> Option<(Vec<f32>, Vec<f32>)> {
    let [scale, bias, mean, variance] = statistics else { return None };
    let each = scale.iter().zip(bias).zip(mean.iter().zip(variance));
    Some(each.map(|((s, b), (m, v))| host::batch_normalization([*s, *b, *m, *v], epsilon)).unzip())
}

/// Whether a value is a function of one quantized tensor, or constant.
pub(super) fn one_tensor(graph: &FloatGraph, port: Port) -> bool {
    Origins::of(graph, &graph.topo().unwrap_or_default()).base.contains_key(&port)
}

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let order = graph.topo().unwrap_or_default();
    let origins = Origins::of(graph, &order);
    for id in order {
        let folds = match &graph.node(id).op {
            Op::Quantize(_) => true,
            Op::Quantized(q) => matches!(q.kernel, Kernel::Add(_) | Kernel::Mul(_)),
            _ => false,
        };
        let Some(&x) = origins.above.get(&id.into()).filter(|_| folds) else { continue };
        if graph.value(x).fact.shape != graph.value(id.into()).fact.shape {
            continue;
        }
        let mut builder = Builder {
            graph,
            x,
            params: None,
            known: BTreeMap::new(),
            expression: Expression::default(),
            axis: None,
        };
        if !matches!(builder.operand(id.into()), Some(Operand::Step(_))) {
            continue;
        }
        let (expression, axis, Some(params)) = (builder.expression, builder.axis, builder.params) else {
            continue;
        };
        let kernel = match axis {
            None => Kernel::Table(TableSource::Expression(expression)),
            Some(axis) if line(&expression, 0).is_some() => Kernel::Affine(axis, expression),
            Some(_) => continue,
        };
        let output = match &graph.node(id).op {
            Op::Quantize(p) => {
                let p = p.clone();
                let mut core = graph.inputs(id)[0].node;
                while let (Op::Clip(_), [above]) = (&graph.node(core).op, graph.inputs(core).as_slice()) {
                    core = above.node;
                }
                swap_names(graph, id, core);
                p
            }
            Op::Quantized(q) => q.output.clone(),
            _ => continue,
        };
        graph.node_mut(id).op = Op::Quantized(Quantized::new(kernel, vec![params], output));
        graph.set_inputs(id, &[x]);
    }
    Ok(())
}
