//! `syncline schedule replay`: a recorded policy decides again.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;
use syncline::schedule::{
    replay::Recording,
    validate::{Validation, validate},
};
use syncline_terminal::unit;

use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Drive the policy of a recording with its events, and check that it decides the same
///
/// Examples:
///   syncline schedule simulate --policy syncline --record run.jsonl
///   syncline schedule replay run.jsonl
///   syncline schedule record live.jsonl && syncline schedule replay live.jsonl --simulate
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What `schedule simulate --record` or `schedule record` wrote
    #[arg(value_hint = ValueHint::FilePath)]
    log: PathBuf,
    /// Simulate the recorded arrivals with the lengths that the jobs turned out to have, and compare completion times
    #[arg(long)]
    simulate: bool,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<Validation>,
}

pub fn run(args: Args) -> Result<(), Failure> {
    let recording = Recording::read(&args.log)?;
    let decisions = recording.replay()?;
    let policy = recording.header.policy.to_string();
    let complete = recording.complete;
    let simulated = if args.simulate { Some(validate(&recording)?) } else { None };
    let steps = recording.entries.len();
    let output = Output { policy, steps, decisions, identical: true, complete, simulated };
    let mut summary = format!(
        "{}: {} decisions in {} steps, all as recorded",
        output.policy, output.decisions, output.steps
    );
    summary.extend(output.simulated.as_ref().map(compared));
    if args.json {
        print_json(&output)?
    } else {
        print(&summary)?
    }
    if complete { Ok(()) } else { Err(Failure::Failed(ends_early(&args.log, output.steps))) }
}

fn compared(found: &Validation) -> String {
    format!(
        "\nmean completion time of {}: {} as it was, {} simulated ({:+.1} %); single jobs differ by {:.1} % in the mean",
        unit::plural(found.jobs as u64, "job"),
        unit::seconds(found.live_mean_jct_seconds),
        unit::seconds(found.simulated_mean_jct_seconds),
        100.0 * found.difference(),
        100.0 * found.mean_job_difference
    )
}

fn ends_early(log: &Path, steps: usize) -> String {
    let log = syncline_terminal::path(log);
    format!("{log}: the log ends early: only the {steps} steps before that were replayed")
}
