//! The policies in the synthetic settings: order, determinism, conservation.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::sync::Arc;

use syncline_schedule::{
    PolicyName, Setup,
    policy::Packing,
    pricing::PlannerOptions,
    setting::Setting,
    sim::{Clock, Options, Outcome, simulate},
    state::{Overhead, Physics},
};

fn run(setting: &Setting, policy: PolicyName, seed: u64) -> Outcome {
    let cluster = Arc::new(setting.cluster().unwrap());
    let jobs = setting.draw(seed);
    let planner = PlannerOptions::default();
    let setup = Setup {
        cluster: cluster.clone(),
        grid: setting.grid,
        expected: jobs.clone(),
        planner,
        packing: Packing::default(),
        unfairness: 0.1,
        adjustable: 1.0,
        floor: Default::default(),
        seed,
    };
    let physics = Physics { overhead: Overhead::Never, ..Physics::default() };
    let options = Options { clock: Clock::slots(&setting.grid), physics, outages: Vec::new() };
    simulate(&cluster, &jobs, policy.build(&setup).as_mut(), &options, None).unwrap().outcome
}

#[test]
fn work_is_conserved_and_jobs_complete_after_they_start() {
    let setting = Setting { machines: 20, jobs: 30, ..Setting::calibrated() };
    for policy in PolicyName::ALL {
        let outcome = run(&setting, policy, 3);
        let (done, asked) = outcome.conserved;
        assert!((done - asked).abs() <= 1e-6 * asked, "{policy}: {done} of {asked}");
        assert!(outcome.metrics().completed > 0, "{policy}");
        for job in &outcome.jobs {
            assert!(job.finished.is_none_or(|finished| Some(finished) > job.started), "{policy}: {job:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_fates() {
    let setting = Setting { machines: 10, jobs: 20, ..Setting::calibrated() };
    for policy in PolicyName::ALL {
        let fates = |outcome: Outcome| serde_json::to_string(&outcome.jobs).unwrap();
        assert_eq!(fates(run(&setting, policy, 5)), fates(run(&setting, policy, 5)), "{policy}");
    }
}
