//! `syncline queue simulate`: the same system by simulation.

use indicatif::ProgressBar;
use serde::Serialize;
use syncline_queueing::sim::{Interval, Jobs, Plan, Progress, Report, simulate_with};
use syncline_queueing::{Exceedance, Model};

use super::{SystemArgs, Workload, exceedance, failure};
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Simulate the system: means, quantiles and throughput with their errors
///
/// Example:
///   syncline queue simulate --system fork-join --workers 16 --arrivals exp:0.5 --service exp:1 --quantile 0.01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    workload: Workload,
    #[command(flatten)]
    size: Size,
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
}

#[derive(Serialize)]
struct Value {
    value: f64,
    standard_error: f64,
    half_width_95: f64,
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
    if !args.saturated && model.largest_rate().is_ok() {
        model.check_stable().map_err(failure)?;
    }
    let workload = model.workload();
    let jobs = if args.saturated {
        Jobs::Backlogged { size: &workload.size }
    } else {
        Jobs::Arriving { arrivals: &workload.arrivals, size: &workload.size }
    };
    let bar = ProgressBar::new(args.size.replications as u64);
    let advance = |progress: Progress| {
        bar.set_length(progress.begun as u64);
        bar.set_position(progress.done as u64);
    };
    let report = simulate_with(&|| model.system(), jobs, &args.size.plan(), &advance).map_err(failure)?;
    bar.finish_and_clear();
    show(args, &*model, &report)
}

fn show(args: &Args, model: &dyn Model, report: &Report) -> Result<(), Failure> {
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
    }
    print(&lines.join("\n"))
}
