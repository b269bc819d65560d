//! Plans of many jobs that fit together.
//!
//! Invariant: the ledger is exactly the sum of the plans, so a plan can be taken out and another put in.

use std::collections::BTreeMap;

use super::remaining;
use crate::{
    model::{JobId, Placement},
    pricing::{Ledger, Plan},
    state::State,
};

/// Plans and what they reserve.
#[derive(Debug, Clone)]
pub struct Book {
    /// The reservations.
    pub ledger: Ledger,
    /// The plans.
    pub plans: BTreeMap<JobId, Plan>,
}

impl Book {
    /// No plans on a ledger without reservations.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, plans: BTreeMap::new() }
    }

    /// The sum of the utilities that the plans promise.
    pub fn value(&self) -> f64 {
        self.plans.values().map(|plan| plan.utility).sum()
    }

    /// Puts a plan in.
    pub fn insert(&mut self, state: &State, id: JobId, plan: Plan) {
        let job = &state.job(id).job;
        for (slot, placement) in &plan.slots {
            self.ledger.take(*slot, job, placement);
        }
        self.plans.insert(id, plan);
    }

    /// Takes a plan out.
    pub fn remove(&mut self, state: &State, id: JobId) -> Option<Plan> {
        let plan = self.plans.remove(&id)?;
        let job = &state.job(id).job;
        for (slot, placement) in &plan.slots {
            self.ledger.give(*slot, job, placement);
        }
        Some(plan)
    }

    /// What is left of the plans from `slot` on, for jobs still active, on a fresh ledger; plans that end
    /// without finishing the work, or that use a machine that is down, are dropped.
    pub fn carried(&self, state: &State, slot: usize, fresh: Ledger) -> Self {
        let mut book = Self::new(fresh);
        let grid = *book.ledger.grid();
        for (id, plan) in self.plans.iter().filter(|(id, _)| state.job(**id).is_active()) {
            let job = state.job(*id);
            let up =
                |placement: &Placement| placement.shares().iter().all(|share| state.is_up(share.machine));
            let slots = plan.slots.iter().filter(|(at, placement)| *at >= slot && up(placement));
            let mut rest = Plan { slots: slots.cloned().collect(), ..plan.clone() };
            if rest.settle(&state.cluster, &job.job, &grid, remaining(job)) {
                book.insert(state, *id, rest);
            }
        }
        book
    }
}
