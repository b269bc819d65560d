//! What workers, servers and the coordinator say to each other. Tensors and coordinates travel beside these as bulk.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_learn::Score;
use syncline_trace::Span;

/// A request to a server. A worker has at most one under way at each server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServerRequest {
    /// Start the worker's next round: answered when the gate lets it go on, with all parameters of the shard, or, when
    /// coordinates are sent along, with just those.
    Pull {
        /// Who asks.
        worker: u32,
    },
    /// The gradient of a round: a value for each parameter of the shard, or, when coordinates are sent along, for just
    /// those, in any order; no values at all when it stands on no samples.
    Push {
        /// Whose gradient.
        worker: u32,
        /// The round that it was computed in.
        clock: u64,
        /// How many samples stand behind it.
        samples: u64,
    },
    /// Start no round any more: those that are under way come to their end, and who asks for another is told that the
    /// server is closed.
    Close,
    /// All parameters of the shard as they are now, past the gate.
    Parameters,
    /// What the server has done so far.
    Statistics,
    /// The spans recorded since the last time.
    Spans,
}

/// A server's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServerReply {
    /// To a pull: the round that the worker now works at; the parameters travel beside.
    Started {
        /// The round.
        clock: u64,
        /// How long the gate held the worker.
        held: Duration,
    },
    /// To a pull: no round is started any more.
    Closed,
    /// To a push: it was taken, and counted unless it came too late.
    Taken,
    /// The parameters travel beside.
    Parameters,
    /// What the server has done so far.
    Statistics(ServerStatistics),
    /// Recorded spans.
    Spans(Vec<Span>),
}

/// What one server has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerStatistics {
    /// Parameters in its shard.
    pub parameters: u64,
    /// Optimiser steps taken.
    pub updates: u64,
    /// Gradients received.
    pub pushes: u64,
    /// Gradients that came after their round had closed.
    pub late: u64,
    /// Samples that those stood on.
    pub late_samples: u64,
    /// Time spent folding gradients and applying steps (one pass does both).
    pub fold_apply: Duration,
    /// How often each worker was the last to arrive in a round, where rounds close.
    pub last_arrivals: Vec<u64>,
    /// How far its clock may be from the run's.
    pub clock_error: Duration,
    /// Spans that did not fit.
    pub dropped_spans: u64,
}

/// A worker's message to the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CoordinatorRequest {
    /// Something for the progress bar.
    Progress {
        /// Who.
        worker: u32,
        /// The score of the samples trained on since the last such message.
        score: Score,
        /// Spans recorded since the last message.
        spans: Vec<Span>,
    },
    /// A worker has ended an epoch. With early stopping the first worker sends its parameters along.
    Epoch(Box<EpochEnd>),
    /// The run was ended early, and the worker has stopped within this epoch.
    Cut(Box<EpochEnd>),
}

/// What a worker says at the end of an epoch, or where it was stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochEnd {
    /// Who.
    pub worker: u32,
    /// Which, from 0.
    pub epoch: u32,
    /// The running score of its training batches.
    pub train: Score,
    /// The score of its share of the validation rows.
    pub validation: Score,
    /// When, since the run's start.
    pub at: Duration,
    /// Where its time went so far.
    pub times: WorkerTimes,
    /// Spans recorded since the last message.
    pub spans: Vec<Span>,
    /// Spans that did not fit.
    pub dropped: u64,
}

/// Where one worker's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerTimes {
    /// When it began.
    pub started: Duration,
    /// How far its clock may be from the run's.
    pub clock_error: Duration,
    /// Computing gradients, injected delays among it.
    pub compute: Duration,
    /// Of which injected.
    pub injected: Duration,
    /// Sending gradients until the servers had taken them.
    pub push: Duration,
    /// Fetching parameters, without the wait.
    pub pull: Duration,
    /// Held at the gate.
    pub wait: Duration,
    /// Measuring the validation score.
    pub evaluate: Duration,
    /// Rounds worked.
    pub rounds: u64,
    /// Samples trained on.
    pub samples: u64,
}
