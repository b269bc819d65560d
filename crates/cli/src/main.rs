//! The `syncline` command, as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    syncline_cli::main()
}
