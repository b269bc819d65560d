//! Replications in parallel: warm-up found by pilots, then rounds of independent runs until the precision is met.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::warm_up::mser;
use super::{Interval, Plan, Quantiles, Random, Report, System, stream};
use crate::{Arrivals, Distribution, Exceedance, Model, Result};

/// The seeds of pilots are kept apart from those of the runs that count.
const PILOT: u64 = 0x70_69_6c_6f_74;
const PILOTS: u64 = 4;
const BATCHES: u64 = 200;
const LONGEST_PILOT: u64 = 2_000_000;
const MOST_ROUNDS: usize = 64;

/// What is fed to a system.
#[derive(Debug, Clone, Copy)]
pub enum Jobs<'a> {
    /// Jobs that arrive.
    Arriving {
        /// When.
        arrivals: &'a Arrivals,
        /// How large their tasks are.
        size: &'a Distribution,
    },
    /// A job is always waiting: the throughput is the largest stable rate.
    Backlogged {
        /// How large the tasks are.
        size: &'a Distribution,
    },
}

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Replications done.
    pub done: usize,
    /// Replications of all rounds begun.
    pub begun: usize,
}

/// Simulates a model's system under its own workload.
///
/// # Errors
/// [`crate::Error::Unstable`] if the model knows its largest rate and is beyond it; [`crate::Error::TooFewSamples`] if the plan is
/// too small for a quantile.
///
/// ```
/// use syncline_queueing::{Model, Workload, models::ForkJoin, sim::{Plan, simulate}};
///
/// let model = ForkJoin::new(Workload::markov(0.5, 1.0)?, 2)?;
/// let report = simulate(&model, &Plan { jobs: 200_000, ..Plan::default() })?;
/// assert!((report.mean.value - model.mean()?.value).abs() < 5.0 * report.mean.error);
/// # Ok::<(), syncline_queueing::Error>(())
/// ```
pub fn simulate(model: &dyn Model, plan: &Plan) -> Result<Report> {
    if model.largest_rate().is_ok() {
        model.check_stable()?;
    }
    let workload = model.workload();
    let jobs = Jobs::Arriving { arrivals: &workload.arrivals, size: &workload.size };
    simulate_with(&|| model.system(), jobs, plan, &|_| {})
}

/// Simulates any system; `progress` is called from the calling thread after each replication.
///
/// # Errors
/// [`crate::Error::TooFewSamples`] if the plan is too small for a quantile, [`crate::Error::Parameter`] if it is empty.
pub fn simulate_with(
    system: &(dyn Fn() -> Box<dyn System> + Sync),
    jobs: Jobs<'_>,
    plan: &Plan,
    progress: &dyn Fn(Progress),
) -> Result<Report> {
    plan.check()?;
    let warm_up = warm_up(system, jobs, plan);
    let mut runs = Vec::new();
    for round in 0..MOST_ROUNDS {
        let first = round * plan.replications;
        runs.extend(run_round(system, jobs, plan, warm_up, first, progress));
        let mean = Interval::of(&runs.iter().map(|run| run.mean).collect::<Vec<_>>());
        let narrow = |precision: f64| mean.half_width(0.95) <= precision * mean.value;
        if plan.precision.is_none_or(narrow) {
            break;
        }
    }
    Ok(summarise(runs, plan, warm_up))
}

/// The result of one replication.
struct Run {
    mean: f64,
    wait: f64,
    /// The quantiles of this replication alone, whose spread is the error of the pooled ones.
    quantiles: Vec<f64>,
    samples: Option<Quantiles>,
    throughput: f64,
    tasks: u64,
}

fn run_round(
    system: &(dyn Fn() -> Box<dyn System> + Sync),
    jobs: Jobs<'_>,
    plan: &Plan,
    warm_up: u64,
    first: usize,
    progress: &dyn Fn(Progress),
) -> Vec<Run> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut runs: Vec<(usize, Run)> = Vec::with_capacity(plan.replications);
    std::thread::scope(|scope| {
        for _ in 0..plan.threads.min(plan.replications) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= plan.replications {
                        break;
                    }
                    let random = stream(plan.seed, (first + index) as u64);
                    // The receiver outlives the scope, so that sending cannot fail.
                    let _ = sender.send((index, run(&mut *system(), jobs, plan, warm_up, random)));
                }
            });
        }
        drop(sender);
        for result in &receiver {
            runs.push(result);
            progress(Progress { done: first + runs.len(), begun: first + plan.replications });
        }
    });
    runs.sort_by_key(|(index, _)| *index);
    runs.into_iter().map(|(_, run)| run).collect()
}

fn run(system: &mut dyn System, jobs: Jobs<'_>, plan: &Plan, warm_up: u64, random: Random) -> Run {
    let mut feed = Feed::new(system, jobs, random);
    for _ in 0..warm_up {
        feed.next();
    }
    let from = feed.last;
    let counted = plan.jobs_each();
    let keep = if plan.quantiles.is_empty() { None } else { Some(plan.exact_samples) };
    let mut quantiles = keep.map(Quantiles::new);
    let (mut sojourns, mut waits) = (0.0, 0.0);
    for _ in 0..counted {
        let (wait, sojourn) = feed.next();
        waits += wait;
        sojourns += sojourn;
        if let Some(quantiles) = &mut quantiles {
            quantiles.record(sojourn);
        }
    }
    let values = match &mut quantiles {
        Some(all) => plan.quantiles.iter().map(|eps| all.quantile(eps.get())).collect(),
        None => Vec::new(),
    };
    Run {
        mean: sojourns / counted as f64,
        wait: waits / counted as f64,
        quantiles: values,
        samples: quantiles,
        throughput: counted as f64 / (feed.last - from),
        tasks: feed.tasks,
    }
}

/// One replication's jobs, one after the other.
struct Feed<'a> {
    system: &'a mut dyn System,
    source: Option<crate::arrivals::Source<'a>>,
    size: &'a Distribution,
    random: Random,
    sizes: Vec<f64>,
    now: f64,
    /// The start of the latest job.
    last: f64,
    tasks: u64,
}

impl<'a> Feed<'a> {
    fn new(system: &'a mut dyn System, jobs: Jobs<'a>, mut random: Random) -> Self {
        let (source, size) = match jobs {
            Jobs::Arriving { arrivals, size } => (Some(arrivals.source(&mut random)), size),
            Jobs::Backlogged { size } => (None, size),
        };
        Self { system, source, size, random, sizes: Vec::new(), now: 0.0, last: 0.0, tasks: 0 }
    }

    /// The next job's wait and sojourn.
    #[inline]
    fn next(&mut self) -> (f64, f64) {
        if let Some(source) = &mut self.source {
            self.now += source.gap(&mut self.random);
        }
        let tasks = self.system.tasks(&mut self.random);
        self.sizes.resize(tasks, 0.0);
        self.size.fill(&mut self.random, &mut self.sizes);
        self.tasks += tasks as u64;
        let passage = self.system.admit(self.now, &self.sizes, &mut self.random);
        self.last = passage.started;
        (passage.started - self.now, passage.departed - self.now)
    }
}

/// Jobs to drop: twice what MSER finds on pilots of a quarter of a replication, at least a tenth of one. Very long
/// replications need no longer pilots.
fn warm_up(system: &(dyn Fn() -> Box<dyn System> + Sync), jobs: Jobs<'_>, plan: &Plan) -> u64 {
    let each = plan.jobs_each();
    let batch = (each.min(LONGEST_PILOT) / 4 / BATCHES).max(1);
    let one = |index: u64| pilot(&mut *system(), jobs, stream(plan.seed ^ PILOT, index), batch);
    let pilots: Vec<Vec<f64>> = if plan.threads == 1 {
        (0..PILOTS).map(one).collect()
    } else {
        std::thread::scope(|scope| {
            let one = &one;
            let running: Vec<_> = (0..PILOTS).map(|index| scope.spawn(move || one(index))).collect();
            running.into_iter().filter_map(|pilot| pilot.join().ok()).collect()
        })
    };
    let batches: Vec<f64> =
        (0..BATCHES as usize).map(|i| pilots.iter().map(|pilot| pilot[i]).sum()).collect();
    (2 * mser(&batches) as u64 * batch).max(each / 10)
}

/// The batch totals of one pilot's sojourn times; a backlogged system has none that settle, but the time between
/// starts does.
fn pilot(system: &mut dyn System, jobs: Jobs<'_>, random: Random, batch: u64) -> Vec<f64> {
    let mut feed = Feed::new(system, jobs, random);
    let mut started = 0.0;
    (0..BATCHES)
        .map(|_| {
            let total: f64 = (0..batch).map(|_| feed.next().1).sum();
            let apart = feed.last - std::mem::replace(&mut started, feed.last);
            if matches!(jobs, Jobs::Backlogged { .. }) { apart } else { total }
        })
        .collect()
}

fn summarise(mut runs: Vec<Run>, plan: &Plan, warm_up: u64) -> Report {
    let samples: Vec<Quantiles> = runs.iter_mut().filter_map(|run| run.samples.take()).collect();
    let over = |value: &dyn Fn(&Run) -> f64| Interval::of(&runs.iter().map(value).collect::<Vec<_>>());
    let spread: Vec<Interval> = (0..plan.quantiles.len()).map(|i| over(&|run| run.quantiles[i])).collect();
    let (quantiles, exact_quantiles) = pool(samples, plan, &spread);
    Report {
        mean: over(&|run| run.mean),
        wait: over(&|run| run.wait),
        quantiles,
        throughput: over(&|run| run.throughput),
        jobs: plan.jobs_each() * runs.len() as u64,
        tasks: runs.iter().map(|run| run.tasks).sum(),
        warm_up,
        exact_quantiles,
    }
}

/// Quantiles over the samples of all replications: the mean of their own ones is too low where a replication holds
/// only a few of the rare busy periods that make the tail.
fn pool(samples: Vec<Quantiles>, plan: &Plan, spread: &[Interval]) -> (Vec<(Exceedance, Interval)>, bool) {
    let mut all = samples.into_iter().reduce(|mut all, samples| {
        all.absorb(samples);
        all
    });
    let exact = all.as_ref().is_none_or(Quantiles::is_exact);
    let pooled = plan.quantiles.iter().zip(spread).map(|(eps, spread)| {
        let value = all.as_mut().map_or(f64::NAN, |all| all.quantile(eps.get()));
        (*eps, Interval { value, ..*spread })
    });
    (pooled.collect(), exact)
}
