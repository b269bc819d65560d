//! Plans of many jobs that fit together.
//!
//! Invariant: the ledger is exactly the sum of the plans, so a plan can be taken out and another put in.

use std::collections::BTreeMap;

use super::remaining;
use crate::{
    model::JobId,
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
            let mut left = remaining(job);
            let mut rest = Plan { slots: Vec::new(), ..plan.clone() };
            for (at, placement) in plan.slots.iter().filter(|(at, _)| *at >= slot) {
                let up = placement.shares().iter().all(|share| state.is_up(share.machine));
                if !up || left <= job.job.workload * 1e-9 {
                    continue;
                }
                left -= state.cluster.rate(&job.job, placement) * grid.slot;
                rest.completion = *at;
                rest.slots.push((*at, placement.clone()));
            }
            if left <= job.job.workload * 1e-9 && !rest.slots.is_empty() {
                let elapsed = rest.completion.saturating_sub(grid.slot_of(job.job.arrival));
                rest.utility = job.job.utility.at(grid.hours(elapsed));
                book.insert(state, *id, rest);
            }
        }
        book
    }
}
