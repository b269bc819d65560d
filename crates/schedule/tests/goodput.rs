//! Goodput: the batch that a job takes, and the two policies that make goodput large.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::sync::Arc;

use syncline_schedule::{
    Cluster, Event, Job, JobId, MachineId, Placement, PolicyName, Resources, Setup, WorkerRange,
    pricing::SlotGrid,
    sim::{Clock, Options, simulate},
    state::{Physics, State},
};

/// Elastic, a second a sample, one GPU a worker.
fn job(id: u32, least: u32, most: u32) -> Job {
    let text = r#"{"workload": 3600, "batch": 64, "seconds_per_sample": 1, "worker": {"gpu": 1},
                   "workers": {"min": 1, "max": 1}}"#;
    let job: Job = serde_json::from_str(text).unwrap();
    Job { id: JobId(id), name: format!("j{id}"), workers: WorkerRange { min: least, max: most }, ..job }
}

/// A job that exchanges 100 MB with one server a worker: 1.6 s a round at 1 Gbit/s.
fn exchanging() -> Job {
    let text = r#"{"workload": 3600, "batch": 8, "seconds_per_sample": 0.1, "worker": {"gpu": 1}, "server": {"cpu": 1},
                   "workers_per_server": 1, "gradient_mb": 100, "internal_gbps": 100, "external_gbps": 1,
                   "workers": {"min": 1, "max": 8}}"#;
    serde_json::from_str(text).unwrap()
}

fn decide(policy: PolicyName, state: &mut State, events: &[Event]) {
    events.iter().for_each(|event| state.observe(event));
    let expected: Vec<Job> = state.jobs.iter().map(|job| Job::clone(&job.job)).collect();
    let setup = Setup::new(&state.cluster, SlotGrid::new(3600.0, 20), &expected);
    let decisions = policy.build(&setup).decide(state, events);
    state.apply(policy.as_str(), &decisions).unwrap();
}

fn arrive(policy: PolicyName, cluster: &Arc<Cluster>, jobs: &[Job]) -> State {
    let mut state = State::new(Arc::clone(cluster), Physics::default());
    let events: Vec<Event> = jobs.iter().map(|job| Event::Arrival { job: Arc::new(job.clone()) }).collect();
    decide(policy, &mut state, &events);
    state
}

fn workers(state: &State) -> Vec<u32> {
    state.jobs.iter().map(|job| job.placement.workers()).collect()
}

#[test]
fn a_job_takes_the_batch_of_the_greatest_goodput() {
    let fixed = exchanging();
    let adaptive = Job { noise_scale: Some(100.0), ..fixed.clone() };
    // sqrt(100 * 1.6 / 0.1) between machines; within one there is nothing to win.
    assert_eq!((fixed.batch_at(1.0), adaptive.batch_at(1.0)), (8.0, 40.0));
    assert_eq!(adaptive.batch_at(100.0), 8.0);
    assert_eq!(adaptive.internal_cost(), fixed.internal_cost());
    // (0.1 + 1.6 / 40) seconds a sample, each of them worth 108 / 140 of one.
    assert!((adaptive.external_cost() - 0.14 * 140.0 / 108.0).abs() < 1e-12);
    assert!(adaptive.external_cost() < fixed.external_cost());
    // No other batch is better, and a bound on it binds.
    for batch in [8, 20, 30, 50, 80, 400] {
        let bounded = Job { most_batch: Some(batch), ..adaptive.clone() };
        assert!(bounded.external_cost() >= adaptive.external_cost() - 1e-12, "{batch}");
        assert_eq!(bounded.batch_at(1.0), f64::from(batch).clamp(8.0, 40.0));
    }
    for (wrong, message) in [
        (Job { noise_scale: Some(0.0), ..fixed.clone() }, "noise_scale is 0; it is a positive number"),
        (Job { most_batch: Some(16), ..fixed.clone() }, "without a `noise_scale`"),
        (Job { most_batch: Some(4), ..adaptive.clone() }, "most_batch is 4; it is at least `batch`"),
        (Job { noise_scale: Some(9.0), ..job(0, 1, 2) }, "a job without servers"),
    ] {
        let error = wrong.validate().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Half of the servers' work is saved, and the simulated job really ends sooner.
#[test]
fn a_noise_scale_makes_spread_jobs_faster_under_every_policy() {
    let cluster = Arc::new(Cluster::uniform(4, Resources::new(1.0, 1.0, 0.0, 0.0)).unwrap());
    let spread = Job { workers: WorkerRange::exactly(4), ..exchanging() };
    let options = Options { clock: Clock::Continuous, physics: Physics::default(), outages: Vec::new() };
    for policy in [PolicyName::Pollux, PolicyName::Sia, PolicyName::Drf, PolicyName::Srtf] {
        let mut ends = [None, Some(100.0)].map(|noise_scale| {
            let jobs = [Job { noise_scale, ..spread.clone() }];
            let mut decider = policy.build(&Setup::new(&cluster, SlotGrid::new(600.0, 20), &jobs));
            let run = simulate(&cluster, &jobs, decider.as_mut(), &options, None).unwrap();
            run.outcome.jobs[0].finished.unwrap()
        });
        ends.sort_by(f64::total_cmp);
        let wanted = [adaptive_seconds(), 3600.0 * 0.3 / 4.0];
        assert!(
            ends.iter().zip(wanted).all(|(end, wanted)| (end - wanted).abs() < 1e-6),
            "{policy} {ends:?}"
        );
    }
}

fn adaptive_seconds() -> f64 {
    3600.0 * (0.14 * 140.0 / 108.0) / 4.0
}

/// Fair shares of eight GPUs: four each for two alike, and whoever cannot use its share leaves it to the other.
#[test]
fn pollux_evens_out_speedups() {
    let eight = Arc::new(Cluster::from_counts("1x8").unwrap());
    assert_eq!(workers(&arrive(PolicyName::Pollux, &eight, &[job(0, 1, 8), job(1, 1, 8)])), [4, 4]);
    assert_eq!(workers(&arrive(PolicyName::Pollux, &eight, &[job(0, 1, 2), job(1, 1, 8)])), [2, 6]);
    // A newcomer is given room by the one that has all.
    let mut state = arrive(PolicyName::Pollux, &eight, &[job(0, 1, 8)]);
    assert_eq!(workers(&state), [8]);
    state.advance(100.0);
    decide(PolicyName::Pollux, &mut state, &[Event::Arrival { job: Arc::new(job(1, 1, 8)) }]);
    assert_eq!(workers(&state), [4, 4]);
}

/// A gang larger than a machine is slower than one that fills it, unless it is much larger.
#[test]
fn both_know_what_links_cost() {
    // Within a machine 0.1032 s a sample, between machines 0.3: six spread workers are as two.
    let cluster =
        |machines| Arc::new(Cluster::uniform(machines, Resources::new(2.0, 8.0, 0.0, 0.0)).unwrap());
    for policy in [PolicyName::Pollux, PolicyName::Sia] {
        let state = arrive(policy, &cluster(2), &[exchanging()]);
        assert_eq!(
            (workers(&state), state.job(JobId(0)).placement.is_internal()),
            (vec![2], true),
            "{policy}"
        );
        let state = arrive(policy, &cluster(4), &[exchanging()]);
        assert_eq!(workers(&state), [8], "{policy}");
    }
}

/// Two types: who gains most by the fast one has it.
#[test]
fn sia_gives_the_fast_devices_to_whom_they_help_most() {
    let two = Arc::new(Cluster::from_counts("slow:1x1,fast:1x1").unwrap());
    let jobs =
        [Job { speeds: vec![1.0, 1.2], ..job(0, 1, 1) }, Job { speeds: vec![1.0, 4.0], ..job(1, 1, 1) }];
    let hosts = |state: &State| -> Vec<MachineId> {
        state.jobs.iter().map(|job| job.placement.shares()[0].machine).collect()
    };
    let mut state = arrive(PolicyName::Sia, &two, &jobs);
    assert_eq!(hosts(&state), [MachineId(0), MachineId(1)]);
    // And it moves there when somebody else came first.
    state = arrive(PolicyName::Sia, &two, &[Job { id: JobId(0), ..jobs[0].clone() }]);
    assert_eq!(hosts(&state), [MachineId(1)]);
    state.advance(50.0);
    decide(PolicyName::Sia, &mut state, &[Event::Arrival { job: Arc::new(jobs[1].clone()) }]);
    assert_eq!(hosts(&state), [MachineId(0), MachineId(1)]);
}

/// A job that has just started and restarts for long does not grow; when it has run for long it does.
#[test]
fn restarts_must_pay() {
    let eight = Arc::new(Cluster::from_counts("1x8").unwrap());
    let slow = |id| Job { restart: 300.0, workload: 1e6, ..job(id, 2, 8) };
    for policy in [PolicyName::Pollux, PolicyName::Sia] {
        for (age, grows) in [(5.0, false), (20_000.0, true)] {
            let mut state = arrive(policy, &eight, &[slow(0), slow(1)]);
            assert_eq!(workers(&state), [4, 4], "{policy}");
            state.advance(age);
            decide(policy, &mut state, &[Event::Completion { job: JobId(1), at: age }]);
            assert_eq!(workers(&state)[0] > 4, grows, "{policy} after {age} s");
        }
    }
}

/// Whatever happens, a job that cannot be stopped stays, and others get the rest.
#[test]
fn what_cannot_resume_is_built_around() {
    let eight = Arc::new(Cluster::from_counts("2x4").unwrap());
    for policy in [PolicyName::Pollux, PolicyName::Sia] {
        let mut state = arrive(policy, &eight, &[Job { resume: false, ..job(0, 1, 3) }]);
        let before: Placement = state.job(JobId(0)).placement.clone();
        assert_eq!(before.workers(), 3, "{policy}");
        let more: Vec<Event> = (1..4).map(|id| Event::Arrival { job: Arc::new(job(id, 1, 8)) }).collect();
        decide(policy, &mut state, &more);
        assert_eq!(state.job(JobId(0)).placement, before, "{policy}");
        assert!(workers(&state).iter().all(|workers| *workers > 0), "{policy}: {:?}", workers(&state));
        assert_eq!(workers(&state).iter().sum::<u32>(), 8, "{policy}: {:?}", workers(&state));
    }
}
