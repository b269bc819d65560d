//! Moldable jobs: each takes a share of the workers that are idle when its turn comes, at least one, and does all its
//! tasks on those. FIFO without overtaking; a worker goes back as soon as no task of its job waits.

use super::clocks::Clocks;
use super::single_queue::spread;
use super::{Passage, Random, System};

/// s workers, k tasks a job, and the share of the idle workers that a job takes.
#[derive(Debug, Clone)]
pub struct TakeShareSystem {
    clocks: Clocks,
    tasks: usize,
    share: f64,
    last_start: f64,
    /// The workers that a job finds idle; kept to save an allocation a job.
    idle: Vec<f64>,
}

impl TakeShareSystem {
    /// `workers` (s), `tasks` (k), and a share above 0 and up to 1.
    pub fn new(workers: usize, tasks: usize, share: f64) -> Self {
        Self { clocks: Clocks::new(workers), tasks, share, last_start: 0.0, idle: Vec::new() }
    }
}

impl System for TakeShareSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.tasks
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let started = self.clocks.earliest().max(arrival).max(self.last_start);
        self.last_start = started;
        self.idle.clear();
        while !self.clocks.is_empty() && self.clocks.earliest() <= started {
            self.idle.push(self.clocks.take());
        }
        let taken = ((self.share * self.idle.len() as f64).ceil() as usize).clamp(1, self.tasks);
        for free in self.idle.drain(taken.min(self.idle.len())..) {
            self.clocks.put(free);
        }
        let mut own = Clocks::new(self.idle.len());
        let (_, _, departed) = spread(&mut own, started, sizes);
        for free in own.times() {
            self.clocks.put(free.max(started));
        }
        Passage { started, departed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::stream;

    #[test]
    fn a_job_takes_half_of_what_is_idle() {
        let mut system = TakeShareSystem::new(4, 4, 0.5);
        let mut admit = |arrival: f64| system.admit(arrival, &[1.0; 4], &mut stream(1, 0));
        // Two of four, then one of two, then the last one.
        assert_eq!(admit(0.0), Passage { started: 0.0, departed: 2.0 });
        assert_eq!(admit(0.0), Passage { started: 0.0, departed: 4.0 });
        assert_eq!(admit(0.5), Passage { started: 0.5, departed: 4.5 });
        // Nobody is idle until the first is through.
        assert_eq!(admit(0.6), Passage { started: 2.0, departed: 6.0 });
    }
}
