//! OASiS: online job scheduling with separate machines for workers and parameter servers (Bao, Peng, Wu, Li;
//! arXiv 1801.00936), the predecessor that PD-ORS compares with.
//!
//! The same admission by price, but two pools with their own price bounds, no one-machine case and greedy
//! placement (which is optimal there, theorem 1). In the comparison, half of the machines take each role and
//! the speed is that of the external link.

use serde_json::Value;

use super::{Decision, Event, PdOrs, Policy, Setup};
use crate::{
    error::Result,
    model::Resources,
    pricing::{External, Ledger, Locality, PlannerOptions, PriceFunction, PriceRange, Roles},
    state::State,
};

/// PD-ORS' admission over two pools of machines.
#[derive(Debug, Clone)]
pub struct Oasis(PdOrs);

impl Oasis {
    /// With the first half of the machines for workers.
    pub fn new(setup: &Setup) -> Self {
        let machines = setup.cluster.machines();
        let workers = (machines.len() / 2).max(1);
        let pool = |range: std::ops::Range<usize>| {
            machines[range].iter().fold(Resources::default(), |sum, machine| sum.plus(&machine.capacity))
        };
        let expected = setup.cluster.at_best_speed(&setup.expected);
        let bounds = |capacity: &Resources, roles| {
            PriceRange::with_late(&expected, capacity, &setup.grid, roles, setup.planner.late)
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
        Self(PdOrs::on(ledger, options, Some(workers)))
    }
}

impl Policy for Oasis {
    fn name(&self) -> &'static str {
        "oasis"
    }

    fn decide(&mut self, state: &State, events: &[Event]) -> Vec<Decision> {
        self.0.decide(state, events)
    }

    fn save(&self) -> Result<Value> {
        self.0.save()
    }

    fn load(&mut self, saved: Value) -> Result<()> {
        self.0.load(saved)
    }
}
