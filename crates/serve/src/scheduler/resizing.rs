//! Another size for an attempt that runs: told by its task's own command, and not by stopping it.
//!
//! RESIZE-1: what an attempt holds while it is told is the greater of both sizes, so whichever it has at a moment has its room. Only
//! growing or only shrinking is told; a move, for which two jobs could wait for each other's room for ever, is a stop and a start.

use super::{Act, RESIZING, Scheduler};
use crate::{
    actuator::Run,
    record::{Attempt, Record, Resizing},
};
use syncline_schedule::{JobId, Placement, Resources};

impl Scheduler {
    /// What attempts that run are being told, for a daemon that comes after the one that told them.
    pub fn under_way(&self) -> Vec<Act> {
        let told = |record: &Record| {
            let resizing = record.open.as_ref()?.resizing.as_ref()?;
            let launch = self.launch(record, resizing.to.clone(), resizing.cores.clone())?;
            Some(Act::Resize(Box::new(launch)))
        };
        self.records.iter().filter_map(told).collect()
    }

    /// The books of an attempt that was told of another size while it ran. The policy hears nothing of it: it has wished for that.
    pub(super) fn resized(&mut self, now: f64, run: Run, came: std::result::Result<(), String>) {
        let open = self.records[run.job.index()].open.as_ref().filter(|open| open.number == run.attempt);
        let Some(resizing) = open.and_then(|open| open.resizing.clone()) else { return };
        let before = open.map_or(0, |open| open.placement.workers());
        let record = self.touch(run.job);
        let said = match came {
            Ok(()) => {
                record.resize(now);
                format!("while it ran, in {:.1} s", now - resizing.since)
            }
            Err(why) => {
                let said = format!("by stopping it, since it could not be while it ran: {why}");
                // How many it has now nobody knows.
                record.open.iter_mut().for_each(|open| open.refused = Some(why.clone()));
                said
            }
        };
        self.remark(run.job, before, resizing.to.workers(), &said);
    }

    /// Whether an attempt need not be stopped: it is as it is wished for, or is told so, or can be.
    pub(super) fn may_go_on(&self, now: f64, record: &Record, open: &Attempt) -> bool {
        let Some(wished) = self.wished(record.id) else { return false };
        match &open.resizing {
            _ if open.refused.is_some() => false,
            Some(resizing) => now < resizing.since + RESIZING,
            None => *wished == open.placement || self.can_be_told(record, open, wished),
        }
    }

    /// Begins to give a job that runs its other size, if there is room for it.
    pub(super) fn begin_to_resize(&mut self, now: f64, id: JobId, free: &mut [Resources]) -> Option<Act> {
        let (record, wished) = (&self.records[id.index()], self.wished(id)?.clone());
        let open = record.open.as_ref()?;
        let at_rest = open.asked.is_none() && open.resizing.is_none() && open.refused.is_none();
        if !at_rest || wished == open.placement || !self.can_be_told(record, open, &wished) {
            return None;
        }
        let more = beyond(&open.placement, &wished);
        if !self.take_room(id, &more, free) {
            return None;
        }
        let cores = self.cores(record, &wished);
        let launch = self.launch(record, wished.clone(), cores.clone())?;
        self.touch(id).open.as_mut()?.resizing = Some(Resizing { to: wished, cores, since: now });
        Some(Act::Resize(Box::new(launch)))
    }

    /// Whether a job can be told of another size while it runs: it says how, and only its workers become more or fewer. On hosts of
    /// their own it was told which ones it has when it was started.
    fn can_be_told(&self, record: &Record, open: &Attempt, wished: &Placement) -> bool {
        let now = &open.placement;
        let only_grows_or_shrinks = beyond(now, wished).is_empty() || beyond(wished, now).is_empty();
        let cluster = &self.desk.state().cluster;
        record.task.scale.is_some()
            && wished.workers() > 0
            && wished.servers() == now.servers()
            && only_grows_or_shrinks
            && now.shares().iter().all(|share| !cluster.is_elsewhere(share.machine))
    }
}

/// What `wished` has more than `now`, by machine.
fn beyond(now: &Placement, wished: &Placement) -> Placement {
    let mut more = Placement::default();
    for share in wished.shares() {
        let held = now.shares().iter().find(|held| held.machine == share.machine);
        let (workers, servers) = held.map_or((0, 0), |held| (held.workers, held.servers));
        let servers = share.servers.saturating_sub(servers);
        more.add(share.machine, share.workers.saturating_sub(workers), servers);
    }
    more
}
