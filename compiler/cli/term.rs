//! The terminal: output that survives a closed pipe, diagnostics, progress, tables.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use onnx2chip::diag::{Diagnostic, Diagnostics, Result, code};
use onnx2chip::emit::report::grouped;

/// Whether a terminal would obey a character rather than show it: controls, and what changes the direction of text.
fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, keep: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) && !keep.contains(&c) {
            // As in JSON, whose strings may hold such characters too.
            out += &format!("\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Text of several lines that a terminal shows and does not obey: names in it may come from anywhere.
fn harmless(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

/// The same for what has to stay on its line.
pub(crate) fn line(text: &str) -> String {
    escaped(text, &[])
}

/// Writes to standard output. A reader that went away is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(harmless(text).as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Diagnostic::new(code::FILE_UNWRITABLE, "standard output can't be written", e.to_string())
                .into())
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error; nothing can be done when that fails.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(text));
}

/// A value as indented JSON with a newline.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|s| s + "\n")
        .map_err(|e| Diagnostic::new(code::INTERNAL, "a result can't be encoded (cli)", e.to_string()).into())
}

/// Shows the diagnostics on standard error: as text, equal ones as one; or each as one JSON object a line.
pub(crate) fn show(errors: &Diagnostics, json: bool) {
    for d in errors.0.iter().filter(|_| json) {
        note(&serde_json::to_string(d).unwrap_or_else(|_| d.to_string()));
    }
    for d in errors.merged().0.iter().filter(|_| !json) {
        let plain = Diagnostic { node: d.node.as_deref().map(line), message: line(&d.message), ..d.clone() };
        note(&plain.to_string());
    }
}

/// The process's exit code for a set of faults: the gravest one's.
pub(crate) fn exit_code(errors: &Diagnostics) -> u8 {
    let has = |c| errors.0.iter().any(|d| d.code == c);
    if has(code::INTERNAL) {
        70
    } else if has(code::TOOL_MISSING) || has(code::NO_REFERENCE) || has(code::TOOL_FAILED) {
        3
    } else {
        2
    }
}

/// Says on standard error what is being done; silent when that is not a terminal, or with `--json`.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(json: bool) -> Progress {
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }
    pub(crate) fn stage(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A table with aligned columns: the first `left` of them to the left, the others to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count());
        cells.chain([head[c].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut s = String::new();
        for (i, cell) in cells.enumerate() {
            let pad = " ".repeat(widths[i].saturating_sub(cell.chars().count()));
            let gap = if i > 0 { "  " } else { "" };
            s += &if i < left { format!("{gap}{cell}{pad}") } else { format!("{gap}{pad}{cell}") };
        }
        s.trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    for row in rows {
        out += &line(&mut row.iter().map(String::as_str));
    }
    out
}

/// Characters of a layer's name in a table: exporters chain the names of all that they fused.
const NAME_WIDTH: usize = 40;

/// A name that fits a table: of a long one the beginning and the end. Reports and JSON hold it whole.
pub(crate) fn name(name: &str) -> String {
    let name = line(name);
    let count = name.chars().count();
    if count <= NAME_WIDTH {
        return name;
    }
    let half = (NAME_WIDTH - 3) / 2;
    let (start, end): (String, String) =
        (name.chars().take(half).collect(), name.chars().skip(count - half).collect());
    format!("{start}...{end}")
}

/// An integer in groups of three digits.
pub(crate) fn group(v: u64) -> String {
    grouped(v, ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_steer_the_terminal() {
        assert_eq!(name("a\u{1b}[2Jb\nc"), "a\\u001b[2Jb\\u000ac");
        assert_eq!(harmless("a\n\tb\u{9b}\u{202e}é"), "a\n\tb\\u009b\\u202eé");
    }
}
