//! A clipping length that follows the clients: towards the quantile gamma of their lengths. (Andrew et al., arXiv
//! 1905.03871.)

use crate::error::{between, positive};
use crate::{Error, Result};

/// C *= e^(-eta (b - gamma)) with b the noised share of clients whose change was no longer than C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveClip {
    length: f64,
    rate: f64,
    quantile: f64,
}

impl Default for AdaptiveClip {
    fn default() -> Self {
        Self { length: 0.1, rate: 0.2, quantile: 0.5 }
    }
}

impl AdaptiveClip {
    /// Starts at this length.
    ///
    /// # Errors
    /// Unless length and rate are positive and the quantile lies between 0 and 1.
    pub fn new(length: f64, rate: f64, quantile: f64) -> Result<Self> {
        positive("the clipping length", length)?;
        positive("the rate of the clipping length", rate)?;
        between("the quantile", quantile, 0.0, 1.0)?;
        Ok(Self { length, rate, quantile })
    }

    /// The present length.
    pub fn length(&self) -> f64 {
        self.length
    }

    /// Follows one round; `below` is noised and may lie outside 0..1.
    pub fn follow(&mut self, below: f64) {
        self.length *= (-self.rate * (below - self.quantile)).exp();
    }
}

/// The noise multiplier of the updates when the count of short changes gets noise of deviation clients / 20 and
/// both together are to cost what z alone does: (z^-2 - (2 sigma)^-2)^-1/2.
///
/// # Errors
/// When z is not below twice the count's deviation.
pub fn split_noise(z: f64, clients: usize) -> Result<f64> {
    positive("the noise multiplier", z)?;
    let count = clients as f64 / 20.0;
    if z >= 2.0 * count {
        let must = format!("below {}: with {clients} clients the count alone needs more", 2.0 * count);
        return Err(Error::OutOfRange { what: "the noise multiplier", got: z.to_string(), must });
    }
    Ok((z.powi(-2) - (2.0 * count).powi(-2)).powf(-0.5))
}
