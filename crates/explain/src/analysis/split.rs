//! Why those who were early had to wait: the price of a synchronisation point, split by cause.
//!
//! Each meeting's idle time is what the last one took longer than the others. It is explained in a fixed order, each
//! cause taking at most what is left: attempts that failed or repeated failed ones, polls slept, a late start, the scheduler's delay, slower transfer, more data (by the line of time
//! against work, where that is convincing), a worker that is persistently slow (by its factor over all meetings). Of the
//! rest, randomness takes what independent, identically distributed tasks of the group's own distribution would cost:
//! `n * (E[max of n] - mean)`, the order statistic of the residuals. What is then left is unknown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::meeting::{Group, Meeting};
use super::numbers::{Line, expected_largest, line, mean};
use super::slow::SlowWorker;

/// Idle core-seconds by cause; the parts add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Split {
    /// What i.i.d. tasks of this distribution would cost.
    pub randomness: f64,
    /// Waiting for a worker that is persistently slow.
    pub slow_worker: f64,
    /// Waiting for who had more data.
    pub data_skew: f64,
    /// Waiting for who started later.
    pub startup_skew: f64,
    /// Sleeping between two looks whether the others are there.
    pub polling: f64,
    /// Waiting for who was held up by the scheduler.
    pub scheduler: f64,
    /// Waiting for who took longer to move its data.
    pub transfer: f64,
    /// Waiting for attempts that failed, and for those that repeated them.
    pub failures: f64,
    /// The driver worked meanwhile.
    pub driver: f64,
    /// Not explained.
    pub unknown: f64,
}

impl Split {
    /// The causes with their names, largest first.
    pub fn causes(&self) -> Vec<(&'static str, f64)> {
        self.parts().into_iter().map(|(_, name, seconds)| (name, seconds)).collect()
    }

    /// The causes with their keys, as they stand in JSON, and their names, largest first.
    pub(crate) fn parts(&self) -> Vec<(&'static str, &'static str, f64)> {
        let mut parts = vec![
            ("randomness", "randomness", self.randomness),
            ("slow_worker", "a slow worker", self.slow_worker),
            ("data_skew", "data skew", self.data_skew),
            ("startup_skew", "late starts", self.startup_skew),
            ("polling", "polling", self.polling),
            ("scheduler", "scheduler delay", self.scheduler),
            ("transfer", "moving data", self.transfer),
            ("failures", "failed attempts", self.failures),
            ("driver", "the driver", self.driver),
            ("unknown", "unknown", self.unknown),
        ];
        parts.sort_by(|a, b| b.2.total_cmp(&a.2));
        parts
    }

    /// All causes together.
    pub fn total(&self) -> f64 {
        self.causes().iter().map(|(_, seconds)| seconds).sum()
    }

    fn scale(self, factor: f64) -> Self {
        Self {
            randomness: self.randomness * factor,
            slow_worker: self.slow_worker * factor,
            data_skew: self.data_skew * factor,
            startup_skew: self.startup_skew * factor,
            polling: self.polling * factor,
            scheduler: self.scheduler * factor,
            transfer: self.transfer * factor,
            failures: self.failures * factor,
            driver: self.driver * factor,
            unknown: self.unknown * factor,
        }
    }
}

/// What a group's idle time is due to.
pub(crate) fn split(group: &Group, slow: &[SlowWorker]) -> Split {
    let skew = data_line(group);
    let mut causes = Split::default();
    let (mut left, mut dark) = (0.0, 0.0);
    for meeting in &group.meetings {
        let rest = systematic(meeting, &skew, slow, &mut causes);
        *(if meeting.is_partial { &mut dark } else { &mut left }) += rest;
    }
    causes.randomness = random_cost(group, &skew, slow).min(left);
    causes.unknown = left - causes.randomness + dark;
    let seen = causes.total();
    let kept: f64 = group.meetings.iter().map(Meeting::idle).sum();
    // Meetings that were not kept are taken to be like those that were.
    let scale = if seen > 0.0 && kept > 0.0 { group.idle_ms / kept } else { 1.0 };
    let mut causes = causes.scale(scale / 1000.0);
    let unseen = (group.idle_ms / 1000.0 - causes.total()).max(0.0);
    let polling = (group.polling_ms / 1000.0).min(unseen);
    causes.polling += polling;
    causes.unknown += unseen - polling;
    causes
}

/// Time against work over the group's tasks; flat unless convincing.
pub(crate) fn data_line(group: &Group) -> Line {
    let points: Vec<(f64, f64)> = group.tasks.iter().map(|point| (point.work, point.ms)).collect();
    let found = line(&points);
    if found.is_convincing() && found.correlation > 0.5 { found } else { Line::default() }
}

/// Explains what it can of a meeting's idle time, adds it to `causes` (in ms), and returns the rest.
fn systematic(meeting: &Meeting, skew: &Line, slow: &[SlowWorker], causes: &mut Split) -> f64 {
    let Some(last) = meeting.last() else { return 0.0 };
    let factor = |who: u32| slow.iter().find(|worker| worker.who == who).map_or(1.0, |worker| worker.factor);
    let excess = |busy: f32, who: u32| f64::from(busy) * (1.0 - 1.0 / factor(who));
    let mut rest = 0.0;
    for own in &meeting.arrivals {
        let mut idle = own.idle(last.finished);
        if meeting.is_partial {
            rest += idle;
            continue;
        }
        let mut take = |ms: f64| {
            let taken = ms.clamp(0.0, idle);
            idle -= taken;
            taken
        };
        causes.failures += take(f64::from(last.failed - own.failed));
        causes.polling += take(f64::from(last.polled - own.polled));
        causes.startup_skew += take(f64::from(last.started - own.started));
        causes.scheduler += take(f64::from(last.delay - own.delay));
        causes.transfer += take(f64::from(last.transfer - own.transfer));
        causes.data_skew += take(skew.slope * f64::from(last.work - own.work));
        causes.slow_worker += take(excess(last.busy, last.who) - excess(own.busy, own.who));
        rest += idle;
    }
    rest
}

/// What the group's meetings would cost if only chance were at work, in ms: times cleared of work and of slow workers,
/// relative to their centre and pooled over the group.
fn random_cost(group: &Group, skew: &Line, slow: &[SlowWorker]) -> f64 {
    let own_time = |meeting: &Meeting| -> Vec<f64> {
        let works: Vec<f64> = meeting.arrivals.iter().map(|arrival| f64::from(arrival.work)).collect();
        let typical = mean(&works);
        let own = meeting.arrivals.iter().map(|arrival| {
            let factor =
                slow.iter().find(|worker| worker.who == arrival.who).map_or(1.0, |worker| worker.factor);
            let by_data = skew.slope * (f64::from(arrival.work) - typical);
            ((f64::from(arrival.busy - arrival.polled) - by_data) / factor).max(0.0)
        });
        own.collect()
    };
    let meetings: Vec<Vec<f64>> = group.meetings.iter().map(own_time).filter(|own| own.len() > 1).collect();
    // One or two meetings of a few do not show what chance would do.
    if meetings.len() < 3 && meetings.iter().map(Vec::len).sum::<usize>() < 8 {
        return 0.0;
    }
    let is_steady = is_steady(&meetings);
    let overall = mean(&meetings.iter().map(|own| mean(own)).collect::<Vec<_>>());
    let centre = |own: &[f64]| if is_steady { overall } else { mean(own) };
    let mut residuals = Vec::new();
    for own in meetings.iter().filter(|own| centre(own) > 0.0) {
        let n = own.len() as f64;
        // Deviations from a mean of few are too small by sqrt((n-1)/n).
        let correction = if is_steady { 1.0 } else { (n / (n - 1.0)).sqrt() };
        residuals.extend(own.iter().map(|ms| (ms / centre(own) - 1.0) * correction));
    }
    residuals.sort_by(f64::total_cmp);
    let typical = mean(&residuals);
    let mut largest: BTreeMap<usize, f64> = BTreeMap::new();
    let price = |own: &Vec<f64>| {
        let n = own.len();
        let extreme = *largest.entry(n).or_insert_with(|| expected_largest(&residuals, n) - typical);
        n as f64 * centre(own) * extreme.max(0.0)
    };
    meetings.iter().map(price).sum()
}

/// Whether the meetings' means differ no more than draws from one distribution would make them. Then all draws are one
/// sample; otherwise (a program that warms up, data that shrink) each meeting has its own scale.
fn is_steady(meetings: &[Vec<f64>]) -> bool {
    let means: Vec<f64> = meetings.iter().map(|own| mean(own)).collect();
    let variance = |values: &[f64]| {
        let centre = mean(values);
        values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0)
    };
    let within = mean(&meetings.iter().map(|own| variance(own) / own.len() as f64).collect::<Vec<_>>());
    variance(&means) <= 2.0 * within
}

#[cfg(test)]
mod tests {
    use super::super::meeting::{Arrival, TaskPoint};
    use super::super::slow::slow_workers;
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use rand_distr::{Distribution as _, Exp};

    fn group(meetings: Vec<Vec<Arrival>>) -> Group {
        let mut group = Group::default();
        for arrivals in meetings {
            let meeting = Meeting { arrivals, ..Meeting::default() };
            group.count += 1;
            group.idle_ms += meeting.idle();
            group.meetings.push(meeting);
        }
        group
    }

    fn arrival(who: u32, busy: f32) -> Arrival {
        Arrival { who, busy, finished: busy, ..Arrival::default() }
    }

    fn random(rounds: usize, factor: impl Fn(u32) -> f64) -> Group {
        let mut rng = StdRng::seed_from_u64(1);
        let time = Exp::new(1.0 / 50.0).unwrap();
        let round = |rng: &mut StdRng| {
            (0..4).map(|who| arrival(who, ((100.0 + time.sample(rng)) * factor(who)) as f32)).collect()
        };
        group((0..rounds).map(|_| round(&mut rng)).collect())
    }

    #[test]
    fn the_parts_add_up() {
        let group = random(40, |who| if who == 2 { 2.0 } else { 1.0 });
        let causes = split(&group, &slow_workers(&group, 0.005, 1.0));
        assert!((causes.total() - group.idle_ms / 1000.0).abs() < 1e-6);
    }

    #[test]
    fn like_workers_cost_randomness() {
        let group = random(200, |_| 1.0);
        assert!(slow_workers(&group, 0.005, 1.0).is_empty());
        let causes = split(&group, &[]);
        assert!(causes.randomness > 0.9 * causes.total(), "{causes:?}");
    }

    #[test]
    fn a_worker_three_times_slower_is_the_cause() {
        let group = random(50, |who| if who == 2 { 3.0 } else { 1.0 });
        let slow = slow_workers(&group, 0.005, 1.0);
        assert_eq!(slow.iter().map(|worker| worker.who).collect::<Vec<_>>(), [2]);
        assert!((slow[0].factor - 3.0).abs() < 0.4);
        let causes = split(&group, &slow);
        assert!(causes.slow_worker > 0.8 * causes.total(), "{causes:?}");
    }

    #[test]
    fn more_data_is_the_cause_where_time_follows_it() {
        let mut skewed = group(
            (0..20)
                .map(|_| {
                    (0..4)
                        .map(|who| Arrival {
                            work: if who == 1 { 900.0 } else { 100.0 },
                            ..arrival(who, if who == 1 { 950.0 } else { 150.0 })
                        })
                        .collect()
                })
                .collect(),
        );
        for meeting in &skewed.meetings {
            skewed.tasks.extend(meeting.arrivals.iter().map(|own| TaskPoint {
                part: own.who,
                work: f64::from(own.work),
                ms: f64::from(own.busy),
            }));
        }
        let causes = split(&skewed, &slow_workers(&skewed, 0.005, 1.0));
        assert!(causes.data_skew > 0.95 * causes.total(), "{causes:?}");
        assert_eq!(skewed.hottest_part().map(|(part, _)| part), Some(1));
    }

    #[test]
    fn a_late_start_is_no_slowness() {
        let late = |who: u32| Arrival { started: 100.0, finished: 150.0, ..arrival(who, 50.0) };
        let group = group(vec![vec![arrival(0, 50.0), late(1)]; 10]);
        let causes = split(&group, &[]);
        assert!((causes.startup_skew - 1.0).abs() < 1e-9);
        assert!(causes.total() - causes.startup_skew < 1e-9);
    }
}
