//! The profile that the scheduler is given: its speed law, and its file.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use syncline_predict::{Cycles, Error, JobProfile, Placement};
use syncline_round::Policy;
use syncline_trace::{Node, Phase, Run, RunInfo, Span};

const BATCH: u64 = 64;
/// Seconds a sample, and of a gradient besides.
const EACH: f64 = 1e-4;
const FIXED: f64 = 2e-3;

/// A bulk-synchronous run of two workers that always take the same time: 30 full rounds and a short one an epoch.
fn run() -> Run {
    let ns = |s: f64| (s * 1e9).round() as u64;
    let mut spans = Vec::new();
    let mut now = 0.0;
    for round in 0..124 {
        let samples = if round % 31 == 30 { BATCH / 4 } else { BATCH };
        let work = FIXED + EACH * samples as f64;
        for node in [1, 2] {
            let compute = Span::new(node, Phase::Compute, ns(now), ns(now + work));
            spans.push(Span { round, records: samples, ..compute });
        }
        now += work;
    }
    let settings = [("batch", BATCH), ("rows", 2 * (30 * BATCH + BATCH / 4)), ("parameters", 250_000)];
    let info = RunInfo {
        run: "steady".into(),
        workers: 2,
        servers: 1,
        sync: "bsp".into(),
        nodes: ["server/0", "worker/0", "worker/1"].map(Node::new).into(),
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_string())).into(),
        ..RunInfo::default()
    };
    Run { info, spans }
}

fn profile() -> JobProfile {
    Cycles::of(&run()).unwrap().profile().unwrap()
}

#[test]
fn the_speed_is_the_law_of_the_schedule_where_nothing_varies() {
    let profile = profile();
    assert_eq!((profile.global_batch(), profile.gradient_bytes()), (2 * BATCH, 1_000_000));
    assert!((profile.seconds_per_sample() / EACH - 1.0).abs() < 1e-6);
    assert!((profile.overhead_s() / FIXED - 1.0).abs() < 1e-6);
    for workers in [1, 2, 4] {
        for (servers, placement) in [
            (1, Placement::OneMachine),
            (1, Placement::Across { gbps: 1.0 }),
            (4, Placement::Across { gbps: 2.0 }),
        ] {
            let network = match placement {
                Placement::OneMachine => 0.0,
                Placement::Across { gbps } => 2.0 * 1e6 / servers as f64 * 8.0 / (gbps * 1e9),
            };
            let batch = 2.0 * BATCH as f64 / workers as f64;
            let expected = workers as f64 * batch / (FIXED + EACH * batch + network);
            let speed = profile.speed(workers, servers, placement, Policy::Bsp).unwrap();
            // The epoch's last round is shorter than the others, which the law does not know.
            let error = speed.value / expected - 1.0;
            assert!(error.abs() < 0.03, "{workers} workers, {placement:?}: {speed:?}, {expected}");
        }
    }
}

#[test]
fn speeds_beyond_the_trace_are_refused() {
    let profile = profile();
    let ask = |workers, gbps| profile.speed(workers, 1, Placement::Across { gbps }, Policy::Bsp);
    assert!(matches!(ask(17, 1.0), Err(Error::TooFar { asked: 17, .. })));
    for gbps in [0.0, -1.0, f64::NAN] {
        assert!(matches!(ask(2, gbps), Err(Error::CannotTell { .. })));
    }
    assert!(matches!(ask(0, 1.0), Err(Error::CannotTell { .. })));
}

#[test]
fn a_profile_is_read_as_it_was_written() {
    let profile = profile();
    let text = profile.to_json().unwrap();
    let read = JobProfile::from_json(&text).unwrap();
    assert_eq!(read, profile);
    let speed = |profile: &JobProfile| profile.speed(4, 1, Placement::OneMachine, Policy::Bsp).unwrap();
    assert_eq!(speed(&read), speed(&profile));
}

#[test]
fn what_is_no_profile_is_refused() {
    let text = profile().to_json().unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        JobProfile::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    assert!(changed("syncline-job-profile/1", "syncline-job-profile/9").contains("job-profile/9"));
    assert!(changed("\"full_s\": 0.0", "\"full_s\": -0.0").contains("compute.full_s"), "no more than zero");
    assert!(changed("\"wakes_s\": []", "\"wakes_s\": [-1.0]").contains("serving.wakes_s"));
    assert!(changed("\"samples\": 248", "\"samples\": 0").contains("variation.samples"));
    assert!(changed("\"sync\": \"bsp\"", "\"sync\": \"often\"").contains("often"));
    assert!(changed("\"rounds\"", "\"circles\"").contains("circles"));
    assert!(JobProfile::from_json("{}").is_err());
    assert!(JobProfile::from_json("[]").is_err());
}
