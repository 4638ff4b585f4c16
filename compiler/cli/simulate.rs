//! `simulate DIR`: builds the folder's Verilator model where its sources changed, runs it, shows what it found.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};
use onnx2chip::diag::{Diagnostic, Diagnostics, Result, code};
use onnx2chip::emit::Manifest;
use onnx2chip::emit::folder::{self, BUILD};
use onnx2chip::emit::report::{Measured, Report, efficiency, plural};
use serde::Deserialize;

use super::term::{self, Progress};
use super::tools;

/// Stalls on every channel of every bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stall {
    /// Always ready, always valid.
    None,
    /// Each side waits in half of the cycles.
    Random,
    /// Each side waits for up to 300 cycles at a time.
    Long,
}

#[derive(Args, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct Simulate {
    /// Hand-off folder made by `compile`
    dir: PathBuf,
    /// Stalls on the buses, also with --protocol; cycles are measured with none
    #[arg(long, value_enum, default_value = "none")]
    stall: Stall,
    /// Seed of the stalls
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// External memory: cycles from a request to its first beat [default: what the predicted cycles count on]
    #[arg(long, value_name = "CYCLES", value_parser = clap::value_parser!(u64).range(1..))]
    mem_latency: Option<u64>,
    /// External memory: share of the cycles with a beat, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100))]
    mem_bandwidth: u64,
    /// External memory: stalls of both channels
    #[arg(long, value_enum, default_value = "none")]
    mem_stall: Stall,
    /// Golden samples to run, back to back [default: all]
    #[arg(long, value_name = "N", conflicts_with = "protocol")]
    samples: Option<u64>,
    /// Write a waveform (FST) to this file; slow
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Test packet lengths, TLAST, register accesses and their error codes instead of the samples
    #[arg(long)]
    protocol: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The fields of the testbench's JSON object that are shown or kept.
#[derive(Deserialize)]
struct Outcome {
    samples: u64,
    mismatches: u64,
    first_mismatch: Option<First>,
    cycles: Pair,
    macs: u64,
    macs_per_cycle: f64,
    layers: Vec<LayerOutcome>,
    faults: Vec<String>,
    interval: Option<u64>,
    transfer_cycles: Transfer,
    values_compared: u64,
    external: Option<ExternalTraffic>,
}

/// What external memory gave.
#[derive(Deserialize)]
struct ExternalTraffic {
    beats: u64,
    beats_written: u64,
    bytes: u64,
    busy: f64,
    latency: u64,
}

#[derive(Deserialize)]
struct Pair {
    predicted: u64,
    measured: Option<u64>,
}

#[derive(Deserialize)]
struct Transfer {
    input: Option<u64>,
    output: Option<u64>,
}

#[derive(Deserialize)]
struct LayerOutcome {
    cycles_measured: Option<u64>,
    mismatches: u64,
}

#[derive(Deserialize)]
struct First {
    layer: String,
    stage: String,
    sample: u64,
    channel: u64,
    row: u64,
    column: u64,
    expected: i64,
    got: Option<i64>,
    cycle: u64,
}

/// What `--protocol` found.
#[derive(Deserialize)]
struct Protocol {
    results: Vec<ProtocolTest>,
    stall: String,
    failures: Vec<String>,
}

#[derive(Deserialize)]
struct ProtocolTest {
    name: String,
    checks: u64,
    failures: u64,
}

fn check_samples(wanted: u64, have: usize) -> Result<()> {
    if wanted == 0 {
        return Err(Diagnostic::new(
            code::CONFIG_INVALID,
            "the number of samples is not valid",
            "--samples is at least 1",
        )
        .remedy("leave --samples out to run all")
        .into());
    }
    if usize::try_from(wanted).is_ok_and(|n| n <= have) {
        return Ok(());
    }
    let cause = format!("the folder holds {}, --samples asks for {wanted}", plural(have, "golden sample"));
    Err(Diagnostic::new(code::INPUT_DATA_INVALID, "there are too few golden samples", cause)
        .remedy(format!(
            "ask for at most {have}, or make more: `compile` with --samples {wanted}, or with an --input of as many"
        ))
        .into())
}

/// Options of external memory need one.
fn check_memory(args: &Simulate, manifest: &Manifest) -> Result<()> {
    let given = args.mem_latency.is_some() || args.mem_bandwidth != 100 || args.mem_stall != Stall::None;
    if !given || manifest.files.iter().any(|e| e.path == "mem/external.bin") {
        return Ok(());
    }
    Err(Diagnostic::new(
        code::CONFIG_INVALID,
        "the options of external memory have nothing to act on",
        "all weights of this design are on the chip",
    )
    .remedy("leave --mem-latency, --mem-bandwidth and --mem-stall out")
    .into())
}

/// Runs the command; returns the exit code.
pub(crate) fn run(args: &Simulate) -> Result<u8> {
    let progress = Progress::new(args.json);
    let manifest = folder::manifest(&args.dir)?;
    for path in folder::altered(&args.dir, &manifest)? {
        let warning = format!("{path} is not as onnx2chip wrote it");
        term::note(&if args.json {
            serde_json::json!({ "warning": warning }).to_string()
        } else {
            format!("warning: {warning}")
        });
    }
    if let Some(n) = args.samples {
        check_samples(n, folder::report(&args.dir)?.samples)?;
    }
    check_memory(args, &manifest)?;
    if let Some(path) = &args.trace {
        check_writable(path)?;
    }
    for tool in ["make", "verilator", "g++"] {
        tools::require(tool)?;
    }
    let kind = if args.trace.is_some() { "sim_trace" } else { "sim" };
    build(&args.dir, &manifest, kind, &progress)?;

    progress.stage("simulating");
    let mut command =
        Command::new(args.dir.join(BUILD).join(kind).join("Vtop").canonicalize().map_err(lost)?);
    command.current_dir(&args.dir).arg("--seed").arg(args.seed.to_string());
    command
        .arg("--stall")
        .arg(args.stall.to_possible_value().map_or_else(String::new, |v| v.get_name().into()));
    command
        .arg("--mem-stall")
        .arg(args.mem_stall.to_possible_value().map_or_else(String::new, |v| v.get_name().into()))
        .arg("--mem-bandwidth")
        .arg(args.mem_bandwidth.to_string());
    if let Some(n) = args.mem_latency {
        command.arg("--mem-latency").arg(n.to_string());
    }
    if let Some(n) = args.samples {
        command.arg("--samples").arg(n.to_string());
    }
    if let Some(path) = &args.trace {
        command.arg("--trace").arg(std::path::absolute(path).map_err(lost)?);
    }
    if args.protocol {
        command.arg("--protocol");
    }
    let output = command.output().map_err(lost)?;
    drop(progress);
    let text = String::from_utf8_lossy(&output.stdout);
    let status = match output.status.code() {
        Some(code @ (0 | 1)) => u8::from(code == 1),
        other => {
            let how = other.map_or("it was killed by a signal".to_owned(), |c| format!("exit code {c}"));
            let cause = format!("{how}: {}", tools::tail(&output));
            let unusable = other == Some(2);
            let code = if unusable { code::HANDOFF_INVALID } else { code::TOOL_FAILED };
            return Err(Diagnostic::new(code, "the simulation did not run to its end", cause).into());
        }
    };
    let unreadable = |e: serde_json::Error| {
        Diagnostic::new(code::TOOL_FAILED, "the testbench's result is not readable", e.to_string())
    };
    if args.protocol {
        let found: Protocol = serde_json::from_str(&text).map_err(unreadable)?;
        term::print(&if args.json { text.into_owned() } else { show_protocol(&found) })?;
        return Ok(status);
    }
    let outcome: Outcome = serde_json::from_str(&text).map_err(unreadable)?;
    let report = record(args, &outcome)?;
    if args.json {
        term::print(&text)?;
    } else {
        term::print(&show(&report, &outcome))?;
    }
    Ok(status)
}

/// Whether the waveform can be written, asked before minutes of building; leaves what there is as it is.
fn check_writable(path: &Path) -> Result<()> {
    let new = !path.exists();
    std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(|e| {
        Diagnostic::new(code::FILE_UNWRITABLE, "the waveform can't be written", e.to_string())
            .at(format!("file {}", path.display()))
            .remedy("name a file in a folder that exists and is writable")
    })?;
    if new {
        // Best effort: an empty file is what the simulation would begin with.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Builds the model if the sources' digest is not the one of the last build.
fn build(dir: &Path, manifest: &Manifest, kind: &str, progress: &Progress) -> Result<()> {
    let sources: Vec<String> = manifest
        .files
        .iter()
        .map(|e| e.path.clone())
        .filter(|p| p == "Makefile" || ["rtl/", "tb/", "include/"].iter().any(|d| p.starts_with(d)))
        .collect();
    let digest = folder::digest(dir, &sources)?;
    let stamp = dir.join(BUILD).join(kind).join("sources.sha256");
    let model = dir.join(BUILD).join(kind).join("Vtop");
    if model.exists() && std::fs::read_to_string(&stamp).is_ok_and(|s| s == digest) {
        return Ok(());
    }
    progress.stage("building the Verilator model");
    let target = if kind == "sim" { "build" } else { "build-trace" };
    tools::make(dir, &["-B", target])?;
    std::fs::write(&stamp, digest).map_err(lost)
}

/// Keeps what was measured without stalls in the folder's report.
fn record(args: &Simulate, outcome: &Outcome) -> Result<Report> {
    let mut report = folder::report(&args.dir)?;
    for (layer, o) in report.layers.iter_mut().zip(&outcome.layers) {
        layer.cycles_measured = o.cycles_measured;
    }
    report.cycles.measured = outcome.cycles.measured;
    report.simulation = Some(Measured {
        samples: outcome.samples,
        mismatches: outcome.mismatches,
        stall: args.stall.to_possible_value().map_or_else(String::new, |v| v.get_name().into()),
        interval: outcome.interval,
    });
    if args.stall == Stall::None
        && args.mem_stall == Stall::None
        && args.mem_bandwidth == 100
        && args.mem_latency.is_none()
    {
        folder::update_report(&args.dir, &report)?;
    }
    Ok(report)
}

fn show_protocol(p: &Protocol) -> String {
    let rows: Vec<Vec<String>> = p
        .results
        .iter()
        .map(|t| vec![t.name.clone(), term::group(t.checks), term::group(t.failures)])
        .collect();
    let checks: u64 = p.results.iter().map(|t| t.checks).sum();
    let mut out = term::table(&["test", "checks", "failures"], &rows, 1);
    out += &format!(
        "\n{} tests, {} checks, {} failed; stalls: {}\n",
        p.results.len(),
        term::group(checks),
        p.failures.len(),
        p.stall
    );
    out + &p.failures.iter().map(|f| format!("failure: {f}\n")).collect::<String>()
}

fn show(report: &Report, outcome: &Outcome) -> String {
    let optional = |v: Option<u64>| v.map_or_else(|| "-".into(), term::group);
    let shape = |s: &[usize; 3]| format!("{}x{}x{}", s[0], s[1], s[2]);
    let mut rows = Vec::new();
    for (l, o) in report.layers.iter().zip(&outcome.layers) {
        let used = o.cycles_measured.unwrap_or(l.cycles_predicted);
        rows.push(vec![
            term::name(&l.name),
            l.op.clone(),
            l.lane.clone(),
            shape(&l.output_shape),
            format!("{}/{}", l.bits[0], l.bits[1]),
            term::group(l.macs),
            term::group(l.cycles_predicted),
            optional(o.cycles_measured),
            efficiency(l.macs, used, report.multipliers),
            term::group(o.mismatches),
        ]);
    }
    let total = outcome.cycles.measured.unwrap_or(outcome.cycles.predicted);
    rows.push(vec![
        "total".into(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        term::group(outcome.macs),
        term::group(outcome.cycles.predicted),
        optional(outcome.cycles.measured),
        efficiency(outcome.macs, total, report.multipliers),
        term::group(outcome.mismatches),
    ]);
    let head = [
        "layer",
        "operators",
        "lane",
        "output",
        "bits",
        "MACs",
        "predicted",
        "measured",
        "efficiency",
        "mismatches",
    ];
    let mut out = term::table(&head, &rows, 3);
    out += &format!(
        "\n{}, {} values compared, {} differ; {} MACs a cycle of {}\n",
        plural(usize::try_from(outcome.samples).unwrap_or(usize::MAX), "sample"),
        term::group(outcome.values_compared),
        term::group(outcome.mismatches),
        outcome.macs_per_cycle,
        report.multipliers
    );
    out += &format!(
        "cycles: input transfer {}, output transfer {}, sample to sample {}\n",
        optional(outcome.transfer_cycles.input),
        optional(outcome.transfer_cycles.output),
        optional(outcome.interval)
    );
    if let Some(e) = &outcome.external {
        out += &format!(
            "external memory: {} bytes read in {} beats, {} written, latency {}, a beat read in {:.1}% of the cycles\n",
            term::group(e.bytes),
            term::group(e.beats),
            term::group(e.beats_written),
            e.latency,
            100.0 * e.busy
        );
    }
    if let Some(f) = &outcome.first_mismatch {
        let got = f.got.map_or_else(|| "nothing".into(), |g| g.to_string());
        out += &format!(
            "first difference: layer {}, channel {}, row {}, column {} ({}, sample {}): expected {}, got {got}, cycle {}\n",
            term::line(&f.layer),
            f.channel,
            f.row,
            f.column,
            f.stage,
            f.sample,
            f.expected,
            f.cycle
        );
    }
    for fault in &outcome.faults {
        out += &format!("fault: {}\n", term::line(fault));
    }
    out
}

fn lost(e: std::io::Error) -> Diagnostics {
    Diagnostic::new(code::TOOL_FAILED, "the simulation can't be run", e.to_string()).into()
}
