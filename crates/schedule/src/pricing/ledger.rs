//! What is reserved on every machine in every future slot, and what the rest costs.
//!
//! Invariant: no reservation exceeds a capacity; [`Ledger::take`] is only given what [`Ledger::free`] shows.

use std::{cell::RefCell, rc::Rc};

use serde::{Deserialize, Serialize};

use super::{
    PriceFunction,
    market::{Host, Stock},
    shelf::{Shape, Shelves},
};
use crate::{
    error::{Error, Result},
    model::{Cluster, Job, MachineId, Placement, Resources},
};

/// How time within a slot counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Times {
    /// As on a clock: a job that arrives within a slot is decided when the next one begins, and it is complete when
    /// its work is done.
    #[default]
    Real,
    /// The papers': arrivals and completions are whole slots. A job is decided at the beginning of the slot in which it
    /// arrives, and one that completes in that slot has taken no time at all.
    Paper,
}

/// Time cut into slots of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SlotGrid {
    /// Length of a slot in seconds.
    pub slot: f64,
    /// The number of slots T.
    pub slots: usize,
    /// How time within a slot counts.
    #[serde(default)]
    pub times: Times,
}

impl SlotGrid {
    /// The most slots: planners keep the prices of every machine in each of them.
    pub const MOST: usize = 100_000;

    /// `slots` slots of `slot` seconds with real times.
    pub fn new(slot: f64, slots: usize) -> Self {
        Self { slot, slots, times: Times::Real }
    }

    /// The same with the papers' times.
    pub fn paper(slot: f64, slots: usize) -> Self {
        Self { times: Times::Paper, ..Self::new(slot, slots) }
    }

    /// Refuses a grid without slots or length, or with more than [`SlotGrid::MOST`].
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn validate(&self) -> Result<()> {
        let invalid = |field: &str, found: String, wanted| {
            Err(Error::Invalid { subject: "the slots".into(), field: field.into(), found, wanted })
        };
        if self.slots == 0 || self.slots > Self::MOST {
            return invalid("number", self.slots.to_string(), "it is from 1 to 100000");
        }
        if !(self.slot.is_finite() && self.slot > 0.0) {
            return invalid("length in seconds", self.slot.to_string(), "it is a positive number");
        }
        Ok(())
    }

    /// The slot that `time` (seconds) falls in.
    pub fn slot_of(&self, time: f64) -> usize {
        (time / self.slot + 1e-9).floor().max(0.0) as usize
    }

    /// When a slot begins, in seconds.
    pub fn begin(&self, slot: usize) -> f64 {
        slot as f64 * self.slot
    }

    /// The first slot in which a job that arrives at `arrival` (seconds) may run.
    pub fn first_slot(&self, arrival: f64) -> usize {
        match self.times {
            Times::Real => (arrival / self.slot - 1e-9).ceil().max(0.0) as usize,
            Times::Paper => self.slot_of(arrival),
        }
    }

    /// Hours in `slots` slots.
    pub fn hours(&self, slots: usize) -> f64 {
        slots as f64 * self.slot / 3600.0
    }

    /// The argument of the utility of a job that arrived at `arrival` and completes in `slot`, its work being done at
    /// `finish` (both in seconds).
    pub fn elapsed_hours(&self, arrival: f64, slot: usize, finish: f64) -> f64 {
        match self.times {
            Times::Real => ((finish - arrival) / 3600.0).max(0.0),
            Times::Paper => self.hours(slot.saturating_sub(self.slot_of(arrival))),
        }
    }
}

/// Free amounts and unit prices, by slot and machine.
#[derive(Debug, Clone)]
pub struct Ledger {
    grid: SlotGrid,
    capacity: Vec<Resources>,
    free: Vec<Resources>,
    prices: Vec<Resources>,
    function: PriceFunction,
    /// Machines from this index on have their own price function.
    second: Option<(usize, PriceFunction)>,
    /// Whether anything was ever reserved, or closed, in a slot.
    touched: Vec<bool>,
    shelves: RefCell<Shelves>,
}

impl Ledger {
    /// An empty ledger of a cluster.
    pub fn new(cluster: &Cluster, grid: SlotGrid, function: PriceFunction) -> Self {
        let capacity: Vec<_> = cluster.machines().iter().map(|machine| machine.capacity).collect();
        let prices: Vec<_> = capacity.iter().map(|whole| function.unit_prices(whole, whole)).collect();
        Self {
            grid,
            free: capacity.repeat(grid.slots),
            prices: prices.repeat(grid.slots),
            capacity,
            function,
            second: None,
            touched: vec![false; grid.slots],
            shelves: RefCell::default(),
        }
    }

    /// Gives the machines from `first` on their own price function.
    pub fn with_pool(mut self, first: usize, function: PriceFunction) -> Self {
        self.second = Some((first, function));
        for at in 0..self.free.len() {
            self.reprice(at, MachineId((at % self.capacity.len()) as u32));
        }
        // All slots are alike still.
        self.touched.fill(false);
        self.shelves = RefCell::default();
        self
    }

    /// The slots it covers.
    pub fn grid(&self) -> &SlotGrid {
        &self.grid
    }

    /// The price function.
    pub fn function(&self) -> &PriceFunction {
        &self.function
    }

    /// What jobs of a shape find in a slot, kept from the last time or made now; `look` says what they see in a machine then.
    pub(super) fn stock(
        &self,
        shape: &Shape,
        slot: usize,
        look: impl Fn(MachineId) -> Option<Host>,
    ) -> Rc<Stock> {
        let machines = (0..self.capacity.len() as u32).map(MachineId);
        self.shelves.borrow_mut().get(shape, (slot, self.touched[slot]), machines, look)
    }

    fn at(&self, slot: usize, machine: MachineId) -> usize {
        slot * self.capacity.len() + machine.index()
    }

    /// What is left on a machine in a slot.
    pub fn free(&self, slot: usize, machine: MachineId) -> &Resources {
        &self.free[self.at(slot, machine)]
    }

    /// The free amounts of all machines in a slot.
    pub fn free_slot(&self, slot: usize) -> &[Resources] {
        let machines = self.capacity.len();
        &self.free[slot * machines..(slot + 1) * machines]
    }

    /// The unit prices of all machines in a slot.
    pub fn prices_slot(&self, slot: usize) -> &[Resources] {
        let machines = self.capacity.len();
        &self.prices[slot * machines..(slot + 1) * machines]
    }

    /// A ledger of what is reserved in this one: that is free there, and nothing else.
    pub fn inverse(&self) -> Self {
        let mut inverse = self.clone();
        for at in 0..inverse.free.len() {
            let machine = at % self.capacity.len();
            let mut reserved = self.capacity[machine];
            reserved.add(&self.free[at], -1.0);
            // What rounding left below zero is nothing.
            inverse.free[at] = Resources::from_array(reserved.as_array().map(|amount| amount.max(0.0)));
            inverse.reprice(at, MachineId(machine as u32));
        }
        inverse
    }

    /// Reserves a placement in a slot.
    pub fn take(&mut self, slot: usize, job: &Job, placement: &Placement) {
        self.change(slot, job, placement, -1.0);
    }

    /// Gives a reservation back.
    pub fn give(&mut self, slot: usize, job: &Job, placement: &Placement) {
        self.change(slot, job, placement, 1.0);
    }

    /// Reserves an amount for nobody in particular.
    pub fn set_aside(&mut self, slot: usize, machine: MachineId, amount: &Resources) {
        let at = self.at(slot, machine);
        self.free[at].add(amount, -1.0);
        self.reprice(at, machine);
    }

    /// The unit prices of a machine in a slot.
    pub fn prices(&self, slot: usize, machine: MachineId) -> &Resources {
        &self.prices[self.at(slot, machine)]
    }

    /// Marks a machine as gone from `slot` on (a failure): nothing of it is free.
    pub fn close(&mut self, slot: usize, machine: MachineId) {
        for slot in slot..self.grid.slots {
            let at = self.at(slot, machine);
            self.free[at] = Resources::default();
            self.reprice(at, machine);
        }
    }

    /// Marks a machine as back from `slot` on; nothing is reserved on it.
    pub fn reopen(&mut self, slot: usize, machine: MachineId) {
        for slot in slot..self.grid.slots {
            let at = self.at(slot, machine);
            self.free[at] = self.capacity[machine.index()];
            self.reprice(at, machine);
        }
    }

    /// What differs from the empty ledger, by place.
    pub(crate) fn taken(&self) -> Vec<(usize, Resources)> {
        let machines = self.capacity.len();
        let places = self.free.iter().enumerate();
        places
            .filter(|(at, free)| **free != self.capacity[at % machines])
            .map(|(at, free)| (at, *free))
            .collect()
    }

    /// Makes an empty ledger what [`Ledger::taken`] was told of; false if it covers other slots or machines.
    pub(crate) fn restore(&mut self, taken: &[(usize, Resources)]) -> bool {
        let machines = self.capacity.len();
        for (at, free) in taken {
            let Some(place) = self.free.get_mut(*at) else { return false };
            *place = *free;
            self.reprice(*at, MachineId((at % machines) as u32));
        }
        true
    }

    fn change(&mut self, slot: usize, job: &Job, placement: &Placement, sign: f64) {
        for share in placement.shares() {
            let at = self.at(slot, share.machine);
            self.free[at].add(&share.demand(job), sign);
            self.reprice(at, share.machine);
        }
    }

    fn reprice(&mut self, at: usize, machine: MachineId) {
        let slot = at / self.capacity.len();
        self.touched[slot] = true;
        self.shelves.get_mut().changed(slot, machine);
        let function = match &self.second {
            Some((first, function)) if machine.index() >= *first => function,
            _ => &self.function,
        };
        self.prices[at] = function.unit_prices(&self.free[at], &self.capacity[machine.index()]);
    }
}
