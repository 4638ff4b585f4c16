//! `inspect MODEL`: what the model is, what the compiler would make of it, what it refuses and why.

use std::path::PathBuf;

use clap::Args;
use onnx2chip::diag::{Diagnostics, Result};
use onnx2chip::onnx;
use onnx2chip::passes::inspect::{Edge, Inspection, Layer};

use super::term;

#[derive(Args, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct Inspect {
    /// ONNX model
    model: PathBuf,
    /// Data type of a float input that no quantizer follows: it holds integers of 1 to 8 bits (UINT8, INT4, BIPOLAR ...) times SCALE [default: 1]
    #[arg(long, value_name = "NAME=TYPE[:SCALE]")]
    input_type: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs the command; returns the exit code: 2 for a model that `compile` refuses.
pub(crate) fn run(args: &Inspect) -> Result<u8> {
    let found = {
        let mut model = onnx::read(&args.model)?;
        model.declare(&args.input_type)?;
        onnx2chip::inspect(&model)
    };
    term::print(&if args.json { term::to_json(&found)? } else { show(&found) })?;
    if found.refusals.is_empty() {
        return Ok(0);
    }
    Err(Diagnostics(found.refusals))
}

/// The operator with its function or formula, and a convolution's groups.
fn operator(l: &Layer) -> String {
    match &l.weights {
        Some(w) if w.groups != 1 => format!("{} (group {})", l.op, w.groups),
        _ if l.detail.is_empty() => l.op.to_owned(),
        _ => format!("{} ({})", l.op, l.detail),
    }
}

fn show(m: &Inspection) -> String {
    let join = |list: &[(String, usize)]| {
        list.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
    };
    let opsets: Vec<String> = m.opsets.iter().map(|(d, v)| format!("{d} {v}")).collect();
    let mut out =
        format!("graph {:?}, opsets {}\noperators: {}\n", m.name, opsets.join(", "), join(&m.operators));
    let edge = |what: &str, e: &Edge| {
        let list = |what: &str, names: &[String]| {
            if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
        };
        let host = list("hardware", &e.hardware) + &list("host", &e.host);
        let shape: Vec<String> = e.shape.iter().map(ToString::to_string).collect();
        format!("{what} {:?}: {} [{}]{host}\n", e.name, e.dtype, shape.join(", "))
    };
    out += &m.inputs.iter().map(|e| edge("input", e)).collect::<String>();
    out += &m.outputs.iter().map(|e| edge("output", e)).collect::<String>();
    if m.layers.is_empty() {
        return out;
    }
    let shape = |s: &[usize; 3]| format!("{}x{}x{}", s[0], s[1], s[2]);
    let rows: Vec<Vec<String>> = m
        .layers
        .iter()
        .map(|l| {
            let window = l.kernel.map_or_else(String::new, |k| format!("{}x{}", k[0], k[1]));
            let stride = l.strides.map_or_else(String::new, |s| format!("{}x{}", s[0], s[1]));
            let q = &l.quantization;
            vec![
                term::name(&l.name),
                operator(l),
                shape(&l.input),
                shape(&l.output),
                window,
                stride,
                term::group(l.macs),
                format!("{}{}", if q.signed { "s" } else { "u" }, q.bits),
                format!("{:.6}", q.scale),
                q.zero_point.to_string(),
                l.weights.as_ref().map_or_else(String::new, |w| {
                    format!(
                        "{}..{}{}",
                        w.range.0,
                        w.range.1,
                        if w.scale.len() > 1 { ", per channel" } else { "" }
                    )
                }),
            ]
        })
        .collect();
    let head = [
        "layer", "operator", "input", "output", "kernel", "stride", "MACs", "bits", "scale", "zero",
        "weights",
    ];
    out += "\n";
    out += &term::table(&head, &rows, 2);
    out += &format!("\n{} MACs, {} weights and biases\n", term::group(m.macs), term::group(m.parameters));
    out
}
