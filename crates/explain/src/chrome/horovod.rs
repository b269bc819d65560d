//! A timeline of Horovod: one file of one rank, in which each tensor is a process, and the ranks that hand it in are instants
//! within its negotiation.
//!
//! `NEGOTIATE_ALLREDUCE` begins when the first rank hands the tensor in and ends when the last one has; `ALLREDUCE` comes after
//! it (docs/timeline.rst of Horovod). A step ends where a tensor comes again. What a rank does before it has handed in its last
//! tensor of a step is taken for work: whether it waited in between for the result of an earlier one, the file does not say.

use std::collections::{BTreeMap, BTreeSet};

use syncline_trace::{Node, Phase, RunInfo, Span};

use super::trace::{Slice, Trace};

const NEGOTIATION: &str = "NEGOTIATE_";

/// The rank that records, the only one by default.
const RECORDER: u64 = 0;

/// Whether Horovod wrote the trace.
pub(super) fn wrote(trace: &Trace) -> bool {
    trace.slices.iter().any(|slice| trace.names.get(slice.name).starts_with(NEGOTIATION))
}

/// A tensor that all ranks hand in, once.
struct Operation {
    tensor: u32,
    is_broadcast: bool,
    /// When it began: the first rank, or without their names the one whose file it is, handed it in.
    begun: u64,
    /// Which rank handed it in, and when.
    handed: Vec<(u64, u64)>,
    /// When the last rank had.
    agreed: u64,
    /// When the result was there.
    done: u64,
}

/// All operations between one hand-in of a tensor and its next.
struct Step {
    /// When each rank had handed in its last tensor.
    ready: BTreeMap<u64, u64>,
    agreed: u64,
    done: u64,
}

/// The ranks' spans, in a run of as many workers, and what the timeline leaves open.
pub(super) fn assemble(trace: &Trace) -> (RunInfo, Vec<Span>, Vec<String>) {
    let operations = operations(trace);
    let origin = trace.slices.iter().map(|slice| slice.start).min().unwrap_or(0);
    let named = operations.iter().filter(|operation| !operation.handed.is_empty()).count();
    let nameless = operations.len() - named;
    let steps = steps(&operations, 2 * named >= operations.len());
    let ranks: BTreeSet<u64> = steps.iter().flat_map(|step| step.ready.keys().copied()).collect();
    let info = RunInfo {
        system: "horovod".to_owned(),
        workers: ranks.len() as u32,
        sync: "allreduce".to_owned(),
        complete: true,
        nodes: ranks.iter().map(|rank| Node::new(format!("rank/{rank}"))).collect(),
        ..RunInfo::default()
    };
    let spans = (0..).zip(&ranks).flat_map(|(node, &rank)| spans(node, rank, &steps, origin)).collect();
    let mut notes = vec![
        "Work is at most what is told: until a rank has handed in its last tensor of a step it may have waited for an earlier one, \
         which Horovod's timeline does not say."
            .to_owned(),
    ];
    if nameless > 0 {
        notes.push(format!(
            "{nameless} of {} negotiations do not say which rank came when, because Horovod had cached them; set HOROVOD_CACHE_CAPACITY=0 \
             for a run whose timeline is to say it.",
            operations.len()
        ));
    }
    (info, spans, notes)
}

/// In the order in which all ranks had handed them in.
fn operations(trace: &Trace) -> Vec<Operation> {
    let mut tensors: BTreeMap<u32, Vec<&Slice>> = BTreeMap::new();
    for slice in &trace.slices {
        tensors.entry(slice.lane).or_default().push(slice);
    }
    let mut all: Vec<Operation> = Vec::new();
    for (&tensor, slices) in &mut tensors {
        slices.sort_by_key(|slice| (slice.start, std::cmp::Reverse(slice.end)));
        let mut last: Option<Operation> = None;
        for slice in slices.iter() {
            let name = trace.names.get(slice.name);
            if let Some(kind) = name.strip_prefix(NEGOTIATION) {
                let begun = Operation {
                    tensor,
                    is_broadcast: kind == "BROADCAST",
                    begun: slice.start,
                    handed: Vec::new(),
                    agreed: slice.end,
                    done: slice.end,
                };
                all.extend(last.replace(begun));
            } else if let Some(operation) = &mut last {
                match name.parse() {
                    Ok(rank) if slice.start <= operation.agreed => operation.handed.push((rank, slice.start)),
                    _ => operation.done = operation.done.max(slice.end),
                }
            }
        }
        all.extend(last);
    }
    all.sort_by_key(|operation| (operation.agreed, operation.tensor));
    all
}

/// Where most negotiations name no ranks, only the recorder's part can be told: it began them.
fn steps(operations: &[Operation], names_ranks: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut was_broadcast = false;
    for operation in operations {
        if !seen.insert(operation.tensor) || steps.is_empty() || was_broadcast != operation.is_broadcast {
            seen = BTreeSet::from([operation.tensor]);
            steps.push(Step { ready: BTreeMap::new(), agreed: 0, done: 0 });
        }
        was_broadcast = operation.is_broadcast;
        let Some(step) = steps.last_mut() else { continue };
        step.agreed = step.agreed.max(operation.agreed);
        step.done = step.done.max(operation.done);
        let mut hand_in = |rank: u64, at: u64| {
            let ready = step.ready.entry(rank).or_default();
            *ready = at.max(*ready);
        };
        if names_ranks {
            operation.handed.iter().for_each(|&(rank, at)| hand_in(rank, at));
        } else {
            let own = operation.handed.iter().find(|(rank, _)| *rank == RECORDER);
            hand_in(RECORDER, own.map_or(operation.begun, |own| own.1));
        }
    }
    steps
}

/// Work until the rank has handed in its last tensor, waiting until the others have, then the exchange.
fn spans(node: u32, rank: u64, steps: &[Step], origin: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut now = origin;
    for (round, step) in (0..).zip(steps) {
        if let Some(&ready) = step.ready.get(&rank) {
            let ready = ready.max(now);
            let agreed = step.agreed.max(ready);
            let parts = [
                (Phase::Compute, now, ready),
                (Phase::Wait, ready, agreed),
                (Phase::Collective, agreed, step.done.max(agreed)),
            ];
            spans.extend(parts.map(|(phase, from, to)| Span {
                round,
                sync: (phase != Phase::Compute).then_some(round),
                ..Span::new(node, phase, from - origin, to - origin)
            }));
        }
        now = now.max(step.done);
    }
    spans
}
