//! The command line: words in, library calls, diagnostics and exit codes out.

fn main() {}
