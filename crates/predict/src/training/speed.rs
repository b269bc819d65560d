//! The scheduler's question: how many samples a second does this job make with so many workers and servers, placed so?
//!
//! The law is that of PD-ORS (section 1.2 of its speed model) with what the trace adds: the global batch F stays, so that
//! each of W workers computes F / W samples; across machines each worker exchanges g / S bytes with each of S servers in
//! both directions over a link of bandwidth b, 2 (g / S) / b seconds in a round; and the gate, the variation of rounds,
//! the measured exchange and the servers' updates come on top, by simulation.

use serde::{Deserialize, Serialize};
use syncline_round::Policy;

use super::cost::Gradients;
use super::world::Case;
use crate::{Error, Interval, JobProfile, Machines, Question};

/// Rounds of the simulated run.
const ROUNDS: u64 = 200;

/// Where the workers and servers of a job are. Each worker has cores of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Placement {
    /// All on one machine: they exchange as in the traced run.
    OneMachine,
    /// On several: the slowest link of a worker and a server decides.
    Across {
        /// Its bandwidth in each direction, in Gbit/s.
        gbps: f64,
    },
}

impl JobProfile {
    /// Samples in a round of all workers of the traced run, which is the global batch F.
    pub fn global_batch(&self) -> u64 {
        self.measured.batch.max(1).saturating_mul(self.measured.workers as u64)
    }

    /// Bytes of a gradient: of all parameters, or of what is pushed where that is less.
    pub fn gradient_bytes(&self) -> u64 {
        match self.serving.gradients {
            Gradients::Whole => self.measured.parameter_bytes,
            Gradients::Parts => self.exchange.pushed_bytes as u64,
        }
    }

    /// Bytes of a round's pull and push on the wire: twice the gradient's, or what was measured where that was sent in another format.
    fn wire_bytes(&self) -> f64 {
        match self.measured.whole_push_bytes {
            Some(_) => self.exchange.bytes,
            None => 2.0 * self.gradient_bytes() as f64,
        }
    }

    /// Seconds of computing a sample on one worker, tau: what a full round takes over its samples where the fixed part
    /// is not known.
    pub fn seconds_per_sample(&self) -> f64 {
        self.compute.per_sample_s.unwrap_or_else(|| self.compute.each_s())
    }

    /// Seconds of a worker's round that do not depend on its samples: fixed computing, and the measured exchange.
    pub fn overhead_s(&self) -> f64 {
        self.compute.fixed_s.unwrap_or(0.0) + self.exchange.total_s()
    }

    /// Seconds of the servers for each byte of a gradient that they fold.
    pub fn server_seconds_per_byte(&self) -> f64 {
        self.serving.pass_s / self.gradient_bytes().max(1) as f64
    }

    /// Samples a second of a job with the traced run's global batch. The answer is the same for the same arguments and
    /// takes milliseconds: keep it where it is asked for often. Where the trace does not tell the fixed part of a
    /// gradient from the part per sample, all of it counts as per sample.
    ///
    /// # Errors
    /// [`Error::TooFar`] for more than eight times the workers of the trace, [`Error::CannotTell`] where the trace holds
    /// too little, or the bandwidth is no positive number.
    pub fn speed(
        &self,
        workers: usize,
        servers: usize,
        placement: Placement,
        sync: Policy,
    ) -> Result<Interval, Error> {
        let network_s = match placement {
            Placement::OneMachine => 0.0,
            Placement::Across { gbps } if gbps > 0.0 && gbps.is_finite() => {
                self.wire_bytes() / servers.max(1) as f64 / (gbps * 1e9 / 8.0)
            }
            Placement::Across { gbps } => {
                return Err(Error::CannotTell { why: format!("a bandwidth of {gbps} Gbit/s is none") });
            }
        };
        let question = Question {
            workers,
            servers,
            sync,
            batch: (self.global_batch() / workers.max(1) as u64).max(1),
            machines: Machines::Own,
            rounds: ROUNDS,
            ..self.question()?
        };
        self.check_exchange(&question)?;
        let round_s = self.answer(&Case { network_s, ..Case::of(&question) })?.round_s;
        Ok(round_s.map_inverse(self.samples_per_cycle(&question) * workers as f64))
    }
}
