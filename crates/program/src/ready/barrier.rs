//! A barrier: nobody goes on before all have come.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use syncline_wire::{Call, Service, ServiceError};
use tokio::sync::watch;

use crate::{Context, Error, Handle, Peer, Program};

/// A barrier of a program, for so many nodes, that can be passed again and again.
///
/// ```
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("rounds");
/// let barrier = program.barrier("barrier", 3);
/// let rounds = program.group("worker", 3).run(async move |ctx| {
///     let barrier = barrier.at(&ctx);
///     barrier.wait().await?;
///     Ok(barrier.wait().await?)
/// });
/// let program = program.driver(async move |ctx| Ok(rounds.all(&ctx).await?));
/// assert_eq!(launch(program, Executor::threads())?.wait()?, [2, 2, 2]);
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Barrier(Handle<BarrierService>);

/// A node's side of a barrier.
#[derive(Clone, Debug)]
pub struct BarrierSide {
    peer: Peer<BarrierService>,
    node: String,
}

/// The service behind a [`Barrier`].
pub struct BarrierService {
    ctx: Context,
    parties: usize,
    /// Who has come to the round that is open.
    arrived: Mutex<BTreeSet<String>>,
    /// How many rounds are complete.
    rounds: watch::Sender<u64>,
}

/// "This node has come."
#[derive(Debug, Serialize, Deserialize)]
pub struct Arrive(String);

impl<T: Send + 'static> Program<T> {
    /// Adds a barrier for `parties` nodes.
    pub fn barrier(&mut self, label: &str, parties: usize) -> Barrier {
        Barrier(self.service(label, move |ctx| {
            let (arrived, rounds) = (Mutex::default(), watch::Sender::new(0));
            Ok(BarrierService { ctx: ctx.clone(), parties, arrived, rounds })
        }))
    }
}

impl Barrier {
    /// The barrier, as the node of `ctx` reaches it.
    pub fn at(&self, ctx: &Context) -> BarrierSide {
        BarrierSide { peer: self.0.peer(ctx), node: ctx.name().to_owned() }
    }
}

impl BarrierSide {
    /// Waits until all have come, and tells how often that has happened. A node that comes twice to one round, because it
    /// was started again in between, counts once.
    ///
    /// # Errors
    /// As [`Peer::call`].
    pub async fn wait(&self) -> Result<u64, Error> {
        self.peer.call(Arrive(self.node.clone())).await
    }
}

impl BarrierService {
    fn arrived(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // No code that holds the lock can panic half-way through a change.
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The round for which `node` waits now; it may be the one who completes it.
    fn arrive(&self, node: String) -> u64 {
        let mut arrived = self.arrived();
        let round = *self.rounds.borrow() + 1;
        arrived.insert(node);
        if arrived.len() >= self.parties {
            arrived.clear();
            // Under the lock, so that nobody comes in between and is counted for the round that is over.
            self.rounds.send_replace(round);
        }
        round
    }
}

impl Service for BarrierService {
    type Request = Arrive;
    type Reply = u64;
    type Error = ServiceError;

    async fn call(&self, _: &Call<'_>, Arrive(node): Arrive) -> Result<u64, ServiceError> {
        let round = self.arrive(node);
        let gate =
            || (format!("barrier, {} of {} have come", self.arrived().len(), self.parties), Vec::new());
        let mut rounds = self.rounds.subscribe();
        self.ctx.wait_at(gate, rounds.wait_for(|complete| *complete >= round)).await?;
        Ok(round)
    }
}
