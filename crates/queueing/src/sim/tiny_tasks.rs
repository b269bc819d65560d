//! Tiny tasks with split-merge between jobs, and the four-parameter overhead model: every task occupies its worker
//! for a constant and an exponential overhead more, and the job departs only after the driver's own work, which
//! blocks nobody (Bora, Walker, Fidler 2022).

use super::clocks::Clocks;
use super::single_queue::spread;
use super::{Passage, Random, System};
use crate::distribution::unit_exponential;

/// Times that are not the task's own work.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Overhead {
    /// Constant time per task on its worker, c_ts.
    pub task: f64,
    /// Mean of the exponential time per task on its worker, 1 / mu_ts.
    pub task_random: f64,
    /// Driver time per job before its departure, c_j^pd.
    pub job: f64,
    /// Driver time per task before the job's departure, c_t^pd.
    pub departure: f64,
}

/// k tasks on s workers, one job at a time.
#[derive(Debug, Clone)]
pub struct TinyTasksSystem {
    clocks: Clocks,
    tasks: usize,
    overhead: Overhead,
    last: f64,
    sizes: Vec<f64>,
}

impl TinyTasksSystem {
    /// `workers` (s), `tasks` (k), without overhead.
    pub fn new(workers: usize, tasks: usize) -> Self {
        Self::with_overhead(workers, tasks, Overhead::default())
    }

    /// With overhead.
    pub fn with_overhead(workers: usize, tasks: usize, overhead: Overhead) -> Self {
        Self { clocks: Clocks::new(workers), tasks, overhead, last: 0.0, sizes: vec![0.0; tasks] }
    }
}

impl System for TinyTasksSystem {
    fn tasks(&mut self, _: &mut Random) -> usize {
        self.tasks
    }

    fn admit(&mut self, arrival: f64, sizes: &[f64], random: &mut Random) -> Passage {
        let Overhead { task, task_random, job, departure } = self.overhead;
        for (own, size) in self.sizes.iter_mut().zip(sizes) {
            let random = if task_random > 0.0 { task_random * unit_exponential(random) } else { 0.0 };
            *own = size + task + random;
        }
        let (started, _, finished) = spread(&mut self.clocks, arrival.max(self.last), &self.sizes);
        self.last = finished;
        Passage { started, departed: finished + job + departure * self.tasks as f64 }
    }
}
