//! What else a training run is asked: batches, update frequencies, servers, prices, backup workers, streams of jobs.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use syncline_predict::{Check, Cycles, Error, JobProfile, Machines, Question, Stream};
use syncline_queueing::sim::stream;
use syncline_queueing::{Distribution, Exceedance, harmonic};
use syncline_trace::{Node, Phase, Run, RunInfo, Span};

/// A bulk-synchronous run of `workers` in one process: a gradient takes `fixed` and `each` a sample and an exponential
/// `noise`, an update `update` seconds, a push a millisecond besides.
struct Made {
    workers: u32,
    rounds: u64,
    fixed: f64,
    each: f64,
    noise: f64,
    update: f64,
    settings: Vec<(&'static str, &'static str)>,
}

const PUSH: f64 = 1e-3;
const BATCH: u64 = 60;

fn made() -> Made {
    let settings =
        vec![("batch", "60"), ("rows", "2460"), ("parameters", "1000"), ("on", "threads"), ("cores", "2")];
    Made { workers: 2, rounds: 210, fixed: 0.004, each: 0.0001, noise: 0.0, update: 0.0, settings }
}

impl Made {
    fn profile(&self) -> JobProfile {
        Cycles::of(&self.run()).unwrap().profile().unwrap()
    }

    fn run(&self) -> Run {
        let noise = Distribution::exponential(1.0).unwrap();
        let mut random = stream(21, 0);
        let mut spans = Vec::new();
        let ns = |s: f64| (s * 1e9).round() as u64;
        let mut now = 0.0;
        for round in 0..self.rounds {
            // 1230 rows each: twenty full rounds and one of half.
            let samples = if round % 21 == 20 { BATCH / 2 } else { BATCH };
            let mut last = (0.0, 0);
            for node in 1..=self.workers {
                let work = self.fixed + self.each * samples as f64 + self.noise * noise.draw(&mut random);
                let end = now + work;
                let compute = Span::new(node, Phase::Compute, ns(now), ns(end));
                spans.push(Span { round, records: samples, ..compute });
                spans.push(Span {
                    round,
                    bytes: 4000,
                    ..Span::new(node, Phase::Push, ns(end), ns(end + PUSH))
                });
                last = if end > last.0 { (end, spans.len() - 1) } else { last };
            }
            // The worker that closes the round updates within its push.
            let closed = last.0 + PUSH;
            let update = Span::new(0, Phase::Apply, ns(closed), ns(closed + self.update));
            spans.push(Span { round, ..update });
            spans[last.1].end_ns = ns(closed + self.update);
            now = closed + self.update;
        }
        let nodes = (0..=self.workers).map(|node| Node::new(format!("node/{node}"))).collect();
        let settings =
            self.settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let info = RunInfo {
            run: "made".into(),
            workers: self.workers,
            servers: 1,
            sync: "bsp".into(),
            nodes,
            settings,
            ..RunInfo::default()
        };
        Run { info, spans }
    }
}

/// A run that lies beside this test.
fn recorded(name: &str) -> Cycles {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/held_out").join(name);
    Cycles::of(&syncline_trace::read(path).unwrap()).unwrap()
}

fn round_s(profile: &JobProfile, question: Question) -> f64 {
    profile.predict(&question).unwrap().round_s.value
}

fn near(value: f64, expected: f64, within: f64) {
    assert!((value / expected - 1.0).abs() < within, "{value}, expected {expected}");
}

#[test]
fn the_servers_time_is_counted_once() {
    let made = Made { update: 0.002, ..made() };
    let profile = made.profile();
    let own = profile.question().unwrap();
    near(round_s(&profile, own), Cycles::of(&made.run()).unwrap().measured().value, 0.01);
    near(profile.work_s(), 0.011, 0.01);
    // An update from two gradients takes four passes, from one three; here it is the only one.
    let one = round_s(&profile, Question { workers: 1, ..own });
    near(one, 0.0108 + 0.002 * 3.0 / 4.0, 0.02);
}

#[test]
fn another_batch_costs_its_samples_and_another_frequency_fewer_exchanges() {
    let profile = made().profile();
    let own = profile.question().unwrap();
    let without_short = 0.004 + 0.0001 * BATCH as f64 + PUSH;
    near(round_s(&profile, own), without_short, 0.02);
    near(round_s(&profile, Question { batch: 123, ..own }), 0.004 + 0.0123 + PUSH, 0.02);
    let fours = Question { every: "batches:4".parse().unwrap(), ..own };
    // Five rounds of four batches, and one of a half.
    near(round_s(&profile, fours), (5.0 * 0.04 + 0.007) / 6.0 + PUSH, 0.01);
    let epoch = Question { every: "epoch".parse().unwrap(), ..own };
    near(round_s(&profile, epoch), 20.0 * 0.01 + 0.007 + PUSH, 0.02);
    let flat = Made { rounds: 20, ..made() }.profile();
    let asked = flat.predict(&Question { batch: 120, ..own });
    assert!(matches!(asked, Err(Error::CannotTell { .. })), "no round was shorter: {asked:?}");
}

#[test]
fn workers_share_the_cores_that_the_trace_names() {
    let calibration = [
        ("calibration_cores", "2"),
        ("calibration_gradient_alone_ns", "1000"),
        ("calibration_gradient_together_ns", "1250"),
        ("calibration_error", "0"),
    ];
    let settings: Vec<_> = made().settings.into_iter().chain(calibration).collect();
    let processes =
        settings.iter().map(|&(name, value)| (name, if name == "on" { "processes" } else { value }));
    let apart = Made { settings: processes.collect(), workers: 1, ..made() }.profile();
    let asked = apart.predict(&Question { workers: 2, ..apart.question().unwrap() });
    assert!(
        matches!(asked, Err(Error::CannotTell { .. })),
        "two workers and a server on two cores: {asked:?}"
    );
    let profile = Made { settings, workers: 1, ..made() }.profile();
    let own = profile.question().unwrap();
    let rows = Question { batch: 30, ..own };
    let compute = 0.007;
    near(round_s(&profile, rows), compute + PUSH, 0.03);
    near(round_s(&profile, Question { workers: 2, ..rows }), 1.25 * (compute + PUSH), 0.03);
    near(round_s(&profile, Question { workers: 4, ..rows }), 2.0 * 1.25 * (compute + PUSH), 0.03);
    let apart = Question { workers: 4, machines: Machines::Own, ..rows };
    near(round_s(&profile, apart), compute + PUSH, 0.03);
    let unknown = Made { workers: 1, ..made() }.profile();
    let asked = unknown.predict(&Question { workers: 2, ..own });
    assert!(matches!(asked, Err(Error::CannotTell { .. })), "{asked:?}");
}

#[test]
fn prices_are_what_is_left_out() {
    let made = Made { workers: 4, noise: 0.01, update: 0.004, ..made() };
    let profile = made.profile();
    let own = profile.question().unwrap();
    let whole = round_s(&profile, own);
    let prices = profile.prices(&own).unwrap();
    let price = |of: &str| prices.iter().find(|price| price.of == of).unwrap();
    near(price("update").round_s.value, whole - 0.004, 0.02);
    near(price("push").round_s.value, whole - PUSH, 0.02);
    assert!(price("pull").share.abs() < 1e-9, "there was none");
    // H_4 times the noise against its mean, and an update that nobody waits for.
    assert!(price("gate").share > 0.25, "{prices:?}");
    assert!(prices.windows(2).all(|pair| pair[0].share >= pair[1].share));
}

#[test]
fn backup_workers_follow_the_order_statistics() {
    let made = Made { workers: 8, rounds: 630, fixed: 0.0, each: 1e-9, noise: 1.0, ..made() };
    let profile = made.profile();
    let own = profile.question().unwrap();
    let list = profile.backups(&own).unwrap();
    assert_eq!(list.len(), 5);
    // The mean round of a worker takes a second.
    let samples = 8.0 * 60.0 * (20.0 + 0.5) / 21.0;
    for backup in &list {
        let (n, b) = (8, backup.spare);
        let round = harmonic(n) - harmonic(b);
        let expected = samples * (n - b) as f64 / n as f64 / round;
        near(backup.ideal_samples_per_s, expected, 0.05);
        near(backup.machine_time, list[0].samples_per_s.value / backup.samples_per_s.value, 1e-9);
        assert!(backup.samples_per_s.value < 1.05 * backup.ideal_samples_per_s, "{backup:?}");
    }
}

/// Without spare workers nobody is late, so that stopping late ones changes nothing: on shared cores, too.
#[test]
fn without_spare_workers_the_ideal_is_the_live_gate() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/held_out/live-4-bsp.parquet");
    let profile =
        Cycles::of(&syncline_trace::read(std::path::Path::new(path)).unwrap()).unwrap().profile().unwrap();
    let own = profile.question().unwrap();
    assert_eq!(own.machines, Machines::One);
    let list = profile.backups(&own).unwrap();
    near(list[0].ideal_samples_per_s, list[0].samples_per_s.value, 0.05);
    assert!(
        list.iter().all(|backup| backup.ideal_samples_per_s > 0.95 * backup.samples_per_s.value),
        "{list:?}"
    );
    assert!(matches!(profile.backups(&Question { workers: 100, ..own }), Err(Error::TooFar { .. })));
}

/// Of four batches a round; the part of a gradient that comes with every batch is in the traced rounds four times already.
#[test]
fn a_run_of_many_batches_a_round_predicts_itself() {
    for name in ["live-1-every4.parquet", "live-2-every4.parquet"] {
        let check = Check::of(&recorded(name)).unwrap();
        assert!(check.error().abs() < 0.02, "{name}: {check:?}");
    }
}

#[test]
fn a_delay_comes_once_a_round_however_short_its_batch() {
    let inject = ("inject", "all:uniform:2ms..6ms");
    let settings = made().settings.into_iter().chain([inject]).collect();
    let made = Made { settings, each: 0.0, ..made() };
    let profile = made.profile();
    assert!(profile.variation.deviation_s < 1e-6, "all rounds are alike: {:?}", profile.variation);
    let measured = Cycles::of(&made.run()).unwrap().measured().value;
    near(round_s(&profile, profile.question().unwrap()), measured, 0.005);
}

#[test]
fn a_profile_of_a_hundred_million_rounds_is_answered_at_once() {
    let mut profile = made().profile();
    profile.variation.samples = 100_000_000;
    let own = profile.question().unwrap();
    near(round_s(&profile, own), 0.004 + 0.0001 * BATCH as f64 + PUSH, 0.02);
}

#[test]
fn a_stream_of_jobs_is_a_queue_whose_service_is_a_run() {
    let profile = Made { workers: 4, noise: 0.01, ..made() }.profile();
    let own = profile.question().unwrap();
    let ask = |rates: Vec<f64>| {
        profile.stream(&own, &Stream { rates, rounds: 1000, exceedance: Exceedance::new(0.01).unwrap() })
    };
    let job = 1000.0 * round_s(&profile, own);
    let answer = ask(vec![0.5 / job, 1.1 / job]).unwrap();
    near(answer.largest_rate.value, 1.0 / job, 0.01);
    // Half loaded with services that hardly vary: M/D/1 waits half a service.
    near(answer.rates[0].mean_s.unwrap().value, 1.5 * job, 0.03);
    assert!(answer.rates[0].tail_s.unwrap().value > 3.0 * job);
    assert_eq!((answer.rates[1].mean_s, answer.rates[1].tail_s), (None, None), "beyond the largest rate");
    let loads = ask(Vec::new()).unwrap().rates;
    assert!(loads.windows(2).all(|pair| pair[0].mean_s.unwrap().value < pair[1].mean_s.unwrap().value));
    assert!(matches!(ask(vec![-1.0]), Err(Error::Queueing(_))));
}
