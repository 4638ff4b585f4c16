//! The host's work in words: what it computes before the input stream and after the output stream.
//!
//! In: the integer graph. Out: a sentence for each step, exact enough to be programmed from, and the constants that are
//! too long for one.

use super::{HostArray, internal};
use crate::diag::Result;
use crate::exec::Data;
use crate::graph::NodeId;
use crate::graph::expression::{Binary, Expression};
use crate::graph::int::{
    Arrangement, Head, HeadPart, HeadUnit, HostOutput, HostStep, IntGraph, IntOp, QFact,
};
use crate::graph::prepare::{Operand, Prepare, Step, Work};

/// The host's work before the input and after the output, a sentence each.
pub fn host_steps(graph: &IntGraph) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after) = (vec![], vec![]);
    let changed = rearranged(graph);
    let file = |id: NodeId| changed.iter().find(|r| r.edge == id).map(|r| r.file.as_str());
    let is_output = |id: &NodeId| matches!(graph.node(*id).op, IntOp::Output(_));
    let several = graph.ids().into_iter().filter(is_output).count() > 1;
    let mut files = 0;
    for id in graph.ids() {
        let node = graph.node(id);
        match &node.op {
            IntOp::Input(host) => {
                let Some(value) = node.outputs.first() else { continue };
                let fact = &value.fact;
                let (zero, low) = (fact.zero_point + fact.source_offset, fact.source_offset - 128);
                if graph.consumers(id.into()).is_empty() {
                    before.push(format!("{:?}: nothing reads it; it is not sent", value.name));
                    continue;
                }
                let mut x = "x".to_owned();
                if let Some(prepare) = &host.prepare {
                    before.extend(prepared(&value.name, prepare, &mut files));
                    x = format!("t{}", prepare.steps.len());
                }
                if let Some(rule) = &host.rule {
                    before.push(format!("{:?}: {}", value.name, rule.sentence(&x)));
                } else if host.is_float() {
                    before.push(format!(
                        "{:?}: clamp(round_half_even({x} / {:?}) + {zero}, {low}, {}), the quotient in float32 (a division, not a product with the reciprocal)",
                        value.name,
                        fact.scale,
                        low + 255
                    ));
                }
                before.extend(arrange(&value.name, &host.arrangement, fact, true, file(id)));
            }
            IntOp::Output(host) => {
                let name = if several { format!("{:?}: ", node.name) } else { String::new() };
                if let Some(value) = graph.inputs(id).first().map(|p| graph.value(*p)) {
                    if several {
                        after.push(format!("{name}y is the tensor {:?} of the packet", value.name));
                    }
                    if let Some(head) = &host.head {
                        after.extend(taken_from(head).map(|text| name.clone() + &text));
                    }
                    if in_tensor_order(host) {
                        after.extend(arrange(&node.name, &host.arrangement, &value.fact, false, file(id)));
                    }
                }
                let steps = host.head.as_ref().map_or(&host.steps, |h| &h.steps);
                after.extend(steps.iter().map(|step| name.clone() + &sentence(step)));
            }
            IntOp::Conv(_)
            | IntOp::Add(_)
            | IntOp::Product(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_)
            | IntOp::Select(_)
            | IntOp::Concat(_) => {}
        }
    }
    (before, after)
}

/// Whether the output stream has the integer tensor's elements; else the places or elements that a unit has chosen.
fn in_tensor_order(output: &HostOutput) -> bool {
    output.head.as_ref().is_none_or(|h| h.part == HeadPart::Tensor)
}

/// Which of a unit's bytes an output is made of; nothing if that is all of them.
fn taken_from(head: &Head) -> Option<String> {
    let (HeadUnit::ArgMax { length, value, .. }, part) = (head.unit, head.part) else { return None };
    let places = match (length > 256, value) {
        (false, false) => "each byte is a place".to_owned(),
        (true, false) => "each two bytes are a place, the low one first".to_owned(),
        (false, true) => "of each two bytes the second one is the place".to_owned(),
        (true, true) => {
            "of each three bytes the second and third one are the place, the low one first".to_owned()
        }
    };
    let what = match part {
        HeadPart::Index => format!("{places}, as int64"),
        HeadPart::Value | HeadPart::Tensor => {
            format!("of each {} bytes the first one is the element", head.unit.bytes())
        }
    };
    Some(format!("{what}; shape {:?}", head.shape))
}

/// Elements of a constant that stand in a sentence; longer ones are files.
const SHOWN: usize = 16;

/// Constants that are files, in order.
fn long(prepare: &Prepare) -> impl Iterator<Item = &Operand> {
    let operands = prepare.steps.iter().filter(|s| s.factors().is_none()).flat_map(|s| &s.operands);
    operands.filter(|o| matches!(o, Operand::Constant(a) if a.len() > SHOWN))
}

/// The constants of the steps before the input stream that no sentence holds.
///
/// # Errors
/// None on a verified graph.
pub(super) fn constants(graph: &IntGraph) -> Result<Vec<HostArray>> {
    let mut out = vec![];
    for id in graph.ids() {
        let IntOp::Input(host) = &graph.node(id).op else { continue };
        if graph.consumers(id.into()).is_empty() {
            continue;
        }
        for operand in host.prepare.iter().flat_map(long) {
            let Operand::Constant(a) = operand else { return Err(internal("a constant is none")) };
            let what = "a constant of the host's steps before the input stream".to_owned();
            let name = format!("host_constant_{}", out.len());
            out.push(HostArray { name, what, data: Data::F32(a.clone()) });
        }
    }
    Ok(out)
}

/// A sentence for each step: `t1`, `t2` and so on of `x`, the model's input. `next` counts constants that are files.
fn prepared(name: &str, prepare: &Prepare, next: &mut usize) -> Vec<String> {
    let files: Vec<&Operand> = long(prepare).collect();
    let first = *next;
    let mut out = vec![];
    for (k, step) in prepare.steps.iter().enumerate() {
        let mut words = vec![];
        for operand in &step.operands {
            words.push(match operand {
                Operand::Input => "x".to_owned(),
                Operand::Step(n) => format!("t{}", n + 1),
                Operand::Constant(a) if a.len() == 1 => {
                    format!("{:?}", a.iter().next().copied().unwrap_or(0.0))
                }
                Operand::Constant(a) if a.len() > SHOWN && files.get(*next - first) == Some(&operand) => {
                    *next += 1;
                    format!("vectors/host_constant_{}.npy", *next - 1)
                }
                Operand::Constant(a) => {
                    let values: Vec<String> = a.iter().map(|v| format!("{v:?}")).collect();
                    format!("[{}] of shape {:?}", values.join(", "), a.shape())
                }
            });
        }
        out.push(format!("{name:?}: t{} = {}", k + 1, computed(step, &words)));
    }
    out
}

fn computed(step: &Step, words: &[String]) -> String {
    let x = words.first().map_or("", String::as_str);
    match &step.work {
        Work::Cast => format!("{x} as float32"),
        Work::Arithmetic(kind) => {
            let y = words.get(1).map_or("", String::as_str);
            let formula = match kind {
                Binary::Add => format!("{x} + {y}"),
                Binary::Sub => format!("{x} - {y}"),
                Binary::Mul => format!("{x} * {y}"),
                Binary::Div => format!("{x} / {y}, a division, not a product with the reciprocal"),
                Binary::Min => format!("the lesser of {x} and {y}"),
                Binary::Max => format!("the greater of {x} and {y}"),
                Binary::Pow => format!("{x} to the power of {y}, as products from the left"),
                Binary::PRelu => format!("{x} where it is above 0, else {x} * {y}"),
            };
            format!("{formula}; rounded to float32")
        }
        Work::BatchNormalization(_) => {
            let factors = step.factors().unwrap_or_default();
            let list = |f: &dyn Fn(&(f32, f32)) -> f32| {
                let values: Vec<String> = factors.iter().map(|v| format!("{:?}", f(v))).collect();
                values.join(", ")
            };
            format!(
                "{x} * a + b for each channel (axis 1), the product and the sum each rounded to float32 (not fused); a = [{}], b = [{}]",
                list(&|v| v.0),
                list(&|v| v.1)
            )
        }
        Work::Function(name, attributes) => function(name, attributes, x),
        Work::Threshold(t) => {
            let rows: Vec<String> = t.thresholds.iter().map(|row| format!("{row:?}")).collect();
            format!(
                "the element of {:?} at the number of thresholds that {x} is not less than; thresholds {} {}",
                t.values,
                if rows.len() == 1 {
                    "for all:".to_owned()
                } else {
                    format!("for each index of axis {}:", t.axis)
                },
                rows.join(", ")
            )
        }
        Work::Reshape => format!("{x} reshaped to {:?}", step.shape),
        Work::Transpose(perm) => format!("{x}, its axes in the order {perm:?}"),
        Work::Take(keep) => {
            let axes: Vec<String> = keep.iter().enumerate().map(|(axis, k)| taken(axis, k)).collect();
            format!("of {x} {}", axes.join(", "))
        }
        Work::Pad { before, after, fill } => {
            format!("{x} with {before:?} elements before and {after:?} behind each axis, {fill:?} in them")
        }
        Work::Concat(axis) => format!("{} one after the other along axis {axis}", words.join(", ")),
    }
}

/// Which indices of an axis are taken.
fn taken(axis: usize, keep: &[usize]) -> String {
    let step = match keep {
        [a, b, ..] => i64::try_from(*b).unwrap_or(0) - i64::try_from(*a).unwrap_or(0),
        _ => 1,
    };
    let even =
        keep.windows(2).all(|w| w[0].checked_add_signed(isize::try_from(step).unwrap_or(0)) == Some(w[1]));
    match (keep, even) {
        ([first, .., last], true) if keep.len() > 3 => {
            format!("axis {axis} from {first} to {last} in steps of {step}")
        }
        _ => format!("axis {axis} at {keep:?}"),
    }
}

/// An input or output whose layout the model changes.
pub(super) struct Rearranged<'a> {
    /// Else an output.
    pub(super) input: bool,
    /// The tensor, in words.
    pub(super) tensor: String,
    /// The file of each byte's element, without ending.
    pub(super) file: String,
    /// The host's element of each canonical one.
    pub(super) source: &'a [u32],
    /// The node whose value the stream carries.
    pub(super) node: NodeId,
    /// The input or output itself.
    edge: NodeId,
}

/// Those inputs and outputs, each with its file.
pub(super) fn rearranged(graph: &IntGraph) -> Vec<Rearranged<'_>> {
    let is_output = |id: &NodeId| matches!(graph.node(*id).op, IntOp::Output(_));
    let outputs = graph.ids().into_iter().filter(is_output).count();
    let is_input = |id: &NodeId| matches!(graph.node(*id).op, IntOp::Input(_));
    let inputs = graph.ids().into_iter().filter(is_input).count();
    let mut out = vec![];
    let (mut k, mut i) = (0, 0);
    for node in graph.ids() {
        match &graph.node(node).op {
            IntOp::Input(host) => {
                let mut tensor = match host.prepare {
                    Some(_) => "the last tensor before quantization",
                    None => "the model's input",
                }
                .to_owned();
                let mut file = "input_order".to_owned();
                if inputs > 1 {
                    tensor += &format!(" {:?}", graph.node(node).name);
                    file += &format!("_{i}");
                }
                i += 1;
                let source = host.arrangement.source.as_deref();
                out.extend(source.map(|source| Rearranged {
                    input: true,
                    tensor,
                    file,
                    source,
                    node,
                    edge: node,
                }));
            }
            IntOp::Output(host) => {
                let (tensor, file) = match outputs {
                    1 => ("the model's output".to_owned(), "output_order".to_owned()),
                    _ => (
                        format!("the model's output {:?}", graph.node(node).name),
                        format!("output_order_{k}"),
                    ),
                };
                k += 1;
                let source = host.arrangement.source.as_deref().filter(|_| in_tensor_order(host));
                let carried = graph.inputs(node).first().map(|port| port.node);
                let carried = source.zip(carried);
                out.extend(carried.map(|(source, carried)| Rearranged {
                    input: false,
                    tensor,
                    file,
                    source,
                    node: carried,
                    edge: node,
                }));
            }
            IntOp::Conv(_)
            | IntOp::Add(_)
            | IntOp::Product(_)
            | IntOp::Table(_)
            | IntOp::MaxPool(_)
            | IntOp::AveragePool(_)
            | IntOp::Select(_)
            | IntOp::Concat(_) => {}
        }
    }
    out
}

fn arrange(name: &str, a: &Arrangement, fact: &QFact, input: bool, file: Option<&str>) -> Option<String> {
    let [c, h, w] = fact.shape;
    if a.source.is_none() && (c == 1 || h * w == 1) {
        return None;
    }
    let (from, to) = (format!("{:?}", a.onnx_shape), format!("rows {h}, columns {w}, channels {c}"));
    let mapped = file.map_or_else(String::new, |file| {
        format!("; the model changes the layout: vectors/{file}.npy has each byte's element")
    });
    Some(if input {
        format!("{name:?}: reorder {from} to {to}{mapped}")
    } else {
        format!("{name:?}: reorder {to} to {from}{mapped}")
    })
}

/// The expression with every constant written out.
fn whole(e: &Expression) -> String {
    let steps = Expression { steps: e.steps.clone(), constants: Vec::new() };
    let constants = e.constants.iter().enumerate().map(|(k, c)| format!("; #{k} = {c:?}"));
    format!("{steps}{}", constants.collect::<String>())
}

fn sentence(step: &HostStep) -> String {
    let name = |signed: bool| if signed { "int8" } else { "uint8" };
    match step {
        HostStep::Accumulator { bytes, axis, expression } => format!(
            "accumulator: each {bytes} bytes of the last axis are an integer x in two's complement, the first byte the least; \
             then, with a constant for each index of axis {axis}, each operator rounded to float32 (Accumulated: x times the \
             product of the scales, in double precision, rounded once): {}",
            whole(expression)
        ),
        HostStep::Dequantize(scale, zero) => {
            format!("dequantize: float32(y - {zero}) * {scale:?}, the product in float32")
        }
        HostStep::Quantize(scale, zero, signed) => {
            format!(
                "quantize: round_half_even(y / {scale:?}) + {zero}, saturated to {}; the quotient in float32",
                name(*signed)
            )
        }
        HostStep::Function(name, attributes) => function(name, attributes, "y"),
        HostStep::Softmax(axis) => format!(
            "Softmax over axis {axis}: exp(y - max) / sum(exp(y - max)), float32; the last bit depends on the exponential and the order of the sum"
        ),
        HostStep::LogSoftmax(axis) => format!(
            "LogSoftmax over axis {axis}: (y - max) - log(sum(exp(y - max))), float32; the last bit depends on the exponential, the order of the sum and the logarithm"
        ),
        HostStep::TopK { axis, k, largest, indices } => format!(
            "TopK over axis {axis}: {}the {k} {} elements, in this order, the first of equal ones first",
            if *indices { "indices of " } else { "" },
            if *largest { "greatest" } else { "least" }
        ),
        HostStep::QLinearSoftmax { axis, input, output, signed } => format!(
            "QLinearSoftmax over axis {axis} (n elements), to {}: e(y) = float32(exp((y - max + h) * {s:?})) with h = \
             max(log(3.4028235e38 / n) - 5, 0) / {s:?}, the logarithm's argument and result in float32, all else in double; \
             min(round_half_even(e(y) / sum * {factor:?}) + {}, {}), the sum in float32 in the order of the elements, quotient \
             and product in double ({factor:?} is floor(1 / {:?}), the output's scale)",
            name(*signed),
            output.1,
            if *signed { 127 } else { 255 },
            output.0,
            s = input.0,
            factor = (1.0 / output.0).floor(),
        ),
        HostStep::ArgMax { axis, keepdims, select_last_index } => format!(
            "ArgMax over axis {axis}, the {} of equal ones{}",
            if *select_last_index { "last" } else { "first" },
            if *keepdims { ", the axis kept with length 1" } else { "" }
        ),
        HostStep::Reshape(shape) => format!("reshape to {shape:?}"),
    }
}

/// A float function of each value: its formula where that fixes every bit.
fn function(name: &str, attributes: &[(&'static str, f32)], y: &str) -> String {
    let formula = match name {
        "Relu" => "max(y, 0)",
        "Clip" => "y, not below min and not above max",
        "Abs" => "|y|",
        "Neg" => "-y",
        "Floor" | "Ceil" => "y rounded to an integer",
        "Round" => "round_half_even(y)",
        "Sign" => "-1, 0 or 1",
        "Sqrt" => "sqrt(y), rounded once",
        "Reciprocal" => "1 / y, rounded once",
        "LeakyRelu" => "y, or alpha * y where y < 0",
        "ThresholdedRelu" => "y, or 0 where y <= alpha",
        "Shrink" => "y + bias where y < -lambd, y - bias where y > lambd, else 0",
        "HardSigmoid" => "alpha * y + beta, not below 0 and not above 1",
        "HardSwish" => "y * (y / 6 + 1/2, not below 0 and not above 1), the factor 1/6 in float32",
        _ => {
            "ONNX's function; the last bits are those of ONNX Runtime's own approximation, others differ in those alone"
        }
    };
    let values: Vec<String> = attributes.iter().map(|(n, v)| format!("{n} = {v:?}")).collect();
    let with = if values.is_empty() { String::new() } else { format!(", with {}", values.join(", ")) };
    let of = if y == "y" { "each value".to_owned() } else { format!("each value y of {y}") };
    format!("{name} of {of}, in float32: {formula}{with}")
}
