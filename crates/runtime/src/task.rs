//! Tasks of a node: tokio's on the machine, the scheduler's on a virtual clock.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Node, Sim};

/// A task that was started. Awaiting it gives what it yields; dropping it lets the task run on.
#[derive(Debug)]
pub struct Task<T>(Kind<T>);

#[derive(Debug)]
enum Kind<T> {
    Machine(JoinHandle<T>),
    Simulated(oneshot::Receiver<T>),
}

/// A task ended without a value: it panicked, or its node came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task panicked, or its node came to its end first")]
pub struct TaskLost;

impl<T: Send + 'static> Task<T> {
    pub(crate) fn machine(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Kind::Machine(tokio::spawn(work)))
    }

    pub(crate) fn simulated(sim: &Sim, node: Node, work: impl Future<Output = T> + Send + 'static) -> Self {
        let (done, result) = oneshot::channel();
        sim.spawn(node, async move {
            // Nobody may be waiting for it.
            let _ = done.send(work.await);
        });
        Self(Kind::Simulated(result))
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskLost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let value = match &mut self.0 {
            Kind::Machine(handle) => ready!(Pin::new(handle).poll(context)).ok(),
            Kind::Simulated(result) => ready!(Pin::new(result).poll(context)).ok(),
        };
        Poll::Ready(value.ok_or(TaskLost))
    }
}
