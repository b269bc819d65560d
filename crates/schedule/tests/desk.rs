//! What a daemon relies on: a desk goes on from what it saved, and files say what is started.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

use std::sync::Arc;

use serde_json::{Value, json};
use syncline_schedule::{
    Cluster, Event, JobId, PolicyName, Resources, Setup, WorkerRange,
    compare::{Experiment, Source},
    desk::{Desk, Snapshot},
    jobs_file::{self, Entry},
    model::Job,
    pricing::SlotGrid,
    replay::{Header, Recording},
    setting::Setting,
    sim::{Clock, Options, Outage},
    state::{Physics, Status},
    validate::validate,
};

/// DESK-1, for every policy, in slots and between events, whenever it is saved.
#[test]
fn a_loaded_desk_decides_as_the_saved_one_would_have() {
    let setting = Setting { machines: 3, jobs: 6, restart: 600.0, ..Setting::calibrated() };
    let outage = Outage { machine: syncline_schedule::MachineId(1), from: 3.0 * 3600.0, until: 9.0 * 3600.0 };
    for policy in PolicyName::ALL {
        for clock in [Clock::slots(&setting.grid), Clock::Continuous] {
            let cluster = Arc::new(setting.cluster().unwrap());
            let options = Options { clock, physics: Physics::default(), outages: vec![outage] };
            let template = Setup::new(&cluster, setting.grid, &[]);
            let source = Source::Setting(Box::new(setting.clone()));
            let grid = setting.grid;
            let experiment = Experiment { source, cluster, grid, options, template, remarks: Vec::new() };
            let run = experiment.run(policy, 3, None).unwrap();
            let header = experiment.recording(policy, 3, &run).header;
            for saved_after in [run.log.len() / 2] {
                let mut first = Desk::new(header.clone());
                run.log[..saved_after].iter().for_each(|entry| first.repeat(entry).unwrap());
                let text = serde_json::to_string(&first.save().unwrap()).unwrap();
                let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
                let mut second = Desk::load(header.clone(), snapshot).unwrap();
                for entry in &run.log[saved_after..] {
                    second.repeat(entry).unwrap_or_else(|error| panic!("{policy} {clock:?} {error}"));
                }
                assert_eq!(second.steps(), run.log.len());
            }
        }
    }
}

fn header(policy: PolicyName, cores: f64) -> Header {
    let cluster = Arc::new(Cluster::uniform(1, Resources::new(0.0, cores, 0.0, 0.0)).unwrap());
    let grid = syncline_schedule::pricing::SlotGrid::new(60.0, 500);
    Header::new(policy, &Setup::new(&cluster, grid, &[]), Physics::default())
}

#[test]
fn a_snapshot_of_something_else_is_refused() {
    let snapshot = |policy| Desk::new(header(policy, 4.0)).save().unwrap();
    for (policy, other) in
        [(PolicyName::GavelLas, PolicyName::Srtf), (PolicyName::Syncline, PolicyName::PdOrs)]
    {
        let error = Desk::load(header(policy, 4.0), snapshot(other)).err().unwrap().to_string();
        assert!(error.starts_with("what was saved of a scheduler cannot be loaded"), "{error}");
    }
    let error =
        Desk::load(header(PolicyName::Drf, 5.0), snapshot(PolicyName::Drf)).err().unwrap().to_string();
    assert!(error.contains("its cluster is another"), "{error}");
}

fn sent(job: Value, cores: f64) -> Result<Vec<Entry>, String> {
    let cluster = Cluster::uniform(1, Resources::new(0.0, cores, 0.0, 0.0)).unwrap();
    jobs_file::sent_jobs(vec![job], &cluster).map_err(|error| error.to_string())
}

#[test]
fn a_command_and_its_seconds_are_a_job() {
    let (job, task) = sent(json!({ "name": "a", "command": ["true"] }), 2.0).unwrap().remove(0);
    // Nothing is said of its length, so an hour is believed; it takes one core and stays where it starts.
    assert_eq!((job.workload, job.seconds_per_sample, job.workers), (3600.0, 1.0, WorkerRange::exactly(1)));
    assert_eq!((job.worker, job.resume), (Resources::new(0.0, 1.0, 0.0, 0.0), false));
    assert_eq!(task.unwrap().grace, 10.0);

    let elastic = json!({ "name": "b", "command": ["run", "-w{workers}", "{servers}/{name}", "{x} {{}}", "{on}"], "seconds": 60,
        "resume": true, "workers": { "min": 2, "max": 4 }, "array": 2 });
    let entries = sent(elastic, 4.0).unwrap();
    let (job, task) = &entries[1];
    assert_eq!((job.name.as_str(), job.workload, job.batch, job.resume), ("b-1", 120.0, 4, true));
    // 60 seconds with two workers, half of it with four.
    assert_eq!(job.workload / job.rate(2, 1.0), 60.0);
    let blanks = jobs_file::Blanks {
        workers: 3,
        servers: 1,
        name: "b-1".into(),
        folder: "/f".into(),
        hosts: String::new(),
        on: "slurm".into(),
    };
    assert!(task.as_ref().unwrap().takes_place());
    let filled = task.as_ref().unwrap().filled(&blanks);
    assert_eq!(filled, ["run", "-w3", "1/b-1", "{x} {{}}", "slurm"]);
}

#[test]
fn what_cannot_be_started_is_refused_by_field() {
    for (job, message) in [
        (json!({ "command": [] }), "command is []; it is a list"),
        (json!({ "command": "sleep 1" }), "command"),
        (json!({ "command": ["a\0b"] }), "zero byte"),
        (json!({ "command": ["x"], "environment": { "A=B": "1" } }), "names have no `=`"),
        (json!({ "command": ["x"], "grace": -1 }), "from 0 to 86400"),
        (json!({ "command": ["x"], "seconds": 0 }), "seconds is 0; it is a positive number"),
        (json!({ "command": ["x"], "seconds": 5, "batch": 2 }), "seconds is 5 beside `batch`"),
        (json!({ "command": ["x"], "retry": 2 }), "retry"),
        (json!({ "retries": 2, "worker": { "cpu": 1 }, "seconds": 5 }), "no effect without a `command`"),
        (json!({ "command": ["x"], "profile": "p.json" }), "reads their profiles first"),
        (json!({ "command": ["x"], "worker": { "cpu": 9 } }), "the largest machine has 2"),
    ] {
        let error = sent(job.clone(), 2.0).err().unwrap_or_else(|| panic!("{job} was taken"));
        assert!(error.contains(message), "{job}: {error}");
    }
}

/// A job that leaves gives its machines back, under every policy, and is not placed again.
#[test]
fn a_withdrawn_job_is_gone() {
    for policy in PolicyName::ALL {
        let cluster = Arc::new(Cluster::uniform(2, Resources::new(2.0, 2.0, 0.0, 0.0)).unwrap());
        let worker = Resources::new(1.0, 1.0, 0.0, 0.0);
        let drawn = Setting::calibrated().draw(1).remove(0);
        let job = |id: u32| Job {
            id: JobId(id),
            name: format!("job-{id}"),
            arrival: 0.0,
            worker,
            server: Resources::default(),
            workers_per_server: None,
            workers: WorkerRange::exactly(2),
            workload: 7200.0,
            seconds_per_sample: 1.0,
            batch: 2,
            ..drawn.clone()
        };
        let jobs: Vec<Job> = (0..4).map(job).collect();
        let grid = syncline_schedule::pricing::SlotGrid::new(600.0, 200);
        let mut desk = Desk::new(Header::new(policy, &Setup::new(&cluster, grid, &jobs), Physics::default()));
        let arrivals = jobs.into_iter().map(|job| Event::Arrival { job: Arc::new(job) }).collect();
        desk.step(0.0, arrivals).unwrap();
        desk.step(5.0, vec![Event::Withdrawal { job: JobId(0) }, Event::Withdrawal { job: JobId(3) }])
            .unwrap();
        for at in [400.0, 4000.0, 8000.0] {
            desk.step(at, vec![Event::Wake]).unwrap();
            let state = desk.state();
            assert_eq!(state.job(JobId(0)).status, Status::Withdrawn, "{policy}");
            assert!(state.job(JobId(0)).placement.is_empty(), "{policy}");
        }
        let again = desk.step(9000.0, vec![Event::Withdrawal { job: JobId(0) }]);
        assert!(again.unwrap_err().to_string().contains("does not fit the present state"), "{policy}");
    }
}

/// Jobs that turn out longer than they said, under the policy that minds most. What is recorded here is ideal: jobs end when their
/// true work is done. So the simulation must come to the same times.
#[test]
fn a_simulation_of_a_recording_knows_what_its_policy_knew() {
    let cluster = Arc::new(Cluster::uniform(1, Resources::new(0.0, 1.0, 0.0, 0.0)).unwrap());
    let setup = Setup::new(&cluster, SlotGrid::new(60.0, 100), &[]);
    let header = Header::new(PolicyName::Srtf, &setup, Physics::default());
    let job = |id: u32, arrival: f64, seconds: f64| {
        Arc::new(Job {
            id: JobId(id),
            arrival,
            workload: seconds,
            batch: 1,
            seconds_per_sample: 1.0,
            worker: Resources::new(0.0, 1.0, 0.0, 0.0),
            server: Resources::default(),
            workers_per_server: None,
            workers: WorkerRange::exactly(1),
            ..Setting::calibrated().draw(1).remove(0)
        })
    };
    let mut desk = Desk::new(header.clone());
    let mut entries = Vec::new();
    let mut step = |now: f64, events: Vec<Event>| {
        let late = desk.late(now, &events);
        entries.push(desk.step(now, [late, events].concat()).unwrap());
    };
    // The first says ten seconds and takes twenty. At twelve it is believed to need a second more, less than the second
    // says, so it stays; at fourteen that is over, and again.
    step(0.0, vec![Event::Arrival { job: job(0, 0.0, 10.0) }]);
    step(12.0, vec![Event::Arrival { job: job(1, 12.0, 3.0) }]);
    step(14.0, vec![Event::Arrival { job: job(2, 14.0, 2.0) }]);
    step(20.0, vec![Event::Completion { job: JobId(0), at: 20.0 }]);
    step(22.0, vec![Event::Completion { job: JobId(2), at: 22.0 }]);
    step(25.0, vec![Event::Completion { job: JobId(1), at: 25.0 }]);
    let validation = validate(&Recording { header, entries, complete: true }).unwrap();
    assert_eq!((validation.jobs, validation.left_out), (3, 0));
    assert!(validation.difference().abs() < 1e-9, "{validation:?}");
    assert!(validation.mean_job_difference < 1e-9, "{validation:?}");
    let each = validation.each.iter().map(|job| (job.job.0, job.live_jct_seconds));
    assert_eq!(each.collect::<Vec<_>>(), [(0, 20.0), (1, 13.0), (2, 8.0)]);
}

/// Who is cancelled has held room until then, and who fails or waits for ever takes part too.
#[test]
fn a_simulation_of_a_recording_has_the_jobs_that_left() {
    let cluster = Arc::new(Cluster::uniform(1, Resources::new(0.0, 1.0, 0.0, 0.0)).unwrap());
    let setup = Setup::new(&cluster, SlotGrid::new(60.0, 100), &[]);
    let job = |id: u32, arrival: f64, seconds: f64| {
        let text = r#"{"workload": 1, "batch": 1, "seconds_per_sample": 1, "worker": {"cpu": 1}, "workers": {"min": 1, "max": 1}}"#;
        let job: Job = serde_json::from_str(text).unwrap();
        Arc::new(Job { id: JobId(id), arrival, workload: seconds, ..job })
    };
    for policy in [PolicyName::Fifo, PolicyName::Srtf, PolicyName::Syncline, PolicyName::Drf] {
        let header = Header::new(policy, &setup, Physics::default());
        let mut desk = Desk::new(header.clone());
        let mut entries = Vec::new();
        let mut step = |now: f64, events: Vec<Event>| {
            let late = desk.late(now, &events);
            entries.push(desk.step(now, [late, events].concat()).unwrap());
        };
        // The first is cancelled after six seconds, the second runs until 16; the third is cancelled while it waits, and the last
        // never gets its turn.
        step(0.0, vec![Event::Arrival { job: job(0, 0.0, 8.0) }]);
        step(1.0, vec![Event::Arrival { job: job(1, 1.0, 10.0) }]);
        step(2.0, vec![Event::Arrival { job: job(2, 2.0, 50.0) }]);
        step(3.0, vec![Event::Arrival { job: job(3, 3.0, 60.0) }]);
        step(6.0, vec![Event::Withdrawal { job: JobId(0) }]);
        step(9.0, vec![Event::Withdrawal { job: JobId(2) }]);
        step(16.0, vec![Event::Completion { job: JobId(1), at: 16.0 }]);
        let validation = validate(&Recording { header, entries, complete: true }).unwrap();
        assert_eq!((validation.jobs, validation.left_out), (1, 3), "{policy}");
        assert_eq!(validation.live_mean_jct_seconds, 15.0, "{policy}");
        assert!(validation.difference().abs() < 1e-9, "{policy}: {validation:?}");
    }
}
