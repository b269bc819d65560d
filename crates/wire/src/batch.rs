//! Batches: the calls of several callers, gathered and handled as one.
//!
//! A batch begins with its first call. It starts when it is full, or its time is up and a place for it is free; until it
//! starts it takes in further calls. Each caller gets its own part of what the handler yields, or all get its error.

use crate::{CallError, Error, Hosted, Service, Stack, caught};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, oneshot};

/// How calls are gathered, as `#[batched(size = 8, timeout = "10ms", pad, parallel = 2)]` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Calls of one batch at most.
    pub size: usize,
    /// How long a batch waits to become full.
    pub timeout: Duration,
    /// Whether the handler always gets a full batch, filled with copies of its last call.
    pub pad: bool,
    /// Batches handled at once.
    pub parallel: usize,
}

/// Where the calls of one method gather.
pub struct Batcher<A, R, E> {
    current: Mutex<Option<Arc<Batch<A, R, E>>>>,
    places: Mutex<Option<Arc<Semaphore>>>,
}

struct Batch<A, R, E> {
    members: Mutex<Members<A, R, E>>,
    full: Notify,
}

type Members<A, R, E> = Vec<(A, oneshot::Sender<Result<R, Failed<E>>>)>;

/// Why a batch failed, for each of its callers.
#[derive(Clone)]
enum Failed<E> {
    Service(E),
    Batch(String),
}

impl<E> From<Failed<E>> for CallError<E> {
    fn from(failed: Failed<E>) -> Self {
        match failed {
            Failed::Service(error) => CallError::Service(error),
            Failed::Batch(text) => CallError::Wire(Error::Batch(text)),
        }
    }
}

impl<A, R, E> Default for Batcher<A, R, E> {
    fn default() -> Self {
        Batcher { current: Mutex::new(None), places: Mutex::new(None) }
    }
}

impl<A, R, E> Batcher<A, R, E>
where
    A: Stack + Clone,
    R: Stack,
    E: Clone + Send + 'static,
{
    /// Adds a call to the batch that gathers, and waits for its part of what `handle` makes of it.
    pub async fn join<S, F>(
        &self,
        hosted: &Hosted<S>,
        batching: Batching,
        arguments: A,
        handle: impl FnOnce(Hosted<S>, A::Batch) -> F + Send + 'static,
        find: fn(&Hosted<S>) -> Option<&Self>,
    ) -> Result<R, CallError<E>>
    where
        S: Service,
        F: Future<Output = Result<R::Batch, E>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let begun = self.add(batching, arguments, sender);
        if let Some(batch) = begun {
            let places = self.places(batching);
            let hosted = hosted.clone();
            let ground = hosted.ground().clone();
            ground.spawn(async move {
                // However long it has to wait for a place, it goes on taking in calls.
                let _ = hosted.ground().clock().timeout(batching.timeout, batch.full.notified()).await;
                // The semaphore is never closed.
                let _place = places.acquire_owned().await.ok();
                if let Some(batcher) = find(&hosted) {
                    batcher.close(&batch);
                }
                let members = std::mem::take(&mut *locked(&batch.members));
                settle::<A, R, E, F>(members, batching, |batch| handle(hosted, batch)).await;
            });
        }
        let lost = || Error::Batch("its node came to its end".to_owned());
        Ok(answer.await.map_err(|_| lost())??)
    }

    /// The batch that this call has begun, if it has.
    fn add(
        &self,
        batching: Batching,
        arguments: A,
        sender: oneshot::Sender<Result<R, Failed<E>>>,
    ) -> Option<Arc<Batch<A, R, E>>> {
        let mut current = locked(&self.current);
        let begins = current.is_none();
        let batch = current
            .get_or_insert_with(|| Arc::new(Batch { members: Mutex::new(Vec::new()), full: Notify::new() }));
        let batch = Arc::clone(batch);
        let mut members = locked(&batch.members);
        members.push((arguments, sender));
        if members.len() >= batching.size {
            *current = None;
            batch.full.notify_one();
        }
        drop(members);
        begins.then_some(batch)
    }

    /// Lets nobody else into this batch.
    fn close(&self, batch: &Arc<Batch<A, R, E>>) {
        let mut current = locked(&self.current);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, batch)) {
            *current = None;
        }
    }

    fn places(&self, batching: Batching) -> Arc<Semaphore> {
        let mut places = locked(&self.places);
        Arc::clone(places.get_or_insert_with(|| Arc::new(Semaphore::new(batching.parallel.max(1)))))
    }
}

/// Handles a batch and gives each of its callers their part.
async fn settle<A, R, E, F>(members: Members<A, R, E>, batching: Batching, handle: impl FnOnce(A::Batch) -> F)
where
    A: Stack + Clone,
    R: Stack,
    E: Clone,
    F: Future<Output = Result<R::Batch, E>>,
{
    // Who has given up meanwhile is not worked for.
    let wanted = members.into_iter().filter(|(_, sender)| !sender.is_closed());
    let (mut arguments, senders): (Vec<A>, Vec<_>) = wanted.unzip();
    let Some(last) = arguments.last().cloned() else { return };
    let count = if batching.pad { batching.size.max(arguments.len()) } else { arguments.len() };
    arguments.resize(count, last);
    let answers = match A::stack(arguments) {
        Ok(batch) => answers::<R, E>(handled(|| handle(batch)).await, count),
        Err(text) => Err(Failed::Batch(text)),
    };
    match answers {
        // A padded batch has more answers than callers.
        Ok(answers) => {
            senders.into_iter().zip(answers).for_each(|(sender, answer)| drop(sender.send(Ok(answer))))
        }
        Err(failed) => senders.into_iter().for_each(|sender| drop(sender.send(Err(failed.clone())))),
    }
}

async fn handled<T, E, F: Future<Output = Result<T, E>>>(handle: impl FnOnce() -> F) -> Result<T, Failed<E>> {
    caught::run(handle).await.map_err(|error| match error {
        CallError::Service(error) => Failed::Service(error),
        CallError::Wire(error) => Failed::Batch(error.to_string()),
    })
}

/// The answers in a batch of them, which must be `count`.
fn answers<R: Stack, E>(batch: Result<R::Batch, Failed<E>>, count: usize) -> Result<Vec<R>, Failed<E>> {
    let answers = R::unstack(batch?).map_err(Failed::Batch)?;
    if answers.len() == count {
        return Ok(answers);
    }
    let text = format!("invalid length: the handler answered {count} calls with {} results", answers.len());
    Err(Failed::Batch(text))
}

/// No code that holds one of these locks can panic half-way through a change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
