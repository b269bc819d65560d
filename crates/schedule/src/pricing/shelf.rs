//! What was found out about a slot, kept until something in it changes.
//!
//! A queue of thousands of jobs asks the same of the same slots: which machines have room, in what order they are cheap, where the
//! cheapest gang of four goes. All of that follows from what the slot has free, from its prices, and from what a job asks of a machine (its
//! [`Shape`]), so it is found out once for all jobs of a shape; slots that nobody has reserved anything in are all alike. SHELF-1: what is
//! kept is what would be found out anew, to the last bit; `reprice` of the ledger is the only way in which a slot changes, and forgets it.

use std::{collections::BTreeMap, rc::Rc};

use super::market::Stock;
use crate::model::{Cluster, Job, Resources, Values};

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
}

/// The stocks of all slots for jobs of some shapes, the latest in use first.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelves(Vec<Shelf>);

#[derive(Debug, Clone)]
struct Shelf {
    shape: Shape,
    /// Of each slot in which nothing was ever reserved.
    untouched: Option<Rc<Stock>>,
    slots: BTreeMap<usize, Rc<Stock>>,
    /// Hosts in `slots`.
    hosts: usize,
}

/// The most shapes: each change of a slot looks through all.
const SHAPES: usize = 64;

/// The most hosts that are kept over all slots and shapes, at about a hundred bytes each.
const HOSTS: usize = 1 << 20;

impl Shelves {
    /// What is kept, or else made, of a slot for jobs of a shape.
    pub(super) fn get(
        &mut self,
        shape: &Shape,
        (slot, touched): (usize, bool),
        make: impl FnOnce() -> Stock,
    ) -> Rc<Stock> {
        let shelf = self.shelf(shape);
        let kept = if touched { shelf.slots.get(&slot) } else { shelf.untouched.as_ref() };
        if let Some(stock) = kept {
            return Rc::clone(stock);
        }
        let stock = Rc::new(make());
        if touched {
            shelf.hosts += stock.hosts.len();
            shelf.slots.insert(slot, Rc::clone(&stock));
            self.make_room();
        } else {
            shelf.untouched = Some(Rc::clone(&stock));
        }
        stock
    }

    /// Forgets what was found out about a slot.
    pub(super) fn forget(&mut self, slot: usize) {
        for shelf in &mut self.0 {
            if let Some(stock) = shelf.slots.remove(&slot) {
                shelf.hosts -= stock.hosts.len();
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
