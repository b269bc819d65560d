//! A service's work whose panic becomes an error: one bad request must not end the connection of the good ones.

use crate::{CallError, Error};
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Does the work that `start` begins; a panic of it is reported as its error.
pub(crate) async fn run<T, E, F: Future<Output = Result<T, E>>>(
    start: impl FnOnce() -> F,
) -> Result<T, CallError<E>> {
    // Started inside the closure too: a method written by hand may panic before its future exists.
    let started = catch_unwind(AssertUnwindSafe(start));
    let mut work = pin!(started.map_err(|panic| panicked(panic.as_ref()))?);
    // Unwind safe: after a panic the future is never polled again, and shared state is the service's own, behind locks
    // that tell of the panic.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map_err(CallError::Service),
        Err(panic) => Poll::Ready(Err(panicked(panic.as_ref()).into())),
    })
    .await
}

/// What a panic says.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    Error::Remote(format!("the service panicked: {}", text.unwrap_or("(no message)")))
}
