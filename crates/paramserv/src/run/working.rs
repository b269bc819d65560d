//! How a worker is made of what all nodes know, and does its work.

use std::{ops::Range, sync::Arc};

use syncline_data::Dataset;
#[cfg(feature = "coded")]
use syncline_learn::Score;
#[cfg(feature = "coded")]
use syncline_program::NodeResult;
use syncline_program::{Context, Handle};
use syncline_round::Policy;
use syncline_trace::Recorder;

use super::{Holders, Run};
use crate::{
    Error,
    allreduce::{Groups, Peers, Weighting},
    computation::Pull,
    coordinator::Coordinator,
    duties::{Duties, Grip},
    exchange::Exchange,
    lending::{self, Wanted},
    portions::Dealt,
    way::Way,
    worker::{Held, Worker},
};
#[cfg(feature = "coded")]
use crate::{
    coded::{CodedRecord, Holding, Lead},
    protocol::ProgressesClient,
    server::Server,
};

impl Run {
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
