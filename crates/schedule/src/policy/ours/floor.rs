//! PD-ORS in the shadow, and the promise never to do worse.
//!
//! FLOOR-1: at the beginning of every slot, each job that the shadow has admitted and that is not finished
//! has no more work left than the shadow's plan does from that slot on. It holds at admission, where both are
//! the whole work. In a slot, either the chosen allocation keeps it for the next one, or the shadow's own
//! placements run, to which loans only add. The shadow's placements always fit together, as they come from
//! its ledger. So every such job completes no later than under PD-ORS.

use super::{Book, remaining};
use crate::{
    model::{Job, JobId},
    policy::{Allocation, Event, PdOrs, Setup},
    pricing::{Ledger, Plan},
    state::State,
};

/// The shadow.
#[derive(Debug)]
pub struct Shadow {
    pdors: PdOrs,
}

impl Shadow {
    /// The same PD-ORS as would run alone.
    pub fn new(setup: &Setup) -> Self {
        Self { pdors: PdOrs::new(setup) }
    }

    /// Lets it decide about arrivals.
    pub fn observe(&mut self, state: &State, events: &[Event], slot: usize) {
        for event in events {
            if let Event::Arrival { job } = event {
                self.pdors.admit(state, job, job.believed_workload(), slot);
            }
        }
    }

    fn plans<'a>(&'a self, state: &'a State) -> impl Iterator<Item = (JobId, &'a Plan)> {
        self.pdors.plans().iter().filter(|(id, _)| state.job(**id).is_active()).map(|(id, plan)| (*id, plan))
    }

    /// Whether FLOOR-1 still holds in the next slot if `allocation` runs in this one.
    pub fn can_follow(&self, state: &State, allocation: &Allocation, slot: usize) -> bool {
        let length = self.pdors.ledger().grid().slot;
        self.plans(state).all(|(id, plan)| {
            let job = state.job(id);
            let now = allocation
                .placements
                .get(&id)
                .map_or(0.0, |placement| state.cluster.rate(&job.job, placement));
            let later = work_from(state, &job.job, plan, slot + 1, length);
            remaining(job) - now * length <= later + 1e-9 * job.job.workload
        })
    }

    /// What is left of its plans.
    pub fn book(&self, state: &State, slot: usize, fresh: Ledger) -> Book {
        let mut book = Book::new(fresh);
        for (id, plan) in self.plans(state) {
            let slots: Vec<_> = plan.slots.iter().filter(|(at, _)| *at >= slot).cloned().collect();
            if !slots.is_empty() {
                book.insert(state, id, Plan { slots, ..plan.clone() });
            }
        }
        book
    }
}

/// Samples that a plan processes from a slot on.
fn work_from(state: &State, job: &Job, plan: &Plan, slot: usize, length: f64) -> f64 {
    let later = plan.slots.iter().filter(|(at, _)| *at >= slot);
    later.map(|(_, placement)| state.cluster.rate(job, placement) * length).sum()
}
