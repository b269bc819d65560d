//! Checks this crate against a file of reference rows: `model|params|metric|formula|simulation|rel|note`.
//!
//!     cargo run --release -p syncline-queueing --example reference -- FILE.psv [--quick]
//!
//! Every row is evaluated from its parameters alone, by formula and by simulation, and printed beside the file's
//! values; --quick simulates a tenth. Exits with 1 if a row disagrees or is not understood, with 2 if there is no file to read.

mod case;
mod check;
mod closed;
// The command has one form for all crates that have reference rows.
#[path = "../../../coded/examples/reference/command.rs"]
mod command;
#[path = "../../../coded/examples/reference/effort.rs"]
mod effort;
mod open;
mod row;
mod runs;
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run(|text, effort| check::check(text, effort).is_clean())
}
