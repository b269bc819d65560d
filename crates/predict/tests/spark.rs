//! Spark's event logs: the replay of a log must agree with it, and one log must predict another.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;

use syncline_predict::{Discipline, Error, Size, SparkLog, SparkProfile};
use syncline_queueing::Exceedance;

/// The folder of real event logs, if it is there.
fn logs() -> Option<PathBuf> {
    let shared = std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")));
    let folder = shared.join("data/spark-eventlogs");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// Relative error of the total time in jobs at the other log's size: ours and Sparklens'.
fn error(from: &SparkProfile, to: &SparkProfile) -> (f64, f64) {
    let (from, to) = from.common(to);
    let forecast = from.at(Size::of(to.slots)).unwrap();
    (forecast.job_s.value / to.job_s() - 1.0, forecast.sparklens_s / to.job_s() - 1.0)
}

/// A log that lies beside this test.
fn fixture(name: &str) -> SparkProfile {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/held_out").join(name);
    SparkLog::read(&path).unwrap().profile().unwrap()
}

#[test]
fn two_cores_predict_four_and_four_predict_two() {
    let (two, four) = (fixture("scaling_n2.json.zst"), fixture("scaling_n4.json.zst"));
    assert_eq!((two.slots, four.slots), (2, 4));
    let (up, sparklens_up) = error(&two, &four);
    assert!(up.abs() < 0.05, "{up}");
    assert!((sparklens_up + 0.155).abs() < 0.005, "the baseline is Sparklens' method: {sparklens_up}");
    let (down, sparklens_down) = error(&four, &two);
    assert!(down.abs() < 0.08, "{down}");
    assert!((sparklens_down + 0.055).abs() < 0.005, "the baseline is Sparklens' method: {sparklens_down}");
}

#[test]
fn every_log_is_replayed_within_one_percent() {
    let Some(folder) = logs() else { return };
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // In `arrivals_barrier` jobs wait for each other at times that no log tells; it has a test of its own.
        if !path.is_file()
            || !name.contains(".json") && !name.ends_with(".gz")
            || name.starts_with("arrivals")
        {
            continue;
        }
        let check = SparkLog::read(&path).unwrap().profile().unwrap().check();
        assert!(check.error().abs() < 0.01, "{name}: {check:?}");
        assert!(check.error().abs() < check.sparklens_error().abs(), "{name}: {check:?}");
        checked += 1;
    }
    assert!(checked >= 25, "{checked}");
}

#[test]
fn what_cannot_be_told_is_said() {
    let log = fixture("local2_barrier.json.zst");
    let told = |slots| log.at(Size::of(slots)).map(|_| ()).unwrap_err().to_string();
    assert!(matches!(log.at(Size::of(17)), Err(Error::CannotTell { .. })));
    assert!(told(17).contains("more than 8 times"), "{}", told(17));
    assert!(told(1).contains("never starts on 1 slots"), "{}", told(1));
}

#[test]
fn the_best_number_of_partitions_is_the_measured_one() {
    let log = fixture("local2_tiny.json.zst");
    let best = log.cut(None).unwrap().optimal().unwrap();
    assert!((best.value - 4.0).abs() < 0.5, "measured 4, and 3.7 by hand: {best:?}");
    let few = fixture("scaling_n2.json.zst").cut(None).unwrap();
    assert!(few.overhead_s.value < few.overhead_s.high, "one number of tasks leaves the inner overhead open");
    assert!(matches!(few.job_s(1), Err(Error::CannotTell { .. })));
    assert!(matches!(few.job_s(10_000), Err(Error::CannotTell { .. })));
}

#[test]
fn barrier_mode_is_priced_by_its_polls() {
    let (barrier, plain) = (fixture("local2_barrier.json.zst"), fixture("local2_plain.json.zst"));
    let without = barrier.without_barrier().unwrap();
    assert_eq!(without.stages, 20);
    assert!((28..=40).contains(&without.polls), "{without:?}");
    assert!(without.job_s.covers(plain.job_s()), "{without:?}");
    let price = barrier.prices().into_iter().find(|price| price.point == "barrier mode").unwrap();
    let saved = barrier.job_s() - plain.job_s();
    assert!((price.price_s.value / saved - 1.0).abs() < 0.12, "{price:?} against {saved} measured");
    assert!(matches!(plain.without_barrier(), Err(Error::CannotTell { .. })));
    assert!(matches!(barrier.with_barrier(), Err(Error::CannotTell { .. })));
}

#[test]
fn a_tree_is_not_asked_for_more_than_eight_times_its_leaves() {
    let log = fixture("local2_lrtree.json.zst");
    assert_eq!(log.tree(2, Some(64)).unwrap().levels[0], 64);
    let told = log.tree(2, Some(1_000_000)).unwrap_err().to_string();
    assert!(told.contains("more than 8 times"), "{told}");
}

/// Trees of whose leaves the log has only the ends of their stages, as one that was cut or compacted.
#[test]
fn a_tree_without_leaves_is_none() {
    let mut lines = vec![
        r#"{"Event":"SparkListenerApplicationStart","App Name":"made","App ID":"a","Timestamp":0}"#.to_owned(),
        r#"{"Event":"SparkListenerExecutorAdded","Timestamp":0,"Executor ID":"0","Executor Info":{"Host":"h","Total Cores":1}}"#.to_owned(),
    ];
    for job in 0..3 {
        let (start, leaves, root) = (1000 * job, 2 * job, 2 * job + 1);
        lines.push(format!(
            r#"{{"Event":"SparkListenerJobStart","Job ID":{job},"Submission Time":{start},"Stage IDs":[{leaves},{root}]}}"#
        ));
        for (id, parents, tasks, at) in
            [(leaves, String::new(), 4, start), (root, leaves.to_string(), 1, start + 200)]
        {
            let info = format!(
                r#"{{"Stage ID":{id},"Stage Attempt ID":0,"Stage Name":"treeAggregate at m","Number of Tasks":{tasks},"Parent IDs":[{parents}],"Submission Time":{at},"Completion Time":{}}}"#,
                at + 200
            );
            if id == root {
                lines.push(format!(r#"{{"Event":"SparkListenerStageSubmitted","Stage Info":{info}}}"#));
                lines.push(format!(
                    r#"{{"Event":"SparkListenerTaskEnd","Stage ID":{id},"Stage Attempt ID":0,"Task Type":"ResultTask","Task End Reason":{{"Reason":"Success"}},"Task Info":{{"Task ID":{id},"Index":0,"Launch Time":{at},"Finish Time":{},"Executor ID":"0"}},"Task Metrics":{{"Executor Run Time":200}}}}"#,
                    at + 200
                ));
            }
            lines.push(format!(r#"{{"Event":"SparkListenerStageCompleted","Stage Info":{info}}}"#));
        }
        lines.push(format!(
            r#"{{"Event":"SparkListenerJobEnd","Job ID":{job},"Completion Time":{},"Job Result":{{"Result":"JobSucceeded"}}}}"#,
            start + 400
        ));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    let log = SparkLog::read(file.path()).unwrap().profile().unwrap();
    let told = log.tree(2, None).unwrap_err().to_string();
    assert!(told.contains("no two jobs that are the same treeAggregate"), "{told}");
}

#[test]
fn barrier_stages_that_wait_pay_for_polling() {
    let log = fixture("arrivals_barrier.json.zst");
    let check = log.check();
    assert!(check.error().abs() < 0.05, "{check:?}");
    let waits = log.barrier_waits().unwrap();
    assert_eq!((waits.len(), waits[0].width, waits[0].stages), (1, 2, 150));
    let models = waits[0].models.unwrap();
    assert!(models.overhead_measured_s.unwrap().covers(models.overhead_s), "{models:?}");
    assert!(models.one_barrier_s < waits[0].measured_s.value, "without polling it would be less: {waits:?}");
    assert!(models.polling_s > waits[0].measured_s.value, "one at a time it would be more: {waits:?}");
    assert!((waits[0].replayed_s / waits[0].measured_s.value - 1.0).abs() < 0.35, "{waits:?}");
}

#[test]
fn synchronisation_points_have_prices() {
    let log = fixture("local2_lrtree.json.zst");
    let prices = log.prices();
    let price = |name: &str| prices.iter().find(|price| price.point.contains(name)).unwrap();
    assert_eq!(price("all stage boundaries").count, 20);
    assert_eq!(price("driver gaps").count, 15);
    let each: f64 =
        prices.iter().filter(|price| price.point.contains(" > ")).map(|price| price.price_s.value).sum();
    let all = price("all stage boundaries").price_s.value;
    assert!(all > 0.0 && (each / all - 1.0).abs() < 0.5, "{each} {all}");
    for price in &prices {
        let (with, without) = (log.wall_s - log.job_s() + log.check().predicted_s, price.wall_s.value);
        assert!((with - without - price.price_s.value).abs() < 1e-6 * with, "{price:?} of {with}");
    }
}

#[test]
fn streams_are_stable_up_to_their_largest_rate() {
    let log = fixture("scaling_n2.json.zst");
    let tail = Exceedance::new(0.05).unwrap();
    for discipline in [Discipline::OneAtATime, Discipline::SideBySide] {
        let most = log.largest_rate(discipline).unwrap();
        let largest = most.value;
        let half = log.stream(0.5 * largest, discipline, most, tail).unwrap();
        let busy = log.stream(0.9 * largest, discipline, most, tail).unwrap();
        assert!(busy.mean_s.value > 2.0 * half.mean_s.value, "{discipline:?}: {half:?} {busy:?}");
        let room = 0.5 * (most.high - most.low) / most.value;
        assert!(
            busy.mean_s.high / busy.mean_s.value > 1.0 + 5.0 * room,
            "an error of {room} grows with the load: {busy:?}"
        );
        assert!(half.tail_s.unwrap().value > half.mean_s.value);
        let unstable = log.stream(1.1 * largest, discipline, most, tail).unwrap_err().to_string();
        assert!(unstable.contains("never worked off"), "{unstable}");
    }
    // One at a time is an M/G/1 queue: with so little variance nearly E S (1 + rho / (2 (1 - rho))).
    let most = log.largest_rate(Discipline::OneAtATime).unwrap();
    let alone = most.value;
    let mean = log.stream(0.5 * alone, Discipline::OneAtATime, most, tail).unwrap().mean_s.value;
    assert!((mean * alone / 1.5 - 1.0).abs() < 0.08, "{mean} at most {alone}");
    let rare = log.stream(0.5 * alone, Discipline::OneAtATime, most, Exceedance::new(1e-6).unwrap()).unwrap();
    assert!(
        matches!(rare.tail_s, Err(Error::CannotTell { .. })),
        "twelve jobs know nothing of one in a million"
    );
}

#[test]
fn speculation_is_asked_only_of_what_was_measured() {
    let told = fixture("scaling_n2.json.zst").speculation().unwrap();
    assert_eq!((told.tasks, told.samples), (64, 768));
    assert_eq!(told.rules.len(), 16);
    assert!(told.persistent.unwrap() < 0.1, "{told:?}");
    let skew = fixture("../../../explain/tests/fixtures/local2_skew.json.zst");
    assert!(matches!(skew.speculation(), Err(Error::CannotTell { .. })), "16 tasks have no tail");
}

/// An event log made by hand: two executors of one core; a job of one stage for each list of (launch, finish), in ms.
fn written(
    jobs: &[&[(i64, i64)]],
    with_metrics: &str,
    barrier: bool,
    ends: bool,
) -> Result<SparkProfile, Error> {
    let mut lines = vec![
        r#"{"Event":"SparkListenerApplicationStart","App Name":"made","App ID":"a","Timestamp":0}"#
            .to_owned(),
    ];
    for executor in 0..2 {
        lines.push(format!(
            r#"{{"Event":"SparkListenerExecutorAdded","Timestamp":0,"Executor ID":"{executor}","Executor Info":{{"Host":"h{executor}","Total Cores":1}}}}"#
        ));
    }
    for (id, tasks) in jobs.iter().enumerate() {
        let (start, end) = (tasks[0].0, tasks.iter().map(|task| task.1).max().unwrap());
        let info = format!(
            r#"{{"Stage ID":{id},"Stage Attempt ID":0,"Stage Name":"s","Number of Tasks":{},"Parent IDs":[],"Submission Time":{start},"Completion Time":{end},"RDD Info":[{{"Barrier":{barrier}}}]}}"#,
            tasks.len()
        );
        lines.push(format!(r#"{{"Event":"SparkListenerJobStart","Job ID":{id},"Submission Time":{start},"Stage IDs":[{id}]}}"#));
        lines.push(format!(r#"{{"Event":"SparkListenerStageSubmitted","Stage Info":{info}}}"#));
        for (index, (launch, finish)) in tasks.iter().enumerate() {
            let metrics = with_metrics.replace("RUN", &(finish - launch).to_string());
            lines.push(format!(
                r#"{{"Event":"SparkListenerTaskEnd","Stage ID":{id},"Stage Attempt ID":0,"Task Type":"ResultTask","Task End Reason":{{"Reason":"Success"}},"Task Info":{{"Task ID":{},"Index":{index},"Launch Time":{launch},"Finish Time":{finish},"Executor ID":"{}"}}{metrics}}}"#,
                100 * id + index,
                index % 2
            ));
        }
        lines.push(format!(r#"{{"Event":"SparkListenerStageCompleted","Stage Info":{info}}}"#));
        if ends {
            lines.push(format!(
                r#"{{"Event":"SparkListenerJobEnd","Job ID":{id},"Completion Time":{end},"Job Result":{{"Result":"JobSucceeded"}}}}"#
            ));
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    SparkLog::read(file.path()).unwrap().profile()
}

const METRICS: &str = r#","Task Metrics":{"Executor Run Time":RUN}"#;

#[test]
fn a_log_made_by_hand_is_replayed_exactly() {
    let jobs: [&[(i64, i64)]; 2] = [&[(0, 1000), (0, 3000), (1000, 2000)], &[(5000, 6000), (5000, 7000)]];
    let log = written(&jobs, METRICS, false, true).unwrap();
    assert_eq!((log.slots, log.executors, log.jobs, log.tasks), (2, 2, 2, 5));
    assert_eq!(log.machine_cores(), None, "two hosts share no processor");
    assert!((log.check().predicted_s - 5.0).abs() < 1e-9, "{:?}", log.check());
    let alone = log.at(Size::of(1)).unwrap();
    assert!((alone.job_s.value - 8.0).abs() < 1e-9, "{alone:?}");
    assert!((log.driver_s - 2.0).abs() < 1e-9);
}

#[test]
fn damaged_logs_say_what_they_lack() {
    let one: [&[(i64, i64)]; 1] = [&[(0, 1000), (0, 3000)]];
    let told = |profile: Result<SparkProfile, Error>| profile.map(|_| ()).unwrap_err().to_string();
    assert!(told(written(&one, "", false, true)).contains("carry no metrics"));
    assert!(told(written(&one, METRICS, false, false)).contains("no job of 'made' ended"));
    assert!(told(written(&[&[(0, 0)]], METRICS, false, true)).contains("take no time"));
    // More barrier tasks at once than executors are known: the log must not be replayed for ever.
    let wide: [&[(i64, i64)]; 1] = [&[(0, 1000), (0, 1000), (0, 1000), (0, 1000)]];
    let log = written(&wide, METRICS, true, true).unwrap();
    assert!((log.check().predicted_s - 1.0).abs() < 1e-9, "{:?}", log.check());
    assert!(log.prices().iter().all(|price| price.price_s.value.is_finite()));
}
