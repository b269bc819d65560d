//! What was found out about a slot, kept until something in it changes.
//!
//! A queue of thousands of jobs asks the same of the same slots: which machines have room, in what order they are cheap, where the
//! cheapest gang of four goes. All of that follows from what the slot has free, from its prices, and from what a job asks of a machine (its
//! [`Shape`]), so it is found out once for all jobs of a shape; slots that nobody has reserved anything in are all alike. SHELF-1: what is
//! kept is what would be found out anew, to the last bit; `reprice` of the ledger is the only way in which a slot changes, and says of which
//! machine. That one is looked at again when the slot is asked for, so a reservation on one of a thousand machines costs one look.

use std::{collections::BTreeMap, rc::Rc};

use super::market::{Host, Stock};
use crate::model::{Cluster, Job, MachineId, Resources, Values};

/// What a market depends on of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    worker: Resources,
    server: Resources,
    workers_per_server: Option<f64>,
    /// Machines before the first take workers, those from the second on servers.
    roles: (usize, usize),
    /// The least speed of its workers' machines; none: any.
    pub(super) speed: Option<f64>,
    /// What it, and its queue, want of machines; none: any will do.
    choice: Option<(String, BTreeMap<String, Values>, Vec<f64>)>,
}

impl Shape {
    pub(super) fn of(cluster: &Cluster, job: &Job, roles: (usize, usize), speed: Option<f64>) -> Self {
        let choice = (job.queue.clone(), job.needs.clone(), job.speeds.clone());
        Self {
            worker: job.worker,
            server: job.server,
            workers_per_server: job.workers_per_server,
            roles,
            speed,
            choice: cluster.is_choosy(job).then_some(choice),
        }
    }

    /// Whether not any machine will do.
    pub(super) fn is_choosy(&self) -> bool {
        self.choice.is_some()
    }
}

/// The stocks of all slots for jobs of some shapes, the latest in use first.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelves(Vec<Shelf>);

#[derive(Debug, Clone)]
struct Shelf {
    shape: Shape,
    /// Of each slot in which nothing was ever reserved.
    untouched: Option<Rc<Stock>>,
    slots: BTreeMap<usize, Kept>,
    /// Hosts in `slots`.
    hosts: usize,
}

/// The stock of a slot, and the machines that have changed since.
#[derive(Debug, Clone)]
struct Kept {
    stock: Rc<Stock>,
    changed: Vec<MachineId>,
}

impl Kept {
    /// Whether so many machines have changed that a new stock costs less.
    fn is_outdated(&self) -> bool {
        self.changed.len() > 4 + self.stock.hosts.len() / 8
    }

    /// The stock as it is now.
    fn renewed(&mut self, look: impl Fn(MachineId) -> Option<Host>) -> &Rc<Stock> {
        if !self.changed.is_empty() {
            self.changed.sort_unstable();
            self.changed.dedup();
            let stock = Rc::make_mut(&mut self.stock);
            self.changed.drain(..).for_each(|machine| stock.put(machine, look(machine)));
        }
        &self.stock
    }
}

/// The most shapes: each change of a slot looks through all.
const SHAPES: usize = 64;

/// The most hosts that are kept over all slots and shapes, at about a hundred bytes each.
const HOSTS: usize = 1 << 20;

impl Shelves {
    /// What is kept, or else made, of a slot for jobs of a shape, which see in each of the machines what `look` says.
    pub(super) fn get(
        &mut self,
        shape: &Shape,
        (slot, touched): (usize, bool),
        machines: impl Iterator<Item = MachineId>,
        look: impl Fn(MachineId) -> Option<Host>,
    ) -> Rc<Stock> {
        let shelf = self.shelf(shape);
        if !touched {
            let made = || Rc::new(Stock::new(machines.filter_map(look).collect()));
            return Rc::clone(shelf.untouched.get_or_insert_with(made));
        }
        if let Some(kept) = shelf.slots.get_mut(&slot) {
            let before = kept.stock.hosts.len();
            let stock = Rc::clone(kept.renewed(look));
            shelf.hosts = shelf.hosts + stock.hosts.len() - before;
            return stock;
        }
        let stock = Rc::new(Stock::new(machines.filter_map(look).collect()));
        shelf.hosts += stock.hosts.len();
        shelf.slots.insert(slot, Kept { stock: Rc::clone(&stock), changed: Vec::new() });
        self.make_room();
        stock
    }

    /// Has a machine looked at again when a slot is asked for.
    pub(super) fn changed(&mut self, slot: usize, machine: MachineId) {
        for shelf in &mut self.0 {
            let Some(kept) = shelf.slots.get_mut(&slot) else { continue };
            kept.changed.push(machine);
            if kept.is_outdated() {
                shelf.hosts -= kept.stock.hosts.len();
                shelf.slots.remove(&slot);
            }
        }
    }

    /// The shelf of a shape, as the first.
    fn shelf(&mut self, shape: &Shape) -> &mut Shelf {
        match self.0.iter().position(|shelf| shelf.shape == *shape) {
            Some(at) => self.0[..=at].rotate_right(1),
            None => {
                self.0.truncate(SHAPES - 1);
                let new = Shelf { shape: shape.clone(), untouched: None, slots: BTreeMap::new(), hosts: 0 };
                self.0.insert(0, new);
            }
        }
        &mut self.0[0]
    }

    /// Keeps within bounds: shapes that were not asked for the longest go first.
    fn make_room(&mut self) {
        while self.0.iter().map(|shelf| shelf.hosts).sum::<usize>() > HOSTS {
            match self.0.as_mut_slice() {
                [only] => (only.slots, only.hosts) = (BTreeMap::new(), 0),
                _ => drop(self.0.pop()),
            }
        }
    }
}
