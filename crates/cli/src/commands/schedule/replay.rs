//! `syncline schedule replay`: a recorded policy decides again.

use std::path::PathBuf;

use clap::ValueHint;
use serde::Serialize;
use syncline::schedule::replay::Recording;

use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Drive the policy of a recording with its events, and check that it decides the same
///
/// Example:
///   syncline schedule simulate --policy syncline --record run.jsonl
///   syncline schedule replay run.jsonl
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What `schedule simulate --record` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    log: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Output {
    policy: String,
    steps: usize,
    decisions: usize,
    identical: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let recording = Recording::read(&args.log)?;
    let decisions = recording.replay()?;
    let policy = recording.header.policy.to_string();
    let output = Output { policy, steps: recording.entries.len(), decisions, identical: true };
    if args.json {
        return print_json(&output);
    }
    print(&format!(
        "{}: {} decisions in {} steps, all as recorded",
        output.policy, output.decisions, output.steps
    ))
}
