//! One node on its own thread, from its body to its outcome: the same on every executor.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};

use crate::control::Outcome;
use crate::failure::Cause;
use crate::stop::Stop;
use crate::{BoxError, Error, NodeResult};

/// How a node's body ended, and the error itself where there is one.
#[derive(Debug)]
pub(crate) struct NodeEnd {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<BoxError>,
}

impl NodeEnd {
    pub(crate) fn stopped() -> Self {
        Self { outcome: Outcome::Stopped, error: None }
    }

    pub(crate) fn failed(error: BoxError) -> Self {
        Self { outcome: Outcome::Failed(Cause::of(&error)), error: Some(error) }
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self { outcome: Outcome::Failed(Cause::of_panic(payload)), error: None }
    }
}

/// A runtime for the node of this thread: one thread, so that a node never competes with itself.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(Error::system("cannot start a node's runtime"))
}

/// Runs `work` on `runtime`; a panic in it becomes the node's failure.
pub(crate) fn run_on(runtime: &Runtime, work: impl Future<Output = NodeEnd>) -> NodeEnd {
    // Unwind safe: what the node shared with others is behind locks and channels that tell of the panic.
    let run = AssertUnwindSafe(|| runtime.block_on(work));
    catch_unwind(run).unwrap_or_else(|payload| NodeEnd::panicked(&*payload))
}

/// What `work` comes to; a panic in it becomes the node's failure.
pub(crate) async fn caught(work: impl Future<Output = NodeEnd>) -> NodeEnd {
    let mut work = pin!(work);
    // Unwind safe: after a panic the work is never polled again.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(payload) => Poll::Ready(NodeEnd::panicked(&*payload)),
    })
    .await
}

/// Runs `work` on a new runtime on this thread.
pub(crate) fn run(work: impl Future<Output = NodeEnd>) -> NodeEnd {
    match runtime() {
        Ok(runtime) => run_on(&runtime, work),
        Err(error) => NodeEnd::failed(error.into()),
    }
}

/// Runs a body until it ends or the program stops, and hands its value to `keep`.
pub(crate) async fn body<T>(
    stop: &Stop,
    work: impl Future<Output = NodeResult<T>>,
    keep: impl FnOnce(T),
) -> NodeEnd {
    match stop.or(work).await {
        None => NodeEnd::stopped(),
        Some(Err(error)) => NodeEnd::failed(error),
        Some(Ok(value)) => {
            keep(value);
            NodeEnd { outcome: Outcome::Finished, error: None }
        }
    }
}
