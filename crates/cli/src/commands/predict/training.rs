//! What another size, policy, batch or update frequency would cost a training run.

mod about;
mod plan;
mod stream;
mod text;

use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};
use serde::Serialize;
use syncline::round::Policy;
use syncline_coded::planner::from_run;
use syncline_predict::{Check, Cycles, Machines, Question};

use super::{Args, Told, series, three};
use crate::commands::queue::{code, plot, sweep};
use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, print, print_json, wrote},
};

use about::{About, Spare, Worth};
use plan::{Knee, Row};
use stream::Jobs;

/// What is asked of a training run.
#[derive(clap::Args)]
#[command(next_help_heading = "Training runs")]
pub struct Options {
    /// Numbers of workers: a list, in which A..B stands for all from A to B [default: 1, 2, 4 ... 4 times the trace's]
    #[arg(long, value_name = "LIST")]
    workers: Option<String>,
    /// Numbers of servers [default: the trace's]
    #[arg(long, value_name = "LIST")]
    servers: Option<String>,
    /// Policies: a list, in which ssp:A..B stands for all bounds from A to B [default: bsp,ssp:1..3,asp]
    #[arg(long, value_name = "LIST")]
    sync: Option<String>,
    /// Rows in one worker's batch [default: the trace's]
    #[arg(long, value_name = "LIST")]
    batch: Option<String>,
    /// How often workers exchange with the servers: batch, batches:N, epoch [default: the trace's]
    #[arg(long, value_name = "LIST")]
    every: Option<String>,
    /// Whether each worker has a machine of its own or all share the traced run's [default: one, or own where delays
    /// were injected, because sleeping workers take no core]
    #[arg(long, value_enum)]
    machines: Option<Where>,
    /// Rounds of the jobs that arrive at one cluster, of the traced run's size or of each of --workers: tells the largest
    /// stable rate and, at each --arrival-rate, the tail of their latency
    #[arg(long, value_name = "ROUNDS", value_parser = clap::value_parser!(u64).range(1..))]
    job_rounds: Option<u64>,
    /// Whether a code would pay for linear work with the traced times of computing, and which: mds:* (any k of n answers)
    #[arg(long, value_name = "CODE", conflicts_with_all = ["servers", "sync", "batch", "every", "machines", "job_rounds", "profile"])]
    code: Option<Codes>,
    /// Write what the job costs to this file, for a scheduler (JSON)
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath)]
    profile: Option<PathBuf>,
}

impl Options {
    /// Whether anything was asked that only a training run can answer.
    pub fn is_used(&self) -> bool {
        let lists = [&self.workers, &self.servers, &self.sync, &self.batch, &self.every];
        lists.iter().any(|list| list.is_some())
            || self.machines.is_some()
            || self.job_rounds.is_some()
            || self.profile.is_some()
            || self.code.is_some()
    }
}

/// Codes of which the best is wanted.
#[derive(Clone, Copy, ValueEnum)]
enum Codes {
    /// Any k of n answers
    #[value(name = "mds:*")]
    Mds,
}

/// Where the workers that are asked about run.
#[derive(Clone, Copy, ValueEnum)]
enum Where {
    /// Each worker on a machine of its own
    Own,
    /// All on the traced run's machine
    One,
}

impl From<Where> for Machines {
    fn from(given: Where) -> Self {
        match given {
            Where::Own => Self::Own,
            Where::One => Self::One,
        }
    }
}

#[derive(Serialize)]
struct Answer {
    run: About,
    predictions: Vec<Row>,
    knees: Vec<Knee>,
    prices: Vec<Worth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backups: Option<Spare>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<Jobs>,
}

/// Answers for the run file.
pub fn run(args: &Args, trace: &Path) -> Result<(), Failure> {
    let options = &args.training;
    let outputs: Vec<_> = args.plot.iter().chain(&options.profile).map(PathBuf::as_path).collect();
    outputs.iter().try_for_each(|path| check_writable(path))?;
    check_distinct(&outputs, &[trace])?;
    let run = syncline::trace::read(trace).map_err(Failure::failed)?;
    let cycles = Cycles::of(&run).map_err(Failure::failed)?;
    if let Some(Codes::Mds) = options.code {
        if run.info.sync.parse().is_ok_and(|sync: Policy| sync.coded().is_some()) {
            let why = format!(
                "the tasks of this run are coded already ({}): ask about a run under bsp",
                run.info.sync
            );
            return Err(Failure::Failed(why));
        }
        return coded(args, &cycles);
    }
    let check = Check::of(&cycles).map_err(Failure::failed)?;
    let profile = cycles.profile().map_err(Failure::failed)?;
    let own = profile.question().map_err(Failure::failed)?;
    let machines = options.machines.map_or(own.machines, Machines::from);
    let plan = plan::Plan::new(options, &profile, machines)?;
    let jobs = stream::asked(args)?;
    // A stream is simulated for each size that was asked for by name.
    let clusters = if options.workers.is_some() { plan.workers.clone() } else { vec![own.workers] };
    let (mut curves, predictions, knees) = plan.ask(&profile, &check);
    curves.push(measured(&check, own.workers));
    let answer = Answer {
        run: About::new(&profile, &check, machines),
        predictions,
        knees,
        prices: about::prices(&profile, &Question { machines, ..own })?,
        backups: about::backups(&profile, &Question { machines, ..own })?,
        stream: jobs.map(|jobs| stream::answer(jobs, &profile, &Question { machines, ..own }, &clusters)),
    };
    // The answer first: a disk that is full costs no result.
    if args.json { print_json(&answer) } else { print(&text::text(&answer)) }?;
    if let Some(path) = &options.profile {
        let text = profile.to_json().map_err(Failure::failed)?;
        std::fs::write(path, text + "\n").map_err(|error| cannot_write(path, &error))?;
        wrote(path);
    }
    if let Some(path) = &args.plot {
        plot::draw(path, &trace.display().to_string(), ("workers", "samples per second"), &curves)?;
        wrote(path);
    }
    Ok(())
}

/// Whether a code would pay.
fn coded(args: &Args, cycles: &Cycles) -> Result<(), Failure> {
    if args.training.workers.is_some() || args.plot.is_some() || args.streams.is_used() {
        let why = "--code is about the traced workers: leave --workers, --plot and --arrival-rate out";
        return Err(Failure::Usage(why.to_owned()));
    }
    let (plan, _) = from_run(&cycles.computed_s(), |_| 0.0, 1)?;
    code::show(&code::Output::of(&plan, cycles.workers()), args.json)
}

/// The run itself as a point of the plot.
fn measured(check: &Check, workers: usize) -> sweep::Series {
    let speed = check.predicted.samples_per_s.value * check.predicted.round_s.value / check.measured.value;
    let point = sweep::Point { rate: workers as f64, value: speed, half_width: 0.0, bounds: None };
    sweep::Series { name: "measured".into(), kind: "measured".into(), points: vec![point] }
}

fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot write {}: {error}", path.display()))
}
