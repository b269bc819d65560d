//! The ranks of a run taken apart.

use std::collections::BTreeMap;

use syncline_explain::RankLog;

use super::link::{Link, Took, measured};
use super::work::{Work, steps};
use crate::Error;
use crate::sample::mean;

/// Steps that a trace must have.
const FEWEST: usize = 5;

/// Standard errors by which a rank must be slower than the others, and the share of the others' time by which it is worth it.
const SLOWER: (f64, f64) = (3.0, 0.01);

/// A data-parallel run taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RanksProfile {
    /// Ranks of the run.
    pub world: usize,
    /// Steps that every given rank has, all with as many exchanges.
    pub steps: usize,
    /// Exchanges of a step.
    pub exchanges: usize,
    /// Elements that a step exchanges.
    pub elements: f64,
    /// Bytes of an element; `None` where the trace does not say.
    pub element_bytes: Option<u64>,
    /// The rank that always works longer than the others, by its position, and how much longer, in seconds a step.
    pub slowest: Option<(usize, f64)>,
    /// Whether they all ran on the CPUs of one machine.
    pub shares_machine: bool,
    /// Names of the ranks that are given.
    pub names: Vec<String>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// By step, then by rank.
    pub(super) works: Vec<Vec<Work>>,
    pub(super) link: Result<Link, Error>,
    /// By how much each exchange of each step differed from what the link says; empty where that is not known of all. An early one that
    /// has cores and wire to itself, or shares them with what is computed beside it, is not like the last one.
    pub(super) ratios: Vec<Vec<f64>>,
    /// Exchanges of one rank that are under way at one time.
    pub(super) lanes: usize,
}

impl RanksProfile {
    /// Takes a run apart.
    ///
    /// # Errors
    /// [`Error::CannotTell`] where the trace marks no steps, or has exchanges of other kinds than data-parallel training has.
    pub fn of(log: &RankLog) -> Result<Self, Error> {
        let cannot = |why: String| Error::CannotTell { why };
        let by_rank: Vec<Vec<Work>> = log.ranks.iter().map(steps).collect();
        let most = by_rank.iter().map(Vec::len).min().unwrap_or(0);
        if most < FEWEST {
            return Err(cannot(format!(
                "{most} steps of the training loop are marked in every rank's trace, at least {FEWEST} are needed: call the \
                 profiler's step() in the loop and record more of them"
            )));
        }
        let exchanges = || log.ranks.iter().flat_map(|rank| &rank.exchanges);
        if exchanges().any(|found| found.is_between_two) {
            return Err(cannot(
                "ranks send to each other, so this is not only data-parallel training".to_owned(),
            ));
        }
        if let Some(found) =
            exchanges().filter_map(|found| found.members).find(|members| *members != log.world)
        {
            return Err(cannot(format!(
                "ranks exchange in groups of {found} of {}, and which of them would grow with other ranks is not in the trace",
                log.world
            )));
        }
        let (works, count) = alike(&by_rank, most);
        if works.len() < FEWEST {
            return Err(cannot(
                "the steps have now so many exchanges and now others, so that they are no one step"
                    .to_owned(),
            ));
        }
        if count > 0 && exchanges().any(|found| !found.is_all_reduce) {
            let others = exchanges().filter(|found| !found.is_all_reduce).count();
            if 10 * others > exchanges().count() {
                return Err(cannot(
                    "ranks exchange by other collectives than all-reduce (sharded parameters, say), which this does not replay"
                        .to_owned(),
                ));
            }
        }
        let are_whole = log.ranks.len() == log.world;
        let took = measured(log);
        let sizes: Vec<(f64, f64)> = took.iter().map(|took| (took.elements, took.took_s)).collect();
        let link = match log.world {
            1 => Err(cannot(
                "one rank has nobody to exchange with: record two, or say what the link is (--latency and --bandwidth)".to_owned(),
            )),
            _ => Link::fit(log.world, &sizes, are_whole),
        };
        let mut notes = log.notes.clone();
        if !are_whole {
            notes.push(format!(
                "{} of {} ranks are given: the others are taken to work as they do, and what an exchange takes by itself is taken from \
                 the fastest quarter of them, since waiting is in it",
                log.ranks.len(),
                log.world
            ));
        }
        if log.shares_machine {
            notes.push(
                "all ranks ran on the CPUs of one machine: intervals of other world sizes also hold that its cores move the data of all, but \
                 not that more ranks take its cores from each other"
                    .to_owned(),
            );
        }
        let elements = works.iter().map(|step| step[0].ops.iter().map(|op| op.elements).sum::<f64>());
        Ok(Self {
            world: log.world,
            steps: works.len(),
            exchanges: count,
            elements: elements.sum::<f64>() / works.len() as f64,
            element_bytes: exchanges().find_map(|found| found.element_bytes),
            slowest: slowest(&works),
            shares_machine: log.shares_machine,
            names: log.ranks.iter().map(|rank| rank.name.clone()).collect(),
            notes,
            ratios: link.as_ref().map_or(Vec::new(), |link| ratios(&works, link, &took)),
            works,
            link,
            lanes: log.ranks.iter().map(under_way).max().unwrap_or(1).max(1),
        })
    }

    /// What exchanges take.
    ///
    /// # Errors
    /// [`Error::CannotTell`] where the trace has too few of them.
    pub fn link(&self) -> Result<&Link, Error> {
        self.link.as_ref().map_err(Clone::clone)
    }

    /// Measured seconds a step, over all ranks.
    pub fn step_s(&self) -> f64 {
        mean(self.works.iter().flatten().map(|work| work.lasted))
    }

    /// Seconds of a step in which a rank did anything but wait, over all ranks.
    pub fn work_s(&self) -> f64 {
        mean(self.works.iter().flatten().map(|work| work.total))
    }
}

/// The steps in which all ranks have the most frequent number of exchanges, of the same sizes; and that number.
fn alike(by_rank: &[Vec<Work>], most: usize) -> (Vec<Vec<Work>>, usize) {
    let step = |at: usize| -> Vec<Work> { by_rank.iter().map(|works| works[at].clone()).collect() };
    let mut counts: Vec<usize> = (0..most).map(|at| by_rank[0][at].ops.len()).collect();
    counts.sort_unstable();
    let count = counts[counts.len() / 2];
    let is_one = |works: &Vec<Work>| {
        works.iter().all(|work| {
            work.ops.len() == count
                && work.ops.iter().zip(&works[0].ops).all(|(own, first)| own.elements == first.elements)
        })
    };
    ((0..most).map(step).filter(is_one).collect(), count)
}

/// Measured over fitted of the exchanges of all steps; nothing where one of them was not measured.
fn ratios(works: &[Vec<Work>], link: &Link, took: &[Took]) -> Vec<Vec<f64>> {
    let of_first: BTreeMap<usize, f64> =
        took.iter().filter_map(|took| Some((took.of_first?, link.ratio(took)))).collect();
    let of_step = |step: &Vec<Work>| {
        let first = step[0].first;
        (first..first + step[0].ops.len()).map(|at| of_first.get(&at).copied()).collect()
    };
    works.iter().map(of_step).collect::<Option<_>>().unwrap_or_default()
}

/// The rank whose steps are longer than the others' by more than chance.
fn slowest(works: &[Vec<Work>]) -> Option<(usize, f64)> {
    let ranks = works[0].len();
    let of = |rank: usize| works.iter().map(move |step| step[rank].total);
    let means: Vec<f64> = (0..ranks).map(|rank| mean(of(rank))).collect();
    let (slowest, most) = means.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    if ranks < 2 {
        return None;
    }
    // Of each step by itself: what is slow for all is nobody's.
    let others =
        |step: &Vec<Work>| mean((0..ranks).filter(|rank| *rank != slowest).map(|rank| step[rank].total));
    let differences: Vec<f64> = works.iter().map(|step| step[slowest].total - others(step)).collect();
    let more = mean(differences.iter().copied());
    let variance = mean(differences.iter().map(|found| (found - more).powi(2)));
    let error = (variance / differences.len() as f64).sqrt();
    (more > SLOWER.0 * error && more > SLOWER.1 * (most - more)).then_some((slowest, more))
}

/// The most exchanges of a rank at one time.
fn under_way(rank: &syncline_explain::RankTrace) -> usize {
    let mut changes: Vec<(f64, i32)> =
        rank.exchanges.iter().flat_map(|found| [(found.start_s, 1), (found.end_s, -1)]).collect();
    changes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut now, mut most) = (0, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    most.max(0) as usize
}
