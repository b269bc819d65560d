//! Who does the work of workers that are lost for good: another worker, beside its own.
//!
//! The work stays what it was, round by round, under the number of the worker whose it is: gates, folds and rows do not know
//! that somebody else does it. So nothing is lost or done twice, and under BSP not a bit of the result changes; a round only
//! takes as long as the worker needs that has most to do.
//!
//! - STAND-1: every worker's work is done by exactly one that is there, as long as one is.
//! - STAND-2: who has least to do stands in, of these the first.

/// Whose work each worker does.
#[derive(Clone, Debug)]
pub(crate) struct StandIns {
    /// By worker: who does its work.
    by: Vec<u32>,
    lost: Vec<bool>,
    /// Whose work is done.
    done: Vec<bool>,
    /// Whether what was done has been brought home: until then all may have to go back.
    is_over: bool,
}

impl StandIns {
    /// Everybody does its own.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            by: (0..workers as u32).collect(),
            lost: vec![false; workers],
            done: vec![false; workers],
            is_over: false,
        }
    }

    /// Takes in that these are lost; returns whose work is now done by whom.
    pub(crate) fn lost(&mut self, workers: &[u32]) -> Vec<(u32, u32)> {
        for &worker in workers {
            if let Some(lost) = self.lost.get_mut(worker as usize) {
                *lost = true;
            }
        }
        let orphaned: Vec<usize> = (0..self.by.len())
            .filter(|&worker| !self.done[worker] && self.lost[self.by[worker] as usize])
            .collect();
        let mut found = Vec::new();
        for worker in orphaned {
            let load = |other: u32| self.by.iter().filter(|&&by| by == other).count();
            let there = (0..self.by.len() as u32).filter(|&other| !self.lost[other as usize]);
            let Some(other) = there.min_by_key(|&other| load(other)) else { break };
            self.by[worker] = other;
            found.push((worker as u32, other));
        }
        found
    }

    /// Somebody whose work is this worker's to do, its own first, beyond the work that it is at.
    pub(crate) fn further(&self, worker: u32, at: &[u32]) -> Option<u32> {
        let mut all = (0..).zip(&self.by).zip(&self.done);
        all.find(|((other, by), done)| **by == worker && !**done && !at.contains(other))
            .map(|((other, _), _)| other)
    }

    /// All went back to where it is not known whose work is done.
    pub(crate) fn anew(&mut self) {
        self.done.fill(false);
    }

    /// Takes in that nothing is left of a worker's work.
    pub(crate) fn done(&mut self, worker: u32) {
        if let Some(done) = self.done.get_mut(worker as usize) {
            *done = true;
        }
    }

    /// Whether nothing is left of anybody's.
    pub(crate) fn are_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// Nobody is needed any more.
    pub(crate) fn dismiss(&mut self) {
        self.is_over = true;
    }

    /// Whether nobody is needed any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_1_and_2_work_goes_to_who_has_least_until_nobody_is_there() {
        let mut all = StandIns::new(4);
        assert_eq!(all.lost(&[1]), [(1, 0)]);
        assert_eq!(all.lost(&[3]), [(3, 2)], "STAND-2");
        assert_eq!(all.further(0, &[]), Some(0));
        assert_eq!(
            (all.further(0, &[0]), all.further(0, &[0, 1]), all.further(2, &[2])),
            (Some(1), None, Some(3))
        );
        assert_eq!(all.lost(&[0]), [(0, 2), (1, 2)], "STAND-1: the work of two goes on");
        assert_eq!(all.further(2, &[2, 3]), Some(0));
        assert_eq!(all.lost(&[2]), [], "nobody is left");
        (0..4).for_each(|worker| all.done(worker));
        assert!(all.are_done() && all.further(2, &[]).is_none() && !all.is_over());
        all.anew();
        assert!(!all.are_done() && all.further(2, &[]) == Some(0), "after all went back");
        all.dismiss();
        assert!(all.is_over());
    }

    #[test]
    fn what_is_done_needs_nobody() {
        let mut all = StandIns::new(2);
        all.done(1);
        assert_eq!(all.lost(&[1]), []);
    }
}
