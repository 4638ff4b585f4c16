//! `synth DIR`: area, and the clock rate where nextpnr is installed, by open tools.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use onnx2chip::diag::{Diagnostic, Result, code};
use onnx2chip::emit::folder::{self, BUILD};
use serde::Serialize;

use super::term::{self, Progress};
use super::tools;

/// What a design is synthesized for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Family {
    /// Lattice ECP5: Yosys, then nextpnr-ecp5 where there is one.
    Ecp5,
    /// AMD 7 series: Yosys area; constraints/vivado.tcl does the rest in Vivado.
    Xilinx,
}

#[derive(Args, Debug)]
#[command(after_help = super::EXIT_CODES)]
pub(crate) struct Synth {
    /// Hand-off folder made by `compile`
    dir: PathBuf,
    /// Device family [default: that of the target it was compiled for; ecp5 for generic]
    #[arg(long, value_enum)]
    family: Option<Family>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct Area {
    family: String,
    /// The target that the folder was compiled for.
    target: String,
    /// Cells by type, as Yosys counts them.
    cells: BTreeMap<String, u64>,
    /// Routed clock rate, where it was routed.
    fmax_mhz: Option<f64>,
    /// Script for the vendor's tool, or its equal.
    script: String,
    log: String,
}

/// Runs the command; returns the exit code.
pub(crate) fn run(args: &Synth) -> Result<u8> {
    let manifest = folder::manifest(&args.dir)?;
    for tool in ["make", "yosys"] {
        tools::require(tool)?;
    }
    let compiled = folder::report(&args.dir)?;
    let of_target = if compiled.family == "xilinx" { Family::Xilinx } else { Family::Ecp5 };
    let (kind, script) = match args.family.unwrap_or(of_target) {
        Family::Ecp5 => ("ecp5", "Makefile"),
        Family::Xilinx => ("xilinx", "constraints/vivado.tcl"),
    };
    let progress = Progress::new(args.json);
    progress.stage("synthesizing");
    tools::make(&args.dir, &[&format!("synth-{kind}")])?;
    drop(progress);
    let folder = args.dir.join(BUILD).join(kind);
    let stat = std::fs::read_to_string(folder.join("stat.txt"))
        .map_err(|e| Diagnostic::new(code::TOOL_FAILED, "Yosys left no statistics", e.to_string()))?;
    let area = Area {
        family: kind.into(),
        target: compiled.target,
        cells: cells(&stat),
        fmax_mhz: std::fs::read(folder.join("timing.json")).ok().and_then(|b| fmax(&b)),
        script: script.into(),
        log: format!("{BUILD}/{kind}/yosys.log"),
    };
    if args.json {
        term::print(&term::to_json(&area)?)?;
        return Ok(0);
    }
    let rows: Vec<_> = area.cells.iter().map(|(k, v)| vec![k.clone(), term::group(*v)]).collect();
    let fmax = area.fmax_mhz.map_or("not routed".into(), |f| format!("{f:.1} MHz routed"));
    term::print(&format!(
        "{} on {kind}: {fmax}\n{}",
        manifest.top,
        term::table(&["cell", "count"], &rows, 1)
    ))?;
    Ok(0)
}

/// The cell counts of the last (whole design's) section of a Yosys `stat`.
fn cells(stat: &str) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    let mut inside = false;
    for line in stat.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains("Number of cells:") {
            inside = true;
            out.clear();
        } else if let ([name, count], true) = (words.as_slice(), inside) {
            match count.parse() {
                Ok(n) => drop(out.insert((*name).to_owned(), n)),
                Err(_) => inside = false,
            }
        } else {
            inside = false;
        }
    }
    out
}

/// The lowest clock rate in nextpnr's report.
fn fmax(bytes: &[u8]) -> Option<f64> {
    let report: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let clocks = report.get("fmax")?.as_object()?;
    clocks.values().filter_map(|c| c.get("achieved")?.as_f64()).reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_section_counts() {
        let stat = "=== a ===\n\n   Number of cells:   1\n     LUT4   1\n\n=== design hierarchy ===\n\n   top   1\n     a   2\n\n   \
                    Number of wires: 9\n   Number of cells:   14\n     LUT4   12\n     TRELLIS_FF   2\n\n";
        assert_eq!(cells(stat), BTreeMap::from([("LUT4".into(), 12), ("TRELLIS_FF".into(), 2)]));
        assert_eq!(fmax(br#"{"fmax": {"clk": {"achieved": 88.5, "constraint": 100.0}}}"#), Some(88.5));
    }
}
