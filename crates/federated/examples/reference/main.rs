//! Checks this crate against a file of reference rows: `model|params|metric|formula|simulation|rel|note`.
//!
//!     cargo run --release -p syncline-federated --example reference -- FILE.psv [--quick]
//!
//! Every row is evaluated from its params alone and printed beside the file's two values; --quick simulates a
//! tenth. Exits with 1 if a row disagrees or is not understood, with 2 if there is no file to read.

// The command and the rows have one form for all crates, and so have the simulations of their quantities.
#[path = "../../../coded/examples/reference/command.rs"]
mod command;
#[path = "../../../coded/examples/reference/effort.rs"]
mod effort;
mod learning;
mod ours;
mod privacy;
#[path = "../../../coded/examples/reference/row.rs"]
mod row;
#[allow(dead_code, reason = "the order statistics of tasks are the other crate's")]
#[path = "../../../coded/examples/reference/sample.rs"]
mod sample;
mod secure;
#[path = "../../../coded/examples/reference/tally.rs"]
mod tally;

use std::process::ExitCode;

use effort::Effort;
use ours::Ours;
use row::Row;
use tally::Said;

fn main() -> ExitCode {
    command::run(|text, effort| {
        tally::all_agree(text, |row| {
            let ours = evaluate(row, effort)?;
            Ok(Said { beside: ours.beside(row), wrong: ours.disagrees(row).map(str::to_owned) })
        })
    })
}

fn evaluate(row: &Row, effort: Effort) -> Result<Ours, String> {
    let rooms = [learning::evaluate, privacy::evaluate, secure::evaluate];
    rooms
        .iter()
        .find_map(|room| room(row, effort))
        .unwrap_or_else(|| Err(format!("model '{}' is not known", row.model)))
}
