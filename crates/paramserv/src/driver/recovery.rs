//! What the driver does about losses: the work of workers is dealt to others, a server that is started again begins from what its
//! standby knows, and where nobody knows it all go back to the last checkpoint.

use std::collections::BTreeMap;

use syncline_program::Roster;

use super::{Drive, unless_lost};
use crate::{
    Error,
    checkpoint::Checkpoint,
    keeper::{Due, Keeper},
    protocol::ShardClient,
};

/// The label of servers' standbys.
const STANDBYS: &str = "standby";

/// Which incarnations know where the run is.
pub(super) struct Known {
    servers: Vec<u32>,
    /// Those of the servers' standbys, where there are some.
    standbys: Vec<u32>,
}

impl Known {
    /// Of so many servers, with a standby each or without.
    pub(super) fn new(servers: usize, has_standbys: bool) -> Self {
        Self { servers: vec![0; servers], standbys: vec![0; if has_standbys { servers } else { 0 }] }
    }
}

impl Drive {
    /// Whether every server that was asked knows where the run is: none was started again unnoticed.
    pub(super) fn all_are_known(&self) -> bool {
        self.servers.iter().zip(&self.known.servers).all(|(server, known)| server.incarnation() == *known)
    }

    /// Waits until it is told which server was lost, and sees to that.
    pub(super) async fn recover(&mut self) -> Result<(), Error> {
        let mut roster = self.ctx.roster().await?;
        while !self.see_to_losses(&roster).await? {
            roster = self.ctx.roster_after(&roster).await?;
        }
        Ok(())
    }

    /// The work of workers that are lost for good is dealt to others, who is wanted and has left is called back, and a server that
    /// was started again is told where the run is; whether there was one.
    pub(super) async fn see_to_losses(&mut self, roster: &Roster) -> Result<bool, Error> {
        let lost = self.staff.newly_lost(roster);
        if !lost.is_empty() {
            for (share, by) in self.coordinator.lost(&lost) {
                self.tell_loss(match self.run.elastic {
                    None => format!("worker {by} does the work of worker {share} as well, which was lost"),
                    Some(_) => format!("worker {by} does share {share} of the work, whose worker was lost"),
                });
            }
        }
        let again = self.staff.newly_restarted(roster);
        // Where workers hold all parameters themselves it is told below to where all go back.
        if !self.run.has_replicas() {
            for worker in again {
                self.tell_loss(format!(
                    "worker {worker} was lost and started again: only the round that it was at was done twice"
                ));
            }
        }
        for node in self.staff.missing(roster) {
            self.ctx.wake(&node).await?;
        }
        self.see_to_standbys(roster);
        let restarted = newer(roster, self.run.holders(), &self.known.servers);
        let restarted: Vec<usize> = restarted.into_iter().map(|(server, _)| server).collect();
        if restarted.is_empty() {
            return Ok(false);
        }
        match self.run.has_standbys && self.take_over(&restarted).await? {
            true => self.goes_on_after(&restarted).await?,
            false => self.go_back(&restarted).await?,
        }
        Ok(true)
    }

    /// A standby that was started again is told everything by its server, which needs nobody for it.
    fn see_to_standbys(&mut self, roster: &Roster) {
        for (standby, incarnation) in newer(roster, STANDBYS, &self.known.standbys) {
            self.known.standbys[standby] = incarnation;
            self.tell_loss(format!(
                "standby {standby} was lost: server {standby} tells the next one all that it knows"
            ));
        }
    }

    /// Has servers that were started again begin from what their standbys know; whether all could.
    async fn take_over(&mut self, restarted: &[usize]) -> Result<bool, Error> {
        let next = self.keeper.as_ref().and_then(|keeper| match keeper.due() {
            Due::Round(next) => Some(next),
            Due::At(_) | Due::Never => None,
        });
        for &server in restarted {
            let (way, hold) = (&self.servers[server], next.filter(|_| self.run.holds(server)));
            // What is lost again is asked again, in the incarnation that comes after it.
            let begun = loop {
                let told = way.ask(async |client| client.take_over(hold).await).await;
                if let Some(begun) = unless_lost(told)? {
                    break begun;
                }
            };
            if !begun {
                return Ok(false);
            }
            self.known.servers[server] = way.incarnation();
        }
        Ok(true)
    }

    /// Says that nothing was lost with these servers, and has them do what the ones before were about to.
    async fn goes_on_after(&mut self, restarted: &[usize]) -> Result<(), Error> {
        if restarted.iter().any(|&server| self.run.holds(server)) {
            self.holding = None;
        }
        self.take_up_the_end().await?;
        let lost = names(self.run.holders(), restarted);
        self.tell_loss(format!(
            "{lost} was lost: its standby knew all that it knew, and nothing is done again"
        ));
        Ok(())
    }

    /// All go back to the last checkpoint, because these servers know nothing.
    async fn go_back(&mut self, restarted: &[usize]) -> Result<(), Error> {
        self.holding = None;
        let checkpoint = match self.keeper.as_ref().and_then(Keeper::read) {
            Some(checkpoint) => checkpoint?,
            None => self.run.beginning()?,
        };
        self.put_at(&checkpoint).await?;
        self.take_up_the_end().await?;
        let (round, lost) = (checkpoint.round(), names(self.run.holders(), restarted));
        self.keeper.iter_mut().for_each(|keeper| keeper.went_back(round));
        self.tell_loss(format!(
            "{lost} was lost: all went back to round {round}, and do again what they had done since"
        ));
        Ok(())
    }

    /// Where the run is being ended, what was started again is told so.
    async fn take_up_the_end(&mut self) -> Result<(), Error> {
        match (self.closed, self.interrupted) {
            (true, _) => self.close().await?,
            (false, Some(_)) if self.keeper.is_some() && self.holding.is_none() => self.begin_cut(0),
            _ => {}
        }
        Ok(())
    }

    /// Puts all servers, and what is known of the epochs, where a checkpoint is: a new history begins.
    pub(super) async fn put_at(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let next = self.keeper.as_ref().and_then(|keeper| keeper.round_after(checkpoint.round()));
        'anew: loop {
            self.history += 1;
            let history = self.history;
            self.coordinator.restore(history, checkpoint.rest.record.clone());
            for server in 0..self.servers.len() {
                let state = match self.run.has_replicas() {
                    true => checkpoint.replica(server, self.servers.len()),
                    false => checkpoint.shard(server, self.servers.len(), self.run.shards[server].clone()),
                };
                let (way, hold) = (&self.servers[server], next.filter(|_| self.run.holds(server)));
                let told = way.ask(async |client| client.restore(history, state, hold).await).await;
                if unless_lost(told)?.is_none() {
                    continue 'anew;
                }
                self.known.servers[server] = way.incarnation();
            }
            return Ok(());
        }
    }
}

/// Nodes of a label in later incarnations than those that are known, which these are now.
fn newer(roster: &Roster, label: &str, known: &[u32]) -> Vec<(usize, u32)> {
    let incarnations: BTreeMap<usize, u32> =
        roster.group(label).map(|(name, presence)| (name.rank(), presence.incarnation)).collect();
    let newer = known.iter().enumerate().filter_map(|(node, known)| {
        let now = incarnations.get(&node)?;
        (now > known).then_some((node, *now))
    });
    newer.collect()
}

/// Nodes of a label by name.
fn names(label: &str, nodes: &[usize]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| format!("{label} {node}")).collect();
    names.join(" and ")
}
