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
//!
//! Under [`Policy::Hogwild`] only its books are kept under the lock: parameters are [read and stepped](Hogwild) without.
//!
//! A server of a run that goes on, or one that was started again, knows nothing until it is told by
//! [`restore`](protocol::Shard::restore), or to begin from what its [standby](self::standby) knows, and lets workers wait until then.

mod replica;
mod standby;
mod state;
mod told;
mod turns;
mod vote;

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use syncline_program::{Clock as RunClock, Context};
use syncline_round::{Act, Event, Fold, Machine, Member, OptimizerState, Policy, Round, Time};
use syncline_trace::{Recorder, Span};
use syncline_wire::{Call, ServiceError, Tensor, service};
use tokio::sync::{oneshot, watch};

use crate::{
    allreduce::{Handed, Mail},
    calibration::cores,
    compression::{Format, Packed, TooLarge},
    gradient::{Gradient, Values},
    hogwild::Hogwild,
    parameters::Parameters,
    protocol::{
        self, Memory, Position, ServerStatistics, ShardState, Standing, Started, Taken, Ticket, Turn,
    },
    seats::Seats,
    way::Way,
};

use replica::Replica;
pub(crate) use standby::{Entry, Whole};
use standby::{Followed, Given, Outbox, Standby, What};
pub(crate) use state::Pace;
use state::{Before, State};
use told::LastTold;
use vote::{Voted, vote};

/// One shard, served to the workers.
pub(crate) struct Server {
    ctx: Context,
    clock: RunClock,
    /// Which of all parameters it holds.
    shard: Range<usize>,
    /// Which history it is in; nothing before it knows its state.
    history: watch::Sender<Option<u32>>,
    /// The parameters where they are stepped without the lock; those of the state are empty then.
    hogwild: Option<Hogwild>,
    /// How parameters are sent.
    pulled: Option<Format>,
    /// What workers were told, where they are sent what has changed since.
    told: Option<LastTold>,
    /// Where it is one worker's own: what the others hand over to that one.
    mail: Option<Mail>,
    /// Where another node is to know all that must not be lost.
    standby: Option<Standby>,
    /// Rounds before this one are over also for those who still work at them.
    ended: watch::Sender<u64>,
    state: Mutex<State>,
}

/// What a server is made of, besides where it runs.
pub(crate) struct Parts {
    /// Which of all parameters it holds.
    pub shard: Range<usize>,
    pub policy: Policy,
    pub machine: Machine,
    pub fold: Fold,
    pub optimizer: OptimizerState,
    /// Those that it starts from, unless they are stepped without a lock.
    pub parameters: Vec<f32>,
    /// Those that are.
    pub hogwild: Option<Hogwild>,
    /// Samples of each worker's full round; 0 where rounds are not shortened.
    pub full: Vec<u64>,
    pub pace: Pace,
    /// How parameters are sent; nothing where that is as they are.
    pub pulled: Option<Format>,
    /// Whether workers that ask for it are sent what has changed since they last pulled all of them.
    pub tells_changes: bool,
    pub recorder: Recorder,
    /// Whether a worker says what it remembers before it is held for a cut.
    pub asks_memory: bool,
    /// Whether all this is only what it would be at the start, and a later state is told to it.
    pub is_blank: bool,
    /// Whether a worker may have to do a round again that is folded here.
    pub keeps_last: bool,
    /// What is handed over to the one worker whose own it is, where it is that.
    pub mail: Option<Mail>,
    /// The round from which on workers are held: known before the first of them begins, since the driver might ask too late.
    pub first_hold: Option<u64>,
    /// The way to its standby, where it has one.
    pub standby: Option<Way>,
}

/// What a worker needs to go on: its round and, if it asked for the whole shard, the parameters, so that the workers
/// released together need not queue for the lock.
type Go = (Round, Option<Tensor<f32>>);

/// What a worker that was held is told.
enum Word {
    Go(Go),
    Over,
    Anew,
    /// The gate decides now.
    Ask,
    /// What its optimiser remembers is asked for.
    Tell,
}

/// Workers who may go on, and what they need for it.
type Released = Vec<(oneshot::Sender<Word>, Go)>;

/// A worker that is held.
struct Held {
    pull: Pull,
    open: oneshot::Sender<Word>,
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
        let Parts { shard, policy, machine, fold, optimizer, parameters, full, pace, recorder, .. } = parts;
        let (clock, workers) = (ctx.clock().clone(), full.len());
        let statistics = ServerStatistics {
            parameters: shard.len() as u64,
            last_arrivals: vec![0; workers],
            clock_error: clock.error(),
            ..ServerStatistics::default()
        };
        // Where all wait for the step their cores are free; a replica's worker steps while the others do.
        let has_cores = policy.waits_for_all() && parts.mail.is_none() && !clock.is_virtual();
        let mut state = State {
            shard: shard.clone(),
            policy,
            machine,
            acts: Vec::new(),
            fold,
            optimizer,
            threads: if has_cores { cores() } else { 1 },
            parameters: Parameters::new(parameters),
            before: parts.keeps_last.then(Before::default),
            kept: vec![None; workers],
            held: (0..workers).map(|_| None).collect(),
            seats: Seats::new(workers, pace.rounds, parts.asks_memory),
            hold: None,
            replica: parts.mail.as_ref().map(|_| Replica::new(ctx.rank())),
            parked: (0..workers).map(|_| None).collect(),
            closed: false,
            failed: None,
            full,
            pace,
            statistics,
            recorder,
            node: ctx.rank() as u32,
            outbox: parts.standby.as_ref().map(|_| Outbox::default()),
            followed: Followed::default(),
        };
        state.end_hold(parts.first_hold);
        let history = watch::Sender::new((!parts.is_blank).then_some(0));
        let (hogwild, pulled, mail) = (parts.hogwild, parts.pulled, parts.mail);
        let told = parts.tells_changes.then(|| LastTold::new(workers));
        let standby = parts.standby.map(Standby::new);
        Self {
            ctx: ctx.clone(),
            clock,
            shard,
            history,
            hogwild,
            pulled,
            told,
            mail,
            standby,
            ended: watch::Sender::new(0),
            state: Mutex::new(state),
        }
    }

    /// A panic under the lock has failed the call and with it the program: nobody relies on the state after it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parameters as they are sent.
    fn packed(&self, values: &Tensor<f32>) -> Result<Packed, ServiceError> {
        let too_large = |TooLarge(value)| {
            ServiceError::new(format!(
                "a parameter is {value}, and f16 holds none beyond 65504: use --compress pull=bf16"
            ))
        };
        Packed::pack(self.pulled, values).map_err(too_large)
    }

    /// Takes a gradient where nobody waits: the parameters are stepped along it first, on the thread of its worker and without the
    /// lock, so that who finds in the books that it was handed in finds the step too (HOG-2).
    fn take_in_passing(
        &self,
        hogwild: &Hogwild,
        ticket: Ticket,
        round: u64,
        gradient: Gradient,
        position: Position,
    ) -> Result<(Taken, Released), ServiceError> {
        let worker = ticket.worker as usize;
        let (weight, factor) = {
            let state = self.state();
            if !state.seats.knows(ticket) {
                return Ok((Taken::Anew, Vec::new()));
            }
            if round < state.seats.next(worker) {
                return Ok((Taken::Yes, Vec::new()));
            }
            let weights = state.fold.weights(&[gradient.samples], state.full[worker]);
            (weights.first().copied().unwrap_or_default(), state.pace.factor(round))
        };
        let start = self.clock.now();
        if weight != 0.0 {
            hogwild.step(&gradient.values, &self.shard, weight, factor);
        }
        let end = self.clock.now();
        let mut state = self.state();
        if weight != 0.0 {
            state.statistics.updates += 1;
        }
        state.note_step(round, gradient.samples, start, end);
        drop(state);
        // The books need not keep what has been stepped along.
        let gradient = Gradient { values: Values::Empty, ..gradient };
        self.take(ticket, round, (gradient.values.clone(), gradient), position)
    }

    /// Takes a gradient, whose values were sent like this, and does what the machine says with it.
    fn take(
        &self,
        ticket: Ticket,
        round: u64,
        (sent, gradient): (Values, Gradient),
        position: Position,
    ) -> Result<(Taken, Released), ServiceError> {
        let worker = ticket.worker;
        let mut state = self.state();
        if !state.seats.knows(ticket) {
            return Ok((Taken::Anew, Vec::new()));
        }
        if round < state.seats.next(worker as usize) {
            // Done again for another server (SEAT-2).
            return Ok((Taken::Yes, Vec::new()));
        }
        let (at, samples) = (self.clock.now().into(), gradient.samples);
        let as_sent = || Gradient { samples, values: sent };
        state.note(at, || What::Given(Box::new(Given { worker, round, gradient: as_sent(), position })));
        let Told { released, .. } = self.give(&mut state, at, (worker, round), gradient, position)?;
        state.look_whether_all_are_held();
        Ok((Taken::Yes, released))
    }

    /// Tells the machine, and does what it says.
    fn tell(
        &self,
        state: &mut State,
        at: Time,
        event: Event,
        gradient: Option<Gradient>,
    ) -> Result<Told, ServiceError> {
        if let Some(error) = &state.failed {
            return Err(error.clone().into());
        }
        let mut acts = std::mem::take(&mut state.acts);
        let mut told = state.machine.on(at, event, &mut acts);
        if let Event::Give { member, .. } = event
            && told.is_ok()
        {
            state.kept[member.index()] = gradient;
        }
        let (mut own, mut released) = (None, Vec::new());
        for act in acts.drain(..) {
            match act {
                Act::Fold { round, members } => {
                    state.note_matters();
                    told = told.and(self.fold(state, event, round, &members));
                }
                Act::Late(member) => {
                    state.note_matters();
                    state.drop_late(member);
                }
                Act::Go { member, round } if event == Event::Ask(member) => own = Some(round),
                Act::Go { member, round } => state.release(member, round, &mut released),
                Act::Cancel { round, .. } => {
                    state.statistics.stopped += 1;
                    self.ended.send_modify(|before| *before = (*before).max(round.number() + 1));
                }
                // Whoever is held knows when it is to look again.
                Act::WakeAt(_) => {}
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
    fn fold(
        &self,
        state: &mut State,
        event: Event,
        round: Round,
        members: &[Member],
    ) -> Result<(), syncline_round::Error> {
        // Without a lock it has been stepped along already.
        if members.is_empty() || self.hogwild.is_some() {
            return Ok(());
        }
        if let Event::Give { member, .. } = event
            && !state.policy.folds_alone()
            && state.replica.is_none()
        {
            state.statistics.last_arrivals[member.index()] += 1;
        }
        let given = members.iter().filter_map(|w| Some((*w, state.kept[w.index()].take()?))).collect();
        let Voted { gradients, outvoted, spare_samples } = vote(state.policy, round, given)?;
        vote::note(&mut state.statistics, &outvoted, round);
        state.statistics.late_samples += spare_samples;
        let full = gradients.iter().map(|(w, _)| state.full[w.index()]).sum();
        let gradients: Vec<_> = gradients.into_iter().map(|(_, gradient)| gradient).collect();
        self.update(state, round, &gradients, full);
        Ok(())
    }

    /// Folds the gradients of a round and steps, and records how long that took.
    fn update(&self, state: &mut State, round: Round, gradients: &[Gradient], full: u64) {
        let start = self.clock.now();
        state.step(round, gradients, full);
        let samples = gradients.iter().map(|gradient| gradient.samples).sum();
        state.note_step(round.number(), samples, start, self.clock.now());
    }

    /// The parameters as they are now.
    fn current(&self, state: &State) -> Tensor<f32> {
        self.hogwild.as_ref().map_or_else(|| state.parameters.current().clone(), Hogwild::read)
    }
}

/// Whom the machine lets go.
struct Told {
    /// The round of the worker that has just asked.
    own: Option<Round>,
    /// Those who were held.
    released: Released,
}

#[service]
impl protocol::Shard for Server {
    async fn take_up(&self, worker: u32) -> Result<Standing, ServiceError> {
        self.state().seats.check(worker)?;
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let _ = self.history.subscribe().wait_for(Option::is_some).await;
        let standing = {
            let mut state = self.state();
            let history = self.history.borrow().unwrap_or_default();
            // What held an earlier process of this worker holds nobody any more.
            state.held[worker as usize] = None;
            state.parked[worker as usize] = None;
            state.seats.take_up(worker, history)
        };
        self.forward().await?;
        Ok(standing)
    }

    async fn pull(
        &self,
        ticket: Ticket,
        again: Option<u64>,
        touched: Option<Tensor<u32>>,
        hears_changes: bool,
    ) -> Result<Turn, ServiceError> {
        if let Some(clock) = again {
            let state = self.state();
            if state.seats.knows(ticket) && clock < state.seats.next(ticket.worker as usize) {
                let values = state.read_again(clock, touched.as_deref())?;
                drop(state);
                if let Some(told) = &self.told {
                    told.forget(ticket.worker);
                }
                let (held, changed, values) = (Duration::ZERO, None, self.packed(&values)?);
                return Ok(Turn::Go(Started { clock, held, changed, values }));
            }
        }
        self.next_round(ticket, touched, hears_changes).await
    }

    async fn push(
        &self,
        call: &Call<'_>,
        ticket: Ticket,
        clock: u64,
        gradient: Gradient,
        position: Position,
    ) -> Result<Taken, ServiceError> {
        let sent = gradient.values.clone();
        let gradient =
            Gradient { values: gradient.values.unpacked().map_err(ServiceError::new)?, ..gradient };
        // What a worker of this process hands over was made for this shard.
        if !call.is_local() {
            gradient.check(self.shard.len()).map_err(ServiceError::new)?;
        }
        let (taken, released) = match &self.hogwild {
            Some(hogwild) => self.take_in_passing(hogwild, ticket, clock, gradient, position)?,
            None => self.take(ticket, clock, (sent, gradient), position)?,
        };
        self.let_go(released).await?;
        Ok(taken)
    }

    async fn remember(&self, ticket: Ticket, memory: Memory) -> Result<Taken, ServiceError> {
        {
            let mut state = self.state();
            if !state.seats.knows(ticket) {
                return Ok(Taken::Anew);
            }
            state.note(self.clock.now().into(), || What::Remembered(ticket.worker, memory.clone()));
            state.seats.remember(ticket.worker as usize, memory);
        }
        self.forward().await?;
        Ok(Taken::Yes)
    }

    async fn over(&self, round: u64) {
        let mut ended = self.ended.subscribe();
        let gate = || (format!("the end of round {round}"), Vec::new());
        // The sender lives in `self`, so the channel cannot close under this borrow.
        let look = async { ended.wait_for(|before| *before > round).await.is_ok() };
        self.ctx.wait_at(gate, look).await;
    }

    async fn close(&self) {
        self.state().close();
    }

    async fn hold(&self, from: u64) -> Result<(), ServiceError> {
        let (all, told) = oneshot::channel();
        {
            let mut state = self.state();
            state.hold_from(from, all);
            state.look_whether_all_are_held();
        }
        told.await.map_err(|_| ServiceError::new("the hold was ended before all were held"))
    }

    async fn release(&self, next: Option<u64>) {
        let mut state = self.state();
        state.end_hold(next);
        let parked: Vec<_> = state.parked.iter_mut().filter_map(Option::take).collect();
        drop(state);
        for Held { open, .. } in parked {
            // A worker that no longer listens has failed, which its own node reports.
            let _ = open.send(Word::Ask);
        }
    }

    async fn save(&self) -> ShardState {
        let state = self.state();
        state.save(self.current(&state))
    }

    async fn restore(&self, history: u32, state: ShardState, hold: Option<u64>) -> Result<(), ServiceError> {
        {
            let mut own = self.state();
            own.restore(state)?;
            own.end_hold(hold);
            self.ended.send_replace(0);
            own.tell_all_anew();
            if let Some(hogwild) = &self.hogwild {
                hogwild.write(own.parameters.current());
                own.parameters = Parameters::new(Vec::new());
            }
            // Under the lock, so that nobody takes up this state as one of the history before.
            self.history.send_replace(Some(history));
            if let Some(mail) = &self.mail {
                mail.begin(history);
            }
        }
        self.forward().await
    }

    async fn take_over(&self, hold: Option<u64>) -> Result<bool, ServiceError> {
        self.begin_from_standby(hold).await
    }

    async fn follow(&self, primary: u32, first: u64, entries: Vec<Entry>) -> Result<bool, ServiceError> {
        self.take_in(primary, first, entries)
    }

    async fn learn(&self, primary: u32, next: u64, whole: Whole) -> Result<(), ServiceError> {
        self.learn_whole(primary, next, whole)
    }

    async fn hand_over(&self, primary: u32) -> Result<Option<Whole>, ServiceError> {
        self.told_to(primary)
    }

    async fn hand(&self, handed: Handed) -> Result<(), ServiceError> {
        match &self.mail {
            Some(mail) => mail.put(handed),
            None => Err(ServiceError::new("parts of a sum are for workers, and this is a server")),
        }
    }

    async fn parameters(&self) -> Tensor<f32> {
        self.current(&self.state())
    }

    async fn statistics(&self) -> ServerStatistics {
        let state = self.state();
        ServerStatistics { dropped_spans: state.recorder.dropped(), ..state.statistics.clone() }
    }

    async fn spans(&self) -> Vec<Span> {
        self.state().recorder.drain()
    }
}
