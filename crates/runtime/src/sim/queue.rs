//! Tasks that can go on, in an order that the seed decides.

use std::task::{Wake, Waker};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::LocalFuture;
use crate::Node;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What reaches the scheduler: shared with every waker, also on other threads.
pub(crate) struct Queue(Mutex<Inner>);

struct Inner {
    /// In the order of their numbers, not of their wakes: who is woken first may be decided by a die of somebody else's
    /// (tokio's `watch` wakes its waiters in an order of its own), and must not decide a run.
    ready: Vec<usize>,
    arrivals: Vec<Arrival>,
    random: Xoshiro256PlusPlus,
    /// Who drives the scheduler and waits for something from outside.
    driver: Option<Waker>,
}

/// A change that the scheduler makes before its next step.
pub(crate) enum Arrival {
    /// A task of this node.
    Task(Node, LocalTask),
    /// All tasks of this node end.
    Kill(Node),
    /// No task of this node does a step until it is thawed.
    Freeze(Node),
    /// They go on.
    Thaw(Node),
}

/// A task on its way to the scheduler's thread.
pub(crate) enum LocalTask {
    Ready(LocalSend),
    /// Made there, because it may stay on that thread only.
    Make(Box<dyn FnOnce() -> LocalFuture<()> + Send>),
}

type LocalSend = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the scheduler does next.
pub(crate) enum Next {
    Arrivals(Vec<Arrival>),
    Poll(usize),
    Nothing,
}

impl Queue {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self(Mutex::new(Inner { ready: Vec::new(), arrivals: Vec::new(), random, driver: None }))
    }

    pub(crate) fn push(&self, task: usize) {
        let mut inner = self.inner();
        // One that is there already was woken for an earlier task of this number; one turn is enough.
        if let Err(place) = inner.ready.binary_search(&task) {
            inner.ready.insert(place, task);
        }
        inner.rouse();
    }

    pub(crate) fn arrive(&self, arrival: Arrival) {
        let mut inner = self.inner();
        inner.arrivals.push(arrival);
        inner.rouse();
    }

    pub(crate) fn next(&self) -> Next {
        let mut inner = self.inner();
        if !inner.arrivals.is_empty() {
            return Next::Arrivals(std::mem::take(&mut inner.arrivals));
        }
        match inner.ready.len() {
            0 => Next::Nothing,
            // One task alone takes no random number: its turn is not the seed's to decide.
            1 => inner.ready.pop().map_or(Next::Nothing, Next::Poll),
            length => {
                let chosen = inner.random.random_range(0..length);
                Next::Poll(inner.ready.remove(chosen))
            }
        }
    }

    /// Whether there is something to do; if not, `driver` will be woken when there is.
    pub(crate) fn poll_work(&self, driver: &Waker) -> bool {
        let mut inner = self.inner();
        let work = !inner.ready.is_empty() || !inner.arrivals.is_empty();
        inner.driver = (!work).then(|| driver.clone());
        work
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn rouse(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

/// What wakes one task.
pub(crate) struct Alarm {
    queue: Arc<Queue>,
    task: usize,
    /// Whether the task is in the queue already.
    queued: AtomicBool,
}

impl Alarm {
    pub(crate) fn new(queue: Arc<Queue>, task: usize) -> Arc<Self> {
        Arc::new(Self { queue, task, queued: AtomicBool::new(false) })
    }

    /// The task has its turn: the next wake counts anew, also one that comes while it runs.
    pub(crate) fn reset(&self) {
        self.queued.store(false, Ordering::SeqCst);
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.queue.push(self.task);
        }
    }
}
