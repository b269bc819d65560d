//! Small instances against their exact optimum and against the linear bound.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::{sync::Arc, time::Duration};

use syncline_schedule::{
    Cluster, Job, PolicyName, Resources, Setup,
    bound::upper_bound,
    exact::optimum,
    lp::{BranchAndBound, Microlp},
    policy::Floor,
    pricing::SlotGrid,
    setting::Setting,
    sim::{Clock, Options, simulate},
    state::{Overhead, Physics},
};

fn utility(cluster: &Arc<Cluster>, jobs: &[Job], grid: SlotGrid, policy: PolicyName, floor: Floor) -> f64 {
    let setup = Setup { floor, ..Setup::new(cluster, grid, jobs) };
    let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
    let options = Options { clock: Clock::slots(&grid), physics, outages: Vec::new() };
    simulate(cluster, jobs, policy.build(&setup).as_mut(), &options, None).unwrap().outcome.metrics().utility
}

/// Few workers, machines, jobs and slots.
fn tiny() -> Setting {
    let grid = SlotGrid { slot: 3600.0, slots: 4 };
    Setting {
        grid,
        machines: 1,
        jobs: 4,
        samples: 500.0..=2000.0,
        batch: 3..=6,
        capacity: Resources::new(8.0, 24.0, 80.0, 40.0),
        ..Setting::calibrated()
    }
}

#[test]
fn no_policy_beats_the_optimum_nor_the_optimum_the_bound() {
    let setting = tiny();
    let cluster = Arc::new(setting.cluster().unwrap());
    let solver = BranchAndBound { time_limit: Duration::from_secs(20) };
    let mut solved = 0;
    for seed in 1..=6 {
        let jobs = setting.draw(seed);
        let bound = upper_bound(&cluster, &jobs, &setting.grid, &Microlp).unwrap();
        let Ok(best) = optimum(&cluster, &jobs, &setting.grid, &solver) else { continue };
        solved += 1;
        assert!(best <= bound * (1.0 + 1e-6) + 1e-6, "seed {seed}: {best} above {bound}");
        for policy in PolicyName::ALL {
            let reached = utility(&cluster, &jobs, setting.grid, policy, Floor::Free);
            assert!(reached <= best * (1.0 + 1e-6) + 1e-6, "seed {seed}: {policy} {reached} above {best}");
        }
        let ours = utility(&cluster, &jobs, setting.grid, PolicyName::Syncline, Floor::Free);
        eprintln!("seed {seed}: optimum {best:.2}, ours {ours:.2}, bound {bound:.2}");
    }
    assert!(solved >= 4, "only {solved} instances were solved");
}

#[test]
fn with_the_strict_floor_no_instance_is_worse_than_under_pd_ors() {
    let setting = Setting { machines: 6, jobs: 20, ..Setting::calibrated() };
    let cluster = Arc::new(setting.cluster().unwrap());
    for seed in 1..=6 {
        let jobs = setting.draw(seed);
        let ours = utility(&cluster, &jobs, setting.grid, PolicyName::Syncline, Floor::Strict);
        let theirs = utility(&cluster, &jobs, setting.grid, PolicyName::PdOrs, Floor::Free);
        assert!(ours >= theirs * (1.0 - 1e-9), "FLOOR-1, seed {seed}: {ours} below {theirs}");
    }
}
