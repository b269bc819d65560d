//! Plans of many jobs that fit together.
//!
//! Invariant: the ledger is exactly the sum of the plans, so a plan can be taken out and another put in.

use std::collections::BTreeMap;

use super::remaining;
use crate::{
    model::{Job, JobId, Placement, Share},
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

    /// Whether a plan fits beside the others.
    fn has_room(&self, job: &Job, plan: &Plan) -> bool {
        plan.slots.iter().all(|(slot, placement)| {
            let fits = |share: &Share| self.ledger.free(*slot, share.machine).fits(&share.demand(job));
            placement.shares().iter().all(fits)
        })
    }

    /// Nothing but the jobs that must stay as they are, from `slot` on until their work is done.
    pub fn of_those_that_stay(state: &State, slot: usize, fresh: Ledger) -> Self {
        let mut book = Self::new(fresh);
        let grid = *book.ledger.grid();
        for job in state.active().filter(|job| job.is_kept()) {
            let slots: Vec<_> = (slot..grid.slots).map(|at| (at, job.placement.clone())).collect();
            // One that is not done before the last slot is worth nothing, and there all the same.
            let (completion, finish) = (grid.slots - 1, f64::INFINITY);
            let mut plan = Plan { slots, completion, cost: 0.0, finish, utility: 0.0 };
            plan.settle(&state.cluster, &job.job, &grid, remaining(job));
            book.insert(state, job.job.id, plan);
        }
        book
    }

    /// What is left of the plans from `slot` on, for jobs still active, beside those of `stay`; plans that end
    /// without finishing the work, that use a machine that is down, or the room of those that stay, are dropped.
    pub fn carried(&self, state: &State, slot: usize, stay: Self) -> Self {
        let someone_stays = !stay.plans.is_empty();
        let mut book = stay;
        let grid = *book.ledger.grid();
        for (id, plan) in self.plans.iter().filter(|(id, _)| state.job(**id).is_active()) {
            if book.plans.contains_key(id) {
                continue;
            }
            let job = state.job(*id);
            let up =
                |placement: &Placement| placement.shares().iter().all(|share| state.is_up(share.machine));
            let slots = plan.slots.iter().filter(|(at, placement)| *at >= slot && up(placement));
            let mut rest = Plan { slots: slots.cloned().collect(), ..plan.clone() };
            let done = rest.settle(&state.cluster, &job.job, &grid, remaining(job));
            // Plans of one book fit together; only those that stay may have come to stay for longer than planned.
            if done && (!someone_stays || book.has_room(&job.job, &rest)) {
                book.insert(state, *id, rest);
            }
        }
        book
    }
}
