//! A bounded queue between nodes.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use syncline_wire::{Call, Never, Service};
use tokio::sync::mpsc;

use crate::{Context, Error, Handle, Peer, Program};

/// What can be put into a queue.
pub trait Item: Serialize + DeserializeOwned + Send + 'static {}
impl<I: Serialize + DeserializeOwned + Send + 'static> Item for I {}

/// A queue of a program: first in, first out, by any number of producers and consumers. A producer waits while it is full,
/// a consumer while it is empty. An item goes to one consumer, and is lost with one that fails as it receives it.
///
/// ```
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("squares");
/// let jobs = program.queue("jobs", 2);
/// let source = jobs.clone();
/// program.node("producer", async move |ctx| {
///     let jobs = source.at(&ctx);
///     for job in 1..=10_u64 {
///         jobs.push(job).await?;
///     }
///     Ok(jobs.close().await?)
/// });
/// let sums = program.group("consumer", 2).run(async move |ctx| {
///     let (jobs, mut sum) = (jobs.at(&ctx), 0);
///     while let Some(job) = jobs.pop().await? {
///         sum += job;
///     }
///     Ok(sum)
/// });
/// let program = program.driver(async move |ctx| Ok(sums.all(&ctx).await?.iter().sum::<u64>()));
/// assert_eq!(launch(program, Executor::threads())?.wait()?, 55);
/// # Ok::<(), syncline_program::Error>(())
/// ```
pub struct Queue<I: Item>(Handle<QueueService<I>>);

/// A node's side of a queue.
pub struct QueueSide<I: Item>(Peer<QueueService<I>>);

/// The service behind a [`Queue`].
pub struct QueueService<I> {
    ctx: Context,
    capacity: usize,
    /// `None` once closed.
    entrance: Mutex<Option<mpsc::Sender<I>>>,
    /// tokio's mutex lets consumers through in the order in which they came.
    exit: tokio::sync::Mutex<mpsc::Receiver<I>>,
}

/// What a queue is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask<I> {
    /// Take this, when there is room.
    Push(I),
    /// Give the next one, when there is one.
    Pop,
    /// Take no more.
    Close,
}

/// What a queue answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<I> {
    /// It is done.
    Done,
    /// The next one.
    Item(I),
    /// It is closed, and for whoever asked to pop, empty.
    Closed,
}

impl<T: Send + 'static> Program<T> {
    /// Adds a queue in which up to `capacity` items wait, one at least.
    pub fn queue<I: Item>(&mut self, label: &str, capacity: usize) -> Queue<I> {
        Queue(self.service(label, move |ctx| {
            let capacity = capacity.max(1);
            let (entrance, exit) = mpsc::channel(capacity);
            let (entrance, exit) = (Mutex::new(Some(entrance)), tokio::sync::Mutex::new(exit));
            Ok(QueueService { ctx: ctx.clone(), capacity, entrance, exit })
        }))
    }
}

impl<I: Item> Queue<I> {
    /// The queue, as the node of `ctx` reaches it.
    pub fn at(&self, ctx: &Context) -> QueueSide<I> {
        QueueSide(self.0.peer(ctx))
    }
}

impl<I: Item> QueueSide<I> {
    /// Puts `item` at the end, as soon as there is room.
    ///
    /// # Errors
    /// [`Error::Closed`] when the queue is closed; else as [`Peer::call`].
    pub async fn push(&self, item: I) -> Result<(), Error> {
        match self.0.call(Ask::Push(item)).await? {
            Answer::Done => Ok(()),
            Answer::Item(_) | Answer::Closed => Err(Error::Closed),
        }
    }

    /// Takes the first item, as soon as there is one; `None` when the queue is closed and empty.
    ///
    /// # Errors
    /// As [`Peer::call`].
    pub async fn pop(&self) -> Result<Option<I>, Error> {
        match self.0.call(Ask::Pop).await? {
            Answer::Item(item) => Ok(Some(item)),
            Answer::Done | Answer::Closed => Ok(None),
        }
    }

    /// Closes the queue: what is in it can still be taken.
    ///
    /// # Errors
    /// As [`Peer::call`].
    pub async fn close(&self) -> Result<(), Error> {
        self.0.call(Ask::Close).await.map(drop)
    }
}

impl<I: Item> QueueService<I> {
    fn entrance(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<I>>> {
        // No code that holds the lock can panic half-way through a change.
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn push(&self, item: I) -> Answer<I> {
        let Some(entrance) = self.entrance().clone() else { return Answer::Closed };
        let gate = || (format!("queue, full with {}", self.capacity), Vec::new());
        match self.ctx.wait_at(gate, entrance.send(item)).await {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Closed,
        }
    }

    async fn pop(&self) -> Answer<I> {
        let next = async { self.exit.lock().await.recv().await };
        let gate = || ("queue, empty".to_owned(), Vec::new());
        self.ctx.wait_at(gate, next).await.map_or(Answer::Closed, Answer::Item)
    }
}

impl<I: Item> Service for QueueService<I> {
    type Request = Ask<I>;
    type Reply = Answer<I>;
    type Error = Never;

    async fn call(&self, _: &Call<'_>, request: Ask<I>) -> Result<Answer<I>, Never> {
        Ok(match request {
            Ask::Push(item) => self.push(item).await,
            Ask::Pop => self.pop().await,
            Ask::Close => {
                *self.entrance() = None;
                Answer::Done
            }
        })
    }
}

impl<I: Item> Clone for Queue<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Item> Clone for QueueSide<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Item> fmt::Debug for Queue<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.0.name())
    }
}
