//! What every node of a training run knows, and how a server or a worker is made of it. Each process makes the same
//! [`Run`] from the same settings and starts only its own node from it.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use syncline_data::{Dataset, Features, Partition};
use syncline_learn::Model;
#[cfg(feature = "coded")]
use syncline_learn::Score;
use syncline_program::{Context, Handle, NodeResult};
use syncline_round::{
    AnyGate, Event, Every, Fold, Machine, Member, Optimizer, OptimizerState, Policy, Schedule, Selection,
    Time,
};
use syncline_trace::Recorder;

use crate::{
    Error, ParamServ,
    allreduce::{Groups, Mail, Peers, Weighting},
    batches::Batches,
    checkpoint::{Checkpoint, Rest},
    computation::{Computation, Pull, Recipe},
    coordinator::Coordinator,
    duties::{Duties, Grip},
    exchange::Exchange,
    hogwild::Hogwild,
    lending::{self, Lender, Wanted},
    loss::OnWorkerLoss,
    portions::Dealt,
    protocol::{Position, ServerStatistics},
    server::{Pace, Parts, Server},
    shards::shards,
    way::Way,
    worker::{Held, Plan, Worker},
};
#[cfg(feature = "coded")]
use crate::{
    coded::{CodedRecord, Holding, Lead},
    protocol::ProgressesClient,
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

    /// A server of this node's rank, with the way to its standby where it has one.
    pub(crate) fn server(&self, ctx: &Context, standby: Option<Way>) -> NodeResult<Server> {
        Ok(Server::new(ctx, Parts { standby, ..self.parts(ctx)? }))
    }

    /// The standby of the server of this node's rank: the same, but that nobody is held there and nothing recorded.
    pub(crate) fn standby(&self, ctx: &Context) -> NodeResult<Server> {
        Ok(Server::new(ctx, Parts { recorder: Recorder::new(0), first_hold: None, ..self.parts(ctx)? }))
    }

    fn parts(&self, ctx: &Context) -> NodeResult<Parts> {
        let shard = self.shards[ctx.rank()].clone();
        let model = self.model();
        let within = |range: Range<usize>| {
            let (start, end) = (range.start.max(shard.start), range.end.min(shard.end));
            (start < end).then(|| start - shard.start..end - shard.start)
        };
        let regularised: Vec<_> = model.regularised().into_iter().filter_map(within).collect();
        let (optimizer, pace) = self.servers_step();
        let initial = model.initialise(self.plan.seed)[shard.clone()].to_vec();
        let (parameters, hogwild) = match self.sync {
            Policy::Hogwild => (Vec::new(), Some(Hogwild::new(&initial, optimizer, regularised.clone()))),
            _ => (initial, None),
        };
        Ok(Parts {
            shard: shard.clone(),
            policy: self.sync,
            machine: self.machine(ctx.rank())?,
            // What replicas step along is weighted and summed already.
            fold: if self.has_replicas() { Fold::Sum } else { self.recipe.fold },
            optimizer: optimizer.state(shard.len(), &regularised),
            parameters,
            hogwild,
            full: (0..self.rows.len()).map(|worker| self.full(worker)).collect(),
            pace,
            // A replica's step is part of its worker's time.
            recorder: Recorder::new(if self.has_replicas() { 0 } else { self.spans }),
            pulled: self.recipe.compression.pull,
            tells_changes: self.tells_changes(),
            asks_memory: self.asks_memory(),
            is_blank: self.resumes || ctx.incarnation() > 0,
            keeps_last: self.on_loss.goes_on()
                && self.shards.len() > 1
                && self.sync.waits_for_all()
                && !self.has_replicas(),
            mail: self
                .sync
                .collective()
                .map(|by| Mail::new(by, ctx.rank(), self.rows.len(), self.shards[ctx.rank()].len())),
            first_hold: self.first_cut.filter(|_| self.holds(ctx.rank())),
            standby: None,
        })
    }

    /// Whether servers tell workers of other processes what has changed: over sparse rows, of which few parameters are stepped in a
    /// round. What is sent in a shorter format is no exact value, and without a lock others step meanwhile.
    fn tells_changes(&self) -> bool {
        matches!(self.data.features(), Features::Sparse(_))
            && self.recipe.compression.pull.is_none()
            && self.sync != Policy::Hogwild
            && !self.has_replicas()
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

    /// The machine of a server, or of a replica, which is for one worker only.
    fn machine(&self, rank: usize) -> Result<Machine, syncline_round::Error> {
        if !self.has_replicas() {
            return Machine::new(self.sync, self.rows.len());
        }
        let mut machine = Machine::of(AnyGate::new(self.sync, Selection::All), 0)?;
        // Nobody has asked, so that there is nothing to do.
        machine.on(Time::START, Event::Join(Member::new(rank as u32)), &mut Vec::new())?;
        Ok(machine)
    }

    /// Whether workers remember something from round to round.
    fn asks_memory(&self) -> bool {
        self.recipe.keeps_memory || self.recipe.compression.keeps_residual()
    }

    /// Whether who does whose work may change, so that workers stay until they are told to leave.
    pub(crate) fn deals(&self) -> bool {
        self.on_loss.goes_on() || self.elastic.is_some()
    }

    /// With what, and at which pace, servers step.
    fn servers_step(&self) -> (Optimizer, Pace) {
        let Recipe { fold, pace, optimizer, .. } = self.recipe;
        let steady = Pace { schedule: Schedule::default(), ..pace };
        match (self.sync.outer(), fold) {
            (Some(outer), _) => (outer, steady),
            // Averaged models have been stepped by their workers, at the pace of the round.
            (None, Fold::Average) => (Optimizer::unit(), steady),
            (None, Fold::Mean | Fold::Sum) => (optimizer, pace),
        }
    }

    /// The run before its first round, as a checkpoint would have it.
    pub(crate) fn beginning(&self) -> Result<Checkpoint, Error> {
        let workers = self.rows.len();
        let parameters = self.initial();
        let (moments, steps) = {
            let state = self.servers_step().0.state(parameters.len(), &[]);
            let (moments, steps) = state.memory();
            (moments.map(<[f32]>::to_vec), steps)
        };
        let rest = Rest {
            machine: Machine::new(self.sync, workers)?.snapshot(self.sync, Selection::All),
            steps,
            positions: vec![Position::default(); workers],
            statistics: vec![ServerStatistics::default(); self.shards.len()],
            record: Default::default(),
            elapsed: Default::default(),
        };
        Ok(Checkpoint { parameters, moments, memories: Vec::new(), rest })
    }

    /// Does the work of a worker's node.
    pub(crate) async fn work(
        &self,
        ctx: Context,
        holders: Holders<'_>,
        coordinator: &Handle<Coordinator>,
    ) -> Result<(), Error> {
        let rank = ctx.rank();
        if !self.deals() && !self.has_replicas() {
            self.worker(&ctx, rank, holders, coordinator).await?.run().await?;
            self.model().leave();
            return Ok(());
        }
        let duties = Duties { rank: rank as u32, coordinator: coordinator.connect(&ctx).await? };
        if !self.deals() {
            // What it holds is asked for when all are done.
            let worked = self.worker(&ctx, rank, holders, coordinator).await?.run().await?;
            self.model().leave();
            return duties.stay(worked).await;
        }
        let work = async |share: u32, grip: Grip| {
            let worker = self.worker(&ctx, share as usize, holders, coordinator).await?;
            let held = Some(Held { grip, keeps_memory: self.asks_memory() });
            let worked = Worker { held, ..worker }.run().await;
            if self.has_replicas() {
                self.model().leave();
            }
            worked
        };
        duties.run(work).await?;
        if !self.has_replicas() {
            self.model().leave();
        }
        Ok(())
    }

    /// Does the work of the lead of a coded run; tells what its products came to.
    #[cfg(feature = "coded")]
    pub(crate) async fn lead(
        &self,
        ctx: Context,
        servers: &[Handle<Server>],
        holding: Holding,
        coordinator: &Handle<Coordinator>,
    ) -> NodeResult<CodedRecord> {
        let mut worker = self.worker(&ctx, 0, Holders::Servers(servers), coordinator).await?;
        let (model, data, clip) = (self.model(), Arc::clone(&self.data), self.recipe.clip);
        let recorder = Recorder::new(self.spans);
        worker.lead = Some(Lead::new(&ctx, holding, self.shards.len(), model, data, clip, recorder).await?);
        // Held-out rows are looked at where the parameters are.
        worker.node = 0;
        worker.run().await?;
        let Some(lead) = worker.lead.take() else { return Ok(CodedRecord::default()) };
        let (record, spans) = lead.end().await?;
        worker.coordinator.progress(Score::default(), spans).await?;
        Ok(record)
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

    async fn worker(
        &self,
        ctx: &Context,
        rank: usize,
        holders: Holders<'_>,
        coordinator: &Handle<Coordinator>,
    ) -> Result<Worker, Error> {
        let exchange = self.exchange(ctx, rank, holders).await?;
        let pull = self.pull(&exchange);
        let (data, rows) = self.rows_of(ctx, rank).await?;
        let computation = self.computation(self.group(rank) as u32, data, self.batches(rank, rows));
        let validation = self.held_out_of(ctx, rank).await?;
        Ok(Worker {
            rank: rank as u32,
            node: if self.has_replicas() { rank } else { self.shards.len() + rank } as u32,
            exchange,
            coordinator: coordinator.connect(ctx).await?,
            computation,
            validation,
            plan: self.plan.clone(),
            pull,
            recorder: Recorder::new(self.spans),
            held: None,
            dealt: self.dealt(),
            #[cfg(feature = "coded")]
            lead: None,
            ctx: ctx.clone(),
        })
    }

    /// How rows are dealt out anew in each epoch, where they are.
    fn dealt(&self) -> Option<Dealt> {
        self.deals_by_speed.then(|| Dealt {
            all: Arc::clone(&self.data),
            seed: self.plan.seed,
            batch: self.batches.first().copied().unwrap_or(1),
            every: self.every,
            rounds_per_epoch: self.plan.rounds_per_epoch,
        })
    }

    /// A worker's way to the parameters.
    async fn exchange(&self, ctx: &Context, rank: usize, holders: Holders<'_>) -> Result<Exchange, Error> {
        let (worker, clock) = (rank as u32, ctx.clock().clone());
        match holders {
            Holders::Servers(servers) => {
                let mut ways = Vec::new();
                for server in servers {
                    ways.push(Way::new(ctx, server, self.follows).await?);
                }
                let exchange = Exchange::new(worker, clock, ways, self.shards.clone());
                Ok(if self.tells_changes() { exchange.hearing_changes() } else { exchange })
            }
            Holders::Workers(own, all) => {
                let mut ways = Vec::new();
                for (other, replica) in all.iter().enumerate() {
                    ways.push(match other == rank {
                        true => None,
                        false => Some(Way::new(ctx, replica, self.follows).await?),
                    });
                }
                let groups = Groups::of(self.sync, own, self.rows.len(), self.plan.rounds_per_epoch);
                let peers = Peers::new(ctx, own, ways, self.weighting(), groups);
                Ok(Exchange::among(peers, worker, clock, own, self.shards[rank].len()))
            }
        }
    }

    /// By what each worker's gradients count.
    fn weighting(&self) -> Weighting {
        let workers = 0..self.rows.len();
        Weighting {
            fold: self.recipe.fold,
            batches: workers.clone().map(|worker| self.batches(worker, 0..self.rows[worker].len())).collect(),
            full: workers.map(|worker| self.full(worker)).collect(),
            rounds_per_epoch: self.plan.rounds_per_epoch,
            before: None,
        }
    }

    /// Which of the held-out rows a worker looks at: its share. But where epochs are kept, and workers may end one with
    /// other parameters than their colleagues, the one whose parameters are kept looks at all of them: what is said of an
    /// epoch must be true of what is kept.
    fn judged_by(&self, worker: usize, rows: usize) -> Range<usize> {
        if self.plan.keep_epochs && !self.sync.waits_for_all() {
            return if worker == 0 { 0..rows } else { 0..0 };
        }
        let cut = |worker: usize| rows * worker / self.rows.len();
        cut(worker)..cut(worker + 1)
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

    /// The state of the servers' step over all parameters, as if there were one server.
    pub(crate) fn optimizer_state(&self) -> OptimizerState {
        let model = self.model();
        self.servers_step().0.state(model.parameters(), &model.regularised())
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

    /// What a worker pulls for a round that reads few parameters.
    fn pull(&self, exchange: &Exchange) -> Pull {
        // A late one learns only from the answer which round it joins.
        let unforeseen = self.sync.heeds_arrival();
        // Where nobody steps while a worker reads, the server's own buffer can be read where it lies.
        let copied = self.sync == Policy::Hogwild;
        let undisturbed = !copied && (self.sync.waits_for_all() || self.rows.len() == 1);
        // What a worker's optimiser remembers moves parameters that no row of the round reads.
        let moves_all = self.recipe.keeps_memory;
        if unforeseen || moves_all || exchange.is_shared() && undisturbed {
            Pull::Whole
        } else {
            Pull::Touched
        }
    }

    /// A worker's rows as one range: of the common data where they lie together, else of a copy of its own, which is brought from
    /// the launcher where there are no rows here.
    async fn rows_of(&self, ctx: &Context, worker: usize) -> Result<(Arc<Dataset>, Range<usize>), Error> {
        let rows = &self.rows[worker];
        if self.data.is_hollow() {
            let own = self.borrow(ctx, &self.data, Wanted::Share(worker as u32), 0..rows.len()).await?;
            return Ok((own, 0..rows.len()));
        }
        let first = rows.first().copied().unwrap_or(0);
        if rows.iter().enumerate().all(|(offset, &row)| row == first + offset) {
            return Ok((Arc::clone(&self.data), first..first + rows.len()));
        }
        Ok((Arc::new(self.data.select(rows)), 0..rows.len()))
    }

    /// The rows held out, and which of them a worker looks at.
    async fn held_out_of(
        &self,
        ctx: &Context,
        worker: usize,
    ) -> Result<Option<(Arc<Dataset>, Range<usize>)>, Error> {
        let Some(data) = &self.validation else { return Ok(None) };
        let judged = self.judged_by(worker, data.rows());
        if !data.is_hollow() {
            return Ok(Some((Arc::clone(data), judged)));
        }
        let rows = judged.len();
        Ok(Some((self.borrow(ctx, data, Wanted::HeldOut, judged).await?, 0..rows)))
    }

    /// Rows of data that have none here, from the launcher.
    async fn borrow(
        &self,
        ctx: &Context,
        hollow: &Dataset,
        wanted: Wanted,
        rows: Range<usize>,
    ) -> Result<Arc<Dataset>, Error> {
        let lender = self.lender.as_ref().ok_or_else(|| {
            syncline_program::Error::Handshake("there are no rows here, and nobody lends any".to_owned())
        })?;
        Ok(Arc::new(lending::borrow(ctx, lender, hollow, wanted, rows).await?))
    }
}
