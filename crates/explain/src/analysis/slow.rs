//! Workers that are slower than their fellows meeting after meeting, with what that costs.

use std::collections::BTreeMap;

use super::meeting::{Arrival, Group, Meetings, Place, SyncKind};
use super::numbers::{Line, mean, median};
use super::split::data_line;
use crate::blame::{Observation, slower};

/// The chance that a run of workers that are all alike names somebody, over all of its places.
pub(crate) const LEVEL: f64 = 0.005;

/// What costs less of the run is not worth a name.
pub(crate) const WORTH: f64 = 0.01;

/// A worker that is slower than its fellows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SlowWorker {
    pub who: u32,
    /// Its time over the others' median, typical over the meetings.
    pub factor: f64,
    /// What it took beyond the others' median, over all meetings.
    pub excess_ms: f64,
    /// The chance that one like it is found where nobody differs.
    pub chance: f64,
}

/// Who is slow, by place.
#[derive(Debug, Default)]
pub(crate) struct SlowWorkers {
    by_place: BTreeMap<Place, Vec<SlowWorker>>,
    /// The level for one place.
    pub level: f64,
}

impl SlowWorkers {
    /// Judges every place whose waiting is worth it in a run of `wall_ms` with `core_ms` of core time.
    pub fn of(meetings: &Meetings, wall_ms: f64, core_ms: f64) -> Self {
        let is_worth = |group: &&Group| group.meetings.len() >= 3 && group.idle_ms >= WORTH * core_ms;
        // Which places are judged depends on all times together and not on whose they are.
        let judged = meetings.groups.values().filter(is_worth).count().max(1);
        let level = LEVEL / judged as f64;
        let by_place = meetings
            .groups
            .iter()
            .filter(|(_, group)| is_worth(group))
            .map(|(place, group)| (place.clone(), slow_workers(group, level, wall_ms)))
            .collect();
        Self { by_place, level }
    }

    /// Those who are slow at a place.
    pub fn at(&self, place: &Place) -> &[SlowWorker] {
        self.by_place.get(place).map_or(&[], Vec::as_slice)
    }

    /// Notes who is slow at the end of training: there is one such meeting, but the rounds before it tell.
    pub fn note_at_end(&mut self, rounds: &Group, wall_ms: f64) {
        let place = Place { kind: SyncKind::EndOfTraining, label: String::new(), level: 0 };
        self.by_place.insert(place, slow_workers(rounds, LEVEL, wall_ms));
    }
}

/// Workers that are slower than their fellows by more than chance, and by at least 1 % of the run.
pub(crate) fn slow_workers(group: &Group, level: f64, wall_ms: f64) -> Vec<SlowWorker> {
    let skew = data_line(group);
    let cleared: Vec<Vec<Observation>> = group
        .meetings
        .iter()
        .filter(|meeting| !meeting.is_partial)
        .map(|meeting| cleared(&meeting.arrivals, &skew))
        .collect();
    let blamed = slower(&cleared, level);
    let slow = blamed.iter().filter_map(|blame| describe(group, blame.who, blame.chance));
    slow.filter(|slow| slow.factor > 1.0 && slow.excess_ms >= WORTH * wall_ms).collect()
}

/// What each took for a task of its own, cleared of what it had to do more than others. Failed attempts say nothing of speed.
fn cleared(arrivals: &[Arrival], skew: &Line) -> Vec<Observation> {
    let sound = || arrivals.iter().filter(|arrival| arrival.failed == 0.0);
    let typical = mean(&sound().map(|arrival| f64::from(arrival.work)).collect::<Vec<_>>());
    let own = |arrival: &Arrival| {
        let by_data = skew.slope * (f64::from(arrival.work) - typical);
        let time = (arrival.own_ms() - by_data).max(0.0) / arrival.tasks();
        Observation { who: arrival.who, time }
    };
    sound().map(own).collect()
}

/// How much slower a worker is than the others were.
fn describe(group: &Group, who: u32, chance: f64) -> Option<SlowWorker> {
    let (mut factors, mut excess_ms) = (Vec::new(), 0.0);
    for meeting in &group.meetings {
        let is_own = |arrival: &&Arrival| arrival.who == who;
        let per_task = |arrival: &Arrival| arrival.own_ms() / arrival.tasks();
        let own: Vec<f64> = meeting.arrivals.iter().filter(is_own).map(per_task).collect();
        let others: Vec<f64> =
            meeting.arrivals.iter().filter(|arrival| !is_own(arrival)).map(per_task).collect();
        if own.is_empty() || others.is_empty() {
            continue;
        }
        let typical = median(&others);
        factors.push(if typical > 0.0 { mean(&own) / typical } else { 1.0 });
        // Cores of one worker work side by side.
        let tasks =
            meeting.arrivals.iter().filter(is_own).map(Arrival::tasks).sum::<f64>() / own.len() as f64;
        excess_ms += (mean(&own) - typical) * tasks;
    }
    let factor = median(&factors);
    (!factors.is_empty()).then_some(SlowWorker { who, factor, excess_ms, chance })
}
