//! Streams of replies: an answer that goes on. A reply may have one [`Replies`] in it; its items follow the reply, as many
//! as the caller has room for.
//!
//! The caller has room for `WINDOW` items from the start, and says each time that half of it has become free again. A
//! server that would send more waits, and with it the source of its items: so a slow reader slows its writer, and holds up
//! no other call of the connection. A server that sends more all the same is not one of ours, and the connection ends.

use crate::frame::{CallId, Frame, Kind};
use crate::outbox::{Flush, Outbox};
use crate::parts::{self, Incoming};
use crate::{AnyTensor, Error, Limits, Result};
use futures_util::stream::{self, Stream, StreamExt};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Items that a caller has room for.
pub(crate) const WINDOW: usize = 16;

pub(crate) type Items<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// A stream of replies. A service makes one of any stream, iterator or channel; its caller reads it item by item.
///
/// Dropping it tells the service that no more is wanted.
///
/// ```
/// use syncline_wire::Replies;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut countdown = Replies::of((1..=3).rev());
/// let mut seen = Vec::new();
/// while let Some(number) = countdown.next().await? {
///     seen.push(number);
/// }
/// assert_eq!(seen, [3, 2, 1]);
/// # Ok::<(), syncline_wire::Error>(())
/// # }).unwrap();
/// ```
pub struct Replies<T> {
    // A lock, because a message is serialised through a shared reference and the stream leaves it then.
    items: Mutex<Option<Items<T>>>,
}

impl<T: Send + 'static> Replies<T> {
    /// The items of an iterator, each asked for when there is room for it.
    pub fn of(items: impl IntoIterator<Item = T, IntoIter: Send + 'static>) -> Replies<T> {
        Replies::from_stream(stream::iter(items))
    }

    /// The items of a stream, which is polled when there is room for one.
    pub fn from_stream(items: impl Stream<Item = T> + Send + 'static) -> Replies<T> {
        Replies::new(items.map(Ok))
    }

    /// A stream that the returned sender feeds; it waits when `room` items are not read yet, and learns when nobody reads
    /// any more.
    pub fn channel(room: usize) -> (mpsc::Sender<T>, Replies<T>) {
        let (sender, mut receiver) = mpsc::channel(room.max(1));
        (sender, Replies::from_stream(stream::poll_fn(move |context| receiver.poll_recv(context))))
    }

    pub(crate) fn new(items: impl Stream<Item = Result<T>> + Send + 'static) -> Replies<T> {
        Replies { items: Mutex::new(Some(Box::pin(items))) }
    }

    /// The next item; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection ended first, [`Error::Remote`] when the service failed on the way.
    pub async fn next(&mut self) -> Result<Option<T>> {
        StreamExt::next(self).await.transpose()
    }

    fn items(&self) -> MutexGuard<'_, Option<Items<T>>> {
        // The lock is held for a move only.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Stream for Replies<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let items = self.items.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(source) = items else { return Poll::Ready(None) };
        let item = ready!(source.as_mut().poll_next(context));
        // After the end, and after an error, nothing more comes.
        if !matches!(item, Some(Ok(_))) {
            *items = None;
        }
        Poll::Ready(item)
    }
}

impl<T> fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replies")
    }
}

const ALONE: &str = "a reply has one stream at most, and a request none";

impl<T: Serialize + Send + 'static> Serialize for Replies<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let taken = parts::with_outgoing(|outgoing| {
            let mut items = self.items();
            match &outgoing.way {
                Some(way) => {
                    let way = way.clone();
                    *items = items.take().map(|source| way.carry(source));
                    true
                }
                None if outgoing.flow.is_some() => false,
                None => {
                    let source = items.take().unwrap_or_else(|| Box::pin(stream::empty()));
                    outgoing.flow = Some(Box::new(Leaving(source)));
                    true
                }
            }
        });
        if taken == Some(true) { serializer.serialize_unit() } else { Err(S::Error::custom(ALONE)) }
    }
}

impl<'de, T: DeserializeOwned + Send + 'static> Deserialize<'de> for Replies<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer)?;
        let opener = parts::with_incoming(|incoming| incoming.opener.take()).flatten();
        let inflow = opener.ok_or_else(|| D::Error::custom(ALONE))?.open();
        Ok(Replies::new(Arriving { inflow, item: std::marker::PhantomData }))
    }
}

/// A stream of a service on its way into frames.
pub(crate) trait Outflow: Send {
    /// The frame of the next item; `None` after the last.
    fn poll_frame(
        &mut self,
        call: CallId,
        limits: &Limits,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame>>>;
}

struct Leaving<T>(Items<T>);

impl<T: Serialize + Send> Outflow for Leaving<T> {
    fn poll_frame(
        &mut self,
        call: CallId,
        limits: &Limits,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame>>> {
        let item = ready!(self.0.as_mut().poll_next(context));
        let frame = |item: Result<T>| match Frame::new(Kind::Item, call, &item?, limits)? {
            (frame, None) => Ok(frame),
            (_, Some(_)) => Err(Error::Remote("a stream cannot have streams as its items".to_owned())),
        };
        Poll::Ready(item.map(frame))
    }
}

/// An item as it arrives: its body and its parts.
type Raw = (Vec<u8>, Vec<Option<AnyTensor>>);

/// What arrives for a stream.
pub(crate) enum Arrival {
    Item(Vec<u8>, Vec<Option<AnyTensor>>),
    /// Its end, and the reason if it is not its own.
    End(String),
}

/// The streams of one connection that are being read, by their calls.
#[derive(Default)]
pub(crate) struct Flows {
    open: Mutex<HashMap<CallId, mpsc::Sender<Arrival>>>,
}

impl Flows {
    /// Passes on what has arrived. What comes for a stream that nobody reads any more is dropped.
    pub(crate) fn arrive(&self, call: CallId, arrival: Arrival) -> Result<()> {
        let mut open = self.open();
        let Some(sender) = open.get(&call) else { return Ok(()) };
        let is_end = matches!(arrival, Arrival::End(_));
        match sender.try_send(arrival) {
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(Error::decode("more items arrived than there is room for"))
            }
            _ => {
                if is_end {
                    open.remove(&call);
                }
                Ok(())
            }
        }
    }

    /// Ends all of them, unfinished.
    pub(crate) fn end(&self) {
        self.open().clear();
    }

    fn open(&self) -> MutexGuard<'_, HashMap<CallId, mpsc::Sender<Arrival>>> {
        // No code that holds the lock can panic half-way through a change.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the stream of a reply that is being read, if the reply has one.
pub(crate) struct Opener {
    pub flows: Arc<Flows>,
    pub outbox: Arc<Outbox>,
    pub call: CallId,
}

impl Opener {
    fn open(self) -> Inflow {
        // One more than the items there is room for: the end.
        let (sender, arrivals) = mpsc::channel(WINDOW + 1);
        self.flows.open().insert(self.call, sender);
        Inflow { way: self, arrivals, read: 0, ended: false }
    }
}

/// The reading end of a stream.
pub(crate) struct Inflow {
    way: Opener,
    arrivals: mpsc::Receiver<Arrival>,
    /// Items read since the last credit was given.
    read: u32,
    ended: bool,
}

impl Inflow {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Raw>>> {
        let arrival = ready!(self.arrivals.poll_recv(context));
        Poll::Ready(match arrival {
            Some(Arrival::Item(body, parts)) => {
                self.give_credit();
                Some(Ok((body, parts)))
            }
            Some(Arrival::End(reason)) => {
                self.ended = true;
                (!reason.is_empty()).then_some(Err(Error::Remote(reason)))
            }
            None => {
                self.ended = true;
                Some(Err(Error::closed("the service", "it ended within a stream")))
            }
        })
    }

    fn give_credit(&mut self) {
        self.read += 1;
        if self.read as usize >= WINDOW / 2 {
            let credit = Frame::plain(Kind::Credit, self.way.call, &self.read.to_le_bytes());
            self.way.outbox.send(credit, Flush::Soon);
            self.read = 0;
        }
    }
}

impl Drop for Inflow {
    fn drop(&mut self) {
        self.way.flows.open().remove(&self.way.call);
        if !self.ended {
            self.way.outbox.send(Frame::plain(Kind::Cancel, self.way.call, &[]), Flush::Soon);
        }
    }
}

/// A stream as its caller reads it.
struct Arriving<T> {
    inflow: Inflow,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Stream for Arriving<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let arrived = ready!(self.inflow.poll(context));
        let read = |(body, parts): Raw| parts::read(&body, Incoming { parts, opener: None });
        Poll::Ready(arrived.map(|arrived| arrived.and_then(read)))
    }
}
