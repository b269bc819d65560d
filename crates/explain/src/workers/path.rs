//! The critical path of a run of workers, and what servers did where nobody on it worked.

use std::collections::BTreeMap;

use syncline_trace::{Phase, RunInfo, Span};

use super::rounds::kind;
use super::{Lanes, machine, ms};
use crate::analysis::critical::{PathPart, Slack};
use crate::analysis::meeting::SyncKind;
use crate::analysis::numbers::mean;

/// What servers do, and how many cores there are for everybody.
pub(super) struct Servers {
    /// When any server folded or applied, in order, without overlaps.
    busy: Vec<(u64, u64)>,
    cores: Option<f64>,
    /// Cores that other processes and other virtual machines had on average.
    taken: f64,
}

/// A core of which less than this is free on average is not there when it is needed.
const FREE: f64 = 0.5;

impl Servers {
    pub(super) fn of(info: &RunInfo, lanes: &Lanes<'_>, spans: &[Span]) -> Self {
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
    pub(super) fn lost(&self, lanes: &Lanes<'_>, at: u64) -> &'static str {
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
pub(super) fn critical_path(
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
    let mean = mean(&waits);
    let on_path = u64::from(path.iter().any(|part| part.stage == name));
    Slack { stage: name, count: waits.len() as u64, on_path, mean_slack_ms: mean, mean_task_slack_ms: mean }
}
