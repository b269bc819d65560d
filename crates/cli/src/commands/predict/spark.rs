//! What other sizes would cost an Apache Spark application, from its event log.

mod barriers;
mod granularity;
mod plan;
mod sizes;
mod speculation;
mod streams;

use std::path::{Path, PathBuf};

use serde::Serialize;
use syncline_predict::{Memory, SparkLog, SparkProfile, Tariff};
use syncline_terminal::{Page, unit};

use super::{Args, Told, three};
use crate::{
    failure::Failure,
    output::{check_distinct, check_writable, page, print, print_json, wrote},
};

/// An error of the replay of the log itself from which on it is not to be trusted.
const TRUSTED: f64 = 0.15;

/// What is asked of a Spark application.
#[derive(clap::Args)]
#[command(next_help_heading = "Spark event logs")]
#[group(id = "spark")]
pub struct Options {
    /// Cores that run tasks, in total, on hardware that has them: a list, in which A..B stands for all from A to B
    /// [default: 1/2, 1, 2 and 4 times the log's]
    #[arg(long, value_name = "LIST", conflicts_with_all = ["executors", "executor_cores", "slots"])]
    cores: Option<String>,
    /// Tasks at once on the log's own machine, whatever cores it has: a list as for --cores
    #[arg(long, value_name = "LIST", conflicts_with_all = ["executors", "executor_cores"])]
    slots: Option<String>,
    /// Numbers of executors: a list as for --cores [default: the log's]
    #[arg(long, value_name = "LIST")]
    executors: Option<String>,
    /// Cores of each executor: a list as for --cores [default: the log's]
    #[arg(long, value_name = "LIST")]
    executor_cores: Option<String>,
    /// Memory of each executor as Spark's settings have it, such as 2g,4g [default: the log's]
    #[arg(long, value_name = "LIST")]
    executor_memory: Option<String>,
    /// Executors that come and go on demand: the fewest and the most, such as 1..20, or on, or off; with --executors
    /// beside fixed ones
    #[arg(long, value_name = "MIN..MAX")]
    dynamic_allocation: Option<String>,
    /// How long an executor on demand takes to start, such as 8s [default: as the log's did]
    #[arg(long, value_name = "TIME")]
    executor_start: Option<String>,
    /// What machines cost: an amount for each core-hour or executor-hour, such as 0.05/core-hour
    #[arg(long, value_name = "AMOUNT/UNIT")]
    price: Option<Tariff>,
    /// Tell the fastest of the sizes that this buys
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    budget: Option<f64>,
    /// Tell the cheapest of the sizes that is done within this time, such as 10min
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Cores of the one machine that all executors share, in the log and then [default: in the log as many as its executors use]
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
        let texts = [&self.cores, &self.slots, &self.partitions, &self.depth, &self.deadline];
        texts.iter().any(|text| text.is_some())
            || self.asks_for_clusters()
            || self.price.is_some()
            || self.budget.is_some()
            || self.machine_cores.is_some()
            || self.pressure.is_some()
            || self.without_barrier
            || self.with_barrier
    }

    /// Whether executors are asked about, and not only slots.
    fn asks_for_clusters(&self) -> bool {
        let texts = [
            &self.executors,
            &self.executor_cores,
            &self.executor_memory,
            &self.dynamic_allocation,
            &self.executor_start,
        ];
        texts.iter().any(|text| text.is_some())
    }

    /// Whether what is asked about has hardware of its own.
    fn is_other_hardware(&self) -> bool {
        self.slots.is_none() && self.machine_cores.is_none()
    }
}

#[derive(Serialize)]
struct Answer {
    run: Own,
    #[serde(flatten)]
    sizes: sizes::Answer,
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
    failed_attempts: usize,
    missing_tasks: usize,
    #[serde(skip)]
    memory: Memory,
    #[serde(skip)]
    enough_b: f64,
    executor_memory_bytes: u64,
    slot_memory_bytes: f64,
    largest_task_memory_bytes: f64,
    spilled_bytes: f64,
    gc_share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_cores: Option<f64>,
    damaged_lines: u64,
    tasks_left_out: usize,
}

/// Answers for the event log.
pub fn run(args: &Args, trace: &Path) -> Result<(), Failure> {
    if let Some(path) = &args.plot {
        check_writable(path)?;
        check_distinct(&[path], &parts(trace).iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    }
    let log = SparkLog::read(trace).map_err(Failure::failed)?;
    let profile = log.profile().map_err(|error| Failure::Failed(format!("{}: {error}", trace.display())))?;
    let answer = Answer {
        run: own(&log, &profile, args.spark.machine_cores),
        sizes: sizes::ask(&profile, &args.spark)?,
        synchronisation: barriers::ask(&profile, &args.spark),
        granularity: granularity::ask(&profile, &args.spark)?,
        speculation: speculation::ask(&profile),
        streams: streams::ask(&profile, &args.streams)?,
    };
    // The answer first: a disk that is full costs no result.
    if args.json { print_json(&answer) } else { print(&text(&answer, &args.spark)) }?;
    match &args.plot {
        Some(path) => {
            let measured = (profile.slots, answer.run.measured_job_s);
            sizes::plot(path, &trace.display().to_string(), &answer.sizes.sizes, measured)?;
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
    let memory = profile.memory();
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
        failed_attempts: profile.failed_attempts,
        missing_tasks: profile.missing_tasks,
        memory,
        enough_b: memory.enough_b(profile.shape().1, profile.memory_fraction()),
        executor_memory_bytes: memory.executor_b,
        slot_memory_bytes: memory.slot_b,
        largest_task_memory_bytes: memory.largest_need_b,
        spilled_bytes: memory.spilled_b,
        gc_share: memory.gc_share,
        machine_cores: machine_cores.or(profile.machine_cores()),
        damaged_lines: log.damage.lines,
        tasks_left_out: log.left_out,
    }
}

fn text(answer: &Answer, options: &Options) -> String {
    let mut page = page();
    tell_own(&mut page, &answer.run);
    sizes::tell(&mut page, &answer.sizes, answer.run.machine_cores, options.is_other_hardware());
    barriers::tell(&mut page, &answer.synchronisation);
    granularity::tell(&mut page, &answer.granularity);
    speculation::tell(&mut page, &answer.speculation);
    streams::tell(&mut page, &answer.streams);
    page.into_text()
}

fn tell_own(page: &mut Page, own: &Own) {
    page.heading(&format!("This run: '{}'", own.application));
    page.line(&format!(
        "{} of {} on {} of {}, {}, {} of them outside of jobs",
        unit::plural(own.jobs as u64, "job"),
        unit::plural(own.tasks as u64, "task"),
        unit::plural(own.slots as u64, "slot"),
        unit::plural(own.executors as u64, "executor"),
        unit::seconds(own.wall_s),
        unit::seconds(own.driver_s)
    ));
    page.line(&format!(
        "its jobs take {} measured, {} replayed: error {:+.1} % (run times alone, as Sparklens has it: {:+.1} %)",
        unit::seconds(own.measured_job_s),
        unit::seconds(own.predicted_job_s),
        100.0 * own.error,
        100.0 * own.sparklens_error
    ));
    page.line(&format!(
        "slots are busy for {} of that; {}",
        unit::percent(own.busy_share),
        pressure(own.pressure)
    ));
    if own.error.abs() > TRUSTED {
        page.warning(&format!(
            "NOT TO BE TRUSTED: the replay of the run itself is {:+.0} % off; all intervals hold that error",
            100.0 * own.error
        ));
    }
    if own.failed_attempts > 0 {
        page.warning(&format!(
            "this replays a run in which {} did not succeed: every prediction holds as many failures",
            unit::plural(own.failed_attempts as u64, "attempt")
        ));
    }
    if own.missing_tasks > 0 {
        page.warning(&format!(
            "the ends of {} are not in the log (Spark's listener lost events): what these took is left out",
            unit::plural(own.missing_tasks as u64, "task")
        ));
    }
    tell_memory(page, own);
    if own.dependent_starts > 0 {
        page.bullet(&format!(
            "{} start milliseconds after another one has ended: they are taken to wait for it at any size",
            unit::plural(own.dependent_starts as u64, "job")
        ));
    }
    if own.doubtful_starts {
        page.bullet(
            "whether jobs that overlap wait for one another or arrive by themselves cannot be told: intervals hold both",
        );
    }
    if own.damaged_lines > 0 {
        page.warning(&format!(
            "{} of the log are damaged and were left out",
            unit::plural(own.damaged_lines, "line")
        ));
    }
    if own.tasks_left_out > 0 {
        page.warning(&format!(
            "{} were left out, of jobs that were too large to keep beside those before them",
            unit::plural(own.tasks_left_out as u64, "task")
        ));
    }
}

fn tell_memory(page: &mut Page, own: &Own) {
    let Memory { executor_b, slot_b, largest_need_b, spilled_b, gc_share } = own.memory;
    if largest_need_b > 0.0 {
        let spilled = match spilled_b {
            0.0 => "nothing was spilled".to_owned(),
            spilled => format!("{} were spilled", unit::bytes(spilled)),
        };
        page.bullet(&format!(
            "of {} a task may take {} while all slots are busy; the neediest took {}; {spilled}; {} with as many cores each would be enough; garbage takes {} of the tasks' time",
            unit::bytes(executor_b as f64),
            unit::bytes(slot_b),
            unit::bytes(largest_need_b),
            unit::bytes(own.enough_b),
            unit::percent(gc_share)
        ));
    }
}

fn pressure(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) => format!("what computes takes {ratio:.1} times its processor time"),
        None => "how busy the processor was is not known: too few tasks measured it".to_owned(),
    }
}
