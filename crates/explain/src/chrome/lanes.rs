//! Any Chrome trace: one node a thread, one span a slice.

use std::collections::BTreeMap;

use syncline_trace::{Node, Phase, RunInfo, Span};

use super::{Slice, Trace};

/// Spans of all threads of all files. Where a slice is named like a phase, as our export names them, it is that; anything
/// else is work, and only the outermost slices of a thread count.
pub(super) fn assemble(traces: Vec<Trace>) -> (RunInfo, Vec<Span>) {
    let mut threads: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    let origin = traces.iter().flat_map(|trace| &trace.slices).map(|slice| slice.start).min().unwrap_or(0);
    for (file, trace) in traces.into_iter().enumerate() {
        let names = (trace.processes, trace.threads);
        for slice in trace.slices {
            let name = lane(&names.0, &names.1, &slice, file);
            threads.entry(name).or_default().push(slice);
        }
    }
    let mut info = RunInfo { system: "chrome".to_owned(), complete: true, ..RunInfo::default() };
    let mut spans = Vec::new();
    for (node, (name, slices)) in (0..).zip(threads) {
        info.nodes.push(Node::new(name));
        spans.extend(outermost(slices).into_iter().map(|slice| span(node, &slice, origin)));
    }
    let has_phases = spans.iter().any(|span: &Span| span.phase == Phase::Wait);
    info.system = if has_phases { "syncline".to_owned() } else { info.system };
    (info, spans)
}

type Names = std::collections::HashMap<String, String>;
type ThreadNames = std::collections::HashMap<(String, String), String>;

fn lane(processes: &Names, threads: &ThreadNames, slice: &Slice, file: usize) -> String {
    if let Some(name) = threads.get(&(slice.process.clone(), slice.thread.clone())) {
        return name.clone();
    }
    let process = processes.get(&slice.process).unwrap_or(&slice.process);
    let file = if file > 0 { format!("{file}: ") } else { String::new() };
    format!("{file}{process} {}", slice.thread).trim().to_owned()
}

/// The slices that lie in no other one.
fn outermost(mut slices: Vec<Slice>) -> Vec<Slice> {
    slices.sort_by_key(|slice| (slice.start, std::cmp::Reverse(slice.end)));
    let mut end = 0;
    slices.retain(|slice| {
        let is_outer = slice.end > end || slice.start >= end;
        end = end.max(slice.end);
        is_outer
    });
    slices
}

fn span(node: u32, slice: &Slice, origin: u64) -> Span {
    let phase = slice.name.parse().unwrap_or(Phase::Compute);
    // Our export keeps the run's own zero.
    let origin = if slice.category == "syncline" { 0 } else { origin };
    Span {
        iteration: slice.args.iteration.unwrap_or(0),
        round: slice.args.round.unwrap_or(0),
        bytes: slice.args.bytes.unwrap_or(0),
        records: slice.args.records.unwrap_or(0),
        sync: slice.args.sync,
        ..Span::new(node, phase, slice.start.saturating_sub(origin), slice.end.saturating_sub(origin))
    }
}
