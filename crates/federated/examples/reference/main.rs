//! Checks this crate against a file of reference rows: `model|params|metric|formula|simulation|rel|note`.
//!
//!     cargo run --release -p syncline-federated --example reference -- FILE.psv [--quick]
//!
//! Every row is evaluated from its params alone and printed beside the file's two values; --quick simulates a
//! tenth. Exits with 1 if a row disagrees or is not understood, with 2 if there is no file to read.

mod learning;
mod ours;
mod privacy;
// The rows have one form for all crates, and so have the simulations of their quantities.
#[path = "../../../coded/examples/reference/row.rs"]
mod row;
#[allow(dead_code, reason = "the order statistics of tasks are the other crate's")]
#[path = "../../../coded/examples/reference/sample.rs"]
mod sample;
mod secure;

use std::process::ExitCode;

use ours::Ours;
use row::Row;
use sample::Effort;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, effort) = match &arguments[..] {
        [path] => (path, Effort::Full),
        [path, quick] if quick == "--quick" => (path, Effort::Quick),
        _ => {
            eprintln!("usage: reference FILE.psv [--quick]");
            return ExitCode::from(2);
        }
    };
    match std::fs::read_to_string(path) {
        Ok(text) if check(&text, effort) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: cannot read {path}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Evaluates and prints every row; whether all agree, of at least one.
fn check(text: &str, effort: Effort) -> bool {
    println!("model|params|metric|formula: ours, file|simulation: ours, file|verdict");
    let (mut agree, mut disagree, mut unknown) = (0, 0, 0);
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("model|") {
            continue;
        }
        let evaluated = Row::parse(line).and_then(|row| Ok((evaluate(&row, effort)?, row)));
        match evaluated {
            Ok((ours, row)) => {
                let wrong = ours.disagrees(&row);
                let verdict = match &wrong {
                    None => "agrees".to_owned(),
                    Some(wrong) => format!("{wrong} [line {}]", number + 1),
                };
                println!("{}|{}|{}|{}|{verdict}", row.model, row.params, row.metric, ours.beside(&row));
                *if wrong.is_none() { &mut agree } else { &mut disagree } += 1;
            }
            Err(reason) => {
                unknown += 1;
                println!("line {}: {line}|not understood: {reason}", number + 1);
            }
        }
    }
    println!("{agree} rows agree, {disagree} disagree, {unknown} not understood");
    agree > 0 && disagree + unknown == 0
}

fn evaluate(row: &Row, effort: Effort) -> Result<Ours, String> {
    let rooms = [learning::evaluate, privacy::evaluate, secure::evaluate];
    rooms
        .iter()
        .find_map(|room| room(row, effort))
        .unwrap_or_else(|| Err(format!("model '{}' is not known", row.model)))
}
