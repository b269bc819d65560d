//! Explains a run of workers that go round by round: our own parameter server's, or ranks of a collective.
//!
//! The spans say who waited and how long, so nothing is inferred: a gate's or collective's meeting has the waits of its
//! workers, the one who waited least came last. Server nodes are drawn, but shares are of the workers' time.

mod path;
mod rounds;

use std::collections::BTreeMap;

use syncline_terminal::unit::plural;
use syncline_trace::{Phase, RunInfo, Span};

use crate::analysis::fit::TaskTimes;
use crate::analysis::numbers::median;
use crate::analysis::slow::SlowWorkers;
use crate::analysis::straggler::stragglers;
use crate::analysis::timeline::{Stretch, TimelineBuilder};
use crate::analyst::sync_points;
use crate::calls::calls;
use crate::invariants;
use crate::report::{ClockNote, DecodedProducts, Iterations, Machine, Report, verdict};
use crate::source::Damage;

use path::{Servers, critical_path};
use rounds::{all_rounds, end_of_training, end_place, meetings, rounds_of_all};

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
        outvoted: crate::report::outvoted::of(info),
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

/// Whether the run is one of our own training runs, whose end waits for all workers.
fn trains(info: &RunInfo) -> bool {
    info.system == "syncline" && info.workers > 0
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
