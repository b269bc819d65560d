//! A server: one shard of the parameters behind a gate.
//!
//! It decides nothing itself: it tells the machine of `syncline-round` who asks and who pushes, and does what that says; the
//! optimiser does the arithmetic. Gradients are kept as they came until the machine says what becomes of them, and are
//! folded in worker order, so the result does not depend on the order of arrival.
//!
//! A deadline of the machine needs no task of its own: whoever is held looks at the clock, and while nobody is held nothing
//! depends on it (MACHINE-3).
//!
//! Between threads a call of [`Shard`](protocol::Shard) is a call of this object, without a message in between: the worker
//! that closes a round folds it on its own thread, with the state locked, and wakes the others.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use syncline_program::{Clock as RunClock, Context};
use syncline_round::{Act, Event, Fold, Machine, Member, OptimizerState, Policy, Round, Schedule, Time};
use syncline_trace::{Phase, Recorder, Span};
use syncline_wire::{Call, ServiceError, Tensor, service};
use tokio::sync::oneshot;

use crate::{
    gradient::{Gradient, check_indices},
    parameters::Parameters,
    protocol::{self, ServerStatistics, Started},
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
    policy: Policy,
    machine: Machine,
    /// What the machine said last; empty between events.
    acts: Vec<Act>,
    fold: Fold,
    optimizer: OptimizerState,
    parameters: Parameters,
    /// Gradients of which the machine has not said yet what becomes of them, by worker.
    kept: Vec<Option<Gradient>>,
    /// Workers that the gate holds, and how to let them go on.
    held: Vec<Option<Held>>,
    /// No round is started any more.
    closed: bool,
    /// Why no round can close any more.
    failed: Option<syncline_round::Error>,
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
    pub policy: Policy,
    pub machine: Machine,
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
type Go = (Round, Option<Tensor<f32>>);

/// Workers who may go on, and what they need for it.
type Released = Vec<(oneshot::Sender<Option<Go>>, Go)>;

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
        let Parts { shard, policy, machine, fold, optimizer, parameters, full, pace, recorder } = parts;
        let (clock, workers) = (ctx.clock().clone(), machine.present());
        let statistics = ServerStatistics {
            parameters: parameters.len() as u64,
            last_arrivals: vec![0; workers],
            clock_error: clock.error(),
            ..ServerStatistics::default()
        };
        let state = State {
            shard: shard.clone(),
            policy,
            machine,
            acts: Vec::new(),
            fold,
            optimizer,
            parameters: Parameters::new(parameters),
            kept: vec![None; workers],
            held: (0..workers).map(|_| None).collect(),
            closed: false,
            failed: None,
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

    /// Waits until the gate lets the worker start its next round.
    async fn next_round(
        &self,
        worker: u32,
        indices: Option<Tensor<u32>>,
    ) -> Result<Option<Started>, ServiceError> {
        let pull = if indices.is_some() { Pull::Coordinates } else { Pull::Whole };
        let (go, held) = match self.start(Member::new(worker), pull)? {
            Start::Now(go) => (Some(go), Duration::ZERO),
            Start::Never => (None, Duration::ZERO),
            Start::Later { opened, wake } => {
                let asked = self.clock.now();
                let go = self.ctx.wait_at(|| self.gate_and_missing(), self.held(opened, wake)).await?;
                (go, self.clock.now() - asked)
            }
        };
        let Some((round, whole)) = go else { return Ok(None) };
        let values = match whole {
            Some(whole) => whole,
            None => self.state().read(&indices.unwrap_or_default())?,
        };
        Ok(Some(Started { clock: round.number(), held, values }))
    }

    /// Asks the machine for the worker's next round.
    fn start(&self, worker: Member, pull: Pull) -> Result<Start, ServiceError> {
        let mut state = self.state();
        if state.closed {
            return Ok(Start::Never);
        }
        let Told { own, released } = self.tell(&mut state, Event::Ask(worker), None)?;
        let start = match own {
            Some(round) => Start::Now(state.go(round, pull)),
            None => {
                let (open, opened) = oneshot::channel();
                state.held[worker.index()] = Some(Held { pull, open });
                Start::Later { opened, wake: state.machine.wakes_at() }
            }
        };
        drop(state);
        let_go(released);
        Ok(start)
    }

    /// Waits until the gate opens, and lets its deadline come.
    async fn held(
        &self,
        mut opened: oneshot::Receiver<Option<Go>>,
        mut wake: Option<Time>,
    ) -> Result<Option<Go>, ServiceError> {
        while let Some(due) = wake {
            let left = due.since_start().saturating_sub(self.clock.now());
            if let Ok(go) = self.clock.timeout(left, &mut opened).await {
                return go.map_err(|_| self.stopped());
            }
            wake = self.due()?;
        }
        opened.await.map_err(|_| self.stopped())
    }

    /// Tells the machine that time has passed; returns when it wants to be told next.
    fn due(&self) -> Result<Option<Time>, ServiceError> {
        let mut state = self.state();
        let Told { released, .. } = self.tell(&mut state, Event::Due, None)?;
        let wake = state.machine.wakes_at();
        drop(state);
        let_go(released);
        Ok(wake)
    }

    /// Why the gate opens for nobody any more.
    fn stopped(&self) -> ServiceError {
        match &self.state().failed {
            Some(error) => ServiceError::new(error.to_string()),
            None => ServiceError::new("the server stopped while the gate held this worker"),
        }
    }

    /// The gate, and the workers for whom it may be waiting: those whom it does not hold.
    fn gate_and_missing(&self) -> (String, Vec<String>) {
        let state = self.state();
        let names = state.machine.missing().map(|worker| format!("worker/{}", worker.index())).collect();
        (format!("gate {}", state.policy), names)
    }

    /// Takes a gradient and does what the machine says with it.
    fn take(&self, worker: u32, round: u64, gradient: Gradient) -> Result<(), ServiceError> {
        let (member, round) = (Member::new(worker), Round::new(round));
        let mut state = self.state();
        state.statistics.pushes += 1;
        let Told { released, .. } = self.tell(&mut state, Event::Give { member, round }, Some(gradient))?;
        // The others find the lock free.
        drop(state);
        let_go(released);
        Ok(())
    }

    /// Tells the machine, and does what it says.
    fn tell(
        &self,
        state: &mut State,
        event: Event,
        gradient: Option<Gradient>,
    ) -> Result<Told, ServiceError> {
        let mut acts = std::mem::take(&mut state.acts);
        let told = state.machine.on(self.clock.now().into(), event, &mut acts);
        if let Event::Give { member, .. } = event
            && told.is_ok()
        {
            state.kept[member.index()] = gradient;
        }
        let (mut own, mut released) = (None, Vec::new());
        for act in acts.drain(..) {
            match act {
                Act::Fold { round, members } => self.fold(state, event, round, &members),
                Act::Late(member) => state.drop_late(member),
                Act::Go { member, round } if event == Event::Ask(member) => own = Some(round),
                Act::Go { member, round } => {
                    if let Some(Held { pull, open }) = state.held[member.index()].take() {
                        released.push((open, state.go(round, pull)));
                    }
                }
                // A worker is not told to stop in the middle of a round; whoever is held knows when it is to look again.
                Act::Cancel { .. } | Act::WakeAt(_) => {}
            }
        }
        state.acts = acts;
        if let Err(error) = told {
            state.fail(&error);
            return Err(error.into());
        }
        Ok(Told { own, released })
    }

    /// Folds what these workers pushed. Of nobody, where a round failed: nothing changes.
    fn fold(&self, state: &mut State, event: Event, round: Round, members: &[Member]) {
        if members.is_empty() {
            return;
        }
        if let Event::Give { member, .. } = event
            && !state.policy.folds_alone()
        {
            state.statistics.last_arrivals[member.index()] += 1;
        }
        let gradients: Vec<_> = members.iter().filter_map(|w| state.kept[w.index()].take()).collect();
        let full = members.iter().map(|w| state.full[w.index()]).sum();
        self.update(state, round, &gradients, full);
    }

    /// Starts no round any more, and tells so to those that wait for one.
    fn end(&self) {
        let mut state = self.state();
        state.closed = true;
        for held in state.held.iter_mut().filter_map(Option::take) {
            // A worker that no longer listens has failed, which its own node reports.
            let _ = held.open.send(None);
        }
    }

    /// Folds the gradients of a round and steps, and records how long that took.
    fn update(&self, state: &mut State, round: Round, gradients: &[Gradient], full: u64) {
        let start = self.clock.now();
        state.step(round, gradients, full);
        let end = self.clock.now();
        state.statistics.fold_apply += end - start;
        if state.recorder.is_on() {
            let samples = gradients.iter().map(|gradient| gradient.samples).sum();
            let span = Span::new(state.node, Phase::Apply, nanoseconds(start), nanoseconds(end));
            state.recorder.record(Span { round: round.number(), records: samples, ..span });
        }
    }
}

/// Whether a worker may go on.
enum Start {
    Now(Go),
    Later {
        opened: oneshot::Receiver<Option<Go>>,
        /// When the gate may open by itself.
        wake: Option<Time>,
    },
    /// The server is closed.
    Never,
}

/// Whom the machine lets go.
struct Told {
    /// The round of the worker that has just asked.
    own: Option<Round>,
    /// Those who were held.
    released: Released,
}

/// Lets workers go on; without the lock, which they will want.
fn let_go(released: Released) {
    for (open, go) in released {
        // A worker that no longer listens has failed, which its own node reports.
        let _ = open.send(Some(go));
    }
}

impl State {
    /// Drops a gradient whose round is over.
    fn drop_late(&mut self, worker: Member) {
        self.statistics.late += 1;
        let gradient = self.kept[worker.index()].take();
        self.statistics.late_samples += gradient.map_or(0, |gradient| gradient.samples);
    }

    /// Where no round can close any more nobody is held any longer.
    fn fail(&mut self, error: &syncline_round::Error) {
        if matches!(error, syncline_round::Error::NoQuorum { .. } | syncline_round::Error::TooFew { .. }) {
            self.failed = Some(error.clone());
            self.held.iter_mut().for_each(|held| *held = None);
        }
    }

    fn go(&self, round: Round, pull: Pull) -> Go {
        (round, (pull == Pull::Whole).then(|| self.parameters.current().clone()))
    }

    /// The asked coordinates of the shard.
    fn read(&self, indices: &[u32]) -> Result<Tensor<f32>, ServiceError> {
        let current = self.parameters.current();
        check_indices(indices, current.len()).map_err(ServiceError::new)?;
        Ok(Tensor::from(indices.iter().map(|&index| current[index as usize]).collect::<Vec<_>>()))
    }

    /// One optimiser step along the fold of the gradients that stand on samples, of `full` where the round is a full one.
    fn step(&mut self, round: Round, gradients: &[Gradient], full: u64) {
        let samples: Vec<u64> = gradients.iter().map(|gradient| gradient.samples).collect();
        if samples.iter().all(|&samples| samples == 0) {
            return;
        }
        let (shard, optimizer) = (&self.shard, &mut self.optimizer);
        optimizer.set_factor(self.pace.factor(round.number()));
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

#[service]
impl protocol::Shard for Server {
    async fn pull(&self, worker: u32, touched: Option<Tensor<u32>>) -> Result<Option<Started>, ServiceError> {
        self.next_round(worker, touched).await
    }

    async fn push(
        &self,
        call: &Call<'_>,
        worker: u32,
        clock: u64,
        gradient: Gradient,
    ) -> Result<(), ServiceError> {
        // What a worker of this process hands over was made for this shard.
        if !call.is_local() {
            gradient.check(self.parameters).map_err(ServiceError::new)?;
        }
        self.take(worker, clock, gradient)
    }

    async fn close(&self) {
        self.end();
    }

    async fn parameters(&self) -> Tensor<f32> {
        self.state().parameters.current().clone()
    }

    async fn statistics(&self) -> ServerStatistics {
        let state = self.state();
        ServerStatistics { dropped_spans: state.recorder.dropped(), ..state.statistics.clone() }
    }

    async fn spans(&self) -> Vec<Span> {
        self.state().recorder.drain()
    }
}
