//! `syncline`: PD-ORS' planning, made elastic.
//!
//! PD-ORS decides once, at arrival, and never looks back. This policy keeps a book of plans for all jobs that
//! have arrived and revises it at every arrival, completion, failure and slot with the work that is really
//! left:
//!
//! - **re-planning**: the present book completed with the new jobs, and a book built from scratch, compete;
//!   the better is improved by removing a few jobs and planning them again ([`Book`], [`improve`]);
//! - **work conservation**: room that the book leaves in the present slot is lent to jobs that can use it,
//!   and taken back at the next decision ([`lend`]);
//! - **restart time counts**: a plan is charged for its changes, and a loan must bring more than its restart
//!   loses;
//! - **unknown workloads**: plans are made for the believed rest of the work, which is estimated anew when an
//!   estimate has run out;
//! - **floor**: under [`Floor::Strict`] PD-ORS itself runs in the shadow, and there is always a way back to
//!   plans worth as much as all that it has admitted (FLOOR-1), so in slots, on every instance without failures, restart
//!   times, checkpoint costs, shared links and unknown workloads, its competitive ratio holds; see [`floor`].
//!
//! Gangs of fixed size in continuous time need no plan: see [`dispatch`].

mod book;
mod dispatch;
mod floor;
mod improve;
mod lend;

use std::collections::{BTreeMap, BTreeSet};

use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{book::Book, floor::Shadow, improve::Planner};
use super::{
    Allocation, Decision, Event, Policy, Setup,
    saved::{self, SavedRng},
};
use crate::{
    error::{Error, Result},
    explain::{Explanation, Question},
    model::{Cluster, Job, JobId},
    pricing::{External, LateShare, Ledger, Plan, PlannerOptions, PriceFunction, PriceRange},
    state::{Contention, JobState, Physics, State},
};

/// What the policy promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Floor {
    /// PD-ORS' competitive guarantee on every instance in slots. The promise assumes that
    /// plans can be kept: without shared links and checkpoint costs. With the first failure, restart time or
    /// unknown workload it ends, and with it its cost.
    #[default]
    Strict,
    /// The best plan that is found, without a promise for single instances.
    Free,
}

/// What changes while it decides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    plans: BTreeMap<JobId, Plan>,
    rng: SavedRng,
    shadow: Option<Value>,
}

/// The policy with its book of plans.
#[derive(Debug)]
pub struct Ours {
    ledger: Ledger,
    options: PlannerOptions,
    book: Book,
    shadow: Option<Shadow>,
    rng: ChaCha8Rng,
}

/// Rounds of improvement at every decision.
const EFFORT: u32 = 100;

impl Ours {
    /// With price bounds estimated from the expected jobs.
    pub fn new(setup: &Setup) -> Self {
        let range = PriceRange::of(&setup.cluster, &setup.expected, &setup.grid, LateShare::default());
        let ledger = Ledger::new(&setup.cluster, setup.grid, PriceFunction::new(range));
        // Hundreds of plans are tried at every decision: the greedy external case, which rounding hardly ever
        // beats.
        let options = PlannerOptions { external: External::Greedy, seed: setup.seed, ..setup.planner };
        let rng = ChaCha8Rng::seed_from_u64(setup.seed);
        let shadow = (setup.floor == Floor::Strict).then(|| Shadow::new(setup));
        Self { book: Book::new(ledger.clone()), ledger, options, shadow, rng }
    }

    /// The best book from `slot` on, and what it lets run now.
    fn plan(&mut self, state: &State, slot: usize) -> Allocation {
        let mut fresh = self.ledger.clone();
        for machine in state.cluster.ids().filter(|machine| !state.is_up(*machine)) {
            fresh.close(slot, machine);
        }
        let stay = Book::of_those_that_stay(state, slot, fresh.clone());
        let staying: BTreeSet<_> = stay.plans.keys().copied().collect();
        let kept = self.book.carried(state, slot, stay.clone());
        let mut planner =
            Planner { state, options: &self.options, slot, rng: &mut self.rng, locked: &staying };
        self.book = planner.revise(kept, stay, EFFORT);
        let allocation = lend::allocation(&self.book, state, slot);
        let Some(shadow) = &mut self.shadow else { return allocation };
        if shadow.certify(state, &self.options, &allocation, &self.book, slot) {
            return allocation;
        }
        let retreat = shadow.book(state, slot, fresh);
        let jobs: BTreeSet<_> = retreat.plans.keys().copied().collect();
        planner.locked = &jobs;
        self.book = planner.fill(retreat, EFFORT);
        lend::allocation(&self.book, state, slot)
    }
}

/// Whether plans can no longer be relied upon after this event.
fn voids(event: &Event) -> bool {
    match event {
        Event::Failure { .. } | Event::Progress { .. } | Event::Withdrawal { .. } => true,
        Event::Arrival { job } => job.restart > 0.0 || job.estimate.is_some() || !job.resume,
        _ => false,
    }
}

/// Whether machines do in a slot what a plan of whole slots counts on.
fn keeps(physics: &Physics) -> bool {
    physics.contention == Contention::None
        && physics.checkpoints.is_none_or(|checkpoints| checkpoints.cost == 0.0)
}

/// The work that a job is believed to have left.
fn remaining(job: &JobState) -> f64 {
    job.believed_left()
}

/// Worth per share of the cluster that the job's remaining work takes: the order of a knapsack.
fn density(job: &Job, work: f64, cluster: &Cluster) -> f64 {
    let seconds = work * job.internal_cost() / cluster.best_speed(job);
    let volume = seconds * job.bundle().dominant_share(cluster.total());
    job.utility.at(0.0) / volume.max(f64::MIN_POSITIVE)
}

impl Policy for Ours {
    fn name(&self) -> &'static str {
        "syncline"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let grid = *self.ledger.grid();
        let slot = grid.slot_of(state.now);
        let in_slots = events.iter().any(|event| matches!(event, Event::Slot { .. }));
        if slot >= grid.slots || (!in_slots && dispatch::applies(state)) {
            return dispatch::decide(state);
        }
        if !in_slots || !keeps(state.physics()) || events.iter().any(voids) {
            self.shadow = None;
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.observe(state, events, slot);
        }
        let mut decisions = self.plan(state, slot).decisions(state);
        if !in_slots && !state.active.is_empty() {
            decisions.push(Decision::WakeAt { time: (slot + 1) as f64 * grid.slot });
        }
        decisions
    }

    fn explain(&self, state: &State, id: JobId) -> Option<Explanation> {
        let slot = self.ledger.grid().slot_of(state.now);
        let mut others = self.book.clone();
        let plan = others.remove(state, id);
        let job = state.job(id);
        let question = Question {
            cluster: &state.cluster,
            ledger: &others.ledger,
            options: &self.options,
            job: &job.job,
            work: job.believed_left(),
            from: slot,
        };
        Some(question.beside(others.plans.len(), plan))
    }

    fn save(&self) -> Result<Value> {
        saved::save(&Saved {
            plans: self.book.plans.clone(),
            rng: SavedRng::of(&self.rng),
            shadow: self.shadow.as_ref().map(Shadow::save).transpose()?,
        })
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        let Saved { plans, rng, shadow } = saved::load(saved)?;
        // A decision begins with a fresh ledger and what is left of the plans.
        self.book = Book { ledger: self.ledger.clone(), plans };
        self.rng = rng.resume();
        match (shadow, &mut self.shadow) {
            (None, present) => *present = None,
            (Some(shadow), Some(present)) => present.load(shadow)?,
            (Some(_), None) => return Err(Error::Saved("it promises a floor".into())),
        }
        Ok(())
    }
}
