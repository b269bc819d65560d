//! The simulator against exact values, its reproducibility, and its bounded memory. The nightly target runs the
//! tables of the literature with a million jobs and more:
//!
//!     cargo test --release -p syncline-queueing --test simulator -- --ignored

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_queueing::models::{
    ForkJoin, KOfN, MultiStage, OneBarrier, Redundancy, SingleQueue, SplitMerge, TinyTasks, TwoBarrier,
};
use syncline_queueing::sim::{Plan, StaleLoop, simulate};
use syncline_queueing::{Distribution, Error, Exceedance, Model, Workload};

fn markov(lam: f64, mu: f64) -> Workload {
    Workload::markov(lam, mu).unwrap()
}

/// Systems with an exact mean.
fn exact() -> Vec<Box<dyn Model>> {
    vec![
        Box::new(SplitMerge::new(markov(0.2, 1.0), 10).unwrap()),
        Box::new(SplitMerge::first_of(markov(0.4, 1.0), 7, 10).unwrap()),
        Box::new(ForkJoin::new(markov(0.5, 1.0), 2).unwrap()),
        Box::new(SingleQueue::new(markov(0.5, 1.0), 10, 10).unwrap()),
        Box::new(SingleQueue::new(markov(0.9, 1.0), 4, 2).unwrap()),
        Box::new(TinyTasks::new(markov(0.577287, 5.0), 10, 50).unwrap()),
        Box::new(OneBarrier::new(markov(1.2, 1.0), 10, 5).unwrap()),
        Box::new(TwoBarrier::new(markov(0.2, 1.0), 10, 10).unwrap()),
        Box::new(KOfN::new(markov(0.5, 1.0), 1, 10).unwrap()),
        Box::new(Redundancy::new(markov(2.5, 1.0), 2, 5).unwrap()),
    ]
}

fn agree(model: &dyn Model, jobs: u64) {
    let report = simulate(model, &Plan { jobs, ..Plan::default() }).unwrap();
    let mean = model.mean().unwrap().value;
    let off = (report.mean.value - mean).abs() / report.mean.error;
    assert!(off < 4.5, "{}: {:?} against {mean}, {off:.1} errors", model.name(), report.mean);
    if let Ok(wait) = model.waits() {
        let off = (report.wait.value - wait[0].value).abs() / report.wait.error;
        assert!(off < 4.5, "{}: wait {:?} against {:?}", model.name(), report.wait, wait[0]);
    }
}

#[test]
fn simulated_means_are_the_exact_ones() {
    exact().iter().for_each(|model| agree(&**model, 200_000));
}

#[test]
#[ignore = "nightly: two million jobs a system"]
fn nightly_means_are_the_exact_ones() {
    exact().iter().for_each(|model| agree(&**model, 2_000_000));
}

#[test]
fn the_number_of_threads_does_not_change_a_digit() -> Result<(), Error> {
    let model = OneBarrier::new(markov(1.0, 1.0), 8, 3)?;
    let plan = |threads| Plan {
        jobs: 20_000,
        threads,
        quantiles: vec![Exceedance::new(0.1).unwrap()],
        ..Plan::default()
    };
    assert_eq!(simulate(&model, &plan(1))?, simulate(&model, &plan(3))?);
    let other = Plan { seed: 2, ..plan(1) };
    assert_ne!(simulate(&model, &other)?.mean, simulate(&model, &plan(1))?.mean);
    Ok(())
}

#[test]
fn a_small_memory_gives_nearly_the_same_quantiles() -> Result<(), Error> {
    let model = ForkJoin::new(markov(0.5, 1.0), 5)?;
    let plan = |exact_samples| Plan {
        jobs: 200_000,
        quantiles: vec![Exceedance::new(0.01).unwrap()],
        exact_samples,
        ..Plan::default()
    };
    let (exact, bounded) = (simulate(&model, &plan(usize::MAX))?, simulate(&model, &plan(1000))?);
    assert!(exact.exact_quantiles && !bounded.exact_quantiles);
    let (a, b) = (exact.quantiles[0].1.value, bounded.quantiles[0].1.value);
    assert!((a / b - 1.0).abs() < 1.0 / 2048.0, "{a} {b}");
    Ok(())
}

#[test]
fn a_precision_is_kept() -> Result<(), Error> {
    let model = SplitMerge::new(markov(0.25, 1.0), 10)?;
    let report = simulate(&model, &Plan { jobs: 40_000, precision: Some(0.01), ..Plan::default() })?;
    assert!(report.mean.half_width(0.95) <= 0.01 * report.mean.value && report.jobs > 40_000);
    Ok(())
}

/// (size, workers, staleness, time of an iteration), to 1 %.
const STALE: [(&str, usize, usize, f64); 12] = [
    ("exp:1", 2, 1, 1.25),
    ("exp:1", 2, 4, 1.1),
    ("exp:1", 8, 0, 2.7188),
    ("exp:1", 8, 1, 1.7939),
    ("exp:1", 8, 8, 1.1614),
    ("exp:1", 32, 2, 1.8693),
    ("exp:1", 32, 16, 1.1355),
    ("exp:1", 128, 1, 2.9924),
    ("erlang:4,4", 8, 1, 1.2565),
    ("erlang:4,4", 32, 2, 1.2413),
    ("uniform:0.5,1.5", 32, 1, 1.1327),
    ("uniform:0.5,1.5", 32, 8, 1.022),
];

#[test]
fn stale_loops_take_their_published_times() -> Result<(), Error> {
    for (text, workers, staleness, expected) in STALE {
        let size: Distribution = text.parse()?;
        let plan = Plan { jobs: 80_000, replications: 4, ..Plan::default() };
        let ours = StaleLoop::iteration_time(workers, staleness, &size, &plan)?;
        assert!(
            (ours.value / expected - 1.0).abs() < 0.01,
            "{text} {workers} {staleness}: {ours:?} {expected}"
        );
    }
    Ok(())
}

#[test]
#[ignore = "nightly: a million jobs a row"]
fn nightly_tables_within_one_per_cent() -> Result<(), Error> {
    // (k,l) without purge, (n,k) with purge, multi-stage: no formula, published simulations.
    let no_purge = [(9, 3.625), (10, 5.1793)];
    for (l, mean) in no_purge {
        within(&ForkJoin::first_of(markov(0.5, 1.0), l, 10)?, mean)?;
    }
    for (k, mean) in [(9, 2.816), (7, 1.413), (5, 0.7681), (2, 0.2284)] {
        within(&KOfN::new(markov(0.5, 1.0), k, 10)?, mean)?;
    }
    for (h, mean) in [(3, 15.066), (10, 49.10)] {
        within(&MultiStage::new(markov(0.5, 1.0), h, 10)?, mean)?;
    }
    for (k, lam, mean) in [(10, 0.8, 12.07), (10, 0.9, 23.575), (50, 0.5, 7.542), (100, 0.5, 8.5693)] {
        within(&ForkJoin::new(markov(lam, 1.0), k)?, mean)?;
    }
    Ok(())
}

fn within(model: &dyn Model, expected: f64) -> Result<(), Error> {
    let mean = simulate(model, &Plan { jobs: 4_000_000, ..Plan::default() })?.mean;
    let apart = (mean.value - expected).abs();
    assert!(apart < 0.01 * expected + 2.0 * mean.error, "{}: {mean:?} {expected}", model.name());
    Ok(())
}
