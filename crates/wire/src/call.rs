//! What a service knows about a call: who calls, until when the answer is wanted, and whether it still is.

use crate::edges::Edge;
use crate::{Elapsed, Method, Peer};
use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;
use syncline_runtime::Clock;
use tokio::sync::Notify;

/// One call, as its service sees it.
///
/// A service's future is dropped at its await point when its caller gives up. What it started elsewhere, on another thread
/// or as a task, can hold a [`Cancellation`] and learn of it.
///
/// ```
/// # use syncline_wire::Call;
/// # async fn search(_: u64) -> Option<u64> { None }
/// async fn find(call: &Call<'_>) -> Option<u64> {
///     for candidate in 0.. {
///         if call.is_cancelled() {
///             return None;
///         }
///         if let Some(found) = search(candidate).await {
///             return Some(found);
///         }
///     }
///     None
/// }
/// ```
pub struct Call<'a> {
    caller: &'a Peer,
    clock: &'a Clock,
    /// Where it is counted.
    pub(crate) edge: &'a Edge,
    pub(crate) method: Method,
    /// On the service's clock.
    deadline: Option<Duration>,
    is_local: bool,
    /// The host of the service, whose type only the service knows.
    host: Option<&'a (dyn Any + Send + Sync)>,
    /// Made when somebody asks: most calls have no use for it.
    cancellation: OnceLock<Cancellation>,
}

/// Who calls where nobody said who.
static NOBODY: LazyLock<Peer> = LazyLock::new(Peer::default);
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::start);
/// Where calls are counted that nobody asks about.
static UNCOUNTED: LazyLock<Edge> = LazyLock::new(|| Edge::on(Clock::start()));

impl<'a> Call<'a> {
    pub(crate) fn new(
        caller: &'a Peer,
        clock: &'a Clock,
        edge: &'a Edge,
        method: Method,
        patience: Option<Duration>,
    ) -> Self {
        let deadline = patience.map(|patience| clock.now().saturating_add(patience));
        let (host, cancellation) = (None, OnceLock::new());
        Call { caller, clock, edge, method, deadline, is_local: false, host, cancellation }
    }

    /// A call from within this process.
    pub(crate) fn local(self) -> Self {
        Call { is_local: true, ..self }
    }

    pub(crate) fn at(self, host: &'a (dyn Any + Send + Sync)) -> Self {
        Call { host: Some(host), ..self }
    }

    /// A call by nobody and without a deadline, for tests that call a service's methods themselves.
    pub fn by_nobody() -> Call<'static> {
        Call::new(&NOBODY, &CLOCK, &UNCOUNTED, Method::named("call"), None).local()
    }

    /// Who calls: proved by the handshake to hold the run's secret, and otherwise as it says.
    pub fn caller(&self) -> &'a Peer {
        self.caller
    }

    /// The method's name.
    pub fn method(&self) -> &'static str {
        self.method.name
    }

    /// How long the caller still waits; `None` when it waits for ever.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.deadline?.saturating_sub(self.clock.now()))
    }

    /// Whether the caller is in this process, so that what it hands over was checked by the compiler.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether the caller has given up.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.get().is_some_and(Cancellation::is_cancelled)
            || self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Returns when the caller has given up.
    pub async fn cancelled(&self) {
        self.cancellation().cancelled().await;
    }

    /// What tells others that the caller has given up.
    pub fn cancellation(&self) -> Cancellation {
        self.cancellation.get_or_init(Cancellation::default).clone()
    }

    /// The host of the service `S`, if this is a call of it.
    pub(crate) fn host<H: Any>(&self) -> Option<&'a H> {
        self.host?.downcast_ref()
    }

    /// Runs `work` until the deadline.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        match self.time_left() {
            None => Ok(work.await),
            Some(left) => self.clock.timeout(left, work).await,
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} by {})", self.method.name, self.caller)
    }
}

/// Tells whether a call was given up. It outlives the call; clones are the same.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<State>);

#[derive(Default)]
struct State {
    given_up: AtomicBool,
    waiting: Notify,
}

impl Cancellation {
    /// Whether the caller has given up.
    pub fn is_cancelled(&self) -> bool {
        self.0.given_up.load(Ordering::Acquire)
    }

    /// Returns when the caller gives up, which may be never.
    pub async fn cancelled(&self) {
        let mut notified = std::pin::pin!(self.0.waiting.notified());
        // Registered before the flag is read, so that a notice between the two is not missed.
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }

    fn cancel(&self) {
        self.0.given_up.store(true, Ordering::Release);
        self.0.waiting.notify_waiters();
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancellation({})", self.is_cancelled())
    }
}

/// Cancels the call when it is dropped before its end.
pub(crate) struct CancelOnDrop<'a>(Option<&'a OnceLock<Cancellation>>);

impl<'a> CancelOnDrop<'a> {
    pub(crate) fn new(call: &'a Call<'_>) -> Self {
        CancelOnDrop(Some(&call.cancellation))
    }

    /// The call has come to its end by itself.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cancellation) = self.0.and_then(OnceLock::get) {
            cancellation.cancel();
        }
    }
}
