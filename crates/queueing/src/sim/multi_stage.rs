//! Multi-stage fork-join: a stage's departure is the next one's arrival. Jobs leave a stage in order, because each
//! worker's clock only moves forward.

use super::fork_join::advance;
use super::{Passage, Random, System, latest};

/// h stages of k workers.
#[derive(Debug, Clone)]
pub struct MultiStageSystem {
    free: Vec<f64>,
    tasks: usize,
}

impl MultiStageSystem {
    /// `stages` (h) of `tasks` (k).
    pub fn new(stages: usize, tasks: usize) -> Self {
        Self { free: vec![0.0; stages * tasks], tasks }
    }
}

impl System for MultiStageSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.free.len()
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let mut started = None;
        let mut now = arrival;
        for (free, sizes) in self.free.chunks_mut(self.tasks).zip(sizes.chunks(self.tasks)) {
            let first = advance(free, now, sizes);
            started.get_or_insert(first);
            now = latest(free);
        }
        Passage { started: started.unwrap_or(arrival), departed: now }
    }
}
