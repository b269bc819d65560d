//! Partial mapping: the fork-join recursion on k servers chosen at random for each job.

use super::k_of_n::choose;
use super::{Passage, Random, System};

/// n servers with a queue each, k tasks a job.
#[derive(Debug, Clone)]
pub struct PartialMappingSystem {
    free: Vec<f64>,
    tasks: usize,
    order: Vec<usize>,
}

impl PartialMappingSystem {
    /// `servers` (n), `tasks` (k, at most n).
    pub fn new(servers: usize, tasks: usize) -> Self {
        Self { free: vec![0.0; servers], tasks, order: (0..servers).collect() }
    }
}

impl System for PartialMappingSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.tasks
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], random: &mut Random) -> Passage {
        choose(&mut self.order, self.tasks, random);
        let mut passage = Passage { started: f64::INFINITY, departed: 0.0 };
        for (&server, size) in self.order[..self.tasks].iter().zip(sizes) {
            let start = self.free[server].max(arrival);
            self.free[server] = start + size;
            passage.started = passage.started.min(start);
            passage.departed = passage.departed.max(start + size);
        }
        passage
    }
}
