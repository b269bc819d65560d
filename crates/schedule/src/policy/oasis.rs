//! OASiS: online job scheduling with separate machines for workers and parameter servers (Bao, Peng, Wu, Li;
//! arXiv 1801.00936), the predecessor that PD-ORS compares with.
//!
//! The same admission by price, but two pools with their own price bounds, no one-machine case and greedy
//! placement (which is optimal there, theorem 1). In the comparison, half of the machines take each role and
//! the speed is that of the external link.

use std::collections::BTreeMap;

use super::{Allocation, Decision, Event, Policy, Setup};
use crate::{
    model::{JobId, Resources},
    pricing::{External, Ledger, Locality, Plan, PlannerOptions, PriceFunction, PriceRange, Roles, Search},
    state::State,
};

/// The policy with its reservations.
#[derive(Debug, Clone)]
pub struct Oasis {
    /// Prices of the workers' machines; those of the servers' machines are kept beside.
    ledger: Ledger,
    workers: usize,
    options: PlannerOptions,
    plans: BTreeMap<JobId, Plan>,
}

impl Oasis {
    /// With the first half of the machines for workers.
    pub fn new(setup: &Setup) -> Self {
        let machines = setup.cluster.machines();
        let workers = (machines.len() / 2).max(1);
        let pool = |range: std::ops::Range<usize>| {
            machines[range].iter().fold(Resources::default(), |sum, machine| sum.plus(&machine.capacity))
        };
        let bounds = |capacity: &Resources, roles| {
            PriceRange::with_late(&setup.expected, capacity, &setup.grid, roles, setup.planner.late)
        };
        let hired = PriceFunction::new(bounds(&pool(0..workers), Roles::Workers));
        let served = PriceFunction::new(bounds(&pool(workers..machines.len()), Roles::Servers));
        let ledger = Ledger::new(&setup.cluster, setup.grid, hired).with_pool(workers, served);
        let options = PlannerOptions {
            external: External::Greedy,
            locality: Locality::Blind,
            seed: setup.seed,
            ..setup.planner
        };
        Self { ledger, workers, options, plans: BTreeMap::new() }
    }
}

impl Policy for Oasis {
    fn name(&self) -> &'static str {
        "oasis"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        let slot = self.ledger.grid().slot_of(state.now);
        let mut decisions = Vec::new();
        for event in events {
            let Event::Arrival { job } = event else { continue };
            let plan = Search::new(&state.cluster, &self.ledger, &self.options).split(self.workers);
            let plan = plan.best(job, job.believed_workload(), slot).filter(|plan| plan.payoff() > 0.0);
            decisions.push(match plan {
                None => {
                    Decision::Reject { job: job.id, reason: "no schedule pays at the posted prices".into() }
                }
                Some(plan) => {
                    plan.slots.iter().for_each(|(slot, placement)| self.ledger.take(*slot, job, placement));
                    self.plans.insert(job.id, plan);
                    Decision::Admit { job: job.id }
                }
            });
        }
        let mut allocation = Allocation::empty(state);
        for (id, plan) in self.plans.iter().filter(|(id, _)| state.job(**id).is_active()) {
            let now = plan.slots.iter().find(|(at, _)| *at == slot);
            if let Some((_, placement)) = now {
                let job = &state.job(*id).job;
                if allocation.fits(job, placement) {
                    allocation.place(job, placement);
                }
            }
        }
        decisions.extend(allocation.decisions(state));
        decisions
    }
}
