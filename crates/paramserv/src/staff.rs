//! How many workers are to be there, who is missing, and who has been lost: what the driver knows of the nodes that work.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
};

use syncline_program::{Context, NodeName, Presence, Roster, State};
use tokio::sync::watch;

use crate::Scaling;

/// The label of the workers' group.
const WORKERS: &str = "worker";

/// The workers of a run.
#[derive(Default)]
pub(crate) struct Staff {
    /// How many there may be.
    most: usize,
    /// How many are to be there, where they come and go.
    wanted: Option<usize>,
    /// Which incarnation of a worker was lost last.
    lost: BTreeMap<u32, u32>,
    /// The last incarnation of a worker that was started again.
    again: BTreeMap<u32, u32>,
    /// Who was called and is not there yet: it is no loss that it is started again.
    called: BTreeSet<NodeName>,
}

impl Staff {
    /// Of so many at most, of whom so many are there at the start where they come and go.
    pub(crate) fn new(most: usize, wanted: Option<usize>) -> Self {
        Self { most, wanted, ..Self::default() }
    }

    /// From now on the first so many are to be there; how many it was before.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn resize(&mut self, size: usize) -> Result<usize, String> {
        let most = self.most;
        match (1..=most).contains(&size) {
            true => Ok(self.wanted.replace(size).unwrap_or(most)),
            false => Err(format!("the run cannot have {size} workers there: it may have from 1 to {most}")),
        }
    }

    /// Who has been lost for good since the last time.
    pub(crate) fn newly_lost(&mut self, roster: &Roster) -> Vec<u32> {
        let mut news = Vec::new();
        for (name, presence) in roster.group(WORKERS).filter(|(_, presence)| presence.state == State::Failed)
        {
            let worker = name.rank() as u32;
            if self.lost.insert(worker, presence.incarnation) != Some(presence.incarnation) {
                news.push(worker);
            }
        }
        news
    }

    /// Who has been lost and started again since the last time.
    pub(crate) fn newly_restarted(&mut self, roster: &Roster) -> Vec<u32> {
        let mut news = Vec::new();
        for (name, presence) in roster.group(WORKERS) {
            let (worker, now) = (name.rank() as u32, presence.incarnation);
            if now > self.again.insert(worker, now).unwrap_or_default() && !self.called.remove(name) {
                news.push(worker);
            }
        }
        news
    }

    /// Who is wanted and rests: it had been sent away before it was wanted again.
    pub(crate) fn missing(&mut self, roster: &Roster) -> Vec<NodeName> {
        self.wanted_in(roster, |presence| presence.state == State::Resting)
    }

    /// Who is wanted and is to be started, now that so many have been asked for: who rests, and who was lost.
    pub(crate) fn called_for(&mut self, roster: &Roster) -> Vec<NodeName> {
        self.wanted_in(roster, |presence| matches!(presence.state, State::Resting | State::Failed))
    }

    fn wanted_in(&mut self, roster: &Roster, is_missing: impl Fn(&Presence) -> bool) -> Vec<NodeName> {
        let Some(wanted) = self.wanted else { return Vec::new() };
        let found =
            roster.group(WORKERS).filter(|(name, presence)| name.rank() < wanted && is_missing(presence));
        let found: Vec<_> = found.map(|(name, _)| name.clone()).collect();
        self.called.extend(found.iter().cloned());
        found
    }
}

/// Where wishes for another number of workers come from.
pub(crate) struct Wishes {
    ctx: Context,
    /// The number of the last one that came from outside the program, where such are heard.
    known: Option<u64>,
    handle: Option<watch::Receiver<Option<usize>>>,
}

impl Wishes {
    /// `are_heard`: whether workers come and go.
    pub(crate) fn new(ctx: Context, are_heard: bool, scaling: Option<Scaling>) -> Self {
        Self { ctx, known: are_heard.then_some(0), handle: scaling.map(|scaling| scaling.wishes()) }
    }

    /// The next one, which may never come.
    pub(crate) async fn next(&mut self) -> usize {
        let Self { ctx, known, handle } = self;
        let from_outside = async {
            let Some(known) = known else { return pending().await };
            match ctx.wished(WORKERS, *known).await {
                Ok(wish) => {
                    *known = wish.number;
                    wish.size
                }
                // The program ends.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            biased;
            size = of_handle(handle) => size,
            size = from_outside => size,
        }
    }
}

/// The next one of a program's handle.
async fn of_handle(handle: &mut Option<watch::Receiver<Option<usize>>>) -> usize {
    let Some(handle) = handle else { return pending().await };
    loop {
        if handle.changed().await.is_err() {
            // The handle is gone, and with it whoever would wish.
            return pending().await;
        }
        if let Some(size) = *handle.borrow_and_update() {
            return size;
        }
    }
}
