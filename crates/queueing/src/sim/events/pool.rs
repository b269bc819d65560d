//! The description of a pool: its workers, the classes of its jobs, and what befalls a task that is interrupted.

use crate::error::{count, positive};
use crate::{Error, Result};

/// What a more urgent task does to one that is running when no worker is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preemption {
    /// It waits for a worker.
    #[default]
    None,
    /// It takes the worker; the other task goes on later from where it was.
    Resume,
    /// It takes the worker; the other task begins again later, with the same size.
    Restart,
}

/// Where tasks wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queues {
    /// One queue for all workers: the fastest idle worker takes the next task.
    #[default]
    Shared,
    /// A queue per worker, one task of each job in each: fork-join.
    PerWorker,
}

/// What a failure costs the task that it hits. The task waits at the head of its queue.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// It begins again, with the same size.
    #[default]
    Everything,
    /// It goes on from where it was.
    Nothing,
    /// It goes back to its last checkpoint; one is taken, for free, whenever so much of its work is done.
    SinceCheckpoint(f64),
}

/// Workers that fail, idle or busy, and come back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failures {
    mean_up: f64,
    mean_down: f64,
    loss: Loss,
}

impl Failures {
    /// Exponential times until a failure (mean MTBF) and until the repair (mean MTTR).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless both, and a distance between checkpoints, are positive.
    pub fn new(mean_up: f64, mean_down: f64, loss: Loss) -> Result<Self> {
        if let Loss::SinceCheckpoint(work) = loss {
            positive("work between checkpoints", work)?;
        }
        Ok(Self {
            mean_up: positive("mean time to failure", mean_up)?,
            mean_down: positive("mean time to repair", mean_down)?,
            loss,
        })
    }

    /// The mean time until a worker fails.
    pub fn mean_up(&self) -> f64 {
        self.mean_up
    }

    pub(super) fn mean_down(&self) -> f64 {
        self.mean_down
    }

    pub(super) fn loss(&self) -> Loss {
        self.loss
    }

    /// The share of time that a worker is up.
    pub fn availability(&self) -> f64 {
        self.mean_up / (self.mean_up + self.mean_down)
    }
}

/// Workers and the jobs that share them.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    speeds: Vec<f64>,
    tasks: usize,
    shares: Vec<f64>,
    preemption: Preemption,
    queues: Queues,
    failures: Option<Failures>,
}

impl Pool {
    /// Workers that do `speeds[i]` of work in a unit of time each, and jobs of `tasks` tasks.
    ///
    /// # Errors
    /// [`Error::Parameter`] without workers or tasks, or if a speed is not positive.
    pub fn new(mut speeds: Vec<f64>, tasks: usize) -> Result<Self> {
        count("number of workers s", speeds.len(), 100_000)?;
        count("number of tasks k", tasks, 1_000_000)?;
        for &speed in &speeds {
            positive("speed of a worker", speed)?;
        }
        // The fastest first: the lowest idle number is the worker to take.
        speeds.sort_by(|a, b| b.total_cmp(a));
        Ok(Self {
            speeds,
            tasks,
            shares: vec![1.0],
            preemption: Preemption::None,
            queues: Queues::Shared,
            failures: None,
        })
    }

    /// Jobs of several classes, the most urgent first, with these shares of the arrivals.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the shares are positive and sum to 1.
    pub fn with_classes(self, shares: Vec<f64>) -> Result<Self> {
        count("number of classes", shares.len(), 1000)?;
        for &share in &shares {
            positive("share of a class", share)?;
        }
        let total: f64 = shares.iter().sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(Error::parameter("sum of the classes' shares", total, "1"));
        }
        Ok(Self { shares, ..self })
    }

    /// What more urgent tasks do to running ones.
    pub fn with_preemption(self, preemption: Preemption) -> Self {
        Self { preemption, ..self }
    }

    /// Where tasks wait.
    ///
    /// # Errors
    /// [`Error::Parameter`] if each worker has a queue but jobs do not have a task for each.
    pub fn with_queues(self, queues: Queues) -> Result<Self> {
        if queues == Queues::PerWorker && self.tasks != self.speeds.len() {
            return Err(Error::parameter(
                "number of tasks k",
                self.tasks,
                format!("one for each of the {} workers if each has a queue", self.speeds.len()),
            ));
        }
        Ok(Self { queues, ..self })
    }

    /// Workers that fail.
    pub fn with_failures(self, failures: Failures) -> Self {
        Self { failures: Some(failures), ..self }
    }

    /// The rate of jobs that the workers could serve if no work were lost; what restarts cost only simulation knows.
    pub fn largest_rate(&self, mean_size: f64) -> f64 {
        let up = self.failures.map_or(1.0, |failures| failures.availability());
        let speed = match self.queues {
            Queues::Shared => self.speeds.iter().sum::<f64>() / self.tasks as f64,
            // The slowest worker's queue is the first to grow without bound.
            Queues::PerWorker => self.speeds[self.speeds.len() - 1],
        };
        up * speed / mean_size
    }

    /// How workers fail, if they do.
    pub fn failures(&self) -> Option<Failures> {
        self.failures
    }

    pub(super) fn speeds(&self) -> &[f64] {
        &self.speeds
    }

    pub(super) fn tasks(&self) -> usize {
        self.tasks
    }

    pub(super) fn shares(&self) -> &[f64] {
        &self.shares
    }

    pub(super) fn preemption(&self) -> Preemption {
        self.preemption
    }

    pub(super) fn queues(&self) -> Queues {
        self.queues
    }
}
