//! Runs whose truth is known: their traces must predict other sizes and policies.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_predict::{Check, Cycle, Cycles, Error, Question};
use syncline_queueing::sim::{Random, TrainingLoop, stream};
use syncline_queueing::{Distribution, harmonic};
use syncline_trace::{Node, Phase, Run, RunInfo, Span};

/// The trace of a bulk-synchronous run whose worker w takes `factor(w)` times an exponential second.
fn trace(workers: u32, rounds: u64, factor: impl Fn(u32) -> f64) -> Run {
    let size = Distribution::exponential(1.0).unwrap();
    let mut random = stream(11, 0);
    let mut spans = Vec::new();
    let mut now = 0.0;
    for round in 0..rounds {
        let works: Vec<f64> = (0..workers).map(|worker| factor(worker) * size.draw(&mut random)).collect();
        for (worker, work) in (0..).zip(&works) {
            let ns = |s: f64| (s * 1e9) as u64;
            let compute =
                Span { round, records: 32, ..Span::new(worker + 1, Phase::Compute, ns(now), ns(now + work)) };
            spans.push(compute);
        }
        now += works.into_iter().fold(0.0, f64::max);
    }
    let nodes =
        std::iter::once(Node::new("server/0")).chain((0..workers).map(|w| Node::new(format!("worker/{w}"))));
    let info = RunInfo {
        run: "test".into(),
        workers,
        sync: "bsp".into(),
        nodes: nodes.collect(),
        ..RunInfo::default()
    };
    Run { info, spans }
}

fn ask(cycles: &Cycles, workers: usize, sync: &str) -> f64 {
    let question = Question { workers, sync: sync.parse().unwrap() };
    cycles.profile().unwrap().predict(&question).unwrap().round_s.value
}

#[test]
fn equal_workers_follow_the_order_statistics() {
    let cycles = Cycles::of(&trace(4, 2000, |_| 1.0)).unwrap();
    let check = Check::of(&cycles, "bsp".parse().unwrap()).unwrap();
    assert!(check.error().abs() < 0.02, "{}", check.error());
    assert!((cycles.samples_per_cycle() - 32.0).abs() < 1e-9);
    for workers in [1, 2, 4, 8, 16] {
        let predicted = ask(&cycles, workers, "bsp");
        assert!((predicted / harmonic(workers) - 1.0).abs() < 0.04, "{workers}: {predicted}");
        assert!((ask(&cycles, workers, "asp") - 1.0).abs() < 0.03);
    }
    assert!((ask(&cycles, 2, "ssp:1") / 1.25 - 1.0).abs() < 0.03);
    assert!((ask(&cycles, 2, "backup:1") / 1.5 - 1.0).abs() < 0.03);
}

#[test]
fn staleness_does_not_help_against_a_worker_that_is_always_slow() {
    let cycles = Cycles::of(&trace(4, 1000, |worker| if worker == 2 { 5.0 } else { 1.0 })).unwrap();
    let profile = cycles.profile().unwrap();
    assert!(profile.persistent_share() > 0.2, "{}", profile.persistent_share());
    let stale = ask(&cycles, 4, "ssp:8");
    assert!(stale > 4.5, "everybody waits for the slow one in the end: {stale}");
    assert!(ask(&cycles, 4, "asp") < 0.6 * stale);
}

#[test]
fn the_interval_holds_a_second_run() {
    let cycles = Cycles::of(&trace(4, 500, |_| 1.0)).unwrap();
    let question = Question { workers: 8, sync: "ssp:2".parse().unwrap() };
    let predicted = cycles.profile().unwrap().predict(&question).unwrap().round_s;
    let size = Distribution::exponential(1.0).unwrap();
    let mut covered = 0;
    for i in 0..20 {
        let mut random: Random = stream(99, i);
        let run = TrainingLoop::new(question.sync, 8).unwrap().advance(4000, |_, _| size.draw(&mut random));
        covered += usize::from(predicted.covers(run.time / 500.0));
    }
    assert!(covered >= 14, "{covered} of 20: {predicted:?}");
}

#[test]
fn what_cannot_be_told_is_said() {
    assert!(matches!(Cycles::of(&trace(4, 0, |_| 1.0)), Err(Error::NoRounds { .. })));
    let short = Cycles::of(&trace(4, 5, |_| 1.0)).unwrap();
    assert!(matches!(short.profile(), Err(Error::TooShort { have: 5, .. })));
    let cycles = Cycles::of(&trace(2, 50, |_| 1.0)).unwrap();
    let far = Question { workers: 17, sync: "bsp".parse().unwrap() };
    assert!(matches!(cycles.profile().unwrap().predict(&far), Err(Error::TooFar { asked: 17, .. })));
    let spare = Question { workers: 2, sync: "backup:2".parse().unwrap() };
    assert!(matches!(cycles.profile().unwrap().predict(&spare), Err(Error::Queueing(_))));
    let missing = vec![Cycle::new(1, 0, 0.0, 1.0)];
    assert!(matches!(Cycles::new(2, missing), Err(Error::NoRounds { .. })));
}
