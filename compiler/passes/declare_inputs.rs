//! Inputs of which it is said, by the file or by the user, that they hold small integers times a scale: they are quantized
//! where the elementwise operators on them end, so that layers behind find quantized operands.
//!
//! In: data types by input. Out: a QuantizeLinear (by QONNX's rule) and a DequantizeLinear that change no value that the
//! type has: the operators' results on all of them are integers times one scale, to the bit, or the type is refused.

use std::collections::BTreeMap;

use super::names::{Names, uses};
use super::prepare_input::constant;
use crate::arith::{Rounding, Rule, host};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::Port;
use crate::graph::float::{Fact, FloatGraph};
use crate::onnx::model::{DType, Model};
use crate::ops::Op;
use crate::ops::clip::Clip;
use crate::ops::quant::{container, named};
use crate::ops::quantization::Params;

/// Widest type whose values are looked at one by one.
const MOST: i64 = 256;

/// `TYPE` or `TYPE:SCALE`: least and greatest integer, and the scale.
fn parse(text: &str) -> Option<(i64, i64, f32)> {
    let (name, scale) = match text.split_once(':') {
        None => (text, 1.0),
        Some((name, scale)) => (name, scale.parse().ok().filter(|s: &f32| s.is_finite() && *s > 0.0)?),
    };
    let (lo, hi) = named(name)?;
    (hi - lo < MOST).then_some((lo, hi, scale))
}

pub(super) fn run(graph: &mut FloatGraph, model: &Model) -> Result<()> {
    let mut names = Names::of(graph);
    // By name, as the user may have said it of what is no input.
    let inputs: BTreeMap<String, Port> = graph
        .ids()
        .into_iter()
        .filter(|id| matches!(graph.node(*id).op, Op::Input))
        .map(|id| (graph.value(id.into()).name.clone(), id.into()))
        .collect();
    for (name, text) in &model.declared {
        let fault = |cause: String| {
            Diagnostic::new(code::CONFIG_INVALID, "the type of an input is not usable", cause)
                .at(format!("input \"{name}\""))
                .remedy("give NAME=TYPE or NAME=TYPE:SCALE, such as x=UINT8:0.00390625, INT4 or BIPOLAR")
        };
        let Some(&port) = inputs.get(name) else {
            return Err(fault("the model has no such input".into()).into());
        };
        if graph.value(port).fact.dtype != DType::F32 {
            return Err(fault("the input is no float tensor".into()).into());
        }
        let Some(found) = parse(text) else {
            return Err(fault(format!("\"{text}\" is no integer type of at most 8 bits")).into());
        };
        declare(graph, &mut names, port, found).map_err(fault)?;
    }
    for (name, text) in model.annotations.iter().filter(|(name, _)| !model.declared.contains_key(*name)) {
        // Other types say nothing that helps, and a file's may be about anything.
        let (Some(&port), Some(found)) = (inputs.get(name), parse(text)) else { continue };
        if graph.value(port).fact.dtype == DType::F32 {
            // Where it can't be, the file is refused for its float layer.
            let _ = declare(graph, &mut names, port, found);
        }
    }
    Ok(())
}

/// One operator's results, or `None` if its operand has to be quantized before it.
fn after(graph: &FloatGraph, op: &Op, inputs: &[Port], x: Port, values: &[f32]) -> Option<Vec<f32>> {
    let each = |f: &dyn Fn(f32) -> Option<f32>| values.iter().map(|v| f(*v)).collect();
    match op {
        Op::Reshape(_) | Op::Transpose(_) | Op::Identity => Some(values.to_vec()),
        Op::Unary(f) => each(&|v| host::function(f.name, &f.attributes, v)),
        Op::Clip(Clip { min, max }) => {
            each(&|v| Some(v.max(min.unwrap_or(f32::MIN)).min(max.unwrap_or(f32::MAX))))
        }
        Op::Binary(kind) => {
            let first = inputs.first() == Some(&x);
            let other = constant(graph, *inputs.get(usize::from(first))?).filter(|c| c.len() == 1)?;
            let other = *other.first()?;
            each(&|v| {
                Some(if first {
                    host::arithmetic(*kind, v, other)
                } else {
                    host::arithmetic(*kind, other, v)
                })
            })
        }
        _ => None,
    }
}

fn declare(
    graph: &mut FloatGraph,
    names: &mut Names,
    input: Port,
    (lo, hi, scale): (i64, i64, f32),
) -> std::result::Result<(), String> {
    // Integers of at most 9 bits are exact.
    let mut values: Vec<f32> = (lo..=hi).map(|q| q as f32 * scale).collect();
    let mut here = input;
    while uses(graph, here) == 1
        && let Some(&(reader, _)) = graph.consumers(here).first()
    {
        let op = &graph.node(reader).op;
        if matches!(op, Op::Quantize(_) | Op::Threshold(_)) {
            // It quantizes the input itself.
            return Ok(());
        }
        let Some(next) = after(graph, op, &graph.inputs(reader), here, &values) else { break };
        (values, here) = (next, reader.into());
    }
    let (scale, integers) =
        grid(&values).ok_or("behind the first operators its values are not integers times one scale")?;
    let least = integers.iter().copied().min().unwrap_or(0);
    let most = integers.iter().copied().max().unwrap_or(0);
    let bits = 65 - if least < 0 { (!least).max(most) } else { most }.leading_zeros();
    let dtype = container(if least < 0 { bits } else { bits - 1 }, least < 0);
    let params = Params {
        scale: vec![scale],
        zero_point: vec![0],
        axis: None,
        dtype,
        lo: least,
        hi: most,
        rule: Rule::Quant(Rounding::Round),
        scalar: false,
    };
    if params.bits() > 8 {
        return Err(format!("behind the first operators its values need {} bits", params.bits()));
    }
    let value = graph.value(here).clone();
    let readers = graph.consumers(here);
    let fact = Fact::new(dtype, value.fact.shape.clone());
    let name = format!("{}_quantized", value.name);
    let q = names.add(graph, &name, &name, Op::Quantize(params.clone()), &[here], fact);
    let name = format!("{}_dequantized", value.name);
    let dq = names.add(graph, &name, &name, Op::Dequantize(params), &[q.into()], value.fact);
    for (reader, _) in readers {
        let inputs: Vec<Port> =
            graph.inputs(reader).into_iter().map(|p| if p == here { dq.into() } else { p }).collect();
        graph.set_inputs(reader, &inputs);
    }
    Ok(())
}

/// The largest scale of which all values are multiples, to the bit, of those that the steps between them suggest.
fn grid(values: &[f32]) -> Option<(f32, Vec<i64>)> {
    let mut steps: Vec<f32> = values.windows(2).map(|w| (w[1] - w[0]).abs()).filter(|d| *d > 0.0).collect();
    steps.extend(values.iter().map(|v| v.abs()).filter(|v| *v > 0.0));
    steps.sort_by(|a, b| b.total_cmp(a));
    steps.dedup();
    let near = |s: &f32| [*s, s.next_up(), s.next_down()];
    steps.iter().flat_map(near).find_map(|scale| {
        let one = |v: &f32| {
            let k = (v / scale).round_ties_even();
            // Exact for the integers of few bits that are wanted.
            (k.abs() <= 256.0 && k * scale == *v).then_some(k as i64)
        };
        let integers: Option<Vec<i64>> = values.iter().map(one).collect();
        Some((scale, integers?))
    })
}
