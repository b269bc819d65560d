//! A worker's side of pull and push: one logical exchange with all servers at once.
//!
//! A round's parameters come whole or, where its rows read few of them, as just the coordinates that they read. What a
//! single server sends is used where it lies, between threads in the server's own buffer; what several servers send is
//! put together in a vector of the worker's own.
//!
//! Between threads a worker calls the servers themselves, and may hand over a gradient in factors, whose rows both sides
//! share. Between processes messages travel, and such a gradient is multiplied out first: its contributions are the same
//! in the same order, so both ways give the same bits.
//!
//! What is handed over and how it is cut by server, `push` says.
//!
//! Without servers the one server is the worker's own, and gradients come to it by way of the [other workers](crate::allreduce).

mod push;

use std::{
    cell::Cell,
    future::poll_fn,
    ops::{Deref, Range},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::future::try_join_all;
use syncline_program::Clock as RunClock;
use syncline_wire::{CallError, Client, ServiceError, Tensor};
use tokio::task::coop::has_budget_remaining;

use crate::{
    Error,
    allreduce::{Peers, Summed},
    batches::Batches,
    compression::Packed,
    gradient::Gradient,
    protocol::{Memory, Position, ShardClient, Standing, Started, Taken, Ticket, Turn},
    server::Server,
    way::Way,
};

pub(crate) use self::push::{Chosen, Push, Touched};

/// The parameters of a round, as they were pulled: all of them, or those that were asked for, in order.
pub(crate) enum Parameters {
    /// The server's own buffer, or the very bytes that it sent.
    Shared(Tensor<f32>),
    /// The worker's vector.
    Own(Vec<f32>),
}

impl Deref for Parameters {
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
    pub values: Parameters,
    /// Bytes of them, or of the sum that they come of, as they were sent.
    pub bytes: u64,
    /// The same at 32 bits a value.
    pub plain_bytes: u64,
}

/// The servers, as one worker sees them.
pub(crate) struct Exchange {
    worker: u32,
    run_clock: RunClock,
    servers: Vec<Way>,
    shards: Vec<Range<usize>>,
    /// In which history of the run it has taken up its work.
    history: u32,
    /// Where the worker stands at each server; empty before it has taken up its work.
    places: Vec<Cell<Place>>,
    /// The worker's own vector between uses; empty until it is needed.
    own: Vec<f32>,
    /// Where servers tell what has changed: what each has told.
    told: Option<Vec<Tensor<f32>>>,
    /// Where there are no servers: with whom the one server, which is the worker's own, comes to its gradients.
    peers: Option<Peers>,
    /// Whether it may stay awake for a gate: not while its thread has other work to do.
    pub is_eager: bool,
}

/// Where a worker stands at a server.
#[derive(Clone, Copy)]
struct Place {
    ticket: Ticket,
    /// The first round that the server had not got when this was said.
    next: u64,
}

impl From<&Standing> for Place {
    fn from(standing: &Standing) -> Self {
        Self { ticket: standing.ticket, next: standing.next }
    }
}

/// Why a worker does not go on as it was about to.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It takes up its work anew, where the servers say that it stands: one of them is gone, or has gone back.
    Anew,
    /// It fails.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::Program(syncline_program::Error::PeerLost(_)) => Self::Anew,
            error => Self::Failed(error),
        }
    }
}

/// How long a worker waits for servers that do not agree yet on the history that they are in.
const AGREEMENT: Duration = Duration::from_millis(5);

impl Exchange {
    pub(crate) fn new(
        worker: u32,
        run_clock: RunClock,
        servers: Vec<Way>,
        shards: Vec<Range<usize>>,
    ) -> Self {
        Self {
            worker,
            run_clock,
            servers,
            shards,
            history: 0,
            places: Vec::new(),
            own: Vec::new(),
            told: None,
            peers: None,
            is_eager: true,
        }
    }

    /// The same of a worker whom servers of other processes tell what has changed.
    pub(crate) fn hearing_changes(self) -> Self {
        let told = (!self.is_local()).then(|| vec![Tensor::default(); self.servers.len()]);
        Self { told, ..self }
    }

    /// The exchange of a worker who holds all of so many parameters itself, with its peers.
    pub(crate) fn among(
        peers: Peers,
        worker: u32,
        run_clock: RunClock,
        own: &Arc<Server>,
        parameters: usize,
    ) -> Self {
        let own = Way::Direct(Client::local(Arc::clone(own)));
        let all = 0..parameters;
        Self { peers: Some(peers), ..Self::new(worker, run_clock, vec![own], vec![all]) }
    }

    /// Whether all parameters lie in one buffer of this process, so that pulling them costs nothing.
    pub(crate) fn is_shared(&self) -> bool {
        self.servers.len() == 1 && self.is_local()
    }

    /// Whether the servers live in this process.
    fn is_local(&self) -> bool {
        self.servers.iter().all(Way::is_local)
    }

    /// Whether whoever is waited for is another thread: in virtual time waiting takes none of the machine's.
    fn is_next_door(&self) -> bool {
        self.is_local() && !self.run_clock.is_virtual()
    }

    /// What a gradient would be at 32 bits, where it could be sent otherwise.
    pub(crate) fn plain_bytes(&self, gradient: &Push) -> Option<u64> {
        gradient.plain_bytes().filter(|_| self.peers.is_none())
    }

    /// Takes in the batches of all workers from an epoch on.
    pub(crate) fn deal(&mut self, epoch: u64, batches: Vec<Batches>) {
        if let Some(peers) = &mut self.peers {
            peers.deal(epoch, batches);
        }
    }

    /// Which parameters each server holds.
    pub(crate) fn shards(&self) -> &[Range<usize>] {
        &self.shards
    }

    /// Asks all servers where this worker stands, until they are all there and in one history. Returns that history, the
    /// first round that some server lacks, how far the worker had come, and what its own optimiser remembered, if the first
    /// server knows.
    pub(crate) async fn take_up(&mut self) -> Result<(u32, u64, Position, Option<Memory>), Error> {
        loop {
            let worker = self.worker;
            let take_up = |server: usize| {
                let server = &self.servers[server];
                async move { Ok::<_, Halt>(server.ask(async |client| client.take_up(worker).await).await?) }
            };
            match all(self.servers.len(), take_up).await {
                Ok(mut standings) if standings.iter().all(|other| other.history == standings[0].history) => {
                    // Where a round has reached some servers only it is done again, and counted from before it.
                    let last = standings.iter().min_by_key(|standing| standing.next).unwrap_or(&standings[0]);
                    let (history, next, position) = (last.history, last.next, last.position);
                    let memory = standings.first_mut().and_then(|first| first.memory.take());
                    let taken_up = (history, next, position, memory);
                    self.history = history;
                    self.places = standings.iter().map(|standing| Cell::new(standing.into())).collect();
                    self.peers.iter_mut().for_each(|peers| peers.take_up(history));
                    return Ok(taken_up);
                }
                Ok(_) => self.run_clock.sleep(AGREEMENT).await,
                Err(Halt::Anew) => {}
                Err(Halt::Failed(error)) => return Err(error),
            }
        }
    }

    /// Starts this worker's next round, as soon as every server's gate lets it; nothing once a server is closed. A round that
    /// some servers have already is pulled from those as it was. A server that asks what the worker remembers is told.
    pub(crate) async fn pull(
        &mut self,
        next: u64,
        touched: Option<&Touched>,
        memory: &dyn Fn() -> Memory,
    ) -> Result<Option<Pulled>, Halt> {
        let summed = self.sum().await?;
        let eager = self.is_eager && self.is_next_door();
        let started = {
            let calls = all(self.servers.len(), |server| self.pull_from(server, next, touched, memory));
            // Pinned where they stand: who hands a future on copies all that it has room for.
            let calls = pin!(calls);
            if eager { eagerly(&self.run_clock, calls).await? } else { calls.await? }
        };
        let Some(mut started) = started.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let clock = started[0].clock;
        if let Some(server) = started.iter().position(|other| other.clock != clock) {
            let what = format!("it is at round {}, server 0 at round {clock}", started[server].clock);
            return Err(Halt::Failed(Error::Protocol { server, what }));
        }
        let held = started.iter().map(|started| started.held).max().unwrap_or_default();
        let coordinates = |changed: &Tensor<u32>| size_of_val(&changed[..]) as u64;
        let bytes = started
            .iter()
            .map(|started| started.values.bytes() + started.changed.as_ref().map_or(0, coordinates))
            .sum();
        if touched.is_none() {
            self.take_in_changes(&mut started)?;
        }
        let values = match &mut started[..] {
            [Started { values: Packed::F32(only), .. }] => Parameters::Shared(std::mem::take(only)),
            _ => {
                let mut own = std::mem::take(&mut self.own);
                own.clear();
                started.iter().for_each(|started| started.values.unpack_onto(&mut own));
                Parameters::Own(own)
            }
        };
        let plain_bytes = size_of_val(&values[..]) as u64;
        Ok(Some(match (summed, &self.peers) {
            (_, None) => Pulled { clock, held, values, bytes, plain_bytes },
            // Its own parameters came from nowhere; what came from the others is the sum.
            (summed, Some(_)) => {
                let (waited, bytes) = summed.unwrap_or_default();
                Pulled { clock, held: waited + held, values, bytes, plain_bytes: bytes }
            }
        }))
    }

    /// Puts what has changed into what each server had told, so that all of it is there.
    fn take_in_changes(&mut self, started: &mut [Started]) -> Result<(), Halt> {
        let Some(told) = &mut self.told else { return Ok(()) };
        for (server, (told, started)) in told.iter_mut().zip(started).enumerate() {
            let Packed::F32(values) = &mut started.values else { continue };
            if let Some(changed) = started.changed.take() {
                if changed.iter().any(|&place| place as usize >= told.len()) {
                    let what = format!("it sent changes of parameters that are not among its {}", told.len());
                    return Err(Halt::Failed(Error::Protocol { server, what }));
                }
                // The last round's parameters are let go of by now: this copies nothing.
                let mut all = std::mem::take(told);
                if all.get_mut().is_none() {
                    all = all.to_vec().into();
                }
                let whole = all.get_mut().unwrap_or_default();
                changed.iter().zip(&values[..]).for_each(|(&place, value)| whole[place as usize] = *value);
                *values = all;
            }
            *told = values.clone();
        }
        Ok(())
    }

    /// Ends the sum of the round before, where workers sum themselves, and steps along it; then that of the groups' models, where
    /// they exchange after it. Returns how long the last of all let this worker wait, and the bytes that came.
    async fn sum(&mut self) -> Result<Option<(Duration, u64)>, Halt> {
        let Some(peers) = &mut self.peers else { return Ok(None) };
        let clock = self.run_clock.clone();
        let eager = peers.are_local() && !clock.is_virtual();
        let finished = match eager {
            true => eagerly(&clock, peers.finish()).await?,
            false => peers.finish().await?,
        };
        let mut waited_and_came = None;
        if let Some(Summed { round, gradient, position, held, received }) = finished {
            self.push_to(0, round, &gradient, position).await?;
            waited_and_came = Some((held, received));
        }
        let Some(peers) = &mut self.peers else { return Ok(waited_and_came) };
        let averaged = match eager {
            true => eagerly(&clock, peers.average()).await?,
            false => peers.average().await?,
        };
        let Some((held, received)) = averaged else { return Ok(waited_and_came) };
        let (before, came) = waited_and_came.unwrap_or_default();
        Ok(Some((before + held, came + received)))
    }

    /// One server's part of a pull.
    async fn pull_from(
        &self,
        server: usize,
        next: u64,
        touched: Option<&Touched>,
        memory: &dyn Fn() -> Memory,
    ) -> Result<Option<Started>, Halt> {
        let indices = touched.map(|touched| touched.shards[server].1.clone());
        let expected = indices.as_ref().map_or(self.shards[server].len(), |indices| indices.len());
        let hears_changes = self.told.is_some();
        let started = loop {
            let asked = self.ask(server, async |client, place| {
                let again = (next < place.next).then_some(next);
                client.pull(place.ticket, again, indices.clone(), hears_changes).await
            });
            match asked.await? {
                Turn::Go(started) => break started,
                Turn::Over => return Ok(None),
                Turn::Anew => return Err(Halt::Anew),
                Turn::Tell => self.tell(server, memory()).await?,
            }
        };
        // Of all those that have changed, where this worker knows the others.
        let all = self.told.as_ref().map_or(0, |told| told[server].len());
        let expected = match &started.changed {
            Some(changed) if indices.is_none() && all == expected => changed.len(),
            _ => expected,
        };
        let sent = started.values.len();
        let fits = started.values.check().and_then(|()| match sent == expected {
            true => Ok(()),
            false => Err(format!("asked for {expected} parameters it sent {sent}")),
        });
        match fits {
            Ok(()) => Ok(Some(started)),
            Err(what) => Err(Halt::Failed(Error::Protocol { server, what })),
        }
    }

    /// Returns when a round is over without this worker, where one server decides that. One that is lost says nothing.
    pub(crate) fn over(&self, round: u64) -> impl Future<Output = ()> + use<> {
        let server = self.servers[0].clone();
        async move {
            if server.ask(async |client| client.over(round).await).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Leaves with the first server what is remembered before round `next`, for whoever takes the work up. Where a server has that
    /// round already, which is done again for others, nothing can be said.
    pub(crate) async fn leave(&self, next: u64, memory: Memory) -> Result<(), Halt> {
        if self.places.iter().any(|place| place.get().next > next) {
            return Ok(());
        }
        self.tell(0, memory).await
    }

    /// Tells a server what the worker remembers.
    async fn tell(&self, server: usize, memory: Memory) -> Result<(), Halt> {
        let told =
            self.ask(server, async |client, place| client.remember(place.ticket, memory.clone()).await);
        match told.await? {
            Taken::Yes => Ok(()),
            Taken::Anew => Err(Halt::Anew),
        }
    }

    /// Lets go of the parameters, before a push, so that the server can step in place.
    pub(crate) fn release(&mut self, values: Parameters) {
        if let Parameters::Own(values) = values {
            self.own = values;
        }
    }

    /// Hands a round's gradient to the servers. It returns when every server has taken its part, with the bytes of the
    /// values and coordinates that they were handed, as many as travel between processes. How far the worker is then depends on those.
    ///
    /// Each worker begins with another server, so that between threads the folding of several shards, which the last
    /// to arrive does, is spread over the workers.
    pub(crate) async fn push(
        &mut self,
        clock: u64,
        samples: u64,
        gradient: Push,
        position: impl FnOnce(u64) -> Position,
    ) -> Result<u64, Halt> {
        if self.peers.is_some() {
            return Ok(self.begin_sum(clock, &gradient, position));
        }
        let count = self.servers.len();
        let turns = (0..count).map(|turn| (turn + self.worker as usize) % count);
        let parts: Vec<_> = turns
            .map(|server| {
                let (shard, shares_rows) = (&self.shards[server], self.servers[server].is_local());
                (server, Gradient { samples, values: gradient.part(server, shard, shares_rows) })
            })
            .collect();
        drop(gradient);
        let bytes = parts.iter().map(|(_, part)| part.values.bytes()).sum();
        let position = position(bytes);
        all(count, |turn| self.push_to(parts[turn].0, clock, &parts[turn].1, position)).await?;
        Ok(bytes)
    }

    /// Lets the others have the worker's gradient with the next pull; returns the bytes that this will send.
    fn begin_sum(&mut self, round: u64, gradient: &Push, position: impl FnOnce(u64) -> Position) -> u64 {
        // Its own server is in this process.
        let values = gradient.part(0, &self.shards[0], true);
        let Some(peers) = &mut self.peers else { return 0 };
        let bytes = peers.sent_bytes(round);
        peers.begin(round, &values, position(bytes));
        bytes
    }

    /// One server's part of a push.
    async fn push_to(
        &self,
        server: usize,
        clock: u64,
        gradient: &Gradient,
        position: Position,
    ) -> Result<(), Halt> {
        let taken = self.ask(server, async |client, place| match clock < place.next {
            true => Ok(Taken::Yes),
            false => client.push(place.ticket, clock, gradient.clone(), position).await,
        });
        match taken.await? {
            Taken::Yes => Ok(()),
            Taken::Anew => Err(Halt::Anew),
        }
    }

    /// Asks a server in this worker's name. Where it is lost, and what takes its place knows all that it knew, that one is asked
    /// instead: the worker does nothing again.
    async fn ask<R>(
        &self,
        server: usize,
        ask: impl AsyncFn(&Client<Server>, Place) -> Result<R, CallError<ServiceError>>,
    ) -> Result<R, Halt> {
        loop {
            let place = self.places[server].get();
            match self.servers[server].ask(async |client| ask(client, place).await).await {
                // On the heap, since it is seldom.
                Err(Error::Program(syncline_program::Error::PeerLost(_))) => {
                    Box::pin(self.find_again(server)).await?;
                }
                answer => return Ok(answer?),
            }
        }
    }

    /// Waits for what takes the place of a server that was lost, and asks it where this worker stands.
    async fn find_again(&self, server: usize) -> Result<(), Halt> {
        let worker = self.worker;
        let standing = loop {
            match self.servers[server].ask(async |client| client.take_up(worker).await).await {
                Err(Error::Program(syncline_program::Error::PeerLost(_))) => {}
                answer => break answer?,
            }
        };
        if standing.history != self.history {
            return Err(Halt::Anew);
        }
        self.places[server].set(Place::from(&standing));
        Ok(())
    }
}

/// What so many calls yield, in order. A single one, the common case, is awaited where it stands.
async fn all<T, F>(count: usize, call: impl Fn(usize) -> F) -> Result<Vec<T>, Halt>
where
    F: Future<Output = Result<T, Halt>>,
{
    match count {
        1 => Ok(vec![call(0).await?]),
        _ => try_join_all((0..count).map(call)).await,
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
            // A task whose turn is over stays pending until the runtime gives it another.
            let now = clock.now();
            if !has_budget_remaining() || now >= *deadline.get_or_insert(now + PATIENCE) {
                return Poll::Pending;
            }
            std::thread::yield_now();
        }
    })
    .await
}
