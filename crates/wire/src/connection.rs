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

/// Serves until the peer ends the connection or sends what is no frame.
pub(crate) async fn serve<S: Service>(
    service: Arc<S>,
    stream: Stream,
    limits: Limits,
    pools: Pools,
) -> Result<()> {
    let mut inbox = Inbox::new(stream.read, limits.clone(), pools);
    let outbox = Outbox::new(stream.write);
    let slots = Arc::new(Semaphore::new(limits.in_flight.max(1)));
    let mut tasks = JoinSet::new();
    let flusher = Arc::clone(&outbox);
    tasks.spawn(async move {
        flusher.flush_forever().await;
    });
    loop {
        // At the bound this waits, and with it the peer, whose socket fills up.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return Ok(()) };
        let Some(received) = inbox.receive().await? else { return Ok(()) };
        if received.header.kind != Kind::Request {
            return Err(Error::decode("a reply arrived where requests are expected"));
        }
        let request = Message { body: inbox.body()?, indices: received.indices, values: received.values };
        let call = Call {
            service: Arc::clone(&service),
            id: received.header.call,
            slot,
            outbox: Arc::clone(&outbox),
        };
        if inbox.holds_frame() {
            outbox.cork();
            start(call.answer(request, limits.clone()), &mut tasks).await;
        } else {
            start(call.answer(request, limits.clone()), &mut tasks).await;
            outbox.uncork();
        }
        while tasks.try_join_next().is_some() {}
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

struct Call<S> {
    service: Arc<S>,
    id: CallId,
    slot: OwnedSemaphorePermit,
    outbox: Arc<Outbox>,
}

impl<S: Service> Call<S> {
    async fn answer(self, request: Message<S::Request>, limits: Limits) {
        let reply = match caught::call(self.service.as_ref(), request).await {
            Ok(reply) => Frame::new(Kind::Reply, self.id, reply, &limits).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut frame = reply.unwrap_or_else(|text| Frame::failure(self.id, &text, &limits));
        frame.permit = Some(self.slot);
        self.outbox.send(frame, Flush::Now);
    }
}
