//! Replications in parallel: warm-up found by pilots, then rounds of independent runs until the precision is met.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::feed::{ClassSums, Feed, Jobs, Passages, Passed};
use super::report::ClassReport;
use super::warm_up::warm_up;
use super::{Interval, Plan, Quantiles, Random, Report, System, stream};
use crate::{Exceedance, Model, Result};

const MOST_ROUNDS: usize = 64;

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
    replicate(&|random| Feed::new(system(), jobs, random), plan, progress)
}

/// Replications of whatever `start` starts with a random stream.
pub(crate) fn replicate<P: Passages>(
    start: &(impl Fn(Random) -> P + Sync),
    plan: &Plan,
    progress: &dyn Fn(Progress),
) -> Result<Report> {
    plan.check()?;
    let warm_up = warm_up(start, plan);
    let mut runs = Vec::new();
    for round in 0..MOST_ROUNDS {
        let first = round * plan.replications;
        runs.extend(run_round(start, plan, warm_up, first, progress));
        let mean = Interval::of(&runs.iter().map(|run| run.mean).collect::<Vec<_>>());
        let narrow = |precision: f64| mean.half_width(0.95) <= precision * mean.value;
        // A system that is stuck has no mean, and more runs give it none.
        if mean.value.is_nan() || plan.precision.is_none_or(narrow) {
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
    classes: Vec<ClassSums>,
}

fn run_round<P: Passages>(
    start: &(impl Fn(Random) -> P + Sync),
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
                    let _ = sender.send((index, run(start(random), plan, warm_up)));
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

fn run(mut feed: impl Passages, plan: &Plan, warm_up: u64) -> Run {
    for _ in 0..warm_up {
        feed.next();
    }
    feed.count_from_here();
    let from = feed.clock();
    let counted = plan.jobs_each();
    let keep = if plan.quantiles.is_empty() { None } else { Some(plan.exact_samples) };
    let mut quantiles = keep.map(Quantiles::new);
    let (mut sojourns, mut waits) = (0.0, 0.0);
    for _ in 0..counted {
        let Passed { wait, sojourn } = feed.next();
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
        throughput: counted as f64 / (feed.clock() - from),
        tasks: feed.tasks(),
        classes: feed.classes(),
    }
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
        classes: classes(&runs),
    }
}

fn classes(runs: &[Run]) -> Vec<ClassReport> {
    let number = runs.first().map_or(0, |run| run.classes.len());
    let class = |class: usize| {
        // A rare class may have no job in some of the runs.
        let some: Vec<&ClassSums> =
            runs.iter().map(|run| &run.classes[class]).filter(|sums| sums.jobs > 0.0).collect();
        let over = |value: &dyn Fn(&ClassSums) -> f64| {
            Interval::of(&some.iter().map(|sums| value(sums)).collect::<Vec<_>>())
        };
        ClassReport {
            mean: over(&|sums| sums.sojourns / sums.jobs),
            wait: over(&|sums| sums.waits / sums.jobs),
            jobs: runs.iter().map(|run| run.classes[class].jobs as u64).sum(),
        }
    };
    (0..number).map(class).collect()
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
