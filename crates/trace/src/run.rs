//! What holds for a run as a whole and is written once, in the head of its trace.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ClockOffset, Edge, TrainingSetup};

/// A node of the run: [`Span::node`](crate::Span::node) is its position in [`RunInfo::nodes`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// The name that the program gave it: `worker/2`.
    pub name: String,
    /// The machine or process that it ran on, empty when not known.
    pub host: String,
    /// Its clock against the run's.
    pub clock: ClockOffset,
    /// Spans that its recorder could not keep.
    pub dropped: u64,
    /// How long it lived, in ns; 0 where that is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub lived_ns: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Node {
    /// A node that shares the run's clock.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The group of the node's name: `worker` of `worker/2`.
    pub fn group(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(group, _)| group)
    }
}

/// The run that a trace is of. Unknown numbers are 0, unknown texts empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInfo {
    /// The run's name or identifier.
    pub run: String,
    /// Which system ran it: `syncline`, `spark`, `kineto`.
    pub system: String,
    /// When the run's clock was 0, in ms since 1970.
    pub started_unix_ms: u64,
    /// Every node that has spans or edges.
    pub nodes: Vec<Node>,
    /// What passed between nodes, where calls were counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
    /// How long the run took, in ns; 0 where only the spans tell.
    #[serde(skip_serializing_if = "is_zero")]
    pub wall_ns: u64,
    /// How many workers.
    pub workers: u32,
    /// How many servers.
    pub servers: u32,
    /// The synchronisation policy: `bsp`, `ssp:3`.
    pub sync: String,
    /// The seed of all randomness.
    pub seed: u64,
    /// How a training run of ours was set up; nothing for other systems' runs. Read it by [`RunInfo::training`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<TrainingSetup>,
    /// What else is worth keeping with the trace, by name.
    pub settings: BTreeMap<String, String>,
    /// Whether the run came to its end: a trace without it is of a run that goes on or crashed.
    pub complete: bool,
}

impl RunInfo {
    /// How a training run was set up, also where the trace is from before there was a typed setup.
    pub fn training(&self) -> TrainingSetup {
        self.setup.clone().unwrap_or_else(|| TrainingSetup::of_settings(&self.settings))
    }

    /// Spans that no recorder could keep.
    pub fn dropped(&self) -> u64 {
        self.nodes.iter().map(|node| node.dropped).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_the_name_before_the_rank() {
        assert_eq!(Node::new("worker/2").group(), "worker");
        assert_eq!(Node::new("coordinator").group(), "coordinator");
    }
}
