//! Classes of jobs with and without a start barrier on one pool, FIFO without overtaking: no task of a job starts
//! before every task of the jobs ahead has.

use rand::RngExt;

use super::barrier::gather;
use super::clocks::Clocks;
use super::single_queue::spread;
use super::{Passage, Random, System, latest};
use crate::models::{Class, Start};

/// s workers shared by classes of jobs.
#[derive(Debug, Clone)]
pub struct HybridSystem {
    clocks: Clocks,
    classes: Vec<Class>,
    next: usize,
    last_start: f64,
}

impl HybridSystem {
    /// `workers` (s) and the classes, whose shares sum to 1.
    pub fn new(workers: usize, classes: &[Class]) -> Self {
        Self { clocks: Clocks::new(workers), classes: classes.to_vec(), next: 0, last_start: 0.0 }
    }
}

impl System for HybridSystem {
    fn tasks(&mut self, random: &mut Random) -> usize {
        let mut at: f64 = random.random();
        let chosen = self.classes.iter().position(|class| {
            at -= class.share;
            at < 0.0
        });
        self.next = chosen.unwrap_or(self.classes.len() - 1);
        self.classes[self.next].width
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], _: &mut Random) -> Passage {
        let from = arrival.max(self.last_start);
        if self.classes[self.next].start == Start::Apart {
            let (started, last, departed) = spread(&mut self.clocks, from, sizes);
            self.last_start = last;
            return Passage { started, departed };
        }
        let started = gather(&mut self.clocks, sizes.len()).max(from);
        self.last_start = started;
        for size in sizes {
            self.clocks.put(started + size);
        }
        Passage { started, departed: started + latest(sizes) }
    }
}
