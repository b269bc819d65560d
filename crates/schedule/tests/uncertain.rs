//! What `syncline` does about workloads that are only estimated and about changes that cost.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::sync::Arc;

use syncline_schedule::{
    Cluster, Decision, Event, Job, JobId, MachineId, Placement, Policy, PolicyName, Resources, Setup,
    pricing::SlotGrid,
    setting::Setting,
    sim::{Clock, Options, Run, simulate},
    state::{Overhead, Physics, State},
};

const HOUR: f64 = 3600.0;

/// One sample a second and worker.
fn job(workload: f64, estimate: Option<f64>) -> Job {
    let text = r#"{"workload": 1, "batch": 4, "seconds_per_sample": 1, "worker": {"gpu": 1},
                   "workers": {"min": 1, "max": 4}}"#;
    let job: Job = serde_json::from_str(text).unwrap();
    Job { workload, estimate, ..job }
}

/// Every start, move and resize costs the job's restart time.
fn costly() -> Physics {
    Physics { overhead: Overhead::OnChange, ..Physics::default() }
}

fn run(cluster: &Arc<Cluster>, jobs: &[Job], policy: PolicyName, slots: usize) -> Run {
    let grid = SlotGrid::paper(HOUR, slots);
    let options = Options { clock: Clock::slots(&grid), physics: costly(), outages: Vec::new() };
    let mut policy = policy.build(&Setup::new(cluster, grid, jobs));
    simulate(cluster, jobs, policy.as_mut(), &options, None).unwrap()
}

/// 100 of 300 expected: after 60 seconds of one worker 40 are left; when the 100 are done and the job is not,
/// half of what it has done is expected once more.
#[test]
fn an_estimate_that_has_run_out_is_made_anew() {
    let cluster = Arc::new(Cluster::uniform(1, Resources::gpus(4.0)).unwrap());
    let mut state = State::new(cluster, Physics::default());
    state.observe(&Event::Arrival { job: Arc::new(job(300.0, Some(100.0))) });
    let placement = Placement::single(MachineId(0), 1, 0);
    state.apply("test", &[Decision::Place { job: JobId(0), placement }]).unwrap();
    for (now, left) in [(0.0, 100.0), (60.0, 40.0), (100.0, 50.0), (120.0, 60.0), (240.0, 120.0)] {
        state.advance(now);
        let believed = state.job(JobId(0)).believed_left();
        assert!((believed - left).abs() < 1e-6, "after {now} s: {believed}, not {left}");
    }
}

/// Three slots of four workers are taken for one. It is planned again until it is done; where half of what it has
/// done is expected to be left it has half of the machine, which costs it one slot.
#[test]
fn a_job_three_times_as_long_as_estimated_runs_to_its_end() {
    let cluster = Arc::new(Cluster::uniform(1, Resources::gpus(4.0)).unwrap());
    let jobs = [job(3.0 * 4.0 * HOUR, Some(4.0 * HOUR))];
    let outcome = run(&cluster, &jobs, PolicyName::Syncline, 8).outcome;
    let finished = outcome.jobs[0].finished.unwrap();
    assert!((3.0 * HOUR..=4.0 * HOUR).contains(&finished), "{finished}");
}

/// `syncline` told that changes are free.
struct Careless(Box<dyn Policy>);

impl Policy for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let mut dream = state.clone();
        for job in &mut dream.jobs {
            job.job = Arc::new(Job { restart: 0.0, ..Job::clone(&job.job) });
        }
        self.0.decide(&dream, events)
    }
}

/// When every change costs 20 minutes, the policy that counts them makes fewer and earns more than itself without.
#[test]
fn counting_what_changes_cost_pays() {
    let total = |careless: bool| {
        let (mut utility, mut changes) = (0.0, 0);
        for seed in 1..=3 {
            let setting = Setting { machines: 6, jobs: 12, restart: 1200.0, ..Setting::calibrated() };
            let cluster = Arc::new(setting.cluster().unwrap());
            let (jobs, grid) = (setting.draw(seed), setting.grid);
            let policy = PolicyName::Syncline.build(&Setup::new(&cluster, grid, &jobs));
            let mut policy = if careless { Box::new(Careless(policy)) as Box<dyn Policy> } else { policy };
            let options = Options { clock: Clock::slots(&grid), physics: costly(), outages: Vec::new() };
            let outcome = simulate(&cluster, &jobs, policy.as_mut(), &options, None).unwrap().outcome;
            utility += outcome.metrics().utility;
            changes += outcome.jobs.iter().map(|job| job.changes).sum::<u32>();
        }
        (utility, changes)
    };
    let ((careful, fewer), (careless, more)) = (total(false), total(true));
    eprintln!("careful {careful:.0} with {fewer} changes, careless {careless:.0} with {more}");
    assert!(careful > careless && fewer < more, "{careful} with {fewer} changes, {careless} with {more}");
}

/// Estimates off by up to a factor of three either way cost `syncline` less than half of its utility, and it still earns
/// more than PD-ORS does.
#[test]
fn wrong_estimates_cost_less_than_half() {
    let utility = |policy, misestimate| -> f64 {
        let setting = Setting { machines: 6, jobs: 12, misestimate, ..Setting::calibrated() };
        let cluster = Arc::new(setting.cluster().unwrap());
        let runs = (1..=3).map(|seed| run(&cluster, &setting.draw(seed), policy, setting.grid.slots));
        runs.map(|run| run.outcome.metrics().utility).sum()
    };
    let known = utility(PolicyName::Syncline, None);
    let [ours, theirs] =
        [PolicyName::Syncline, PolicyName::PdOrs].map(|policy| utility(policy, Some(0.33..=3.0)));
    eprintln!("known {known:.0}, estimated {ours:.0}, PD-ORS estimated {theirs:.0}");
    assert!(ours > 0.5 * known && ours > theirs, "{ours} of {known}, PD-ORS {theirs}");
}
