//! Checkpoints: all that a run needs to go on as if it had never been away.
//!
//! A checkpoint is taken while all workers are [held](crate::hold), so it is one cut through all servers: the parameters, what
//! the optimiser remembers, how far each member of the gate and each worker is, and the metrics so far. Where the rows of a
//! round come from follows from seed, worker and round, so that a worker's place in its data is its round. It is kept
//! over all parameters, whatever servers shared them: a run may go on with another number of servers.
//!
//! - CKPT-1: a checkpoint is there whole or not at all: written beside, brought to the disk, then renamed.
//! - CKPT-2: one that was damaged since is never taken for whole: a SHA-256 over all that it says stands in it.
//! - CKPT-3: a run goes on only from one of the same training and data; else it says what differs.
//! - CKPT-4: under BSP a run that goes on ends with the same bits as one that was never away, on every executor.

mod every;
mod file;
mod folder;
mod identity;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use syncline_round::{Member, Policy, Snapshot};
use syncline_wire::Tensor;

use crate::{
    Error,
    coordinator::SavedRecord,
    protocol::{Memory, Position, ServerStatistics, ShardState},
};

pub use every::CheckpointEvery;
pub use folder::Found;
pub(crate) use folder::{Folder, newest};
pub(crate) use identity::Identity;

/// How many checkpoints are kept where nothing else is said: one may be damaged.
const KEPT: usize = 3;

/// Where checkpoints are written, how often, and how many are kept.
///
/// ```
/// use syncline_paramserv::Checkpoints;
/// let checkpoints = Checkpoints::in_folder("checkpoints").every("epochs:1".parse()?).keeping(2);
/// # Ok::<(), syncline_paramserv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoints {
    pub(crate) folder: PathBuf,
    pub(crate) every: CheckpointEvery,
    pub(crate) kept: usize,
}

impl Checkpoints {
    /// Checkpoints in this folder, one a minute, of which the last three are kept.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), every: CheckpointEvery::default(), kept: KEPT }
    }

    /// How often one is taken.
    #[must_use]
    pub fn every(self, every: CheckpointEvery) -> Self {
        Self { every, ..self }
    }

    /// How many are kept; at least one.
    #[must_use]
    pub fn keeping(self, kept: usize) -> Self {
        Self { kept: kept.max(1), ..self }
    }
}

/// The newest whole checkpoint in a folder.
///
/// # Errors
/// When there is none.
pub fn newest_checkpoint(folder: &Path) -> Result<Found, Error> {
    newest(folder).map(|(.., found)| found)
}

/// A run as it is between two rounds.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub parameters: Vec<f32>,
    /// What the optimiser remembers: as long as the parameters, or empty.
    pub moments: [Vec<f32>; 2],
    /// What the workers remember, by worker; empty where that is nothing.
    pub memories: Vec<Option<Memory>>,
    pub rest: Rest,
}

/// What is no tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rest {
    pub machine: Snapshot,
    /// Optimiser steps that have been taken.
    pub steps: u64,
    /// By worker.
    pub positions: Vec<Position>,
    /// By server.
    pub statistics: Vec<ServerStatistics>,
    pub record: SavedRecord,
    /// How long the run had lasted.
    pub elapsed: Duration,
}

impl Checkpoint {
    /// Puts together what all servers know, in their order; `None` without any.
    pub(crate) fn join(states: Vec<ShardState>, record: SavedRecord, elapsed: Duration) -> Option<Self> {
        let first = states.first()?;
        let mut rest = Rest {
            machine: first.machine.clone(),
            steps: first.steps,
            positions: first.positions.clone(),
            statistics: Vec::new(),
            record,
            elapsed,
        };
        let memories = first.memories.clone();
        let (mut parameters, mut moments) = (Vec::new(), [Vec::new(), Vec::new()]);
        for state in states {
            parameters.extend_from_slice(&state.parameters);
            for (all, part) in moments.iter_mut().zip(&state.moments) {
                all.extend_from_slice(part);
            }
            rest.statistics.push(state.statistics);
        }
        Some(Self { parameters, moments, memories, rest })
    }

    /// Puts together what all workers know that hold all parameters themselves, in their order; `None` without any, or where they
    /// are not at the same round.
    pub(crate) fn join_replicas(
        states: Vec<ShardState>,
        record: SavedRecord,
        elapsed: Duration,
    ) -> Option<Self> {
        let statistics = states.iter().map(|state| state.statistics.clone()).collect();
        let machine = Snapshot::join(states.iter().map(|state| state.machine.clone()))?;
        let place = |(worker, state): (usize, &ShardState)| state.positions.get(worker).copied();
        let positions = states.iter().enumerate().map(place).collect::<Option<_>>()?;
        let mut rounds = machine.members().iter().map(|(_, round)| *round);
        let first = rounds.next()?;
        if rounds.any(|round| round != first) {
            return None;
        }
        // What groups remember that step by themselves the first of each tells.
        let memories = match groups_of(machine.policy()) {
            Some(size) => states
                .iter()
                .enumerate()
                .map(|(worker, state)| worker.is_multiple_of(size).then(|| Memory::of_server(state)))
                .collect(),
            None => Vec::new(),
        };
        // All hold the same parameters, and their optimisers remember the same (ALL-1), or those of a group (GROUP-1).
        let all = Self::join(states.into_iter().take(1).collect(), record, elapsed)?;
        Some(Self { memories, rest: Rest { machine, positions, statistics, ..all.rest }, ..all })
    }

    /// What one of so many workers knows that holds all parameters itself.
    pub(crate) fn replica(&self, worker: usize, workers: usize) -> ShardState {
        let state = self.shard(worker, workers, 0..self.parameters.len());
        let machine = state.machine.only(Member::new(worker as u32));
        let first = groups_of(machine.policy()).map(|size| worker / size * size);
        let remembered = first.and_then(|first| self.memories.get(first)?.clone());
        let Memory { steps, moments, .. } = remembered.unwrap_or_else(|| Memory {
            steps: state.steps,
            moments: state.moments.clone(),
            ..Memory::default()
        });
        ShardState { machine, steps, moments, memories: Vec::new(), ..state }
    }

    /// The part of one of so many servers.
    pub(crate) fn shard(&self, server: usize, servers: usize, range: Range<usize>) -> ShardState {
        let part = |values: &Vec<f32>| match values.is_empty() {
            true => Tensor::default(),
            false => values[range.clone()].to_vec().into(),
        };
        let of_server = self.rest.statistics.get(server).filter(|_| self.rest.statistics.len() == servers);
        ShardState {
            machine: self.rest.machine.clone(),
            steps: self.rest.steps,
            parameters: part(&self.parameters),
            moments: self.moments.each_ref().map(part),
            positions: self.rest.positions.clone(),
            memories: if server == 0 { self.memories.clone() } else { Vec::new() },
            // Other servers than before have each done what the first one had.
            statistics: of_server.or(self.rest.statistics.first()).cloned().unwrap_or_default(),
        }
    }

    /// The first round that some worker has not done.
    pub(crate) fn round(&self) -> u64 {
        self.rest.machine.members().iter().map(|(_, round)| round.number()).min().unwrap_or_default()
    }

    /// Whether its parts fit together, for so many parameters and workers: a file may hold anything.
    pub(crate) fn fits(&self, parameters: usize, workers: usize) -> bool {
        let versions = self.rest.record.patience.iter().flat_map(|patience| &patience.parameters);
        let of_worker = |memory: &'_ Memory| {
            memory.moments.each_ref().map(|moment| moment.len()).into_iter().chain([memory.residual.len()])
        };
        let mut remembered = self.memories.iter().flatten().flat_map(of_worker);
        self.parameters.len() == parameters
            && self.moments.iter().all(|moment| moment.is_empty() || moment.len() == parameters)
            && versions.map(|version| version.len()).all(|length| length == parameters)
            && (self.memories.is_empty() || self.memories.len() == workers)
            && remembered.all(|length| length == 0 || length == parameters)
            && self.rest.positions.len() == workers
            && self.rest.machine.members().len() == workers
    }
}

/// Workers of a group, where groups have optimisers of their own.
fn groups_of(policy: Policy) -> Option<usize> {
    match policy {
        Policy::Hierarchical { group, .. } if policy.period().is_some() => Some(group.max(1) as usize),
        _ => None,
    }
}
