//! `syncline compare`: one training job under several policies and numbers of workers, side by side.
//!
//! Each run is a process of its own, `syncline train` with the options that were given: none finds memory or caches as
//! another left them, and nodes may be processes too.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use clap::{ArgAction, ArgMatches, FromArgMatches, ValueHint, error::ErrorKind, parser::ValueSource};
use indicatif::{ProgressBar, ProgressStyle};
use syncline::{
    paramserv::{Combinations, Compared, Comparison, GradientStaleness, Point, Policy, RunFigures, Trial},
    program::this_program,
    trace,
};
use syncline_terminal::Detail;

use super::{
    queue::{plot, sweep},
    train,
};
use crate::{
    failure::Failure,
    interrupts::Interrupts,
    list,
    output::{page, print, print_json, wrote},
    screen,
};

/// What is compared, and how it is shown.
#[derive(clap::Args)]
struct Own {
    /// Policies: a list of those that `train --sync` knows, in which ssp:A..B stands for all bounds from A to B
    #[arg(long, value_name = "LIST", default_value = "bsp,ssp:2,asp", help_heading = "Comparison")]
    sync: String,
    /// Numbers of workers: a list, in which A..B stands for all from A to B
    #[arg(long, value_name = "LIST", default_value = "2", help_heading = "Comparison")]
    workers: String,
    /// Draw loss over time and over rounds, throughput, waiting and staleness into this folder (SVG)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Output")]
    plots: Option<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// What is compared, and what every run is given.
pub struct Args {
    own: Own,
    /// The options of `train`, as they were written.
    given: Vec<OsString>,
}

const ABOUT: &str = "Train under several policies and numbers of workers, and compare

Takes what `train` takes, but lists for --sync and --workers. The runs come one after another, on the same rows with the
same seed, and are traced. Staleness counts the steps that others made between a worker's pull and its push; rounds
are those of one worker.

Examples:
  syncline compare --sync bsp,ssp:2,asp --workers 2,4
  syncline compare data.csv --sync bsp,asp --inject worker=1:3x --plots figures";

/// Options of `train` that a comparison has no use for, or has its own for.
const NOT_TAKEN: [&str; 9] =
    ["sync", "workers", "json", "save", "trace", "run_dir", "go_on", "detach", "dry_run"];

/// The options of `train` that every run takes.
fn taken() -> Vec<clap::Arg> {
    let train = <train::Args as clap::Args>::augment_args(clap::Command::new("train"));
    let taken = train.get_arguments().filter(|arg| !NOT_TAKEN.contains(&arg.get_id().as_str()));
    taken.cloned().collect()
}

// By hand, because the options of another command are taken over but for some of them.
impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        let about = ABOUT.lines().next().unwrap_or(ABOUT);
        Own::augment_args(command.args(taken())).about(about).long_about(ABOUT)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(found: &ArgMatches) -> Result<Self, clap::Error> {
        let own = Own::from_arg_matches(found)?;
        let given = given(found);
        if given.iter().any(|value| value == "-") {
            let why = "standard input can be read by one run only: name a file";
            return Err(clap::Error::raw(ErrorKind::ValueValidation, why));
        }
        Ok(Self { own, given })
    }

    fn update_from_arg_matches(&mut self, found: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(found)?;
        Ok(())
    }
}

/// The options and files as `train` is to read them again.
fn given(found: &ArgMatches) -> Vec<OsString> {
    let (mut options, mut files) = (Vec::new(), Vec::new());
    for arg in taken() {
        let id = arg.get_id().as_str();
        if found.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let values = found.get_raw(id).into_iter().flatten();
        match arg.get_long() {
            None => files.extend(values.map(OsStr::to_owned)),
            Some(long) if matches!(arg.get_action(), ArgAction::SetTrue) => {
                options.push(format!("--{long}").into());
            }
            Some(long) => options.extend(values.map(|value| {
                let mut option = OsString::from(format!("--{long}="));
                option.push(value);
                option
            })),
        }
    }
    if !files.is_empty() {
        options.push("--".into());
        options.extend(files);
    }
    options
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let policies = list::policies(&args.own.sync)?;
    let workers = list::numbers("--workers", &args.own.workers)?;
    let combinations = Combinations::new(&policies, &workers)?;
    if let Some(folder) = &args.own.plots {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::Failed(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    let traces = tempfile::tempdir()
        .map_err(|error| Failure::Failed(format!("cannot make a folder for traces: {error}")))?;
    let bar = progress_bar(combinations.count() as u64);
    let interrupts = Interrupts::attend()
        .map_err(|error| Failure::Failed(format!("cannot attend to interrupts: {error}")))?;
    let trace = traces.path().join("run.parquet");
    let comparison = combinations.run(|sync, workers| {
        bar.set_message(format!("{sync} with {workers} workers"));
        let outcome = train_once(&interrupts, &args.given, sync, workers, &trace);
        bar.inc(1);
        outcome
    })?;
    bar.finish_and_clear();
    tell(args, &comparison)?;
    interrupts
        .first()
        .filter(|_| comparison.interrupted.is_some())
        .map_or(Ok(()), |by| Err(Failure::Interrupted(by)))
}

/// Tells what came out, of an interrupted comparison what there is.
fn tell(args: &Args, comparison: &Comparison) -> Result<(), Failure> {
    if comparison.runs.is_empty() {
        return match comparison.failed.first() {
            Some(first) => Err(Failure::Failed(format!("no run came to its end; the first: {}", first.why))),
            // Interrupted in the first run.
            None => Ok(()),
        };
    }
    // The answer first: a disk that is full costs no result.
    if args.own.json {
        print_json(comparison)?;
    } else {
        let mut page = page();
        comparison.write(&mut page);
        print(page.text())?;
    }
    args.own.plots.as_ref().map_or(Ok(()), |folder| draw(folder, comparison))
}

/// One run: its figures, or why it has none.
fn train_once(
    interrupts: &Interrupts,
    given: &[OsString],
    sync: Policy,
    workers: usize,
    trace: &Path,
) -> Result<Trial, Failure> {
    if let Some(by) = interrupts.first() {
        return Ok(Trial::Interrupted(by));
    }
    let cannot = |why: String| Failure::Failed(format!("cannot train {sync} with {workers} workers: {why}"));
    let mut command = this_program().map_err(|error| cannot(error.to_string()))?;
    let mut traced = OsString::from("--trace=");
    traced.push(trace);
    command
        .args(["train", "--json", "--quiet", &format!("--sync={sync}"), &format!("--workers={workers}")])
        .arg(traced)
        .args(given);
    let output = interrupts.output(&mut command).map_err(|error| cannot(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("error: ").split("\n\n").next().unwrap_or_default().to_owned();
    match output.status.code() {
        Some(0) => {}
        code => {
            // Also where the signal came before the run could heed it.
            if let Some(by) = interrupts.first() {
                return Ok(Trial::Interrupted(by));
            }
            return match code {
                Some(1) => Ok(Trial::Failed(said)),
                Some(2) => Err(Failure::Usage(said)),
                _ => Err(cannot(format!("{}; {said}", output.status))),
            };
        }
    }
    let figures: RunFigures =
        serde_json::from_slice(&output.stdout).map_err(|error| cannot(format!("its report: {error}")))?;
    let spans = trace::read(trace).map_err(Failure::failed)?;
    Ok(Trial::Done(Compared::new(&figures, GradientStaleness::of(&spans))))
}

/// On a terminal, how many runs are done.
fn progress_bar(runs: u64) -> ProgressBar {
    if screen::detail() == Detail::Quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(runs);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} runs  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Draws all figures.
fn draw(folder: &Path, comparison: &Comparison) -> Result<(), Failure> {
    let over_time = curves(comparison, |point| point.time_s);
    let over_rounds = curves(comparison, |point| point.rounds);
    let speed = by_workers(comparison, |run| Some(run.samples_per_s));
    let waiting = by_workers(comparison, |run| Some(100.0 * run.waiting_share));
    let staleness = by_workers(comparison, |run| run.staleness.map(|age| age.mean));
    for (name, title, axes, list) in [
        ("loss-time.svg", "Loss over time", ("seconds", "loss"), over_time),
        ("loss-rounds.svg", "Loss over rounds", ("rounds of a worker", "loss"), over_rounds),
        ("throughput.svg", "Throughput", ("workers", "samples per second"), speed),
        ("waiting.svg", "Waiting at the gate", ("workers", "% of the workers' time"), waiting),
        ("staleness.svg", "Staleness of gradients", ("workers", "steps of others, mean"), staleness),
    ] {
        let path = folder.join(name);
        let title = comparison.part().map_or(title.to_owned(), |part| format!("{title} ({part})"));
        plot::draw(&path, &title, axes, &list)?;
        wrote(&path);
    }
    Ok(())
}

/// The loss of each run.
fn curves(comparison: &Comparison, at: fn(&Point) -> f64) -> Vec<sweep::Series> {
    let curve = |run: &Compared| {
        let points = run.curve.iter().filter_map(|point| Some((at(point), point.loss?)));
        series(&format!("{}, {} workers", run.sync, run.workers), points.collect())
    };
    comparison.runs.iter().map(curve).collect()
}

/// A figure of each policy over the workers.
fn by_workers(comparison: &Comparison, figure: fn(&Compared) -> Option<f64>) -> Vec<sweep::Series> {
    let mut policies: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    for run in &comparison.runs {
        let Some(value) = figure(run) else { continue };
        let point = (run.workers as f64, value);
        match policies.iter_mut().find(|(name, _)| *name == run.sync) {
            Some((_, points)) => points.push(point),
            None => policies.push((&run.sync, vec![point])),
        }
    }
    policies.into_iter().map(|(name, points)| series(name, points)).collect()
}

fn series(name: &str, mut points: Vec<(f64, f64)>) -> sweep::Series {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let points =
        points.into_iter().map(|(rate, value)| sweep::Point { rate, value, half_width: 0.0, bounds: None });
    sweep::Series { name: name.to_owned(), kind: name.to_owned(), points: points.collect() }
}
