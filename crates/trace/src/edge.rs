//! What passed along an edge of a program, as sums over the whole run.

use serde::{Deserialize, Serialize};

/// Sums over the calls from one node to another. Times are in nanoseconds; unknown ones are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edge {
    /// The name of the node that called.
    pub caller: String,
    /// The name of the node that was called.
    pub callee: String,
    /// Calls that were answered, also with an error.
    pub calls: u64,
    /// Of which with an error.
    pub failures: u64,
    /// Calls that the caller gave up.
    pub given_up: u64,
    /// How long the caller waited for answers: for several at once each counts.
    pub waited_ns: u64,
    /// How long calls waited for their turn at the service.
    pub queued_ns: u64,
    /// How long the service was at the calls.
    pub running_ns: u64,
    /// Bytes of requests that travelled between processes.
    pub request_bytes: u64,
    /// Bytes of answers, likewise.
    pub reply_bytes: u64,
}

impl Edge {
    /// What of the caller's wait was neither queue nor work: messages on their way, and processes that did not get to them.
    pub fn way_ns(&self) -> u64 {
        self.waited_ns.saturating_sub(self.queued_ns.saturating_add(self.running_ns))
    }
}
