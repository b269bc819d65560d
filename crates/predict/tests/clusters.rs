//! Spark: executors times cores, memory, executors on demand, prices, hardware against slots.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod made;

use made::{Thread, duration_s, log, profile_of};
use serde_json::{Value, json};
use syncline_explain::spark::Allocation;
use syncline_predict::{Cluster, Error, Limit, OnDemand, Size, SparkProfile, Tariff};

/// A share of 100 MB a slot, as Spark computes it for one executor of two slots.
const MEMORY: u64 = (300 << 20) + 333_333_333;
/// What a spilled MB costs, in ms.
const SPILL_MS: i64 = 4;

/// Jobs of 24 tasks that need 10 to 180 MB and run a ms for each, and longer for what does not fit into `share_mb`.
fn jobs(share_mb: i64) -> Vec<Thread> {
    let run = |at: i64| needs_mb(at) + SPILL_MS * (needs_mb(at) - share_mb).max(0);
    vec![Thread::new(100, (0..6).map(|job| (0..24).map(|at| run(at + 7 * job)).collect()).collect())]
}

fn needs_mb(at: i64) -> i64 {
    10 + (at * 37) % 170
}

/// The log of these jobs on one executor of two slots with 100 MB each, beside the driver or not.
fn lines(is_local: bool) -> String {
    let settings = json!({"Event":"SparkListenerEnvironmentUpdate","Spark Properties":{
        "spark.master": if is_local { "local[2]" } else { "spark://h:7077" },
        "spark.executor.memory": format!("{MEMORY}b"), "spark.driver.memory": format!("{MEMORY}b")}});
    let mut lines = vec![settings.to_string()];
    for line in log(&jobs(100), 2).lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if event["Event"] == "SparkListenerTaskEnd" {
            let run = event["Task Metrics"]["Executor Run Time"].as_i64().unwrap();
            // Back from the run time to the need.
            let need = if run <= 100 { run } else { (run + SPILL_MS * 100) / (1 + SPILL_MS) };
            let spilled = (need - 100).max(0);
            event["Task Metrics"]["Memory Bytes Spilled"] = json!(spilled * 1_000_000);
            event["Task Metrics"]["Peak Execution Memory"] = json!((need - spilled) * 1_000_000);
            if !is_local {
                event["Task Info"]["Executor ID"] = json!("0");
            }
        }
        if event["Event"] == "SparkListenerExecutorAdded" && !is_local {
            event["Executor ID"] = json!("0");
            event["Timestamp"] = json!(60);
        }
        lines.push(event.to_string());
    }
    lines.join("\n") + "\n"
}

fn cluster(executors: usize, cores_each: usize, memory: Option<u64>) -> Cluster {
    let size = Size { machine_cores: Some(64.0), ..Size::of(executors * cores_each) };
    Cluster { executors, cores_each, memory, on_demand: None, size }
}

fn cannot_tell(told: Result<impl std::fmt::Debug, Error>, word: &str) {
    let error = told.unwrap_err();
    assert!(matches!(&error, Error::CannotTell { why } if why.contains(word)), "{word}: {error}");
}

fn profile() -> SparkProfile {
    profile_of(&lines(false))
}

#[test]
fn more_memory_is_worth_what_spilling_costs() {
    let profile = profile();
    let memory = profile.memory();
    assert!((memory.slot_b / 1e8 - 1.0).abs() < 0.01 && memory.spilled_b > 1e8, "{memory:?}");
    for share_mb in [60, 100, 140, 200] {
        let bytes = (300 << 20) + (MEMORY - (300 << 20)) * share_mb as u64 / 100;
        let told = profile.on(&cluster(1, 2, Some(bytes))).unwrap();
        let truth = duration_s(&jobs(share_mb), 2);
        assert!((told.job_s.value / truth - 1.0).abs() < 0.06, "{share_mb} MB: {told:?}, {truth}");
        assert!(told.job_s.covers(truth), "{share_mb} MB: {told:?}, {truth}");
    }
    // Two executors of one core each have twice the memory for a slot; one of four cores half.
    let (two, four) = (profile.on(&cluster(2, 1, None)).unwrap(), profile.on(&cluster(1, 4, None)).unwrap());
    assert!((two.job_s.value / duration_s(&jobs(200), 2) - 1.0).abs() < 0.06, "{two:?}");
    assert!(four.spilled_b > memory.spilled_b, "{four:?}");
    let enough = memory.enough_b(2, profile.memory_fraction()) as u64;
    assert_eq!(profile.on(&cluster(1, 2, Some(enough + 1_000_000))).unwrap().spilled_b, 0.0);
}

#[test]
fn what_spilling_costs_cannot_be_told_where_nothing_spills() {
    let dry: String = lines(false)
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            if event["Event"] == "SparkListenerTaskEnd" {
                let need = event["Task Metrics"]["Peak Execution Memory"].as_i64().unwrap();
                event["Task Metrics"]["Memory Bytes Spilled"] = json!(0);
                event["Task Metrics"]["Peak Execution Memory"] = json!(need.min(100_000_000));
            }
            event.to_string() + "\n"
        })
        .collect();
    let profile = profile_of(&dry);
    assert!(profile.on(&cluster(1, 2, Some(4 << 30))).is_ok(), "more memory changes nothing");
    cannot_tell(profile.on(&cluster(1, 2, Some(480 << 20))), "no task of the log spilled");
}

#[test]
fn a_price_picks_the_cheapest_in_time_and_the_fastest_for_money() {
    let profile = profile();
    let tariff: Tariff = "3600/core-hour".parse().unwrap();
    let told: Vec<_> = [1, 2, 4, 8]
        .into_iter()
        .map(|executors| {
            let told = profile.on(&cluster(executors, 1, None)).unwrap();
            (told.wall_s, tariff.of(told.executor_s, told.cores_each))
        })
        .collect();
    for (at, executors) in [1.0, 2.0, 4.0, 8.0].into_iter().enumerate() {
        let (wall_s, cost) = told[at];
        assert!((cost.value / (wall_s.value * executors) - 1.0).abs() < 1e-9, "a core-second costs one");
    }
    assert!(told[3].1.value > told[0].1.value, "gaps and last waves are paid for by all");
    let within = Limit::Deadline(told[2].0.high * 1.001).best(&told).unwrap();
    assert_eq!(within, 2);
    assert_eq!(Limit::Budget(told[3].1.high * 1.001).best(&told).unwrap(), 3);
    cannot_tell(Limit::Deadline(1e-3).best(&told), "none of the sizes");
}

#[test]
fn executors_on_demand_come_late_and_cost_less() {
    let profile = profile();
    let demand = |fewest, most, start_s| {
        let allocation = Allocation { fewest, most: Some(most), idle_s: 2.0, ..Allocation::default() };
        Cluster { on_demand: Some(OnDemand { allocation, start_s }), ..cluster(1, 1, None) }
    };
    let fixed = profile.on(&cluster(4, 1, None)).unwrap();
    let always = profile.on(&demand(4, 4, Some(1.0))).unwrap();
    assert!((always.job_s.value / fixed.job_s.value - 1.0).abs() < 1e-9, "{always:?} {fixed:?}");
    let late = profile.on(&demand(0, 4, Some(1.0))).unwrap();
    assert!(late.job_s.value > fixed.job_s.value + 1.0, "a backlog of 1 s and a start of 1 s: {late:?}");
    // The same work: what comes later is held for less time, but for last waves on fewer executors.
    assert!(late.executor_s.value < 1.05 * always.executor_s.value && late.executors <= 4, "{late:?}");
    // The log shows that its executor was there after 60 ms.
    assert!(profile.on(&demand(0, 4, None)).unwrap().job_s.value < late.job_s.value);
    let local = profile_of(&lines(true));
    cannot_tell(local.on(&demand(0, 4, None)), "--executor-start");
    assert!(
        local
            .on(&demand(0, 4, Some(2.0)))
            .unwrap()
            .assumed
            .iter()
            .any(|why| why.contains("beside the driver"))
    );
}

#[test]
fn cores_that_are_asked_for_are_there_and_slots_are_not() {
    let profile = profile_of(&lines(true));
    let pressed = |size: Size| profile.at(Size { pressure: Some(3.0), ..size }).unwrap().job_s.value;
    let (hardware, slots) = (pressed(Size::of_cores(8)), pressed(Size::of(8)));
    assert!(hardware < slots, "eight cores {hardware} s, eight slots on two cores {slots} s");
    assert!(pressed(Size::of_cores(2)) == pressed(Size::of(2)));
}
