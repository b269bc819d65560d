//! Whatever a run file says, the answer is numbers or an error: no panic, no endless work.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::collection::vec;
use proptest::prelude::*;
use syncline_predict::{Check, Cycles, JobProfile, Placement, Question};
use syncline_trace::{Node, Phase, Run, RunInfo, Span};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..4u64, 0..1_000_000u64, Just(u64::MAX), Just(u64::MAX / 2)]
}

fn span() -> impl Strategy<Value = Span> {
    let phase = prop_oneof![
        Just(Phase::Compute),
        Just(Phase::Pull),
        Just(Phase::Push),
        Just(Phase::Apply),
        Just(Phase::Wait),
        Just(Phase::Evaluate)
    ];
    (0..4u32, phase, number(), number(), prop_oneof![0..40u64, Just(u64::MAX)], number(), number()).prop_map(
        |(node, phase, start, end, round, records, bytes)| Span {
            round,
            records,
            bytes,
            ..Span::new(node, phase, start, end)
        },
    )
}

/// A sound run of two workers, with hostile spans and settings beside it.
fn run() -> impl Strategy<Value = Run> {
    let names =
        ["batch", "rows", "parameters", "cores", "calibration_cores", "calibration_gradient_alone_ns"];
    let value = prop_oneof![
        number().prop_map(|n| n.to_string()),
        Just("nan".into()),
        Just("-1".into()),
        Just(String::new())
    ];
    let sync = prop_oneof![
        Just("bsp"),
        Just("asp"),
        Just("ssp:4294967295"),
        Just("backup:1"),
        Just("backup:9"),
        Just("?")
    ];
    let every = prop_oneof![Just(""), Just("epoch"), Just("batches:18446744073709551615"), Just("batches:3")];
    (vec(span(), 0..5), vec(value, names.len()), sync, every, number()).prop_map(
        move |(mut spans, values, sync, every, workers)| {
            for (round, node) in (0..30).flat_map(|round| [(round, 1), (round, 2)]) {
                let compute =
                    Span::new(node, Phase::Compute, 1000 * round, 1000 * round + 500 + 7 * u64::from(node));
                spans.push(Span { round, records: 8, ..compute });
            }
            let settings = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value));
            // A hostile batch is one among many.
            let settings = settings.filter(|(name, _)| name != "batch" || !spans.len().is_multiple_of(3));
            let settings = settings.chain([("every".to_owned(), every.to_owned())]).collect();
            let nodes = ["server/0", "worker/0", "worker/1", "worker/2"].map(Node::new).into();
            let (workers, sync) = (workers as u32, sync.to_owned());
            Run {
                info: RunInfo { nodes, workers, servers: workers, sync, settings, ..RunInfo::default() },
                spans,
            }
        },
    )
}

/// Everything that can be asked.
fn ask(run: &Run) -> Result<(), syncline_predict::Error> {
    let cycles = Cycles::of(run)?;
    let _ = Question::of(run);
    let check = Check::of(&cycles)?;
    assert!(!check.error().is_nan() && !check.run_error().is_nan());
    let profile = cycles.profile()?;
    let own = profile.question()?;
    for question in [
        Question { workers: 1, ..own },
        Question { workers: 5, servers: 2, ..own },
        Question { batch: 3, ..own },
    ] {
        if let Ok(prediction) = profile.predict(&question) {
            assert!(prediction.round_s.value >= 0.0, "{prediction:?}");
        }
    }
    let _ = profile.prices(&own);
    let _ = profile.speed(3, 1, Placement::Across { gbps: 1.0 }, own.sync);
    let text = profile.to_json()?;
    JobProfile::from_json(&text).unwrap();
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_runs_are_answered_or_refused(run in run()) {
        let _ = ask(&run);
    }

    #[test]
    fn hostile_profiles_are_refused(text in "[\\[\\]{}\":,a-z0-9. -]{0,80}") {
        prop_assert!(JobProfile::from_json(&text).is_err());
    }
}
