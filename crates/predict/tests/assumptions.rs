//! Runs that are not made of independent rounds of equal workers: what they have in common, drift, unlike workers, an end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_predict::{Check, Cycles, Interval, JobProfile, Machines, Prediction, Question};
use syncline_queueing::Distribution;
use syncline_queueing::sim::{Random, stream};
use syncline_trace::{Node, Phase, Run, RunInfo, Span};

const BATCH: u64 = 10;

/// A run whose workers take given times, and may be ahead of each other by so many rounds; `None` for any number.
struct Made<'a> {
    workers: usize,
    rounds: u64,
    ahead: Option<u64>,
    work: &'a dyn Fn(usize, u64) -> f64,
    /// Between the end of what is waited for and the next round, seconds that no span shows.
    idle_s: f64,
    settings: Vec<(&'static str, &'static str)>,
}

impl<'a> Made<'a> {
    fn new(workers: usize, rounds: u64, ahead: Option<u64>, work: &'a dyn Fn(usize, u64) -> f64) -> Self {
        Self { workers, rounds, ahead, work, idle_s: 0.0, settings: Vec::new() }
    }

    /// Start and end of each worker's rounds: a round starts after its worker's last one, and after everybody's round
    /// that is one more than `ahead` before it.
    fn times(&self) -> Vec<Vec<(f64, f64)>> {
        let mut times = vec![Vec::<(f64, f64)>::new(); self.workers];
        for round in 0..self.rounds {
            let gate = self
                .ahead
                .and_then(|ahead| round.checked_sub(ahead + 1))
                .map_or(0.0, |waited| times.iter().map(|own| own[waited as usize].1).fold(0.0, f64::max));
            for (worker, own) in times.iter_mut().enumerate() {
                let start = own.last().map_or(0.0, |last| last.1).max(gate) + self.idle_s;
                own.push((start, start + (self.work)(worker, round)));
            }
        }
        times
    }

    /// Seconds from the start to the end of the last worker.
    fn run_s(&self) -> f64 {
        self.times().iter().filter_map(|own| own.last()).map(|last| last.1).fold(0.0, f64::max)
    }

    fn run(&self) -> Run {
        let ns = |s: f64| (s * 1e9).round() as u64;
        let mut spans = Vec::new();
        for (worker, own) in (1..).zip(self.times()) {
            spans.extend((0..).zip(own).map(|(round, (start, end))| Span {
                round,
                records: BATCH,
                ..Span::new(worker, Phase::Compute, ns(start), ns(end))
            }));
        }
        let nodes = std::iter::once(Node::new("server/0"))
            .chain((0..self.workers).map(|worker| Node::new(format!("worker/{worker}"))));
        let sync = match self.ahead {
            None => "asp".to_owned(),
            Some(0) => "bsp".to_owned(),
            Some(ahead) => format!("ssp:{ahead}"),
        };
        let rows = (self.workers as u64 * self.rounds * BATCH).to_string();
        let own = [
            ("batch", BATCH.to_string()),
            ("rows", rows),
            ("epochs", "1".into()),
            ("inject", "all:4ms".into()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value)).into_iter();
        let settings = own.chain(self.settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let info = RunInfo {
            run: "made".into(),
            workers: self.workers as u32,
            servers: 1,
            sync,
            nodes: nodes.collect(),
            settings: settings.collect(),
            ..RunInfo::default()
        };
        Run { info, spans }
    }

    fn fitted(&self) -> (JobProfile, Check) {
        let cycles = Cycles::of(&self.run()).unwrap();
        (cycles.profile().unwrap(), Check::of(&cycles).unwrap())
    }
}

fn ask(made: &Made<'_>, workers: usize, sync: &str) -> Prediction {
    let (profile, check) = made.fitted();
    let own = profile.question().unwrap();
    let question = Question { workers, sync: sync.parse().unwrap(), machines: Machines::Own, ..own };
    check.widen(profile.predict(&question).unwrap())
}

/// Draws of a law, one for each worker and round, which two runs may share.
fn table(law: Distribution, seed: u64) -> impl Fn(usize, u64) -> f64 {
    move |worker, round| {
        let mut random: Random = stream((seed << 40) + ((worker as u64) << 24) + round, 0);
        law.draw(&mut random)
    }
}

fn near(interval: Interval, truth: f64, within: f64) {
    assert!((interval.value / truth - 1.0).abs() < within, "{interval:?}, truth {truth}");
    assert!(interval.covers(truth), "{interval:?}, truth {truth}");
}

#[test]
fn rounds_that_grow_are_no_reason_to_wait_for_one_another() {
    let noise = table(Distribution::exponential(1.0 / 0.003).unwrap(), 1);
    let grown =
        |worker: usize, round: u64| [0.004, 0.008, 0.016][(round / 250) as usize] + noise(worker, round);
    let bsp = Made::new(4, 750, Some(0), &grown);
    let (profile, check) = bsp.fitted();
    let common = &profile.variation.common;
    assert!(common.drifts() && common.shock_deviation_s() < 0.2 * common.course_deviation_s(), "{common:?}");
    assert!(check.error().abs() < 0.03, "{}", check.error());
    let stale = Made::new(4, 750, Some(2), &grown);
    near(ask(&bsp, 4, "ssp:2").run_s, stale.run_s(), 0.05);
    near(ask(&bsp, 4, "bsp").run_s, bsp.run_s(), 0.03);
    near(ask(&stale, 4, "bsp").run_s, bsp.run_s(), 0.05);
}

#[test]
fn rounds_that_are_slow_for_all_are_paid_once() {
    let own = table(Distribution::uniform(0.004, 0.008).unwrap(), 2);
    let common = table(Distribution::log_normal(-5.0, 1.0).unwrap(), 3);
    let work = |worker: usize, round: u64| own(worker, round) + common(0, round);
    let four = Made::new(4, 600, Some(0), &work);
    let (profile, check) = four.fitted();
    assert!(
        profile.variation.common.correlation.unwrap() > 0.8,
        "{:?}",
        profile.variation.common.correlation
    );
    assert!(check.error().abs() < 0.02, "{}", check.error());
    for (workers, ahead, sync) in [(4, 0, "bsp"), (4, 2, "ssp:2"), (16, 0, "bsp"), (8, 1, "ssp:1")] {
        let truth = Made::new(workers, 600, Some(ahead), &work);
        near(ask(&four, workers, sync).run_s, truth.run_s(), 0.05);
    }
}

#[test]
fn a_worker_that_varies_more_is_not_averaged_away() {
    let even = table(Distribution::uniform(0.005, 0.006).unwrap(), 4);
    let wild = table(Distribution::exponential(1.0 / 0.005).unwrap(), 5);
    let work = |worker: usize, round: u64| if worker == 1 { wild(1, round) } else { even(worker, round) };
    let bsp = Made::new(4, 600, Some(0), &work);
    assert_eq!(bsp.fitted().0.variation.own.len(), 4);
    near(ask(&bsp, 4, "bsp").run_s, bsp.run_s(), 0.03);
    near(ask(&bsp, 4, "ssp:3").run_s, Made::new(4, 600, Some(3), &work).run_s(), 0.05);
}

#[test]
fn a_run_ends_with_its_slowest_worker() {
    let work = |worker: usize, _| 0.004 * (worker + 1) as f64;
    let bsp = Made::new(4, 200, Some(0), &work);
    let (profile, _) = bsp.fitted();
    let asp = ask(&bsp, 4, "asp");
    near(asp.run_s, 200.0 * 0.016, 0.01);
    let samples = (4 * 200 * BATCH) as f64;
    assert!((asp.samples_per_s.value / (samples / 3.2) - 1.0).abs() < 0.01, "{asp:?}");
    // While all work, they fold 1/4 + 1/8 + 1/12 + 1/16 gradients a ms.
    assert!((asp.round_s.value / (4.0 / (1e3 * (25.0 / 48.0))) - 1.0).abs() < 0.02, "{asp:?}");
    // Twice the workers have half the rounds each.
    let question = Question { workers: 8, ..profile.question().unwrap() }.whole(&profile.measured);
    assert_eq!(question.rounds, 100);
}

#[test]
fn who_is_slow_among_others_is_not_known_unless_it_is_said() {
    let slow = table(Distribution::uniform(0.0050, 0.0052).unwrap(), 6);
    let work = |worker: usize, round: u64| slow(worker, round) + if worker == 2 { 0.010 } else { 0.0 };
    let four = Made::new(4, 200, Some(0), &work);
    let two = ask(&four, 2, "bsp").round_s;
    assert!(two.covers(0.0052) && two.covers(0.0151), "{two:?}");
    let named = Made { settings: vec![("inject", "worker=2:10ms")], ..Made::new(4, 200, Some(0), &work) };
    let two = ask(&named, 2, "bsp").round_s;
    assert!(two.covers(0.00513) && two.high < 0.006, "{two:?}");
    // Under asp the others go on at their pace: seven of eight are fast, not six.
    let eight = ask(&named, 8, "asp").round_s;
    let pace: f64 = (0..8).map(|worker| 1.0 / if worker == 2 { 0.0151 } else { 0.0051 }).sum();
    assert!((eight.value / (8.0 / pace) - 1.0).abs() < 0.02, "{eight:?}");
}

#[test]
fn where_every_worker_was_delayed_nothing_shows_how_long_another_takes() {
    let noise = table(Distribution::uniform(0.0050, 0.0052).unwrap(), 9);
    let work = |worker: usize, round: u64| noise(worker, round) + [0.004, 0.010][worker];
    let settings = vec![("inject", "worker=0:4ms worker=1:10ms")];
    let two = Made { settings, ..Made::new(2, 200, Some(0), &work) };
    let (profile, _) = two.fitted();
    let asked = |workers: usize| profile.predict(&Question { workers, ..profile.question().unwrap() });
    let refused = asked(8).unwrap_err().to_string();
    assert!(
        refused.contains("each of the 2 workers of the trace has an injected delay of its own"),
        "{refused}"
    );
    // Of fewer, it is known who they are.
    near(asked(1).unwrap().round_s, 0.0091, 0.01);
}

#[test]
fn an_interval_holds_the_run_that_it_was_fitted_on() {
    let noise = table(Distribution::exponential(1.0 / 0.002).unwrap(), 7);
    // What a busy machine does: time passes in which no worker does anything that is traced.
    let settings = vec![("machine_others_share", "0.55")];
    let busy = Made { idle_s: 0.004, settings, ..Made::new(4, 200, Some(0), &noise) };
    let (_, check) = busy.fitted();
    assert!(check.error() < -0.15 && !check.is_trusted(), "{}", check.error());
    assert!(check.doubts()[0].contains("the machine was busy: others used 55 %"), "{:?}", check.doubts());
    let own = ask(&busy, 4, "bsp");
    assert!(own.round_s.covers(check.measured.value), "{own:?}, {:?}", check.measured);
    assert!(own.run_s.covers(check.measured_run_s), "{own:?}, {}", check.measured_run_s);
    let quiet = Made::new(4, 200, Some(0), &noise).fitted().1;
    assert!(quiet.is_trusted() && quiet.doubts().is_empty(), "{:?}", quiet.doubts());
}

#[test]
fn one_worker_shows_nothing_of_what_many_have_in_common() {
    let noise = table(Distribution::exponential(1.0 / 0.010).unwrap(), 8);
    let one = Made { settings: vec![("on", "threads")], ..Made::new(1, 400, Some(0), &noise) };
    let four = ask(&one, 4, "bsp").round_s;
    assert!(four.covers(0.010 * 25.0 / 12.0), "independent: {four:?}");
    assert!(four.covers(0.010), "or all slow in the same rounds: {four:?}");
}
