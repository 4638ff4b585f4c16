//! Graphs as text, one node a line in topological order; the same graph always prints the same text.
//!
//! `%value: fact = Operator(%operands) parameters  # node name`, the comment only where it differs from the value's.
//! Constants show their elements up to 16 of them, else a count and a checksum.

use std::fmt::Write as _;

use super::float::{FloatGraph, dtype_name};
use super::int::{Concat, ConvForm, HostStep, IntGraph, IntOp, QFact, TableSource};
use super::{Graph, NodeId, Stage};
use crate::onnx::model::{Tensor, TensorData};
use crate::ops::quantized::Kernel;
use crate::ops::{Op, window};

/// Elements of a constant that are written out.
const SHOWN: usize = 16;

fn print<S: Stage>(
    graph: &Graph<S>,
    fact: impl Fn(&S::Fact) -> String,
    op: impl Fn(&S::Op) -> (String, String),
) -> String {
    let mut text = String::new();
    let order = graph.topo().unwrap_or_else(|| graph.ids());
    for id in order {
        line(&mut text, graph, id, &fact, &op);
    }
    let outputs: Vec<_> = graph.outputs.iter().map(|p| format!("%{}", graph.value(*p).name)).collect();
    if !outputs.is_empty() {
        let _ = writeln!(text, "return {}", outputs.join(", "));
    }
    text
}

fn line<S: Stage>(
    text: &mut String,
    graph: &Graph<S>,
    id: NodeId,
    fact: impl Fn(&S::Fact) -> String,
    op: impl Fn(&S::Op) -> (String, String),
) {
    let node = graph.node(id);
    let (name, parameters) = op(&node.op);
    for (i, value) in node.outputs.iter().enumerate() {
        let sep = if i > 0 { ", " } else { "" };
        let _ = write!(text, "{sep}%{}: {}", value.name, fact(&value.fact));
    }
    if !node.outputs.is_empty() {
        text.push_str(" = ");
    }
    let operands: Vec<_> = graph.inputs(id).iter().map(|p| format!("%{}", graph.value(*p).name)).collect();
    let _ = write!(text, "{name}({})", operands.join(", "));
    if !parameters.is_empty() {
        let _ = write!(text, " {parameters}");
    }
    if node.outputs.first().is_none_or(|v| v.name != node.name) {
        let _ = write!(text, "  # {}", node.name);
    }
    text.push('\n');
}

/// A float-stage graph as text.
pub fn float(graph: &FloatGraph) -> String {
    print(graph, ToString::to_string, |op| (op.name().into_owned(), float_parameters(op)))
}

/// An integer-stage graph as text.
pub fn int(graph: &IntGraph) -> String {
    print(graph, int_fact, int_op)
}

fn int_fact(fact: &QFact) -> String {
    let [c, h, w] = fact.shape;
    let mut text = format!("q{}[{c},{h},{w}] {} {}", fact.bits, fact.scale, fact.zero_point);
    if fact.source_offset != 0 {
        let _ = write!(text, " +{}", fact.source_offset);
    }
    text
}

/// A constant's elements, or their number and an FNV-1a checksum.
pub fn tensor(t: &Tensor) -> String {
    let words: Vec<String> = match &t.data {
        TensorData::Float(a) => a
            .iter()
            .map(|v| {
                if t.dtype == crate::onnx::model::DType::F32 {
                    (*v as f32).to_string()
                } else {
                    v.to_string()
                }
            })
            .collect(),
        TensorData::Int(a) => a.iter().map(ToString::to_string).collect(),
    };
    if words.len() <= SHOWN {
        return words.join(" ");
    }
    format!("{} elements {:016x}", words.len(), fnv(words.iter().map(String::as_str)))
}

/// A checksum of words.
pub(super) fn fnv_of(words: impl Iterator<Item = String>) -> u64 {
    let words: Vec<String> = words.collect();
    fnv(words.iter().map(String::as_str))
}

fn fnv<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    words
        .flat_map(|w| w.bytes().chain([b' ']))
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn float_parameters(op: &Op) -> String {
    let dims = |v: &[usize]| format!("[{}]", v.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    match op {
        Op::Input | Op::MatMul | Op::Binary(_) | Op::Identity => String::new(),
        Op::Const(t) => tensor(t),
        Op::Conv(c) => conv(c),
        Op::ConvTranspose(c) => c.describe(),
        Op::Gemm(g) => {
            let mut words = Vec::new();
            if g.alpha != 1.0 {
                words.push(format!("alpha {}", g.alpha));
            }
            if g.beta != 1.0 {
                words.push(format!("beta {}", g.beta));
            }
            words.extend(transposes(g.trans_a, g.trans_b));
            words.join(" ")
        }
        Op::BatchNormalization(e) => format!("epsilon {e}"),
        Op::Clip(c) => match (c.min, c.max) {
            (Some(0.0), None) | (None, None) => String::new(),
            (min, max) => {
                let bound = |b: Option<f32>| b.map_or("none".to_owned(), |b| b.to_string());
                format!("{} .. {}", bound(min), bound(max))
            }
        },
        Op::Unary(f) => f.attributes.iter().map(|(n, v)| format!("{n} {v}")).collect::<Vec<_>>().join(" "),
        Op::MaxPool(p) => window::describe(&p.window) + if p.ceil { " ceil" } else { "" },
        Op::AveragePool(p) => average(p),
        Op::Mean(m) => {
            let mut text = format!("axes {}", dims(&m.axes));
            text += if m.keepdims { " keepdims" } else { "" };
            text + if m.channels_last { " channels last" } else { "" }
        }
        Op::Threshold(t) => t.to_string(),
        Op::Accumulated(axis, e) => format!("axis {axis} ({e})"),
        Op::Reshape(s) => dims(s),
        Op::Transpose(p) => dims(p),
        Op::Quantize(p) | Op::Dequantize(p) => p.to_string(),
        Op::Quantized(q) => {
            let mut words: Vec<String> = q.inputs.iter().map(|p| format!("({p})")).collect();
            words.push(format!("-> ({})", q.output));
            if (q.lo, q.hi) != q.output.range() {
                words.push(format!("{}..{}", q.lo, q.hi));
            }
            words.push(match &q.kernel {
                Kernel::Conv(c) => conv(c),
                Kernel::ConvTranspose(c) => c.describe(),
                Kernel::MatMul { alpha, trans_a, trans_b } => {
                    let mut w = transposes(*trans_a, *trans_b);
                    if *alpha != 1.0 {
                        w.push(format!("alpha {alpha}"));
                    }
                    w.join(" ")
                }
                Kernel::Add(form) => format!("{form:?}"),
                Kernel::Mul(form) => format!("{form:?}"),
                Kernel::Average(p, form) => format!("{form:?} {}", average(p)),
                Kernel::Table(source) => table_source(source),
                Kernel::Affine(axis, e) => format!("axis {axis} ({e})"),
                Kernel::Softmax(axis) | Kernel::Concat(axis) => format!("axis {axis}"),
            });
            words.extend(q.epilogue.iter().map(|e| format!("({e})")));
            words.retain(|w| !w.is_empty());
            words.join(" ")
        }
        Op::Softmax(axis) | Op::LogSoftmax(axis) | Op::Gather(axis) | Op::Concat(axis) => {
            format!("axis {axis}")
        }
        Op::TopK(t) => {
            let which = if t.largest { "greatest" } else { "least" };
            let of = if t.indices { " indices" } else { "" };
            format!("axis {} {} {which}{of}", t.axis, t.k)
        }
        Op::ArgMax(a) => {
            let mut text = format!("axis {}", a.axis);
            text += if a.keepdims { " keepdims" } else { "" };
            text + if a.select_last_index { " last" } else { "" }
        }
        Op::Space(s) => format!("blocks {} {:?}", s.block, s.direction),
        Op::Slice(s) => {
            let keep: Vec<_> = s.keep.iter().map(|k| k.len().to_string()).collect();
            format!("keeps {}", keep.join("x"))
        }
        Op::Pad(p) => {
            let fill = match p.fill {
                crate::ops::pad::Fill::Real(v) => format!("{v:?}"),
                crate::ops::pad::Fill::Integer(v) => v.to_string(),
            };
            format!("before {:?} after {:?} fill {fill}", p.before, p.after)
        }
        Op::Cast(to) => dtype_name(*to).to_owned(),
        Op::Prepare(p) => p.to_string(),
    }
}

fn conv(c: &crate::ops::conv::Conv) -> String {
    let mut text = window::describe(&c.window);
    if c.groups != 1 {
        let _ = write!(text, " groups {}", c.groups);
    }
    text
}

fn average(p: &crate::ops::average_pool::AveragePool) -> String {
    let mut text = window::describe(&p.window);
    text += if p.ceil { " ceil" } else { "" };
    text + if p.count_include_pad { " count_include_pad" } else { "" }
}

fn transposes(a: bool, b: bool) -> Vec<String> {
    let mut words = Vec::new();
    if a {
        words.push("transA".to_owned());
    }
    if b {
        words.push("transB".to_owned());
    }
    words
}

fn table_source(source: &TableSource) -> String {
    let call = |name: &str, attributes: &[(&str, f32)]| {
        attributes.iter().fold(name.to_owned(), |text, (n, v)| text + &format!(" {n} {v}"))
    };
    match source {
        TableSource::Requantize => "Requantize".to_owned(),
        TableSource::Clamp(lo, hi) => format!("Clamp {lo} {hi}"),
        TableSource::QLinear(name, a) => call(name, a),
        TableSource::Float(name, a) => call(&format!("Float {name}"), a),
        TableSource::Expression(e) => format!("({e})"),
    }
}

fn scales(scale: &[f32]) -> String {
    match scale {
        [one] => one.to_string(),
        many if many.len() <= 4 => many.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        many => {
            let words: Vec<_> = many.iter().map(ToString::to_string).collect();
            format!("[{} scales {:016x}]", many.len(), fnv(words.iter().map(String::as_str)))
        }
    }
}

fn integers<T: ToString>(values: impl Iterator<Item = T>) -> String {
    let words: Vec<String> = values.map(|v| v.to_string()).collect();
    if words.len() <= SHOWN {
        format!("[{}]", words.join(" "))
    } else {
        format!("[{} integers {:016x}]", words.len(), fnv(words.iter().map(String::as_str)))
    }
}

fn arrangement(a: &super::int::Arrangement) -> String {
    let shape: Vec<_> = a.onnx_shape.iter().map(ToString::to_string).collect();
    let mut text = format!("onnx [{}]", shape.join(","));
    if let Some(source) = &a.source {
        let _ = write!(text, " permuted {}", integers(source.iter()));
    }
    text
}

fn int_op(op: &IntOp) -> (String, String) {
    match op {
        IntOp::Input(i) => {
            let steps = i.prepare.as_ref().map_or_else(String::new, |p| format!("onnx {:?}; {p}; ", p.input));
            let rule = i.rule.map_or_else(String::new, |q| format!("by {q}; "));
            ("Input".into(), format!("{:?} {steps}{rule}{}", i.dtype, arrangement(&i.arrangement)))
        }
        IntOp::Conv(c) => {
            let mut text = window::describe(&c.window);
            if c.groups != 1 {
                let _ = write!(text, " groups {}", c.groups);
            }
            let (o, i, h, w) = c.weight.dim();
            let _ = write!(
                text,
                " weight {o}x{i}x{h}x{w} {} bias {} rescale {} {} {}..{}",
                integers(c.weight.iter()),
                integers(c.bias.iter()),
                scales(&c.rescale.scale),
                c.rescale.zero_point,
                c.rescale.lo,
                c.rescale.hi
            );
            let name = match &c.form {
                ConvForm::Integer => "Conv",
                ConvForm::Transposed => "ConvTranspose",
                ConvForm::Affine(e) => {
                    let _ = write!(text, " ({e})");
                    "Affine"
                }
                ConvForm::Epilogue(e) => {
                    let _ = write!(text, " ({e})");
                    "Conv"
                }
                ConvForm::Wide(bytes) => {
                    let _ = write!(text, " {bytes} bytes");
                    "Conv"
                }
            };
            (name.into(), text)
        }
        IntOp::Product(p) => ("Product".into(), format!("{:?} {}..{}", p.spec.form, p.spec.lo, p.spec.hi)),
        IntOp::Add(a) => ("Add".into(), format!("{:?} {}..{}", a.spec.form, a.spec.lo, a.spec.hi)),
        IntOp::Table(t) => {
            let text = format!("{} {}", table_source(&t.source), integers(t.table.iter()));
            ("Table".into(), text)
        }
        IntOp::MaxPool(p) => ("MaxPool".into(), window::describe(&p.window)),
        IntOp::AveragePool(p) => {
            let include = if p.count_include_pad { " count_include_pad" } else { "" };
            let text = format!(
                "{:?} {}{include} {}..{}",
                p.spec.form,
                window::describe(&p.window),
                p.spec.lo,
                p.spec.hi
            );
            ("AveragePool".into(), text)
        }
        IntOp::Select(s) => {
            let channel = |c: &Option<usize>| c.map_or_else(|| "-".to_owned(), |c| c.to_string());
            let channels = integers(s.channels.iter().map(channel));
            let text =
                format!("channels {channels} origin {:?} steps {:?} fill {}", s.origin, s.steps, s.fill);
            ("Select".into(), text + if s.exchanged { " exchanged" } else { "" })
        }
        IntOp::Concat(concat) => {
            let along = match concat {
                Concat::Channels => String::new(),
                Concat::Rows => "rows".into(),
                Concat::Columns => "columns".into(),
                Concat::Interleave(steps) => format!("interleave {steps:?}"),
            };
            ("Concat".into(), along)
        }
        IntOp::Output(o) => {
            let steps: Vec<_> = o.steps.iter().map(step).collect();
            let mut text = format!("{:?} {}", o.dtype, arrangement(&o.arrangement));
            for s in steps {
                let _ = write!(text, "; {s}");
            }
            if let Some(h) = &o.head {
                let steps: Vec<_> = h.steps.iter().map(step).collect();
                let _ = write!(text, "; head {:?} {:?} {:?}; {}", h.unit, h.part, h.shape, steps.join("; "));
            }
            ("Output".into(), text)
        }
    }
}

fn step(step: &HostStep) -> String {
    match step {
        HostStep::Accumulator { bytes, axis, expression } => {
            format!("Accumulator {bytes} bytes axis {axis} ({expression})")
        }
        HostStep::Dequantize(scale, zero) => format!("Dequantize {scale} {zero}"),
        HostStep::Quantize(scale, zero, signed) => {
            format!("Quantize {} {scale} {zero}", if *signed { "i8" } else { "u8" })
        }
        HostStep::Function(name, attributes) => {
            attributes.iter().fold((*name).to_owned(), |text, (n, v)| text + &format!(" {n} {v}"))
        }
        HostStep::Softmax(axis) => format!("Softmax axis {axis}"),
        HostStep::LogSoftmax(axis) => format!("LogSoftmax axis {axis}"),
        HostStep::TopK { axis, k, largest, indices } => {
            let which = if *largest { "greatest" } else { "least" };
            format!("TopK axis {axis} {k} {which}{}", if *indices { " indices" } else { "" })
        }
        HostStep::QLinearSoftmax { axis, input, output, signed } => format!(
            "QLinearSoftmax {} axis {axis} {} {} -> {} {}",
            if *signed { "i8" } else { "u8" },
            input.0,
            input.1,
            output.0,
            output.1
        ),
        HostStep::ArgMax { axis, keepdims, select_last_index } => {
            format!("ArgMax axis {axis} keepdims {keepdims} last {select_last_index}")
        }
        HostStep::Reshape(shape) => format!("Reshape {shape:?}"),
    }
}
