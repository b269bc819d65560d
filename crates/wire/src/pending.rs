//! The calls of a client that wait for their replies.
//!
//! Invariant: every registered call ends exactly once, by its reply, by its caller giving up, or by the connection's end;
//! after the end no call can register. So nothing waits for a dead peer.

use crate::frame::CallId;
use crate::{Error, Message, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

pub(crate) type Outcome<R> = Result<Message<R>>;

pub(crate) struct Pending<R> {
    peer: String,
    table: Mutex<Table<R>>,
}

struct Table<R> {
    next: CallId,
    waiting: HashMap<CallId, oneshot::Sender<Outcome<R>>>,
    /// Why the connection ended.
    ended: Option<String>,
}

impl<R> Pending<R> {
    pub(crate) fn new(peer: String) -> Arc<Pending<R>> {
        let table = Table { next: 0, waiting: HashMap::new(), ended: None };
        Arc::new(Pending { peer, table: Mutex::new(table) })
    }

    /// A new call, unless the connection has ended.
    pub(crate) fn register(self: &Arc<Self>) -> Result<Waiting<R>> {
        let mut table = self.table();
        if let Some(reason) = &table.ended {
            return Err(Error::closed(&self.peer, reason));
        }
        let id = table.next;
        table.next += 1;
        let (sender, reply) = oneshot::channel();
        table.waiting.insert(id, sender);
        Ok(Waiting { id, alone: table.waiting.len() == 1, reply, pending: Arc::clone(self) })
    }

    /// Ends one call. A call that was given up is unknown here, and its late reply is dropped.
    pub(crate) fn settle(&self, id: CallId, outcome: Outcome<R>) {
        let waiting = self.table().waiting.remove(&id);
        if let Some(sender) = waiting {
            // The caller may give up at this moment: then nobody wants the reply.
            let _ = sender.send(outcome);
        }
    }

    /// Ends all calls and refuses new ones. The first reason given stays.
    pub(crate) fn end(&self, reason: impl ToString) {
        let mut table = self.table();
        let reason = table.ended.get_or_insert_with(|| reason.to_string()).clone();
        let waiting = std::mem::take(&mut table.waiting);
        drop(table);
        for sender in waiting.into_values() {
            let _ = sender.send(Err(Error::closed(&self.peer, &reason)));
        }
    }

    fn table(&self) -> MutexGuard<'_, Table<R>> {
        // No code that holds the lock can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered call. Dropping it gives the call up.
pub(crate) struct Waiting<R> {
    pub id: CallId,
    /// Whether no other call was waiting when this one registered.
    pub alone: bool,
    reply: oneshot::Receiver<Outcome<R>>,
    pending: Arc<Pending<R>>,
}

impl<R> Waiting<R> {
    pub(crate) async fn outcome(mut self) -> Outcome<R> {
        let lost = |_| Err(Error::closed(&self.pending.peer, "the call was lost"));
        (&mut self.reply).await.unwrap_or_else(lost)
    }
}

impl<R> Drop for Waiting<R> {
    fn drop(&mut self) {
        self.pending.table().waiting.remove(&self.id);
    }
}
