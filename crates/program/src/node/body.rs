//! One node on its own thread, from its body to its outcome: the same on every executor.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};

use crate::control::Outcome;
use crate::graph::program::LocalFuture;
use crate::life::failure::Cause;
use crate::life::stop::Stop;
use crate::{BoxError, Error, NodeResult};

/// How a node's body ended, and the error itself where there is one.
#[derive(Debug)]
pub(crate) struct NodeEnd {
    pub(crate) outcome: Outcome,
    /// What it yielded, encoded, if it ran to its end.
    pub(crate) value: Vec<u8>,
    pub(crate) error: Option<BoxError>,
}

impl NodeEnd {
    pub(crate) fn stopped() -> Self {
        Self::of(Outcome::Stopped)
    }

    pub(crate) fn of(outcome: Outcome) -> Self {
        Self { outcome, value: Vec::new(), error: None }
    }

    pub(crate) fn failed(error: BoxError) -> Self {
        let outcome = Outcome::Failed(Cause::of(&error));
        Self { error: Some(error), ..Self::of(outcome) }
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::of(Outcome::Failed(Cause::of_panic(payload)))
    }
}

/// Bytes of a node's stack: those of a process's first thread on Linux, in which a program for one machine runs. A thread's usual two
/// MiB are too few for what a program without optimisation may keep there.
const STACK: usize = 8 << 20;

/// Starts a thread in which a node lives, or all of a simulation do.
pub(crate) fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work);
    thread.map_err(Error::system(format!("cannot start the thread of {name}")))
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

/// Runs a body, which yields its encoded value, until it ends or the program stops.
pub(crate) async fn body(stop: &Stop, work: impl Future<Output = NodeResult<Vec<u8>>>) -> NodeEnd {
    match stop.or(work).await {
        None => NodeEnd::stopped(),
        Some(Err(error)) => NodeEnd::failed(error),
        Some(Ok(value)) => NodeEnd { value, ..NodeEnd::of(Outcome::Finished) },
    }
}

/// Serves until the program stops; `run` is the service's own part, which ends it earlier.
pub(crate) async fn service(
    stop: &Stop,
    serving: impl Future<Output = ()>,
    run: Option<LocalFuture<NodeResult<()>>>,
) -> NodeEnd {
    let Some(run) = run else {
        tokio::select! {
            biased;
            () = stop.wait() => {}
            () = serving => {}
        }
        stop.call_handlers();
        return NodeEnd::stopped();
    };
    let run = async {
        run.await?;
        Ok(Vec::new())
    };
    tokio::select! {
        biased;
        end = body(stop, run) => end,
        () = serving => NodeEnd::stopped(),
    }
}
