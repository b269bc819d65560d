//! One accepted connection: reads requests, lets the service answer each, sends the replies as they come.
//!
//! A request is asked on the reader's own task first and becomes a task of its own only when it has to wait: most never
//! do. Its permit is released when its reply has left, so that neither requests nor replies pile up beyond
//! [`Limits::in_flight`].

use crate::frame::{CallId, Frame, Kind};
use crate::inbox::{Inbox, Pools};
use crate::outbox::{Flush, Outbox};
use crate::transport::Stream;
use crate::{Error, Limits, Message, Result, Service, caught};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Serves until the peer ends the connection or sends what is no frame; then says why before closing.
pub(crate) async fn serve<S: Service>(service: Arc<S>, stream: Stream, limits: Limits, pools: Pools) {
    let inbox = Inbox::new(stream.read, limits.clone(), pools);
    let outbox = Outbox::new(stream.write);
    let slots = limits.slots();
    let mut server = Server { service, inbox, outbox, limits, slots, tasks: JoinSet::new() };
    let flusher = Arc::clone(&server.outbox);
    server.tasks.spawn(async move {
        flusher.flush_forever().await;
    });
    if let Err(error) = server.run().await {
        server.outbox.send(Frame::farewell(&error.to_string(), &server.limits), Flush::Now);
    }
}

struct Server<S> {
    service: Arc<S>,
    inbox: Inbox,
    outbox: Arc<Outbox>,
    limits: Limits,
    slots: Arc<Semaphore>,
    /// The flusher and the requests that wait; they end with the connection.
    tasks: JoinSet<()>,
}

impl<S: Service> Server<S> {
    async fn run(&mut self) -> Result<()> {
        loop {
            let slot = self.slot().await;
            let Some(received) = self.inbox.receive().await? else { return Ok(()) };
            if received.header.kind != Kind::Request {
                return Err(Error::decode("a reply arrived where requests are expected"));
            }
            let request =
                Message { body: self.inbox.body()?, indices: received.indices, values: received.values };
            let call = self.call(received.header.call, slot);
            // More requests at hand: their replies leave together.
            if self.inbox.holds_frame() {
                self.outbox.cork();
                start(call.answer(request), &mut self.tasks).await;
            } else {
                start(call.answer(request), &mut self.tasks).await;
                self.outbox.uncork();
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    /// At the bound this waits, and with it the peer, whose socket fills up.
    async fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(slot);
        }
        // The slots may be held by replies that are gathering.
        self.outbox.uncork();
        // The semaphore is never closed.
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    fn call(&self, id: CallId, slot: Option<OwnedSemaphorePermit>) -> Call<S> {
        let (service, outbox) = (Arc::clone(&self.service), Arc::clone(&self.outbox));
        Call { service, outbox, limits: self.limits.clone(), id, slot }
    }
}

/// Polls once here; what has to wait becomes a task.
async fn start(answer: impl Future<Output = ()> + Send + 'static, tasks: &mut JoinSet<()>) {
    let mut answer = Box::pin(answer);
    let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
    if first.is_pending() {
        tasks.spawn(answer);
    }
}

/// A request under way.
struct Call<S> {
    service: Arc<S>,
    outbox: Arc<Outbox>,
    limits: Limits,
    id: CallId,
    slot: Option<OwnedSemaphorePermit>,
}

impl<S: Service> Call<S> {
    async fn answer(self, request: Message<S::Request>) {
        let reply = match caught::call(self.service.as_ref(), request).await {
            Ok(reply) => {
                Frame::new(Kind::Reply, self.id, reply, &self.limits).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let mut frame = reply.unwrap_or_else(|text| Frame::failure(self.id, &text, &self.limits));
        frame.permit = self.slot;
        self.outbox.send(frame, Flush::Now);
    }
}
