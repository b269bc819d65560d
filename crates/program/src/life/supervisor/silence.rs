//! Processes that give no sign of life, or did not report in time (SUP-6).

use std::time::Duration;

use super::{ABSENT, Action, Supervisor};
use crate::NodeId;
use crate::life::failure::Cause;
use crate::life::patience::Silence;
use crate::life::remark::Remark;

impl Supervisor {
    pub(super) fn heard(&mut self, now: Duration, node: NodeId) {
        let mut again = false;
        self.current(&node, |member| {
            if member.heard.is_some() {
                member.heard = Some(now);
                again = std::mem::take(&mut member.told);
            }
        });
        if again {
            self.remarks.push(Remark::HeardAgain(node));
        }
    }

    /// When something is to be done about a process that stays silent until then.
    pub(super) fn silent_at(&self) -> Option<Duration> {
        self.members.values().filter_map(|member| member.silent_at(self.patience.silence)).min()
    }

    /// Tells of processes that have been silent for long, and takes those beyond the limit for failed.
    pub(super) fn look_for_silence(&mut self, now: Duration) -> Vec<Action> {
        if self.silent_at().is_some_and(|due| now > due + ABSENT) {
            self.members.values_mut().for_each(|member| member.heard = member.heard.map(|_| now));
        }
        let Silence { told, limit } = self.patience.silence;
        let mut failed = Vec::new();
        for member in self.members.values_mut().filter(|member| member.is_alive()) {
            let Some(silence) = member.heard.map(|heard| now.saturating_sub(heard)) else { continue };
            if limit.is_some_and(|limit| silence >= limit) {
                failed.push((member.id.clone(), Cause::Silent(silence)));
            } else if silence >= told && !std::mem::replace(&mut member.told, true) {
                self.remarks.push(Remark::Silent(member.id.clone(), silence));
            }
        }
        failed.into_iter().flat_map(|(node, cause)| self.failed(now, node, cause)).collect()
    }

    /// Takes processes for failed that did not report in time.
    pub(super) fn look_for_late(&mut self, now: Duration) -> Vec<Action> {
        let start = self.patience.start;
        let late = self.alive().filter(|member| member.starting.is_some_and(|at| now >= at + start));
        let late: Vec<_> = late.map(|member| member.id.clone()).collect();
        let why = format!("it did not report to the launcher within {start:?}");
        let failed = |node| self.failed(now, node, Cause::NeverStarted(why.clone()));
        late.into_iter().flat_map(failed).collect()
    }
}
