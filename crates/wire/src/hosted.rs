//! A service that can be called: the object, how much of it is done at once, and what was done.

use crate::call::CancelOnDrop;
use crate::{Bounds, Call, CallError, Error, Method, Peer, Service, caught};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use syncline_runtime::Ground;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A service in the hands of those who serve it: clients of its process, listeners, a simulated network. Clones are the
/// same one, so that its bounds hold wherever its calls come from.
///
/// ```
/// use std::sync::Arc;
/// use syncline_wire::{Client, Hosted, from_fn};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let hosted = Hosted::new(from_fn(async |by: u64| Ok::<u64, syncline_wire::Never>(2 * by)));
/// assert_eq!(Client::local(hosted.clone()).call(21).await?, 42);
/// assert_eq!(hosted.health().calls, 1);
/// # Ok::<(), syncline_wire::CallError<syncline_wire::Never>>(())
/// # }).unwrap();
/// ```
pub struct Hosted<S>(Arc<Inner<S>>);

struct Inner<S> {
    service: Arc<S>,
    ground: Ground,
    gate: Option<Gate>,
    /// What the service's own attribute keeps here, such as its batches.
    slot: OnceLock<Box<dyn Any + Send + Sync>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    running: AtomicUsize,
    calls: AtomicU64,
    failures: AtomicU64,
}

/// How a service is: it answers, and this is what it has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Calls being answered now.
    pub running: u64,
    /// Calls that wait for their turn.
    pub waiting: u64,
    /// Calls answered, also with an error.
    pub calls: u64,
    /// Of which with an error, a panic, or too late.
    pub failures: u64,
}

/// Lets only so many calls through at once, in the order of their coming.
struct Gate {
    running: Semaphore,
    queue: usize,
    waiting: AtomicUsize,
}

impl<S: Service> Hosted<S> {
    /// Hosts a service on this machine.
    pub fn new(service: S) -> Hosted<S> {
        Hosted::from(Arc::new(service))
    }

    /// Hosts a service on `ground`, whose clock times its calls and which runs its tasks.
    pub fn on(ground: Ground, service: Arc<S>) -> Hosted<S> {
        let bounds = service.bounds();
        let (slot, counts) = (OnceLock::new(), Counts::default());
        Hosted(Arc::new(Inner { service, ground, gate: Gate::new(bounds), slot, counts }))
    }

    /// The object itself.
    pub fn service(&self) -> &Arc<S> {
        &self.0.service
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let Counts { running, calls, failures } = &self.0.counts;
        Health {
            running: running.load(Ordering::Relaxed) as u64,
            waiting: self.0.gate.as_ref().map_or(0, |gate| gate.waiting.load(Ordering::Relaxed)) as u64,
            calls: calls.load(Ordering::Relaxed),
            failures: failures.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn ground(&self) -> &Ground {
        &self.0.ground
    }

    /// What `#[service]` keeps with the service; made at the first use.
    #[doc(hidden)]
    pub fn slot<T: Any + Default + Send + Sync>(&self) -> Option<&T> {
        self.0.slot.get_or_init(|| Box::new(T::default())).downcast_ref()
    }

    /// The host of the service that `call` asks.
    #[doc(hidden)]
    pub fn of<'a>(call: &Call<'a>) -> Option<&'a Self> {
        call.host()
    }

    /// A call from this process.
    pub(crate) fn local_call<'a>(&'a self, caller: &'a Peer, method: Method, wait: Duration) -> Call<'a> {
        let patience = Some(wait).filter(|wait| !wait.is_zero());
        Call::new(caller, self.0.ground.clock(), method, patience).local().at(self)
    }

    /// Answers a request that came from elsewhere.
    pub(crate) async fn answer(
        &self,
        caller: &Peer,
        patience: Option<Duration>,
        request: S::Request,
    ) -> Result<S::Reply, CallError<S::Error>> {
        let call = Call::new(caller, self.0.ground.clock(), S::method(&request), patience).at(self);
        self.run(&call, || self.0.service.call(&call, request)).await
    }

    /// Lets `call` have its turn, and sees to its end: within its deadline, with its panic caught, and counted.
    #[doc(hidden)]
    pub async fn run<T, E, F>(&self, call: &Call<'_>, work: impl FnOnce() -> F) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let Inner { gate, counts, .. } = &*self.0;
        let cancel = CancelOnDrop::new(call);
        let timed = async {
            let _turn = match gate {
                Some(gate) if !call.method.batched => Some(gate.enter().await?),
                _ => None,
            };
            let _running = Running::new(&counts.running);
            caught::run(work).await
        };
        let outcome = match call.in_time(timed).await {
            Ok(outcome) => outcome,
            Err(_) => return Err(counts.fail(Error::Deadline { method: call.method.name.to_owned() })),
        };
        cancel.disarm();
        counts.calls.fetch_add(1, Ordering::Relaxed);
        if outcome.is_err() {
            counts.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

impl Counts {
    fn fail<E>(&self, error: Error) -> CallError<E> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        CallError::Wire(error)
    }
}

struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Running(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    fn new(bounds: Bounds) -> Option<Gate> {
        let running = Semaphore::new(bounds.concurrency?.clamp(1, Semaphore::MAX_PERMITS));
        Some(Gate { running, queue: bounds.queue.unwrap_or(usize::MAX), waiting: AtomicUsize::new(0) })
    }

    async fn enter(&self) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(turn) = self.running.try_acquire() {
            return Ok(turn);
        }
        if self.waiting.load(Ordering::Relaxed) >= self.queue {
            return Err(Error::Busy { queue: self.queue });
        }
        let _waiting = Running::new(&self.waiting);
        self.running.acquire().await.map_err(|_| Error::Busy { queue: self.queue })
    }
}

impl<S: Service> From<Arc<S>> for Hosted<S> {
    fn from(service: Arc<S>) -> Self {
        Hosted::on(Ground::machine(syncline_runtime::Clock::start()), service)
    }
}

impl<S> Clone for Hosted<S> {
    fn clone(&self) -> Self {
        Hosted(Arc::clone(&self.0))
    }
}

impl<S: Service> fmt::Debug for Hosted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted").field("health", &self.health()).finish_non_exhaustive()
    }
}
