//! The gate: the one place that decides when a worker may go on and when a round closes.
//!
//! A worker *starts* a round (it pulls parameters), works, and *pushes* its gradient; the gate answers both. It keeps:
//!
//! - GATE-1: every push of a started round is answered exactly once: folded alone, folded when its round closes, or late.
//! - GATE-2 (BSP, backup): nobody starts round c before round c - 1 has closed.
//! - GATE-3 (SSP): nobody starts round c before all have finished round c - bound - 1.
//! - GATE-4: some worker can always move: no deadlock.
//! - GATE-5: the workers of a closed round are listed in worker order, whatever the order of arrival.

use crate::{Clock, Error, Sync, WorkerId};

/// What becomes of a gradient that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Fold it by itself, now.
    Alone,
    /// Keep it: its round is still open.
    Kept,
    /// It closes its round: fold the gradients of these workers, in this order.
    Closes {
        /// All whose gradient counts, this one among them, in worker order.
        workers: Vec<WorkerId>,
    },
    /// Its round closed without it: drop it.
    Late,
}

/// Where one worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Progress {
    /// The first round that it has not finished.
    clock: Clock,
    /// Whether it has started that round.
    working: bool,
}

/// A synchronisation policy's state over a fixed set of workers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gate {
    sync: Sync,
    workers: Vec<Progress>,
    /// The round that is being collected, where rounds close.
    open: Clock,
    /// Who has pushed for the open round.
    arrived: Vec<bool>,
}

impl Gate {
    /// A gate for `workers` workers, all at round 0.
    ///
    /// # Errors
    /// Without workers, or when every worker would be a spare one.
    pub fn new(sync: Sync, workers: usize) -> Result<Self, Error> {
        if workers == 0 {
            return Err(Error::OutOfRange { what: "workers", got: "0".into(), must: "at least 1" });
        }
        if let Sync::Backup { spare } = sync
            && spare as usize >= workers
        {
            return Err(Error::OutOfRange {
                what: "backup",
                got: spare.to_string(),
                must: "less than the number of workers",
            });
        }
        let idle = Progress { clock: Clock::ZERO, working: false };
        Ok(Self { sync, workers: vec![idle; workers], open: Clock::ZERO, arrived: vec![false; workers] })
    }

    /// The policy.
    pub fn sync(&self) -> Sync {
        self.sync
    }

    /// How many workers take part.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Asks to start the worker's next round: the round that it now works at, or nothing while it has to wait.
    /// Asking again while it works gives the same answer. A worker that the gate does not know waits for ever.
    pub fn start(&mut self, worker: WorkerId) -> Option<Clock> {
        let Progress { clock, working } = *self.workers.get(worker.index())?;
        if working {
            return Some(clock);
        }
        let clock = match self.sync {
            Sync::Asp => clock,
            Sync::Ssp { bound } if clock.round() > self.slowest().round() + bound.rounds() => return None,
            Sync::Ssp { .. } => clock,
            Sync::Bsp | Sync::Backup { .. } if clock > self.open => return None,
            Sync::Bsp | Sync::Backup { .. } => self.open,
        };
        self.workers[worker.index()] = Progress { clock, working: true };
        Some(clock)
    }

    /// Takes the push of a started round.
    ///
    /// # Errors
    /// When the worker is unknown or did not start that round: a peer that breaks the protocol.
    pub fn push(&mut self, worker: WorkerId, clock: Clock) -> Result<Arrival, Error> {
        let workers = self.workers.len();
        let progress =
            self.workers.get_mut(worker.index()).ok_or(Error::UnknownWorker { worker, workers })?;
        if !progress.working || progress.clock != clock {
            let expected = progress.working.then_some(progress.clock);
            return Err(Error::OutOfTurn { worker, expected, got: clock });
        }
        *progress = Progress { clock: clock.next(), working: false };
        Ok(match self.sync {
            Sync::Asp | Sync::Ssp { .. } => Arrival::Alone,
            Sync::Bsp => self.collect(worker, clock, workers),
            Sync::Backup { spare } => self.collect(worker, clock, workers - spare as usize),
        })
    }

    /// The first round that not every worker has finished.
    pub fn slowest(&self) -> Clock {
        self.workers.iter().map(|progress| progress.clock).min().unwrap_or(Clock::ZERO)
    }

    /// Adds an arrival to the open round, which closes with the `needed`th.
    fn collect(&mut self, worker: WorkerId, clock: Clock, needed: usize) -> Arrival {
        if clock < self.open {
            return Arrival::Late;
        }
        self.arrived[worker.index()] = true;
        if self.arrived.iter().filter(|&&arrived| arrived).count() < needed {
            return Arrival::Kept;
        }
        let workers = (0u32..)
            .zip(&mut self.arrived)
            .filter_map(|(index, arrived)| std::mem::take(arrived).then_some(WorkerId::new(index)));
        let workers = workers.collect();
        self.open = self.open.next();
        Arrival::Closes { workers }
    }
}
