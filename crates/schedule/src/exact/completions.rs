//! Branch and bound over completions: who completes in which slot is decided first, and only then whether
//! machines can be found for it.
//!
//! A node narrows the window in which each job may complete. Its bound is the linear
//! [relaxation](crate::bound), which pours equal machines together, so that nothing is ever tried twice on
//! machines that are alike. While the relaxation splits a job over several slots, the node branches on that
//! job: done by a slot, or not by then. Once every job has one slot, an integer program without an objective
//! says whether these deadlines can be met. If they cannot, at least one of the jobs must complete later, and
//! each in turn is made to. Nodes are opened in the order of their bounds, so the first whose deadlines can be
//! met is the optimum, unless one that is known already is as good.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{Instance, Patience, check, program};
use crate::{
    bound::{Relaxation, Relaxed, Window},
    error::{Error, Result},
    lp::{BranchAndBound, Limit, LpSolver, Microlp},
    model::Job,
};

/// Utilities closer than this share are the same.
const SAME: f64 = 1e-7;

/// The greatest total utility of any schedule, where some schedule is known to reach `reached` (zero is always
/// safe).
///
/// # Errors
/// As [`optimum`](super::optimum).
pub fn by_completions(instance: &Instance, reached: f64, patience: &Patience) -> Result<f64> {
    check(instance)?;
    let begun = (patience.clock)();
    let mut open = BinaryHeap::new();
    open.extend(Node::relaxed(instance, vec![Window::default(); instance.jobs.len()])?);
    loop {
        let promising = open.pop().filter(|node| node.relaxed.utility > reached * (1.0 + SAME));
        let Some(node) = promising else { return Ok(reached) };
        let spent = (patience.clock)().saturating_sub(begun);
        let time_limit = patience.limit.saturating_sub(spent);
        if time_limit.is_zero() {
            return Err(Error::LinearProgram("the time limit passed before the optimum was proved".into()));
        }
        let children = match node.split() {
            Some(children) => children.to_vec(),
            None if node.can_be_met(instance, &BranchAndBound { limit: Limit::Time(time_limit) })? => {
                return Ok(node.relaxed.utility);
            }
            None => node.later(),
        };
        for windows in children {
            open.extend(Node::relaxed(instance, windows)?);
        }
    }
}

/// Windows and the best that the relaxation makes of them.
struct Node {
    windows: Vec<Window>,
    relaxed: Relaxed,
}

impl Node {
    /// None if even the relaxation cannot keep the windows.
    fn relaxed(instance: &Instance, windows: Vec<Window>) -> Result<Option<Self>> {
        let Instance { cluster, jobs, grid } = *instance;
        let relaxed = Relaxation::new(cluster, jobs, grid, &windows).solve(&Microlp)?;
        Ok(relaxed.map(|relaxed| Self { windows, relaxed }))
    }

    /// Whether machines can be found so that every job keeps its deadline.
    fn can_be_met(&self, instance: &Instance, solver: &dyn LpSolver) -> Result<bool> {
        let kept = instance.jobs.iter().zip(self.deadlines());
        let kept =
            kept.filter_map(|(job, due)| due.map(|due| (job.clone(), Window { first: due, due: Some(due) })));
        let (jobs, windows): (Vec<Job>, Vec<Window>) = kept.unzip();
        Ok(program::solve(instance, &jobs, &windows, solver)?.is_some())
    }

    /// The two sides of the job that is split the most: completed by a slot, or not by then. None if no job
    /// is split.
    fn split(&self) -> Option<[Vec<Window>; 2]> {
        let split = |slots: &[(usize, f64)]| {
            let all: f64 = slots.iter().map(|(_, fraction)| fraction).sum();
            let most = slots.iter().map(|(_, fraction)| *fraction).fold(0.0, f64::max);
            // A job may be split over slots, or between a slot and not at all.
            (1.0 - most).min(most.min(1.0)).max(if slots.len() > 1 { all - most } else { 0.0 })
        };
        let worst =
            self.relaxed.completed.iter().map(|slots| if slots.is_empty() { 0.0 } else { split(slots) });
        let (job, amount) = worst.enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        if amount < 1e-6 {
            return None;
        }
        let by = self.relaxed.completed[job].first()?.0;
        let (mut done, mut not) = (self.windows.clone(), self.windows.clone());
        done[job].due = Some(by);
        not[job].first = by + 1;
        Some([done, not])
    }

    /// The slot of every job, none for those that do not complete.
    fn deadlines(&self) -> Vec<Option<usize>> {
        self.relaxed.completed.iter().map(|slots| slots.first().map(|(slot, _)| *slot)).collect()
    }

    /// All that is left when the deadlines cannot be met together: the first job later, or the first in time
    /// and the second later, and so on.
    fn later(&self) -> Vec<Vec<Window>> {
        let mut kept = self.windows.clone();
        let mut children = Vec::new();
        for (job, due) in self.deadlines().into_iter().enumerate() {
            let Some(due) = due else { continue };
            let mut windows = kept.clone();
            windows[job].first = due + 1;
            if windows[job].due.is_none_or(|latest| latest > due) {
                children.push(windows);
            }
            kept[job].due = Some(due);
        }
        children
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Node {}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.relaxed.utility.total_cmp(&other.relaxed.utility)
    }
}
