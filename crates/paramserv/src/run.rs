//! What every node of a training run knows, and how a server or a worker is made of it. Each process makes the same
//! [`Run`] from the same settings and starts only its own node from it.

mod serving;
mod working;

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use syncline_data::{Dataset, Partition};
use syncline_learn::Model;
use syncline_program::Handle;
use syncline_round::{Every, Policy};

use crate::{
    ParamServ,
    batches::Batches,
    computation::{Computation, Recipe},
    lending::Lender,
    loss::OnWorkerLoss,
    server::{Pace, Server},
    shards::shards,
    worker::Plan,
};

/// The label of the one worker that has others multiply coded blocks.
pub(crate) const LEAD: &str = "lead";

/// Spans that a node keeps between two messages to the coordinator: about 10 MiB.
const SPANS: usize = 1 << 17;

/// Who holds the parameters, as a worker reaches them.
#[derive(Clone, Copy)]
pub(crate) enum Holders<'a> {
    /// Servers, a shard each.
    Servers(&'a [Handle<Server>]),
    /// Its own replica, and those of all workers.
    Workers(&'a Arc<Server>, &'a [Handle<Server>]),
}

/// What every node of the program knows: the same in each process.
pub(crate) struct Run {
    /// Models need not be shareable between threads; each node clones its own.
    model: Mutex<Box<dyn Model>>,
    data: Arc<Dataset>,
    validation: Option<Arc<Dataset>>,
    /// Each worker's rows.
    pub rows: Arc<[Vec<usize>]>,
    /// Who lends rows to workers that have none.
    pub lender: Option<Handle<Lender>>,
    pub shards: Vec<Range<usize>>,
    sync: Policy,
    every: Every,
    /// Rows of each worker's batch.
    batches: Vec<usize>,
    recipe: Recipe,
    plan: Plan,
    /// Spans that each node may keep: none without a trace.
    spans: usize,
    pub on_loss: OnWorkerLoss,
    /// How many workers are there at the start, where they come and go.
    pub elastic: Option<usize>,
    /// Whether a server can be lost and come back.
    pub follows: bool,
    /// Whether each server has a standby, which knows all that it knows.
    pub has_standbys: bool,
    /// Whether the run goes on from a checkpoint.
    pub resumes: bool,
    /// Whether rows are dealt out anew in each epoch, by how fast workers are.
    deals_by_speed: bool,
    /// Whether its one worker has others multiply coded blocks.
    is_led: bool,
    /// Before which round the first checkpoint of a run from its beginning is due.
    first_cut: Option<u64>,
}

impl Run {
    /// `apart`: whether servers are not part of the launching process.
    pub(crate) fn new(settings: ParamServ, apart: bool) -> Self {
        // Under a code by repetition the workers of a group do what one worker of a run with as many workers as groups
        // would do: the same rows, in batches that hold those of all parts of the group, in the same order.
        let copies = settings.sync.copies();
        let batch = settings.batch.saturating_mul(copies);
        let groups = settings.workers / copies;
        // All rows in an order of the worker's own: that is what shuffling does in every epoch, and needs no copies.
        let is_shared = settings.shuffle && settings.partition == Partition::OverlapReshuffle;
        let of_groups = match is_shared {
            true => vec![(0..settings.data.rows()).collect(); groups],
            false => settings.partition.rows(settings.data.targets(), groups, settings.seed),
        };
        let rows: Vec<Vec<usize>> =
            (0..settings.workers).map(|worker| of_groups[worker / copies].clone()).collect();
        // Who has twice the rows has twice the batch, so that all come to the end of their rows in the same round.
        let batch_of = |worker: usize| match &settings.partition {
            Partition::Weight(weights) => weights.share(worker, batch),
            _ => batch,
        };
        let batches: Vec<usize> = (0..settings.workers).map(batch_of).collect();
        let (every, fold) = (settings.exchanges(), settings.folds());
        let rounds =
            |(rows, &batch): (&Vec<usize>, &usize)| Batches::new(0..rows.len(), batch, every).rounds();
        let held = match settings.sync.collective() {
            None => shards(settings.model.parameters(), settings.server_count()),
            // Each worker holds all of them.
            Some(_) => vec![0..settings.model.parameters(); settings.workers],
        };
        let plan = Plan {
            rounds_per_epoch: rows.iter().zip(&batches).map(rounds).max().unwrap_or(1).max(1),
            epochs: settings.epochs,
            seed: settings.seed,
            rate: settings.optimizer.rate(),
            delays: settings.delays,
            lies: settings.lies,
            stops_the_late: settings.sync.stops_the_late(),
            keep_epochs: settings.patience.is_some(),
            copies,
            batch: matches!(settings.partition, Partition::Weight(_) | Partition::Measured)
                .then_some(settings.batch),
        };
        let pace = Pace {
            schedule: settings.schedule,
            rounds_per_epoch: plan.rounds_per_epoch,
            rounds: plan.rounds_per_epoch * u64::from(plan.epochs),
        };
        let recipe = Recipe {
            optimizer: settings.optimizer,
            fold,
            keeps_memory: settings.sync.outer().is_some() && settings.optimizer.rule().remembers(),
            pace,
            clip: settings.clip,
            compression: settings.compression,
            shuffle: settings.shuffle,
            rows_are_drawn: settings.partition.is_drawn() && !is_shared,
            seed: settings.seed,
        };
        Self {
            shards: held,
            model: Mutex::new(settings.model),
            data: settings.data,
            validation: settings.validation,
            rows: rows.into(),
            lender: None,
            sync: settings.sync,
            every,
            batches,
            recipe,
            plan,
            spans: if settings.trace.is_some() { SPANS } else { 0 },
            on_loss: settings.on_loss,
            elastic: settings.elastic,
            follows: settings.on_loss.goes_on() && (apart || settings.sync.collective().is_some()),
            has_standbys: settings.replicas > 0,
            resumes: settings.resume.is_some(),
            deals_by_speed: settings.partition == Partition::Measured,
            is_led: false,
            first_cut: settings.checkpoints.and_then(|checkpoints| checkpoints.every.round_after(0, pace)),
        }
    }

    /// The same where the one worker has others multiply coded blocks.
    pub(crate) fn led(self, is_led: bool) -> Self {
        Self { is_led, ..self }
    }

    /// Who lends rows, in the process that has them.
    pub(crate) fn lends(&self) -> Lender {
        let rows = Arc::clone(&self.rows);
        Lender { data: Arc::clone(&self.data), validation: self.validation.clone(), rows }
    }

    fn model(&self) -> Box<dyn Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).boxed_clone()
    }

    /// Whether there are no servers, and each worker holds all parameters.
    pub(crate) fn has_replicas(&self) -> bool {
        self.sync.collective().is_some()
    }

    /// Whether workers are held at this server for a cut: at the first, and each replica holds its own worker.
    pub(crate) fn holds(&self, server: usize) -> bool {
        server == 0 || self.has_replicas()
    }

    /// The label of those who go through the rounds.
    pub(crate) fn workers(&self) -> &'static str {
        if self.is_led { LEAD } else { "worker" }
    }

    /// The label of those who hold the parameters.
    pub(crate) fn holders(&self) -> &'static str {
        if self.has_replicas() { "worker" } else { "server" }
    }

    /// Whether workers remember something from round to round.
    fn asks_memory(&self) -> bool {
        self.recipe.keeps_memory || self.recipe.compression.keeps_residual()
    }

    /// Whether who does whose work may change, so that workers stay until they are told to leave.
    pub(crate) fn deals(&self) -> bool {
        self.on_loss.goes_on() || self.elastic.is_some()
    }

    /// Samples of a full round of a worker, by which shorter ones count less. The sum of the gradients
    /// of several batches is shorter by itself where there are fewer of them.
    fn full(&self, worker: usize) -> u64 {
        match self.every {
            // Rounds are of one length, to a row of each worker.
            Every::Batch if self.deals_by_speed => 0,
            Every::Batch => self.batches(worker, 0..self.rows[worker].len()).full() as u64,
            Every::Batches(_) | Every::Epoch => 0,
        }
    }

    /// Whose order of rows a worker has: under a code by repetition all of a group have one.
    fn group(&self, worker: usize) -> usize {
        worker / self.sync.copies()
    }

    /// The batches of a worker with these rows.
    fn batches(&self, worker: usize, rows: Range<usize>) -> Batches {
        match self.deals_by_speed {
            true => Batches::evenly(rows, self.batches[worker], self.every, self.plan.rounds_per_epoch),
            false => Batches::new(rows, self.batches[worker], self.every),
        }
    }

    /// A worker's model and data.
    fn computation(&self, worker: u32, data: Arc<Dataset>, batches: Batches) -> Computation {
        Computation::new(worker, self.model(), data, Arc::clone(&self.data), batches, self.recipe)
    }

    /// What one of `threads` computes like the first worker, on rows that lie together, so that none are copied.
    pub(crate) fn trial(&self, thread: usize, threads: usize) -> Computation {
        let rows = self.rows.first().map_or(0, Vec::len);
        let start = (self.data.rows() - rows) * thread / threads;
        self.computation(thread as u32, Arc::clone(&self.data), self.batches(0, start..start + rows))
    }

    /// Whether its model's gradients may be computed apart from it.
    pub(crate) fn may_be_tried(&self) -> bool {
        self.model().may_be_tried()
    }

    /// The parameters to start from.
    pub(crate) fn initial(&self) -> Vec<f32> {
        self.model().initialise(self.plan.seed)
    }

    /// Its rounds, and how the rate changes over them.
    pub(crate) fn pace(&self) -> Pace {
        self.recipe.pace
    }

    /// Rounds of the whole run.
    pub(crate) fn rounds(&self) -> u64 {
        self.plan.rounds_per_epoch * u64::from(self.plan.epochs)
    }

    /// Rounds of an epoch in which no worker lacks rows, as in the last one it may; at least one.
    pub(crate) fn full_rounds(&self) -> u64 {
        (self.plan.rounds_per_epoch - 1).max(1)
    }
}
