//! A live run against the simulator: the same arrivals, with the lengths that the jobs turned out to have.
//!
//! A recording says where a job was placed and when it was over. What its placements could have done in that time by the
//! speed law is its true work, whatever it said before; latencies of starting and stopping are in it, and how long after its end the
//! daemon heard of it, and how late it woke the policy, are taken from the recording too. The simulation has
//! these jobs at these times, and should come to the same completion times: the check of the model of PD-ORS and its kin on
//! a real system.
//!
//! VALIDATE-1: the simulated policy knows what the live one knew: what a job said of itself, and, of one that takes longer,
//! what [`Desk::late`] makes of it. The true lengths only decide when jobs end. VALIDATE-2: every recorded job is there, also
//! one that was cancelled, failed, was stopped at its limit, or was not over yet: it held room. It leaves when it left.
//! VALIDATE-3: machines are gone, and back, when they were.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    desk::Desk,
    error::{Error, Result},
    event::{Decision, Event},
    model::{Job, JobId, MachineId, Placement},
    replay::Recording,
    state::State,
};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// Jobs that ended with success in the recording, over which the means are taken.
    pub jobs: usize,
    /// Jobs that were cancelled or failed, or were not over yet: they take part, but have no completion time.
    pub left_out: usize,
    /// Mean of completion less arrival, as it was.
    pub live_mean_jct_seconds: f64,
    /// The same in the simulation.
    pub simulated_mean_jct_seconds: f64,
    /// Mean of the relative differences of single jobs, in absolute value.
    pub mean_job_difference: f64,
    /// Each of these jobs, in the order of arrival.
    pub each: Vec<Completion>,
}

/// Completion less arrival of one job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Completion {
    /// Which job.
    pub job: JobId,
    /// As it was.
    pub live_jct_seconds: f64,
    /// In the simulation.
    pub simulated_jct_seconds: f64,
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
    /// Seconds from its end until it was heard of.
    unheard: f64,
    /// When it left without being done.
    left: Option<f64>,
    /// Where it runs.
    placement: Placement,
    /// Whether it goes on where it was.
    resume: bool,
}

impl Account {
    /// When so much work will be done, if nothing changes.
    fn end(&self, work: f64) -> f64 {
        let left = (work - self.offered).max(0.0);
        match self.rate {
            _ if !self.is_open() => f64::INFINITY,
            // It was done before somebody stopped it who had not heard yet.
            _ if left == 0.0 => self.since,
            rate if rate > 0.0 => self.since + left / rate,
            _ => f64::INFINITY,
        }
    }

    fn is_open(&self) -> bool {
        self.finished.is_none() && self.left.is_none()
    }

    /// A machine went down.
    fn fail(&mut self, now: f64, machine: MachineId) {
        if !self.placement.shares().iter().any(|share| share.machine == machine) {
            return;
        }
        self.settle(now);
        self.placement = Placement::default();
        if !self.resume {
            self.offered = 0.0;
        }
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
    let mut late = Vec::new();
    for entry in &recording.entries {
        if entry.events.contains(&Event::Wake) {
            late.push(desk.wake().map_or(0.0, |wake| (entry.now - wake).max(0.0)));
        }
        desk.repeat(entry)?;
        entry.events.iter().for_each(|event| happened(&mut accounts, entry.now, event));
        entry.decisions.iter().for_each(|decision| decided(&mut accounts, desk.state(), decision));
    }
    let truth = |(id, account): (&JobId, &Account)| {
        let job = Arc::clone(&desk.state().job(*id).job);
        let truth = match (account.finished, account.left) {
            (Some(finished), _) if account.offered > 0.0 => {
                let unheard = account.unheard;
                Truth::Done { work: account.offered, live: finished - job.arrival, unheard }
            }
            (_, Some(at)) => Truth::Left { at },
            _ => Truth::Open,
        };
        (job, truth)
    };
    // By number, so in the order of arrival.
    let jobs: Vec<(Arc<Job>, Truth)> = accounts.iter().map(truth).collect();
    let done: Vec<(usize, f64)> =
        jobs.iter().enumerate().filter_map(|(at, (_, truth))| Some((at, truth.live()?))).collect();
    if done.is_empty() {
        return Err(Error::Empty { what: "finished job" });
    }
    let world = World { jobs: &jobs, outages: outages(recording), late };
    let simulated = simulated(Desk::new(recording.header.clone()), world)?;
    let completion = |(at, live): &(usize, f64)| Completion {
        job: jobs[*at].0.id,
        live_jct_seconds: *live,
        simulated_jct_seconds: simulated[*at],
    };
    let each: Vec<Completion> = done.iter().map(completion).collect();
    let mean = |of: fn(&Completion) -> f64| each.iter().map(of).sum::<f64>() / each.len() as f64;
    Ok(Validation {
        jobs: each.len(),
        left_out: jobs.len() - each.len(),
        live_mean_jct_seconds: mean(|job| job.live_jct_seconds),
        simulated_mean_jct_seconds: mean(|job| job.simulated_jct_seconds),
        mean_job_difference: mean(|job| (job.simulated_jct_seconds / job.live_jct_seconds - 1.0).abs()),
        each,
    })
}

/// What turned out about a job.
#[derive(Clone, Copy)]
enum Truth {
    /// It had so much work, and took so long from its arrival to its end.
    Done {
        /// Samples.
        work: f64,
        /// Seconds.
        live: f64,
        /// Seconds from its end until the daemon heard of it.
        unheard: f64,
    },
    /// It left without being done.
    Left {
        /// When, in seconds.
        at: f64,
    },
    /// It was not over when the recording ended.
    Open,
}

impl Truth {
    fn live(&self) -> Option<f64> {
        match self {
            Self::Done { live, .. } => Some(*live),
            _ => None,
        }
    }
}

/// When machines went and came, in the order of time.
fn outages(recording: &Recording) -> Vec<(f64, Event)> {
    let of_machines = |event: &&Event| matches!(event, Event::Failure { .. } | Event::Recovery { .. });
    let entries = recording.entries.iter();
    entries
        .flat_map(|entry| entry.events.iter().filter(of_machines).map(|event| (entry.now, event.clone())))
        .collect()
}

/// What ends a job in the simulation, and when that is heard: its true work, or the time at which it left.
fn end(job: JobId, account: &Account, truth: &Truth) -> (f64, Event) {
    match *truth {
        Truth::Done { work, unheard, .. } => {
            let at = account.end(work);
            (at + unheard, Event::Completion { job, at })
        }
        Truth::Left { at } if account.is_open() => (at, Event::Withdrawal { job }),
        Truth::Left { .. } | Truth::Open => (f64::INFINITY, Event::Withdrawal { job }),
    }
}

/// What happens whatever is decided.
struct World<'a> {
    jobs: &'a [(Arc<Job>, Truth)],
    outages: Vec<(f64, Event)>,
    /// How many seconds later than it asked for the policy was woken, time after time.
    late: Vec<f64>,
}

/// Seconds from arrival to end of each job, when they end as soon as their true work is done; infinite for others.
fn simulated(mut desk: Desk, World { jobs, outages, late }: World) -> Result<Vec<f64>> {
    let mut outages = outages.into_iter().peekable();
    let mut late = late.into_iter().peekable();
    let mut accounts: BTreeMap<JobId, Account> = BTreeMap::new();
    let mut future = jobs.iter().map(|(job, _)| Arc::clone(job)).peekable();
    for _ in 0..MOST_STEPS {
        let awaited =
            |(id, account): (&JobId, &Account)| account.is_open() && jobs[id.index()].1.live().is_some();
        let open = accounts.iter().any(awaited);
        let ends: Vec<(f64, Event)> =
            accounts.iter().map(|(id, account)| end(*id, account, &jobs[id.index()].1)).collect();
        let arrival = future.peek().map_or(f64::INFINITY, |job| job.arrival);
        let outage = outages.peek().map(|(at, _)| *at);
        let wake = desk.wake().map(|wake| wake + late.peek().copied().unwrap_or(0.0));
        let next = ends.iter().map(|(at, _)| *at).chain(wake).chain(outage).fold(arrival, f64::min);
        // A planner may wish to be woken for ever.
        if !next.is_finite() || !(open || arrival.is_finite()) {
            break;
        }
        let now = next.max(desk.state().now);
        let over = ends.into_iter().filter(|(at, _)| *at <= now);
        let mut events: Vec<Event> = over.map(|(_, event)| event).collect();
        while let Some((_, event)) = outages.next_if(|(at, _)| *at <= now) {
            events.push(event);
        }
        while let Some(job) = future.next_if(|job| job.arrival <= now) {
            events.push(Event::Arrival { job });
        }
        if desk.wake().is_some_and(|wake| wake <= now) {
            events.push(Event::Wake);
            late.next();
        }
        let believed = desk.late(now, &events);
        events.splice(0..0, believed);
        let entry = desk.step(now, events)?;
        entry.events.iter().for_each(|event| happened(&mut accounts, now, event));
        entry.decisions.iter().for_each(|decision| decided(&mut accounts, desk.state(), decision));
    }
    let jct = |(job, _): &(Arc<Job>, Truth)| {
        let finished = accounts.get(&job.id).and_then(|account| account.finished);
        finished.map_or(f64::INFINITY, |finished| finished - job.arrival)
    };
    Ok(jobs.iter().map(jct).collect())
}

fn happened(accounts: &mut BTreeMap<JobId, Account>, now: f64, event: &Event) {
    match event {
        Event::Arrival { job } => {
            let account = Account { resume: job.resume, ..Account::default() };
            drop(accounts.insert(job.id, account));
        }
        Event::Failure { machine } => accounts.values_mut().for_each(|account| account.fail(now, *machine)),
        Event::Completion { job, at } => {
            if let Some(account) = accounts.get_mut(job) {
                account.settle(*at);
                account.finished = Some(*at);
                account.unheard = now - at;
            }
        }
        Event::Withdrawal { job } | Event::Timeout { job, .. } => {
            if let Some(account) = accounts.get_mut(job) {
                account.settle(now);
                account.left = Some(now);
            }
        }
        Event::Progress { .. } | Event::Recovery { .. } | Event::Slot { .. } | Event::Wake => {}
    }
}

fn decided(accounts: &mut BTreeMap<JobId, Account>, state: &State, decision: &Decision) {
    let (Decision::Place { job: id, .. } | Decision::Preempt { job: id }) = decision else { return };
    let Some(account) = accounts.get_mut(id) else { return };
    account.settle(state.now);
    account.placement = Placement::default();
    if matches!(decision, Decision::Preempt { .. }) && !state.job(*id).job.resume {
        account.offered = 0.0;
    }
    if let Decision::Place { placement, .. } = decision {
        let job = &state.job(*id).job;
        account.rate = state.cluster.rate(job, placement);
        account.since = state.now + job.restart;
        account.placement = placement.clone();
    }
}
