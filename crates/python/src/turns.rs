//! Bodies of Python in virtual time.
//!
//! A body of Python is plain code on a thread of its own, which waits where it calls a service or lets time pass. In virtual time
//! the task of its node holds the simulation up until that thread has come to its next wait, or to its end, and then awaits in its
//! place what it waits for.
//!
//! - TURN-1: of all bodies one goes on at a time, and nothing else of the program happens meanwhile. So the same seed gives the same
//!   run, where bodies do the same and start no threads of their own.
//! - TURN-2: a body whose node is dropped is told so at its wait, and goes on to its end by itself.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

/// After how long a body that does not come to a wait is told of: one that waits for another thread never does.
const TOLD: Duration = Duration::from_secs(10);

/// What a body waits for; it tells the body itself.
type Awaited = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// Of the thread of a body in virtual time: where it says what it waits for.
    static WAITS: RefCell<Option<Sender<Awaited>>> = const { RefCell::new(None) };
}

/// Why a wait gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The node is gone.
    Gone,
    /// This thread is not that of a body.
    Elsewhere,
}

/// Runs a body of the node `name` to its end.
///
/// # Errors
/// When it panics, or the system has no more threads.
pub(crate) async fn in_turns<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (waits, awaited) = mpsc::channel();
    let body = move || {
        WAITS.set(Some(waits));
        let value = body();
        // With it ends what the task listens to.
        WAITS.set(None);
        value
    };
    let body = thread::Builder::new().name("syncline-body".to_owned()).spawn(body);
    let body = body.map_err(|error| format!("cannot start a thread: {error}"))?;
    while let Some(wait) = next_wait(name, &awaited) {
        wait.await;
    }
    body.join().map_err(|_| "the body panicked".to_owned())
}

/// What a body waits for next; nothing when it has come to its end. Nothing else of the simulation happens until then.
fn next_wait(name: &str, awaited: &Receiver<Awaited>) -> Option<Awaited> {
    match awaited.recv_timeout(TOLD) {
        Ok(wait) => return Some(wait),
        Err(RecvTimeoutError::Disconnected) => return None,
        Err(RecvTimeoutError::Timeout) => eprintln!(
            "note: {name} has been at work for {} s, and virtual time stands still meanwhile: where it waits for another node in another \
             way than by a call, as at a lock, it waits for ever",
            TOLD.as_secs()
        ),
    }
    awaited.recv().ok()
}

/// In a body: what `future` gives, which is awaited by the task of the node.
pub(crate) fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Result<T, Broken> {
    let (given, value) = mpsc::sync_channel(1);
    let awaited: Awaited = Box::pin(async move {
        // The body waits for it, on a thread that lives as long.
        let _ = given.send(future.await);
    });
    WAITS.with_borrow(|waits| {
        let waits = waits.as_ref().ok_or(Broken::Elsewhere)?;
        waits.send(awaited).map_err(|_| Broken::Gone)
    })?;
    value.recv().map_err(|_| Broken::Gone)
}
