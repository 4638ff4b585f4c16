//! Other programs: whether they are there, and running them with their output kept for the error message.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use onnx2chip::diag::{Diagnostic, Result, code};

/// Debian's package of a tool, where the names differ.
fn package(tool: &str) -> &str {
    match tool {
        "nextpnr-ecp5" => "nextpnr-ecp5",
        "vvp" => "iverilog",
        other => other,
    }
}

/// Whether a program is on PATH.
pub(crate) fn found(tool: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

/// # Errors
/// O2C0601 naming the package, if the program is not on PATH.
pub(crate) fn require(tool: &str) -> Result<()> {
    if found(tool) {
        return Ok(());
    }
    Err(Diagnostic::new(code::TOOL_MISSING, format!("{tool} is not installed"), "it is not on PATH")
        .remedy(format!("install it, on Debian and Ubuntu: apt install {}", package(tool)))
        .into())
}

/// Runs `make` in a folder.
///
/// # Errors
/// O2C0602 with the end of its output.
pub(crate) fn make(dir: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new("make");
    // A make above this one must not hand its job server down: its descriptors are not ours.
    command.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    command.arg("--silent").arg("--no-print-directory").arg("-C").arg(dir).args(args).stdin(Stdio::null());
    let fail = |cause: String| {
        Diagnostic::new(code::TOOL_FAILED, format!("`make {}` failed", args.join(" ")), cause)
    };
    let output = command.output().map_err(|e| fail(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(fail(tail(&output)).into())
}

/// The end of what a program wrote: 25 lines of its output and error output, indented as a cause.
pub(crate) fn tail(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let log = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = log.trim().lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n         ")
}
