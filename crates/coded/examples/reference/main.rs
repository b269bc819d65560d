//! Checks this crate against a file of reference rows: `model|params|metric|formula|simulation|rel|note`.
//!
//!     cargo run --release -p syncline-coded --example reference -- FILE.psv [--quick]
//!
//! Every row is evaluated from its params alone and printed beside the file's two values; --quick simulates a
//! tenth. Exits with 1 if a row disagrees or is not understood, with 2 if there is no file to read.

mod command;
mod effort;
mod ours;
mod row;
mod sample;
mod sent;
mod tally;
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run(|text, effort| {
        tally::all_agree(text, |row| Ok(verdict::of(row, &ours::evaluate(row, effort)?)))
    })
}
