//! One policy and what it knows of one cluster, driven step by step: by a daemon, or by a recorded log.
//!
//! A step is told what happened and when, lets the policy decide, applies the decisions, and is returned as an [`Entry`] of a
//! recording. DESK-1: the same header and the same entries lead to the same state and the same next decisions, whether
//! they were all made, all repeated, or partly loaded from a [`Snapshot`].
//!
//! ```
//! use std::sync::Arc;
//! use syncline_schedule::{
//!     Event, PolicyName, Setup, desk::Desk, replay::Header, setting::Setting, state::Physics,
//! };
//!
//! let setting = Setting::calibrated();
//! let setup = Setup::new(&Arc::new(setting.cluster()?), setting.grid, &[]);
//! let mut desk = Desk::new(Header::new(PolicyName::Fifo, &setup, Physics::default()));
//! let job = Arc::new(setting.draw(1).remove(0));
//! let entry = desk.step(60.0, vec![Event::Arrival { job }])?;
//! assert_eq!(entry.decisions.len(), 1); // it runs
//! # Ok::<(), syncline_schedule::Error>(())
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    event::{Decision, Event},
    explain::Explanation,
    model::JobId,
    policy::Policy,
    replay::Header,
    sim::Entry,
    state::{JobState, State, Status},
};

/// A policy at work.
pub struct Desk {
    state: State,
    policy: Box<dyn Policy>,
    wake: Option<f64>,
    steps: usize,
}

/// All that a desk keeps between two steps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    state: State,
    policy: Value,
    wake: Option<f64>,
    steps: usize,
}

impl Desk {
    /// Before the first step.
    pub fn new(header: Header) -> Self {
        let setup = header.setup();
        let state = State::new(Arc::clone(&setup.cluster), header.physics);
        Self { state, policy: header.policy.build(&setup), wake: None, steps: 0 }
    }

    /// Where a desk with this header stood.
    ///
    /// # Errors
    /// A snapshot of another policy or cluster.
    pub fn load(header: Header, snapshot: Snapshot) -> Result<Self> {
        let mut desk = Self::new(header);
        if snapshot.state.cluster != desk.state.cluster {
            return Err(Error::Saved("its cluster is another".into()));
        }
        desk.policy.load(snapshot.policy)?;
        Ok(Self { state: snapshot.state, wake: snapshot.wake, steps: snapshot.steps, ..desk })
    }

    /// What [`Desk::load`] goes on from.
    ///
    /// # Errors
    /// A number that cannot be written down: a defect of the policy.
    pub fn save(&self) -> Result<Snapshot> {
        let policy = self.policy.save()?;
        Ok(Snapshot { state: self.state.clone(), policy, wake: self.wake, steps: self.steps })
    }

    /// Tells what happened at `now`, in seconds, and carries out what is decided about it.
    ///
    /// # Errors
    /// A time that goes back, an event that does not fit, a decision that breaks a rule of the cluster. After the last the desk
    /// must not be used any more.
    pub fn step(&mut self, now: f64, events: Vec<Event>) -> Result<Entry> {
        if !(self.state.now..f64::INFINITY).contains(&now) {
            let what = format!("{now} comes after {}; time does not go back", self.state.now);
            return Err(Error::Decision { policy: "events".into(), now: self.state.now, what });
        }
        self.state.advance(now);
        for event in &events {
            self.state.check(event)?;
            self.state.observe(event);
        }
        let decisions = self.policy.decide(&self.state, &events);
        self.state.apply(self.policy.name(), &decisions)?;
        // The wish to be woken is part of the latest decisions; an older one is void.
        self.wake = decisions.iter().rev().find_map(|decision| match decision {
            Decision::WakeAt { time } => Some(time.max(now)),
            _ => None,
        });
        self.steps += 1;
        Ok(Entry { now, events, decisions })
    }

    /// What a policy must hear before a step at `now` of jobs that have had all the time that they said they take, and go on:
    /// they are believed to need a twentieth of it more, and at least a second. Otherwise it would think that they need
    /// nothing, and stop them just before they end. Jobs of which `events` have news are left out.
    pub fn late(&self, now: f64, events: &[Event]) -> Vec<Event> {
        let state = &self.state;
        let over = |job: &&JobState| {
            let news = |event: &Event| match event {
                Event::Completion { job: id, .. }
                | Event::Withdrawal { job: id }
                | Event::Timeout { job: id, .. }
                | Event::Progress { job: id, .. } => *id == job.job.id,
                _ => false,
            };
            job.status == Status::Running && job.due(state.now) <= now && !events.iter().any(news)
        };
        let believed = |job: &JobState| {
            let more = (0.05 * (job.executed + now - state.now)).max(1.0) * job.rate;
            Event::Progress { job: job.job.id, samples: (job.job.workload - more).max(0.0) }
        };
        state.active().filter(over).map(believed).collect()
    }

    /// What must be told at `now` of jobs that have had all the time that they may run. Jobs of which `events` have the end
    /// are left out.
    pub fn expired(&self, now: f64, events: &[Event]) -> Vec<Event> {
        let ended = |id: JobId| {
            events.iter().any(|event| match event {
                Event::Completion { job, .. } | Event::Withdrawal { job } => *job == id,
                _ => false,
            })
        };
        let over = self.state.active().filter(|job| !ended(job.job.id));
        let at = over.map(|job| (job.job.id, self.state.expires(job)));
        at.filter(|(_, at)| *at <= now).map(|(job, at)| Event::Timeout { job, at }).collect()
    }

    /// When the first of the running jobs will have had all the time that it may run, in seconds.
    pub fn next_limit(&self) -> Option<f64> {
        let first = self.state.active().map(|job| self.state.expires(job)).fold(f64::INFINITY, f64::min);
        first.is_finite().then_some(first)
    }

    /// Why the policy is not even shown a job, if it is not.
    pub fn held(&self, job: JobId) -> Option<&str> {
        self.policy.held(job)
    }

    /// Takes a recorded step again, and requires the recorded decisions.
    ///
    /// # Errors
    /// As [`Desk::step`]; other decisions.
    pub fn repeat(&mut self, entry: &Entry) -> Result<()> {
        let Entry { now, decisions, .. } = self.step(entry.now, entry.events.clone())?;
        if decisions == entry.decisions {
            return Ok(());
        }
        let (recorded, decided) = (format!("{:?}", entry.decisions), format!("{decisions:?}"));
        Err(Error::Replay { step: self.steps, now, recorded, decided })
    }

    /// What is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When the policy wants to be woken, in seconds.
    pub fn wake(&self) -> Option<f64> {
        self.wake
    }

    /// What the policy is called.
    pub fn policy_name(&self) -> &'static str {
        self.policy.name()
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// What the policy says about a job, if it plans ahead.
    pub fn explain(&self, job: JobId) -> Option<Explanation> {
        self.policy.explain(&self.state, job)
    }
}
