//! The ranks of a distributed run, or the devices of one process, from the traces that each of them left.
//!
//! - [`rank`]: a file reduced to what its device, or without one its CPU, did.
//! - [`groups`]: who communicates with whom.
//! - [`matching`]: which operations of the members of a group are the same meeting.
//! - [`clocks`]: the members' clocks, compared at meetings that nobody leaves before all have come.
//! - [`idle`]: why a device had nothing to do.
//! - [`segments`]: every instant of a rank's time, each with one thing that it went to.
//! - [`log`]: the ranks as others see them.
//! - [`path`]: the critical path over all ranks.
//! - [`report`]: the answers.

mod clocks;
mod groups;
mod idle;
pub(crate) mod kernels;
mod log;
mod matching;
mod path;
mod rank;
pub(crate) mod report;
mod segments;

use syncline_trace::{Node, Phase, RunInfo, Span};

use super::trace::Trace;
use groups::Groups;
pub use log::{Exchange, RankLog, RankTrace, read_ranks};
use matching::{Matched, Meet};
use rank::Rank;
pub(crate) use rank::has_devices;
pub(crate) use report::report;
use segments::{Segment, segments};

/// The ranks, with all that they share.
pub(crate) struct Run {
    pub ranks: Vec<Rank>,
    pub groups: Groups,
    /// Operations of several ranks that are one.
    pub meets: Vec<Meet>,
    /// What a reader should know about how ranks were put together.
    pub notes: Vec<String>,
    /// Each rank's time, part by part.
    pub segments: Vec<Vec<Segment>>,
    /// The length of the run, in ns; all times count from its start.
    pub wall: u64,
    /// `kineto`, or `xla` for traces of JAX and TensorFlow.
    pub system: &'static str,
}

/// Puts the files of one run together.
pub(crate) fn assemble(traces: Vec<Trace>) -> Run {
    let system = if traces.iter().any(|trace| trace.is_kineto) { "kineto" } else { "xla" };
    let mut ranks: Vec<Rank> =
        traces.into_iter().enumerate().flat_map(|(at, trace)| rank::ranks(trace, at)).collect();
    rank::tell_apart(&mut ranks);
    let groups = groups::resolve(&mut ranks);
    let Matched { meets, notes } = matching::matched(&mut ranks, &groups);
    clocks::align(&mut ranks, &meets);
    let origin = ranks.iter().filter_map(Rank::start).min().unwrap_or(0);
    ranks.iter_mut().for_each(|rank| rank.shift(-(origin as i128)));
    let wall = ranks.iter().filter_map(Rank::end).max().unwrap_or(0);
    let segments = ranks.iter().map(|rank| segments(rank, &ranks, &meets, wall)).collect();
    Run { ranks, groups, meets, notes, segments, wall, system }
}

/// The run as spans of the neutral schema.
pub(crate) fn spans(run: &Run) -> (RunInfo, Vec<Span>) {
    let mut info = RunInfo {
        system: run.system.to_owned(),
        workers: run.ranks.len() as u32,
        sync: "allreduce".to_owned(),
        complete: true,
        ..RunInfo::default()
    };
    let mut spans = Vec::new();
    for (node, (rank, segments)) in (0..).zip(run.ranks.iter().zip(&run.segments)) {
        info.nodes.push(Node { clock: rank.clock, ..Node::new(rank.name.clone()) });
        for segment in segments {
            let phase = match segment.what() {
                "compute" => Phase::Compute,
                "wait" => Phase::Wait,
                "collective" | "point_to_point" => Phase::Collective,
                _ => Phase::Idle,
            };
            let round = rank.collectives.partition_point(|found| found.start < segment.to);
            let own = segment.collective().map(|at| &rank.collectives[at]);
            let meet = own.and_then(|own| own.meet).map(u64::from);
            let bytes = own.map_or(0, |own| own.size);
            spans.push(Span {
                iteration: rank.step(segment.from),
                round: round.saturating_sub(usize::from(own.is_some())) as u64,
                sync: meet,
                bytes: if phase == Phase::Collective { bytes } else { 0 },
                ..Span::new(node, phase, segment.from, segment.to)
            });
        }
    }
    (info, spans)
}
