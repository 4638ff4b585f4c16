//! Generated text: the top module, the testbench's wiring and tables, scripts and constraints. Structure only.

use askama::Template;

use super::{File, Package, internal, param, stream_bytes};
use crate::design::{Design, Layer, Stream, Tensor};
use crate::diag::Result;
use crate::hw::{regmap, regmap_render};

#[derive(Template)]
#[template(path = "top.v", syntax = "verilog")]
struct Top<'a> {
    d: &'a Design,
    model: String,
    layers: Vec<String>,
    stream: i64,
    tensors: Vec<(&'static str, &'a Tensor)>,
}

#[derive(Template)]
#[template(path = "tb.v", syntax = "verilog")]
struct Bench<'a> {
    d: &'a Design,
    stream: i64,
    samples: usize,
    input_beats: usize,
    output_beats: usize,
    limit: u64,
    ctrl: u32,
    auto: u32,
    ext_base: u32,
}

struct LayerRow<'a> {
    layer: &'a Layer,
    name: String,
    op: String,
    accumulator: bool,
}

#[derive(Template)]
#[template(path = "design.h", syntax = "verilog")]
struct Tables<'a> {
    d: &'a Design,
    scope: String,
    beat: usize,
    layers: Vec<LayerRow<'a>>,
    memories: Vec<String>,
    multipliers: usize,
    params: Vec<(&'static str, i64)>,
    inputs: Vec<(&'a Tensor, String)>,
    outputs: Vec<(&'a Tensor, String)>,
}

#[derive(Template)]
#[template(path = "Makefile.mk", syntax = "verilog")]
struct Make<'a> {
    d: &'a Design,
    mhz: u32,
    nextpnr: &'a str,
}

#[derive(Template)]
#[template(path = "clock.xdc", syntax = "verilog")]
struct Xdc {
    period: String,
}

#[derive(Template)]
#[template(path = "clock.sdc", syntax = "verilog")]
struct Sdc {
    period: String,
}

#[derive(Template)]
#[template(path = "clock.lpf", syntax = "verilog")]
struct Lpf {
    mhz: u32,
}

#[derive(Template)]
#[template(path = "vivado.tcl", syntax = "verilog")]
struct Vivado<'a> {
    d: &'a Design,
    part: &'a str,
}

#[derive(Template)]
#[template(path = "handoff.md", syntax = "verilog")]
struct Readme<'a> {
    d: &'a Design,
    stream: i64,
    model: String,
    before: Vec<String>,
    after: Vec<String>,
    tensors: Vec<(&'static str, &'a Tensor, String)>,
}

/// Adds every generated text file.
pub(super) fn add(package: &Package<'_>, out: &mut Vec<File>) -> Result<()> {
    let (d, facts) = (&**package.design, package.facts);
    let beat = stream_bytes(d)?;
    let stream = param(d, "STREAM_W")?;
    let samples = package.vectors.samples.len();
    let (input_beats, output_beats) = (d.input.bytes.div_ceil(beat), d.output.bytes.div_ceil(beat));
    let layers = d.layers.iter().enumerate().map(|(i, l)| {
        let [ic, ih, iw] = l.input_shape;
        let [oc, oh, ow] = l.output_shape;
        format!("{i:3}  {}: {}, {ic}x{ih}x{iw} to {oc}x{oh}x{ow}", comment(&l.name), comment(&l.op))
    });
    let inputs = d.input.tensors.iter().map(|t| ("input", t));
    let tensors: Vec<_> = inputs.chain(d.output.tensors.iter().map(|t| ("output", t))).collect();
    let top =
        Top { d, model: comment(&facts.model), layers: layers.collect(), stream, tensors: tensors.clone() };
    push(out, format!("rtl/{}.v", d.name), "generated top module: ports, one instance, parameters", top)?;

    // Generous: a stream that moves a word every sixteen cycles, and the engine and the ingest unit four times over.
    let moved = u64::try_from(input_beats + output_beats).unwrap_or(u64::MAX / 64);
    let own = d.cycles.saturating_add(d.input.cycles).saturating_add(d.output.cycles).saturating_mul(4);
    let limit = own.saturating_add(moved.saturating_mul(16)).saturating_add(100_000);
    let (ctrl, auto) = auto_start()?;
    let ext_base = offset("ext_base_lo")?;
    let bench = Bench { d, stream, samples, input_beats, output_beats, limit, ctrl, auto, ext_base };
    push(out, "tb/tb.v".into(), "self-checking Verilog testbench, for any simulator", bench)?;

    let first = package.vectors.samples.first().ok_or_else(|| internal("there is no golden sample"))?;
    let rows = d.layers.iter().zip(&first.layers).map(|(layer, v)| LayerRow {
        layer,
        name: c_string(&layer.name),
        op: c_string(&layer.op),
        accumulator: !v.acc.is_empty(),
    });
    let top = d.name.as_str().replace("__", "___05F");
    let tables = Tables {
        d,
        scope: format!("{top}__DOT__u_accelerator__DOT__u_engine__DOT__"),
        beat,
        layers: rows.collect(),
        memories: d.memories.iter().map(|m| format!("mem/{}.hex", m.name)).collect(),
        multipliers: d.array.iter().product(),
        params: d.params.iter().map(|p| (p.name, p.value.first())).collect(),
        inputs: named(&d.input),
        outputs: named(&d.output),
    };
    push(out, "tb/design.h".into(), "tables of the C++ testbench", tables)?;

    let period = format!("{:.3}", 1000.0 / f64::from(facts.clock_mhz));
    // A folder for no device, or another family's, is synthesized for a large one.
    let part = |family: &str, other: &'static str| {
        if facts.target.family == family { facts.target.part.as_str() } else { other }
    };
    let nextpnr = part("ecp5", "--85k --package CABGA756");
    push(
        out,
        "Makefile".into(),
        "sim, icarus, lint, synth-ecp5, clean",
        Make { d, mhz: facts.clock_mhz, nextpnr },
    )?;
    push(out, "constraints/clock.xdc".into(), "clock, Vivado", Xdc { period: period.clone() })?;
    push(out, "constraints/clock.sdc".into(), "clock, Quartus and others", Sdc { period })?;
    push(out, "constraints/clock.lpf".into(), "clock, Lattice ECP5", Lpf { mhz: facts.clock_mhz })?;
    let plain = |steps: &[String]| steps.iter().map(|s| comment(s)).collect();
    let vivado = Vivado { d, part: part("xilinx", "xc7a100tcsg324-1") };
    push(out, "constraints/vivado.tcl".into(), "out-of-context synthesis in Vivado", vivado)?;
    let header = regmap_render::c_header().map_err(|e| internal(e.to_string()))?;
    out.push(File::text("include/onnx2chip_regs.h", "the register map, for C and C++", header));
    push(
        out,
        "README.md".into(),
        "what is in this folder and how to use it",
        Readme {
            d,
            stream,
            model: comment(&facts.model),
            before: plain(&facts.host_before),
            after: plain(&facts.host_after),
            tensors: tensors
                .into_iter()
                .map(|(way, t)| (way, t, comment(&t.tensor).replace('|', "?")))
                .collect(),
        },
    )
}

/// The tensors of a stream with their names for C.
fn named(stream: &Stream) -> Vec<(&Tensor, String)> {
    stream.tensors.iter().map(|t| (t, c_string(&t.tensor))).collect()
}

/// The register write that lets the accelerator start by itself: byte offset, value.
fn auto_start() -> Result<(u32, u32)> {
    let register = regmap::REGISTERS.iter().find(|r| r.name == "ctrl");
    let field = register.and_then(|r| r.fields.iter().find(|f| f.name == "auto"));
    match (register, field) {
        (Some(r), Some(f)) => Ok((r.offset, 1 << f.lsb)),
        _ => Err(internal("the register map has no ctrl.auto")),
    }
}

/// The byte offset of a register.
fn offset(name: &str) -> Result<u32> {
    let register = regmap::REGISTERS.iter().find(|r| r.name == name);
    register.map(|r| r.offset).ok_or_else(|| internal(format!("the register map has no {name}")))
}

fn push(out: &mut Vec<File>, path: String, what: &str, template: impl Template) -> Result<()> {
    let mut text = template.render().map_err(|e| internal(format!("{path}: {e}")))?;
    while text.ends_with("\n\n") {
        text.pop();
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    out.push(File::text(path, what, text));
    Ok(())
}

/// A name from a model as it may stand in a one-line comment of any language: printable ASCII, no backslash, no tick.
fn comment(name: &str) -> String {
    name.chars()
        .map(|c| if c == ' ' || (c.is_ascii_graphic() && c != '\\' && c != '`') { c } else { '?' })
        .collect()
}

/// A name from a model as the inside of a C string literal.
fn c_string(name: &str) -> String {
    let mut out = String::new();
    for b in name.bytes() {
        match b {
            b'"' | b'\\' | b'?' => out.extend(['\\', char::from(b)]),
            b' '..=b'~' => out.push(char::from(b)),
            _ => out.push_str(&format!("\\{b:03o}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_escape() {
        assert_eq!(comment("a\nb\\`é"), "a?b???");
        assert_eq!(c_string("a\"\\\n é??/"), "a\\\"\\\\\\012 \\303\\251\\?\\?/");
    }
}
