//! Who is late, and whether it is always the same one.
//!
//! A straggler in a meeting takes at least half as long again as the meeting's median. *Recurring*: the same worker is slower than
//! chance allows ([`blame`](crate::blame)), or the same part of the data. *Transient*: the same one, but only within a short time,
//! and more often running than chance allows. Neither is named for less than 1 % of the run. *Rotating*: there are stragglers, each time another one. After an all-reduce everybody looks equally late; what tells the
//! culprit from its victims is the order of arrival, which is what meetings keep.

use std::collections::BTreeMap;

use serde::Serialize;

use super::meeting::{Group, Meeting, Meetings, SyncKind};
use super::numbers::{binomial_tail, median};
use super::slow::{SlowWorker, SlowWorkers, WORTH};
use super::split::data_line;

/// How lateness is distributed over time and workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// Always the same.
    Recurring,
    /// Each time another.
    Rotating,
    /// The same for a short time.
    Transient,
}

/// A straggler, or that there are some.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Straggler {
    /// `worker/2`, `executor 1`, `partition 3`; empty if it is each time another.
    pub who: String,
    /// Where it is late: a stage's name.
    pub place: String,
    /// Always, for a time, or each time another.
    pub recurrence: Recurrence,
    /// Its time over the others' median.
    pub factor: f64,
    /// In how many meetings it was last.
    pub late: u64,
    /// Of how many.
    pub meetings: u64,
    /// Core-seconds that others waited in these meetings.
    pub idle_core_s: f64,
    /// What it took beyond the others' median in all meetings, in seconds: what an equal one would save at most.
    pub excess_s: f64,
    /// Why, where that is known: `slow worker`, `data skew: 5.1 x the mean bytes`.
    pub cause: String,
}

/// A worker is late if it takes this many times the median.
const LATE: f64 = 1.5;

/// Finds stragglers over all groups, of a run of `wall_ms`. `name` names a worker.
pub(crate) fn stragglers(
    meetings: &Meetings,
    slow_workers: &SlowWorkers,
    wall_ms: f64,
    name: impl Fn(u32) -> String,
) -> Vec<Straggler> {
    let mut found = Vec::new();
    for (place, group) in &meetings.groups {
        let slow = slow_workers.at(place);
        if group.meetings.len() < 3 && slow.is_empty() {
            continue;
        }
        for slow in slow {
            let named = recurring(&place.label, group, slow, &name);
            // The end of training waits for whom gates waited for before; only where there are none it is told there.
            let is_told = found.iter().any(|other: &Straggler| other.who == named.who);
            if place.kind != SyncKind::EndOfTraining || !is_told {
                found.push(named);
            }
        }
        let hot = hot_part(&place.label, group);
        found.extend(hot.filter(|found| found.excess_s * 1000.0 >= WORTH * wall_ms));
        if slow.is_empty() {
            let for_a_while = transient(&place.label, group, slow_workers.level, &name)
                .filter(|found| found.excess_s * 1000.0 >= WORTH * wall_ms);
            found.extend(for_a_while.or_else(|| rotating(&place.label, group)));
        }
    }
    found.sort_by(|a, b| b.idle_core_s.total_cmp(&a.idle_core_s));
    found
}

fn recurring(place: &str, group: &Group, slow: &SlowWorker, name: &impl Fn(u32) -> String) -> Straggler {
    let is_late =
        |meeting: &&Meeting| meeting.idle() > 0.0 && meeting.last().is_some_and(|last| last.who == slow.who);
    let late: Vec<&Meeting> = group.meetings.iter().filter(is_late).collect();
    Straggler {
        who: name(slow.who),
        place: place.to_owned(),
        recurrence: Recurrence::Recurring,
        factor: slow.factor,
        late: late.len() as u64,
        meetings: group.meetings.len() as u64,
        // The sum of nothing is a negative zero, which reads as if something were less than nothing.
        idle_core_s: late.iter().map(|meeting| meeting.idle()).sum::<f64>() / 1000.0 + 0.0,
        excess_s: slow.excess_ms / 1000.0,
        cause: format!("slow worker (chance {:.1e})", slow.chance),
    }
}

/// A part of the data that is larger than the others, meeting after meeting.
fn hot_part(place: &str, group: &Group) -> Option<Straggler> {
    let (part, factor) = group.hottest_part().filter(|&(_, factor)| factor >= LATE)?;
    let parts = group.tasks.iter().map(|point| point.part).max()?.saturating_add(1);
    let is_late = |meeting: &&Meeting| meeting.last().is_some_and(|last| last.part == part);
    let late = group.meetings.iter().filter(is_late).count() as u64;
    let trials = group.meetings.len() as u64;
    let expected = 1.0 / f64::from(parts.max(2));
    let times: Vec<f64> =
        group.tasks.iter().filter(|point| point.part == part).map(|point| point.ms).collect();
    let others: Vec<f64> =
        group.tasks.iter().filter(|point| point.part != part).map(|point| point.ms).collect();
    let slower = median(&times) / median(&others).max(1e-9);
    let is_often_late = binomial_tail(late, trials, expected) < 0.05;
    let is_slower_with_data = late > 0 && data_line(group).slope > 0.0;
    ((is_often_late || is_slower_with_data || factor >= 3.0) && slower > 1.2).then(|| Straggler {
        who: format!("partition {part}"),
        place: place.to_owned(),
        recurrence: Recurrence::Recurring,
        factor: slower,
        late,
        meetings: trials,
        idle_core_s: group.meetings.iter().filter(is_late).map(Meeting::idle).sum::<f64>() / 1000.0,
        excess_s: times.iter().map(|ms| ms - median(&others)).sum::<f64>() / 1000.0,
        cause: format!("data skew: {factor:.1} x the mean amount of data"),
    })
}

/// Who is late in a meeting.
#[derive(Clone, Copy, Debug)]
struct Late {
    who: u32,
    factor: f64,
    excess_ms: f64,
}

fn excess(late: &[Option<Late>]) -> f64 {
    late.iter().flatten().map(|found| found.excess_ms).sum::<f64>() / 1000.0
}

/// The one who is late in a meeting, if one is.
fn late_in(meeting: &Meeting) -> Option<Late> {
    let own = |arrival: &super::meeting::Arrival| arrival.own_ms() / arrival.tasks();
    let typical = median(&meeting.arrivals.iter().map(own).collect::<Vec<_>>());
    let slowest = meeting.arrivals.iter().max_by(|a, b| own(a).total_cmp(&own(b)))?;
    let factor = if typical > 0.0 { own(slowest) / typical } else { 1.0 };
    let excess_ms = own(slowest) - typical;
    (meeting.arrivals.len() > 2 && factor >= LATE).then_some(Late { who: slowest.who, factor, excess_ms })
}

/// The chance, at most, that somebody is late so often running, where each time it may be anybody: for each place where such
/// a run may begin, that the others of it are whoever is the first.
fn chance_of_run(late: &[Option<Late>], group: &Group, length: usize) -> f64 {
    let fair = |at: usize| 1.0 / group.meetings[at].arrivals.len().max(1) as f64;
    let begins = (0..=late.len().saturating_sub(length))
        .filter(|&at| late[at..at + length].iter().all(Option::is_some));
    begins.map(|at| (at + 1..at + length).map(fair).product::<f64>()).sum()
}

/// A worker that is late in at least three meetings running, more than chance gives, and hardly elsewhere.
fn transient(place: &str, group: &Group, level: f64, name: &impl Fn(u32) -> String) -> Option<Straggler> {
    let late: Vec<Option<Late>> = group.meetings.iter().map(late_in).collect();
    let mut best: Option<(u32, usize, usize)> = None;
    let mut start = 0;
    for end in 1..=late.len() {
        let who = late[start].map(|found| found.who);
        if end < late.len() && late[end].map(|found| found.who) == who {
            continue;
        }
        if let Some(who) = who
            && best.is_none_or(|(_, from, to)| to - from < end - start)
        {
            best = Some((who, start, end));
        }
        start = end;
    }
    let (who, from, to) = best.filter(|(_, from, to)| to - from >= 3 && 2 * (to - from) < late.len())?;
    if chance_of_run(&late, group, to - from) > level {
        return None;
    }
    let factors: Vec<f64> = late[from..to].iter().flatten().map(|found| found.factor).collect();
    Some(Straggler {
        who: name(who),
        place: place.to_owned(),
        recurrence: Recurrence::Transient,
        factor: median(&factors),
        late: (to - from) as u64,
        meetings: late.len() as u64,
        idle_core_s: group.meetings[from..to].iter().map(Meeting::idle).sum::<f64>() / 1000.0,
        excess_s: excess(&late[from..to]),
        cause: format!(
            "from {:.1} s to {:.1} s of the run only",
            group.meetings[from].at / 1000.0,
            group.meetings[to - 1].at / 1000.0
        ),
    })
}

/// Stragglers in at least a third of the meetings, none of them prominent.
fn rotating(place: &str, group: &Group) -> Option<Straggler> {
    let late: Vec<(&Meeting, u32, Late)> = group
        .meetings
        .iter()
        .filter_map(|meeting| late_in(meeting).map(|late| (meeting, late.who, late)))
        .collect();
    let mut by_worker: BTreeMap<u32, usize> = BTreeMap::new();
    late.iter().for_each(|found| *by_worker.entry(found.1).or_default() += 1);
    let is_frequent = late.len() >= 3 && 3 * late.len() >= group.meetings.len();
    (is_frequent && by_worker.len() > 1).then(|| Straggler {
        who: String::new(),
        place: place.to_owned(),
        recurrence: Recurrence::Rotating,
        factor: median(&late.iter().map(|found| found.2.factor).collect::<Vec<_>>()),
        late: late.len() as u64,
        meetings: group.meetings.len() as u64,
        idle_core_s: late.iter().map(|found| found.0.idle()).sum::<f64>() / 1000.0,
        excess_s: late.iter().map(|found| found.2.excess_ms).sum::<f64>() / 1000.0,
        cause: format!("{} different workers", by_worker.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::meeting::{Arrival, Place, SyncKind};
    use super::*;

    fn found(busy: impl Fn(usize, u32) -> f32) -> Vec<Straggler> {
        let mut meetings = Meetings::default();
        for round in 0..24 {
            let own = |who| Arrival {
                who,
                busy: busy(round, who),
                finished: busy(round, who),
                ..Arrival::default()
            };
            let place = Place { kind: SyncKind::Gate, label: "gate".into(), level: 0 };
            let arrivals = (0..4).map(own).collect();
            meetings.add(place, Meeting { at: round as f64 * 1000.0, arrivals, ..Meeting::default() });
        }
        let slow = SlowWorkers::of(&meetings, 1000.0, 1.0);
        stragglers(&meetings, &slow, 1000.0, |who| format!("worker/{who}"))
    }

    #[test]
    fn the_same_worker_each_time() {
        let found = found(|_, who| if who == 2 { 300.0 } else { 100.0 });
        assert_eq!((found[0].who.as_str(), found[0].recurrence), ("worker/2", Recurrence::Recurring));
        assert!((found[0].idle_core_s - 24.0 * 0.6).abs() < 1e-6);
    }

    #[test]
    fn another_worker_each_time() {
        let found = found(|round, who| if round as u32 % 4 == who { 300.0 } else { 100.0 });
        assert_eq!(found[0].recurrence, Recurrence::Rotating);
    }

    #[test]
    fn the_same_worker_for_a_while() {
        let found = found(|round, who| if (8..13).contains(&round) && who == 1 { 400.0 } else { 100.0 });
        assert_eq!((found[0].who.as_str(), found[0].recurrence), ("worker/1", Recurrence::Transient));
        assert_eq!(found[0].late, 5);
    }

    #[test]
    fn nobody() {
        assert!(found(|round, who| 100.0 + ((round * 7 + who as usize * 3) % 11) as f32).is_empty());
    }
}
