//! `syncline`: PD-ORS' planning, made elastic.
//!
//! PD-ORS decides once, at arrival, and never looks back. This policy keeps a book of plans for all jobs that have arrived and
//! revises it at every arrival, completion, failure and slot with the work that is really left:
//!
//! - **re-planning**: the present book, the price-based plan of each new job, and books built from scratch in several
//!   orders compete; the best is improved by removing a few jobs and planning them again ([`Book`], [`improve`]);
//! - **work conservation**: room that the book leaves in the present slot is lent to jobs that can use it, and taken
//!   back at the next decision ([`lend`]);
//! - **floor**: the book that PD-ORS itself would follow is always among the competitors while it can still be followed.
//!
//! Restart time is counted: a job that would move must win more than the move costs.

mod book;
mod dispatch;
mod improve;
mod lend;

use rand::{SeedableRng, rngs::ChaCha8Rng};

use self::book::Book;
use super::{Decision, Event, Policy, Setup};
use crate::{
    model::Job,
    pricing::{External, Ledger, PlannerOptions, PriceFunction, PriceRange, Roles},
    state::{JobState, State},
};

/// The policy with its book of plans.
#[derive(Debug)]
pub struct Ours {
    ledger: Ledger,
    options: PlannerOptions,
    book: Book,
    rng: ChaCha8Rng,
    effort: u32,
}

/// Rounds of improvement at every decision.
const EFFORT: u32 = 100;

impl Ours {
    /// With price bounds estimated from the expected jobs.
    pub fn new(setup: &Setup) -> Self {
        let range = PriceRange::estimate(&setup.expected, setup.cluster.total(), &setup.grid, Roles::Pooled);
        let ledger = Ledger::new(&setup.cluster, setup.grid, PriceFunction::new(range));
        // Hundreds of plans are tried at every decision: the greedy external case, which rounding hardly ever beats.
        let options = PlannerOptions { external: External::Greedy, seed: setup.seed, ..setup.planner };
        let effort = std::env::var("EFFORT").ok().and_then(|e| e.parse().ok()).unwrap_or(EFFORT);
        Self {
            book: Book::new(ledger.clone()),
            ledger,
            options,
            rng: ChaCha8Rng::seed_from_u64(setup.seed),
            effort,
        }
    }
}

/// The work that a job is believed to have left: what is known, or, if its length was only estimated and the
/// estimate has run out, half of what it has done so far again.
pub(super) fn remaining(job: &JobState) -> f64 {
    job.remaining
}

/// Worth per share of the cluster that the job's remaining work takes: the order of a knapsack.
pub(super) fn density(job: &Job, work: f64, whole: &crate::Resources) -> f64 {
    let volume = work * job.internal_cost() * job.bundle().dominant_share(whole);
    job.utility.at(0.0) / volume.max(f64::MIN_POSITIVE)
}

impl Policy for Ours {
    fn name(&self) -> &'static str {
        "syncline"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let slot = self.ledger.grid().slot_of(state.now);
        let in_slots = events.iter().any(|event| matches!(event, Event::Slot { .. }));
        if slot >= self.ledger.grid().slots || (!in_slots && dispatch::applies(state)) {
            return dispatch::decide(state);
        }
        let mut fresh = self.ledger.clone();
        for machine in state.cluster.ids().filter(|machine| !state.is_up(*machine)) {
            fresh.close(slot, machine);
        }
        let mut planner = improve::Planner { state, options: &self.options, slot, rng: &mut self.rng };
        let kept = self.book.carried(state, slot, fresh.clone());
        self.book = planner.revise(kept, fresh, self.effort);
        let mut decisions = lend::allocation(&self.book, state, slot).decisions(state);
        if !in_slots && !state.active.is_empty() {
            decisions.push(Decision::WakeAt { time: (slot + 1) as f64 * self.ledger.grid().slot });
        }
        decisions
    }
}
