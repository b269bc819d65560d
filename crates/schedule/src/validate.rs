//! A live run against the simulator: the same arrivals, with the lengths that the jobs turned out to have.
//!
//! A recording says where a job was placed and when it was over. What its placements could have done in that time by the
//! speed law is its true work, whatever it said before; latencies of starting and stopping are in it. The simulator is given
//! these jobs at these times, and should come to the same completion times: the check of the model of PD-ORS and its kin on
//! a real system.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    desk::Desk,
    error::{Error, Result},
    event::{Decision, Event},
    model::{Job, JobId},
    replay::Recording,
    sim::{Clock, Options, simulate},
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
    let mut jobs: Vec<(Job, f64)> = Vec::new();
    for (id, account) in &accounts {
        let job = &desk.state().job(*id).job;
        if let (Some(finished), true) = (account.finished, account.offered > 0.0) {
            let workload = account.offered;
            let believed = Some(job.believed_workload());
            jobs.push((Job { workload, estimate: believed, ..Job::clone(job) }, finished - job.arrival));
        }
    }
    if jobs.is_empty() {
        return Err(Error::Empty { what: "finished job" });
    }
    let left_out = accounts.values().filter(|account| account.withdrawn).count();
    let setup = recording.header.setup();
    let physics = recording.header.physics;
    let options = Options { clock: Clock::Continuous, physics, outages: Vec::new() };
    let given: Vec<Job> = jobs.iter().map(|(job, _)| job.clone()).collect();
    let cluster = Arc::clone(&setup.cluster);
    let run = simulate(&cluster, &given, recording.header.policy.build(&setup).as_mut(), &options, None)?;
    let simulated: Vec<f64> = run.outcome.jobs.iter().map(|job| job.jct().unwrap_or(f64::INFINITY)).collect();
    let mean = |times: &mut dyn Iterator<Item = f64>| times.sum::<f64>() / jobs.len() as f64;
    let apart = |((_, live), simulated): (&(Job, f64), &f64)| (simulated / live - 1.0).abs();
    Ok(Validation {
        jobs: jobs.len(),
        left_out,
        live_mean_jct_seconds: mean(&mut jobs.iter().map(|(_, live)| *live)),
        simulated_mean_jct_seconds: mean(&mut simulated.iter().copied()),
        mean_job_difference: mean(&mut jobs.iter().zip(&simulated).map(apart)),
    })
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
        Event::Withdrawal { job } => {
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
    if let Decision::Place { placement, .. } = decision {
        let job = &state.job(*id).job;
        account.rate = state.cluster.rate(job, placement);
        account.since = state.now + job.restart;
    }
}
