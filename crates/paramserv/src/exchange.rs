//! A worker's side of pull and push: one logical exchange with all servers at once.
//!
//! A round's parameters come whole or, where its rows read few of them, as just the coordinates that they read. What a
//! single server sends is used where it lies, between threads in the server's own buffer; what several servers send is
//! put together in a vector of the worker's own.

use std::{
    future::poll_fn,
    ops::{Deref, Range},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures_util::future::try_join_all;
use syncline_program::Clock as RunClock;
use syncline_wire::{Client, Indices, Message, Tensor};

use crate::{
    Error,
    protocol::{ServerReply, ServerRequest},
    server::Server,
};

/// The coordinates that one round reads: over all parameters, and cut by server, counted from each shard's start.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    shards: Vec<(Range<usize>, Indices)>,
}

impl Touched {
    /// Cuts sorted, unique coordinates by shard.
    pub(crate) fn new(all: &[u32], shards: &[Range<usize>]) -> Self {
        let cut = |shard: &Range<usize>| {
            let at = |end: usize| all.partition_point(|&index| (index as usize) < end);
            let within = at(shard.start)..at(shard.end);
            let indices = all[within.clone()].iter().map(|index| index - shard.start as u32);
            (within, indices.collect::<Vec<_>>().into())
        };
        Self { shards: shards.iter().map(cut).collect() }
    }
}

/// The parameters of a round, as they were pulled: all of them, or those that were asked for, in order.
pub(crate) enum Values {
    /// The server's own buffer, or the very bytes that it sent.
    Shared(Tensor),
    /// The worker's vector.
    Own(Vec<f32>),
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Shared(tensor) => tensor,
            Self::Own(values) => values,
        }
    }
}

/// The answer to a pull.
pub(crate) struct Pulled {
    /// The round that this worker now works at.
    pub clock: u64,
    /// How long the gate held it: the longest of the servers.
    pub held: Duration,
    /// The parameters.
    pub values: Values,
}

/// The servers, as one worker sees them.
pub(crate) struct Exchange {
    worker: u32,
    run_clock: RunClock,
    servers: Vec<Client<Server>>,
    shards: Vec<Range<usize>>,
    /// The worker's own vector between uses; empty until it is needed.
    own: Vec<f32>,
}

impl Exchange {
    pub(crate) fn new(
        worker: u32,
        run_clock: RunClock,
        servers: Vec<Client<Server>>,
        shards: Vec<Range<usize>>,
    ) -> Self {
        Self { worker, run_clock, servers, shards, own: Vec::new() }
    }

    /// Whether the servers live in this process.
    fn is_local(&self) -> bool {
        self.servers.iter().all(Client::is_local)
    }

    /// Which parameters each server holds.
    pub(crate) fn shards(&self) -> &[Range<usize>] {
        &self.shards
    }

    /// Starts this worker's next round, as soon as every server's gate lets it.
    pub(crate) async fn pull(&mut self, touched: Option<&Touched>) -> Result<Pulled, Error> {
        let calls = self.servers.iter().enumerate().map(|(server, client)| {
            let message = Message::from(ServerRequest::Pull { worker: self.worker });
            let (message, expected) = match touched.map(|touched| &touched.shards[server].1) {
                Some(indices) => (message.with_indices(indices.clone()), indices.len()),
                None => (message, self.shards[server].len()),
            };
            async move { Started::read(client.call(message).await?, server, expected) }
        });
        let calls = try_join_all(calls);
        let mut started =
            if self.is_local() { eagerly(&self.run_clock, calls).await? } else { calls.await? };
        let clock = started[0].clock;
        if let Some(server) = started.iter().position(|other| other.clock != clock) {
            let what = format!("it is at round {}, server 0 at round {clock}", started[server].clock);
            return Err(Error::Protocol { server, what });
        }
        let held = started.iter().map(|started| started.held).max().unwrap_or_default();
        let values = match &mut started[..] {
            [only] => Values::Shared(std::mem::take(&mut only.values)),
            _ => {
                let mut own = std::mem::take(&mut self.own);
                own.clear();
                started.iter().for_each(|started| own.extend_from_slice(&started.values));
                Values::Own(own)
            }
        };
        Ok(Pulled { clock, held, values })
    }

    /// Lets go of the parameters, before a push, so that the server can step in place.
    pub(crate) fn release(&mut self, values: Values) {
        if let Values::Own(values) = values {
            self.own = values;
        }
    }

    /// Hands a round's gradient to the servers; `gradient` holds a value a parameter, or a value a touched coordinate,
    /// or nothing when it stands on no samples. It returns when every server has taken its part.
    ///
    /// Each worker begins with another server, so that between threads the folding of several shards, which the last
    /// to arrive does, is spread over the workers.
    pub(crate) async fn push(
        &self,
        clock: u64,
        samples: u64,
        touched: Option<&Touched>,
        gradient: Option<Tensor>,
    ) -> Result<(), Error> {
        let count = self.servers.len();
        let calls = (0..count).map(|turn| {
            let server = (turn + self.worker as usize) % count;
            let mut message = Message::from(ServerRequest::Push { worker: self.worker, clock, samples });
            if let Some(gradient) = &gradient {
                let range = match touched {
                    Some(touched) => {
                        message = message.with_indices(touched.shards[server].1.clone());
                        touched.shards[server].0.clone()
                    }
                    None => self.shards[server].clone(),
                };
                message = message.with_values(gradient.slice(range));
            }
            async move { self.servers[server].call(message).await }
        });
        try_join_all(calls).await?;
        Ok(())
    }
}

/// How long a worker stays awake for another thread that may be about to open the gate. Going to sleep and being woken
/// takes some ten microseconds, which is much of a short round.
const PATIENCE: Duration = Duration::from_micros(100);

/// Polls `future` for a while, letting other threads run in between, before it waits to be woken.
async fn eagerly<F: Future>(clock: &RunClock, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut deadline = None;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            let now = clock.now();
            if now >= *deadline.get_or_insert(now + PATIENCE) {
                return Poll::Pending;
            }
            std::thread::yield_now();
        }
    })
    .await
}

/// One server's answer to a pull.
struct Started {
    clock: u64,
    held: Duration,
    values: Tensor,
}

impl Started {
    fn read(message: Message<ServerReply>, server: usize, expected: usize) -> Result<Self, Error> {
        match (message.body, message.values) {
            (ServerReply::Started { clock, held }, Some(values)) if values.len() == expected => {
                Ok(Self { clock, held, values })
            }
            (body, values) => {
                let sent = values.map_or(0, |values| values.len());
                let what = format!("asked for {expected} parameters it sent {sent} and {body:?}");
                Err(Error::Protocol { server, what })
            }
        }
    }
}
