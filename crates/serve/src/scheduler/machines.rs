//! Machines elsewhere that do not answer any more, and answer again.
//!
//! MACHINES-1: what ran on a host that was lost is begun again only when nothing of it can run there any more: a node that hears nothing
//! from its launcher ends itself after [`LEASH`], also where it is only the network that is gone.

use syncline_schedule::{Event, JobId, MachineId, Placement};

use super::{MOST_LOSSES, Scheduler, begun_again, pause};
use crate::{actuator::Run, record::Outcome};

/// Seconds after which a node on a host that hears nothing from its launcher ends itself. It counts from the last that it heard, which
/// was before the launcher ended, and it asks every few seconds.
pub const LEASH: f64 = 35.0;

impl Scheduler {
    /// What was said of a machine that does not answer, if it does not.
    pub fn gone(&self, machine: MachineId) -> Option<&str> {
        self.gone.get(&machine).map(String::as_str)
    }

    /// The name of the first machine of a placement that does not answer, and what was said of it.
    pub(crate) fn first_gone(&self, placement: &Placement) -> Option<(String, &str)> {
        let gone = |machine: MachineId| Some((self.desk.state().cluster.name(machine), self.gone(machine)?));
        placement.shares().iter().find_map(|share| gone(share.machine))
    }

    pub(super) fn machine_gone(&mut self, machine: MachineId, why: String) -> Vec<Event> {
        let name = self.desk.state().cluster.name(machine);
        let is_new = self.desk.state().is_up(machine);
        if is_new {
            self.remarks
                .push(format!("{name} does not answer, and nothing is placed there until it does: {why}"));
        }
        self.gone.insert(machine, why);
        if is_new { vec![Event::Failure { machine }] } else { Vec::new() }
    }

    pub(super) fn machine_back(&mut self, machine: MachineId) -> Vec<Event> {
        self.gone.remove(&machine);
        self.remarks.push(format!("{} answers again", self.desk.state().cluster.name(machine)));
        vec![Event::Recovery { machine }]
    }

    /// Before when a job may not begin again whose open attempt ends now, as it was asked to: later if a machine of it does not answer.
    pub(super) fn fence(&self, now: f64, id: JobId) -> f64 {
        let open = self.records[id.index()].open.as_ref();
        if open.is_some_and(|open| self.first_gone(&open.placement).is_some()) { now + LEASH } else { 0.0 }
    }

    /// The same, of an open attempt that was lost: on a host it may run without us.
    pub(super) fn fence_of_lost(&self, now: f64, id: JobId) -> f64 {
        let cluster = &self.desk.state().cluster;
        let open = self.records[id.index()].open.as_ref();
        let is_there = open.is_some_and(|open| {
            open.placement.shares().iter().any(|share| cluster.is_elsewhere(share.machine))
        });
        if is_there { now + LEASH } else { 0.0 }
    }

    /// An attempt is gone without a word, or with its host: that is no failure of its job, unless it happens again and again and nothing
    /// is done meanwhile.
    pub(super) fn lost(&mut self, now: f64, run: Run, share: Option<f64>) -> Option<Event> {
        let resume = self.desk.state().job(run.job).job.resume;
        let fence = self.fence_of_lost(now, run.job);
        let (record, _) = self.close(run, now)?;
        if !record.is_unfinished() {
            return None;
        }
        if let Some(share) = share.filter(|share| *share > record.furthest) {
            (record.losses, record.furthest) = (0, share);
        }
        record.losses += 1;
        if record.losses > MOST_LOSSES.max(record.task.retries) {
            let why = format!(
                "its processes, or their host, vanished {} times in a row without a word",
                record.losses
            );
            record.end(Outcome::Failed(why), now);
            return Some(Event::Withdrawal { job: run.job });
        }
        record.not_before = fence.max(now + pause(record.losses) - 1.0);
        begun_again(run.job, resume)
    }
}
