//! Programs on processes. This test has its own `main`, because on processes a binary starts itself again: without
//! arguments it runs the tests, with `scenario NAME` it is a launcher, and what that starts is a node.
//!
//! The names of the tests are those of the scenarios in the specification of programs.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, reason = "a test of its own harness")]

mod harness;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod tests;

use std::process::{ExitCode, Termination};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("scenario") if arguments[1] == "returns-error" => scenarios::return_error().report(),
        Some("scenario") => scenarios::play(&arguments[1]),
        _ => harness::run_all(tests::ALL, &arguments),
    }
}
