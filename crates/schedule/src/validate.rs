//! A live run against the simulator: the same arrivals, with the lengths that the jobs turned out to have.
//!
//! A recording says where a job was placed and when it was over. What its placements could have done in that time by the
//! speed law is its true work, whatever it said before; latencies of starting and stopping are in it. The simulation has
//! these jobs at these times, and should come to the same completion times: the check of the model of PD-ORS and its kin on
//! a real system.
//!
//! VALIDATE-1: the simulated policy knows what the live one knew: what a job said of itself, and, of one that takes longer,
//! what [`Desk::late`] makes of it. The true lengths only decide when jobs end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    desk::Desk,
    error::{Error, Result},
    event::{Decision, Event},
    model::{Job, JobId},
    replay::Recording,
    state::State,
};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// Jobs that ended with success in the recording, over which the means are taken.
    pub jobs: usize,
    /// Jobs that were cancelled or failed, and are not simulated.
    pub left_out: usize,
    /// Mean of completion less arrival, as it was.
    pub live_mean_jct_seconds: f64,
    /// The same in the simulation.
    pub simulated_mean_jct_seconds: f64,
    /// Mean of the relative differences of single jobs, in absolute value.
    pub mean_job_difference: f64,
}

impl Validation {
    /// The relative difference of the means.
    pub fn difference(&self) -> f64 {
        self.simulated_mean_jct_seconds / self.live_mean_jct_seconds - 1.0
    }
}

/// More steps than this are no simulation of a live run.
const MOST_STEPS: usize = 10_000_000;

/// What one job's placements could have done so far.
#[derive(Default)]
struct Account {
    /// Samples a second since `since`.
    rate: f64,
    since: f64,
    offered: f64,
    finished: Option<f64>,
    withdrawn: bool,
}

impl Account {
    /// When so much work will be done, if nothing changes.
    fn end(&self, work: f64) -> f64 {
        let left = (work - self.offered).max(0.0);
        if self.finished.is_none() && self.rate > 0.0 { self.since + left / self.rate } else { f64::INFINITY }
    }

    fn settle(&mut self, now: f64) {
        self.offered += self.rate * (now - self.since).max(0.0);
        (self.rate, self.since) = (0.0, now);
    }
}

/// Simulates what was recorded.
///
/// # Errors
/// A recording that does not replay, or in which no job ended with success.
pub fn validate(recording: &Recording) -> Result<Validation> {
    let mut desk = Desk::new(recording.header.clone());
    let mut accounts: BTreeMap<JobId, Account> = BTreeMap::new();
    for entry in &recording.entries {
        desk.repeat(entry)?;
        entry.events.iter().for_each(|event| happened(&mut accounts, event));
        entry.decisions.iter().for_each(|decision| decided(&mut accounts, desk.state(), decision));
    }
    let mut jobs: Vec<(Arc<Job>, Truth)> = Vec::new();
    for (id, account) in &accounts {
        let job = &desk.state().job(*id).job;
        if let (Some(finished), true) = (account.finished, account.offered > 0.0) {
            let id = JobId(jobs.len() as u32);
            let truth = Truth { work: account.offered, live: finished - job.arrival };
            jobs.push((Arc::new(Job { id, ..Job::clone(job) }), truth));
        }
    }
    if jobs.is_empty() {
        return Err(Error::Empty { what: "finished job" });
    }
    wait_for_each_other_only(&mut jobs);
    let left_out = accounts.values().filter(|account| account.withdrawn).count();
    let simulated = simulated(Desk::new(recording.header.clone()), &jobs)?;
    let mean = |times: &mut dyn Iterator<Item = f64>| times.sum::<f64>() / jobs.len() as f64;
    let apart = |((_, truth), simulated): (&(Arc<Job>, Truth), &f64)| (simulated / truth.live - 1.0).abs();
    Ok(Validation {
        jobs: jobs.len(),
        left_out,
        live_mean_jct_seconds: mean(&mut jobs.iter().map(|(_, truth)| truth.live)),
        simulated_mean_jct_seconds: mean(&mut simulated.iter().copied()),
        mean_job_difference: mean(&mut jobs.iter().zip(&simulated).map(apart)),
    })
}

/// A job that came after one that is not simulated would wait for ever.
fn wait_for_each_other_only(jobs: &mut [(Arc<Job>, Truth)]) {
    let names: BTreeSet<String> = jobs.iter().map(|(job, _)| job.name.clone()).collect();
    for (job, _) in jobs.iter_mut().filter(|(job, _)| job.has_rules()) {
        let job = Arc::make_mut(job);
        job.after.retain(|name| names.contains(name));
        job.after_any.retain(|name| names.contains(name));
    }
}

/// What turned out about a job.
struct Truth {
    /// Samples that it really had.
    work: f64,
    /// Seconds from its arrival to its end.
    live: f64,
}

/// Seconds from arrival to end of each job, when they end as soon as their true work is done.
fn simulated(mut desk: Desk, jobs: &[(Arc<Job>, Truth)]) -> Result<Vec<f64>> {
    let mut accounts: BTreeMap<JobId, Account> = BTreeMap::new();
    let mut future = jobs.iter().map(|(job, _)| Arc::clone(job)).peekable();
    for _ in 0..MOST_STEPS {
        let open = accounts.values().any(|account| account.finished.is_none());
        let end = |(id, account): (&JobId, &Account)| account.end(jobs[id.index()].1.work);
        let arrival = future.peek().map_or(f64::INFINITY, |job| job.arrival);
        let next = accounts.iter().map(end).chain(desk.wake()).fold(arrival, f64::min);
        // A planner may wish to be woken for ever.
        if !next.is_finite() || !(open || arrival.is_finite()) {
            break;
        }
        let now = next.max(desk.state().now);
        let over = accounts.iter().filter(|one| end((one.0, one.1)) <= now).map(|(id, _)| *id);
        let mut events: Vec<Event> = over.map(|job| Event::Completion { job, at: now }).collect();
        while let Some(job) = future.next_if(|job| job.arrival <= now) {
            events.push(Event::Arrival { job });
        }
        if desk.wake().is_some_and(|wake| wake <= now) {
            events.push(Event::Wake);
        }
        let late = desk.late(now, &events);
        events.splice(0..0, late);
        let entry = desk.step(now, events)?;
        entry.events.iter().for_each(|event| happened(&mut accounts, event));
        entry.decisions.iter().for_each(|decision| decided(&mut accounts, desk.state(), decision));
    }
    let jct = |(job, _): &(Arc<Job>, Truth)| {
        let finished = accounts.get(&job.id).and_then(|account| account.finished);
        finished.map_or(f64::INFINITY, |finished| finished - job.arrival)
    };
    Ok(jobs.iter().map(jct).collect())
}

fn happened(accounts: &mut BTreeMap<JobId, Account>, event: &Event) {
    match event {
        Event::Arrival { job } => drop(accounts.insert(job.id, Account::default())),
        Event::Completion { job, at } => {
            if let Some(account) = accounts.get_mut(job) {
                account.settle(*at);
                account.finished = Some(*at);
            }
        }
        Event::Withdrawal { job } | Event::Timeout { job, .. } => {
            if let Some(account) = accounts.get_mut(job) {
                account.withdrawn = true;
            }
        }
        Event::Progress { .. }
        | Event::Failure { .. }
        | Event::Recovery { .. }
        | Event::Slot { .. }
        | Event::Wake => {}
    }
}

fn decided(accounts: &mut BTreeMap<JobId, Account>, state: &State, decision: &Decision) {
    let (Decision::Place { job: id, .. } | Decision::Preempt { job: id }) = decision else { return };
    let Some(account) = accounts.get_mut(id) else { return };
    account.settle(state.now);
    if matches!(decision, Decision::Preempt { .. }) && !state.job(*id).job.resume {
        account.offered = 0.0;
    }
    if let Decision::Place { placement, .. } = decision {
        let job = &state.job(*id).job;
        account.rate = state.cluster.rate(job, placement);
        account.since = state.now + job.restart;
    }
}
