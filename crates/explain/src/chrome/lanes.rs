//! Any Chrome trace: one node a thread, one span a slice.

use std::collections::BTreeMap;

use syncline_trace::{Node, Phase, RunInfo, Span};

use super::kind::Kind;
use super::trace::{Lane, OwnArgs, Slice, Trace};

/// Spans of all threads of all files. Where a slice is named like a phase, as our export names them, it is that; anything
/// else is work, and only the outermost slices of a thread count.
pub(super) fn assemble(traces: &[Trace]) -> (RunInfo, Vec<Span>) {
    let mut threads: BTreeMap<String, Vec<(usize, Slice)>> = BTreeMap::new();
    let origin = traces.iter().flat_map(|trace| &trace.slices).map(|slice| slice.start).min().unwrap_or(0);
    for (file, trace) in traces.iter().enumerate() {
        let names = lane_names(trace, file);
        for slice in &trace.slices {
            let name = &names[slice.lane as usize];
            match threads.get_mut(name) {
                Some(slices) => slices.push((file, *slice)),
                None => drop(threads.insert(name.clone(), vec![(file, *slice)])),
            }
        }
    }
    let mut info = RunInfo { system: "chrome".to_owned(), complete: true, ..RunInfo::default() };
    let mut spans = Vec::new();
    for (node, (name, slices)) in (0..).zip(threads) {
        info.nodes.push(Node::new(name));
        spans.extend(
            outermost(slices).into_iter().map(|(file, slice)| span(node, &traces[file], &slice, origin)),
        );
    }
    let has_phases = spans.iter().any(|span: &Span| span.phase == Phase::Wait);
    info.system = if has_phases { "syncline".to_owned() } else { info.system };
    (info, spans)
}

/// The names of a file's threads: their own, and where several have the same one, with that of their process.
fn lane_names(trace: &Trace, file: usize) -> Vec<String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    trace.threads.values().for_each(|name| *seen.entry(name).or_default() += 1);
    let file = if file > 0 { format!("{file}: ") } else { String::new() };
    let name = |(at, lane): (u32, &Lane)| {
        let own = trace.threads.get(&at);
        if let Some(name) = own.filter(|name| seen[name.as_str()] == 1) {
            return name.clone();
        }
        let process = trace.processes.get(&lane.process).map_or(trace.names.get(lane.process), |name| name);
        let thread = own.map_or(trace.names.get(lane.thread), |name| name);
        format!("{file}{process} {thread}").trim().to_owned()
    };
    (0..).zip(&trace.lanes).map(name).collect()
}

/// The slices that lie in no other one.
fn outermost(mut slices: Vec<(usize, Slice)>) -> Vec<(usize, Slice)> {
    slices.sort_by_key(|(_, slice)| (slice.start, std::cmp::Reverse(slice.end)));
    let mut end = 0;
    slices.retain(|(_, slice)| {
        let is_outer = slice.end > end || slice.start >= end;
        end = end.max(slice.end);
        is_outer
    });
    slices
}

fn span(node: u32, trace: &Trace, slice: &Slice, origin: u64) -> Span {
    let phase = trace.names.get(slice.name).parse().unwrap_or(Phase::Compute);
    // Our export keeps the run's own zero.
    let origin = if slice.kind == Kind::Own { 0 } else { origin };
    let own = match slice.more.checked_sub(1) {
        Some(more) if slice.kind != Kind::Collective => trace.own[more as usize],
        _ => OwnArgs::default(),
    };
    Span {
        iteration: own.iteration,
        round: own.round,
        bytes: own.bytes,
        records: own.records,
        sync: own.sync,
        ..Span::new(node, phase, slice.start.saturating_sub(origin), slice.end.saturating_sub(origin))
    }
}
