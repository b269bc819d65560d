//! What workers, servers and the coordinator ask each other. Between threads these are calls of the object itself, between
//! processes messages whose tensors travel beside them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_learn::Score;
use syncline_round::{OptimizerState, Snapshot};
use syncline_trace::Span;
use syncline_wire::{Call, ServiceError, Tensor, service};

use crate::{
    allreduce::Handed,
    compression::Packed,
    deal::Duty,
    gradient::Gradient,
    server::{Entry, Whole},
};

/// One shard of the parameters. A worker has at most one pull and one push under way at each server.
///
/// A worker knows nothing that the servers do not know: it [takes up](Shard::take_up) its work where they say that it stands,
/// at the start of a run as after a loss. What is then handed over carries the ticket that it got; one of before, from a
/// process that is gone or of a history that was given up, changes nothing.
#[service]
pub(crate) trait Shard {
    /// A worker begins, or begins anew: where it stands. Answered once the server itself knows.
    async fn take_up(&self, worker: u32) -> Result<Standing, ServiceError>;

    /// Starts the worker's next round: answered when the gate lets it go on, with the values of these coordinates, or of
    /// all; to one that `hears_changes`, and so has kept what it had before, those of all that have changed since. A worker that does
    /// a round `again`, which this server has and another one lacks, gets what it had then.
    async fn pull(
        &self,
        ticket: Ticket,
        again: Option<u64>,
        touched: Option<Tensor<u32>>,
        hears_changes: bool,
    ) -> Result<Turn, ServiceError>;

    /// Takes the gradient of a round and does what the gate says with it; one that it has already is left alone. It also
    /// keeps how far the worker is then.
    async fn push(
        &self,
        call: &Call<'_>,
        ticket: Ticket,
        clock: u64,
        gradient: Gradient,
        position: Position,
    ) -> Result<Taken, ServiceError>;

    /// Keeps what a worker remembers, as it was asked for by [`Turn::Tell`].
    async fn remember(&self, ticket: Ticket, memory: Memory) -> Result<Taken, ServiceError>;

    /// Returns when a round is over without those who still work at it, so that they need not go on.
    async fn over(&self, round: u64);

    /// Starts no round any more: those that are under way come to their end, and who asks for another is told so.
    async fn close(&self);

    /// Holds every worker that would start a round from this one on; answered when all are held, or have done their work.
    async fn hold(&self, from: u64) -> Result<(), ServiceError>;

    /// Lets those go on whom [`hold`](Shard::hold) holds, up to the round where they will be held next, if that is known.
    async fn release(&self, next: Option<u64>);

    /// All that this server knows; what there is only while all workers are held fits what the others know.
    async fn save(&self) -> ShardState;

    /// Begins, or begins anew, from such a state: the history of this number. From round `hold` on workers are held, if that is known.
    async fn restore(&self, history: u32, state: ShardState, hold: Option<u64>) -> Result<(), ServiceError>;

    /// Begins in the place of a server that was lost, from what its standby knows; whether that knows it. From round `hold` on
    /// workers are held, if that is known.
    async fn take_over(&self, hold: Option<u64>) -> Result<bool, ServiceError>;

    /// Takes in, as the standby of this incarnation of a server, what that has taken in: entries from number `first` on. Whether that
    /// follows on what is known here.
    async fn follow(&self, primary: u32, first: u64, entries: Vec<Entry>) -> Result<bool, ServiceError>;

    /// Takes in, as a standby, all that its server knows before the entry of this number.
    async fn learn(&self, primary: u32, next: u64, whole: Whole) -> Result<(), ServiceError>;

    /// What a standby knows, for the incarnation that takes its server's place; nothing where it knows nothing itself.
    async fn hand_over(&self, primary: u32) -> Result<Option<Whole>, ServiceError>;

    /// Takes what another worker hands over of the sum of a round, where each worker holds all parameters itself.
    async fn hand(&self, handed: Handed) -> Result<(), ServiceError>;

    /// All parameters of the shard as they are now, past the gate.
    async fn parameters(&self) -> Tensor<f32>;

    /// What the server has done so far.
    async fn statistics(&self) -> ServerStatistics;

    /// The spans recorded since the last time.
    async fn spans(&self) -> Vec<Span>;
}

/// What a worker shows to a server: who it is, and since when it has been working for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub worker: u32,
    pub number: u32,
}

/// Where a worker stands at one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub ticket: Ticket,
    /// Which history of the run the server is in: one more each time that it went back.
    pub history: u32,
    /// The first round whose gradient the server has not got.
    pub next: u64,
    pub position: Position,
    /// What it remembered before that round, if that is known.
    pub memory: Option<Memory>,
}

/// What a worker remembers from round to round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Steps that its own optimiser has taken.
    pub steps: u64,
    /// What that remembers: as long as all parameters, or empty.
    pub moments: [Tensor<f32>; 2],
    /// What its pushes have left out: as long, or empty.
    pub residual: Tensor<f32>,
}

impl Memory {
    /// What this optimiser remembers.
    pub(crate) fn of(optimizer: &OptimizerState) -> Self {
        let (moments, steps) = optimizer.memory();
        Self { steps, moments: moments.map(|moment| moment.to_vec().into()), residual: Tensor::default() }
    }

    /// What the optimiser of a server that is one worker's own remembers.
    pub(crate) fn of_server(state: &ShardState) -> Self {
        Self { steps: state.steps, moments: state.moments.clone(), residual: Tensor::default() }
    }
}

/// How far a worker is, apart from its round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The epoch whose end it reports next, from 0.
    pub epoch: u32,
    /// The running score of its training batches in that epoch.
    pub train: Score,
    pub times: WorkerTimes,
}

/// The answer to a pull.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Turn {
    /// A round is started.
    Go(Started),
    /// No round is started any more.
    Over,
    /// The ticket is void: the worker takes up its work anew.
    Anew,
    /// The worker is to be held for a cut, and first says what it remembers.
    Tell,
}

/// The answer to a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Taken {
    /// The server has it.
    Yes,
    /// The ticket is void: the worker takes up its work anew.
    Anew,
}

/// A round that is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    /// The round that the worker now works at.
    pub clock: u64,
    /// How long the gate held it.
    pub held: Duration,
    /// Where it asked for all, and is sent those only that have changed since it last did: which, in ascending order.
    pub changed: Option<Tensor<u32>>,
    /// The parameters that it asked for.
    pub values: Packed,
}

/// All that a server knows between two rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShardState {
    /// How far the members of the gate are.
    pub machine: Snapshot,
    /// Optimiser steps that have been taken.
    pub steps: u64,
    pub parameters: Tensor<f32>,
    /// What the optimiser remembers: as long as the parameters, or empty.
    pub moments: [Tensor<f32>; 2],
    /// By worker; told by the first server alone.
    pub positions: Vec<Position>,
    /// By worker, of those that have optimisers of their own; told by the first server alone.
    pub memories: Vec<Option<Memory>>,
    pub statistics: ServerStatistics,
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
    /// Samples that did not count: of those that came late, and under a vote of those that repeat what counts or were outvoted.
    pub late_samples: u64,
    /// How often a worker was told to stop, because its round was over without it.
    pub stopped: u64,
    /// Who gave other gradients than most of its group, in the order of workers.
    pub outvoted: Vec<Outvoted>,
    /// Time spent folding gradients and applying steps (one pass does both).
    pub fold_apply: Duration,
    /// How often each worker was the last to arrive in a round, where rounds close.
    pub last_arrivals: Vec<u64>,
    /// How far its clock may be from the run's.
    pub clock_error: Duration,
    /// Spans that did not fit.
    pub dropped_spans: u64,
}

/// A worker whose gradients were not those of most of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outvoted {
    /// Which.
    pub worker: u32,
    /// In so many rounds.
    pub rounds: u64,
    /// The first of them.
    pub first_round: u64,
    /// The last of them.
    pub last_round: u64,
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

    /// How many rows each worker has in an epoch, where that is decided by how fast they are: answered when all have come to its
    /// beginning, with these times.
    async fn portions(&self, worker: u32, history: u32, epoch: u32, times: WorkerTimes) -> Vec<u64>;

    /// A worker has failed, and would fail again: why.
    async fn hopeless(&self, worker: u32, why: String);

    /// What a worker is to do next that works at these shares, and is about to let go of some of them. Answered when there is
    /// something.
    async fn duty(&self, worker: u32, at: Vec<u32>, leaving: Vec<u32>) -> Duty;

    /// A worker has taken up a share, at this round and time.
    async fn takes(&self, worker: u32, share: u32, round: u64, at: Duration);

    /// Nothing is left to be done of this worker's work in this history of the run.
    async fn done(&self, worker: u32, history: u32);
}

/// What a worker says at the end of an epoch, or where it was stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochEnd {
    /// Who.
    pub worker: u32,
    /// In which history of the run: what is told of an earlier one does not count.
    pub history: u32,
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
    /// Of computing: in rounds at which it was told to stop.
    pub stopped: Duration,
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
    /// Bytes of values and coordinates that it exchanged.
    pub traffic: Traffic,
}

/// Bytes of values and coordinates: as they were sent, and as the same would have been at 32 bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Pushed.
    pub pushed: u64,
    /// Pushed, uncompressed.
    pub plain_pushed: u64,
    /// Pulled.
    pub pulled: u64,
    /// Pulled, uncompressed.
    pub plain_pulled: u64,
}
