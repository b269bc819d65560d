//! A server: one shard of the parameters behind a gate.
//!
//! It decides nothing itself: the gate of `syncline-round` says when a worker may go on and which gradients close a
//! round, and the optimiser does the arithmetic. Gradients that have to wait for their round are kept as they came and
//! folded in worker order when it closes, so the result does not depend on the order of arrival.
//!
//! Between threads workers call [`Server::pull`] and [`Server::push`] themselves, without a message in between: the one
//! that closes a round folds it on its own thread, with the state locked, and wakes the others.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use syncline_program::{Clock as RunClock, Context};
use syncline_round::{Arrival, Clock, Fold, Gate, OptimizerState, Schedule, WorkerId};
use syncline_trace::{Phase, Recorder, Span};
use syncline_wire::{Indices, Message, Service, ServiceError, Tensor};
use tokio::sync::oneshot;

use crate::{
    gradient::{Gradient, check_indices},
    parameters::Parameters,
    protocol::{ServerReply, ServerRequest, ServerStatistics},
    worker::nanoseconds,
};

/// One shard, served to the workers.
pub(crate) struct Server {
    ctx: Context,
    clock: RunClock,
    /// How many it holds.
    parameters: usize,
    state: Mutex<State>,
}

struct State {
    /// Which parameters these are.
    shard: Range<usize>,
    gate: Gate,
    fold: Fold,
    optimizer: OptimizerState,
    parameters: Parameters,
    /// Gradients of the open round, by worker.
    kept: Vec<Option<Gradient>>,
    /// Workers that the gate holds, and how to let them go on.
    held: Vec<Option<Held>>,
    /// No round is started any more.
    closed: bool,
    /// Samples of each worker's full round; 0 where rounds are not shortened.
    full: Vec<u64>,
    pace: Pace,
    statistics: ServerStatistics,
    recorder: Recorder,
    /// Its number in the trace.
    node: u32,
}

/// What decides the learning rate of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub schedule: Schedule,
    pub rounds_per_epoch: u64,
    pub rounds: u64,
}

impl Pace {
    /// The factor of the learning rate.
    pub(crate) fn factor(&self, round: u64) -> f32 {
        self.schedule.factor(round, self.rounds_per_epoch, self.rounds)
    }
}

/// What a server is made of, besides where it runs.
pub(crate) struct Parts {
    /// Which of all parameters it holds.
    pub shard: Range<usize>,
    pub gate: Gate,
    pub fold: Fold,
    pub optimizer: OptimizerState,
    /// Those that it starts from.
    pub parameters: Vec<f32>,
    /// Samples of each worker's full round; 0 where rounds are not shortened.
    pub full: Vec<u64>,
    pub pace: Pace,
    pub recorder: Recorder,
}

/// What a worker needs to go on: its round and, if it asked for the whole shard, the parameters, so that the workers
/// released together need not queue for the lock.
type Go = (Clock, Option<Tensor>);

/// A worker that the gate holds.
struct Held {
    pull: Pull,
    open: oneshot::Sender<Option<Go>>,
}

/// What a worker asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pull {
    Whole,
    Coordinates,
}

impl Server {
    /// A server of these parts.
    pub(crate) fn new(ctx: &Context, parts: Parts) -> Self {
        let Parts { shard, gate, fold, optimizer, parameters, full, pace, recorder } = parts;
        let (clock, workers) = (ctx.clock().clone(), gate.workers());
        let statistics = ServerStatistics {
            parameters: parameters.len() as u64,
            last_arrivals: vec![0; workers],
            clock_error: clock.error(),
            ..ServerStatistics::default()
        };
        let state = State {
            shard: shard.clone(),
            gate,
            fold,
            optimizer,
            parameters: Parameters::new(parameters),
            kept: vec![None; workers],
            held: (0..workers).map(|_| None).collect(),
            closed: false,
            full,
            pace,
            statistics,
            recorder,
            node: ctx.rank() as u32,
        };
        Self { ctx: ctx.clone(), clock, parameters: shard.len(), state: Mutex::new(state) }
    }

    /// A panic under the lock has failed the call and with it the program: nobody relies on the state after it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers when the gate lets the worker start its next round, with the values of these coordinates, or of all;
    /// nothing once no round is started any more.
    pub(crate) async fn pull(
        &self,
        worker: u32,
        indices: Option<Indices>,
    ) -> Result<Option<Started>, ServiceError> {
        let pull = if indices.is_some() { Pull::Coordinates } else { Pull::Whole };
        let started = self.state().start(WorkerId::new(worker), pull)?;
        let (go, held) = match started {
            Start::Now(go) => (Some(go), Duration::ZERO),
            Start::Never => (None, Duration::ZERO),
            Start::Later(opened) => {
                let asked = self.clock.now();
                let stopped = |_| ServiceError::new("the server stopped while the gate held this worker");
                let go = self.ctx.wait_at(|| self.gate_and_missing(), opened).await.map_err(stopped)?;
                (go, self.clock.now() - asked)
            }
        };
        let Some((clock, whole)) = go else { return Ok(None) };
        let values = match whole {
            Some(whole) => whole,
            None => self.state().read(&indices.unwrap_or_default())?,
        };
        Ok(Some(Started { clock: clock.round(), held, values }))
    }

    /// The gate, and the workers for whom it may be waiting: those whom it does not hold.
    fn gate_and_missing(&self) -> (String, Vec<String>) {
        let state = self.state();
        let missing = state.held.iter().enumerate().filter(|(_, held)| held.is_none());
        let names = missing.map(|(worker, _)| format!("worker/{worker}")).collect();
        (format!("gate {}", state.gate.sync()), names)
    }

    /// Takes a gradient and does what the gate says with it.
    pub(crate) fn push(&self, worker: u32, clock: u64, gradient: Gradient) -> Result<(), ServiceError> {
        let (worker, clock) = (WorkerId::new(worker), Clock::new(clock));
        let mut state = self.state();
        state.statistics.pushes += 1;
        match state.gate.push(worker, clock)? {
            Arrival::Late => {
                state.statistics.late += 1;
                state.statistics.late_samples += gradient.samples;
            }
            Arrival::Kept => state.kept[worker.index()] = Some(gradient),
            Arrival::Alone => {
                let full = state.full[worker.index()];
                self.update(&mut state, clock, &[gradient], full);
            }
            Arrival::Closes { workers } => {
                state.statistics.last_arrivals[worker.index()] += 1;
                state.kept[worker.index()] = Some(gradient);
                let round: Vec<_> = workers.iter().filter_map(|w| state.kept[w.index()].take()).collect();
                let full = workers.iter().map(|w| state.full[w.index()]).sum();
                self.update(&mut state, clock, &round, full);
            }
        }
        let released = state.release();
        drop(state);
        for (open, go) in released {
            // A worker that no longer listens has failed, which its own node reports.
            let _ = open.send(Some(go));
        }
        Ok(())
    }

    /// Starts no round any more, and tells so to those that wait for one.
    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for held in state.held.iter_mut().filter_map(Option::take) {
            // A worker that no longer listens has failed, which its own node reports.
            let _ = held.open.send(None);
        }
    }

    /// Folds the gradients of a round and steps, and records how long that took.
    fn update(&self, state: &mut State, clock: Clock, gradients: &[Gradient], full: u64) {
        let start = self.clock.now();
        state.step(clock, gradients, full);
        let end = self.clock.now();
        state.statistics.fold_apply += end - start;
        if state.recorder.is_on() {
            let samples = gradients.iter().map(|gradient| gradient.samples).sum();
            let span = Span::new(state.node, Phase::Apply, nanoseconds(start), nanoseconds(end));
            state.recorder.record(Span { round: clock.round(), records: samples, ..span });
        }
    }
}

/// The answer to a pull.
pub(crate) struct Started {
    /// The round that the worker now works at.
    pub clock: u64,
    /// How long the gate held it.
    pub held: Duration,
    /// The parameters that it asked for.
    pub values: Tensor,
}

/// Whether a worker may go on.
enum Start {
    Now(Go),
    Later(oneshot::Receiver<Option<Go>>),
    /// The server is closed.
    Never,
}

impl State {
    /// Asks the gate for the worker's next round.
    fn start(&mut self, worker: WorkerId, pull: Pull) -> Result<Start, ServiceError> {
        if worker.index() >= self.gate.workers() {
            return Err(ServiceError::new(format!("{worker} does not take part")));
        }
        if self.closed {
            return Ok(Start::Never);
        }
        Ok(match self.gate.start(worker) {
            Some(clock) => Start::Now(self.go(clock, pull)),
            None => {
                let (open, opened) = oneshot::channel();
                self.held[worker.index()] = Some(Held { pull, open });
                Start::Later(opened)
            }
        })
    }

    /// Takes the held workers whom the gate lets go on now, in worker order.
    fn release(&mut self) -> Vec<(oneshot::Sender<Option<Go>>, Go)> {
        let mut released = Vec::new();
        if self.closed {
            return released;
        }
        for index in 0..self.held.len() {
            if self.held[index].is_some()
                && let Some(clock) = self.gate.start(WorkerId::new(index as u32))
                && let Some(Held { pull, open }) = self.held[index].take()
            {
                released.push((open, self.go(clock, pull)));
            }
        }
        released
    }

    fn go(&self, clock: Clock, pull: Pull) -> Go {
        (clock, (pull == Pull::Whole).then(|| self.parameters.current().clone()))
    }

    /// The asked coordinates of the shard.
    fn read(&self, indices: &[u32]) -> Result<Tensor, ServiceError> {
        let current = self.parameters.current();
        check_indices(indices, current.len()).map_err(ServiceError::new)?;
        Ok(Tensor::from(indices.iter().map(|&index| current[index as usize]).collect::<Vec<_>>()))
    }

    /// One optimiser step along the fold of the gradients that stand on samples, of `full` where the round is a full one.
    fn step(&mut self, clock: Clock, gradients: &[Gradient], full: u64) {
        let samples: Vec<u64> = gradients.iter().map(|gradient| gradient.samples).collect();
        if samples.iter().all(|&samples| samples == 0) {
            return;
        }
        let (shard, optimizer) = (&self.shard, &mut self.optimizer);
        optimizer.set_factor(self.pace.factor(clock.round()));
        let weights = self.fold.weights(&samples, full);
        let weighted = || gradients.iter().zip(weights.iter().copied()).filter(|(_, weight)| *weight != 0.0);
        let sparse = weighted().map(|(gradient, weight)| Some((gradient.values.sparse(shard)?, weight)));
        if let Some(sparse) = sparse.collect::<Option<Vec<_>>>() {
            self.parameters.update(|parameters| optimizer.step_sparse(parameters, &sparse));
        } else {
            // One dense gradient is enough for the step to be dense.
            let dense: Vec<_> =
                weighted().map(|(gradient, weight)| (gradient.values.dense(shard), weight)).collect();
            let dense: Vec<_> = dense.iter().map(|(values, weight)| (&values[..], *weight)).collect();
            self.parameters.update(|parameters| optimizer.step(parameters, &dense));
        }
        self.statistics.updates += 1;
    }
}

impl Service for Server {
    type Request = ServerRequest;
    type Reply = ServerReply;

    async fn call(&self, request: Message<ServerRequest>) -> Result<Message<ServerReply>, ServiceError> {
        match request.body {
            ServerRequest::Pull { worker } => {
                let Some(started) = self.pull(worker, request.indices).await? else {
                    return Ok(ServerReply::Closed.into());
                };
                let Started { clock, held, values } = started;
                Ok(Message::from(ServerReply::Started { clock, held }).with_values(values))
            }
            ServerRequest::Close => {
                self.close();
                Ok(ServerReply::Closed.into())
            }
            ServerRequest::Push { worker, clock, samples } => {
                let gradient = Gradient::checked(samples, request.indices, request.values, self.parameters)
                    .map_err(ServiceError::new)?;
                self.push(worker, clock, gradient)?;
                Ok(ServerReply::Taken.into())
            }
            ServerRequest::Parameters => {
                let values = self.state().parameters.current().clone();
                Ok(Message::from(ServerReply::Parameters).with_values(values))
            }
            ServerRequest::Statistics => {
                let state = self.state();
                let dropped_spans = state.recorder.dropped();
                Ok(ServerReply::Statistics(ServerStatistics { dropped_spans, ..state.statistics.clone() })
                    .into())
            }
            ServerRequest::Spans => Ok(ServerReply::Spans(self.state().recorder.drain()).into()),
        }
    }
}
