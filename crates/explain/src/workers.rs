//! Explains a run of workers that go round by round: our own parameter server's, or ranks of a collective.
//!
//! The spans say who waited and how long, so nothing is inferred: a gate's or collective's meeting has the waits of its
//! workers, the one who waited least came last. Server nodes are drawn, but shares are of the workers' time.

use std::collections::BTreeMap;

use syncline_terminal::unit::plural;
use syncline_trace::{Phase, RunInfo, Span};

use crate::analysis::critical::{PathPart, Slack};
use crate::analysis::fit::TaskTimes;
use crate::analysis::meeting::{Arrival, Group, Meeting, Meetings, Place, SyncKind};
use crate::analysis::numbers::median;
use crate::analysis::slow::SlowWorkers;
use crate::analysis::straggler::stragglers;
use crate::analysis::timeline::{Stretch, TimelineBuilder};
use crate::analyst::sync_points;
use crate::calls::calls;
use crate::invariants;
use crate::report::{ClockNote, DecodedProducts, Iterations, Machine, Report, verdict};
use crate::source::Damage;

/// Milliseconds of nanoseconds.
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The spans of the nodes that work, each node's in order of time.
struct Lanes<'a> {
    by_node: BTreeMap<u32, Vec<&'a Span>>,
    start: u64,
    end: u64,
}

impl<'a> Lanes<'a> {
    /// Workers are the nodes that compute or wait; the others (servers, coordinators) serve them.
    fn of(spans: &'a [Span]) -> Self {
        let mut by_node: BTreeMap<u32, Vec<&Span>> = BTreeMap::new();
        for span in spans {
            by_node.entry(span.node).or_default().push(span);
        }
        let works = |span: &&Span| matches!(span.phase, Phase::Compute | Phase::Wait | Phase::Collective);
        by_node.retain(|_, spans| spans.iter().any(works));
        by_node.values_mut().for_each(|spans| spans.sort_by_key(|span| (span.start_ns, span.end_ns)));
        let all = || by_node.values().flatten();
        let start = all().map(|span| span.start_ns).min().unwrap_or(0);
        let end = all().map(|span| span.end_ns).max().unwrap_or(0).max(start);
        Self { by_node, start, end }
    }

    fn all(&self) -> impl Iterator<Item = &Span> {
        self.by_node.values().flatten().copied()
    }
}

/// The report of a run.
pub(crate) fn report(info: &RunInfo, spans: &[Span], source: String, damage: Damage) -> Report {
    let lanes = Lanes::of(spans);
    let wall_ns = spans.iter().map(|span| span.end_ns).max().unwrap_or(0).max(lanes.end);
    let name =
        |node: u32| info.nodes.get(node as usize).map_or_else(|| node.to_string(), |node| node.name.clone());
    let rounds_of_all = rounds_of_all(&lanes);
    let mut meetings = meetings(info, &lanes, &rounds_of_all);
    let ends = end_of_training(info, &lanes);
    ends.iter().for_each(|meeting| meetings.add(end_place(), meeting.clone()));
    let workers = lanes.by_node.len() as u64;
    let iterations = iterations(info, &lanes);
    let computations = || spans.iter().filter(|span| span.phase == Phase::Compute);
    let servers = Servers::of(info, &lanes, spans);
    let (critical_path, slack) = critical_path(&lanes, &servers, wall_ns, &name);
    let core_seconds = wall_ns as f64 / 1e9 * workers.max(1) as f64;
    let mut slow = SlowWorkers::of(&meetings, ms(wall_ns), core_seconds * 1000.0);
    if ends.is_some() {
        slow.note_at_end(&all_rounds(&rounds_of_all), ms(wall_ns));
    }
    let rounds = lanes.by_node.values().map(|spans| rounds(spans)).max().unwrap_or(0);
    let mut report = Report {
        source,
        system: if info.system.is_empty() { "run".to_owned() } else { info.system.clone() },
        name: info.run.clone(),
        id: described(info),
        complete: info.complete,
        damage,
        jobs: 1,
        stages: rounds,
        tasks: computations().count() as u64,
        wall_ms: ms(wall_ns),
        in_jobs_ms: ms(lanes.end - lanes.start),
        run_ms: computations().map(|span| ms(span.duration_ns())).sum(),
        executors: workers,
        cores: workers,
        shares: shares(info, &lanes, &servers, wall_ns),
        sync_points: sync_points(&meetings, &slow, core_seconds, &iterations),
        stragglers: stragglers(&meetings, &slow, ms(wall_ns), name),
        iterations,
        critical_path,
        slack,
        distributions: task_times(&lanes).finish(),
        machine: machine(info),
        decoded: DecodedProducts::of(info),
        clocks: clocks(info),
        calls: calls(info, wall_ns),
        timeline: timeline(spans, wall_ns, &name),
        ..Report::default()
    };
    report.verdict = verdict(&report);
    invariants::assert(&report);
    invariants::assert_phases(&report.critical_path, spans, &name);
    report
}

fn described(info: &RunInfo) -> String {
    match info.workers {
        0 => String::new(),
        workers => {
            let workers = plural(workers.into(), "worker");
            let nodes = match info.servers {
                0 => workers,
                servers => format!("{workers}, {}", plural(servers.into(), "server")),
            };
            format!("{nodes}, {}{}", info.sync, there(info))
        }
    }
}

/// How many of the workers were there at once, where that was not always all of them.
fn there(info: &RunInfo) -> String {
    let attendance = info.training().attendance;
    let counts = || attendance.iter().map(|stretch| stretch.workers.len());
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least < most => format!(", {least} to {most} of them there at once"),
        (Some(all), _) if all < info.workers as usize => format!(", {all} of them there"),
        _ => String::new(),
    }
}

/// What else used the machine, as the run's head says.
fn machine(info: &RunInfo) -> Option<Machine> {
    let is_share = |share: f64| (0.0..=1.0).contains(&share);
    let load =
        info.training().load.filter(|load| is_share(load.others_share) && is_share(load.stolen_share))?;
    Some(Machine { others_share: load.others_share, stolen_share: load.stolen_share })
}

fn clocks(info: &RunInfo) -> Vec<ClockNote> {
    let is_stated = |node: &&syncline_trace::Node| node.clock.offset_ns != 0 || node.clock.error_ns != 0;
    let note = |node: &syncline_trace::Node| ClockNote {
        node: node.name.clone(),
        offset_ms: node.clock.offset_ns as f64 / 1e6,
        error_ms: ms(node.clock.error_ns),
    };
    info.nodes.iter().filter(is_stated).map(note).collect()
}

/// Every instant of the wall time, divided evenly among the workers. Where spans of a worker overlap, the later one counts
/// from its start on; where a worker has none, it is start-up before its first, and else waits for a core or does what is unknown. After its last it waits for
/// the others' last, if the run came to its end; then the driver goes on.
fn shares(info: &RunInfo, lanes: &Lanes<'_>, servers: &Servers, wall_ns: u64) -> BTreeMap<String, f64> {
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    let mut add = |name: &str, ns: u64| *shares.entry(name.to_owned()).or_default() += ns as f64;
    for spans in lanes.by_node.values() {
        let mut covered = 0;
        for (at, span) in spans.iter().enumerate() {
            let start = span.start_ns.max(covered);
            let gap = start - covered;
            let between = || servers.lost(lanes, covered + gap / 2);
            add(if at == 0 || gap == 0 { "startup" } else { between() }, gap);
            let next = spans.get(at + 1).map_or(u64::MAX, |next| next.start_ns.max(start));
            let end = span.end_ns.max(start).min(next.max(start));
            add(span.phase.name(), end - start);
            covered = end;
        }
        let after = if trains(info) && info.complete { "wait" } else { "unknown" };
        add(after, lanes.end.saturating_sub(covered));
        add("driver", wall_ns.saturating_sub(covered.max(lanes.end)));
    }
    let mut total: f64 = shares.values().sum();
    if total == 0.0 {
        // Nobody worked, or none of it took time.
        shares.insert("unknown".to_owned(), 1.0);
        total = 1.0;
    }
    shares.retain(|_, ns| *ns > 0.0);
    shares.values_mut().for_each(|ns| *ns /= total);
    shares
}

/// What a worker did in one round.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    started: u64,
    busy: u64,
    transfer: u64,
    waited: u64,
    wait_end: u64,
    records: u64,
    /// Whether the next gate was reached: only then the round is comparable.
    has_work: bool,
}

/// Whether the run is one of our own training runs, whose end waits for all workers.
fn trains(info: &RunInfo) -> bool {
    info.system == "syncline" && info.workers > 0
}

/// What kind of meeting the workers have.
fn kind(lanes: &Lanes<'_>) -> SyncKind {
    let is_collective = lanes.all().any(|span| span.phase == Phase::Collective);
    if is_collective { SyncKind::AllReduce } else { SyncKind::Gate }
}

/// What each worker did in each round.
type Rounds = BTreeMap<u64, BTreeMap<u32, Round>>;

/// In round `r` a worker works and then waits at the gate of round `r + 1`.
fn rounds_of_all(lanes: &Lanes<'_>) -> Rounds {
    let kind = kind(lanes);
    let mut rounds = Rounds::new();
    for (&node, spans) in &lanes.by_node {
        for span in spans {
            let is_wait = span.phase == Phase::Wait;
            // A gate's wait carries the round that it lets in; the work before it is of the round before.
            let number = match kind {
                SyncKind::Gate if is_wait => span.round.checked_sub(1),
                _ => Some(span.round),
            };
            let Some(number) = number else { continue };
            let round = rounds.entry(number).or_default().entry(node).or_default();
            if is_wait {
                round.waited += span.duration_ns();
                round.wait_end = round.wait_end.max(span.end_ns);
            } else if span.phase != Phase::Collective {
                if !round.has_work {
                    round.started = span.start_ns;
                }
                round.has_work = true;
                round.started = round.started.min(span.start_ns);
                match span.phase {
                    Phase::Push | Phase::Pull => round.transfer += span.duration_ns(),
                    _ => round.busy += span.duration_ns(),
                }
                round.records += if span.phase == Phase::Compute { span.records } else { 0 };
            }
        }
    }
    rounds
}

/// The meetings at gates; asynchronous workers never wait, and so do not meet.
fn meetings(info: &RunInfo, lanes: &Lanes<'_>, rounds: &Rounds) -> Meetings {
    let mut meetings = Meetings::default();
    if !lanes.all().any(|span| span.phase == Phase::Wait) {
        return meetings;
    }
    let kind = match kind(lanes) {
        // Workers without a server meet where they sum what they have.
        SyncKind::Gate if trains(info) && info.servers == 0 => SyncKind::AllReduce,
        kind => kind,
    };
    let place = Place { kind, label: String::new(), level: 0 };
    for workers in rounds.values() {
        if let Some(mut meeting) = meeting(workers) {
            if info.sync == "bsp" {
                note_starts(&mut meeting, workers);
            }
            meetings.add(place.clone(), meeting);
        }
    }
    meetings
}

/// All rounds side by side, whether or not the workers met in them: they tell who is slow.
fn all_rounds(rounds: &Rounds) -> Group {
    let meetings: Vec<Meeting> = rounds.values().filter_map(meeting).collect();
    Group { count: meetings.len() as u64, meetings, ..Group::default() }
}

fn end_place() -> Place {
    Place { kind: SyncKind::EndOfTraining, label: String::new(), level: 0 }
}

/// Waiting at the end for less than this share of the run's core time is no meeting worth telling.
const END_WORTH: f64 = 0.001;

/// The end of training as a meeting: the result is there when the last worker has gone through its share.
fn end_of_training(info: &RunInfo, lanes: &Lanes<'_>) -> Option<Meeting> {
    if !trains(info) || !info.complete || lanes.by_node.len() < 2 {
        return None;
    }
    let arrival = |(&who, spans): (&u32, &Vec<&Span>)| {
        let ended = spans.iter().map(|span| span.end_ns).max().unwrap_or(lanes.start);
        let sum = |phases: &[Phase]| {
            let of_phase = spans.iter().filter(|span| phases.contains(&span.phase));
            of_phase.map(|span| ms(span.duration_ns())).sum::<f64>() as f32
        };
        Arrival {
            who,
            part: who,
            finished: ms(ended.saturating_sub(lanes.start)) as f32,
            busy: sum(&[Phase::Compute]),
            transfer: sum(&[Phase::Push, Phase::Pull]),
            ..Arrival::default()
        }
    };
    let arrivals = lanes.by_node.iter().map(arrival).collect();
    let meeting = Meeting { at: ms(lanes.end), arrivals, ..Meeting::default() };
    let core_ms = ms(lanes.end - lanes.start) * lanes.by_node.len() as f64;
    (meeting.idle() > END_WORTH * core_ms).then_some(meeting)
}

/// A gate as a meeting. Everyone's finish is put where its wait says, before a common release. Where nobody waited, all
/// came in time for their gate.
fn meeting(workers: &BTreeMap<u32, Round>) -> Option<Meeting> {
    let working: Vec<(&u32, &Round)> = workers.iter().filter(|(_, round)| round.has_work).collect();
    if working.len() < 2 {
        return None;
    }
    let longest = working.iter().map(|(_, round)| round.waited).max()?;
    let released = working.iter().map(|(_, round)| round.wait_end).max()?;
    let arrivals = working.iter().map(|&(&who, round)| Arrival {
        who,
        part: who,
        started: 0.0,
        finished: ms(longest - round.waited) as f32,
        busy: ms(round.busy) as f32,
        transfer: ms(round.transfer) as f32,
        work: round.records as f32,
        ..Arrival::default()
    });
    Some(Meeting { at: ms(released), arrivals: arrivals.collect(), ..Meeting::default() })
}

/// Notes who began the round later. Only where all begin it together does that explain anything: under a looser policy a
/// late start is the lag of earlier rounds.
fn note_starts(meeting: &mut Meeting, workers: &BTreeMap<u32, Round>) {
    let started = |who: u32| workers.get(&who).map_or(0, |round| round.started);
    let first = meeting.arrivals.iter().map(|arrival| started(arrival.who)).min().unwrap_or(0);
    for arrival in &mut meeting.arrivals {
        arrival.started = ms(started(arrival.who) - first) as f32;
    }
}

/// Steps of the training loop where the trace marks them, else rounds, as the typical worker goes through them.
fn iterations(info: &RunInfo, lanes: &Lanes<'_>) -> Vec<Iterations> {
    // Our own runs count epochs there, which are no iterations.
    let has_steps = info.system == "kineto" && lanes.all().any(|span| span.iteration > 0);
    let turn = |span: &Span| if has_steps { u64::from(span.iteration) } else { span.round };
    let mut between = Vec::new();
    let (mut first, mut last, mut count) = (u64::MAX, 0, 0);
    let mut phases: Vec<&str> = Vec::new();
    for spans in lanes.by_node.values() {
        let computations = spans.iter().filter(|span| span.phase == Phase::Compute);
        let mut starts: Vec<(u64, u64)> = computations.map(|span| (turn(span), span.start_ns)).collect();
        starts.dedup_by_key(|start| start.0);
        between.extend(
            starts.windows(2).filter(|pair| pair[1].0 > pair[0].0).map(|pair| ms(pair[1].1 - pair[0].1)),
        );
        count = count.max(starts.len() as u64);
        first = first.min(starts.first().map_or(u64::MAX, |start| start.1));
        last = last.max(spans.last().map_or(0, |span| span.end_ns));
        for span in spans.iter().take(64) {
            if !phases.contains(&span.phase.name()) && span.phase != Phase::Evaluate {
                phases.push(span.phase.name());
            }
        }
    }
    if count < 2 {
        return Vec::new();
    }
    let meetings = lanes.by_node.values().map(|spans| rounds(spans)).max().unwrap_or(0);
    vec![Iterations {
        pattern: phases.join(" > "),
        of: if has_steps { "steps" } else { "rounds" },
        count,
        from_ms: ms(first),
        to_ms: ms(last),
        median_ms: median(&between),
        sync_points: if has_steps { meetings.div_ceil(count).max(1) } else { 1 },
        samples: between,
    }]
}

/// In how many rounds a worker worked.
fn rounds(spans: &[&Span]) -> u64 {
    let mut rounds: Vec<u64> =
        spans.iter().filter(|span| span.phase == Phase::Compute).map(|span| span.round).collect();
    rounds.dedup();
    rounds.len() as u64
}

/// How long each worker was busy with something in each round, whatever number of spans that took.
fn task_times(lanes: &Lanes<'_>) -> TaskTimes {
    let mut times = TaskTimes::default();
    for spans in lanes.by_node.values() {
        let mut busy: BTreeMap<(u64, Phase), u64> = BTreeMap::new();
        let is_task = |span: &&&Span| matches!(span.phase, Phase::Compute | Phase::Push | Phase::Pull);
        for span in spans.iter().filter(is_task) {
            *busy.entry((span.round, span.phase)).or_default() += span.duration_ns();
        }
        for ((_, phase), ns) in busy {
            times.add(phase.name(), ms(ns));
        }
    }
    times
}

/// What servers do, and how many cores there are for everybody.
struct Servers {
    /// When any server folded or applied, in order, without overlaps.
    busy: Vec<(u64, u64)>,
    cores: Option<f64>,
    /// Cores that other processes and other virtual machines had on average.
    taken: f64,
}

/// A core of which less than this is free on average is not there when it is needed.
const FREE: f64 = 0.5;

impl Servers {
    fn of(info: &RunInfo, lanes: &Lanes<'_>, spans: &[Span]) -> Self {
        let serves = |span: &&Span| {
            matches!(span.phase, Phase::Fold | Phase::Apply) && !lanes.by_node.contains_key(&span.node)
        };
        let mut all: Vec<(u64, u64)> =
            spans.iter().filter(serves).map(|span| (span.start_ns, span.end_ns)).collect();
        all.sort_unstable();
        let mut busy: Vec<(u64, u64)> = Vec::new();
        for (start, end) in all {
            match busy.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => busy.push((start, end)),
            }
        }
        let cores = info.training().cores.map(|cores| cores as f64);
        let taken = machine(info).map_or(0.0, |machine| machine.others_share + machine.stolen_share);
        Self { busy, cores, taken: taken.min(1.0) * cores.unwrap_or(0.0) }
    }

    /// How long a server was at work between two times.
    fn busy_ns(&self, from: u64, to: u64) -> u64 {
        let first = self.busy.partition_point(|stretch| stretch.1 <= from);
        let within = self.busy[first..].iter().take_while(|stretch| stretch.0 < to);
        within.map(|&(start, end)| end.min(to).saturating_sub(start.max(from))).sum()
    }

    /// What a time is in which a worker neither worked nor waited for others: it waited for a core if the nodes that were at work,
    /// with what else used the machine during the run, left none free.
    fn lost(&self, lanes: &Lanes<'_>, at: u64) -> &'static str {
        let works = |spans: &&Vec<&Span>| {
            let begun = spans.partition_point(|span| span.start_ns <= at);
            spans[..begun].last().is_some_and(|span| span.end_ns > at && span.phase != Phase::Wait)
        };
        let working = lanes.by_node.values().filter(works).count();
        let used = working as f64 + self.taken;
        // Ours are counted at this instant; of the others only the mean is known.
        if self.cores.is_some_and(|cores| used > cores - FREE) { "waiting_for_core" } else { "unknown" }
    }
}

/// Walks back from the end. In a wait the path leaves the worker for the one that came last to the same gate. Between its
/// arrival and the release a server is at work, as far as its spans say; what remains is waiting for a core, or unknown.
fn critical_path(
    lanes: &Lanes<'_>,
    servers: &Servers,
    wall_ns: u64,
    name: &impl Fn(u32) -> String,
) -> (Vec<PathPart>, Vec<Slack>) {
    let mut path = Path::default();
    let kind = kind(lanes);
    let last = lanes.by_node.iter().max_by_key(|(_, spans)| spans.last().map_or(0, |span| span.end_ns));
    let mut now = lanes.end;
    path.add(String::new(), "driver", wall_ns.saturating_sub(now));
    let mut node = last.map(|(&node, _)| node);
    while let Some(at) = node {
        let spans = &lanes.by_node[&at];
        let before = spans.partition_point(|span| span.start_ns < now);
        let Some(span) = before.checked_sub(1).map(|index| spans[index]) else { break };
        let end = span.end_ns.min(now);
        path.add_gap(lanes, servers, &name(at), end, now);
        if span.phase == Phase::Wait {
            let (arrived, other) = culprit(lanes, kind, at, span, end).unwrap_or((span.start_ns, at));
            path.add_gap(lanes, servers, &name(at), arrived, end);
            (node, now) = (Some(other), arrived);
        } else {
            path.add(name(at), span.phase.name(), end - span.start_ns);
            now = span.start_ns;
        }
    }
    path.add(String::new(), "startup", now);
    let parts = path.finish();
    let slack = lanes.by_node.iter().map(|(&node, spans)| slack(name(node), spans, &parts));
    (parts.clone(), slack.collect())
}

/// The parts of the path as they are found.
#[derive(Default)]
struct Path {
    parts: BTreeMap<(String, &'static str), u64>,
}

impl Path {
    fn add(&mut self, who: String, phase: &'static str, ns: u64) {
        if ns > 0 {
            *self.parts.entry((who, phase)).or_default() += ns;
        }
    }

    /// A stretch in which nobody of the path worked: a server did, or what else the trace tells.
    fn add_gap(&mut self, lanes: &Lanes<'_>, servers: &Servers, who: &str, from: u64, to: u64) {
        let served = servers.busy_ns(from, to);
        self.add("servers".to_owned(), "apply", served);
        if to - from > served {
            self.add(who.to_owned(), servers.lost(lanes, from + (to - from) / 2), to - from - served);
        }
    }

    fn finish(self) -> Vec<PathPart> {
        let total: u64 = self.parts.values().sum();
        let part = |((stage, phase), ns): ((String, &'static str), u64)| PathPart {
            stage,
            phase,
            ms: ms(ns),
            share: ns as f64 / total.max(1) as f64,
        };
        let mut parts: Vec<PathPart> = self.parts.into_iter().map(part).collect();
        parts.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        parts
    }
}

/// For whom a worker waited until `end`: who came last to the gate, after the wait had begun. Only work of rounds before the
/// gate's counts: the others may have been let in earlier and be at work again.
fn culprit(lanes: &Lanes<'_>, kind: SyncKind, waiting: u32, wait: &Span, end: u64) -> Option<(u64, u32)> {
    let is_before = |span: &Span| match kind {
        SyncKind::Gate => span.round < wait.round,
        _ => span.round <= wait.round,
    };
    let others = lanes.by_node.iter().filter(|(other, _)| **other != waiting);
    let arrivals = others.filter_map(|(&other, spans)| {
        let begun = spans.partition_point(|span| span.start_ns < end);
        let mut earlier = spans[..begun].iter().rev();
        let work = earlier.find(|span| span.phase != Phase::Wait && span.end_ns <= end && is_before(span))?;
        (work.end_ns > wait.start_ns).then_some((work.end_ns, other))
    });
    arrivals.max()
}

fn slack(name: String, spans: &[&Span], path: &[PathPart]) -> Slack {
    let waits: Vec<f64> =
        spans.iter().filter(|span| span.phase == Phase::Wait).map(|span| ms(span.duration_ns())).collect();
    let mean = crate::analysis::numbers::mean(&waits);
    let on_path = u64::from(path.iter().any(|part| part.stage == name));
    Slack { stage: name, count: waits.len() as u64, on_path, mean_slack_ms: mean, mean_task_slack_ms: mean }
}

fn timeline(spans: &[Span], wall_ns: u64, name: &impl Fn(u32) -> String) -> crate::report::Timeline {
    let mut timeline = TimelineBuilder::default();
    let mut released: BTreeMap<u64, u64> = BTreeMap::new();
    for span in spans {
        let (from, to) = (ms(span.start_ns), ms(span.end_ns.max(span.start_ns)));
        let (lane, label) = (name(span.node), format!("round {}", span.round));
        timeline.bar(Stretch {
            lane: &lane,
            label: &label,
            kind: span.phase.name(),
            from,
            to,
            critical: false,
        });
        if matches!(span.phase, Phase::Compute | Phase::Evaluate) {
            timeline.busy(from, to);
        }
        if let (Phase::Wait, Some(sync)) = (span.phase, span.sync) {
            let release = released.entry(sync).or_default();
            *release = (*release).max(span.end_ns);
        }
    }
    released.into_iter().for_each(|(sync, at)| timeline.barrier(ms(at), &format!("gate of round {sync}")));
    timeline.finish(ms(wall_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two workers on a machine of two cores; each has 10 ms of work, 10 ms of nothing, and 10 ms of work.
    fn report_of(settings: &[(&str, &str)]) -> Report {
        let mut info = RunInfo { system: "syncline".to_owned(), workers: 2, ..RunInfo::default() };
        info.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let ms = 1_000_000;
        let spans: Vec<Span> = (0..2)
            .flat_map(|node| {
                [(0, 10), (20, 30)].map(|(from, to)| Span::new(node, Phase::Compute, from * ms, to * ms))
            })
            .collect();
        report(&info, &spans, "run".to_owned(), Damage::default())
    }

    #[test]
    fn on_a_busy_machine_the_time_between_spans_is_waiting_for_a_core() {
        let busy = [("cores", "2"), ("machine_others_share", "0.8200"), ("machine_stolen_share", "0.0300")];
        let report = report_of(&busy);
        assert!((report.shares["waiting_for_core"] - 1.0 / 3.0).abs() < 1e-9, "{:?}", report.shares);
        assert!(!report.shares.contains_key("unknown"));
        let verdict = report.verdict.join("\n");
        assert!(
            verdict.contains("33 % was waiting for a core; meanwhile other processes used 82 % of the machine and other virtual machines 3.0 %."),
            "{verdict}"
        );
    }

    #[test]
    fn on_a_quiet_machine_or_without_its_load_it_is_unknown() {
        let quiet = [("cores", "2"), ("machine_others_share", "0.0400"), ("machine_stolen_share", "0.0000")];
        for settings in [&quiet[..], &quiet[..1], &[]] {
            let report = report_of(settings);
            assert!((report.shares["unknown"] - 1.0 / 3.0).abs() < 1e-9, "{:?}", report.shares);
        }
    }
}
