//! The event loop.
//!
//! Time moves to the next slot boundary, or to the next arrival, completion, failure or wake-up; running jobs
//! work until then; what happened is told to the policy at once; its decisions are applied. Invariants: SIM-1
//! no event is told twice or out of order; SIM-2 capacities hold after every step; SIM-3 completed jobs have
//! had their work. The last two are checked in every simulation, by [`State::apply`] and again by the
//! [`Audit`].

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{audit::Audit, metrics::Outcome};
use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    model::{Cluster, Job, JobId, MachineId},
    policy::Policy,
    pricing::{SlotGrid, Times},
    state::{JobState, Physics, State, Status},
};

/// When decisions are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "clock", rename_all = "kebab-case")]
pub enum Clock {
    /// At slot boundaries only: a job that ends within a slot keeps its machines until the next. Stops after the
    /// last slot.
    Slots(SlotGrid),
    /// At every event, until all jobs are done.
    Continuous,
}

impl Clock {
    /// The clock of a planner's grid.
    pub fn slots(grid: &SlotGrid) -> Self {
        Self::Slots(*grid)
    }
}

/// A machine's time out of service, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// The machine.
    pub machine: MachineId,
    /// When it goes down.
    pub from: f64,
    /// When it is back.
    pub until: f64,
}

/// How to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The clock.
    pub clock: Clock,
    /// Restart, checkpoint and link effects.
    pub physics: Physics,
    /// Failures.
    pub outages: Vec<Outage>,
}

/// Reads some clock, to measure how long decisions take. The library itself never touches one.
pub type Stopwatch<'a> = &'a dyn Fn() -> Duration;

/// One step as the policy saw it and answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Seconds since the start.
    pub now: f64,
    /// What happened.
    pub events: Vec<Event>,
    /// What was decided.
    pub decisions: Vec<Decision>,
}

/// A finished simulation.
#[derive(Debug, Clone)]
pub struct Run {
    /// What became of the jobs.
    pub outcome: Outcome,
    /// Every step, in order: enough to replay the policy.
    pub log: Vec<Entry>,
}

/// Runs `policy` over `jobs`, which are sorted by arrival and numbered in that order first.
///
/// # Errors
/// No jobs, a job that the cluster can never run, or a decision against the cluster's rules.
pub fn simulate(
    cluster: &Arc<Cluster>,
    jobs: &[Job],
    policy: &mut dyn Policy,
    options: &Options,
    stopwatch: Option<Stopwatch>,
) -> Result<Run> {
    let mut engine = Engine::new(cluster, jobs, options, policy.name())?;
    while let Some(next) = engine.next_time() {
        engine.step(next, policy, stopwatch)?;
    }
    engine.audit.close(engine.state.now)?;
    Ok(engine.finish(policy.name()))
}

/// Drives `policy` through all that happens until `until` seconds, that time included, and returns where things stand.
///
/// # Errors
/// As [`simulate`].
pub fn advance_to(
    cluster: &Arc<Cluster>,
    jobs: &[Job],
    policy: &mut dyn Policy,
    options: &Options,
    until: f64,
) -> Result<State> {
    let mut engine = Engine::new(cluster, jobs, options, policy.name())?;
    while let Some(next) = engine.next_time().filter(|next| *next <= until) {
        engine.step(next, policy, None)?;
    }
    Ok(engine.state)
}

struct Engine<'a> {
    state: State,
    audit: Audit,
    options: &'a Options,
    future: std::iter::Peekable<std::vec::IntoIter<Arc<Job>>>,
    outages: Vec<(f64, Event)>,
    slot: usize,
    wake: Option<f64>,
    busy: f64,
    /// `busy` at the latest completion.
    busy_at_completion: f64,
    log: Vec<Entry>,
    decision_times: Vec<Duration>,
}

impl<'a> Engine<'a> {
    fn new(cluster: &Arc<Cluster>, jobs: &[Job], options: &'a Options, policy: &'static str) -> Result<Self> {
        let mut jobs = jobs.to_vec();
        if jobs.is_empty() {
            return Err(Error::Empty { what: "job" });
        }
        jobs.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
        for (index, job) in jobs.iter_mut().enumerate() {
            cluster.admits(job)?;
            job.id = JobId(index as u32);
        }
        let mut outages: Vec<_> = merged(&options.outages).iter().flat_map(both_ends).collect();
        outages.sort_by(|a, b| b.0.total_cmp(&a.0));
        let arcs: Vec<Arc<Job>> = jobs.into_iter().map(Arc::new).collect();
        Ok(Self {
            state: State::new(Arc::clone(cluster), options.physics),
            audit: Audit::new(cluster, policy),
            options,
            future: arcs.into_iter().peekable(),
            outages,
            slot: 0,
            wake: None,
            busy: 0.0,
            busy_at_completion: 0.0,
            log: Vec::new(),
            decision_times: Vec::new(),
        })
    }

    /// When the next step is due; none when the simulation is over.
    fn next_time(&mut self) -> Option<f64> {
        match self.options.clock {
            Clock::Slots(grid) => (self.slot <= grid.slots).then(|| grid.begin(self.slot)),
            Clock::Continuous => {
                let arrival = self.future.peek().map_or(f64::INFINITY, |job| job.arrival);
                let due =
                    self.state.active().map(|job| job.due(self.state.now)).fold(f64::INFINITY, f64::min);
                let late = self.state.active().filter(|job| !ends_in_time(&self.state, job));
                let limit = late.map(|job| self.state.expires(job)).fold(f64::INFINITY, f64::min);
                let work_left = arrival.is_finite() || !self.state.active.is_empty();
                let outage = self.outages.last().map_or(f64::INFINITY, |(time, _)| *time);
                let wake = self.wake.unwrap_or(f64::INFINITY);
                let next = arrival.min(due).min(limit).min(outage).min(wake);
                // With nothing that can still happen, waiting jobs wait for ever: they are reported as
                // unfinished.
                (work_left && next.is_finite()).then(|| next.max(self.state.now))
            }
        }
    }

    fn step(&mut self, next: f64, policy: &mut dyn Policy, stopwatch: Option<Stopwatch>) -> Result<()> {
        let due = self.due(next);
        let expired = self.expired(next);
        let load = self.load();
        // Within a slot machines are kept after the last job is done, and that is no time of the comparison.
        if let Some(last) = due.iter().map(|(_, at)| *at).reduce(f64::max) {
            self.busy_at_completion = self.busy + load * (last - self.state.now).max(0.0);
        }
        self.busy += load * (next - self.state.now);
        self.state.advance(next);
        let completed = due.into_iter().map(|(job, at)| Event::Completion { job, at });
        let mut events: Vec<Event> = completed.chain(expired).collect();
        while self.outages.last().is_some_and(|(time, _)| *time <= next) {
            events.extend(self.outages.pop().map(|(_, event)| event));
        }
        let last = matches!(self.options.clock, Clock::Slots(grid) if self.slot == grid.slots);
        let until = self.arrivals_until(next);
        while let Some(job) = self.future.next_if(|job| !last && job.arrival <= until) {
            events.push(Event::Arrival { job });
        }
        if let Clock::Slots(_) = self.options.clock {
            events.push(Event::Slot { slot: self.slot });
            self.slot += 1;
        } else if self.wake.is_some_and(|wake| wake <= next) {
            events.push(Event::Wake);
        }
        self.audit.observe(next, &events)?;
        events.iter().for_each(|event| self.state.observe(event));
        if last {
            return Ok(());
        }
        let begun = stopwatch.map(|read| read());
        let decisions = policy.decide(&self.state, &events);
        if let (Some(read), Some(begun)) = (stopwatch, begun) {
            self.time(&events, read().saturating_sub(begun));
        }
        self.state.apply(policy.name(), &decisions)?;
        self.audit.decide(next, &self.state.cluster, &decisions)?;
        // The wish to be woken is part of the latest decisions; an older one is void.
        self.wake = None;
        for decision in &decisions {
            if let Decision::WakeAt { time } = decision {
                self.wake = Some(time.max(next));
            }
        }
        self.log.push(Entry { now: next, events, decisions });
        Ok(())
    }

    /// With the papers' times a slot takes the arrivals of its whole length, as their `a_i` is a slot.
    fn arrivals_until(&self, now: f64) -> f64 {
        match self.options.clock {
            Clock::Slots(SlotGrid { slot, times: Times::Paper, .. }) => now + slot * (1.0 - 1e-9),
            Clock::Slots(SlotGrid { slot, .. }) => now + slot * 1e-9,
            Clock::Continuous => now,
        }
    }

    /// Jobs that are done by `next`, and since when.
    fn due(&self, next: f64) -> Vec<(JobId, f64)> {
        let running = self.state.active().filter(|job| job.status == Status::Running);
        let in_time = |job: &&JobState| ends_in_time(&self.state, job);
        let due = running.filter(in_time).map(|job| (job.job.id, job.due(self.state.now)));
        let done = due.filter(|(_, due)| *due <= next * (1.0 + 1e-12));
        match self.options.clock {
            Clock::Slots(SlotGrid { times: Times::Real, .. }) => {
                done.map(|(job, due)| (job, due.min(next))).collect()
            }
            // The papers know no time within a slot; at events, now is when it is done.
            _ => done.map(|(job, _)| (job, next)).collect(),
        }
    }

    /// Jobs that have had all the time that they may run by `next`, and are not done.
    fn expired(&self, next: f64) -> Vec<Event> {
        let late = self.state.active().filter(|job| !ends_in_time(&self.state, job));
        let late = late.map(|job| (job.job.id, self.state.expires(job)));
        let over = late.filter(|(_, at)| *at <= next * (1.0 + 1e-12));
        let real = !matches!(self.options.clock, Clock::Slots(SlotGrid { times: Times::Paper, .. }));
        over.map(|(job, at)| Event::Timeout { job, at: if real { at.min(next) } else { next } }).collect()
    }

    /// The share of the cluster's scarcest resource in use: GPUs where there are any, else the fullest type.
    fn load(&self) -> f64 {
        let used = self.state.used().iter().fold(crate::Resources::default(), |sum, used| sum.plus(used));
        let whole = self.state.cluster.total();
        match whole[crate::Resource::Gpu] {
            0.0 => used.dominant_share(whole),
            gpus => used[crate::Resource::Gpu] / gpus,
        }
    }

    /// The time of a decision is shared among the jobs that arrived.
    fn time(&mut self, events: &[Event], spent: Duration) {
        let arrivals = events.iter().filter(|event| matches!(event, Event::Arrival { .. })).count();
        let each = spent / (arrivals.max(1) as u32);
        self.decision_times.extend(std::iter::repeat_n(each, arrivals));
    }

    fn finish(self, policy: &str) -> Run {
        let unseen = self.future.count();
        let outcome = Outcome {
            unseen,
            busy: self.busy_at_completion,
            decision_seconds: self.decision_times.iter().map(Duration::as_secs_f64).collect(),
            conserved: self.audit.conserved(),
            ..Outcome::new(policy, &self.state, self.options.clock)
        };
        Run { outcome, log: self.log }
    }
}

/// Whether a job will be done within the time that it may run, if nothing changes.
fn ends_in_time(state: &State, job: &JobState) -> bool {
    let end = state.expires(job);
    job.due(state.now) <= end + 1e-9 * (1.0 + end) || end.is_infinite()
}

/// Outages of one machine that touch or overlap become one, and empty ones none: a machine is up again only once.
fn merged(outages: &[Outage]) -> Vec<Outage> {
    let mut all: Vec<Outage> = outages.iter().filter(|outage| outage.from < outage.until).copied().collect();
    all.sort_by(|a, b| a.machine.cmp(&b.machine).then(a.from.total_cmp(&b.from)));
    all.dedup_by(|next, last| {
        let one = next.machine == last.machine && next.from <= last.until;
        if one {
            last.until = last.until.max(next.until);
        }
        one
    });
    all
}

fn both_ends(outage: &Outage) -> [(f64, Event); 2] {
    let Outage { machine, from, until } = *outage;
    [(from, Event::Failure { machine }), (until, Event::Recovery { machine })]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_that_touch_or_overlap_are_one() {
        let outage = |machine, from, until| Outage { machine: MachineId(machine), from, until };
        let given = [
            outage(1, 3.0, 4.0),
            outage(0, 2.0, 3.0),
            outage(0, 1.0, 8.0),
            outage(0, 8.0, 9.0),
            outage(0, 20.0, 21.0),
            outage(2, 2.0, 2.0),
        ];
        let wanted = [outage(0, 1.0, 9.0), outage(0, 20.0, 21.0), outage(1, 3.0, 4.0)];
        assert_eq!(merged(&given), wanted);
    }
}
