//! The jobs of one replication, one after the other.

use super::{Random, System};
use crate::arrivals::Source;
use crate::{Arrivals, Distribution};

/// What is fed to a system.
#[derive(Debug, Clone, Copy)]
pub enum Jobs<'a> {
    /// Jobs that arrive.
    Arriving {
        /// When.
        arrivals: &'a Arrivals,
        /// How large their tasks are.
        size: &'a Distribution,
    },
    /// A job is always waiting: the throughput is the largest stable rate.
    Backlogged {
        /// How large the tasks are.
        size: &'a Distribution,
    },
}

/// What one job went through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// From its arrival to the start of its first task.
    pub wait: f64,
    /// From its arrival to its departure.
    pub sojourn: f64,
}

/// The sums over the counted jobs of one class.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClassSums {
    pub jobs: f64,
    pub waits: f64,
    pub sojourns: f64,
}

/// A run that lets one job after the other pass.
pub(crate) trait Passages {
    /// The next job.
    fn next(&mut self) -> Passed;

    /// The time that the run has come to.
    fn clock(&self) -> f64;

    /// Tasks so far.
    fn tasks(&self) -> u64;

    /// Whether a job is always waiting: then no sojourn time settles, but the time between jobs does.
    fn is_saturated(&self) -> bool {
        false
    }

    /// Says that the warm-up is over.
    fn count_from_here(&mut self) {}

    /// The sums by class, where jobs have classes.
    fn classes(&self) -> Vec<ClassSums> {
        Vec::new()
    }
}

/// A [`System`] under its jobs.
pub(crate) struct Feed<'a> {
    system: Box<dyn System>,
    source: Option<Source<'a>>,
    size: &'a Distribution,
    random: Random,
    sizes: Vec<f64>,
    now: f64,
    /// The start of the latest job.
    last: f64,
    tasks: u64,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(system: Box<dyn System>, jobs: Jobs<'a>, mut random: Random) -> Self {
        let (source, size) = match jobs {
            Jobs::Arriving { arrivals, size } => (Some(arrivals.source(&mut random)), size),
            Jobs::Backlogged { size } => (None, size),
        };
        Self { system, source, size, random, sizes: Vec::new(), now: 0.0, last: 0.0, tasks: 0 }
    }
}

impl Passages for Feed<'_> {
    #[inline]
    fn next(&mut self) -> Passed {
        if let Some(source) = &mut self.source {
            self.now += source.gap(&mut self.random);
        }
        let tasks = self.system.tasks(&mut self.random);
        self.sizes.resize(tasks, 0.0);
        self.size.fill(&mut self.random, &mut self.sizes);
        self.tasks += tasks as u64;
        let passage = self.system.admit(self.now, &self.sizes, &mut self.random);
        self.last = passage.started;
        Passed { wait: passage.started - self.now, sojourn: passage.departed - self.now }
    }

    fn clock(&self) -> f64 {
        self.last
    }

    fn tasks(&self) -> u64 {
        self.tasks
    }

    fn is_saturated(&self) -> bool {
        self.source.is_none()
    }
}
