//! What workers, servers and the coordinator ask each other. Between threads these are calls of the object itself, between
//! processes messages whose tensors travel beside them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_learn::Score;
use syncline_trace::Span;
use syncline_wire::{Call, ServiceError, Tensor, service};

use crate::gradient::Gradient;

/// One shard of the parameters. A worker has at most one pull and one push under way at each server.
#[service]
pub(crate) trait Shard {
    /// Starts the worker's next round: answered when the gate lets it go on, with the values of these coordinates, or of
    /// all; nothing once no round is started any more.
    async fn pull(&self, worker: u32, touched: Option<Tensor<u32>>) -> Result<Option<Started>, ServiceError>;

    /// Takes the gradient of a round and does what the gate says with it.
    async fn push(
        &self,
        call: &Call<'_>,
        worker: u32,
        clock: u64,
        gradient: Gradient,
    ) -> Result<(), ServiceError>;

    /// Starts no round any more: those that are under way come to their end, and who asks for another is told so.
    async fn close(&self);

    /// All parameters of the shard as they are now, past the gate.
    async fn parameters(&self) -> Tensor<f32>;

    /// What the server has done so far.
    async fn statistics(&self) -> ServerStatistics;

    /// The spans recorded since the last time.
    async fn spans(&self) -> Vec<Span>;
}

/// The answer to a pull.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    /// The round that the worker now works at.
    pub clock: u64,
    /// How long the gate held it.
    pub held: Duration,
    /// The parameters that it asked for.
    pub values: Tensor<f32>,
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

/// Who hears from the workers and keeps the run's record.
#[service]
pub(crate) trait Progresses {
    /// Something for the progress bar: the score of the samples that a worker trained on, and the spans that it recorded,
    /// since the last such message.
    async fn progress(&self, score: Score, spans: Vec<Span>);

    /// A worker has ended an epoch. With early stopping the first worker sends its parameters along.
    async fn epoch(&self, end: EpochEnd, parameters: Option<Tensor<f32>>) -> Result<(), ServiceError>;

    /// The run was ended early, and the worker has stopped within this epoch.
    async fn cut(&self, end: EpochEnd) -> Result<(), ServiceError>;
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
