//! One accepted connection: reads requests, lets the service answer each, sends the replies as they come.
//!
//! A request is asked on the reader's own task first and becomes a task of its own only when it has to wait: most never
//! do. It takes one of [`Limits::in_flight`] slots, which its reply gives back when it has left, so that neither requests
//! nor replies pile up. As many requests again may wait for a slot; then reading stops. Until then cancellations and
//! credit get through, also when every slot is taken. Streams have slots of their own: if they kept those of their calls,
//! a reader that waits for one would not read the credit that they wait for.

use crate::edges::Edge;
use crate::frame::{CallId, Frame, Header, Kind, Subject};
use crate::inbox::{Inbox, Received};
use crate::outbox::{Flush, Outbox};
use crate::replies::{Outflow, WINDOW};
use crate::tensor::pool::Pools;
use crate::transport::Stream;
use crate::{Error, Hosted, Limits, Peer, Result, Service};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

/// Credit beyond this is a peer's mistake.
const MOST_CREDIT: u32 = 1 << 20;

/// Serves until the peer ends the connection or sends what is no frame; then says why before closing.
pub(crate) async fn serve<S: Service>(
    hosted: Hosted<S>,
    stream: Stream,
    peer: Peer,
    limits: Limits,
    pools: Pools,
) {
    let inbox = Inbox::new(stream.read, limits.clone(), pools);
    let outbox = Outbox::new(stream.write);
    let (slots, streams, waiting) = (limits.slots(), limits.slots(), limits.slots());
    let (edge, under_way) = (hosted.edge(&peer), Mutex::default());
    let desk = Arc::new(Desk { hosted, peer, edge, outbox, limits, slots, streams, under_way });
    let mut server = Server { desk: Arc::clone(&desk), inbox, waiting, tasks: JoinSet::new() };
    server.tasks.spawn(async move {
        desk.outbox.flush_forever().await;
    });
    if let Err(error) = server.run().await {
        let Desk { outbox, limits, .. } = &*server.desk;
        outbox.send(Frame::farewell(&error.to_string(), limits), Flush::Now);
    }
}

/// A call that is being answered. Without a name of its own, so that what a service calls in turn, and that calls, does not become one
/// type with the connection: the compiler follows no more than 128 steps of such a type.
type Answer = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Server<S: Service> {
    desk: Arc<Desk<S>>,
    inbox: Inbox,
    /// Held by requests that wait for a slot.
    waiting: Arc<Semaphore>,
    /// The flusher and the requests that wait; they end with the connection.
    tasks: JoinSet<()>,
}

/// What all calls of a connection share.
struct Desk<S: Service> {
    hosted: Hosted<S>,
    peer: Peer,
    /// Where the peer's calls are counted.
    edge: Arc<Edge>,
    outbox: Arc<Outbox>,
    limits: Limits,
    slots: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// The calls that have to wait, and those that stream.
    under_way: Mutex<HashMap<CallId, UnderWay>>,
}

/// A call that has become a task.
#[derive(Default)]
struct UnderWay {
    task: Option<AbortHandle>,
    credit: Option<Arc<Semaphore>>,
}

impl<S: Service> Server<S> {
    async fn run(&mut self) -> Result<()> {
        loop {
            // The semaphore is never closed.
            let place = Arc::clone(&self.waiting).acquire_owned().await.ok();
            let Some(received) = self.inbox.receive().await? else { return Ok(()) };
            match received.header.kind {
                Kind::Request => self.request(received, place).await?,
                Kind::Cancel => self.desk.cancel(received.header.call),
                Kind::Credit => {
                    let Some(credit) = self.inbox.body().first_chunk() else {
                        return Err(Error::decode("credit without a number"));
                    };
                    self.desk.credit(received.header.call, u32::from_le_bytes(*credit))?;
                }
                _ => return Err(Error::decode("a reply arrived where requests are expected")),
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    async fn request(&mut self, received: Received, place: Option<OwnedSemaphorePermit>) -> Result<()> {
        let Received { header, parts } = received;
        if header.subject == Subject::Health {
            let Desk { hosted, outbox, limits, .. } = &*self.desk;
            let (frame, _) = Frame::new(Kind::Reply, header.call, &hosted.health(), limits)?;
            outbox.send(frame, Flush::Now);
            return Ok(());
        }
        let request = self.inbox.read(parts, None)?;
        let desk = Arc::clone(&self.desk);
        desk.edge.came(header.frame_length());
        let Some(slot) = self.desk.free_slot() else {
            let wait = async move {
                // The semaphore is never closed.
                let slot = Arc::clone(&desk.slots).acquire_owned().await.ok();
                drop(place);
                desk.answer(header, request, slot).await;
            };
            return self.start(header.call, Box::pin(wait)).await;
        };
        let answer: Answer = Box::pin(async move { desk.answer(header, request, Some(slot)).await });
        // More requests at hand: their replies leave together.
        if self.inbox.holds_frame() {
            self.desk.outbox.cork();
            self.start(header.call, answer).await
        } else {
            let started = self.start(header.call, answer).await;
            self.desk.outbox.uncork();
            started
        }
    }

    /// Polls once here; what has to wait becomes a task.
    async fn start(&mut self, call: CallId, mut answer: Answer) -> Result<()> {
        let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
        if first.is_ready() {
            return Ok(());
        }
        // Known before it runs as a task, so that its end finds the entry to remove.
        if self.desk.under_way().entry(call).or_default().task.is_some() {
            return Err(Error::decode("two calls under way have the same number"));
        }
        let task = self.tasks.spawn(answer);
        if let Some(under_way) = self.desk.under_way().get_mut(&call) {
            under_way.task = Some(task);
        }
        Ok(())
    }
}

impl<S: Service> Desk<S> {
    fn free_slot(&self) -> Option<OwnedSemaphorePermit> {
        let free = || Arc::clone(&self.slots).try_acquire_owned().ok();
        free().or_else(|| {
            // The slots may be held by replies that are gathering.
            self.outbox.uncork();
            free()
        })
    }

    /// Lets the service answer, and sends what it says.
    async fn answer(&self, header: Header, request: S::Request, slot: Option<OwnedSemaphorePermit>) {
        let call = header.call;
        let outcome = self.hosted.answer(&self.peer, &self.edge, header.patience(), request).await;
        let reply = outcome.and_then(|reply| Ok(Frame::new(Kind::Reply, call, &reply, &self.limits)?));
        let (mut frame, flow) =
            reply.unwrap_or_else(|error| (Frame::failure(call, error, &self.limits), None));
        frame.permit = slot;
        self.edge.leaves(frame.length());
        match flow {
            None => self.outbox.send(frame, Flush::Now),
            Some(flow) => match Arc::clone(&self.streams).try_acquire_owned() {
                Ok(_place) => {
                    self.outbox.send(frame, Flush::Now);
                    self.stream(call, flow).await;
                }
                Err(_) => {
                    let many = Error::Busy { queue: self.limits.in_flight };
                    self.outbox.send(Frame::failure::<()>(call, many.into(), &self.limits), Flush::Now);
                }
            },
        }
        self.under_way().remove(&call);
    }

    /// Sends the items of a stream, as many as there is credit for.
    async fn stream(&self, call: CallId, mut flow: Box<dyn Outflow>) {
        let credit = Arc::new(Semaphore::new(WINDOW));
        self.under_way().entry(call).or_default().credit = Some(Arc::clone(&credit));
        let reason = loop {
            // The semaphore is never closed.
            if let Ok(permit) = credit.acquire().await {
                permit.forget();
            }
            match poll_fn(|context| flow.poll_frame(call, &self.limits, context)).await {
                Some(Ok(frame)) => {
                    self.edge.leaves(frame.length());
                    self.outbox.send(frame, Flush::Now);
                }
                Some(Err(error)) => break error.to_string(),
                None => break String::new(),
            }
        };
        self.outbox.send(Frame::text(Kind::End, call, &reason, &self.limits), Flush::Now);
    }

    /// Drops what is under way for a call whose caller has given up. One that has just been answered is unknown here.
    fn cancel(&self, call: CallId) {
        let task = self.under_way().remove(&call).and_then(|under_way| under_way.task);
        if let Some(task) = task {
            task.abort();
        }
    }

    fn credit(&self, call: CallId, items: u32) -> Result<()> {
        if items > MOST_CREDIT {
            return Err(Error::decode("credit for too many items"));
        }
        let credit = self.under_way().get(&call).and_then(|under_way| under_way.credit.clone());
        if let Some(credit) = credit {
            if credit.available_permits() + items as usize > MOST_CREDIT as usize {
                return Err(Error::decode("credit for too many items"));
            }
            credit.add_permits(items as usize);
        }
        Ok(())
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<CallId, UnderWay>> {
        // No code that holds the lock can panic half-way through a change.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
