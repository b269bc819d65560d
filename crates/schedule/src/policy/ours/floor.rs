//! PD-ORS in the shadow, and the promise never to do worse.
//!
//! The shadow decides about every arrival as PD-ORS would alone. A *retreat* is a set of plans for the coming
//! slots that fits into the room which the shadow has reserved there. FLOOR-1: at the beginning of every slot
//! there is a retreat whose utility, with that of the jobs already completed, is at least the utility of all
//! jobs that the shadow has admitted.
//!
//! It holds at the start, where both are nothing. An arrival that the shadow admits adds the same plan, into
//! room that no retreat uses, to both sides. In a slot, either the chosen allocation leaves a retreat for the
//! next one ([`Shadow::certify`] looks for it), or the present retreat runs, to which loans only add. After
//! the last slot only completed jobs are left. So in slots, on every instance with known workloads and without
//! failures, restart times, checkpoint costs and shared links, the utility is at least PD-ORS', whose
//! competitive ratio therefore holds. Elsewhere a slot's work is not what a plan counts on, and there is no
//! shadow.

use std::collections::BTreeMap;

use super::{Book, density, remaining};
use crate::{
    model::{Job, JobId},
    policy::{Allocation, Decision, Event, PdOrs, Setup},
    pricing::{Ledger, Plan, PlannerOptions, Search, SlotGrid},
    state::{State, Status},
};

/// The shadow and the retreat.
#[derive(Debug)]
pub struct Shadow {
    pdors: PdOrs,
    retreat: BTreeMap<JobId, Plan>,
}

impl Shadow {
    /// The same PD-ORS as would run alone.
    pub fn new(setup: &Setup) -> Self {
        Self { pdors: PdOrs::new(setup), retreat: BTreeMap::new() }
    }

    /// Lets it decide about arrivals.
    pub fn observe(&mut self, state: &State, events: &[Event], slot: usize) {
        for event in events {
            let Event::Arrival { job } = event else { continue };
            let decision = self.pdors.admit(state, job, job.believed_workload(), slot);
            if let (Decision::Admit { .. }, Some(plan)) = (decision, self.pdors.plans().get(&job.id)) {
                self.retreat.insert(job.id, plan.clone());
            }
        }
    }

    fn grid(&self) -> &SlotGrid {
        self.pdors.ledger().grid()
    }

    /// Whether FLOOR-1 holds in the next slot if `allocation` runs in this one; if so, its retreat is kept.
    pub fn certify(
        &mut self,
        state: &State,
        options: &PlannerOptions,
        allocation: &Allocation,
        slot: usize,
    ) -> bool {
        let after = After::new(state, allocation, slot, self.grid());
        let promised: f64 = self.pdors.plans().values().map(|plan| plan.utility).sum();
        // What the shadow has reserved is all the room there is.
        let room = self.pdors.ledger().inverse();
        let from_shadow = after.retreat(state, options, self.pdors.plans(), room.clone());
        if after.earned + value(&from_shadow) >= promised * (1.0 - 1e-12) {
            self.retreat = from_shadow;
            return true;
        }
        let from_present = after.retreat(state, options, &self.retreat, room);
        let holds = after.earned + value(&from_present) >= promised * (1.0 - 1e-12);
        if holds {
            self.retreat = from_present;
        }
        holds
    }

    /// The retreat from a slot on.
    pub fn book(&self, state: &State, slot: usize, fresh: Ledger) -> Book {
        let mut book = Book::new(fresh);
        for (id, plan) in self.retreat.iter().filter(|(id, _)| state.job(**id).is_active()) {
            let slots: Vec<_> = plan.slots.iter().filter(|(at, _)| *at >= slot).cloned().collect();
            if !slots.is_empty() {
                book.insert(state, *id, Plan { slots, ..plan.clone() });
            }
        }
        book
    }
}

fn value(plans: &BTreeMap<JobId, Plan>) -> f64 {
    plans.values().map(|plan| plan.utility).sum()
}

/// How things stand after a slot.
struct After {
    /// The next slot.
    next: usize,
    /// Its length in seconds.
    length: f64,
    /// Samples left of the jobs that are not done by then.
    left: BTreeMap<JobId, f64>,
    /// Utility of all that are.
    earned: f64,
}

impl After {
    fn new(state: &State, allocation: &Allocation, slot: usize, grid: &SlotGrid) -> Self {
        let utility = |job: &Job, slot: usize| {
            job.utility.at(grid.hours(slot.saturating_sub(grid.slot_of(job.arrival))))
        };
        let completed = state.jobs.iter().filter(|job| job.status == Status::Completed);
        // A job that ends at the end of a slot has completed in that slot.
        let slot_of = |finished: f64| grid.slot_of(finished).saturating_sub(1);
        let mut earned: f64 =
            completed.filter_map(|job| Some(utility(&job.job, slot_of(job.finished?)))).sum();
        let mut left = BTreeMap::new();
        for job in state.active() {
            let placement = allocation.placements.get(&job.job.id);
            let done = placement.map_or(0.0, |now| state.cluster.rate(&job.job, now) * grid.slot);
            let rest = remaining(job) - done;
            if rest <= job.job.workload * 1e-9 {
                earned += utility(&job.job, slot);
            } else {
                left.insert(job.job.id, rest);
            }
        }
        Self { next: slot + 1, length: grid.slot, left, earned }
    }

    /// Plans in `room`: those of `known` that are not behind, then what else fits, the densest first.
    fn retreat(
        &self,
        state: &State,
        options: &PlannerOptions,
        known: &BTreeMap<JobId, Plan>,
        room: Ledger,
    ) -> BTreeMap<JobId, Plan> {
        let mut book = Book::new(room);
        for (id, left) in &self.left {
            let Some(plan) = known.get(id) else { continue };
            let slots: Vec<_> = plan.slots.iter().filter(|(at, _)| *at >= self.next).cloned().collect();
            let rate = |placement| state.cluster.rate(&state.job(*id).job, placement);
            let work: f64 = slots.iter().map(|(_, placement)| rate(placement) * self.length).sum();
            if *left <= work + 1e-9 * state.job(*id).job.workload {
                book.insert(state, *id, Plan { slots, ..plan.clone() });
            }
        }
        let whole = state.cluster.total();
        let order = |(id, left): (&JobId, &f64)| (density(&state.job(*id).job, *left, whole), *id, *left);
        let mut others: Vec<_> = self.left.iter().map(order).collect();
        others.retain(|(_, id, _)| !book.plans.contains_key(id));
        others.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, id, left) in others {
            let search = Search::new(&state.cluster, &book.ledger, options);
            if let Some(plan) = search.best(&state.job(id).job, left, self.next) {
                book.insert(state, id, plan);
            }
        }
        book.plans
    }
}
