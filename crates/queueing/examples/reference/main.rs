//! Checks this crate against a file of reference rows: `model|params|metric|formula|simulation|rel|note`.
//!
//!     cargo run --release -p syncline-queueing --example reference -- FILE.psv
//!
//! Every row is evaluated from its parameters alone, by formula and by simulation, and printed beside the file's
//! values. Exits with 1 if a row disagrees or is not understood, with 2 if there is no file to read.

mod case;
mod closed;
mod open;
mod row;
mod runs;
mod verdict;

use std::process::ExitCode;

use case::Case;
use row::Row;
use runs::Runs;
use verdict::{Tally, Verdict};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: reference FILE.psv");
        return ExitCode::from(2);
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => check(&text),
        Err(error) => {
            eprintln!("error: cannot read {path}: {error}");
            ExitCode::from(2)
        }
    }
}

fn check(text: &str) -> ExitCode {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("model|"));
    let rows: Vec<_> = lines.map(|(number, line)| (number + 1, line, Row::parse(line))).collect();
    let cases: Vec<_> =
        rows.iter().map(|(_, _, row)| row.as_ref().map_err(Clone::clone).and_then(Case::all)).collect();
    let mut runs = Runs::plan(cases.iter().flatten().flatten());
    let mut tally = Tally::default();
    println!(
        "{:<34}|{:<52}|{:<14}|formula: ours, file|simulation: ours, file|verdict",
        "model", "params", "metric"
    );
    for ((number, line, row), cases) in rows.iter().zip(&cases) {
        let verdict = match (row, cases) {
            (Ok(row), Ok(cases)) => {
                Verdict::best(cases.iter().map(|case| Verdict::of(row, case, &mut runs)).collect())
            }
            (Err(reason), _) | (_, Err(reason)) => Verdict::not_understood(reason),
        };
        match row {
            Ok(row) => println!("{:<34}|{:<52}|{:<14}|{verdict}", row.model, row.params, row.metric),
            Err(_) => println!("line {number}: {line}|{verdict}"),
        }
        tally.add(verdict);
    }
    println!("{tally}");
    if tally.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
