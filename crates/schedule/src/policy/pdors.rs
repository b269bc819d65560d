//! PD-ORS: primal-dual online resource scheduling (algorithm 1).
//!
//! Every machine has a price per slot that rises with what is reserved on it. An arriving job looks for its
//! best schedule at these prices; if its utility exceeds the cost it is admitted and its schedule reserved,
//! else it is turned down. A plan changes only when a failure or a restart leaves work over at its end: the
//! rest is planned again.

use std::collections::BTreeMap;

use super::{Allocation, Decision, Event, Policy, Setup};
use crate::{
    model::{Job, JobId, MachineId, Placement},
    pricing::{Ledger, Plan, PlannerOptions, PriceFunction, PriceRange, Roles, Search, SlotGrid},
    state::State,
};

/// The policy with its reservations.
#[derive(Debug, Clone)]
pub struct PdOrs {
    ledger: Ledger,
    options: PlannerOptions,
    plans: BTreeMap<JobId, Plan>,
    slot: usize,
}

impl PdOrs {
    /// With price bounds estimated from the expected jobs.
    pub fn new(setup: &Setup) -> Self {
        let (jobs, late) = (&setup.expected, setup.planner.late);
        let range = PriceRange::with_late(jobs, setup.cluster.total(), &setup.grid, Roles::Pooled, late);
        let ledger = Ledger::new(&setup.cluster, setup.grid, PriceFunction::new(range));
        Self {
            ledger,
            options: PlannerOptions { seed: setup.seed, ..setup.planner },
            plans: BTreeMap::new(),
            slot: 0,
        }
    }

    /// The reservations and prices.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The plans of admitted jobs.
    pub fn plans(&self) -> &BTreeMap<JobId, Plan> {
        &self.plans
    }

    fn grid(&self) -> &SlotGrid {
        self.ledger.grid()
    }

    /// Plans `work` samples of `job` from `from` on and reserves it if it pays.
    pub fn admit(&mut self, state: &State, job: &Job, work: f64, from: usize) -> Decision {
        let plan = Search::new(&state.cluster, &self.ledger, &self.options).best(job, work, from);
        let reject = |reason: String| Decision::Reject { job: job.id, reason };
        match plan {
            None => reject("its work does not fit into the horizon beside what is reserved".into()),
            Some(plan) if plan.payoff() <= 0.0 => reject(format!(
                "its best utility {:.3} does not cover the price {:.3}",
                plan.utility, plan.cost
            )),
            Some(plan) => {
                for (slot, placement) in &plan.slots {
                    self.ledger.take(*slot, job, placement);
                }
                self.plans.insert(job.id, plan);
                Decision::Admit { job: job.id }
            }
        }
    }

    fn release(&mut self, job: &Job, from: usize) {
        if let Some(plan) = self.plans.remove(&job.id) {
            for (slot, placement) in plan.slots.iter().filter(|(slot, _)| *slot >= from) {
                self.ledger.give(*slot, job, placement);
            }
        }
    }

    /// After a failure: the machine offers nothing any more, plans that used it are made again.
    fn replan(&mut self, state: &State, machine: MachineId) -> Vec<Decision> {
        let uses = |placement: &Placement| placement.shares().iter().any(|share| share.machine == machine);
        let slot = self.slot;
        let hit = |plan: &Plan| plan.slots.iter().any(|(at, placement)| *at >= slot && uses(placement));
        let victims: Vec<JobId> =
            self.plans.iter().filter(|(_, plan)| hit(plan)).map(|(id, _)| *id).collect();
        for id in &victims {
            self.release(&state.job(*id).job, slot);
        }
        self.ledger.close(slot, machine);
        victims.iter().map(|id| self.again(state, *id)).collect()
    }

    fn again(&mut self, state: &State, id: JobId) -> Decision {
        let job = state.job(id);
        self.admit(state, &job.job, job.believed_left(), self.slot)
    }

    /// Jobs whose plan is over but whose work is not (restart and checkpoint times were lost).
    fn overdue(&self, state: &State) -> Vec<JobId> {
        let over = |id: &JobId, plan: &Plan| plan.completion < self.slot && state.job(*id).is_active();
        self.plans.iter().filter(|(id, plan)| over(id, plan)).map(|(id, _)| *id).collect()
    }

    fn allocation(&self, state: &State) -> Allocation {
        let mut allocation = Allocation::empty(state);
        for (id, plan) in &self.plans {
            let job = state.job(*id);
            let now = plan.slots.iter().find(|(slot, _)| *slot == self.slot);
            if let Some((_, placement)) = now.filter(|_| job.is_active()) {
                allocation.place(&job.job, placement);
            }
        }
        allocation
    }
}

impl Policy for PdOrs {
    fn name(&self) -> &'static str {
        "pd-ors"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        self.slot = self.grid().slot_of(state.now);
        let mut decisions = Vec::new();
        for event in events {
            match event {
                Event::Completion { job } => self.release(&state.job(*job).job, self.slot),
                Event::Recovery { machine } => self.ledger.reopen(self.slot, *machine),
                Event::Failure { machine } => decisions.extend(self.replan(state, *machine)),
                _ => {}
            }
        }
        for id in self.overdue(state) {
            self.plans.remove(&id);
            decisions.push(self.again(state, id));
        }
        for event in events {
            if let Event::Arrival { job } = event {
                decisions.push(self.admit(state, job, job.believed_workload(), self.slot));
            }
        }
        decisions.extend(self.allocation(state).decisions(state));
        decisions
    }
}
