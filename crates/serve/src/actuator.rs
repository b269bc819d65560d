//! What the scheduler can do to the world, and what it sees of it.
//!
//! [`Actuator::start`], [`Actuator::resize`], [`Actuator::ask`] and [`Actuator::kill`] only begin something; what came of it is
//! seen by [`Actuator::look`] and [`Actuator::resized`]. The decisions stay pure: they are the same over real processes and over imagined ones.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schedule::{JobId, MachineId, Placement, Resources};

use crate::{hosts::Answer, training::Training};

/// One attempt of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Run {
    /// The job.
    pub job: JobId,
    /// Its attempt, from 1.
    pub attempt: u32,
}

/// What to start, or what an attempt that runs is to become.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// As which attempt.
    pub run: Run,
    /// The job's name.
    pub name: String,
    /// The task with its blanks.
    pub task: syncline_schedule::jobs_file::Task,
    /// Where.
    pub placement: Placement,
    /// The machines of `placement`, by name, with their workers and servers.
    pub hosts: Vec<(String, u32, u32)>,
    /// By which names `ssh` reaches them, with how many workers and servers each has; empty where they are parts of this machine.
    pub addresses: Vec<(String, u32)>,
    /// How `--on` names the engine that gives its room, if one does, and the room that all of it has there.
    pub engine: Option<(String, Resources)>,
    /// The cores that it is held to, by number from 0; none: it is not.
    pub cores: Vec<usize>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", content = "with", rename_all = "kebab-case")]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It could not be started.
    NotStarted(String),
}

/// What is seen of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// It runs, or is about to.
    Running,
    /// Its processes are gone, since this time of the machine's uptime, if that is known.
    Ended(Ending, Option<f64>),
    /// Its processes are gone, and nobody knows how they ended.
    Lost,
    /// It was never started.
    NeverRan,
}

/// Runs attempts somewhere.
pub trait Actuator {
    /// Begins to start an attempt. A failure is seen as [`Ending::NotStarted`].
    fn start(&mut self, launch: &Launch);

    /// Begins to tell an attempt that runs of the size in `launch`, by its task's `scale`. It is told again, of the same size, by a
    /// daemon that comes after one that died meanwhile.
    fn resize(&mut self, launch: &Launch);

    /// What came of that, once: whether it has the size, or why not; none while it is under way.
    fn resized(&mut self, run: Run) -> Option<Result<(), String>>;

    /// Begins to stop it: asks its processes.
    fn ask(&mut self, run: Run);

    /// Begins to stop it: does not ask.
    fn kill(&mut self, run: Run);

    /// How far the training run of a job is, if it is one and has said so.
    fn training(&mut self, job: JobId) -> Option<Arc<Training>> {
        let _ = job;
        None
    }

    /// What is known of machines elsewhere: whether each answers, or what was said of it.
    fn machines(&mut self) -> Vec<(MachineId, Answer)> {
        Vec::new()
    }

    /// What is seen of an attempt that was begun, by this actuator or by an earlier one. Unless it is seen
    /// to run, it will never run again.
    fn look(&mut self, run: Run) -> Sighting;
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "killed by signal {signal}"),
            Self::NotStarted(why) => write!(f, "it could not be started: {why}"),
        }
    }
}
