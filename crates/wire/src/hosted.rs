//! A service that can be called: the object, how much of it is done at once, and what was done.

use crate::call::CancelOnDrop;
use crate::edges::Edge;
use crate::{Bounds, Call, CallError, Edges, Error, Method, Passed, Peer, Service, caught};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Where its calls are counted, and as whose.
    edges: Edges,
    name: Peer,
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
        let edges = Edges::on(ground.clock().clone());
        Hosted::counted(ground, service, &edges, Peer::default())
    }

    /// Hosts a service on `ground`, as [`on`](Hosted::on) does, whose calls are counted in `edges` as calls of `name`.
    pub fn counted(ground: Ground, service: Arc<S>, edges: &Edges, name: Peer) -> Hosted<S> {
        let (gate, slot, edges) = (Gate::new(service.bounds()), OnceLock::new(), edges.clone());
        Hosted(Arc::new(Inner { service, ground, gate, slot, edges, name }))
    }

    /// The object itself.
    pub fn service(&self) -> &Arc<S> {
        &self.0.service
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let waiting = self.0.gate.as_ref().map_or(0, |gate| gate.waiting.load(Ordering::Relaxed)) as u64;
        let Passed { calls, failures, under_way, .. } = self.0.edges.to(&self.0.name);
        Health { running: under_way.saturating_sub(waiting), waiting, calls, failures }
    }

    /// Where calls from `caller` are counted.
    pub(crate) fn edge(&self, caller: &Peer) -> Arc<Edge> {
        self.0.edges.between(caller, &self.0.name)
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
    pub(crate) fn local_call<'a>(
        &'a self,
        caller: &'a Peer,
        edge: &'a Edge,
        method: Method,
        wait: Duration,
    ) -> Call<'a> {
        let patience = Some(wait).filter(|wait| !wait.is_zero());
        Call::new(caller, self.0.ground.clock(), edge, method, patience).local().at(self)
    }

    /// Answers a request that came from elsewhere.
    pub(crate) async fn answer(
        &self,
        caller: &Peer,
        edge: &Edge,
        patience: Option<Duration>,
        request: S::Request,
    ) -> Result<S::Reply, CallError<S::Error>> {
        let call = Call::new(caller, self.0.ground.clock(), edge, S::method(&request), patience).at(self);
        self.run(&call, || self.0.service.call(&call, request)).await
    }

    /// Lets `call` have its turn, and sees to its end: within its deadline, with its panic caught, and counted.
    #[doc(hidden)]
    pub async fn run<T, E, F>(&self, call: &Call<'_>, work: impl FnOnce() -> F) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let gate = &self.0.gate;
        let cancel = CancelOnDrop::new(call);
        let mut tally = call.edge.begin();
        // Pinned where it stands: what takes a future by value has room for it twice.
        let turn = pin!(async {
            let _turn = match gate {
                Some(gate) if !call.method.batched => Some(gate.enter(call.edge).await?),
                _ => None,
            };
            caught::run(work).await
        });
        let mut timed = pin!(call.in_time(turn));
        let outcome = poll_fn(|context| {
            let poll = timed.as_mut().poll(context);
            if poll.is_pending() {
                tally.waits();
            }
            poll
        });
        let outcome = match outcome.await {
            Ok(outcome) => {
                cancel.disarm();
                outcome
            }
            Err(_) => Err(Error::Deadline { method: call.method.name.to_owned() }.into()),
        };
        tally.end(outcome.is_err());
        outcome
    }
}

/// One of those who wait.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiter(count)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    fn new(bounds: Bounds) -> Option<Gate> {
        let running = Semaphore::new(bounds.concurrency?.clamp(1, Semaphore::MAX_PERMITS));
        Some(Gate { running, queue: bounds.queue.unwrap_or(usize::MAX), waiting: AtomicUsize::new(0) })
    }

    async fn enter(&self, edge: &Edge) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(turn) = self.running.try_acquire() {
            return Ok(turn);
        }
        if self.waiting.load(Ordering::Relaxed) >= self.queue {
            return Err(Error::Busy { queue: self.queue });
        }
        let (_waiting, _queueing) = (Waiter::new(&self.waiting), edge.queue());
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
