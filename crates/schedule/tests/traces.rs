//! Numbers of other simulators on their own traces; needs the shared data, and says so where it is absent.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::{path::PathBuf, sync::Arc};

use syncline_schedule::{
    Cluster, PolicyName, Resources, Setup,
    policy::Packing,
    pricing::SlotGrid,
    sim::{Clock, Metrics, Options, simulate},
    state::{Overhead, Physics},
    trace::{self, Format},
};

fn shared(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("SYNCLINE_SHARED").map_or(beside, PathBuf::from);
    let path = root.join("data/traces").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is absent; set SYNCLINE_SHARED", path.display());
        return None;
    }
    Some(path)
}

fn muri(policy: PolicyName, path: &std::path::Path) -> Metrics {
    let jobs = trace::read(path, Format::Muri).unwrap().jobs;
    let cluster = Arc::new(Cluster::uniform(8, Resources::gpus(8.0)).unwrap());
    let grid = SlotGrid::paper(3600.0, 1);
    let setup = Setup { packing: Packing::Consolidated, ..Setup::new(&cluster, grid, &jobs) };
    let physics = Physics { overhead: Overhead::PerEvent, ..Physics::default() };
    let options = Options { clock: Clock::Continuous, physics, outages: Vec::new() };
    simulate(&cluster, &jobs, policy.build(&setup).as_mut(), &options, None).unwrap().outcome.metrics()
}

#[test]
fn muris_simulator_gives_the_same_completion_times() {
    let Some(path) = shared("muri-trace3.csv") else { return };
    for (policy, mean, makespan, p99) in [
        (PolicyName::Srtf, 193_081.796, 8_174_135.0, 4_538_891.0),
        (PolicyName::Srsf, 185_021.880, 8_174_135.0, 4_189_699.0),
        (PolicyName::TiresiasL, 347_213.248, 8_174_226.0, 4_983_397.0),
    ] {
        let metrics = muri(policy, &path);
        assert!((metrics.mean_jct.unwrap() / mean - 1.0).abs() < 1e-6, "{policy}: {metrics:?}");
        assert!((metrics.makespan.unwrap() - makespan).abs() < 1.0, "{policy}: {metrics:?}");
        assert!((metrics.p99_jct.unwrap() - p99).abs() < 1.0, "{policy}: {metrics:?}");
        assert_eq!(metrics.completed, 992);
    }
}

#[test]
fn ours_beats_the_best_rival_on_muris_trace() {
    let Some(path) = shared("muri-trace3.csv") else { return };
    let ours = muri(PolicyName::Syncline, &path).mean_jct.unwrap();
    let rivals = [PolicyName::Srtf, PolicyName::Srsf, PolicyName::TiresiasL, PolicyName::Fifo];
    for rival in rivals {
        assert!(ours <= muri(rival, &path).mean_jct.unwrap(), "{rival}");
    }
}
