//! The calibrated and literal settings against the five-seed means of an independent prototype.
//!
//! A mean of five seeds scatters so much that only one of our own five-seed means in two or three lies within 6 % of
//! our long-run mean. So the test asks two things: that our mean of many seeds is as near as it was measured to be,
//! and that each reference value could be a five-seed mean (slow: three) of this very simulator.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::{collections::BTreeMap, sync::Arc};

use syncline_schedule::{
    PolicyName, Setup,
    compare::{Experiment, Source},
    pricing::{External, PlannerOptions, Quanta},
    setting::Setting,
    sim::{Clock, Options},
    state::{Overhead, Physics},
};

const POLICIES: [PolicyName; 4] = [PolicyName::PdOrs, PolicyName::Oasis, PolicyName::Drf, PolicyName::Fifo];

/// A row of the reference: mean utilities of PD-ORS with the greedy external case, OASiS, DRF and FIFO.
struct Row {
    name: &'static str,
    seeds: usize,
    means: [f64; 4],
}

const ROWS: [Row; 7] = [
    Row { name: "I=10", seeds: 5, means: [312.0, 312.0, 315.0, 133.0] },
    Row { name: "I=50", seeds: 5, means: [1680.0, 1539.0, 1705.0, 515.0] },
    Row { name: "I=100", seeds: 5, means: [2938.0, 1581.0, 2501.0, 900.0] },
    Row { name: "H=20", seeds: 5, means: [563.0, 309.0, 397.0, 229.0] },
    Row { name: "H=40", seeds: 5, means: [1131.0, 630.0, 991.0, 511.0] },
    Row { name: "slow", seeds: 3, means: [1391.0, 1122.0, 1342.0, 314.0] },
    Row { name: "literal", seeds: 5, means: [234.0, 215.0, 67.0, 5.0] },
];

impl Row {
    fn setting(&self) -> Setting {
        let calibrated = Setting::calibrated();
        match self.name {
            "I=10" => Setting { jobs: 10, ..calibrated },
            "I=100" => Setting { jobs: 100, ..calibrated },
            "H=20" => Setting { machines: 20, ..calibrated },
            "H=40" => Setting { machines: 40, ..calibrated },
            "slow" => Setting { external_gbps: 0.1..=1.0, ..calibrated },
            "literal" => Setting::literal(),
            _ => calibrated,
        }
    }

    /// Utilities by policy and seed.
    fn run(&self, seeds: u64) -> BTreeMap<PolicyName, Vec<f64>> {
        let setting = self.setting();
        let (cluster, grid) = (Arc::new(setting.cluster().unwrap()), setting.grid);
        let planner = PlannerOptions {
            quanta: Quanta::PerJob(20),
            external: External::Greedy,
            ..PlannerOptions::default()
        };
        let template = Setup { planner, ..Setup::new(&cluster, grid, &[]) };
        let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
        let options = Options { clock: Clock::slots(&grid), physics, outages: Vec::new() };
        let source = Source::Setting(Box::new(setting));
        let experiment = Experiment { source, cluster, grid, options, template };
        let utility = |policy, seed| experiment.run(policy, seed, None).unwrap().outcome.metrics().utility;
        POLICIES.map(|policy| (policy, (1..=seeds).map(|seed| utility(policy, seed)).collect())).into()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The two-sided probability that a group of our seeds gives a value as far out as `reference`.
fn chance(groups: impl Iterator<Item = f64>, reference: f64) -> f64 {
    let values: Vec<f64> = groups.collect();
    let below = values.iter().filter(|value| **value <= reference).count();
    let tail = below.min(values.len() - below);
    (2.0 * (tail + 1) as f64 / (values.len() + 1) as f64).min(1.0)
}
