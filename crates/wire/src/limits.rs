//! What one connection may cost: every length that a peer announces is compared with these before memory is taken.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bounds of a connection. Change one with struct update: `Limits { in_flight: 1, ..Limits::default() }`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest serialised body of a message, bytes.
    pub body: usize,
    /// Largest bulk of a message (all its tensors together), bytes.
    pub bulk: usize,
    /// How many calls of one connection a listener handles at once; as many again may wait for their turn, then it stops
    /// reading. It must exceed the number of calls that may wait for one another (at a gate), or they wait for one that
    /// is not begun. As many streams may be open.
    pub in_flight: usize,
    /// Bytes of free receive buffers kept for reuse, by each client and each listener, where less was in use at once lately.
    pub pooled: usize,
    /// How long a client waits for a server that does not listen yet, and then for its answer to the handshake.
    pub connect: Duration,
    /// How long a listener keeps a connection that has not shown the token.
    pub handshake: Duration,
}

impl Limits {
    /// The narrower of both sides.
    pub(crate) fn narrowed(&self, body: usize, bulk: usize) -> Limits {
        Limits { body: self.body.min(body), bulk: self.bulk.min(bulk), ..self.clone() }
    }

    pub(crate) fn slots(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.in_flight.clamp(1, Semaphore::MAX_PERMITS)))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body: 16 << 20,
            bulk: 2 << 30,
            in_flight: 1024,
            pooled: 256 << 20,
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
        }
    }
}
