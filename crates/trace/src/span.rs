//! The schema of one span, in the terms that all readers share.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! phases {
    ($($(#[$doc:meta])* $phase:ident = $name:literal,)*) => {
        /// What a node was doing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Phase {
            $($(#[$doc])* $phase,)*
        }

        impl Phase {
            /// Every phase, in order of declaration.
            pub const ALL: &[Phase] = &[$(Phase::$phase),*];

            /// The name in run files and reports: `shuffle_read`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Phase::$phase => $name,)*
                }
            }
        }
    };
}

phases! {
    /// Computing a gradient, or a task's own work.
    Compute = "compute",
    /// Sending a gradient, until the server has taken it.
    Push = "push",
    /// Fetching parameters, without the wait at the gate.
    Pull = "pull",
    /// Held at a gate or a barrier, because somebody else is not there yet.
    Wait = "wait",
    /// A server combining gradients.
    Fold = "fold",
    /// A server's optimiser step.
    Apply = "apply",
    /// Measuring loss and accuracy on held-out data.
    Evaluate = "evaluate",
    /// Turning bytes into values.
    Deserialise = "deserialise",
    /// Turning values into bytes.
    Serialise = "serialise",
    /// Reading other tasks' output over the network or from disk.
    ShuffleRead = "shuffle_read",
    /// Writing output for other tasks.
    ShuffleWrite = "shuffle_write",
    /// A collective operation among workers, such as an all-reduce.
    Collective = "collective",
    /// The memory manager's pauses.
    Gc = "gc",
    /// The scheduler's part of a task: neither the driver's work nor the task's own.
    Schedule = "schedule",
    /// Work of the driver or coordinator between rounds or jobs.
    Driver = "driver",
    /// Nothing to do.
    Idle = "idle",
    /// What the trace does not explain.
    Unknown = "unknown",
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(name: &str) -> Result<Self, UnknownPhase> {
        Self::ALL.iter().copied().find(|phase| phase.name() == name).ok_or(UnknownPhase)
    }
}

/// The text is not the name of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a phase; the phases are compute, push, pull, wait, fold, apply and those listed in docs/book/traces.md"
)]
pub struct UnknownPhase;

/// A stretch of time that one node spent in one phase. Times are nanoseconds since the start of the run, on the
/// run's common clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The node or executor, by its position in [`RunInfo::nodes`](crate::RunInfo::nodes).
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
    /// The worker, or the slot of an executor, that did it; a node that is one worker leaves it out.
    pub worker: Option<u32>,
    /// The task, where work comes in tasks.
    pub task: Option<u64>,
}

impl Span {
    /// A span of `node` in `phase` from `start_ns` to `end_ns`; all else is 0 or absent.
    pub fn new(node: u32, phase: Phase, start_ns: u64, end_ns: u64) -> Self {
        Self {
            node,
            phase,
            start_ns,
            end_ns,
            iteration: 0,
            round: 0,
            bytes: 0,
            records: 0,
            peer: None,
            sync: None,
            worker: None,
            task: None,
        }
    }

    /// How long it took, in ns; 0 if the clock ran backwards.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for &phase in Phase::ALL {
            assert_eq!(phase.to_string().parse(), Ok(phase));
        }
        assert_eq!("lunch".parse::<Phase>(), Err(UnknownPhase));
    }

    #[test]
    fn a_clock_that_ran_backwards_gives_no_negative_time() {
        assert_eq!(Span::new(0, Phase::Wait, 5, 3).duration_ns(), 0);
    }
}
