//! What a server holds under its lock, and the step that it takes.

use std::{ops::Range, time::Duration};

use syncline_round::{Act, Fold, Machine, Member, OptimizerState, Policy, Round, Schedule, Selection};
use syncline_trace::{Phase, Recorder, Span};
use syncline_wire::{ServiceError, Tensor};

use super::{Followed, Go, Held, Outbox, Pull, Released, Word, replica::Replica};
use crate::{
    gradient::{Gradient, check_indices},
    hold::Hold,
    parameters::Parameters,
    protocol::{ServerStatistics, ShardState},
    seats::Seats,
    worker::nanoseconds,
};

pub(super) struct State {
    /// Which parameters these are.
    pub shard: Range<usize>,
    pub policy: Policy,
    pub machine: Machine,
    /// What the machine said last; empty between events.
    pub acts: Vec<Act>,
    pub fold: Fold,
    pub optimizer: OptimizerState,
    /// With how many threads it steps, at most.
    pub threads: usize,
    pub parameters: Parameters,
    /// Where a worker may have to do a round again: the round that was folded last, and the parameters before that.
    pub before: Option<Before>,
    /// Gradients of which the machine has not said yet what becomes of them, by worker.
    pub kept: Vec<Option<Gradient>>,
    /// Workers that the gate holds, and how to let them go on.
    pub held: Vec<Option<Held>>,
    pub seats: Seats,
    /// Workers that are held for a cut wait apart from the gate, which has not heard of them.
    pub hold: Option<Hold>,
    pub parked: Vec<Option<Held>>,
    /// Where it is one worker's own.
    pub replica: Option<Replica>,
    /// No round is started any more.
    pub closed: bool,
    /// Why no round can close any more.
    pub failed: Option<syncline_round::Error>,
    /// Samples of each worker's full round; 0 where rounds are not shortened.
    pub full: Vec<u64>,
    pub pace: Pace,
    pub statistics: ServerStatistics,
    pub recorder: Recorder,
    /// Its number in the trace.
    pub node: u32,
    /// What its standby is yet to be told, where it has one.
    pub outbox: Option<Outbox>,
    /// What it knows of its server, where it is a standby.
    pub followed: Followed,
}

/// The parameters before the last fold.
#[derive(Default)]
pub(super) struct Before {
    round: Option<Round>,
    values: Tensor<f32>,
}

impl Before {
    /// These parameters were there before this round was folded.
    pub(super) fn of(round: Round, values: Tensor<f32>) -> Self {
        Self { round: Some(round), values }
    }

    /// The round, if there is one, and what was there before.
    pub(super) fn told(&self) -> Option<(u64, Tensor<f32>)> {
        self.round.map(|round| (round.number(), self.values.clone()))
    }
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

impl State {
    /// Drops a gradient whose round is over.
    pub(super) fn drop_late(&mut self, worker: Member) {
        let gradient = self.kept[worker.index()].take();
        self.came_too_late(gradient.map_or(0, |gradient| gradient.samples));
    }

    /// A gradient on so many samples came too late.
    pub(super) fn came_too_late(&mut self, samples: u64) {
        self.statistics.late += 1;
        self.statistics.late_samples += samples;
    }

    /// Where no round can close any more nobody is held any longer.
    pub(super) fn fail(&mut self, error: &syncline_round::Error) {
        if matches!(
            error,
            syncline_round::Error::NoQuorum { .. }
                | syncline_round::Error::TooFew { .. }
                | syncline_round::Error::NoMajority { .. }
        ) {
            self.failed = Some(error.clone());
            self.held.iter_mut().for_each(|held| *held = None);
        }
    }

    /// Lets a worker go whom the gate held, unless it is to be held for a cut.
    pub(super) fn release(&mut self, member: Member, round: Round, released: &mut Released) {
        let Some(held) = self.held[member.index()].take() else { return };
        if self.seats.is_within(round.number())
            && self.hold.as_ref().is_some_and(|hold| hold.holds(round.number()))
        {
            if self.seats.lacks_memory(member.index()) {
                // A worker that no longer listens has failed, which its own node reports.
                let _ = held.open.send(Word::Tell);
            } else {
                self.parked[member.index()] = Some(held);
            }
            return;
        }
        self.seats.starts(member.index(), round.number());
        released.push((held.open, self.go(round, held.pull)));
    }

    /// What a worker needs to go on. Where nothing is locked it reads for itself.
    pub(super) fn go(&self, round: Round, pull: Pull) -> Go {
        (
            round,
            (pull == Pull::Whole && self.policy != Policy::Hogwild)
                .then(|| self.parameters.current().clone()),
        )
    }

    /// The asked coordinates of the shard.
    pub(super) fn read(&self, indices: &[u32]) -> Result<Tensor<f32>, ServiceError> {
        read(self.parameters.current(), indices)
    }

    /// What was read in a round that another server still lacks: the parameters of before where it has been folded here.
    pub(super) fn read_again(
        &self,
        round: u64,
        indices: Option<&[u32]>,
    ) -> Result<Tensor<f32>, ServiceError> {
        let folded = self.before.as_ref().filter(|before| before.round == Some(Round::new(round)));
        let values = folded.map_or(self.parameters.current(), |before| &before.values);
        match indices {
            None => Ok(values.clone()),
            Some(indices) => read(values, indices),
        }
    }

    /// The round that a worker would start next.
    pub(super) fn next(&self, worker: Member) -> u64 {
        use syncline_round::Gate;
        self.seats.next(worker.index()).max(self.machine.gate().at(worker).number())
    }

    /// Tells who waits for everybody to be held, if that is so.
    pub(super) fn look_whether_all_are_held(&mut self) {
        let Self { hold, seats, held, parked, replica, .. } = self;
        if let Some(hold) = hold {
            let is_held = |worker: usize| held[worker].is_some() || parked[worker].is_some();
            let is_elsewhere = |worker| replica.as_ref().is_some_and(|replica| replica.rank != worker);
            let is_between = replica.as_ref().is_some_and(|replica| replica.is_between);
            hold.tell_if_all(seats.len(), |worker| {
                is_elsewhere(worker) || is_held(worker) || !is_between && seats.is_done(worker)
            });
        }
    }

    /// Answers all who are held, by the gate or for a cut.
    pub(super) fn answer_all(&mut self, word: impl Fn() -> Word) {
        for held in self.held.iter_mut().chain(&mut self.parked).filter_map(Option::take) {
            // A worker that no longer listens has failed, which its own node reports.
            let _ = held.open.send(word());
        }
    }

    /// Notes a step from so many samples.
    pub(super) fn note_step(&mut self, round: u64, samples: u64, start: Duration, end: Duration) {
        self.statistics.fold_apply += end - start;
        if self.recorder.is_on() {
            let span = Span::new(self.node, Phase::Apply, nanoseconds(start), nanoseconds(end));
            self.recorder.record(Span { round, records: samples, ..span });
        }
    }

    /// All of it, with these parameters.
    pub(super) fn save(&self, parameters: Tensor<f32>) -> ShardState {
        let (moments, steps) = self.optimizer.memory();
        ShardState {
            machine: self.machine.snapshot(self.policy, Selection::All),
            steps,
            parameters,
            moments: moments.map(|moment| moment.to_vec().into()),
            positions: self.seats.positions(),
            memories: self.seats.memories(),
            statistics: self.statistics.clone(),
        }
    }

    /// Puts everything where it was.
    pub(super) fn restore(&mut self, state: ShardState) -> Result<(), ServiceError> {
        let ShardState { machine, steps, parameters, moments, positions, memories, statistics } = state;
        if parameters.len() != self.shard.len() || machine.policy() != self.policy {
            let (got, want) = (parameters.len(), self.shard.len());
            return Err(ServiceError::new(format!(
                "a state of {got} parameters is not of this shard of {want}"
            )));
        }
        let wrong = |error: syncline_round::Error| ServiceError::new(error.to_string());
        self.machine = machine.machine().map_err(wrong)?;
        self.optimizer =
            self.optimizer.clone().remembering(moments.map(Tensor::into_vec), steps).map_err(wrong)?;
        self.parameters = Parameters::new(parameters.into_vec());
        self.before = self.before.take().map(|_| Before::default());
        self.kept.iter_mut().for_each(|kept| *kept = None);
        self.seats.restore(&machine, &positions, memories);
        self.hold = None;
        self.failed = None;
        if let Some(replica) = &mut self.replica {
            // What was agreed on is forgotten by those who were not lost as well.
            *replica = Replica::new(replica.rank);
            self.closed = false;
        }
        self.statistics = ServerStatistics { clock_error: self.statistics.clock_error, ..statistics };
        self.statistics.parameters = self.shard.len() as u64;
        self.statistics.last_arrivals.resize(self.seats.len(), 0);
        self.answer_all(|| Word::Anew);
        Ok(())
    }

    /// One optimiser step along the fold of the gradients that stand on samples, of `full` where the round is a full one.
    pub(super) fn step(&mut self, round: Round, gradients: &[Gradient], full: u64) {
        let samples: Vec<u64> = gradients.iter().map(|gradient| gradient.samples).collect();
        if let Some(before) = &mut self.before {
            *before = Before::of(round, self.parameters.current().clone());
        }
        if samples.iter().all(|&samples| samples == 0) {
            return;
        }
        let (shard, threads, optimizer) = (&self.shard, self.threads, &mut self.optimizer);
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
            self.parameters.update(|parameters| optimizer.step_with(threads, parameters, &dense));
        }
        self.statistics.updates += 1;
    }
}

fn read(values: &[f32], indices: &[u32]) -> Result<Tensor<f32>, ServiceError> {
    check_indices(indices, values.len()).map_err(ServiceError::new)?;
    Ok(Tensor::from(indices.iter().map(|&index| values[index as usize]).collect::<Vec<_>>()))
}
