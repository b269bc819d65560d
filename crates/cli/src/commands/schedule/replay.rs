//! `syncline schedule replay`: a recorded policy decides again.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde::Serialize;
use syncline::schedule::{
    replay::Recording,
    validate::{Completion, Validation, validate},
};
use syncline_chart::{Chart, Mark, Point, Series};
use syncline_terminal::unit;

use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, print, print_json, wrote},
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
    /// Draw each job's completion time as simulated over the one that it had, as an SVG file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "simulate")]
    plot: Option<PathBuf>,
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
    let plot = args.plot.as_deref();
    check_distinct(plot.as_slice(), &[&args.log])?;
    plot.into_iter().try_for_each(check_writable)?;
    let recording = Recording::read(&args.log)?;
    let decisions = recording.replay()?;
    let policy = recording.header.policy.to_string();
    let complete = recording.complete;
    let simulated = if args.simulate { Some(validate(&recording)?) } else { None };
    if let (Some(path), Some(found)) = (plot, &simulated) {
        draw(path, &policy, found)?;
        wrote(path);
    }
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

/// Jobs as dots; what comes out alike lies on the line.
fn draw(path: &Path, policy: &str, found: &Validation) -> Result<(), Failure> {
    let point = |job: &Completion| Point::new(job.live_jct_seconds, job.simulated_jct_seconds);
    let jobs: Vec<Point> = found.each.iter().map(point).collect();
    let longest = jobs.iter().map(|job| job.x).fold(0.0, f64::max);
    let chart =
        Chart::new(format!("Completion times under {policy}"), "seconds as it was", "seconds as simulated")
            .with(Series::new("alike", Mark::Line, vec![Point::new(0.0, 0.0), Point::new(longest, longest)]))
            .with(Series::new("a job", Mark::Dots, jobs));
    let failure = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!("cannot draw {}: {why}", syncline_terminal::path(path)))
    };
    std::fs::write(path, chart.svg().map_err(|error| failure(&error))?).map_err(|error| failure(&error))
}

fn ends_early(log: &Path, steps: usize) -> String {
    let log = syncline_terminal::path(log);
    format!("{log}: the log ends early: only the {steps} steps before that were replayed")
}
