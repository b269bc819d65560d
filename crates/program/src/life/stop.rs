//! The request that a program come to its end, seen by everything that runs in one process.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// How urgently the program is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Not at all.
    None,
    /// Politely: who watches for it may clean up first.
    Asked,
    /// At the next await point.
    AtOnce,
}

/// What a node wants done when it is asked to stop.
type Handler = Box<dyn FnOnce() + Send>;

/// A request to stop: once made it stays. Clones share it.
#[derive(Clone)]
pub(crate) struct Stop {
    urgency: watch::Sender<Urgency>,
    /// Whether the node waits for the request and will act on it: each node has its own.
    watched: Arc<AtomicBool>,
    /// The node's own, until they have been called.
    handlers: Arc<Mutex<Vec<Handler>>>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&*self.urgency.borrow()).finish()
    }
}

impl Stop {
    pub(crate) fn new() -> Self {
        Self { urgency: watch::Sender::new(Urgency::None), watched: Arc::default(), handlers: Arc::default() }
    }

    /// The same request for another node, which has not been seen to watch for it.
    pub(crate) fn for_node(&self) -> Self {
        Self { urgency: self.urgency.clone(), ..Self::new() }
    }

    /// Has `handler` called when the node is asked to stop: at once, if it has been.
    pub(crate) fn on_request(&self, handler: Handler) {
        self.handlers().push(handler);
        if self.is_requested() {
            self.call_handlers();
        }
    }

    /// Calls what is to be called when the node is asked to stop, once.
    pub(crate) fn call_handlers(&self) {
        // Without the lock: a handler may register another one.
        let handlers = std::mem::take(&mut *self.handlers());
        handlers.into_iter().for_each(|handler| handler());
    }

    fn handlers(&self) -> std::sync::MutexGuard<'_, Vec<Handler>> {
        // No code that holds the lock can panic half-way through a change.
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks politely.
    pub(crate) fn request(&self) {
        self.raise(Urgency::Asked);
    }

    /// Leaves no more time for cleaning up.
    pub(crate) fn insist(&self) {
        self.raise(Urgency::AtOnce);
    }

    fn raise(&self, urgency: Urgency) {
        self.urgency.send_if_modified(|now| {
            let more = urgency > *now;
            *now = urgency.max(*now);
            more
        });
    }

    async fn wait_for(&self, urgency: Urgency) {
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let _ = self.urgency.subscribe().wait_for(|now| *now >= urgency).await;
    }

    pub(crate) fn is_requested(&self) -> bool {
        *self.urgency.borrow() >= Urgency::Asked
    }

    /// Returns once stopping has been requested.
    pub(crate) async fn wait(&self) {
        self.wait_for(Urgency::Asked).await;
    }

    /// Returns once there is no more time.
    pub(crate) async fn insisted(&self) {
        self.wait_for(Urgency::AtOnce).await;
    }

    /// As [`wait`](Self::wait), by the node itself: from now on it ends in its own way.
    pub(crate) async fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
        self.wait().await;
    }

    /// Runs `work`, which belongs to a node, unless the program stops first. A node that watches for the stop may
    /// go on until it is insisted on; any other is dropped where it waits.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => {
                // It may have seen the request before this did.
                if self.is_requested() {
                    self.call_handlers();
                }
                return Some(done);
            }
            () = self.wait() => {}
        }
        self.call_handlers();
        if !self.watched.load(Ordering::Relaxed) {
            return None;
        }
        tokio::select! {
            biased;
            done = &mut work => Some(done),
            () = self.wait_for(Urgency::AtOnce) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    #[test]
    fn who_does_not_watch_is_dropped_at_the_request() {
        let stop = Stop::new();
        stop.request();
        assert_eq!(block_on(stop.or(std::future::pending::<()>())), None);
    }

    #[test]
    fn who_watches_may_clean_up_until_insisted_on() {
        let stop = Stop::new().for_node();
        stop.request();
        let polite = async {
            stop.watch().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            7
        };
        assert_eq!(block_on(stop.or(polite)), Some(7));
        let endless = async {
            stop.watch().await;
            stop.insist();
            std::future::pending::<()>().await
        };
        assert_eq!(block_on(stop.or(endless)), None);
    }

    #[test]
    fn a_request_never_becomes_less_urgent() {
        let stop = Stop::new();
        stop.insist();
        stop.request();
        block_on(stop.wait_for(Urgency::AtOnce));
    }
}
