//! What other sizes would cost an Apache Spark application, from its event log.

mod barriers;
mod granularity;
mod sizes;
mod speculation;
mod streams;

use std::path::{Path, PathBuf};

use serde::Serialize;
use syncline_predict::{SparkLog, SparkProfile};
use syncline_terminal::escape;

use super::{Args, Told, three};
use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, print, print_json, wrote},
};

/// What is asked of a Spark application.
#[derive(clap::Args)]
#[command(next_help_heading = "Spark event logs")]
#[group(id = "spark")]
pub struct Options {
    /// Cores that run tasks, in total: a list, in which A..B stands for all from A to B [default: 1/2, 1, 2 and 4 times the log's]
    #[arg(long, value_name = "LIST", conflicts_with = "executors")]
    cores: Option<String>,
    /// Executors of the log's kind: a list as for --cores
    #[arg(long, value_name = "LIST")]
    executors: Option<String>,
    /// Cores of the machine that all executors share [default: as many as the log's executors use on one machine]
    #[arg(long, value_name = "N")]
    machine_cores: Option<f64>,
    /// How busy the machine is: wall over processor time of what only computes, 1 on an idle one [default: the log's]
    #[arg(long, value_name = "RATIO")]
    pressure: Option<f64>,
    /// Numbers of partitions: a list as for --cores [default: the log's and around the best]
    #[arg(long, value_name = "LIST")]
    partitions: Option<String>,
    /// Depths of treeAggregate: a list as for --cores; over the first of --partitions if given
    #[arg(long, value_name = "LIST")]
    depth: Option<String>,
    /// Tell the time without barrier mode even if the log has none
    #[arg(long)]
    without_barrier: bool,
    /// Tell the time if every stage ran in barrier mode and called barrier() once
    #[arg(long)]
    with_barrier: bool,
}

impl Options {
    /// Whether any of them was given.
    pub fn is_used(&self) -> bool {
        let lists = [&self.cores, &self.executors, &self.partitions, &self.depth];
        lists.iter().any(|list| list.is_some())
            || self.machine_cores.is_some()
            || self.pressure.is_some()
            || self.without_barrier
            || self.with_barrier
    }
}

#[derive(Serialize)]
struct Answer {
    run: Own,
    sizes: Vec<sizes::Row>,
    synchronisation: barriers::Answer,
    granularity: granularity::Answer,
    speculation: Told<speculation::Answer>,
    streams: Vec<streams::Stream>,
}

/// The log, and how far off the replay is for it.
#[derive(Serialize)]
struct Own {
    application: String,
    slots: usize,
    executors: usize,
    jobs: usize,
    tasks: usize,
    wall_s: f64,
    driver_s: f64,
    measured_job_s: f64,
    predicted_job_s: f64,
    error: f64,
    sparklens_error: f64,
    busy_share: f64,
    /// Absent where too few tasks measured it.
    pressure: Option<f64>,
    dependent_starts: usize,
    doubtful_starts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_cores: Option<f64>,
    damaged_lines: u64,
    tasks_left_out: usize,
}

/// Answers for the event log.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        check_writable(path)?;
        check_distinct(&[path], &parts(&args.trace).iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    }
    let log = SparkLog::read(&args.trace).map_err(Failure::failed)?;
    let profile =
        log.profile().map_err(|error| Failure::Failed(format!("{}: {error}", args.trace.display())))?;
    let answer = Answer {
        run: own(&log, &profile, args.spark.machine_cores),
        sizes: sizes::ask(&profile, &args.spark)?,
        synchronisation: barriers::ask(&profile, &args.spark),
        granularity: granularity::ask(&profile, &args.spark)?,
        speculation: speculation::ask(&profile),
        streams: streams::ask(&profile, &args.streams)?,
    };
    // The answer first: a disk that is full costs no result.
    if args.json { print_json(&answer) } else { print(&text(&answer)) }?;
    match &args.plot {
        Some(path) => {
            let measured = (profile.slots, answer.run.measured_job_s);
            sizes::plot(path, &args.trace.display().to_string(), &answer.sizes, measured)?;
            wrote(path);
            Ok(())
        }
        None => Ok(()),
    }
}

/// The files of a log: itself, or those of a rolling log's folder.
fn parts(trace: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(trace).into_iter().flatten().flatten().map(|entry| entry.path());
    std::iter::once(trace.to_owned()).chain(files).collect()
}

fn own(log: &SparkLog, profile: &SparkProfile, machine_cores: Option<f64>) -> Own {
    let check = profile.check();
    Own {
        application: profile.name.clone(),
        slots: profile.slots,
        executors: profile.executors,
        jobs: profile.jobs,
        tasks: profile.tasks,
        wall_s: profile.wall_s,
        driver_s: profile.driver_s,
        measured_job_s: check.measured_s,
        predicted_job_s: check.predicted_s,
        error: check.error(),
        sparklens_error: check.sparklens_error(),
        busy_share: profile.busy_share,
        pressure: profile.pressure(),
        dependent_starts: profile.dependent_starts(),
        doubtful_starts: profile.has_doubtful_starts(),
        machine_cores: machine_cores.or(profile.machine_cores()),
        damaged_lines: log.damage.lines,
        tasks_left_out: log.left_out,
    }
}

fn text(answer: &Answer) -> String {
    let parts = [
        own_text(&answer.run),
        sizes::text(&answer.sizes, answer.run.machine_cores),
        barriers::text(&answer.synchronisation),
        granularity::text(&answer.granularity),
        speculation::text(&answer.speculation),
        streams::text(&answer.streams),
    ];
    parts.map(|lines| lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n")).join("\n\n")
}

fn own_text(own: &Own) -> Vec<String> {
    let mut lines = vec![
        format!(
            "this run: '{}', {} jobs of {} tasks on {} slots of {} executor(s), {:.1} s, {:.1} s of them outside of jobs",
            own.application, own.jobs, own.tasks, own.slots, own.executors, own.wall_s, own.driver_s
        ),
        format!(
            "  its jobs take {:.2} s measured, {:.2} s replayed: error {:+.1} % (run times alone, as Sparklens has it: {:+.1} %)",
            own.measured_job_s,
            own.predicted_job_s,
            100.0 * own.error,
            100.0 * own.sparklens_error
        ),
        format!("  slots are busy for {:.0} % of that; {}", 100.0 * own.busy_share, pressure(own.pressure)),
    ];
    if own.dependent_starts > 0 {
        lines.push(format!(
            "  {} jobs start milliseconds after another one has ended: they are taken to wait for it at any size",
            own.dependent_starts
        ));
    }
    if own.doubtful_starts {
        lines.push(
            "  whether jobs that overlap wait for one another or arrive by themselves cannot be told: intervals hold both"
                .to_owned(),
        );
    }
    if own.damaged_lines > 0 {
        lines.push(format!("  {} lines of the log are damaged and were left out", own.damaged_lines));
    }
    if own.tasks_left_out > 0 {
        lines.push(format!(
            "  {} tasks were left out, of jobs that were too large to keep beside those before them",
            own.tasks_left_out
        ));
    }
    lines
}

fn pressure(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) => format!("what computes takes {ratio:.1} times its processor time"),
        None => "how busy the processor was is not known: too few tasks measured it".to_owned(),
    }
}

/// `value (low .. high)`.
fn shown([low, value, high]: [f64; 3]) -> String {
    format!("{value:>9.2} ({:>8.2} .. {high:>8.2})", low.max(0.0))
}
