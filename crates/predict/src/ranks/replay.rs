//! All ranks go through their steps again.
//!
//! An exchange begins when every rank has come to it and one of the lanes that exchanges run on is free, and ends for all at
//! once. A rank goes on with its own progress until it needs an exchange that has not ended.

use super::work::Work;
use crate::sample::mean;

/// Where the ranks are.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    /// Each rank's time.
    pub now: Vec<f64>,
    /// How long each waited for exchanges, all together.
    pub stalled: Vec<f64>,
    /// When each lane is free.
    lanes: Vec<f64>,
}

impl Replay {
    pub fn new(ranks: usize, lanes: usize) -> Self {
        Self { now: vec![0.0; ranks], stalled: vec![0.0; ranks], lanes: vec![0.0; lanes.max(1)] }
    }

    /// Plays a step, one `Work` a rank, all with as many exchanges; `time_s` is what the exchange of a number takes by itself.
    pub fn step(&mut self, works: &[&Work], mut time_s: impl FnMut(usize, f64) -> f64) {
        let count = works.first().map_or(0, |work| work.ops.len());
        let mut walks: Vec<Walk> =
            self.now.iter().map(|&now| Walk { now, progress: 0.0, stalled: 0.0 }).collect();
        let mut ended: Vec<f64> = Vec::with_capacity(count);
        for op in 0..count {
            for (walk, work) in walks.iter_mut().zip(works) {
                walk.to(work, work.ops[op].issued, &ended);
            }
            let ready = walks.iter().map(|walk| walk.now).fold(0.0, f64::max);
            let lane =
                (0..self.lanes.len()).min_by(|&a, &b| self.lanes[a].total_cmp(&self.lanes[b])).unwrap_or(0);
            let end = ready.max(self.lanes[lane]) + time_s(op, works[0].ops[op].elements);
            self.lanes[lane] = end;
            ended.push(end);
        }
        for (rank, (walk, work)) in walks.iter_mut().zip(works).enumerate() {
            walk.to(work, work.total, &ended);
            self.now[rank] = walk.now;
            self.stalled[rank] += walk.stalled;
        }
    }

    /// The mean of the ranks' times.
    pub fn mean_s(&self) -> f64 {
        mean(self.now.iter().copied())
    }
}

/// A rank on its way through a step.
struct Walk {
    now: f64,
    progress: f64,
    stalled: f64,
}

impl Walk {
    /// Goes on to a point of the own progress, waiting for whatever is needed before.
    fn to(&mut self, work: &Work, point: f64, ended: &[f64]) {
        loop {
            let from = self.progress;
            // The next point at which an exchange that was begun is needed.
            let next = work.ops.iter().zip(ended).filter(|(op, end)| {
                op.needed >= from && op.needed <= point && **end > self.now + (op.needed - from)
            });
            let Some((op, &end)) = next.min_by(|a, b| a.0.needed.total_cmp(&b.0.needed)) else { break };
            let arrives = self.now + (op.needed - from);
            self.stalled += end - arrives;
            (self.now, self.progress) = (end, op.needed);
        }
        self.now += (point - self.progress).max(0.0);
        self.progress = self.progress.max(point);
    }
}

#[cfg(test)]
mod tests {
    use super::super::work::Op;
    use super::*;

    fn work(total: f64, ops: &[(f64, f64)]) -> Work {
        let op = |&(issued, needed): &(f64, f64)| Op { issued, needed, elements: 1.0 };
        Work { total, ops: ops.iter().map(op).collect(), first: 0, lasted: total }
    }

    #[test]
    fn ranks_wait_for_the_slowest_and_for_the_wire() {
        // Both exchanges are needed at 8; the second rank is 2 later.
        let (fast, slow) = (work(10.0, &[(4.0, 8.0), (6.0, 8.0)]), work(12.0, &[(6.0, 10.0), (8.0, 10.0)]));
        let mut replay = Replay::new(2, 1);
        replay.step(&[&fast, &slow], |_, _| 3.0);
        // They run from 6 to 9 and from 9 to 12: the fast one waits 4, the slow one 2.
        assert_eq!((replay.now.clone(), replay.stalled.clone()), (vec![14.0, 14.0], vec![4.0, 2.0]));
        let mut two_lanes = Replay::new(2, 2);
        two_lanes.step(&[&fast, &slow], |_, _| 3.0);
        assert_eq!(two_lanes.now, [13.0, 13.0], "from 6 to 9 and from 8 to 11");
        let mut free = Replay::new(2, 1);
        free.step(&[&fast, &slow], |_, _| 0.0);
        assert_eq!(free.now, [10.0, 12.0], "the fast one has both at its 8, as they ended at 6 and 8");
    }

    #[test]
    fn a_step_without_exchanges_is_work() {
        let mut replay = Replay::new(1, 1);
        replay.step(&[&work(3.0, &[])], |_, _| 1.0);
        assert_eq!((replay.mean_s(), replay.stalled[0]), (3.0, 0.0));
    }
}
