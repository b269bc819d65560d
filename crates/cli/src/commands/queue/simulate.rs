//! `syncline queue simulate`: the same system by simulation.

use indicatif::ProgressBar;
use serde::Serialize;
use syncline_queueing::sim::events::{Pool, simulate_pool};
use syncline_queueing::sim::{ClassReport, Interval, Jobs, Plan, Progress, Report, System, simulate_with};
use syncline_queueing::{Distribution, Exceedance, Model};

use super::variant::{Simulated, Variant};
use super::{SystemArgs, Workload, exceedance, failure};
use crate::{
    failure::Failure,
    output::{print, print_json, warn},
};

/// Simulate the system: means, quantiles and throughput with their errors
///
/// Examples:
///   syncline queue simulate --system fork-join --workers 16 --arrivals exp:0.5 --service exp:1 --quantile 0.01
///   syncline queue simulate --system single-queue --workers 3 --tasks 1 --arrivals exp:1.5 --service exp:1 \
///       --speeds 1,1,0.5 --priorities 0.2,0.8 --preemption resume --failures 100,5 --loss 0.25
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    workload: Workload,
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    variant: Variant,
    /// Keep a job waiting at all times instead of --arrivals: the throughput is the largest stable rate
    #[arg(long)]
    saturated: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How much to simulate.
#[derive(clap::Args)]
pub struct Size {
    /// Jobs over all replications
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    jobs: u64,
    /// Independent replications
    #[arg(long, value_name = "N", default_value_t = 16)]
    replications: usize,
    /// Seed; the same seed gives the same numbers on any number of threads
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Go on until the 95 % interval of the mean is this narrow, relative to the mean
    #[arg(long, value_name = "SHARE")]
    precision: Option<f64>,
    /// Probabilities with which a quantile may be exceeded
    #[arg(long = "quantile", value_name = "EPS", value_delimiter = ',', value_parser = exceedance)]
    quantiles: Vec<Exceedance>,
}

impl Size {
    /// The library's plan.
    pub fn plan(&self) -> Plan {
        let default = Plan::default();
        Plan {
            jobs: self.jobs,
            replications: self.replications,
            seed: self.seed,
            threads: self.threads.unwrap_or(default.threads),
            quantiles: self.quantiles.clone(),
            precision: self.precision,
            ..default
        }
    }
}

#[derive(Serialize)]
struct Shown {
    model: &'static str,
    mean: Value,
    wait: Value,
    quantiles: Vec<(f64, Value)>,
    throughput: Value,
    jobs: u64,
    tasks: u64,
    warm_up_jobs_per_replication: u64,
    exact_quantiles: bool,
    seed: u64,
    /// Absent without --precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    precise: Option<bool>,
    /// The most urgent first; empty without --priorities, --speeds and --failures.
    classes: Vec<Class>,
    /// What was said before the simulation; empty where nothing was.
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Class {
    /// Absent, as the wait, where the class had no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<Value>,
    jobs: u64,
}

#[derive(Serialize)]
struct Value {
    value: f64,
    standard_error: f64,
    half_width_95: f64,
}

impl From<&ClassReport> for Class {
    fn from(class: &ClassReport) -> Self {
        let some = |interval: Interval| (class.jobs > 0).then(|| interval.into());
        Self { mean: some(class.mean), wait: some(class.wait), jobs: class.jobs }
    }
}

impl From<Interval> for Value {
    fn from(interval: Interval) -> Self {
        Self {
            value: interval.value,
            standard_error: interval.error,
            half_width_95: interval.half_width(0.95),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let model = args.system.model(args.workload.read()?)?;
    if args.saturated && !args.size.quantiles.is_empty() {
        let message = "--quantile is of the time in the system, which --saturated has none of: leave one out";
        return Err(Failure::Usage(message.into()));
    }
    let warnings = infinite(&model.workload().size)?;
    warnings.iter().for_each(|warning| warn(warning));
    let report = match args.variant.of(&args.system, &*model)? {
        Simulated::Pool(_) if args.saturated => {
            let message = "--saturated cannot be had with --speeds, --priorities or --failures";
            return Err(Failure::Usage(message.into()));
        }
        Simulated::Pool(pool) => events(args, &*model, &pool)?,
        Simulated::System(start) => recursion(args, &*model, &*start)?,
    };
    if let Some(precision) = args.size.precision.filter(|precision| !report.is_precise(*precision)) {
        warn(&format!(
            "after {} jobs the 95 % interval is still wider than {precision} of the mean: raise --jobs",
            report.jobs
        ));
    }
    show(args, &*model, &report, warnings)
}

/// Refuses task sizes without a mean; says of others what no simulation can tell.
fn infinite(size: &Distribution) -> Result<Vec<String>, Failure> {
    if !size.mean().is_finite() {
        return Err(Failure::Failed(format!(
            "the mean of the task sizes ({}) is infinite: no arrival rate is stable and no simulation has a mean; use a \
             lighter tail",
            size.name()
        )));
    }
    if size.variance().is_finite() {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "the variance of the task sizes ({}) is infinite: where jobs queue for a worker, so is the mean time in the system, \
         and the intervals around simulated means do not hold",
        size.name()
    )])
}

fn events(args: &Args, model: &dyn Model, pool: &Pool) -> Result<Report, Failure> {
    with_bar(args, |advance| simulate_pool(pool, model.workload(), &args.size.plan(), advance))
}

fn recursion(
    args: &Args,
    model: &dyn Model,
    start: &(dyn Fn() -> Box<dyn System> + Sync),
) -> Result<Report, Failure> {
    if !args.saturated && model.largest_rate().is_ok() {
        model.check_stable().map_err(failure)?;
    }
    let workload = model.workload();
    let jobs = if args.saturated {
        Jobs::Backlogged { size: &workload.size }
    } else {
        Jobs::Arriving { arrivals: &workload.arrivals, size: &workload.size }
    };
    with_bar(args, |advance| simulate_with(start, jobs, &args.size.plan(), advance))
}

/// Shows on a terminal how many replications are done.
fn with_bar(
    args: &Args,
    simulation: impl FnOnce(&dyn Fn(Progress)) -> syncline_queueing::Result<Report>,
) -> Result<Report, Failure> {
    let bar = ProgressBar::new(args.size.replications as u64);
    let report = simulation(&|progress: Progress| {
        bar.set_length(progress.begun as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    report.map_err(failure)
}

fn show(args: &Args, model: &dyn Model, report: &Report, warnings: Vec<String>) -> Result<(), Failure> {
    if args.json {
        return print_json(&Shown {
            model: model.name(),
            mean: report.mean.into(),
            wait: report.wait.into(),
            quantiles: report.quantiles.iter().map(|(eps, value)| (eps.get(), (*value).into())).collect(),
            throughput: report.throughput.into(),
            jobs: report.jobs,
            tasks: report.tasks,
            warm_up_jobs_per_replication: report.warm_up,
            exact_quantiles: report.exact_quantiles,
            seed: args.size.seed,
            precise: args.size.precision.map(|precision| report.is_precise(precision)),
            classes: report.classes.iter().map(Class::from).collect(),
            warnings,
        });
    }
    let mut lines = vec![format!("{}: {} jobs, {} tasks", model.name(), report.jobs, report.tasks)];
    let mut line = |name: &str, value: Interval| {
        lines.push(format!("{name:<36}{:>14.6} ± {:.6} (95 %)", value.value, value.half_width(0.95)));
    };
    if args.saturated {
        line("largest stable rate", report.throughput);
    } else {
        line("mean time in the system", report.mean);
        line("mean wait for the first task's start", report.wait);
        for (eps, value) in &report.quantiles {
            line(&format!("exceeded with probability {}", eps.get()), *value);
        }
        for (number, class) in report.classes.iter().enumerate().filter(|_| report.classes.len() > 1) {
            if class.jobs > 0 {
                line(&format!("mean time of class {}", number + 1), class.mean);
                line(&format!("mean wait of class {}", number + 1), class.wait);
            }
        }
    }
    if report.classes.len() > 1 {
        let none = report.classes.iter().enumerate().filter(|(_, class)| class.jobs == 0);
        lines.extend(none.map(|(number, _)| format!("no job of class {}", number + 1)));
    }
    print(&lines.join("\n"))
}
