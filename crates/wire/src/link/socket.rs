//! The way to a service in another process: a connection, opened again when a later call finds that it has ended.

use crate::frame::{Frame, Kind};
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::pending::{Answer, Outcome, Pending};
use crate::replies::{Arrival, Flows, Opener};
use crate::tensor::pool::Pools;
use crate::{
    Address, CallError, Error, Health, Identity, Limits, Peer, Result, Reuse, Service, error::Reason,
    handshake,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Where a service is, and the open connection to it.
pub(crate) struct Socket<S: Service> {
    address: Address,
    identity: Identity,
    limits: Limits,
    pools: Pools,
    current: Mutex<Arc<Connection<S>>>,
    /// Held while a connection is opened, so that many callers open one.
    opening: tokio::sync::Mutex<()>,
}

impl<S: Service> Socket<S> {
    /// Connects, waiting for a server that does not listen yet.
    pub(crate) async fn open(address: &Address, identity: Identity, limits: &Limits) -> Result<Socket<S>> {
        let pools = Pools::new(limits);
        let connection = Connection::open(address, &identity, limits, pools.clone()).await?;
        Ok(Socket {
            address: address.clone(),
            identity,
            limits: limits.clone(),
            pools,
            current: Mutex::new(Arc::new(connection)),
            opening: tokio::sync::Mutex::new(()),
        })
    }

    /// The service's node.
    pub(crate) fn peer(&self) -> Peer {
        self.current().peer.clone()
    }

    /// Who calls.
    pub(crate) fn caller(&self) -> &Peer {
        self.identity.peer()
    }

    pub(crate) fn reuse(&self) -> Reuse {
        self.pools.reuse()
    }

    pub(crate) async fn call(
        &self,
        patience: Option<Duration>,
        request: S::Request,
    ) -> Result<S::Reply, CallError<S::Error>> {
        match self.connection().await?.call(patience, request).await? {
            Answer::Reply(reply) => Ok(reply),
            Answer::Health(_) => Err(Error::decode("an answer to another question").into()),
        }
    }

    pub(crate) async fn health(&self) -> Result<Health, CallError<S::Error>> {
        match self.connection().await?.health().await? {
            Answer::Health(health) => Ok(health),
            Answer::Reply(_) => Err(Error::decode("an answer to another question").into()),
        }
    }

    /// The connection, a new one if the last has ended. What was sent over that one is not sent again.
    async fn connection(&self) -> Result<Arc<Connection<S>>> {
        let current = Arc::clone(&self.current());
        if !current.pending.has_ended() {
            return Ok(current);
        }
        let _opening = self.opening.lock().await;
        let current = Arc::clone(&self.current());
        if !current.pending.has_ended() {
            return Ok(current);
        }
        // It listened before, so there is nothing to wait for.
        let limits = Limits { connect: Duration::ZERO, ..self.limits.clone() };
        let fresh = Connection::open(&self.address, &self.identity, &limits, self.pools.clone()).await?;
        let fresh = Arc::new(fresh);
        *self.current() = Arc::clone(&fresh);
        Ok(fresh)
    }

    fn current(&self) -> MutexGuard<'_, Arc<Connection<S>>> {
        // The lock is held for a copy only.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection; its end ends the two tasks that read and write it.
struct Connection<S: Service> {
    peer: Peer,
    limits: Limits,
    outbox: Arc<Outbox>,
    pending: Arc<Pending<S::Reply, S::Error>>,
    unsent: Arc<Semaphore>,
    tasks: [JoinHandle<()>; 2],
}

impl<S: Service> Connection<S> {
    async fn open(address: &Address, identity: &Identity, limits: &Limits, pools: Pools) -> Result<Self> {
        let (stream, peer, limits) = handshake::open(address, identity, S::contract(), limits).await?;
        let inbox = Inbox::new(stream.read, limits.clone(), pools);
        let outbox = Outbox::new(stream.write);
        let pending = Pending::new(address.to_string());
        let flows = Arc::new(Flows::default());
        let end = || EndOnDrop::<S> { pending: Arc::clone(&pending), flows: Arc::clone(&flows) };
        let reader = Reader { inbox, outbox: Arc::clone(&outbox), calls: end() };
        let tasks = [tokio::spawn(reader.run()), tokio::spawn(write_requests(Arc::clone(&outbox), end()))];
        let unsent = limits.slots();
        Ok(Connection { peer, limits, outbox, pending, unsent, tasks })
    }

    async fn call(&self, patience: Option<Duration>, request: S::Request) -> Outcome<S::Reply, S::Error> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.unsent).acquire_owned().await.ok();
        let mut waiting = self.pending.register(&self.outbox, false)?;
        let (frame, flow) = Frame::new(Kind::Request, waiting.id, &request, &self.limits)?;
        if flow.is_some() {
            return Err(Error::Remote("a request cannot have a stream in it".to_owned()).into());
        }
        let mut frame = frame.within(patience);
        frame.permit = permit;
        waiting.send(frame);
        waiting.outcome().await
    }

    async fn health(&self) -> Outcome<S::Reply, S::Error> {
        let mut waiting = self.pending.register(&self.outbox, true)?;
        waiting.send(Frame::health(waiting.id));
        waiting.outcome().await
    }
}

impl<S: Service> Drop for Connection<S> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Fails the waiting calls when its task ends, for whatever reason: also when the runtime is dropped.
struct EndOnDrop<S: Service> {
    pending: Arc<Pending<S::Reply, S::Error>>,
    flows: Arc<Flows>,
}

impl<S: Service> Drop for EndOnDrop<S> {
    fn drop(&mut self) {
        self.pending.end("the connection was dropped");
        self.flows.end();
    }
}

struct Reader<S: Service> {
    inbox: Inbox,
    outbox: Arc<Outbox>,
    calls: EndOnDrop<S>,
}

impl<S: Service> Reader<S> {
    async fn run(mut self) {
        let reason = loop {
            match self.read().await {
                Ok(true) => {}
                Ok(false) => break "the peer ended it".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        self.calls.pending.end(reason);
    }

    /// Takes in one frame; false at the stream's end.
    async fn read(&mut self) -> Result<bool> {
        let Some(received) = self.inbox.receive().await? else { return Ok(false) };
        let (call, parts) = (received.header.call, received.parts);
        let (inbox, EndOnDrop { pending, flows }) = (&self.inbox, &self.calls);
        match received.header.kind {
            Kind::Reply => match pending.asks_health(call) {
                Some(true) => pending.settle(call, Ok(Answer::Health(inbox.read(parts, None)?))),
                Some(false) => {
                    let (flows, outbox) = (Arc::clone(flows), Arc::clone(&self.outbox));
                    let reply = inbox.read(parts, Some(Opener { flows, outbox, call }))?;
                    pending.settle(call, Ok(Answer::Reply(reply)));
                }
                // Given up. A stream that it has opened is ended by the cancellation.
                None => {}
            },
            Kind::Failure => {
                let reason = inbox.read::<Reason<S::Error>>(parts, None)?;
                pending.settle(call, Err(reason.into()));
            }
            Kind::Item => flows.arrive(call, Arrival::Item(inbox.body().to_vec(), parts))?,
            Kind::End => flows.arrive(call, Arrival::End(inbox.text()))?,
            Kind::Farewell => return Err(Error::decode(format_args!("the peer says: {}", inbox.text()))),
            Kind::Request | Kind::Cancel | Kind::Credit => {
                return Err(Error::decode("a request arrived where replies are expected"));
            }
        }
        Ok(true)
    }
}

async fn write_requests<S: Service>(outbox: Arc<Outbox>, calls: EndOnDrop<S>) {
    let error = outbox.flush_forever().await;
    calls.pending.end(format_args!("sending failed: {error}"));
}
