//! `compile MODEL -o DIR`: the whole pipeline, and the hand-off folder on disk.

use std::path::{Path, PathBuf};

use clap::Args;
use onnx2chip::diag::{Diagnostic, Result, code};
use onnx2chip::emit::report::{Report, efficiency};
use onnx2chip::emit::{self, Rescale, folder};
use onnx2chip::exec::files::{InputFile, load_inputs};
use onnx2chip::exec::{Data, Executor};
use onnx2chip::reference::export::{ExportOptions, WeightForm, export};
use onnx2chip::targets::TARGETS;
use onnx2chip::{onnx, passes};
use serde::Serialize;

use super::config::Config;
use super::term::{self, Progress};

#[derive(Args, Debug)]
#[command(after_help = targets())]
pub(crate) struct Compile {
    /// Quantized ONNX model
    model: PathBuf,
    /// Hand-off folder to make
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Replace a hand-off folder in which files were edited; the edits are lost
    #[arg(long)]
    force: bool,
    /// TOML file with these options: their long names, with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: Config,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn targets() -> String {
    let limit = |n: usize| if n == 0 { String::new() } else { n.to_string() };
    let rows: Vec<_> = TARGETS
        .iter()
        .map(|t| vec![format!("  {}", t.name), t.device.to_owned(), limit(t.multipliers), limit(t.blocks)])
        .collect();
    let rows = term::table(&["Targets:", "", "multipliers", "block memories"], &rows, 2);
    format!("{rows}\n{}", super::EXIT_CODES)
}

#[derive(Serialize)]
struct Summary<'a> {
    folder: &'a Path,
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the command; returns the exit code.
pub(crate) fn run(args: &Compile) -> Result<u8> {
    let config = args.options.clone().over(args.config.as_deref())?;
    let options = config.options()?;
    folder::check_replaceable(&args.output, args.force)?;
    let progress = Progress::new(args.json);
    progress.stage("reading the model");
    if let Some(dir) = &config.dump_passes {
        dump_passes(&args.model, &config.input_type, dir)?;
    }
    let source = onnx2chip::load_declared(&args.model, &config.input_type)?;
    if let Some(path) = &config.emit_onnx {
        let canonical =
            export(&source.graph, &ExportOptions { all_outputs: false, weights: WeightForm::Natural })?;
        save(path, &onnx::encode(&canonical.model)?)?;
    }
    let inputs = samples(&config, &source)?;
    progress.stage("proving, planning");
    let compiled = onnx2chip::compile(source, &options)?;
    progress.stage("golden vectors");
    let files = onnx2chip::hand_off(&compiled, &inputs, &config.mem_format)?;
    progress.stage("writing");
    folder::write(&args.output, &files)?;
    drop(progress);
    let report = folder::report(&args.output)?;
    let text = if args.json {
        term::to_json(&Summary { folder: &args.output, report: &report })?
    } else {
        show(&args.output, &report)
    };
    term::print(&text)?;
    Ok(0)
}

/// The input files' samples, or pseudo-random ones.
fn samples(config: &Config, source: &onnx2chip::Source) -> Result<Vec<Data>> {
    if config.input.is_empty() {
        return emit::random_inputs(&source.graph, config.samples.unwrap_or(3), config.seed.unwrap_or(1));
    }
    let files: Vec<InputFile> = config.input.iter().map(|t| InputFile::parse(t)).collect();
    let inputs = load_inputs(&Executor::new(&source.graph)?, &files)?;
    let Some(n) = config.samples else {
        let n = inputs.first().and_then(|d| d.shape().first().copied()).unwrap_or(0);
        return emit::check_samples(&source.graph, n).map(|()| inputs);
    };
    let have = inputs.iter().filter_map(|d| d.shape().first().copied()).min().unwrap_or(0);
    if n > have {
        let cause = format!("the input holds {have} samples, --samples asks for {n}");
        return Err(Diagnostic::new(code::INPUT_DATA_INVALID, "there are too few samples", cause).into());
    }
    Ok(inputs.iter().map(|d| d.samples(0..n)).collect())
}

/// Writes the graph's text after every pass; those before a failing one as well.
fn dump_passes(model: &Path, types: &[String], dir: &Path) -> Result<()> {
    let mut model = onnx::read(model)?;
    model.declare(types)?;
    let (steps, _) = passes::compile_front_traced(&model);
    std::fs::create_dir_all(dir).map_err(|e| unwritable(dir, &e))?;
    for (i, step) in steps.iter().enumerate() {
        save(&dir.join(format!("{i:02}_{}.txt", step.name)), step.text.as_bytes())?;
    }
    Ok(())
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| unwritable(path, &e).into())
}

fn unwritable(path: &Path, e: &std::io::Error) -> Diagnostic {
    Diagnostic::new(code::FILE_UNWRITABLE, "a file can't be written", e.to_string())
        .at(format!("file {}", path.display()))
}

fn show(dir: &Path, r: &Report) -> String {
    let shape = |s: &[usize; 3]| format!("{}x{}x{}", s[0], s[1], s[2]);
    let mut rows: Vec<Vec<String>> = r
        .layers
        .iter()
        .map(|l| {
            vec![
                term::name(&l.name),
                l.op.clone(),
                l.lane.clone(),
                shape(&l.output_shape),
                format!("{}/{}", l.bits[0], l.bits[1]),
                term::group(l.macs),
                term::group(l.cycles_predicted),
                efficiency(l.macs, l.cycles_predicted, r.multipliers),
                l.accumulator_bits.to_string(),
                term::group(l.differing_accumulators),
            ]
        })
        .collect();
    rows.push(vec![
        "total".into(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        term::group(r.macs),
        term::group(r.cycles.predicted),
        efficiency(r.macs, r.cycles.predicted, r.multipliers),
        String::new(),
        term::group(r.layers.iter().map(|l| l.differing_accumulators).sum()),
    ]);
    let head = [
        "layer",
        "operators",
        "lane",
        "output",
        "bits",
        "MACs",
        "cycles",
        "efficiency",
        "acc. bits",
        "differing",
    ];
    let [p, c, k] = r.array;
    let mut out = term::table(&head, &rows, 3);
    out += &format!(
        "\ntop module {}; array {p},{c},{k}: {}; {} MACs a cycle; {} us at {} MHz\n",
        r.name,
        r.multiplier_use(),
        r.macs_per_cycle,
        r.latency_us,
        r.clock_mhz
    );
    out += &format!("memory: {}\n", r.memory_size());
    out += &r.scratchpad().iter().map(|line| format!("{line}\n")).collect::<String>();
    out += &r.behind().map_or_else(String::new, |text| format!("hardware, after the last layer: {text}\n"));
    let steps = r.host_before.iter().map(|s| ("before", s)).chain(r.host_after.iter().map(|s| ("after", s)));
    for (when, step) in steps {
        out += &format!("host, {when}: {}\n", term::line(step));
    }
    if matches!(r.rescale, Rescale::Fixed { .. }) {
        out += &format!("rescale {}\n", r.rescale_use());
    }
    out += &r.differences().iter().map(|line| format!("note: {}\n", term::line(line))).collect::<String>();
    if r.layers.iter().any(|l| l.op.starts_with("ConvTranspose")) {
        out += "note: ONNX Runtime computes ConvTranspose in float32, and near a tie its byte may be a neighbour; the \
                hardware rounds the exact sum\n";
    }
    let softmax = r.output.tensors.iter().any(|t| t.head.as_ref().is_some_and(|h| h.bound.is_some()));
    if softmax && r.output.cycles > r.cycles.predicted {
        out += &format!(
            "note: the unit after the last layer takes {} cycles for a sample, more than the layers: samples follow each other at \
             its pace; --heads host leaves it out\n",
            term::group(r.output.cycles)
        );
    }
    for l in r.layers.iter().filter(|l| l.ambiguous_sums > 0) {
        out += &format!(
            "note: {}: ONNX Runtime averages in float32, and for {} sums its byte depends on the order in which it adds \
             (vector width, alignment); the hardware rounds the real average\n",
            term::line(&l.name),
            term::group(l.ambiguous_sums)
        );
    }
    out += &format!("folder: {}\nreport: {}\n", dir.display(), dir.join("report.html").display());
    out
}
