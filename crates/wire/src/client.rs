//! The caller's side of a service.

use crate::frame::{Frame, Kind};
use crate::inbox::{Inbox, Pools};
use crate::outbox::{Flush, Outbox};
use crate::pending::Pending;
use crate::{
    Address, Error, Limits, Message, Result, Reuse, Service, SimulatedLink, Token, caught, handshake,
};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Calls a [`Service`], in this process or another. Clones share the connection.
///
/// A call's future may be dropped at any time: the call is given up and a late reply discarded. The request may still be
/// executed when the service is in another process; a local one stops at its await point.
///
/// A connected client's socket belongs to the tokio runtime in which it was connected, and works while that one runs.
pub struct Client<S: Service> {
    place: Place<S>,
}

enum Place<S: Service> {
    Local(Arc<S>),
    Remote(Arc<Connection<S::Reply>>),
    Simulated(Arc<S>, SimulatedLink),
}

impl<S: Service> Client<S> {
    /// A client that calls the service directly: no socket, no copy, no other thread.
    pub fn local(service: Arc<S>) -> Client<S> {
        Client { place: Place::Local(service) }
    }

    /// A client that calls the service over a modelled network, in virtual time. Nothing is copied.
    pub fn simulated(service: Arc<S>, link: SimulatedLink) -> Client<S> {
        Client { place: Place::Simulated(service, link) }
    }

    /// Connects to a listener, waiting up to [`Limits::connect`] for one that does not listen yet.
    ///
    /// # Errors
    /// [`Error::Io`] when nothing listens there in time, [`Error::Refused`] for a wrong token, [`Error::Version`] for
    /// another protocol, [`Error::Closed`] when the peer is silent.
    pub async fn connect(address: &Address, token: &Token, limits: &Limits) -> Result<Client<S>> {
        let connection = Connection::open(address, token, limits).await?;
        Ok(Client { place: Place::Remote(Arc::new(connection)) })
    }

    /// Whether calls stay in this process, so that bulk data are shared and not copied.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Local(_))
    }

    /// The service itself, if it is in this process: a caller that knows its type can hand over more than messages.
    pub fn service(&self) -> Option<&Arc<S>> {
        match &self.place {
            Place::Local(service) => Some(service),
            Place::Remote(_) | Place::Simulated(..) => None,
        }
    }

    /// How often receive buffers of values were used again; zeros where none are needed.
    pub fn reuse(&self) -> Reuse {
        match &self.place {
            Place::Local(_) | Place::Simulated(..) => Reuse::default(),
            Place::Remote(connection) => connection.pools.values.reuse(),
        }
    }

    /// Asks the service and waits for its answer. At most once: a lost request is not sent again.
    ///
    /// # Errors
    /// [`Error::Remote`] with the service's own error or panic, [`Error::Closed`] when the connection ends before the
    /// reply, [`Error::TooLarge`] or [`Error::Encode`] when the request cannot be sent.
    pub async fn call(&self, request: impl Into<Message<S::Request>>) -> Result<Message<S::Reply>> {
        match &self.place {
            Place::Local(service) => {
                // A local call may always be ready: without this, a loop of such calls never lets its executor stop it.
                tokio::task::coop::consume_budget().await;
                let answer = caught::call(service.as_ref(), request.into()).await;
                answer.map_err(|error| Error::Remote(error.to_string()))
            }
            Place::Remote(connection) => connection.call(request.into()).await,
            Place::Simulated(service, link) => link.call(service, request.into()).await,
        }
    }
}

impl<S: Service> Clone for Client<S> {
    fn clone(&self) -> Self {
        let place = match &self.place {
            Place::Local(service) => Place::Local(Arc::clone(service)),
            Place::Remote(connection) => Place::Remote(Arc::clone(connection)),
            Place::Simulated(service, link) => Place::Simulated(Arc::clone(service), link.clone()),
        };
        Client { place }
    }
}

impl<S: Service> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("local", &self.is_local()).finish_non_exhaustive()
    }
}

/// An open connection; its end ends the two tasks that read and write it.
struct Connection<R> {
    limits: Limits,
    outbox: Arc<Outbox>,
    pending: Arc<Pending<R>>,
    unsent: Arc<Semaphore>,
    pools: Pools,
    tasks: [JoinHandle<()>; 2],
}

impl<R: serde::de::DeserializeOwned + Send + 'static> Connection<R> {
    async fn open(address: &Address, token: &Token, limits: &Limits) -> Result<Connection<R>> {
        let peer = address.to_string();
        let (stream, limits) = handshake::open(address, token, limits).await?;
        let pools = Pools::new(&limits);
        let inbox = Inbox::new(stream.read, limits.clone(), pools.clone());
        let outbox = Outbox::new(stream.write);
        let pending = Pending::new(peer);
        let tasks = [
            tokio::spawn(read_replies(inbox, EndOnDrop(Arc::clone(&pending)))),
            tokio::spawn(write_requests(Arc::clone(&outbox), EndOnDrop(Arc::clone(&pending)))),
        ];
        let unsent = limits.slots();
        Ok(Connection { limits, outbox, pending, unsent, pools, tasks })
    }

    async fn call<Q: serde::Serialize>(&self, request: Message<Q>) -> Result<Message<R>> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.unsent).acquire_owned().await.ok();
        let waiting = self.pending.register()?;
        let mut frame = Frame::new(Kind::Request, waiting.id, request, &self.limits)?;
        frame.permit = permit;
        // A lone call leaves at once; with others under way it is cheaper to gather them into one write.
        self.outbox.send(frame, if waiting.alone { Flush::Now } else { Flush::Soon });
        waiting.outcome().await
    }
}

impl<R> Drop for Connection<R> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Fails the waiting calls when its task ends, for whatever reason: also when the runtime is dropped.
struct EndOnDrop<R>(Arc<Pending<R>>);

impl<R> Drop for EndOnDrop<R> {
    fn drop(&mut self) {
        self.0.end("the connection was dropped");
    }
}

async fn read_replies<R: serde::de::DeserializeOwned>(mut inbox: Inbox, calls: EndOnDrop<R>) {
    let pending = &calls.0;
    let reason = loop {
        match read_reply(&mut inbox, pending).await {
            Ok(true) => {}
            Ok(false) => break "the peer ended it".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    pending.end(reason);
}

/// Settles one call; false at the stream's end.
async fn read_reply<R: serde::de::DeserializeOwned>(inbox: &mut Inbox, pending: &Pending<R>) -> Result<bool> {
    let Some(received) = inbox.receive().await? else { return Ok(false) };
    let outcome = match received.header.kind {
        Kind::Reply => {
            Ok(Message { body: inbox.body()?, indices: received.indices, values: received.values })
        }
        Kind::Failure => Err(Error::Remote(inbox.text())),
        Kind::Farewell => return Err(Error::decode(format_args!("the peer says: {}", inbox.text()))),
        Kind::Request => return Err(Error::decode("a request arrived where replies are expected")),
    };
    pending.settle(received.header.call, outcome);
    Ok(true)
}

async fn write_requests<R>(outbox: Arc<Outbox>, calls: EndOnDrop<R>) {
    let error = outbox.flush_forever().await;
    calls.0.end(format_args!("sending failed: {error}"));
}
