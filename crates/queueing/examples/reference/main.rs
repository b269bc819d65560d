//! Checks this crate against a file of reference rows: `model|params|metric|formula|simulation|rel|note`.
//!
//!     cargo run --release -p syncline-queueing --example reference -- FILE.psv [--quick]
//!
//! Every row is evaluated from its parameters alone, by formula and by simulation, and printed beside the file's
//! values; --quick simulates a tenth. Exits with 1 if a row disagrees or is not understood, with 2 if there is no file to read.

mod case;
mod check;
mod closed;
mod open;
mod row;
mod runs;
mod verdict;

use std::process::ExitCode;

use runs::Effort;

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
        Ok(text) if check::check(&text, effort).is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: cannot read {path}: {error}");
            ExitCode::from(2)
        }
    }
}
