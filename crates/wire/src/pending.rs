//! The calls of a client that wait for their replies.
//!
//! Invariant: every registered call ends exactly once, by its reply, by its caller giving up, or by the connection's end;
//! after the end no call can register. So nothing waits for a dead peer.

use crate::frame::{CallId, Frame, Kind};
use crate::outbox::{Flush, Outbox};
use crate::{CallError, Error, Health, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a call came to: the service's answer, or how its host is.
pub(crate) enum Answer<R> {
    Reply(R),
    Health(Health),
}

pub(crate) type Outcome<R, E> = Result<Answer<R>, CallError<E>>;

pub(crate) struct Pending<R, E> {
    peer: String,
    table: Mutex<Table<R, E>>,
}

struct Table<R, E> {
    next: CallId,
    waiting: HashMap<CallId, Entry<R, E>>,
    /// Why the connection ended.
    ended: Option<String>,
}

struct Entry<R, E> {
    sender: oneshot::Sender<Outcome<R, E>>,
    asks_health: bool,
}

impl<R, E> Pending<R, E> {
    pub(crate) fn new(peer: String) -> Arc<Self> {
        let table = Table { next: 0, waiting: HashMap::new(), ended: None };
        Arc::new(Pending { peer, table: Mutex::new(table) })
    }

    /// A new call, unless the connection has ended.
    pub(crate) fn register(
        self: &Arc<Self>,
        outbox: &Arc<Outbox>,
        asks_health: bool,
    ) -> Result<Waiting<R, E>> {
        let mut table = self.table();
        if let Some(reason) = &table.ended {
            return Err(Error::closed(&self.peer, reason));
        }
        let id = table.next;
        table.next += 1;
        let (sender, reply) = oneshot::channel();
        table.waiting.insert(id, Entry { sender, asks_health });
        let alone = table.waiting.len() == 1;
        drop(table);
        let (pending, outbox) = (Arc::clone(self), Arc::clone(outbox));
        Ok(Waiting { id, alone, state: State::Unsent, reply, pending, outbox })
    }

    /// Whether the connection has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.table().ended.is_some()
    }

    /// Whether a call asks how the host is; `None` if it was given up.
    pub(crate) fn asks_health(&self, id: CallId) -> Option<bool> {
        self.table().waiting.get(&id).map(|entry| entry.asks_health)
    }

    /// Ends one call. A call that was given up is unknown here, and its late reply is dropped.
    pub(crate) fn settle(&self, id: CallId, outcome: Outcome<R, E>) {
        let waiting = self.table().waiting.remove(&id);
        if let Some(entry) = waiting {
            // The caller may give up at this moment: then nobody wants the reply.
            let _ = entry.sender.send(outcome);
        }
    }

    /// Ends all calls and refuses new ones. The first reason given stays.
    pub(crate) fn end(&self, reason: impl ToString) {
        let mut table = self.table();
        let reason = table.ended.get_or_insert_with(|| reason.to_string()).clone();
        let waiting = std::mem::take(&mut table.waiting);
        drop(table);
        for entry in waiting.into_values() {
            let _ = entry.sender.send(Err(Error::closed(&self.peer, &reason).into()));
        }
    }

    fn table(&self) -> MutexGuard<'_, Table<R, E>> {
        // No code that holds the lock can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered call. Dropping it gives the call up, and tells the service so.
pub(crate) struct Waiting<R, E> {
    pub id: CallId,
    /// Whether no other call was waiting when this one registered.
    pub alone: bool,
    state: State,
    reply: oneshot::Receiver<Outcome<R, E>>,
    pending: Arc<Pending<R, E>>,
    outbox: Arc<Outbox>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unsent,
    Sent,
    Settled,
}

impl<R, E> Waiting<R, E> {
    pub(crate) fn send(&mut self, frame: Frame) {
        self.state = State::Sent;
        // A lone call leaves at once; with others under way it is cheaper to gather them into one write.
        self.outbox.send(frame, if self.alone { Flush::Now } else { Flush::Soon });
    }

    pub(crate) async fn outcome(mut self) -> Outcome<R, E> {
        let outcome = (&mut self.reply).await;
        self.state = State::Settled;
        outcome.unwrap_or_else(|_| Err(Error::closed(&self.pending.peer, "the call was lost").into()))
    }
}

impl<R, E> Drop for Waiting<R, E> {
    fn drop(&mut self) {
        if self.state == State::Settled {
            return;
        }
        let was_waiting = self.pending.table().waiting.remove(&self.id).is_some();
        if was_waiting && self.state == State::Sent {
            self.outbox.send(Frame::plain(Kind::Cancel, self.id, &[]), Flush::Soon);
        }
    }
}
