//! The deterministic ground: all tasks of all nodes on one thread, with a virtual clock.
//!
//! [`Sim`] is the handle that nodes hold: it spawns, kills, charges and tells the time, from any thread. [`Scheduler`] owns
//! the tasks and does their steps, on the thread where it was made. `agenda` has the timers, `queue` the tasks that can go
//! on.

pub(crate) mod agenda;
mod queue;
#[cfg(test)]
mod queue_tests;
mod scheduler;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::clock::nanoseconds;
use crate::{Clock, Computing, Cost, Node, Waits};
use agenda::Agenda;
use queue::{Arrival, LocalTask, Queue};

pub use scheduler::{Scheduler, Turn};

/// A future that stays on its thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A simulation, in the hands of its nodes. Clones share it.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    seed: u64,
    /// What becomes of work that is [`Cost::Measured`].
    computing: Computing,
    queue: Arc<Queue>,
    agenda: Agenda,
    waits: Waits,
    /// By node.
    cores: Mutex<Vec<Core>>,
}

/// A node's one core.
struct Core {
    /// Nanoseconds.
    busy_until: u64,
    /// Draws what its work costs. Each node has its own, so that its draws do not depend on what others do.
    random: Xoshiro256PlusPlus,
}

impl Sim {
    /// A simulation at time 0 without any task. `seed` decides all that is left to chance.
    pub fn new(seed: u64) -> Self {
        Self::computing(seed, Computing::default())
    }

    /// A simulation in which work costs what `computing` says unless it says what else.
    pub fn computing(seed: u64, computing: Computing) -> Self {
        let (queue, agenda) = (Arc::new(Queue::new(seed)), Agenda::default());
        let (waits, cores) = (Waits::default(), Mutex::new(Vec::new()));
        Self(Arc::new(Inner { seed, computing, queue, agenda, waits, cores }))
    }

    /// The node of this name, a new one if need be.
    pub fn enter(&self, name: &str) -> Node {
        self.0.waits.enter(name)
    }

    /// A new node of this name, when an earlier one has come to its end.
    pub fn enter_anew(&self, name: &str) -> Node {
        self.0.waits.enter_anew(name)
    }

    /// The virtual clock.
    pub fn clock(&self) -> Clock {
        Clock::of(self.0.agenda.clone())
    }

    /// Who waits for what.
    pub fn waits(&self) -> &Waits {
        &self.0.waits
    }

    /// What decides what is left to chance.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Starts a task of `node`.
    pub fn spawn(&self, node: Node, work: impl Future<Output = ()> + Send + 'static) {
        self.0.queue.arrive(Arrival::Task(node, LocalTask::Ready(Box::pin(work))));
    }

    /// Starts a task of `node` that stays on the scheduler's thread, where `make` makes it.
    pub fn spawn_local(&self, node: Node, make: impl FnOnce() -> LocalFuture<()> + Send + 'static) {
        self.0.queue.arrive(Arrival::Task(node, LocalTask::Make(Box::new(make))));
    }

    /// Ends all tasks of `node` where they wait, before anything else happens.
    pub fn kill(&self, node: Node) {
        self.0.queue.arrive(Arrival::Kill(node));
    }

    /// Lets no task of `node` do a step from now on, as `SIGSTOP` does with a process. What it sleeps for, or computes, comes to its end
    /// meanwhile; what follows waits until [`thaw`](Self::thaw).
    pub fn freeze(&self, node: Node) {
        self.0.queue.arrive(Arrival::Freeze(node));
    }

    /// Lets the tasks of `node` go on, in the order in which they would have.
    pub fn thaw(&self, node: Node) {
        self.0.queue.arrive(Arrival::Thaw(node));
    }

    /// Waits, in the runtime that drives the scheduler, until something from outside gives it work.
    pub async fn roused(&self) {
        let ready = |work| if work { Poll::Ready(()) } else { Poll::Pending };
        poll_fn(|context| ready(self.0.queue.poll_work(context.waker()))).await;
    }

    pub(crate) fn cost_or(&self, cost: Cost) -> Cost {
        if cost == Cost::Measured { self.0.computing.cost } else { cost }
    }

    pub(crate) fn skips_computing(&self) -> bool {
        self.0.computing.skipped
    }

    /// Occupies the node's core from when it is free, and tells when that begins and ends, in nanoseconds.
    pub(crate) fn charge(
        &self,
        node: Node,
        cost: Cost,
        times: f64,
        measured: impl FnOnce() -> Duration,
    ) -> (u64, u64) {
        let mut cores = self.0.cores.lock().unwrap_or_else(PoisonError::into_inner);
        while cores.len() <= node.index() {
            // Seeds that differ by the node alone are mixed by the generator's own seeding.
            let seed = self.0.seed ^ (cores.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            cores.push(Core { busy_until: 0, random: Xoshiro256PlusPlus::seed_from_u64(seed) });
        }
        let core = &mut cores[node.index()];
        let time = match cost {
            Cost::Measured => measured(),
            Cost::Given(time) => time.mul_f64(times),
            Cost::Drawn(spread) => spread.draw(&mut core.random).mul_f64(times),
        };
        let start = core.busy_until.max(self.0.agenda.now());
        core.busy_until = start.saturating_add(nanoseconds(time));
        (start, core.busy_until)
    }

    /// Frees the node's core of computing that is dropped before its end, unless more has been put behind it.
    pub(crate) fn give_up(&self, node: Node, start: u64, end: u64) {
        let mut cores = self.0.cores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(core) = cores.get_mut(node.index()).filter(|core| core.busy_until == end) {
            core.busy_until = end.min(self.0.agenda.now().max(start));
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.0.seed)
            .field("now", &self.0.agenda.now())
            .finish_non_exhaustive()
    }
}
