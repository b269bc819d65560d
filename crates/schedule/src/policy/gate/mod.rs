//! What operators and users bind jobs by, in front of every policy: quotas of queues, reservations, dependencies, priorities.
//!
//! A policy knows nothing of these. The gate shows it a state in which only those jobs are there that may run now
//! ([`Shown`]), with no more workers and no other machines than they may have, and holds what it decides
//! against the same rules. A job that may not run has left, to the policy, or has not come; when it may, it arrives.
//! Where neither the cluster nor a job has rules, the policy sees everything as it is.
//!
//! GATE-1: the running jobs of a queue never take more than its quota. GATE-2: nobody runs on a machine that is reserved for
//! others. GATE-3: no job starts before those that it comes after. GATE-4: no job waits that fits, with its fewest workers, into
//! what is free and what jobs of lower priority hold that may be stopped. The audit of a simulation checks the first three from
//! its own books.

mod dependencies;
mod enforce;
mod priorities;
mod quotas;
mod reservations;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{dependencies::Names, enforce::enforce, reservations::Reserved};
use super::{Decision, Event, Policy, saved};
use crate::{
    error::Result,
    explain::Explanation,
    model::JobId,
    pricing::SlotGrid,
    state::{Shown, State},
};

/// A policy behind the rules.
pub struct Gate {
    inner: Box<dyn Policy>,
    grid: SlotGrid,
    books: Books,
    names: Names,
    shown: Option<State>,
}

/// What is kept between two decisions.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Books {
    /// Whether there are rules.
    strict: bool,
    /// Whether decisions are made at the beginning of slots only.
    in_slots: bool,
    /// Who was held back at the last decision, and why.
    held: BTreeMap<JobId, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<B> {
    gate: B,
    policy: Value,
}

/// The rules applied to one moment.
struct Rules {
    shown: Shown,
    reserved: Reserved,
    /// Active jobs: those that cannot be stopped, then by priority and arrival.
    order: Vec<JobId>,
    /// Jobs that can never start, and why.
    hopeless: Vec<(JobId, String)>,
}

impl Gate {
    /// In front of a policy that plans in these slots.
    pub fn new(inner: Box<dyn Policy>, grid: SlotGrid) -> Self {
        Self { inner, grid, books: Books::default(), names: Names::default(), shown: None }
    }

    fn rules(&self, state: &State) -> Rules {
        let reserved = Reserved::at(state, self.books.in_slots.then_some(self.grid.slot));
        let mut order: Vec<JobId> = state.active.clone();
        order.sort_by_key(|id| {
            let job = state.job(*id);
            (!job.is_kept(), std::cmp::Reverse(state.cluster.priority(&job.job)), *id)
        });
        let mut rules = Rules {
            shown: Shown {
                held: BTreeMap::new(),
                displaced: BTreeSet::new(),
                jobs: BTreeMap::new(),
                cluster: Arc::clone(&reserved.cluster),
            },
            reserved,
            order,
            hopeless: Vec::new(),
        };
        dependencies::hold(state, &self.names, &mut rules);
        reservations::hold(state, &mut rules);
        quotas::hold(state, &mut rules);
        rules
    }

    /// What happened, as far as the policy is to know, and who comes and goes by the rules.
    fn told(&self, state: &State, events: &[Event], rules: &Rules) -> Vec<Event> {
        let (before, now) = (&self.books.held, &rules.shown.held);
        let job = |id: &JobId| Arc::clone(rules.shown.jobs.get(id).unwrap_or(&state.job(*id).job));
        let fresh: BTreeSet<JobId> = events.iter().filter_map(arriving).collect();
        let gone = now.keys().filter(|id| !before.contains_key(id) && !fresh.contains(id));
        let mut told: Vec<Event> = gone.map(|id| Event::Withdrawal { job: *id }).collect();
        for event in events {
            match event {
                Event::Arrival { job: one } if now.contains_key(&one.id) => {}
                Event::Arrival { job: one } => told.push(Event::Arrival { job: job(&one.id) }),
                Event::Completion { job, .. } | Event::Withdrawal { job } | Event::Progress { job, .. }
                    if before.contains_key(job) => {}
                event => told.push(event.clone()),
            }
        }
        let comes = |id: &&JobId| !now.contains_key(id) && state.job(**id).is_active();
        let come = before.keys().filter(comes).map(|id| Event::Arrival { job: job(id) });
        told.extend(come);
        told
    }

    /// When the policy, or a reservation, wants to be asked again.
    fn wake(&self, state: &State, decisions: &[Decision], rules: &Rules) -> Option<Decision> {
        let wished = decisions.iter().rev().find_map(|decision| match decision {
            Decision::WakeAt { time } => Some(*time),
            _ => None,
        });
        let edge =
            rules.reserved.next_edge(state.now).filter(|_| !self.books.in_slots && !state.active.is_empty());
        let time = wished.into_iter().chain(edge).reduce(f64::min)?;
        Some(Decision::WakeAt { time })
    }
}

fn arriving(event: &Event) -> Option<JobId> {
    match event {
        Event::Arrival { job } => Some(job.id),
        _ => None,
    }
}

/// To a policy a job that is stopped at its limit has left.
fn without_timeouts(events: &[Event]) -> Cow<'_, [Event]> {
    if !events.iter().any(|event| matches!(event, Event::Timeout { .. })) {
        return Cow::Borrowed(events);
    }
    let plain = |event: &Event| match event {
        Event::Timeout { job, .. } => Event::Withdrawal { job: *job },
        event => event.clone(),
    };
    Cow::Owned(events.iter().map(plain).collect())
}

impl Policy for Gate {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let events = without_timeouts(events);
        self.books.in_slots |= events.iter().any(|event| matches!(event, Event::Slot { .. }));
        let bound = |event: &Event| matches!(event, Event::Arrival { job } if job.has_rules());
        let cluster = &state.cluster;
        self.books.strict |=
            !cluster.queues().is_empty() || !cluster.reservations().is_empty() || events.iter().any(bound);
        if !self.books.strict {
            return self.inner.decide(state, &events);
        }
        self.names.learn(state);
        let rules = self.rules(state);
        let told = self.told(state, &events, &rules);
        let mut shown =
            self.shown.take().unwrap_or_else(|| State::new(Arc::clone(cluster), *state.physics()));
        shown.mirror(state, &rules.shown);
        let wished = self.inner.decide(&shown, &told);
        self.shown = Some(shown);
        let wake = self.wake(state, &wished, &rules);
        let mut decisions = enforce(state, &rules, wished);
        decisions.extend(rules.hopeless.into_iter().map(|(job, reason)| Decision::Reject { job, reason }));
        decisions.extend(wake);
        self.books.held = rules.shown.held;
        decisions
    }

    fn explain(&self, state: &State, job: JobId) -> Option<Explanation> {
        if !self.books.strict {
            return self.inner.explain(state, job);
        }
        let rules = self.rules(state);
        if let Some(why) = rules.shown.held.get(&job) {
            return Some(Explanation::held(&state.job(job).job, why));
        }
        let mut shown = State::new(Arc::clone(&state.cluster), *state.physics());
        shown.mirror(state, &rules.shown);
        self.inner.explain(&shown, job)
    }

    fn held(&self, job: JobId) -> Option<&str> {
        self.books.held.get(&job).map(String::as_str)
    }

    fn save(&self) -> Result<Value> {
        saved::save(&Saved { gate: &self.books, policy: self.inner.save()? })
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        let Saved { gate, policy } = saved::load::<Saved<Books>>(saved)?;
        self.books = gate;
        self.inner.load(policy)
    }
}
