//! `run MODEL`: the bit-exact integer executor on the CPU, and its comparison with ONNX Runtime.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use onnx2chip::diag::{Diagnostic, Result, code};
use onnx2chip::exec::files::{InputFile, RunFiles, Written, run_files};
use onnx2chip::exec::{Data, npy};
use onnx2chip::reference::compare::{self, Comparison};
use onnx2chip::reference::ort::Setting;
use serde::Serialize;

use super::config::Heads;
use super::term::{self, Progress};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reference {
    /// The installed ONNX Runtime: the library that ORT_DYLIB_PATH names, else that of the Python package onnxruntime in
    /// the active virtual environment, in .venv here, in .venv beside or above the executable, or in python3's path
    Onnxruntime,
}

#[derive(Args, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct Run {
    /// Quantized ONNX model
    model: PathBuf,
    /// Input samples stacked on the first axis, .npy; NAME= where there are several inputs
    #[arg(long, value_name = "[NAME=]FILE", required = true)]
    input: Vec<String>,
    /// Data type of a float input that no quantizer follows: it holds integers of 1 to 8 bits (UINT8, INT4, BIPOLAR ...) times SCALE [default: 1]
    #[arg(long, value_name = "NAME=TYPE[:SCALE]")]
    input_type: Vec<String>,
    /// Where the output goes, .npy: samples on its first axis, or on a new one where the model gives it no batch of 1
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder for every node's accumulators and result
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Compare every output byte with a reference; a difference is exit code 1
    #[arg(long, value_enum)]
    compare: Option<Reference>,
    /// Where ArgMax, TopK of one element and a Softmax that is quantized run, behind the last layer, as in compile
    #[arg(long, value_enum, default_value = "hardware")]
    heads: Heads,
    /// Labels of the samples, .npy of integers: prints how many are recognised
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct Summary {
    samples: usize,
    written: Vec<Written>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top1: Option<Top1>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
}

#[derive(Serialize)]
struct Top1 {
    correct: usize,
    of: usize,
}

/// Runs the command; returns the exit code.
pub(crate) fn run(args: &Run) -> Result<u8> {
    let progress = Progress::new(args.json);
    progress.stage("reading the model");
    let mut source = onnx2chip::load_declared(&args.model, &args.input_type)?;
    if args.heads == Heads::Hardware {
        onnx2chip::passes::heads::run(&mut source.graph);
    }
    progress.stage("running");
    let report = run_files(
        &source.graph,
        &RunFiles {
            inputs: args.input.iter().map(|t| InputFile::parse(t)).collect(),
            output: args.output.clone(),
            dump: args.dump.clone(),
        },
    )?;
    let top1 = match (&args.labels, report.outputs.first()) {
        (Some(path), Some((_, output))) => Some(top1(output, &npy::load(path)?)?),
        _ => None,
    };
    let comparison = match args.compare {
        Some(Reference::Onnxruntime) => {
            progress.stage("comparing with ONNX Runtime");
            Some(compare::compare(&args.model, &source.graph, &report.inputs)?)
        }
        None => None,
    };
    drop(progress);
    let status = u8::from(comparison.as_ref().is_some_and(|c| !c.agrees()));
    let summary = Summary { samples: report.samples, written: report.written, top1, comparison };
    let text = if args.json { term::to_json(&summary)? } else { show(&summary) };
    term::print(&text)?;
    Ok(status)
}

fn show(s: &Summary) -> String {
    let mut out = format!("{} samples\n", s.samples);
    for w in &s.written {
        out += &format!("{}: {} {:?} in {}\n", term::line(&w.tensor), w.dtype, w.shape, w.path.display());
    }
    if let Some(t) = &s.top1 {
        out += &format!("top-1: {} of {}\n", t.correct, t.of);
    }
    let Some(c) = &s.comparison else { return out };
    out += &format!(
        "ONNX Runtime {} on {}{}\n",
        c.version.as_deref().unwrap_or(&c.runtime),
        c.cpu.name,
        if c.cpu.vnni { "" } else { ", without VNNI" }
    );
    let mut rows = vec![];
    for r in &c.settings {
        let (elements, differing) =
            r.all().fold((0u64, 0u64), |(e, d), x| (e + x.elements as u64, d + x.differing as u64));
        let setting = serde_json::to_value(r.setting).ok().and_then(|v| v.as_str().map(str::to_owned));
        rows.push(vec![
            setting.unwrap_or_default(),
            match (r.judged, r.near) {
                (true, _) => "must agree".into(),
                (false, Some(most)) => format!("must be near: {most} steps"),
                (false, None) => "for information".into(),
            },
            term::group(elements),
            r.error.clone().map_or_else(|| term::group(differing), |e| format!("failed: {e}")),
            r.steps.map_or_else(String::new, |s| format!("{s:.1}")),
        ]);
    }
    out += &term::table(&["ONNX Runtime", "", "values", "differing", "largest, steps"], &rows, 2);
    let full = |s: Setting| c.settings.iter().find(|r| r.setting == s);
    if let Some(r) = full(Setting::FullInt8).filter(|r| !r.judged && r.error.is_none()) {
        let floats: Vec<String> = r.float_operators.iter().map(|(op, n)| format!("{op} {n}")).collect();
        if !floats.is_empty() {
            out += &format!(
                "full-int8 is for information: on this file ONNX Runtime computes in float32 between integers ({})",
                floats.join(", ")
            );
            out += match full(Setting::FullInt8Moved) {
                Some(m) if m.judged => {
                    "; full-int8-moved is the same file with Clip or Reshape moved out of its way\n"
                }
                _ => "\n",
            };
        }
    }
    if !c.float_means.is_empty() {
        out += &format!(
            "ONNX Runtime averages in float32 and adds in an order of its own ({}): near a tie a byte may differ by one step\n",
            c.float_means.join(", ")
        );
    }
    for r in c.settings.iter().filter(|r| r.judged) {
        for d in r.outputs.iter().filter(|d| d.allowed > 0.0) {
            out += &format!(
                "{}: Softmax in integers, which may differ by one step: {} of {} values do, {} by more\n",
                term::line(&d.tensor),
                term::group(d.differing as u64),
                term::group(d.elements as u64),
                term::group(d.beyond as u64)
            );
        }
    }
    for d in c.settings.iter().filter(|r| r.judged).flat_map(|r| r.all()) {
        if let Some(f) = &d.first {
            out += &format!(
                "first difference in {}: sample {}, {:?}: here {}, there {}\n",
                term::line(&d.tensor),
                f.sample,
                f.index,
                f.executor,
                f.onnxruntime
            );
        }
    }
    out
}

/// How many samples' largest output is the label's.
fn top1(output: &Data, labels: &Data) -> Result<Top1> {
    let fault =
        |cause: String| Diagnostic::new(code::INPUT_DATA_INVALID, "the labels do not fit the output", cause);
    let labels: Vec<i64> = match labels {
        Data::U8(a) => a.iter().map(|v| i64::from(*v)).collect(),
        Data::I8(a) => a.iter().map(|v| i64::from(*v)).collect(),
        Data::I32(a) => a.iter().map(|v| i64::from(*v)).collect(),
        Data::I64(a) => a.iter().copied().collect(),
        Data::F32(_) => return Err(fault("labels are integers, not float32".into()).into()),
    };
    let samples = output.shape().first().copied().unwrap_or(0);
    if samples != labels.len() || samples == 0 {
        return Err(fault(format!("{} labels for {samples} samples", labels.len())).into());
    }
    let values: Vec<f64> = match output {
        Data::F32(a) => a.iter().map(|v| f64::from(*v)).collect(),
        Data::U8(a) => a.iter().map(|v| f64::from(*v)).collect(),
        Data::I8(a) => a.iter().map(|v| f64::from(*v)).collect(),
        Data::I32(a) => a.iter().map(|v| f64::from(*v)).collect(),
        Data::I64(_) => return Err(fault("the output is class numbers, not scores".into()).into()),
    };
    let best = |row: &[f64]| {
        // The first of equal ones, as ArgMax takes it.
        let first = (0, f64::NEG_INFINITY);
        row.iter().enumerate().fold(first, |b, (i, v)| if *v > b.1 { (i, *v) } else { b }).0
    };
    let classes = (values.len() / samples).max(1);
    let correct = values
        .chunks(classes)
        .zip(&labels)
        .filter(|(row, label)| i64::try_from(best(row)) == Ok(**label))
        .count();
    Ok(Top1 { correct, of: samples })
}
