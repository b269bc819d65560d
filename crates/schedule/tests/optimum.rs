//! Small instances against their exact optimum and against the linear bound.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failing helper fails the test; searches are timed"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use syncline_schedule::{
    Cluster, PolicyName, Resources, Setup,
    bound::upper_bound,
    exact::{Instance, Patience, by_completions, by_program, small},
    lp::{BranchAndBound, Limit, Microlp},
    policy::Floor,
    pricing::SlotGrid,
    setting::Setting,
    sim::{Clock, Options, simulate},
    state::{Overhead, Physics},
};

fn utility(instance: &Instance, policy: PolicyName, floor: Floor) -> f64 {
    let Instance { cluster, jobs, grid } = *instance;
    let cluster = Arc::new(cluster.clone());
    let setup = Setup { floor, ..Setup::new(&cluster, *grid, jobs) };
    let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
    let options = Options { clock: Clock::slots(grid), physics, outages: Vec::new() };
    simulate(&cluster, jobs, policy.build(&setup).as_mut(), &options, None).unwrap().outcome.metrics().utility
}

/// The search, given up after `seconds`.
fn search(instance: &Instance, reached: f64, seconds: u64) -> Option<f64> {
    let begun = Instant::now();
    let patience = Patience { limit: Duration::from_secs(seconds), clock: &|| begun.elapsed() };
    by_completions(instance, reached, &patience).ok()
}

/// `value` <= optimum <= bound, for every policy.
fn check(instance: &Instance, seed: u64, best: f64) -> [f64; 3] {
    let bound = upper_bound(instance.cluster, instance.jobs, instance.grid, &Microlp).unwrap();
    assert!(best <= bound * (1.0 + 1e-6) + 1e-6, "seed {seed}: {best} above {bound}");
    for policy in PolicyName::ALL {
        let reached = utility(instance, policy, Floor::Free);
        assert!(reached <= best * (1.0 + 1e-6) + 1e-6, "seed {seed}: {policy} {reached} above {best}");
    }
    [PolicyName::Syncline, PolicyName::PdOrs]
        .map(|policy| best / utility(instance, policy, Floor::Free))
        .into_iter()
        .chain([bound / best])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn no_policy_beats_the_optimum_nor_the_optimum_the_bound() {
    let setting = small();
    let cluster = setting.cluster().unwrap();
    for seed in [1, 2, 6, 8, 12, 16, 17, 24, 25, 28, 29] {
        let jobs = setting.draw(seed);
        let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &setting.grid };
        let best = search(&instance, 0.0, 30).unwrap();
        assert!(best > 0.0, "seed {seed}");
        let [ours, theirs, bound] = check(&instance, seed, best);
        eprintln!(
            "seed {seed}: optimum {best:.2}, / ours {ours:.3}, / PD-ORS {theirs:.3}; bound / optimum {bound:.3}"
        );
    }
}

/// Few workers and one machine: in reach of microlp's own branch and bound.
fn tiny() -> Setting {
    let grid = SlotGrid::paper(3600.0, 4);
    let capacity = Resources::new(8.0, 24.0, 80.0, 40.0);
    Setting {
        grid,
        machines: 1,
        jobs: 4,
        samples: 500.0..=2000.0,
        batch: 3..=6,
        capacity,
        ..Setting::calibrated()
    }
}

#[test]
fn the_search_over_completions_finds_what_the_whole_program_has() {
    let setting = tiny();
    let cluster = setting.cluster().unwrap();
    let mut gained = 0;
    for seed in 1..=12 {
        let jobs = setting.draw(seed);
        let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &setting.grid };
        let whole =
            by_program(&instance, &BranchAndBound { limit: Limit::Time(Duration::from_secs(300)) }).unwrap();
        let best = search(&instance, 0.0, 300).unwrap();
        assert!((best - whole).abs() <= 1e-6 * (1.0 + whole), "seed {seed}: {best} and {whole}");
        gained += u32::from(best > 0.0);
    }
    assert!(gained >= 4, "in only {gained} instances can anything complete");
}

#[test]
fn gangs_of_fixed_size_run_whole_or_not_at_all() {
    let setting = Setting { jobs: 2, ..small() };
    let cluster = Cluster::uniform(1, Resources::gpus(4.0)).unwrap();
    let mut jobs = setting.draw(1);
    for job in &mut jobs {
        job.arrival = 0.0;
        job.worker = Resources::gpus(1.0);
        job.workers_per_server = None;
        job.seconds_per_sample = 1.0;
        job.workers = syncline_schedule::WorkerRange::exactly(3);
        // Two slots for a gang of three; a gang of four would not be faster.
        job.workload = 3.0 * 3600.0 * 2.0;
        job.utility = syncline_schedule::Utility::Deadline { value: 10.0, deadline: 3.0 };
    }
    let grid = SlotGrid::paper(3600.0, 3);
    let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &grid };
    let whole =
        by_program(&instance, &BranchAndBound { limit: Limit::Time(Duration::from_secs(300)) }).unwrap();
    assert!((whole - 10.0).abs() < 1e-6, "four GPUs hold one gang of three: {whole}");
    assert_eq!(search(&instance, 0.0, 300).map(f64::round), Some(10.0));
    for job in &mut jobs {
        job.workers.min = 1;
    }
    let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &grid };
    let whole =
        by_program(&instance, &BranchAndBound { limit: Limit::Time(Duration::from_secs(300)) }).unwrap();
    assert!((whole - 20.0).abs() < 1e-6, "4 + 4 + 4 worker-slots are both jobs' 6 + 6: {whole}");
}

#[test]
fn what_the_program_does_not_describe_is_refused() {
    let setting = small();
    let cluster = setting.cluster().unwrap();
    let mut jobs = setting.draw(1);
    jobs[2].speeds = vec![2.0];
    let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &setting.grid };
    let error = by_program(&instance, &Microlp).unwrap_err().to_string();
    assert!(error.starts_with("the exact optimum: speeds is [2.0] of job j2"), "{error}");
}

/// HiGHS and the search share nothing but the model. Takes minutes.
#[cfg(feature = "highs")]
#[test]
fn both_solvers_prove_the_same_optimum_on_thirty_instances() {
    let setting = small();
    let cluster = setting.cluster().unwrap();
    let highs = syncline_schedule::lp::Highs { time_limit: Duration::from_secs(200) };
    let mut ratios = Vec::new();
    let mut agreed = 0;
    for seed in 1..=30 {
        let jobs = setting.draw(seed);
        let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &setting.grid };
        let best = by_program(&instance, &highs).unwrap();
        ratios.push(check(&instance, seed, best));
        let ours = utility(&instance, PolicyName::Syncline, Floor::Free);
        if let Some(found) = search(&instance, ours, 8) {
            assert!((found - best).abs() <= 1e-6 * best, "seed {seed}: {found} and {best}");
            agreed += 1;
        }
    }
    for (at, what) in ["optimum / ours", "optimum / PD-ORS", "bound / optimum"].iter().enumerate() {
        let mut column: Vec<f64> = ratios.iter().map(|row| row[at]).collect();
        column.sort_by(f64::total_cmp);
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        eprintln!(
            "{what}: median {:.3}, mean {mean:.3}, 90 % {:.3}, most {:.3}, equal to 1 in {}",
            (column[14] + column[15]) / 2.0,
            column[26],
            column[29],
            column.iter().filter(|ratio| **ratio < 1.0 + 1e-6).count()
        );
    }
    assert!(agreed >= 20, "the search proved only {agreed} of 30");
    eprintln!("the search proved {agreed} of 30, all as HiGHS");
}

#[test]
fn with_the_strict_floor_no_instance_is_worse_than_under_pd_ors() {
    let setting = Setting { machines: 6, jobs: 20, ..Setting::calibrated() };
    let cluster = setting.cluster().unwrap();
    for seed in 1..=6 {
        let jobs = setting.draw(seed);
        let instance = Instance { cluster: &cluster, jobs: &jobs, grid: &setting.grid };
        let ours = utility(&instance, PolicyName::Syncline, Floor::Strict);
        let theirs = utility(&instance, PolicyName::PdOrs, Floor::Free);
        assert!(ours >= theirs * (1.0 - 1e-9), "FLOOR-1, seed {seed}: {ours} below {theirs}");
    }
}
