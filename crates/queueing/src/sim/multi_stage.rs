//! Multi-stage fork-join: a stage's departure is the next one's arrival. Jobs leave a stage in order, because each
//! worker's clock only moves forward.

use super::fork_join::advance;
use super::{Passage, Random, System, latest};

/// Whether a task is as large at every stage as at the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    Fresh,
    Same,
}

/// h stages of k workers.
#[derive(Debug, Clone)]
pub struct MultiStageSystem {
    free: Vec<f64>,
    tasks: usize,
    sizes: Sizes,
}

impl MultiStageSystem {
    /// `stages` (h) of `tasks` (k), whose sizes are drawn afresh at every stage.
    pub fn new(stages: usize, tasks: usize) -> Self {
        Self { free: vec![0.0; stages * tasks], tasks, sizes: Sizes::Fresh }
    }

    /// The same, but the i-th task of a job is equally large at every stage: a partition of the data that is large
    /// stays large.
    pub fn same_sizes(stages: usize, tasks: usize) -> Self {
        Self { sizes: Sizes::Same, ..Self::new(stages, tasks) }
    }
}

impl System for MultiStageSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        match self.sizes {
            Sizes::Fresh => self.free.len(),
            Sizes::Same => self.tasks,
        }
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let mut started = None;
        let mut now = arrival;
        for (free, sizes) in self.free.chunks_mut(self.tasks).zip(sizes.chunks(self.tasks).cycle()) {
            let first = advance(free, now, sizes);
            started.get_or_insert(first);
            now = latest(free);
        }
        Passage { started: started.unwrap_or(arrival), departed: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::stream;

    #[test]
    fn the_same_sizes_are_fresh_ones_that_happen_to_be_equal() {
        let (mut same, mut fresh) = (MultiStageSystem::same_sizes(2, 2), MultiStageSystem::new(2, 2));
        let mut random = stream(1, 0);
        for (arrival, own) in [(0.0, [1.0, 3.0]), (0.5, [2.0, 0.5]), (9.0, [1.0, 1.0])] {
            let repeated = [own[0], own[1], own[0], own[1]];
            assert_eq!(same.admit(arrival, &own, &mut random), fresh.admit(arrival, &repeated, &mut random));
        }
        assert_eq!((same.tasks(&mut random), fresh.tasks(&mut random)), (2, 4));
    }
}
