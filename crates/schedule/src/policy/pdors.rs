//! PD-ORS: primal-dual online resource scheduling (algorithm 1).
//!
//! Every machine has a price per slot that rises with what is reserved on it. An arriving job looks for its
//! best schedule at these prices; if its utility exceeds the cost it is admitted and its schedule reserved,
//! else it is turned down. A plan changes only when a failure, a restart or a late start leaves work over at its end:
//! the rest is planned again. Invariant: what is admitted is never turned down later; it waits for room if need be.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Allocation, Decision, Event, Packing, Policy, Setup, saved};
use crate::{
    error::{Error, Result},
    explain::{Explanation, Question},
    model::{Job, JobId, MachineId, Placement, Resources},
    pricing::{Ledger, Plan, PlannerOptions, PriceFunction, PriceRange, Search, SlotGrid},
    state::{State, Status},
};

/// What changes while it decides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    taken: Vec<(usize, Resources)>,
    plans: BTreeMap<JobId, Plan>,
    waiting: BTreeSet<JobId>,
    slot: usize,
}

/// The policy with its reservations.
#[derive(Debug, Clone)]
pub struct PdOrs {
    ledger: Ledger,
    options: PlannerOptions,
    plans: BTreeMap<JobId, Plan>,
    /// Admitted jobs that have lost their plan, and for whose rest there is no room yet.
    waiting: BTreeSet<JobId>,
    /// Machines before this take workers and the others servers; none: any machine takes both.
    split: Option<usize>,
    slot: usize,
}

impl PdOrs {
    /// With price bounds estimated from the expected jobs.
    pub fn new(setup: &Setup) -> Self {
        let range = PriceRange::of(&setup.cluster, &setup.expected, &setup.grid, setup.planner.late);
        let ledger = Ledger::new(&setup.cluster, setup.grid, PriceFunction::new(range));
        Self::on(ledger, PlannerOptions { seed: setup.seed, ..setup.planner }, None)
    }

    /// On a ledger with its prices; with `split`, machines before it take workers and the others servers.
    pub(super) fn on(ledger: Ledger, options: PlannerOptions, split: Option<usize>) -> Self {
        Self { ledger, options, plans: BTreeMap::new(), waiting: BTreeSet::new(), split, slot: 0 }
    }

    /// Sets room aside beside the plans.
    pub fn set_aside(&mut self, slot: usize, machine: MachineId, amount: &Resources) {
        self.ledger.set_aside(slot, machine, amount);
    }

    fn best(&self, state: &State, job: &Job, work: f64, from: usize) -> Option<Plan> {
        let search = Search::new(&state.cluster, &self.ledger, &self.options);
        let search = if let Some(workers) = self.split { search.split(workers) } else { search };
        search.best(job, work, from)
    }

    fn reserve(&mut self, job: &Job, plan: Plan) {
        for (slot, placement) in &plan.slots {
            self.ledger.take(*slot, job, placement);
        }
        self.plans.insert(job.id, plan);
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
        let plan = self.best(state, job, work, from);
        let reject = |reason: String| Decision::Reject { job: job.id, reason };
        match plan {
            None if from >= self.grid().slots => reject(format!(
                "it arrives after the last of the {} slots that are planned; plan more slots",
                self.grid().slots
            )),
            None => reject("its work does not fit into the slots ahead beside what is reserved".into()),
            Some(plan) if plan.payoff() <= 0.0 => reject(format!(
                "its best utility {:.3} does not cover the price {:.3}",
                plan.utility, plan.cost
            )),
            Some(plan) => {
                self.reserve(job, plan);
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
    fn replan(&mut self, state: &State, machine: MachineId) {
        let uses = |placement: &Placement| placement.shares().iter().any(|share| share.machine == machine);
        let slot = self.slot;
        let hit = |plan: &Plan| plan.slots.iter().any(|(at, placement)| *at >= slot && uses(placement));
        let victims: Vec<JobId> =
            self.plans.iter().filter(|(_, plan)| hit(plan)).map(|(id, _)| *id).collect();
        for id in &victims {
            self.release(&state.job(*id).job, slot);
        }
        self.ledger.close(slot, machine);
        victims.iter().for_each(|id| self.again(state, *id));
    }

    /// Plans the rest of an admitted job at whatever price, since it was promised to run; without room it waits.
    fn again(&mut self, state: &State, id: JobId) {
        let job = state.job(id);
        match self.best(state, &job.job, job.believed_left(), self.slot) {
            Some(plan) => self.reserve(&job.job, plan),
            None => {
                self.waiting.insert(id);
            }
        }
    }

    /// Jobs whose plan is over but whose work is not (restart and checkpoint times were lost).
    fn overdue(&self, state: &State) -> Vec<JobId> {
        let over = |id: &JobId, plan: &Plan| plan.completion < self.slot && state.job(*id).is_active();
        self.plans.iter().filter(|(id, plan)| over(id, plan)).map(|(id, _)| *id).collect()
    }

    fn allocation(&self, state: &State) -> Allocation {
        if self.slot >= self.grid().slots {
            return self.beyond(state);
        }
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

    /// After the last slot that is planned: what was admitted runs wherever there is room.
    fn beyond(&self, state: &State) -> Allocation {
        let mut allocation = Allocation::present(state);
        for job in state.active().filter(|job| job.admitted && job.status == Status::Pending) {
            Packing::Anywhere.place(&mut allocation, &job.job, job.job.workers.min);
        }
        allocation
    }

    /// Between events nobody else would begin the next slot.
    fn wake(&self, state: &State, events: &[Event]) -> Option<Decision> {
        let in_slots = events.iter().any(|event| matches!(event, Event::Slot { .. }));
        let planned = self.plans.keys().chain(&self.waiting).any(|id| state.job(*id).is_active());
        let time = self.grid().begin(self.slot + 1);
        (!in_slots && planned && self.slot < self.grid().slots).then_some(Decision::WakeAt { time })
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
                Event::Completion { job, .. } | Event::Withdrawal { job } => {
                    self.waiting.remove(job);
                    self.release(&state.job(*job).job, self.slot);
                }
                Event::Recovery { machine } => self.ledger.reopen(self.slot, *machine),
                Event::Failure { machine } => self.replan(state, *machine),
                _ => {}
            }
        }
        let mut unplanned: BTreeSet<JobId> = std::mem::take(&mut self.waiting);
        unplanned.extend(self.overdue(state));
        for id in unplanned {
            self.plans.remove(&id);
            self.again(state, id);
        }
        for event in events {
            if let Event::Arrival { job } = event {
                decisions.push(self.admit(state, job, job.believed_workload(), self.slot));
            }
        }
        decisions.extend(self.allocation(state).decisions(state));
        decisions.extend(self.wake(state, events));
        decisions
    }

    fn explain(&self, state: &State, job: JobId) -> Option<Explanation> {
        let job = state.job(job);
        let mut before = self.clone();
        before.release(&job.job, self.slot);
        let question = Question {
            cluster: &state.cluster,
            ledger: &before.ledger,
            options: &self.options,
            job: &job.job,
            work: job.job.believed_workload(),
            from: self.slot,
        };
        Some(question.at_a_price())
    }

    fn save(&self) -> Result<Value> {
        saved::save(&Saved {
            taken: self.ledger.taken(),
            plans: self.plans.clone(),
            waiting: self.waiting.clone(),
            slot: self.slot,
        })
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        let saved: Saved = saved::load(saved)?;
        if !self.ledger.restore(&saved.taken) {
            return Err(Error::Saved("its slots or machines are others".into()));
        }
        (self.plans, self.waiting, self.slot) = (saved.plans, saved.waiting, saved.slot);
        Ok(())
    }
}
