//! Jobs that come after others.

use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use crate::{
    model::JobId,
    state::{State, Status},
};

/// Who is called what, of all that have arrived.
#[derive(Debug, Default)]
pub struct Names {
    ids: BTreeMap<String, Vec<JobId>>,
    known: usize,
}

impl Names {
    /// Takes note of jobs that have arrived since.
    pub fn learn(&mut self, state: &State) {
        for job in &state.jobs[self.known.min(state.jobs.len())..] {
            if !job.job.name.is_empty() {
                self.ids.entry(job.job.name.clone()).or_default().push(job.job.id);
            }
        }
        self.known = state.jobs.len();
    }

    /// The job that `own` means by a name: the latest that came before it, else the first that came later. A live
    /// scheduler may see a name again when its job is over.
    fn meant(&self, name: &str, own: JobId) -> Option<JobId> {
        let ids = self.ids.get(name)?;
        let before = ids.iter().rev().find(|id| **id < own);
        before.or_else(|| ids.iter().find(|id| **id > own)).copied()
    }
}

/// Whether what a job comes after lets it start.
enum Turn {
    Now,
    Later(String),
    Never(String),
}

/// Holds back whoever comes after jobs that are not over, and gives up whoever can never start: as soon as one is given up, so are
/// those that come after it, and those that only wait for its end may start.
pub fn hold(state: &State, names: &Names, rules: &mut Rules) {
    let mut given_up = BTreeSet::new();
    loop {
        let before = given_up.len();
        // Who has started had its turn.
        let waiting = state.active.iter().filter(|id| state.job(**id).started.is_none());
        for id in waiting {
            match turn(state, names, &given_up, *id) {
                Turn::Never(why) if given_up.insert(*id) => rules.hopeless.push((*id, why)),
                _ => {}
            }
        }
        if given_up.len() == before {
            break;
        }
    }
    for id in state.active.iter().filter(|id| state.job(**id).started.is_none()) {
        match turn(state, names, &given_up, *id) {
            Turn::Now => {}
            Turn::Later(why) | Turn::Never(why) => drop(rules.shown.held.insert(*id, why)),
        }
    }
}

fn turn(state: &State, names: &Names, given_up: &BTreeSet<JobId>, id: JobId) -> Turn {
    let job = &state.job(id).job;
    let (must_succeed, must_end) = (job.after.iter().map(|name| (name, true)), job.after_any.iter());
    let mut later = None;
    for (name, succeed) in must_succeed.chain(must_end.map(|name| (name, false))) {
        let Some(other) = names.meant(name, id) else {
            later.get_or_insert_with(|| format!("it comes after `{name}`, which has not been submitted yet"));
            continue;
        };
        let status = if given_up.contains(&other) { Status::Rejected } else { state.job(other).status };
        match status {
            Status::Completed => {}
            Status::Pending | Status::Running => {
                later.get_or_insert_with(|| format!("it comes after `{name}`, which is not over"));
            }
            _ if !succeed => {}
            Status::TimedOut => return never(name, "had run for as long as it may"),
            Status::Rejected => return never(name, "was turned down"),
            Status::Withdrawn => return never(name, "ended without success"),
        }
    }
    later.map_or(Turn::Now, Turn::Later)
}

fn never(name: &str, how: &str) -> Turn {
    Turn::Never(format!("it comes after `{name}`, which {how}"))
}
