//! The ranks of a run as those see them who ask what another run would give.

use std::path::PathBuf;

use super::super::kind::Operation;
use super::super::stretch::{Stretch, union};
use super::{Run, assemble};
use crate::source::{Damage, Format, open};
use crate::{Error, chrome};

/// What the ranks of one distributed run did. Times are seconds since its start.
#[derive(Clone, Debug, Default)]
pub struct RankLog {
    /// The ranks whose traces are given.
    pub ranks: Vec<RankTrace>,
    /// Exchanges that are one: the rank and its exchange, by their positions, for each member.
    pub meetings: Vec<Vec<(usize, usize)>>,
    /// How many ranks the run has, given or not.
    pub world: usize,
    /// Whether several ranks are given and all ran on CPUs of one machine.
    pub shares_machine: bool,
    /// What a reader should know about how ranks were put together.
    pub notes: Vec<String>,
}

/// One rank.
#[derive(Clone, Debug, Default)]
pub struct RankTrace {
    /// `rank/3`.
    pub name: String,
    /// From the start to the end of each step of the training loop that the profiler marks.
    pub steps: Vec<(f64, f64)>,
    /// When it did nothing but wait for an exchange.
    pub stalls: Vec<(f64, f64)>,
    /// Its exchanges, in order of their start.
    pub exchanges: Vec<Exchange>,
}

/// A collective as one rank took part in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// When this rank began it.
    pub start_s: f64,
    /// When it was through.
    pub end_s: f64,
    /// Whether it is an all-reduce, as data-parallel training exchanges gradients by.
    pub is_all_reduce: bool,
    /// Whether it is between two ranks only.
    pub is_between_two: bool,
    /// Elements of each rank.
    pub elements: u64,
    /// Bytes of an element; `None` where the trace does not say.
    pub element_bytes: Option<u64>,
    /// How many ranks take part; `None` where the trace does not say.
    pub members: Option<usize>,
}

/// Reads the traces of the ranks of one run, one file a rank.
///
/// # Errors
/// Where a file cannot be read or is no trace of PyTorch's profiler.
pub fn read_ranks(paths: &[PathBuf]) -> Result<(RankLog, Damage), Error> {
    let mut damage = Damage::default();
    let mut traces = Vec::new();
    for path in paths {
        let opened = open(path)?;
        if opened.format != Format::Chrome {
            let why = "it is no trace of PyTorch's profiler, as the others are".to_owned();
            return Err(Error::Unrecognised { path: path.clone(), why });
        }
        let notes = opened.notes();
        let (trace, found) = chrome::read(opened.text);
        found.first.iter().for_each(|bad| damage.count(bad.line, bad.why.clone()));
        found.notes.into_iter().chain(notes()).for_each(|note| damage.note(note));
        traces.push(trace);
    }
    if !traces.iter().any(|trace| trace.is_kineto) {
        let why = "it has no rank of PyTorch's profiler".to_owned();
        return Err(Error::Empty { path: paths.first().cloned().unwrap_or_default(), why });
    }
    Ok((log(&assemble(traces)), damage))
}

fn log(run: &Run) -> RankLog {
    let meetings = run.meets.iter().map(|meet| meet.members.clone()).collect();
    let claimed = run.ranks.iter().filter_map(|rank| rank.world).max().unwrap_or(0) as usize;
    let grouped = run.groups.all.iter().map(|group| group.ranks.len()).max().unwrap_or(0);
    let host = run.ranks.first().and_then(|rank| rank.machine.as_ref());
    let is_here = |rank: &super::rank::Rank| !rank.has_device && rank.machine.as_ref() == host;
    RankLog {
        shares_machine: run.ranks.len() > 1 && host.is_some() && run.ranks.iter().all(is_here),
        ranks: (0..run.ranks.len()).map(|at| rank(run, at)).collect(),
        meetings,
        world: claimed.max(grouped).max(run.ranks.len()),
        notes: run.notes.clone(),
    }
}

fn rank(run: &Run, at: usize) -> RankTrace {
    let rank = &run.ranks[at];
    let stalls = run.segments[at]
        .iter()
        .filter(|segment| segment.collective().is_some())
        .map(|segment| (segment.from, segment.to));
    let exchange = |found: &super::rank::Collective| {
        let members = run.groups.all.get(found.group).map_or(0, |group| group.ranks.len());
        Exchange {
            start_s: s(found.start),
            end_s: s(found.end),
            is_all_reduce: found.operation == Operation::AllReduce,
            is_between_two: found.operation.is_between_two(),
            elements: found.size,
            element_bytes: (found.width > 0).then_some(u64::from(found.width)),
            members: (members > 0).then_some(members),
        }
    };
    RankTrace {
        name: rank.name.clone(),
        steps: rank.steps.iter().map(seconds).collect(),
        stalls: union(stalls.collect()).iter().map(seconds).collect(),
        exchanges: rank.collectives.iter().map(exchange).collect(),
    }
}

fn seconds(stretch: &Stretch) -> (f64, f64) {
    (s(stretch.0), s(stretch.1))
}

fn s(ns: u64) -> f64 {
    ns as f64 * 1e-9
}
