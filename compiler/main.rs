//! The command line: words in, library calls, diagnostics and exit codes out.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
