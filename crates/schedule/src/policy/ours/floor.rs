//! PD-ORS in the shadow, and its guarantee kept.
//!
//! The shadow decides about every arrival as PD-ORS would. A *retreat* is a set of plans for the coming slots that fits
//! into the room which the shadow has reserved there. FLOOR-1: at the beginning of every slot there is a retreat whose
//! utility, with that of the jobs already completed, is at least the utility of all jobs that the shadow has admitted.
//!
//! It holds at the start, where both are nothing. An arrival that the shadow admits adds the same plan, into
//! room that no retreat uses, to both sides. In a slot, either the chosen allocation leaves a retreat for the
//! next one ([`Shadow::certify`] looks for it), or the present retreat runs, to which loans only add. After
//! the last slot only completed jobs are left.
//!
//! A retreat may need room that the shadow has not reserved: jobs that were put off end later. Then the shadow sets that
//! room aside too, at its posted prices, FLOOR-2: what is paid for moves is never more than `1 - 1 / max(1, ln U / L)` of
//! what the admitted jobs gained (their utility less their price). In the proof of the competitive ratio an admitted
//! job raises the dual by `gain + max(1, ln U / L) price`, and a move by `max(1, ln U / L)` times its price; under FLOOR-2 the
//! sum is still at most `max(1, ln U / L)` times the utility of the admitted jobs, which is all that the proof uses, so
//! the ratio is PD-ORS' own. Room set aside is not given back: prices never fall.
//!
//! So in slots, on every instance with known workloads and without failures, restart times, checkpoint costs and
//! shared links, the competitive guarantee of PD-ORS holds. The utility of a PD-ORS that runs alone is not a bound on
//! each single instance: once room was set aside the shadow may turn down what that would have taken. Elsewhere a slot's work
//! is not what a plan counts on, and there is no shadow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Book, density, remaining};
use crate::{
    Resources,
    error::Result,
    model::{JobId, MachineId},
    policy::{Allocation, Decision, Event, PdOrs, Policy, Setup, saved},
    pricing::{Ledger, Plan, PlannerOptions, Search, SlotGrid},
    state::{JobState, State, Status},
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    pdors: Value,
    retreat: BTreeMap<JobId, Plan>,
    spent: f64,
}

/// The shadow and the retreat.
#[derive(Debug)]
pub struct Shadow {
    pdors: PdOrs,
    retreat: BTreeMap<JobId, Plan>,
    /// What moves have cost.
    spent: f64,
}

impl Shadow {
    /// The same PD-ORS as would run alone.
    pub fn new(setup: &Setup) -> Self {
        Self { pdors: PdOrs::new(setup), retreat: BTreeMap::new(), spent: 0.0 }
    }

    /// What changes while it decides.
    pub fn save(&self) -> Result<Value> {
        let (retreat, spent) = (self.retreat.clone(), self.spent);
        saved::save(&Saved { pdors: self.pdors.save()?, retreat, spent })
    }

    /// Goes on from that.
    pub fn load(&mut self, saved: Value) -> Result<()> {
        let Saved { pdors, retreat, spent } = saved::load(saved)?;
        (self.retreat, self.spent) = (retreat, spent);
        self.pdors.load(pdors)
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
        wished: &Book,
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
        if after.earned + value(&from_present) >= promised * (1.0 - 1e-12) {
            self.retreat = from_present;
            return true;
        }
        self.move_to(state, &after, wished, promised)
    }

    /// Makes a retreat of as few of the wished plans as keep the promise, if what they take beyond the reserved room can
    /// be paid for.
    fn move_to(&mut self, state: &State, after: &After, wished: &Book, promised: f64) -> bool {
        let mut room = self.pdors.ledger().inverse();
        let mut plans: Vec<(f64, JobId, Plan)> = Vec::new();
        for (id, left) in &after.left {
            if let Some(plan) = wished.plans.get(id).and_then(|plan| after.rest(state, *id, plan, *left)) {
                let price = self.price(&self.beyond(state, &room, *id, &plan));
                plans.push((price / plan.utility.max(f64::MIN_POSITIVE), *id, plan));
            }
        }
        plans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut retreat, mut extra) = (BTreeMap::new(), Vec::new());
        let mut worth = after.earned;
        for (_, id, plan) in plans {
            if worth >= promised * (1.0 - 1e-12) {
                break;
            }
            extra.extend(self.beyond(state, &room, id, &plan));
            for (slot, placement) in &plan.slots {
                room.take(*slot, &state.job(id).job, placement);
            }
            worth += plan.utility;
            retreat.insert(id, plan);
        }
        let price = self.price(&extra);
        if worth < promised * (1.0 - 1e-12) || self.spent + price > self.budget() {
            return false;
        }
        self.spent += price;
        for Extra { slot, machine, amount } in extra {
            self.pdors.set_aside(slot, machine, &amount);
        }
        self.retreat = retreat;
        true
    }

    /// What a plan takes beyond `room`.
    fn beyond(&self, state: &State, room: &Ledger, id: JobId, plan: &Plan) -> Vec<Extra> {
        let job = &state.job(id).job;
        let over = |need: f64, free: f64| (need - free.max(0.0)).max(0.0);
        let shares = plan
            .slots
            .iter()
            .flat_map(|(slot, placement)| placement.shares().iter().map(move |share| (*slot, share)));
        let extra = shares.map(|(slot, share)| {
            let (demand, free) = (share.demand(job), room.free(slot, share.machine));
            let mut amount = *demand.as_array();
            for (amount, free) in amount.iter_mut().zip(free.as_array()) {
                *amount = over(*amount, *free);
            }
            Extra { slot, machine: share.machine, amount: Resources::from_array(amount) }
        });
        extra.filter(|extra| !extra.amount.is_zero()).collect()
    }

    /// At the posted prices.
    fn price(&self, extra: &[Extra]) -> f64 {
        let ledger = self.pdors.ledger();
        extra.iter().map(|extra| extra.amount.dot(ledger.prices(extra.slot, extra.machine))).sum()
    }

    /// FLOOR-2.
    fn budget(&self) -> f64 {
        let gained: f64 = self.pdors.plans().values().map(Plan::payoff).sum();
        gained * (1.0 - 1.0 / self.pdors.ledger().function().range().log_ratio())
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

/// An amount on one machine in one slot.
struct Extra {
    slot: usize,
    machine: MachineId,
    amount: Resources,
}

fn value(plans: &BTreeMap<JobId, Plan>) -> f64 {
    plans.values().map(|plan| plan.utility).sum()
}

/// How things stand after a slot.
struct After {
    /// The next slot.
    next: usize,
    /// The slots.
    grid: SlotGrid,
    /// Samples left of the jobs that are not done by then.
    left: BTreeMap<JobId, f64>,
    /// Utility of all that are.
    earned: f64,
}

impl After {
    fn new(state: &State, allocation: &Allocation, slot: usize, grid: &SlotGrid) -> Self {
        let utility = |job: &JobState, slot: usize, finish: f64| {
            job.job.utility.at(grid.elapsed_hours(job.job.arrival, slot, finish))
        };
        let completed = state.jobs.iter().filter(|job| job.status == Status::Completed);
        // A job that ends at the end of a slot has completed in that slot.
        let slot_of = |finished: f64| grid.slot_of(finished).saturating_sub(1);
        let mut earned: f64 = completed
            .filter_map(|job| job.finished.map(|finished| utility(job, slot_of(finished), finished)))
            .sum();
        let mut left = BTreeMap::new();
        for job in state.active() {
            let placement = allocation.placements.get(&job.job.id);
            let rate = placement.map_or(0.0, |now| state.cluster.rate(&job.job, now));
            let rest = remaining(job) - rate * grid.slot;
            if rest <= job.job.workload * 1e-9 {
                earned += utility(job, slot, grid.begin(slot) + (remaining(job) / rate).min(grid.slot));
            } else {
                left.insert(job.job.id, rest);
            }
        }
        Self { next: slot + 1, grid: *grid, left, earned }
    }

    /// What is left of a plan, if it still does the `left` samples.
    fn rest(&self, state: &State, id: JobId, plan: &Plan, left: f64) -> Option<Plan> {
        let slots = plan.slots.iter().filter(|(at, _)| *at >= self.next).cloned().collect();
        let mut rest = Plan { slots, ..plan.clone() };
        rest.settle(&state.cluster, &state.job(id).job, &self.grid, left).then_some(rest)
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
            if let Some(plan) = known.get(id).and_then(|plan| self.rest(state, *id, plan, *left)) {
                book.insert(state, *id, plan);
            }
        }
        let order =
            |(id, left): (&JobId, &f64)| (density(&state.job(*id).job, *left, &state.cluster), *id, *left);
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
