//! What the host computes at the edges: the model's own arrays to canonical integers, and back.
//!
//! In: one sample in the model's own type and layout, or one canonical tensor. Out: the other. Guarantees:
//! ONNX Runtime's formulas (from `arith`); shapes are checked when the executor is made, not when it runs.

use super::data::{Data, array, type_name};
use super::head::HeadRunner;
use super::prepare;
use crate::arith::{self, Lanes, host};
use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::graph::expression::Quantization;
use crate::graph::int::{Arrangement, HeadPart, HostInput, HostOutput, HostStep, HostType, QFact};
use crate::graph::prepare::Prepare;

/// A model input.
#[derive(Debug)]
pub(crate) struct Reader {
    /// ONNX name.
    pub(crate) name: String,
    /// ONNX type.
    pub(crate) dtype: HostType,
    /// ONNX shape of one sample, batch axis of size 1 included.
    pub(crate) shape: Vec<usize>,
    prepare: Option<Prepare>,
    rule: Option<Quantization>,
    fact: QFact,
    /// Of what is quantized: the ONNX element of each element in row, column, channel order.
    gather: Vec<usize>,
}

/// A model output.
#[derive(Debug)]
pub(crate) struct Writer {
    /// ONNX name.
    pub(crate) name: String,
    /// ONNX type.
    pub(crate) dtype: HostType,
    offset: i32,
    /// Element in row, column, channel order of each ONNX element.
    gather: Vec<usize>,
    first_shape: Vec<usize>,
    /// Of what is left after `head`, if there is one.
    steps: Vec<(HostStep, Vec<usize>)>,
    head: Option<(HeadRunner, HeadPart)>,
}

/// A sample on its way through the host steps; integers are the file's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sample {
    /// float32
    Float(Vec<f32>),
    /// uint8 or int8
    Byte(Vec<i32>),
    /// int64
    Long(Vec<i64>),
}

fn internal(node: &str, cause: impl Into<String>) -> Diagnostics {
    Diagnostic::new(code::INTERNAL, "a host step is not well formed", cause).at(node).into()
}

/// For each canonical element in row, column, channel order: its ONNX element.
fn gather(arrangement: &Arrangement, shape: [usize; 3], node: &str) -> Result<Vec<usize>> {
    let [c, h, w] = shape;
    let elements: usize = arrangement.onnx_shape.iter().product();
    let count = c * h * w;
    let source = arrangement.source.as_deref();
    if elements != count || source.is_some_and(|s| s.len() != count) {
        let cause = format!("shape {:?} is arranged as {shape:?}", arrangement.onnx_shape);
        return Err(internal(node, cause));
    }
    let mut out = Vec::with_capacity(count);
    for pixel in 0..h * w {
        for channel in 0..c {
            let canonical = channel * h * w + pixel;
            let at = source.map_or(Some(canonical), |s| usize::try_from(s[canonical]).ok());
            out.push(
                at.filter(|at| *at < elements)
                    .ok_or_else(|| internal(node, "an arrangement leaves the tensor"))?,
            );
        }
    }
    Ok(out)
}

impl Reader {
    pub(crate) fn new(input: &HostInput, name: &str, fact: &QFact, node: &str) -> Result<Reader> {
        let shape = input.shape().to_vec();
        if shape.first() != Some(&1) {
            return Err(internal(node, format!("input shape {shape:?} has no batch")));
        }
        if let Some(prepare) = &input.prepare {
            prepare.check().map_err(|cause| internal(node, cause))?;
        }
        Ok(Reader {
            name: name.to_owned(),
            dtype: input.dtype,
            shape,
            prepare: input.prepare.clone(),
            rule: input.rule,
            fact: fact.clone(),
            gather: gather(&input.arrangement, fact.shape, node)?,
        })
    }

    /// Number of samples in an array; a diagnostic if its type or shape does not fit.
    pub(crate) fn samples(&self, data: &Data) -> Result<usize> {
        let fault = |cause: String| {
            let expect: Vec<String> = self.shape[1..].iter().map(usize::to_string).collect();
            Diagnostics::from(
                Diagnostic::new(code::INPUT_DATA_INVALID, "the input data do not fit the model", cause)
                    .at(format!("input {:?}", self.name))
                    .remedy(format!(
                        "give {} of shape [n, {}]: samples stacked on the first axis",
                        type_name(self.dtype),
                        expect.join(", ")
                    )),
            )
        };
        let same_type = match self.dtype {
            HostType::F32 => matches!(data, Data::F32(_)),
            HostType::U8 => matches!(data, Data::U8(_)),
            HostType::I8 => matches!(data, Data::I8(_)),
            HostType::I64 => matches!(data, Data::I64(_)),
        };
        if !same_type {
            return Err(fault(format!("the array holds {}", data.type_name())));
        }
        match data.shape().split_first() {
            Some((&n, rest)) if n > 0 && *rest == self.shape[1..] => Ok(n),
            _ => Err(fault(format!("the array has shape {:?}", data.shape()))),
        }
    }

    /// Sample `n` in float32, which holds every byte.
    fn floats(&self, data: &Data, n: usize) -> Result<Vec<f32>> {
        let size: usize = self.shape.iter().product();
        let at = n * size..(n + 1) * size;
        let all = match data {
            Data::F32(a) => a.as_slice().map(|x| x[at].to_vec()),
            Data::U8(a) => a.as_slice().map(|x| x[at].iter().map(|v| f32::from(*v)).collect()),
            Data::I8(a) => a.as_slice().map(|x| x[at].iter().map(|v| f32::from(*v)).collect()),
            Data::I32(_) | Data::I64(_) => None,
        };
        all.ok_or_else(|| internal(&self.name, "the input is neither float nor byte, or not contiguous"))
    }

    /// See [`super::Executor::spread`]: ranges around and on both sides of 0 are tried, small ones first.
    pub(crate) fn spread(&self) -> Result<(f32, f32)> {
        const POWERS: std::ops::RangeInclusive<i32> = -8..=16;
        const LEAST: usize = 2048;
        let count: usize = self.shape.iter().product();
        let samples = LEAST.div_ceil(count.max(1));
        let mut shape = self.shape.clone();
        shape[0] = samples;
        let (mut best, mut most) = ((0.0, 1.0), 0);
        for power in POWERS {
            let size = 2.0_f32.powi(power);
            for (low, high) in [(-size, size), (0.0, size), (-size, 0.0)] {
                // Spread over the range, neighbours far apart: the golden ratio's multiples.
                let place = |i: usize| (i as f64 * 0.618_033_988_749_894_9).fract() as f32;
                let x: Vec<f32> = (0..samples * count).map(|i| low + (high - low) * place(i)).collect();
                let data = array(&shape, x).map(Data::F32);
                let data = data.ok_or_else(|| internal(&self.name, "a probe does not fit"))?;
                let mut bytes = vec![0; samples * self.gather.len()];
                for (n, to) in bytes.chunks_mut(self.gather.len().max(1)).enumerate() {
                    self.read(&data, n, to)?;
                }
                let bounds = [bytes.iter().min().copied(), bytes.iter().max().copied()];
                let inside = bytes.iter().filter(|b| !bounds.contains(&Some(**b))).count();
                bytes.sort_unstable();
                bytes.dedup();
                // Many different bytes, few of them saturated.
                let score = bytes.len().saturating_mul(bytes.len() + inside);
                if score > most {
                    (best, most) = ((low, high), score);
                }
            }
        }
        Ok(best)
    }

    /// Sample `n` as canonical integers in row, column, channel order.
    pub(crate) fn read(&self, data: &Data, n: usize, to: &mut [i8]) -> Result<()> {
        let size: usize = self.shape.iter().product();
        let (lo, hi) = (-(1_i32 << (self.fact.bits - 1)), (1_i32 << (self.fact.bits - 1)) - 1);
        let offset = self.fact.source_offset;
        let zero = self.fact.zero_point + offset;
        let mut put = |at: usize, value: i32| -> Result<()> {
            // Files hold bytes; a tensor of fewer bits is checked, never wrapped.
            let canonical = i64::from(value) - i64::from(offset);
            match i8::try_from(canonical) {
                Ok(v) if (lo..=hi).contains(&i32::from(v)) => to[at] = v,
                _ => {
                    return Err(Diagnostic::new(
                        code::INPUT_DATA_INVALID,
                        "an input value is out of range",
                        format!("{value} in sample {n}"),
                    )
                    .at(format!("input {:?}", self.name))
                    .into());
                }
            }
            Ok(())
        };
        let missing = || internal(&self.name, "an array is not contiguous");
        let real = |v: f32| match &self.rule {
            Some(rule) => rule.quantize(v) + offset,
            None => host::quantize_linear(v, self.fact.scale, zero, offset == 0),
        };
        if let Some(prepare) = &self.prepare {
            let x = prepare::run(prepare, self.floats(data, n)?)
                .ok_or_else(|| internal(&self.name, "a step before the first integer does not fit"))?;
            return self.gather.iter().enumerate().try_for_each(|(at, from)| put(at, real(x[*from])));
        }
        match data {
            Data::F32(a) => {
                let x = &a.as_slice().ok_or_else(missing)?[n * size..][..size];
                for (at, from) in self.gather.iter().enumerate() {
                    put(at, real(x[*from]))?;
                }
            }
            Data::U8(a) => {
                let x = &a.as_slice().ok_or_else(missing)?[n * size..][..size];
                self.gather.iter().enumerate().try_for_each(|(at, from)| put(at, i32::from(x[*from])))?;
            }
            Data::I8(a) => {
                let x = &a.as_slice().ok_or_else(missing)?[n * size..][..size];
                self.gather.iter().enumerate().try_for_each(|(at, from)| put(at, i32::from(x[*from])))?;
            }
            Data::I32(_) | Data::I64(_) => {
                return Err(internal(&self.name, "the input is neither float nor byte"));
            }
        }
        Ok(())
    }
}

impl Writer {
    pub(crate) fn new(output: &HostOutput, name: &str, fact: &QFact, node: &str) -> Result<Writer> {
        let from_onnx = gather(&output.arrangement, fact.shape, node)?;
        let mut inverse = vec![usize::MAX; from_onnx.len()];
        for (canonical, onnx) in from_onnx.iter().enumerate() {
            match inverse.get_mut(*onnx) {
                Some(slot) if *slot == usize::MAX => *slot = canonical,
                _ => return Err(internal(node, "an output's arrangement is not one to one")),
            }
        }
        let whole = &output.arrangement.onnx_shape;
        let (first_shape, todo) =
            output.head.as_ref().map_or((whole, &output.steps), |h| (&h.shape, &h.steps));
        let first_shape = first_shape.clone();
        let mut shape = first_shape.clone();
        let mut steps = Vec::new();
        // What the sample holds: the steps must fit together.
        let mut kind = Kind::Byte;
        let mut head = None;
        if let Some(h) = &output.head {
            let groups = inverse.len() / h.unit.length().max(1);
            let (becomes, elements) = match h.part {
                HeadPart::Index => (Kind::Long, groups),
                HeadPart::Value => (Kind::Byte, groups),
                HeadPart::Tensor => (Kind::Byte, inverse.len()),
            };
            if elements != shape.iter().product::<usize>() || groups * h.unit.length() != inverse.len() {
                return Err(internal(node, format!("{:?} does not give shape {shape:?}", h.unit)));
            }
            kind = becomes;
            head = Some((HeadRunner::new(&h.unit)?, h.part));
        }
        for step in todo {
            kind = kind.after(step, &shape).map_err(|cause| internal(node, cause))?;
            shape = shape_after(step, shape);
            steps.push((step.clone(), shape.clone()));
        }
        let expect = match output.dtype {
            HostType::F32 => Kind::Float,
            HostType::U8 | HostType::I8 => Kind::Byte,
            HostType::I64 => Kind::Long,
        };
        if kind != expect {
            return Err(internal(node, format!("the steps give {kind:?}, the output is {:?}", output.dtype)));
        }
        Ok(Writer {
            name: name.to_owned(),
            dtype: output.dtype,
            offset: fact.source_offset,
            gather: inverse,
            first_shape,
            steps,
            head,
        })
    }

    /// ONNX shape of one sample's output.
    pub(crate) fn shape(&self) -> &[usize] {
        self.steps.last().map_or(&self.first_shape, |(_, shape)| shape)
    }

    /// One sample's output from its canonical tensor in row, column, channel order.
    pub(crate) fn write(&self, x: &[i8], lanes: Lanes) -> Sample {
        let mut sample = match &self.head {
            None => Sample::Byte(self.gather.iter().map(|at| i32::from(x[*at]) + self.offset).collect()),
            Some((head, part)) => self.behind(head, *part, x),
        };
        let mut shape = &self.first_shape;
        for (step, after) in &self.steps {
            sample = apply(step, sample, shape, lanes);
            shape = after;
        }
        sample
    }

    /// What an output takes from the accelerator's last unit.
    fn behind(&self, head: &HeadRunner, part: HeadPart, x: &[i8]) -> Sample {
        let signed = self.offset == 0;
        // The low byte of x + offset is the file's int8 or uint8.
        let bytes: Vec<u8> = x.iter().map(|v| (i32::from(*v) + self.offset).to_le_bytes()[0]).collect();
        let values = head.part(&head.stream(&bytes, signed), part, signed);
        // Bytes, all of them.
        let byte = |v: &i64| i32::try_from(*v).unwrap_or(0);
        match part {
            HeadPart::Index => Sample::Long(values),
            HeadPart::Value => Sample::Byte(values.iter().map(byte).collect()),
            HeadPart::Tensor => Sample::Byte(self.gather.iter().map(|at| byte(&values[*at])).collect()),
        }
    }

    /// Samples stacked on the first axis: on the output's own where its size is 1, the batch; on a new one before
    /// it where the output has none (`[5]` gives `[n, 5]`, a scalar `[n]`).
    pub(crate) fn stack(&self, samples: Vec<Sample>) -> Result<Data> {
        let n = samples.len();
        let shape: Vec<usize> = match self.shape() {
            [1, rest @ ..] => std::iter::once(n).chain(rest.iter().copied()).collect(),
            all => std::iter::once(n).chain(all.iter().copied()).collect(),
        };
        let fault = || internal(&self.name, "the output's parts do not fit its shape");
        let mut floats = Vec::new();
        let mut bytes = Vec::new();
        let mut longs = Vec::new();
        for sample in samples {
            match sample {
                Sample::Float(v) => floats.extend(v),
                Sample::Byte(v) => bytes.extend(v),
                Sample::Long(v) => longs.extend(v),
            }
        }
        let narrow = |v: &i32| u8::try_from(*v & 0xff).unwrap_or_default();
        match self.dtype {
            HostType::F32 => array(&shape, floats).map(Data::F32),
            HostType::U8 => array(&shape, bytes.iter().map(narrow).collect()).map(Data::U8),
            HostType::I8 => {
                array(&shape, bytes.iter().map(|v| i8::from_le_bytes([narrow(v)])).collect()).map(Data::I8)
            }
            HostType::I64 => array(&shape, longs).map(Data::I64),
        }
        .ok_or_else(fault)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Float,
    Byte,
    Long,
}

impl Kind {
    fn after(self, step: &HostStep, shape: &[usize]) -> std::result::Result<Kind, String> {
        let axis = |axis: &usize| {
            if *axis < shape.len() { Ok(()) } else { Err(format!("axis {axis} of shape {shape:?}")) }
        };
        match (step, self) {
            (HostStep::Accumulator { bytes, axis: a, expression }, Kind::Byte) => {
                axis(a)?;
                let of_channels = expression.constants.iter().all(|c| c.len() == shape[*a]);
                if !(1..=4).contains(bytes) || shape.last() != Some(bytes) || !of_channels {
                    return Err(format!("{bytes} bytes of shape {shape:?}, channels on axis {a}"));
                }
                Ok(Kind::Float)
            }
            (HostStep::Dequantize(..), Kind::Byte) => Ok(Kind::Float),
            (HostStep::Quantize(..), Kind::Float) => Ok(Kind::Byte),
            (HostStep::Function(..), Kind::Float) => Ok(Kind::Float),
            (HostStep::Softmax(a) | HostStep::LogSoftmax(a), Kind::Float) => axis(a).map(|()| Kind::Float),
            (HostStep::TopK { axis: a, k, indices, .. }, Kind::Float | Kind::Byte) => {
                axis(a)?;
                if *k < 1 || *k > shape[*a] {
                    return Err(format!("{k} elements of axis {a} of shape {shape:?}"));
                }
                Ok(if *indices { Kind::Long } else { self })
            }
            (HostStep::QLinearSoftmax { axis: a, .. }, Kind::Byte) => axis(a).map(|()| Kind::Byte),
            (HostStep::ArgMax { axis: a, .. }, Kind::Float | Kind::Byte) => axis(a).map(|()| Kind::Long),
            (HostStep::Reshape(to), kind) => {
                if to.iter().product::<usize>() == shape.iter().product::<usize>() {
                    Ok(kind)
                } else {
                    Err(format!("reshape of {shape:?} to {to:?}"))
                }
            }
            _ => Err(format!("{step:?} can't follow {self:?}")),
        }
    }
}

fn shape_after(step: &HostStep, mut shape: Vec<usize>) -> Vec<usize> {
    match step {
        HostStep::Accumulator { .. } => {
            shape.pop();
            shape
        }
        HostStep::Dequantize(..)
        | HostStep::Quantize(..)
        | HostStep::Function(..)
        | HostStep::Softmax(_)
        | HostStep::LogSoftmax(_)
        | HostStep::QLinearSoftmax { .. } => shape,
        HostStep::TopK { axis, k, .. } => {
            shape[*axis] = *k;
            shape
        }
        HostStep::ArgMax { axis, keepdims, .. } => {
            if *keepdims {
                shape[*axis] = 1;
            } else {
                shape.remove(*axis);
            }
            shape
        }
        HostStep::Reshape(to) => to.clone(),
    }
}

fn apply(step: &HostStep, mut sample: Sample, shape: &[usize], lanes: Lanes) -> Sample {
    // `Writer::new` checked every axis.
    let extents = |axis: usize| host::extents(shape, axis).unwrap_or((0, 0, 0));
    match (step, &mut sample) {
        (HostStep::Accumulator { bytes, axis, expression }, Sample::Byte(v)) => {
            let (_, channels, inner) = extents(*axis);
            // `inner` counts the bytes of an integer too.
            let inner = inner / (*bytes).max(1);
            let one = |(n, parts): (usize, &[i32])| {
                let acc = integer(parts);
                let channel = n / inner.max(1) % channels.max(1);
                arith::evaluate_float(expression, channel, acc).unwrap_or(f32::NAN)
            };
            return Sample::Float(v.chunks_exact(*bytes).enumerate().map(one).collect());
        }
        (HostStep::Dequantize(scale, zero), Sample::Byte(v)) => {
            return Sample::Float(v.iter().map(|q| host::dequantize_linear(*q, *scale, *zero)).collect());
        }
        (HostStep::Quantize(scale, zero, signed), Sample::Float(v)) => {
            return Sample::Byte(
                v.iter().map(|x| host::quantize_linear(*x, *scale, *zero, *signed)).collect(),
            );
        }
        (HostStep::Function(name, attributes), Sample::Float(v)) => {
            // Lowering admits only functions that have a value for everything that reaches them.
            v.iter_mut().for_each(|x| *x = host::function(name, attributes, *x).unwrap_or(f32::NAN));
        }
        (HostStep::Softmax(axis), Sample::Float(v)) => host::softmax(v, extents(*axis), lanes),
        (HostStep::LogSoftmax(axis), Sample::Float(v)) => host::log_softmax(v, extents(*axis), lanes),
        (HostStep::TopK { axis, k, largest, indices }, sample) => {
            let of = extents(*axis);
            let places = match sample {
                Sample::Float(v) => host::top_k(v, of, *k, *largest),
                Sample::Byte(v) => host::top_k(v, of, *k, *largest),
                Sample::Long(_) => vec![],
            };
            if *indices {
                return Sample::Long(host::indices(&places, of));
            }
            return match sample {
                Sample::Float(v) => Sample::Float(places.iter().map(|at| v[*at]).collect()),
                Sample::Byte(v) => Sample::Byte(places.iter().map(|at| v[*at]).collect()),
                Sample::Long(v) => Sample::Long(std::mem::take(v)),
            };
        }
        (HostStep::QLinearSoftmax { axis, input, output, signed }, Sample::Byte(v)) => {
            host::qlinear_softmax(v, extents(*axis), input.0, *output, *signed);
        }
        (HostStep::ArgMax { axis, select_last_index, .. }, Sample::Float(v)) => {
            return Sample::Long(host::arg_max(v, extents(*axis), *select_last_index));
        }
        (HostStep::ArgMax { axis, select_last_index, .. }, Sample::Byte(v)) => {
            return Sample::Long(host::arg_max(v, extents(*axis), *select_last_index));
        }
        // Reshape keeps the elements; `Writer::new` refused every other pair.
        _ => {}
    }
    sample
}

/// The integer of these bytes, the first one least; bytes are signed or not.
fn integer(bytes: &[i32]) -> i32 {
    let extend = match bytes.last() {
        Some(last) if last & 0x80 != 0 => u8::MAX,
        _ => 0,
    };
    let mut all = [extend; 4];
    for (to, byte) in all.iter_mut().zip(bytes) {
        *to = byte.to_le_bytes()[0];
    }
    i32::from_le_bytes(all)
}
