//! What happens to a cluster and what is decided about it: the words between a scheduler and whatever drives it, be that a
//! simulator, a recorded log or a daemon.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Job, JobId, MachineId, Placement};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A job was submitted.
    Arrival {
        /// The job.
        job: Arc<Job>,
    },
    /// A job finished its work.
    Completion {
        /// The job.
        job: JobId,
        /// When, in seconds: not after the time at which it is told.
        at: f64,
    },
    /// A job left before it was done: it was cancelled, or it failed for good.
    Withdrawal {
        /// The job.
        job: JobId,
    },
    /// A running job has had all the time that it may run, and is stopped.
    Timeout {
        /// The job.
        job: JobId,
        /// When, in seconds: not after the time at which it is told.
        at: f64,
    },
    /// A running job says how far it is.
    Progress {
        /// The job.
        job: JobId,
        /// Samples done in all.
        samples: f64,
    },
    /// A machine went down; the jobs on it are pending again.
    Failure {
        /// The machine.
        machine: MachineId,
    },
    /// A machine is back.
    Recovery {
        /// The machine.
        machine: MachineId,
    },
    /// A slot begins.
    Slot {
        /// Its index from 0.
        slot: usize,
    },
    /// The time that the policy asked to be woken at.
    Wake,
}

/// What a policy wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// Promise to run a job.
    Admit {
        /// The job.
        job: JobId,
    },
    /// Turn a job down.
    Reject {
        /// The job.
        job: JobId,
        /// For people: why.
        reason: String,
    },
    /// Run a job there from now on; a running job moves or changes size.
    Place {
        /// The job.
        job: JobId,
        /// Where.
        placement: Placement,
    },
    /// Stop a running job; it keeps its progress if it can resume, and has none otherwise.
    Preempt {
        /// The job.
        job: JobId,
    },
    /// Call again at this time, in seconds.
    WakeAt {
        /// When.
        time: f64,
    },
}

impl Decision {
    /// The job it is about.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Admit { job }
            | Self::Reject { job, .. }
            | Self::Place { job, .. }
            | Self::Preempt { job } => Some(*job),
            Self::WakeAt { .. } => None,
        }
    }
}
