//! What a simulated loop is surrounded by: workers that draw their rounds from a profile, the machine and the servers.

use rand::RngExt;
use syncline_queueing::sim::Random;
use syncline_round::{Every, Member, Policy, Round};

use super::question::Epoch;
use super::setup::Injected;
use super::shares::Dealt;
use super::simulation::{Surroundings, Update};
use super::variation::{Resample, TailUse};
use crate::{JobProfile, Machine, Machines, Question};

/// Draws that a round of many batches is the sum of, at most.
const MOST_DRAWS: u64 = 64;

/// A cost that is imagined away, to see what it was the price of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Nothing: all is as it is.
    Nothing,
    /// Fetching parameters.
    Pull,
    /// Handing gradients over.
    Push,
    /// Folding and the optimiser's step.
    Update,
}

/// What of the trace is carried to the run that is asked about, where it could be done otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Carried {
    /// The worker of the trace that each worker is like.
    pub seats: Vec<usize>,
    /// Which stretch of the trace's course a round is in.
    pub course: Course,
    /// Whether all that varies hits all workers at once, as it may where one worker alone was traced.
    pub together: bool,
}

/// How the course of a run is carried to a run of another number of rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Round by round; what comes after the last round of the trace is like its end.
    Rounds,
    /// Stretched to the new length.
    Stretched,
}

/// A question with what is imagined away or added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub question: &'a Question,
    pub without: Without,
    /// Seconds on the network in each round, beside what pull and push took when they were measured.
    pub network_s: f64,
}

impl<'a> Case<'a> {
    pub(crate) fn of(question: &'a Question) -> Self {
        Self { question, without: Without::Nothing, network_s: 0.0 }
    }
}

/// What one replication draws from.
pub(crate) struct World<'a> {
    profile: &'a JobProfile,
    question: &'a Question,
    carried: &'a Carried,
    of: Resample<'a>,
    /// Rounds that each simulated one stands for.
    thinned: f64,
    /// What each round so far adds for all.
    shocks: Vec<f64>,
    machine: Option<Machine>,
    random: Random,
    epoch: Epoch,
    dealt: Dealt,
    tail: TailUse,
    /// What a core that computes alone needs, over what was measured.
    alone: f64,
    exchange_s: f64,
    /// Whether updates take time.
    updates: bool,
    /// By how much the servers' time differs from the profile's.
    slower: f64,
}

impl<'a> World<'a> {
    pub(crate) fn new(
        profile: &'a JobProfile,
        case: &Case<'a>,
        carried: &'a Carried,
        of: Resample<'a>,
        machine: Option<Machine>,
        random: Random,
    ) -> Self {
        let Case { question, without, network_s } = *case;
        let tail =
            if profile.variation.needs_tail(question.workers) { TailUse::Fitted } else { TailUse::Measured };
        let exchange = &profile.exchange;
        let exchange_s = match without {
            Without::Pull => exchange.push_s,
            Without::Push => exchange.pull_s,
            Without::Nothing | Without::Update => exchange.total_s(),
        };
        Self {
            epoch: question.epoch(profile.measured.rows_of(question.workers)),
            dealt: Dealt::new(&profile.measured.shares, question.workers),
            alone: machine.as_ref().map_or(1.0, |machine| machine.speed(profile.concurrency)),
            slower: machine.as_ref().map_or(1.0, |machine| machine.update_slowdown),
            updates: without != Without::Update,
            profile,
            question,
            carried,
            of,
            thinned: 1.0,
            shocks: Vec::new(),
            machine,
            random,
            tail,
            exchange_s: exchange_s * longer(profile, question.workers) + network_s,
        }
    }

    /// Of a loop that simulates so many rounds in place of all that were asked for.
    pub(crate) fn thinned_to(self, rounds: u64) -> Self {
        Self { thinned: self.question.rounds.max(1) as f64 / rounds.max(1) as f64, ..self }
    }

    /// What an update costs. In one process the worker that closes a round updates all shards itself, and asynchronous
    /// workers pass the shards one after the other; servers in processes of their own work side by side.
    fn updates(&self, gradients: usize) -> Update {
        let Question { sync, workers, servers, .. } = *self.question;
        if let (Some(between), Some(needed)) = (self.profile.products, sync.coded()) {
            let gap_s = between.gap_of(needed.members());
            return Update { takes_s: gap_s, occupies_s: gap_s };
        }
        let all_s = self.profile.serving.update_s(gradients, sync, workers, self.slower);
        let share_s = all_s / servers as f64;
        match (self.profile.measured.shares_memory(), sync.folds_alone()) {
            (false, _) => Update { takes_s: share_s, occupies_s: share_s },
            (true, false) => Update { takes_s: all_s, occupies_s: all_s },
            (true, true) => Update { takes_s: all_s, occupies_s: share_s },
        }
    }

    /// Seconds of computing a round, by a core that computes alone, before its variation.
    fn compute_s(&self, samples: f64, batches: u64) -> f64 {
        let JobProfile { measured, compute, serving, .. } = self.profile;
        // Injected delays come once a round; anything else that does not depend on the samples comes with every batch. The
        // traced rounds hold as many batches, and steps between them, as they had.
        let again_s = match compute.fixed_s {
            Some(fixed_s) if measured.injected != Injected::Delays => {
                fixed_s * (batches as f64 / batches_of(self.profile) as f64 - 1.0)
            }
            _ => 0.0,
        };
        let own = measured.exchange().unwrap_or(Every::Batch);
        let step_s = serving.local_step_s(self.question.exchange()) - serving.local_step_s(own);
        (compute.of(samples, measured.injected) + again_s + step_s * batches as f64).max(0.0)
    }
}

impl World<'_> {
    /// What a round adds for all workers.
    fn shock_s(&mut self, round: u64) -> f64 {
        while self.shocks.len() as u64 <= round {
            let shock = if self.carried.together {
                self.of.draw(0, &mut self.random, self.tail)
            } else {
                self.of.shock(&mut self.random)
            };
            self.shocks.push(shock);
        }
        self.shocks[round as usize]
    }

    /// What a round adds for one worker, at random.
    fn residual_s(&mut self, worker: usize) -> f64 {
        if self.carried.together { 0.0 } else { self.of.draw(worker, &mut self.random, self.tail) }
    }

    /// Samples of a round of a worker with an even share. Where shares follow the speeds all rounds of an epoch are as long.
    fn even_samples(&self, round: u64) -> f64 {
        if self.dealt.are_by_speed() { self.epoch.mean() } else { self.epoch.samples(round) as f64 }
    }

    /// In which epoch of the run a simulated round is.
    fn epoch_of(&self, round: u64) -> u64 {
        (self.thinned * round as f64 / self.epoch.rounds.max(1) as f64) as u64
    }

    /// What the course of the run adds for a worker of the trace.
    fn course_s(&self, worker: usize, round: u64) -> f64 {
        let traced = self.profile.measured.rounds.max(self.profile.rounds as u64).max(1);
        let length = match self.carried.course {
            Course::Rounds => traced,
            Course::Stretched => self.question.rounds.max(1),
        };
        self.profile.variation.common.course(worker, self.thinned * round as f64 / length as f64)
    }
}

impl Surroundings for World<'_> {
    fn work_s(&mut self, worker: Member, round: Round) -> f64 {
        let (profile, question, round) = (self.profile, self.question, round.number());
        let at = worker.index();
        let worker = self.carried.seats[at];
        let persistent_s =
            self.of.persistent(worker) + self.of.shift + self.course_s(worker, round) + self.shock_s(round);
        if let Some(needed) = question.sync.coded() {
            let task_s = (profile.compute.full_s + persistent_s + self.residual_s(worker)).max(0.0);
            return self.alone * profile.block_scale(needed.members()) * task_s;
        }
        if question.batch == 0 {
            let residual_s = self.residual_s(worker);
            return self.alone * (profile.compute.full_s + persistent_s + residual_s).max(0.0)
                + self.exchange_s;
        }
        let even = self.even_samples(round) * question.sync.copies() as f64;
        // Whose share is larger has longer batches, not more of them.
        let batches = (even / question.batch as f64).ceil().max(1.0) as u64;
        let epoch = self.epoch_of(round);
        let samples = even * self.dealt.share(at, epoch);
        let measured = batches_of(profile);
        let compute_s = self.compute_s(samples, batches);
        // Delays do not grow with the batch; what a machine adds does.
        let (draws, scale) = if profile.measured.injected == Injected::Delays {
            (1, 1.0)
        } else {
            let draws = (batches / measured).clamp(1, MOST_DRAWS);
            (draws, compute_s / draws as f64 / profile.compute.full_s)
        };
        let residual_s: f64 = (0..draws).map(|_| self.residual_s(worker)).sum();
        let varied_s = (compute_s + scale * (draws as f64 * persistent_s + residual_s)).max(0.0);
        self.dealt.computed(at, samples, varied_s);
        self.alone * varied_s + self.exchange_s
    }

    fn speed(&self, active: usize) -> f64 {
        speed_on(self.machine.as_ref(), self.question.machines, active)
    }

    fn update(&self, gradients: usize) -> Update {
        if self.updates { self.updates(gradients) } else { Update::default() }
    }

    fn wake_s(&mut self) -> f64 {
        let wakes = &self.profile.serving.wakes_s;
        if wakes.is_empty() { 0.0 } else { wakes[self.random.random_range(0..wakes.len())] }
    }
}

/// How much longer a worker of so many exchanges than one of the traced run: with servers as long, with each other as much more
/// as passes each one's line.
fn longer(profile: &JobProfile, workers: usize) -> f64 {
    let own = profile.measured.policy().ok().and_then(Policy::collective);
    own.map_or(1.0, |by| match by.vectors(profile.measured.workers) {
        0.0 => 1.0,
        traced => by.vectors(workers) / traced,
    })
}

/// Batches in a full round of the traced run.
fn batches_of(profile: &JobProfile) -> u64 {
    let batch = profile.measured.batch.max(1) as f64;
    (profile.compute.samples / batch).ceil().max(1.0) as u64
}

/// The speed of each of so many workers that compute at once, over that of one alone.
pub(super) fn speed_on(machine: Option<&Machine>, machines: Machines, active: usize) -> f64 {
    match (machine, machines) {
        (Some(machine), Machines::One) => machine.speed(active as f64),
        _ => 1.0,
    }
}
