//! `syncline schedule replay`: a recorded policy decides again.

use std::path::{Path, PathBuf};

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
    /// Whether the log was written to its end.
    complete: bool,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let recording = Recording::read(&args.log)?;
    let decisions = recording.replay()?;
    let policy = recording.header.policy.to_string();
    let complete = recording.complete;
    let output = Output { policy, steps: recording.entries.len(), decisions, identical: true, complete };
    let summary = format!(
        "{}: {} decisions in {} steps, all as recorded",
        output.policy, output.decisions, output.steps
    );
    if args.json {
        print_json(&output)?
    } else {
        print(&summary)?
    }
    if complete { Ok(()) } else { Err(Failure::Failed(ends_early(&args.log, output.steps))) }
}

fn ends_early(log: &Path, steps: usize) -> String {
    let log = syncline_terminal::path(log);
    format!("{log}: the log ends early: only the {steps} steps before that were replayed")
}
