//! The round's mechanism: clip, sum, add noise, divide by the expected number.

use rand::{CryptoRng, RngExt};
use rand_distr::StandardNormal;

use crate::Result;
use crate::error::{between, positive};

/// Clips changes to a length and adds noise to their sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mechanism {
    length: f64,
    noise: f64,
    expected: f64,
}

impl Mechanism {
    /// Clips to `length`, adds N(0, (noise x length)^2) to the sum and divides by the expected number of clients:
    /// not by the number that came, which would reveal it.
    ///
    /// # Errors
    /// Unless length and expected number are positive and the noise is at least 0.
    pub fn new(length: f64, noise: f64, expected: f64) -> Result<Self> {
        positive("the clipping length", length)?;
        positive("the expected number of clients", expected)?;
        between("the noise multiplier", noise, 0.0, f64::MAX)?;
        Ok(Self { length, noise, expected })
    }

    /// Scales a whole change to at most the clipping length; a shorter one is left as it is. Returns whether it was
    /// short.
    pub fn clip(&self, change: &mut [f64]) -> bool {
        let length = change.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length <= self.length {
            return true;
        }
        // An infinite or undefined length leaves nothing that could be scaled.
        let scale = if length.is_finite() { self.length / length } else { 0.0 };
        for value in change {
            *value = if scale > 0.0 { *value * scale } else { 0.0 };
        }
        false
    }

    /// The mean change that is released, from the clipped changes of the clients that came. The noise has to come
    /// from a cryptographic generator: whoever knows the seed can take it off again.
    pub fn release(&self, clipped: &[Vec<f64>], parameters: usize, rng: &mut impl CryptoRng) -> Vec<f64> {
        let mut sum = vec![0.0; parameters];
        for change in clipped {
            for (sum, value) in sum.iter_mut().zip(change) {
                *sum += value;
            }
        }
        for sum in &mut sum {
            let noise: f64 = rng.sample(StandardNormal);
            *sum = (*sum + self.noise * self.length * noise) / self.expected;
        }
        sum
    }
}
