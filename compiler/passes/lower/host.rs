//! The graph's outputs: what the host does after the last integer.

use super::{Lower, Lowered, layout, refuse, unique};
use crate::arith::host;
use crate::diag::code;
use crate::graph::Port;
use crate::graph::int::{Arrangement, HostOutput, HostStep, HostType, IntOp};
use crate::onnx::model::DType;
use crate::ops::Op;
use crate::ops::clip::Clip;
use crate::ops::quantization::Params;
use crate::ops::quantized::Kernel;
use crate::passes::names::at;

impl Lower<'_> {
    pub(super) fn output(&mut self, port: Port, name: &str) -> Lowered<()> {
        let graph = self.graph;
        let dtype = match graph.value(port).fact.dtype {
            DType::F32 => HostType::F32,
            DType::U8 => HostType::U8,
            DType::I8 => HostType::I8,
            DType::I64 => HostType::I64,
            other => {
                return Err(at(
                    graph,
                    port.node,
                    code::INPUT_UNSUPPORTED,
                    "the type of an output is not supported",
                    format!("\"{name}\" is {other:?}"),
                ));
            }
        };
        let mut steps = Vec::new();
        let mut here = port;
        let placed = loop {
            if let Some(placed) = self.placed.get(&here) {
                break placed.clone();
            }
            let id = here.node;
            let one = |p: &Params| {
                p.per_tensor().map(|(s, z)| (s, i32::try_from(z).unwrap_or(0))).ok_or_else(|| {
                    at(
                        graph,
                        id,
                        code::INPUT_UNSUPPORTED,
                        "an output is quantized per axis",
                        format!("it has {} scales", p.scale.len()),
                    )
                })
            };
            steps.push(match &graph.node(id).op {
                Op::Accumulated(axis, e) => HostStep::Accumulator {
                    bytes: graph.inputs(id).first().and_then(|p| self.wide.get(p)).copied().unwrap_or(4),
                    axis: *axis,
                    expression: e.clone(),
                },
                Op::Dequantize(p) => {
                    let (scale, zero) = one(p)?;
                    HostStep::Dequantize(scale, zero)
                }
                Op::Quantize(p) => {
                    let (scale, zero) = one(p)?;
                    super::fact(graph, id, p, [1, 1, 1])?;
                    if !p.is_byte() {
                        return Err(at(
                            graph,
                            id,
                            code::INPUT_UNSUPPORTED,
                            "a quantizer behind the host's operators is not supported",
                            "it is not QuantizeLinear to int8 or uint8",
                        )
                        .remedy(refuse::CUT_OFF));
                    }
                    HostStep::Quantize(scale, zero, p.dtype == DType::I8)
                }
                Op::Softmax(axis) => HostStep::Softmax(*axis),
                Op::LogSoftmax(axis) => HostStep::LogSoftmax(*axis),
                Op::Unary(f) => HostStep::Function(f.name, f.attributes.clone()),
                Op::Clip(clip) => clip_function(*clip),
                Op::Quantized(q) => {
                    let Kernel::Softmax(axis) = q.kernel else {
                        return Err(refuse::operand(graph, id, here));
                    };
                    super::fact(graph, id, &q.output, [1, 1, 1])?;
                    HostStep::QLinearSoftmax {
                        axis,
                        input: one(&q.inputs[0])?,
                        output: one(&q.output)?,
                        signed: q.output.dtype == DType::I8,
                    }
                }
                Op::ArgMax(a) => HostStep::ArgMax {
                    axis: a.axis,
                    keepdims: a.keepdims,
                    select_last_index: a.select_last_index,
                },
                Op::TopK(t) => {
                    HostStep::TopK { axis: t.axis, k: t.k, largest: t.largest, indices: t.indices }
                }
                Op::Reshape(shape) => HostStep::Reshape(shape.clone()),
                _ => return Err(refuse::operand(graph, id, here)),
            });
            let Some(&above) = graph.inputs(id).first() else {
                return Err(refuse::operand(graph, id, here));
            };
            here = above;
        };
        steps.reverse();
        // The first step reads the integers by its own parameters, which have to be the producer's.
        let have = &self.int.value(placed.port).fact;
        let said = match steps.first() {
            Some(HostStep::Dequantize(scale, zero)) => Some((*scale, *zero)),
            Some(HostStep::QLinearSoftmax { input, .. }) => Some(*input),
            _ => None,
        };
        if said.is_some_and(|s| s != (have.scale, have.zero_point + have.source_offset)) {
            return Err(at(
                graph,
                here.node,
                code::SCALE_INVALID,
                format!("scale or zero point of output \"{name}\" contradict its producer's"),
                format!("{said:?} where it is read, {} at the producer", have.scale),
            ));
        }
        if let Some(step) = unknown(&steps, have.source_offset == 0) {
            return Err(at(
                graph,
                port.node,
                code::NOT_QUANTIZED,
                format!("{step} at the end of the graph is not known to the bit"),
                format!(
                    "an element that \"{name}\" can have is not a number, or its last bits are those of a library that \
                     ONNX Runtime calls"
                ),
            )
            .remedy(refuse::CUT_OFF));
        }
        let onnx_shape = graph.value(here).fact.shape.clone();
        let arrangement = match self.wide.get(&here) {
            Some(&bytes) => wide(&placed, have.shape, onnx_shape, bytes),
            None => Arrangement { onnx_shape, source: placed.position.as_deref().map(layout::inverse) },
        };
        let op = IntOp::Output(HostOutput { dtype, arrangement, steps, head: None });
        let name = unique(&mut self.nodes, name);
        self.int.add(name, op, &[placed.port], Vec::new());
        Ok(())
    }
}

/// A Clip of floats.
fn clip_function(clip: Clip) -> HostStep {
    match clip {
        Clip { min: Some(0.0), max: None } => HostStep::Function("Relu", Vec::new()),
        Clip { min, max } => {
            let bounds = [("min", min), ("max", max)];
            HostStep::Function("Clip", bounds.into_iter().filter_map(|(n, v)| Some((n, v?))).collect())
        }
    }
}

/// The first function that is not known to the bit for one of the 256 integers that the steps start from.
fn unknown(steps: &[HostStep], mut signed: bool) -> Option<&'static str> {
    // Where values are not those of 256 integers they are not known at all.
    let mut values: Option<Vec<f32>> = None;
    for step in steps {
        match step {
            HostStep::Accumulator { .. } => values = None,
            HostStep::Dequantize(scale, zero) => {
                let (lo, hi) = host::bounds(signed);
                values = Some((lo..=hi).map(|q| host::dequantize_linear(q, *scale, *zero)).collect());
            }
            HostStep::Function(name, attributes) => {
                let known = values.iter().flatten().map(|v| host::function(name, attributes, *v)).collect();
                values = known;
                if values.as_ref().is_none_or(Vec::is_empty) {
                    return Some(name);
                }
            }
            HostStep::Quantize(_, _, to) | HostStep::QLinearSoftmax { signed: to, .. } => {
                signed = *to;
                values = None;
            }
            HostStep::Softmax(_) | HostStep::LogSoftmax(_) | HostStep::ArgMax { .. } => values = None,
            // Some of the values.
            HostStep::TopK { .. } | HostStep::Reshape(_) => {}
        }
    }
    None
}

/// Accumulators whose bytes are channels of `shape`: in the ONNX shape the bytes are a last axis of their own.
fn wide(placed: &layout::Placed, shape: [usize; 3], mut onnx_shape: Vec<usize>, bytes: usize) -> Arrangement {
    let [c, h, w] = shape;
    let (channels, pixels) = (c / bytes.max(1), h * w);
    let mut source = vec![0; c * pixels];
    for j in 0..channels * pixels {
        let at = placed.at(j);
        for b in 0..bytes {
            let canonical = (at / pixels * bytes + b) * pixels + at % pixels;
            // Element counts are limited to u32 at import.
            source[canonical] = u32::try_from(j * bytes + b).unwrap_or(u32::MAX);
        }
    }
    onnx_shape.push(bytes);
    Arrangement { onnx_shape, source: layout::simple(source) }
}
