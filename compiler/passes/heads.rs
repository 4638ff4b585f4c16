//! Which of the steps behind the last integer tensor the accelerator computes itself: ArgMax, TopK of one element, and
//! Softmax that is quantized again.
//!
//! In: the integer graph. Out: the same with [`HostOutput::head`] set where all of this holds; else the host does all.
//!
//! - Every output of the tensor asks for the same unit: TopK's values and indices are one, two different operators not.
//! - The axis' elements follow one another in the stream (row, column, channel): the channel axis of any layout, or all
//!   of a flattened tensor; and the places of ArgMax and TopK come in the order of their ONNX tensor.
//! - ArgMax and TopK: at most 32,768 elements; DequantizeLinear before them gives 256 different finite numbers, so that
//!   integers are ordered as they are. A Softmax or LogSoftmax in between may stand there too, where its input's steps are
//!   so wide that float32 keeps the greatest element apart from the others.
//! - Softmax: the scales and lengths for which [`Softmax`] proves its bound, and nothing behind it but DequantizeLinear
//!   and Reshape, so that its bytes can be compared. Of several tensors the first: there is one unit for it.
//!
//! [`HostOutput::head`]: crate::graph::int::HostOutput::head

use std::collections::BTreeMap;

use crate::arith::host;
use crate::arith::softmax::{Softmax, SoftmaxForm, SoftmaxSpec};
use crate::graph::int::{Head, HeadPart, HeadUnit, HostOutput, HostStep, IntGraph, IntOp, QFact};
use crate::graph::{NodeId, Port};

/// Most elements among which a place is found: `rtl/o2c_argmax.v`.
const MOST_ELEMENTS: usize = 32_768;
/// Input steps for which exp(-step) is less than 1 in float32 by far, as well after a division or a subtraction.
const APART: std::ops::RangeInclusive<f32> = 1.0 / 1024.0..=1_048_576.0;

/// Sets the heads.
pub fn run(graph: &mut IntGraph) {
    let mut readers: BTreeMap<Port, Vec<NodeId>> = BTreeMap::new();
    for id in graph.ids() {
        if let (IntOp::Output(_), [port]) = (&graph.node(id).op, &graph.inputs(id)[..]) {
            readers.entry(*port).or_default().push(id);
        }
    }
    let mut softmax_taken = false;
    for (port, ids) in readers {
        let fact = &graph.value(port).fact;
        let found: Option<Vec<Head>> = ids
            .iter()
            .map(|id| match &graph.node(*id).op {
                IntOp::Output(output) => head(output, fact),
                _ => None,
            })
            .collect();
        let Some(heads) = found.and_then(united) else { continue };
        if heads.iter().any(|h| matches!(h.unit, HeadUnit::Softmax(_))) {
            if softmax_taken {
                continue;
            }
            softmax_taken = true;
        }
        for (id, head) in ids.into_iter().zip(heads) {
            if let IntOp::Output(output) = &mut graph.node_mut(id).op {
                output.head = Some(head);
            }
        }
    }
}

/// One unit for all, if there is one: it sends the element where one of them asks for it.
fn united(mut heads: Vec<Head>) -> Option<Vec<Head>> {
    let any_value = heads.iter().any(|h| h.part == HeadPart::Value);
    for head in &mut heads {
        if let HeadUnit::ArgMax { value, .. } = &mut head.unit {
            *value = any_value;
        }
    }
    let first = heads.first()?.unit;
    heads.iter().all(|h| h.unit == first).then_some(heads)
}

/// What an output's first steps could be in hardware.
fn head(output: &HostOutput, fact: &QFact) -> Option<Head> {
    let signed = fact.source_offset == 0;
    let mut shape = output.arrangement.onnx_shape.clone();
    // The integers are real numbers by this scale and zero point; then exponentials along this axis.
    let mut real: Option<(f32, i32)> = None;
    let mut ordered_along: Option<usize> = None;
    for (k, step) in output.steps.iter().enumerate() {
        let rest = &output.steps[k + 1..];
        let place = |axis: usize, last: bool, least: bool, part: HeadPart, to: Vec<usize>| {
            let inside = ordered_along.is_none_or(|a| a == axis && !least && part == HeadPart::Index);
            let length = *shape.get(axis)?;
            if !inside
                || !(1..=MOST_ELEMENTS).contains(&length)
                || !in_order(output, fact, &shape, axis, true)
            {
                return None;
            }
            let unit = HeadUnit::ArgMax { length, last, least, value: part == HeadPart::Value };
            let dequantize = real.filter(|_| part == HeadPart::Value);
            let steps = dequantize.map(|(s, z)| HostStep::Dequantize(s, z)).into_iter();
            Some(Head { unit, part, shape: to, steps: steps.chain(rest.iter().cloned()).collect() })
        };
        match step {
            HostStep::Dequantize(s, z) if real.is_none() && distinct(*s, *z, signed) => real = Some((*s, *z)),
            HostStep::Reshape(to) if ordered_along.is_none() => shape.clone_from(to),
            HostStep::ArgMax { axis, keepdims, select_last_index } => {
                let mut to = shape.clone();
                match (keepdims, to.get_mut(*axis)?) {
                    (true, size) => *size = 1,
                    (false, _) => drop(to.remove(*axis)),
                }
                return place(*axis, *select_last_index, false, HeadPart::Index, to);
            }
            HostStep::TopK { axis, k: 1, largest, indices } => {
                let mut to = shape.clone();
                *to.get_mut(*axis)? = 1;
                let part = if *indices { HeadPart::Index } else { HeadPart::Value };
                return place(*axis, false, !largest, part, to);
            }
            HostStep::Softmax(axis) | HostStep::LogSoftmax(axis) if ordered_along.is_none() => {
                let (scale, _) = real?;
                let between = rest.iter().take_while(|s| matches!(s, HostStep::Reshape(_))).count();
                if let (HostStep::Softmax(_), Some(HostStep::Quantize(s, z, to))) = (step, rest.get(between))
                {
                    let length = *shape.get(*axis)?;
                    let (form, output_quant) = (SoftmaxForm::Float, (*s, *z));
                    let spec =
                        SoftmaxSpec { form, length, input_scale: scale, output: output_quant, signed: *to };
                    let after = rest[..between].iter().chain(&rest[between + 1..]).cloned().collect();
                    return softmax(output, fact, spec, (shape, *axis), after);
                }
                if !APART.contains(&scale) {
                    return None;
                }
                ordered_along = Some(*axis);
            }
            HostStep::QLinearSoftmax { axis, input, output: to, signed } if real.is_none() => {
                let length = *shape.get(*axis)?;
                let (form, input_scale) = (SoftmaxForm::QLinear, input.0);
                let spec = SoftmaxSpec { form, length, input_scale, output: *to, signed: *signed };
                return softmax(output, fact, spec, (shape, *axis), rest.to_vec());
            }
            HostStep::Accumulator { .. }
            | HostStep::Dequantize(..)
            | HostStep::Quantize(..)
            | HostStep::Function(..)
            | HostStep::Softmax(_)
            | HostStep::LogSoftmax(_)
            | HostStep::QLinearSoftmax { .. }
            | HostStep::TopK { .. }
            | HostStep::Reshape(_) => return None,
        }
    }
    None
}

fn softmax(
    output: &HostOutput,
    fact: &QFact,
    spec: SoftmaxSpec,
    (shape, axis): (Vec<usize>, usize),
    steps: Vec<HostStep>,
) -> Option<Head> {
    let comparable = steps.iter().all(|s| matches!(s, HostStep::Dequantize(..) | HostStep::Reshape(_)));
    let possible = comparable && Softmax::new(&spec).is_ok() && in_order(output, fact, &shape, axis, false);
    possible.then_some(Head { unit: HeadUnit::Softmax(spec), part: HeadPart::Tensor, shape, steps })
}

/// Whether DequantizeLinear gives every byte a finite number of its own, in the bytes' order.
fn distinct(scale: f32, zero: i32, signed: bool) -> bool {
    let (lo, hi) = host::bounds(signed);
    let values: Vec<f32> = (lo..=hi).map(|q| host::dequantize_linear(q, scale, zero)).collect();
    values.iter().all(|v| v.is_finite()) && values.windows(2).all(|w| w[0] < w[1])
}

/// Whether each row along an axis of the ONNX tensor is a piece of the stream, in order; and the rows are, if asked.
fn in_order(output: &HostOutput, fact: &QFact, shape: &[usize], axis: usize, rows: bool) -> bool {
    let [c, h, w] = fact.shape;
    let source = output.arrangement.source.as_deref();
    let Some((outer, length, inner)) = host::extents(shape, axis) else { return false };
    if outer * length * inner != c * h * w || source.is_some_and(|s| s.len() != c * h * w) || length == 0 {
        return false;
    }
    let mut row_here = None;
    (0..c * h * w).all(|at| {
        let canonical = at % c * h * w + at / c;
        let element = match source {
            None => canonical,
            Some(source) => match source.get(canonical).and_then(|e| usize::try_from(*e).ok()) {
                Some(element) => element,
                None => return false,
            },
        };
        let (k, row) = (element / inner % length, element / (inner * length) * inner + element % inner);
        if at % length == 0 {
            row_here = Some(row);
        }
        k == at % length && row_here == Some(row) && (!rows || row == at / length)
    })
}
