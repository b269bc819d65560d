//! A service call whose panic becomes an error: one bad request must not end the connection of the good ones.

use crate::{Message, Service, ServiceError};
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Calls the service; a panic of it is reported as its error.
pub(crate) async fn call<S: Service>(
    service: &S,
    request: Message<S::Request>,
) -> Result<Message<S::Reply>, ServiceError> {
    // The service is asked inside the closure too: a hand-written `call` may panic before its future exists.
    let asked = catch_unwind(AssertUnwindSafe(|| service.call(request)));
    let mut answer = pin!(asked.map_err(|panic| panicked(panic.as_ref()))?);
    // Unwind safe: after a panic the future is never polled again, and shared state is the service's own, behind locks
    // that tell of the panic.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(panicked(panic.as_ref()))),
    })
    .await
}

fn panicked(panic: &(dyn Any + Send)) -> ServiceError {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    ServiceError::new(format!("the service panicked: {}", text.unwrap_or("(no message)")))
}
