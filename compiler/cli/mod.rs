//! Commands and their arguments; what a fault, a panic or a missing tool means for the exit code.

mod compile;
mod config;
mod docs;
mod inspect;
mod run;
mod simulate;
mod synth;
mod term;
mod tools;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{Parser, Subcommand};
use onnx2chip::diag::{Diagnostic, Diagnostics, Result, code};

/// Compiles a quantized ONNX network into a verified, synthesizable Verilog accelerator.
///
/// Every command has --help; all but explain, docs and completions have --json.
#[derive(Parser, Debug)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the process's exit code says.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
   0  good
   1  compared and different: the Verilog and the golden values, or the executor and ONNX Runtime
   2  the input is refused: the model, an option, a file
   3  a tool or ONNX Runtime is missing, or failed
  70  a fault of onnx2chip's own";

#[derive(Subcommand, Debug)]
enum Command {
    /// What a model is: layers, shapes, widths, quantization, host steps, and what is refused and why
    Inspect(inspect::Inspect),
    /// Compile a quantized ONNX model into a hand-off folder: Verilog, memories, golden vectors, testbench, report
    Compile(Box<compile::Compile>),
    /// Run the bit-exact integer executor on the CPU; --compare onnxruntime
    Run(run::Run),
    /// Build and run the Verilator testbench of a hand-off folder: every stage of every layer, cycle counts
    Simulate(simulate::Simulate),
    /// Area of a hand-off folder's design, by Yosys (and its clock rate, by nextpnr)
    Synth(synth::Synth),
    /// What a diagnostic code means
    Explain(docs::Explain),
    /// Print a generated page of the documentation: diagnostics, operators, descriptor
    Docs(docs::Docs),
    /// Print a shell's completion script
    Completions(docs::Completions),
}

impl Command {
    fn json(&self) -> bool {
        match self {
            Command::Inspect(a) => a.json,
            Command::Compile(a) => a.json,
            Command::Run(a) => a.json,
            Command::Simulate(a) => a.json,
            Command::Synth(a) => a.json,
            Command::Explain(_) | Command::Docs(_) | Command::Completions(_) => false,
        }
    }
    fn run(&self) -> Result<u8> {
        match self {
            Command::Inspect(a) => inspect::run(a),
            Command::Compile(a) => compile::run(a),
            Command::Run(a) => run::run(a),
            Command::Simulate(a) => simulate::run(a),
            Command::Synth(a) => synth::run(a),
            Command::Explain(a) => docs::explain(a),
            Command::Docs(a) => docs::docs(a),
            Command::Completions(a) => docs::completions(a),
        }
    }
}

/// Parses the arguments, runs the command, shows what went wrong.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and the version are no faults; both print themselves.
        Err(e) if e.use_stderr() && std::env::args_os().any(|a| a == "--json") => {
            let errors = Diagnostics::from(misused(&e));
            term::show(&errors, true);
            return ExitCode::from(term::exit_code(&errors));
        }
        Err(e) => e.exit(),
    };
    match guarded(|| cli.command.run()) {
        Ok(status) => ExitCode::from(status),
        Err(errors) => {
            term::show(&errors, cli.command.json());
            ExitCode::from(term::exit_code(&errors))
        }
    }
}

/// An error of the command line's as a diagnostic: its sentences without the usage.
fn misused(e: &clap::Error) -> Diagnostic {
    let text = e.render().to_string();
    let body = text.split("\nUsage:").next().unwrap_or_default();
    let body = body.split("\nFor more information").next().unwrap_or_default();
    let lines: Vec<&str> = body.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let cause = lines.join("; ");
    Diagnostic::new(
        code::CONFIG_INVALID,
        "the command line is not valid",
        cause.trim_start_matches("error: "),
    )
    .remedy("see `onnx2chip --help`, and --help of the command")
}

/// Runs a function; a panic in it becomes a diagnostic that says where.
fn guarded(run: impl FnOnce() -> Result<u8>) -> Result<u8> {
    let place = Arc::new(Mutex::new(String::new()));
    let seen = place.clone();
    panic::set_hook(Box::new(move |info| {
        if let Ok(mut text) = seen.lock() {
            *text = info.to_string();
        }
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    drop(panic::take_hook());
    result.unwrap_or_else(|_| {
        let cause = place.lock().map(|s| s.replace('\n', ": ")).unwrap_or_default();
        Err(Diagnostics::from(Diagnostic::new(code::INTERNAL, "onnx2chip failed", cause)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_fault() {
        let errors = guarded(|| panic!("the cause")).unwrap_err();
        assert_eq!(term::exit_code(&errors), 70);
        assert!(
            errors.0[0].cause.contains("the cause") && errors.0[0].cause.contains("cli/mod.rs"),
            "{errors}"
        );
    }

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
