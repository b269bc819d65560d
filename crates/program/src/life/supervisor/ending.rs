//! How the program is brought to its end: politely, by interrupts, by force (SUP-3, 5).

use std::time::Duration;

use super::{Action, BURIAL, DEBOUNCE, End, Phase, Supervisor};
use crate::Interrupt;
use crate::life::member::{Fate, Member};

impl Supervisor {
    pub(super) fn interrupted(&mut self, now: Duration, by: Interrupt, heeded: bool) -> Vec<Action> {
        if self.interrupted_at.is_some_and(|first| now < first + DEBOUNCE) {
            return Vec::new();
        }
        let again = self.interrupted_at.replace(now).is_some();
        match (self.is_running(), again) {
            (true, false) if heeded => vec![Action::Heed(by)],
            (true, false) => self.stop(now, End::Interrupted(by)),
            // The driver did not come to an end in time.
            (true, true) => self.stop_at_once(now, End::Interrupted(by)),
            (false, _) => self.kill(now),
        }
    }

    /// Leaves nobody any time.
    pub(super) fn stop_at_once(&mut self, now: Duration, end: End) -> Vec<Action> {
        match self.stop(now, end) {
            over if over == [Action::Finish] => over,
            _ => self.kill(now),
        }
    }

    pub(super) fn stop(&mut self, now: Duration, end: End) -> Vec<Action> {
        if !self.is_running() {
            return Vec::new();
        }
        let notice = match end {
            End::Failed(..) => self.patience.failure,
            _ => self.patience.normal,
        };
        self.end = end;
        // Nobody is started again any more.
        for member in self.members.values_mut() {
            if matches!(member.fate, Fate::Restarts { .. }) {
                member.fate = Fate::Ended { finished: false };
            }
        }
        if self.members.values().all(Member::has_ended) {
            self.phase = Phase::Over;
            return vec![Action::Finish];
        }
        self.phase = Phase::Stopping { kill_at: now + notice };
        vec![Action::Stop]
    }

    pub(super) fn kill(&mut self, now: Duration) -> Vec<Action> {
        if matches!(self.phase, Phase::Over | Phase::Killing { .. }) {
            return Vec::new();
        }
        self.phase = Phase::Killing { leave_at: now + BURIAL };
        vec![Action::Kill]
    }
}
