//! What everybody may see: the queue, the machines, what ran where, and why each job is where it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schedule::{Placement, Resource, Resources, state::JobState};

use crate::{
    record::{Outcome, Record},
    scheduler::Scheduler,
    training::Training,
    why::why,
};

/// Everything at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The policy that decides.
    pub policy: String,
    /// Seconds since the books were begun.
    pub now_seconds: f64,
    /// Steps in the books.
    pub steps: u64,
    /// What keeps the scheduler from working, such as a full disk.
    pub trouble: Option<String>,
    /// The machines.
    pub machines: Vec<MachineView>,
    /// The jobs, in the order of their submission.
    pub jobs: Vec<JobView>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineView {
    /// Its name.
    pub name: String,
    /// What it has: only what it has any of.
    pub capacity: Vec<Amount>,
    /// What was said of it, if it is a host that does not answer: nothing is placed there until it does.
    #[serde(default)]
    pub gone: Option<String>,
}

/// An amount of one type of resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    /// `cpu`, `gpu`, ...
    pub kind: String,
    /// What both amounts are counted in: `cores`, `GB`, ...
    #[serde(default)]
    pub unit: String,
    /// What is held by processes that exist.
    pub held: f64,
    /// What there is.
    pub whole: f64,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// `j3`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `waiting`, `running`, `stopping`, `done`, `failed`, `timed-out`, `cancelled` or `turned-down`.
    pub state: String,
    /// Why it is so, in words.
    pub why: String,
    /// The queue that it is in; empty where there are none.
    pub queue: String,
    /// Its priority.
    pub priority: i32,
    /// The longest that it may run.
    pub limit_seconds: Option<f64>,
    /// Workers that run.
    pub workers: u32,
    /// Servers that run.
    pub servers: u32,
    /// The fewest and the most workers that it may have.
    pub may_have: (u32, u32),
    /// Whether it can be stopped and go on.
    pub resume: bool,
    /// Whether it can be given other workers while it runs.
    #[serde(default)]
    pub scales: bool,
    /// When it was submitted.
    pub submitted_seconds: f64,
    /// When it first ran.
    pub started_seconds: Option<f64>,
    /// When it ended.
    pub ended_seconds: Option<f64>,
    /// When it should end, if it goes on as now and is as long as it said.
    pub due_seconds: Option<f64>,
    /// The share of its work that is done: as a training run says, of others as their length lets expect.
    pub progress: f64,
    /// How many times it was started.
    pub attempts: u32,
    /// What ran where, the latest last.
    pub spans: Vec<Span>,
    /// The command.
    pub command: Vec<String>,
    /// How far its training run is, if it is one.
    #[serde(default)]
    pub training: Option<Arc<Training>>,
}

/// Workers on one machine over a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The machine's name.
    pub machine: String,
    /// Workers on it.
    pub workers: u32,
    /// Servers on it.
    pub servers: u32,
    /// From when.
    pub from_seconds: f64,
    /// Until when; none: it runs.
    pub until_seconds: Option<f64>,
    /// How it came to them: `started`, `restarted`, or `resized` while it ran.
    #[serde(default)]
    pub way: String,
}

impl View {
    /// Of a scheduler at `now`.
    pub fn of(scheduler: &Scheduler, policy: &str, now: f64, steps: u64, trouble: Option<String>) -> Self {
        let state = scheduler.desk().state();
        let held = held(scheduler);
        let machines = state.cluster.ids().map(|id| {
            let capacity = state.cluster.capacity(id);
            let amount = |kind: Resource| {
                let (held, whole) = (held[id.index()][kind], capacity[kind]);
                (whole > 0.0).then(|| Amount {
                    kind: kind.name().into(),
                    unit: kind.unit().into(),
                    held,
                    whole,
                })
            };
            let capacity = Resource::ALL.into_iter().filter_map(amount).collect();
            let gone = scheduler.gone(id).map(str::to_owned);
            MachineView { name: state.cluster.name(id), capacity, gone }
        });
        let machines = machines.collect();
        let jobs = scheduler.records().iter().map(|record| JobView::of(scheduler, record, now)).collect();
        Self { policy: policy.into(), now_seconds: now, steps, trouble, machines, jobs }
    }

    /// The job of this number or name, the latest of that name.
    pub fn job(&self, label: &str) -> Option<&JobView> {
        let by_number = || self.jobs.iter().find(|job| job.id == label);
        self.jobs.iter().rev().find(|job| job.name == label).or_else(by_number)
    }
}

impl JobView {
    fn of(scheduler: &Scheduler, record: &Record, now: f64) -> Self {
        let cluster = &scheduler.desk().state().cluster;
        let job = scheduler.desk().state().job(record.id);
        let open = record.open.as_ref();
        let past = record.history.iter().enumerate().flat_map(|(at, ran)| {
            spans(scheduler, &ran.placement, (ran.from, Some(ran.until)), way(ran.resized, at))
        });
        let running = open.iter().flat_map(|open| {
            let way = way(open.resized.is_some(), record.history.len());
            spans(scheduler, &open.placement, (open.since(), None), way)
        });
        let first = record.history.first().map(|ran| ran.from).or(open.map(|open| open.begun));
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            state: state_of(record).into(),
            why: why(scheduler, record, now),
            queue: job.job.queue.clone(),
            priority: cluster.priority(&job.job),
            limit_seconds: Some(cluster.limit(&job.job)).filter(|limit| limit.is_finite()),
            workers: open.map_or(0, |open| open.placement.workers()),
            servers: open.map_or(0, |open| open.placement.servers()),
            may_have: (job.job.workers.min, job.job.workers.max),
            resume: job.job.resume,
            scales: record.task.scale.is_some(),
            submitted_seconds: job.job.arrival,
            started_seconds: first,
            ended_seconds: record.ended,
            due_seconds: due(job, record, scheduler.desk().state().now),
            progress: progress(job, record, scheduler.desk().state().now, now),
            attempts: record.attempts,
            spans: past.chain(running).collect(),
            command: record.task.command.clone(),
            training: None,
        }
    }

    /// Whether it will not change any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "done" | "failed" | "timed-out" | "cancelled" | "turned-down")
    }
}

/// What the processes that exist hold of each machine.
pub(crate) fn held(scheduler: &Scheduler) -> Vec<Resources> {
    let state = scheduler.desk().state();
    let mut held = vec![Resources::default(); state.cluster.machines().len()];
    for record in scheduler.records() {
        for share in record.open.iter().flat_map(|open| open.holds().shares().to_vec()) {
            held[share.machine.index()].add(&share.demand(&state.job(record.id).job), 1.0);
        }
    }
    held
}

fn state_of(record: &Record) -> &'static str {
    match (&record.outcome, &record.open) {
        (Some(Outcome::Cancelled | Outcome::TimedOut(_)), Some(_)) => "stopping",
        (None, Some(open)) if open.asked.is_some() => "stopping",
        (None, Some(_)) => "running",
        (None, None) => "waiting",
        (Some(Outcome::Done), _) => "done",
        (Some(Outcome::Failed(_)), _) => "failed",
        (Some(Outcome::Cancelled), None) => "cancelled",
        (Some(Outcome::TimedOut(_)), None) => "timed-out",
        (Some(Outcome::TurnedDown(_)), _) => "turned-down",
    }
}

fn due(job: &JobState, record: &Record, at: f64) -> Option<f64> {
    let due = job.due(at);
    (record.open.is_some() && record.is_unfinished() && due.is_finite()).then_some(due)
}

fn progress(job: &JobState, record: &Record, at: f64, now: f64) -> f64 {
    if record.outcome == Some(Outcome::Done) {
        return 1.0;
    }
    let left = (job.remaining - (now - at).max(0.0) * job.rate).max(0.0);
    1.0 - left / job.job.workload
}

fn spans<'a>(
    scheduler: &'a Scheduler,
    placement: &'a Placement,
    (from, until): (f64, Option<f64>),
    way: &'static str,
) -> impl Iterator<Item = Span> + 'a {
    let cluster = &scheduler.desk().state().cluster;
    placement.shares().iter().map(move |share| Span {
        machine: cluster.name(share.machine),
        workers: share.workers,
        servers: share.servers,
        from_seconds: from,
        until_seconds: until,
        way: way.into(),
    })
}

/// How a job came to its size, the one number `at` of those that it has had.
fn way(resized: bool, at: usize) -> &'static str {
    match (resized, at) {
        (true, _) => "resized",
        (false, 0) => "started",
        (false, _) => "restarted",
    }
}
