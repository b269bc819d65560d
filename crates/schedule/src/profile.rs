//! A job as a real run was measured: from the profile that `syncline predict` fits to its trace.
//!
//! The scheduler's speed law (see [`Job::sample_cost`]) has a time per sample and worker and a network term. The
//! network term is the profile's own; the time per sample is set so that the law gives the profile's samples per second
//! for the traced numbers of workers and servers on one machine,
//!
//! ```text
//! tau = W / speed(W, S, one machine) - (gamma / F) (2 g / internal bandwidth)
//! ```
//!
//! with everything in it that the trace shows: fixed costs of a round, the exchange, the gate and the spread of the
//! workers. The law is linear in the workers and a real job is not, so a job gets no more workers than those up to which
//! the profile predicts at least [`LINEAR`] of the law.

use std::path::Path;

use syncline_predict::{JobProfile, Placement};

use crate::{
    error::{Error, Result},
    model::Job,
};

/// The least share of the linear law's speed that the most workers reach.
pub const LINEAR: f64 = 0.8;

/// The fields of a [`Job`] that a measured run tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The global batch F.
    pub batch: u32,
    /// Seconds per sample and worker on one machine, everything included.
    pub inside_seconds_per_sample: f64,
    /// Gradient size g, in MB.
    pub gradient_mb: f64,
    /// Workers per server gamma.
    pub workers_per_server: f64,
    /// The most workers.
    pub most_workers: u32,
    /// Samples in an epoch, where the trace says.
    pub epoch: Option<f64>,
}

impl Measured {
    /// Reads a profile that `syncline predict TRACE --profile FILE` wrote.
    ///
    /// # Errors
    /// An unreadable file, another format, or a run whose speed cannot be told.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path);
        let text =
            text.map_err(|source| Error::Io { doing: "reading a job profile", path: path.into(), source })?;
        let wrong = |source| Error::Profile { path: path.into(), source };
        JobProfile::from_json(&text).and_then(|profile| Self::of(&profile)).map_err(wrong)
    }

    /// What a profile says.
    ///
    /// # Errors
    /// A run whose speed cannot be told.
    pub fn of(profile: &JobProfile) -> std::result::Result<Self, syncline_predict::Error> {
        let (workers, servers) = (profile.measured.workers.max(1), profile.measured.servers.max(1));
        let sync = profile.measured.policy()?;
        let speed = |workers: usize, servers: usize| {
            profile.speed(workers, servers, Placement::OneMachine, sync).map(|speed| speed.value)
        };
        let each = workers as f64 / speed(workers, servers)?;
        let ratio = workers as f64 / servers as f64;
        let batch = u32::try_from(profile.global_batch()).unwrap_or(u32::MAX);
        let mut most = workers;
        // The profile answers up to eight times the traced size.
        for wider in
            [2, 4, 8].map(|times| times * workers).into_iter().filter(|wider| *wider <= batch as usize)
        {
            if speed(wider, (wider as f64 / ratio).ceil() as usize)? * each < LINEAR * wider as f64 {
                break;
            }
            most = wider;
        }
        Ok(Self {
            batch,
            inside_seconds_per_sample: each,
            gradient_mb: profile.gradient_bytes() as f64 / 1e6,
            workers_per_server: ratio,
            most_workers: most as u32,
            epoch: (profile.measured.rows > 0).then_some(profile.measured.rows as f64),
        })
    }

    /// The time per sample tau of a job whose workers and servers on one machine are linked at `internal_gbps`: the
    /// measured time holds that link already. None if the link is slower than what was measured.
    pub fn seconds_per_sample(&self, internal_gbps: f64) -> Option<f64> {
        let link =
            self.workers_per_server / f64::from(self.batch) * Job::transfer(self.gradient_mb, internal_gbps);
        Some(self.inside_seconds_per_sample - link).filter(|seconds| *seconds > 0.0)
    }
}
