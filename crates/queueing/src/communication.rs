//! What a round spends on the network, as latency a and time per byte b (alpha-beta model), and scaling laws.

use crate::Result;
use crate::error::{count, non_negative};

/// A link: seconds per message and seconds per byte.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    latency: f64,
    per_byte: f64,
}

impl Link {
    /// Latency a and time per byte b.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if one is negative.
    pub fn new(latency: f64, per_byte: f64) -> Result<Self> {
        Ok(Self {
            latency: non_negative("latency", latency)?,
            per_byte: non_negative("time per byte", per_byte)?,
        })
    }

    /// Ring all-reduce over p workers: 2 (p - 1) a + 2 (p - 1)/p n b.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if p is 0.
    pub fn ring(&self, workers: usize, bytes: f64) -> Result<f64> {
        let p = count("number of workers", workers, usize::MAX)? as f64;
        Ok(2.0 * (p - 1.0) * self.latency + 2.0 * (p - 1.0) / p * bytes * self.per_byte)
    }

    /// Tree reduce and broadcast: 2 log2 p (a + n b).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if p is 0.
    pub fn tree(&self, workers: usize, bytes: f64) -> Result<f64> {
        let p = count("number of workers", workers, usize::MAX)? as f64;
        Ok(2.0 * p.log2() * (self.latency + bytes * self.per_byte))
    }

    /// Pull and push of n bytes through m servers: 2 (a + n b max(p/m, 1)).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if there is no worker or no server.
    pub fn parameter_server(&self, workers: usize, servers: usize, bytes: f64) -> Result<f64> {
        count("number of workers", workers, usize::MAX)?;
        let share = workers as f64 / count("number of servers", servers, usize::MAX)? as f64;
        Ok(2.0 * (self.latency + bytes * self.per_byte * share.max(1.0)))
    }
}

/// The universal scalability law: speed-up N / (1 + s (N - 1) + c N (N - 1)) (Gunther).
///
/// # Errors
/// [`crate::Error::Parameter`] if N is 0 or a coefficient negative.
pub fn universal_scalability(workers: usize, contention: f64, coherence: f64) -> Result<f64> {
    let n = count("number of workers", workers, usize::MAX)? as f64;
    non_negative("contention", contention)?;
    non_negative("coherence", coherence)?;
    Ok(n / (1.0 + contention * (n - 1.0) + coherence * n * (n - 1.0)))
}
