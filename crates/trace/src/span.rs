//! The schema of one span, in the terms that all readers share.

use serde::{Deserialize, Serialize};

/// What a node was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Computing a gradient, or a task's own work.
    Compute,
    /// Sending a gradient, until the server has taken it.
    Push,
    /// Fetching parameters, without the wait at the gate.
    Pull,
    /// Held at a gate or a barrier, because somebody else is not there yet.
    Wait,
    /// A server combining gradients.
    Fold,
    /// A server's optimiser step.
    Apply,
    /// Measuring loss and accuracy on held-out data.
    Evaluate,
    /// Turning bytes into values.
    Deserialise,
    /// Reading other tasks' output over the network or from disk.
    ShuffleRead,
    /// Writing output for other tasks.
    ShuffleWrite,
    /// The memory manager's pauses.
    Gc,
    /// Work of the driver or coordinator between rounds or jobs.
    Driver,
    /// Nothing to do.
    Idle,
}

/// A stretch of time that one node spent in one phase. Times are nanoseconds since the start of the run, on the
/// run's common clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The node or executor, as the program names it: `worker/2`.
    pub node: u32,
    /// The phase.
    pub phase: Phase,
    /// When it began, in ns.
    pub start_ns: u64,
    /// When it ended, in ns.
    pub end_ns: u64,
    /// The epoch or outer iteration, from 0.
    pub iteration: u32,
    /// The worker's clock, or the stage.
    pub round: u64,
    /// Bytes moved, 0 where nothing was.
    pub bytes: u64,
    /// Samples or records handled.
    pub records: u64,
    /// The node at the other end, if there is one.
    pub peer: Option<u32>,
    /// Spans that share a synchronisation point share this number.
    pub sync: Option<u64>,
}
