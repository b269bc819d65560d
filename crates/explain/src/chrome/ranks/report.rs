//! The report of ranks or devices: shares, meetings by group, kernels, overlap.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_terminal::unit::plural;

use super::kernels::{KernelRow, top};
use super::segments::waits_until;
use super::{Run, path};
use crate::analysis::fit::TaskTimes;
use crate::analysis::meeting::{Arrival, Meeting, Meetings, Place, SyncKind};
use crate::analysis::numbers::median;
use crate::analysis::slow::SlowWorkers;
use crate::analysis::straggler::stragglers;
use crate::analysis::timeline::{Stretch, TimelineBuilder};
use crate::analyst::sync_points;
use crate::chrome::stretch::{covered, total, union};
use crate::invariants;
use crate::report::{ClockNote, Iterations, Report, Timeline, verdict};
use crate::source::Damage;

/// What devices did, and why they had nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Devices {
    /// A row a rank or device.
    pub rows: Vec<DeviceRow>,
    /// The kernels with most time, over all.
    pub kernels: Vec<KernelRow>,
    /// Groups in which the ranks communicate.
    pub groups: Vec<GroupRow>,
    /// Kernels whose launching call is known.
    pub launched_kernels: u64,
    /// Of them, those that ran shorter than that call.
    pub shorter_than_launch: u64,
    /// The longest stretch that a device waited for operators and launches of its host.
    pub longest_launch: Option<LongestLaunch>,
    /// What a reader should know about how ranks were put together.
    pub notes: Vec<String>,
}

/// A stretch that a device waited for operators and launches of its host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LongestLaunch {
    /// Whose device: `rank/3`.
    pub name: String,
    /// When it began, in ms of the run.
    pub from_ms: f64,
    /// How long it was, in ms.
    pub ms: f64,
}

/// One rank or device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceRow {
    /// `rank/3`, `GPU:0`.
    pub name: String,
    /// Whether it is a device; otherwise a CPU.
    pub is_device: bool,
    /// What its time went to, as shares of the wall time; adds up to 1.
    pub shares: BTreeMap<String, f64>,
    /// Time in communication, in ms.
    pub communication_ms: f64,
    /// Of it, the share that work covers.
    pub overlapped: f64,
}

/// One process group.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupRow {
    /// Its name and ranks.
    pub name: String,
    /// How many ranks of it are given.
    pub ranks: u64,
    /// Operations in which several of them met.
    pub meetings: u64,
    /// Sends and receives, counted at each end.
    pub point_to_point: u64,
    /// Communication of all its ranks together, in ms.
    pub communication_ms: f64,
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The report of a run.
pub(crate) fn report(run: &Run, source: String, damage: Damage) -> Report {
    let name = |at: u32| run.ranks.get(at as usize).map_or_else(String::new, |rank| rank.name.clone());
    let count = run.ranks.len() as u64;
    let meetings = meetings(run);
    let iterations = iterations(run);
    let rows: Vec<DeviceRow> = (0..run.ranks.len()).map(|at| row(run, at)).collect();
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for (name, share) in rows.iter().flat_map(|row| &row.shares) {
        *shares.entry(name.clone()).or_default() += share / count.max(1) as f64;
    }
    let devices = Devices {
        kernels: top(run.ranks.iter().map(|rank| &rank.kernels)),
        groups: groups(run),
        launched_kernels: run.ranks.iter().map(|rank| rank.launched.0).sum(),
        shorter_than_launch: run.ranks.iter().map(|rank| rank.launched.1).sum(),
        longest_launch: longest_launch(run),
        notes: run.notes.clone(),
        rows,
    };
    let (critical_path, slack) = path::path(run);
    let work: u64 = run.ranks.iter().map(|rank| total(&rank.work)).sum();
    let core_ms = ms(run.wall) * count as f64;
    let slow = SlowWorkers::of(&meetings, ms(run.wall), core_ms);
    let mut report = Report {
        source,
        system: run.system.to_owned(),
        id: described(run),
        complete: true,
        damage,
        jobs: 1,
        stages: iterations.first().map_or(run.meets.len() as u64, |found| found.count),
        tasks: run.ranks.iter().map(|rank| rank.work.len() as u64).sum(),
        wall_ms: ms(run.wall),
        in_jobs_ms: ms(run.wall),
        run_ms: ms(work),
        executors: count,
        cores: count,
        shares,
        sync_points: sync_points(&meetings, &slow, core_ms / 1000.0, &iterations),
        stragglers: stragglers(&meetings, &slow, ms(run.wall), name),
        iterations,
        critical_path,
        slack,
        distributions: step_times(run).finish(),
        clocks: clocks(run),
        timeline: timeline(run),
        devices: Some(devices),
        ..Report::default()
    };
    report.verdict = verdict(&report);
    invariants::assert(&report);
    report
}

fn described(run: &Run) -> String {
    let devices = run.ranks.iter().filter(|rank| rank.has_device).count();
    let ranks = run.ranks.len() as u64;
    let what = match devices == run.ranks.len() {
        true => plural(ranks, "device"),
        false => plural(ranks, "rank") + " on CPUs",
    };
    format!("{what}, {}", plural(run.groups.all.len() as u64, "group"))
}

fn row(run: &Run, at: usize) -> DeviceRow {
    let rank = &run.ranks[at];
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for segment in &run.segments[at] {
        let share = (segment.to - segment.from) as f64 / run.wall.max(1) as f64;
        *shares.entry(segment.what().to_owned()).or_default() += share;
    }
    if run.wall == 0 {
        shares.insert("idle".to_owned(), 1.0);
    }
    let communication = union(rank.collectives.iter().map(|found| (found.start, found.end)).collect());
    let hidden: u64 = communication.iter().map(|&stretch| total(&covered(stretch, &rank.work))).sum();
    let all = total(&communication);
    DeviceRow {
        name: rank.name.clone(),
        is_device: rank.has_device,
        shares,
        communication_ms: ms(all),
        overlapped: if all > 0 { hidden as f64 / all as f64 } else { 0.0 },
    }
}

fn longest_launch(run: &Run) -> Option<LongestLaunch> {
    let mut longest: Option<(usize, (u64, u64))> = None;
    for (at, segments) in run.segments.iter().enumerate() {
        let stretches = segments.iter().filter(|segment| segment.what() == "launch");
        for stretch in union(stretches.map(|segment| (segment.from, segment.to)).collect()) {
            if longest.is_none_or(|(_, (from, to))| stretch.1 - stretch.0 > to - from) {
                longest = Some((at, stretch));
            }
        }
    }
    longest.map(|(at, (from, to))| LongestLaunch {
        name: run.ranks[at].name.clone(),
        from_ms: ms(from),
        ms: ms(to - from),
    })
}

fn groups(run: &Run) -> Vec<GroupRow> {
    let row = |group: usize| {
        let own = || run.ranks.iter().flat_map(|rank| &rank.collectives).filter(|found| found.group == group);
        let is_in = |rank: &&super::Rank| rank.collectives.iter().any(|found| found.group == group);
        let meets = run.meets.iter().filter(|meet| meet.group == group && !meet.operation.is_between_two());
        let title = run.groups.title(group);
        GroupRow {
            name: if title.is_empty() { "all".to_owned() } else { title },
            ranks: run.ranks.iter().filter(is_in).count() as u64,
            meetings: meets.count() as u64,
            point_to_point: own().filter(|found| found.operation.is_between_two()).count() as u64,
            communication_ms: own().map(|found| ms(found.end - found.start)).sum(),
        }
    };
    (0..run.groups.all.len()).map(row).collect()
}

/// The meetings, by group and operation. Who came how much later than the first is told by the starts; how long each
/// worked is its work since it last met the others of the group.
fn meetings(run: &Run) -> Meetings {
    let mut order: Vec<usize> =
        (0..run.meets.len()).filter(|&at| run.meets[at].operation.is_meeting()).collect();
    let end = |at: usize| {
        let ends = run.meets[at].members.iter().map(|&(rank, index)| run.ranks[rank].collectives[index].end);
        ends.max().unwrap_or(0)
    };
    order.sort_by_key(|&at| end(at));
    let mut since: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut meetings = Meetings::default();
    for at in order {
        let meet = &run.meets[at];
        let start = |member: &(usize, usize)| run.ranks[member.0].collectives[member.1].start;
        let first = meet.members.iter().map(start).min().unwrap_or(0);
        let arrivals: Vec<Arrival> = meet
            .members
            .iter()
            .map(|member| {
                let rank = &run.ranks[member.0];
                let own = &rank.collectives[member.1];
                let from = since.insert((meet.group, member.0), own.end).unwrap_or(0);
                let work = total(&covered((from.min(own.start), own.start), &rank.work));
                Arrival {
                    who: member.0 as u32,
                    part: member.0 as u32,
                    finished: ms(start(member) - first) as f32,
                    busy: ms(work) as f32,
                    ..Arrival::default()
                }
            })
            .collect();
        let title = run.groups.title(meet.group);
        let operation = if meet.operation.name() == "collective" { "" } else { meet.operation.name() };
        let label = match title.as_str() {
            "" => operation.to_owned(),
            title => format!("{operation} in group {title}").trim().to_owned(),
        };
        meetings.add(
            Place { kind: SyncKind::AllReduce, label, level: 0 },
            Meeting { at: ms(end(at)), arrivals, ..Meeting::default() },
        );
    }
    meetings
}

/// Steps of the training loop where the trace marks them.
fn iterations(run: &Run) -> Vec<Iterations> {
    let Some(most) = run.ranks.iter().max_by_key(|rank| rank.steps.len()).filter(|rank| rank.steps.len() > 1)
    else {
        return Vec::new();
    };
    let samples: Vec<f64> = run
        .ranks
        .iter()
        .flat_map(|rank| rank.steps.windows(2).map(|pair| ms(pair[1].0.saturating_sub(pair[0].0))))
        .collect();
    let count = most.steps.len() as u64;
    let met = most.collectives.iter().filter(|found| found.operation.is_meeting()).count() as u64;
    let last = run.ranks.iter().filter_map(|rank| rank.steps.last()).map(|step| step.1).max();
    vec![Iterations {
        pattern: "step of the training loop".to_owned(),
        of: "steps",
        count,
        from_ms: ms(most.steps[0].0),
        to_ms: ms(last.unwrap_or(0).min(run.wall)),
        median_ms: median(&samples),
        sync_points: met.div_ceil(count),
        samples,
    }]
}

/// How long the ranks worked in each step; without steps, between two meetings.
fn step_times(run: &Run) -> TaskTimes {
    let mut times = TaskTimes::default();
    for rank in &run.ranks {
        let bounds: Vec<u64> = match rank.steps.len() {
            0 | 1 => rank
                .collectives
                .iter()
                .filter(|found| found.meet.is_some())
                .map(|found| found.start)
                .collect(),
            _ => rank.steps.iter().map(|step| step.0).collect(),
        };
        for pair in bounds.windows(2) {
            times.add("compute", ms(total(&covered((pair[0], pair[1].max(pair[0])), &rank.work))));
        }
    }
    times
}

fn clocks(run: &Run) -> Vec<ClockNote> {
    let is_stated = |rank: &&super::Rank| rank.clock.offset_ns != 0 || rank.clock.error_ns != 0;
    let note = |rank: &super::Rank| ClockNote {
        node: rank.name.clone(),
        offset_ms: rank.clock.offset_ns as f64 / 1e6,
        error_ms: ms(rank.clock.error_ns),
    };
    run.ranks.iter().filter(is_stated).map(note).collect()
}

fn timeline(run: &Run) -> Timeline {
    let mut timeline = TimelineBuilder::default();
    for (rank, segments) in run.ranks.iter().zip(&run.segments) {
        for segment in segments.iter().filter(|segment| segment.what() != "idle") {
            let label = match segment.collective() {
                Some(at) => {
                    let own = &rank.collectives[at];
                    format!("{} {}", own.operation.name(), run.groups.title(own.group))
                }
                None => segment.what().replace('_', " "),
            };
            let (from, to) = (ms(segment.from), ms(segment.to));
            let (lane, kind) = (rank.name.as_str(), segment.what());
            timeline.bar(Stretch { lane, label: label.trim(), kind, from, to, critical: false });
            if segment.what() == "compute" {
                timeline.busy(from, to);
            }
        }
    }
    for meet in run.meets.iter().filter(|meet| meet.operation.is_meeting()) {
        let (rank, at) = meet.members[0];
        if let Some(until) = waits_until(&run.ranks[rank], &run.ranks, &run.meets, at) {
            timeline.barrier(ms(until), meet.operation.name());
        }
    }
    timeline.finish(ms(run.wall))
}
