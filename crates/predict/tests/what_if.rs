//! Runs whose truth is known: their traces must predict other sizes and policies.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_predict::{Check, Cycle, Cycles, Error, JobProfile, Machines, Question};
use syncline_queueing::sim::{TrainingLoop, stream};
use syncline_queueing::{Distribution, harmonic};
use syncline_trace::{Node, Phase, Run, RunInfo, Span, TrainingSetup};

/// The trace of a bulk-synchronous run whose worker w takes `factor(w)` times an exponential second.
fn trace(workers: u32, rounds: u64, factor: impl Fn(u32) -> f64) -> Run {
    let size = Distribution::exponential(1.0).unwrap();
    let mut random = stream(11, 0);
    let mut worker = 0;
    trace_of(workers, rounds, &mut || {
        worker += 1;
        factor((worker - 1) % workers) * size.draw(&mut random)
    })
}

/// The trace of a bulk-synchronous run whose workers take what `work` draws, worker after worker.
fn trace_of(workers: u32, rounds: u64, work: &mut dyn FnMut() -> f64) -> Run {
    let mut spans = Vec::new();
    let mut now = 0.0;
    for round in 0..rounds {
        let works: Vec<f64> = (0..workers).map(|_| work()).collect();
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

fn question(profile: &JobProfile, workers: usize, sync: &str) -> Question {
    let sync = sync.parse().unwrap();
    Question { workers, sync, machines: Machines::Own, ..profile.question().unwrap() }
}

fn ask(cycles: &Cycles, workers: usize, sync: &str) -> f64 {
    let profile = cycles.profile().unwrap();
    profile.predict(&question(&profile, workers, sync)).unwrap().round_s.value
}

#[test]
fn equal_workers_follow_the_order_statistics() {
    let cycles = Cycles::of(&trace(4, 2000, |_| 1.0)).unwrap();
    let check = Check::of(&cycles).unwrap();
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

/// Runs of a known law, each traced by itself, against other runs of that law: the intervals must hold about 95 of 100,
/// and no more, else they are too wide to be of use.
#[test]
fn the_intervals_hold_what_they_promise() {
    let laws = [
        Distribution::exponential(1.0).unwrap(),
        Distribution::uniform(0.5, 1.5).unwrap(),
        Distribution::log_normal(0.0, 0.5).unwrap(),
    ];
    let (mut covered, mut asked) = (0, 0);
    for (law, size) in (0u64..).zip(&laws) {
        for seed in 0..25 {
            let mut random = stream(100 + law, seed);
            let cycles = Cycles::of(&trace_of(4, 200, &mut || size.draw(&mut random))).unwrap();
            let profile = cycles.profile().unwrap();
            for (workers, sync) in [(8, "bsp"), (4, "ssp:2"), (2, "asp"), (12, "backup:2")] {
                let question = Question { rounds: 200, ..question(&profile, workers, sync) };
                let predicted = profile.predict(&question).unwrap().round_s;
                let pushes = 200 * workers as u64;
                let run = TrainingLoop::new(question.sync, workers)
                    .unwrap()
                    .advance(pushes, |_, _| size.draw(&mut random));
                covered += usize::from(predicted.covers(run.time * workers as f64 / run.folded as f64));
                asked += 1;
            }
        }
    }
    println!("{covered} of {asked} intervals cover");
    let share = covered as f64 / asked as f64;
    assert!((0.91..0.985).contains(&share), "{covered} of {asked}");
}

#[test]
fn what_cannot_be_told_is_said() {
    assert!(matches!(Cycles::of(&trace(4, 0, |_| 1.0)), Err(Error::NoRounds { .. })));
    let short = Cycles::of(&trace(4, 5, |_| 1.0)).unwrap();
    assert!(matches!(short.profile(), Err(Error::TooShort { have: 5, .. })));
    let cycles = Cycles::of(&trace(2, 50, |_| 1.0)).unwrap();
    let profile = cycles.profile().unwrap();
    let far = profile.predict(&question(&profile, 17, "bsp"));
    assert!(matches!(far, Err(Error::TooFar { asked: 17, .. })));
    assert!(matches!(profile.predict(&question(&profile, 2, "backup:2")), Err(Error::Policy(_))));
    let batch = Question { batch: 64, ..question(&profile, 2, "bsp") };
    assert!(matches!(profile.predict(&batch), Err(Error::CannotTell { .. })), "all batches have one size");
    let missing = vec![Cycle::new(1, 0, 0.0, 1.0)];
    assert!(matches!(Cycles::new(2, missing), Err(Error::NoRounds { .. })));
}

/// Six epochs of 800 rows that four workers were dealt by speed: a row takes 1 ms, and the last worker three times as long, give or
/// take a twentieth.
fn dealt_by_speed(partition: &str) -> Run {
    let mut spans = Vec::new();
    let mut now = 0.0;
    for round in 0..120u64 {
        let (mut longest, first) = (0.0f64, now);
        for worker in 0..4u32 {
            let samples = match (round < 20 && partition == "weight:measured", worker) {
                (true, _) => 10,
                (false, 3) => 4,
                (false, _) => 12,
            };
            let noise = 0.95 + 0.1 * ((round * 7 + u64::from(worker) * 3) % 11) as f64 / 10.0;
            let work = noise * samples as f64 * if worker == 3 { 3e-3 } else { 1e-3 };
            let ns = |s: f64| (s * 1e9) as u64;
            let span = Span::new(worker + 1, Phase::Compute, ns(first), ns(first + work));
            spans.push(Span { round, records: samples, ..span });
            longest = longest.max(work);
        }
        now += longest;
    }
    let setup = TrainingSetup {
        rows: Some(800),
        batch: Some(10),
        epochs: Some(6),
        partition: Some(partition.to_owned()),
        inject: vec!["worker=3:3x".to_owned()],
        ..TrainingSetup::default()
    };
    let nodes = std::iter::once("server/0".to_owned()).chain((0..4).map(|w| format!("worker/{w}")));
    let info = RunInfo {
        run: "dealt".into(),
        workers: 4,
        servers: 1,
        sync: "bsp".into(),
        nodes: nodes.map(Node::new).collect(),
        setup: Some(setup),
        ..RunInfo::default()
    };
    Run { info, spans }
}

#[test]
fn rows_are_dealt_out_as_in_the_traced_run() {
    let cycles = Cycles::of(&dealt_by_speed("weight:measured")).unwrap();
    let check = Check::of(&cycles).unwrap();
    assert!(check.error().abs() < 0.05 && check.run_error().abs() < 0.05, "{check:?}");
    let profile = cycles.profile().unwrap();
    let ask = |workers: usize, sync: &str| {
        profile.predict(&question(&profile, workers, sync).whole(&profile.measured))
    };
    // Ten rounds of an epoch with even shares, and fifty in which seven quick ones and a slow one take as long; rounds wait for the
    // slowest of the eight, which is a little over the mean.
    let run_s = ask(8, "bsp").unwrap().run_s.value;
    let law_s = 10.0 * 0.03 + 50.0 * 0.08 / (7.0 + 1.0 / 3.0);
    assert!((0.99..1.06).contains(&(run_s / law_s)), "{run_s} of {law_s}");
    let refused = ask(4, "asp").unwrap_err().to_string();
    assert!(refused.contains("dealt out by speed"), "{refused}");
    let kept = JobProfile::from_json(&profile.to_json().unwrap()).unwrap();
    assert_eq!(kept, profile);

    let weighed = Cycles::of(&dealt_by_speed("weight:3,3,3,1")).unwrap();
    assert!(Check::of(&weighed).unwrap().error().abs() < 0.05);
    let profile = weighed.profile().unwrap();
    let refused = profile.predict(&question(&profile, 8, "bsp")).unwrap_err().to_string();
    assert!(refused.contains("weights of its 4 workers"), "{refused}");
}
