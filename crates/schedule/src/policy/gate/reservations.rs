//! Machines that are held for some queues for a time.
//!
//! While a reservation lasts, jobs of other queues may not be on its machines: those that can resume leave when it begins. A job
//! that cannot be stopped starts there only if its limit lets it end before. Between events the times are those of the
//! file; where decisions are made in slots, a reservation takes every slot that it touches.
//!
//! To the policies a machine has one label more, which says whose it is, and jobs need those labels that are open to them.

use std::{collections::BTreeSet, sync::Arc};

use syncline_terminal::unit;

use super::Rules;
use crate::{
    model::{Cluster, Job, MachineId, Reservation, Values},
    state::{JobState, State},
};

/// A label that no file can give: its name is not one.
const LABEL: &str = "\u{0}reservations";

/// The reservations that are not over.
pub struct Reserved {
    /// The machines with their label, if there is any.
    pub cluster: Arc<Cluster>,
    windows: Vec<Window>,
    /// Numbers of windows by machine.
    on: Vec<Vec<usize>>,
}

struct Window {
    reservation: Reservation,
    from: f64,
    until: f64,
}

impl Reserved {
    /// At the present time; `slot` is the length of slots where decisions are made in slots.
    pub fn at(state: &State, slot: Option<f64>) -> Self {
        let windows = state.cluster.reservations().iter().map(|reservation| {
            let (from, until) = match slot {
                // A hair, so that an edge at the beginning of a slot stays there.
                Some(slot) => (
                    (reservation.from / slot + 1e-9).floor() * slot,
                    (reservation.until / slot - 1e-9).ceil() * slot,
                ),
                None => (reservation.from, reservation.until),
            };
            Window { reservation: reservation.clone(), from, until }
        });
        let windows: Vec<Window> = windows.filter(|window| state.now < window.until).collect();
        let mut on = vec![Vec::new(); state.cluster.machines().len()];
        for (number, window) in windows.iter().enumerate() {
            window.reservation.machines.iter().for_each(|id| on[id.index()].push(number));
        }
        let cluster = if windows.is_empty() {
            Arc::clone(&state.cluster)
        } else {
            Arc::new(state.cluster.labelled(LABEL, |id| label(&on[id.index()])))
        };
        Self { cluster, windows, on }
    }

    /// When the next begins or ends.
    pub fn next_edge(&self, now: f64) -> Option<f64> {
        let edges = self.windows.iter().flat_map(|window| [window.from, window.until]);
        edges.filter(|edge| *edge > now).reduce(f64::min)
    }

    /// Whether a job may be on a machine from now on.
    pub fn opens(&self, state: &State, job: &JobState, machine: MachineId) -> bool {
        self.on[machine.index()].iter().all(|number| !self.windows[*number].bars(state, job))
    }
}

impl Window {
    fn bars(&self, state: &State, job: &JobState) -> bool {
        let others = !self.reservation.admits(&job.job.queue);
        let left = state.cluster.limit(&job.job) - job.executed;
        let stays = !job.job.resume && state.now + left > self.from;
        others && (state.now >= self.from || stays)
    }
}

fn label(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

/// Keeps jobs away from machines that are, or will be, others'.
pub fn hold(state: &State, rules: &mut Rules) {
    let Rules { reserved, shown, order, .. } = rules;
    if reserved.windows.is_empty() {
        return;
    }
    for id in order.iter() {
        if shown.held.contains_key(id) {
            continue;
        }
        let job = state.job(*id);
        let barred: Vec<usize> =
            (0..reserved.windows.len()).filter(|number| reserved.windows[*number].bars(state, job)).collect();
        if barred.is_empty() || job.is_kept() {
            continue;
        }
        let open: BTreeSet<String> = reserved
            .on
            .iter()
            .filter(|on| !on.iter().any(|number| barred.contains(number)))
            .map(|on| label(on))
            .collect();
        let mut other = Job::clone(&job.job);
        other.needs.insert(LABEL.into(), Values::Any(open.into_iter().collect()));
        if reserved.cluster.how_many(&other, &other.worker) < other.workers.min {
            let first = &reserved.windows[barred[0]];
            shown.held.insert(*id, first.why(state.now));
            continue;
        }
        if job.placement.shares().iter().any(|share| !reserved.opens(state, job, share.machine)) {
            shown.displaced.insert(*id);
        }
        shown.jobs.insert(*id, Arc::new(other));
    }
}

impl Window {
    fn why(&self, now: f64) -> String {
        let (name, until) = (&self.reservation.name, unit::seconds(self.until - now));
        if now >= self.from {
            format!("the machines that it needs are reserved as `{name}` for another {until}")
        } else {
            let from = unit::seconds(self.from - now);
            format!(
                "the machines that it needs are reserved as `{name}` in {from}, and it cannot be stopped and has no limit that ends before"
            )
        }
    }
}
