//! Checkpoints as the driver takes them: workers are held at a round's edge, all servers say what they know, and the workers go on before
//! it is written.

use std::{future::pending, pin::Pin, time::Duration};

use super::{Drive, unless_lost};
use crate::{
    Error,
    checkpoint::Checkpoint,
    keeper::{Due, Keeper},
    protocol::ShardClient,
};

/// The wait until all workers are held.
pub(super) type Holding = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

impl Drive {
    /// When a checkpoint is due by the clock, if none is being taken.
    pub(super) fn waits_for_due(&self) -> Option<Duration> {
        let keeper = self.keeper.as_ref().filter(|_| self.may_begin_cut())?;
        if let Due::At(at) = keeper.due() { Some(at) } else { None }
    }

    fn may_begin_cut(&self) -> bool {
        self.holding.is_none() && !self.closed && self.interrupted.is_none()
    }

    /// Has the workers held at the round before which a checkpoint is due.
    pub(super) fn begin_due_cut(&mut self) {
        if self.may_begin_cut()
            && let Some(Due::Round(round)) = self.keeper.as_ref().map(Keeper::due)
        {
            self.begin_cut(round);
        }
    }

    /// Has the workers held from this round on.
    pub(super) fn begin_cut(&mut self, round: u64) {
        let holding = (0..self.servers.len()).filter(|&server| self.run.holds(server));
        let holding: Vec<_> = holding.map(|server| self.servers[server].clone()).collect();
        self.holding = Some(Box::pin(async move {
            let held = holding
                .iter()
                .map(|server| async move { server.ask(async |client| client.hold(round).await).await });
            futures_util::future::try_join_all(held).await.map(drop)
        }));
    }

    /// All workers are held, or that failed because the server is gone.
    pub(super) async fn all_held(&mut self, held: Result<(), Error>) -> Result<(), Error> {
        self.holding = None;
        // A lost server is told of by the roster: then all go back, and who was held goes with them.
        if unless_lost(held)?.is_none() || unless_lost(self.take_checkpoint().await)? != Some(true) {
            return Ok(());
        }
        if self.interrupted.is_some() { self.close().await } else { Ok(()) }
    }

    /// Takes a checkpoint of workers that are held, and lets them go on before it is written. Whether there was one to take: of servers
    /// that all know where the run is.
    async fn take_checkpoint(&mut self) -> Result<bool, Error> {
        let now = self.ctx.clock().now();
        let mut states = Vec::new();
        for server in &self.servers {
            states.push(server.ask(async |client| client.save().await).await?);
        }
        let (record, elapsed) = (self.coordinator.save(), self.coordinator.record().earlier() + now);
        // One that was started again in between has told nothing.
        let told = match self.run.has_replicas() {
            true => Checkpoint::join_replicas(states, record, elapsed),
            false => Checkpoint::join(states, record, elapsed),
        };
        let told = told.filter(|_| self.all_are_known());
        let Some((keeper, checkpoint)) = self.keeper.as_mut().zip(told) else { return Ok(false) };
        keeper.takes(now, checkpoint.round());
        if self.interrupted.is_none() {
            let next = if let Due::Round(next) = keeper.due() { Some(next) } else { None };
            let holding = if self.run.has_replicas() { &self.servers[..] } else { &self.servers[..1] };
            for server in holding {
                // One that is lost now holds nobody, and what was taken before stands.
                unless_lost(server.ask(async |client| client.release(next).await).await)?;
            }
        }
        let released = self.ctx.clock().now();
        let failed = keeper.write(&checkpoint).err();
        keeper.cost.held_s += (released - now).as_secs_f64();
        keeper.cost.writing_s += (self.ctx.clock().now() - released).as_secs_f64();
        if let Some(why) = failed {
            self.remark(&format!("no checkpoint at round {}: {why}", checkpoint.round()));
        }
        Ok(true)
    }
}

/// The end of the wait for all to be held, if there is one.
pub(super) async fn held(holding: &mut Option<Holding>) -> Result<(), Error> {
    match holding {
        Some(holding) => holding.await,
        None => pending().await,
    }
}
