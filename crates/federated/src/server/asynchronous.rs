//! The server's step when nobody waits. The staleness s of an answer is the number of versions that came between
//! its pull and now. (Xie et al., FedAsync, arXiv 1903.03934; Nguyen et al., FedBuff, 2106.06639.)

use crate::Result;
use crate::error::{between, positive, within};

/// FedAsync: x = (1 - a) x + a y with a = alpha (1 + s)^-power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Async {
    alpha: f64,
    power: f64,
}

impl Async {
    /// Mixes new models in with at most `alpha`.
    ///
    /// # Errors
    /// Unless 0 < alpha <= 1 and the power is at least 0.
    pub fn new(alpha: f64, power: f64) -> Result<Self> {
        positive("alpha", alpha)?;
        between("alpha", alpha, 0.0, 1.0)?;
        between("the power of staleness", power, 0.0, f64::INFINITY)?;
        Ok(Self { alpha, power })
    }

    /// Mixes a client's model into the server's.
    pub fn apply(&self, model: &mut [f64], answer: &[f64], staleness: u64) {
        let share = self.alpha * (1.0 + staleness as f64).powf(-self.power);
        for (x, y) in model.iter_mut().zip(answer) {
            *x = (1.0 - share) * *x + share * y;
        }
    }
}

/// FedBuff: every `size` arrivals x += (rate / size) sum of (1 + s)^-1/2 D.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    size: usize,
    rate: f64,
    sum: Vec<f64>,
    held: usize,
}

impl Buffer {
    /// A buffer of `size` answers for a model of `parameters` parameters.
    ///
    /// # Errors
    /// Unless the size is at least 1 and the rate positive.
    pub fn new(size: usize, rate: f64, parameters: usize) -> Result<Self> {
        within("the size of the buffer", size, 1, usize::MAX)?;
        positive("the server's rate", rate)?;
        Ok(Self { size, rate, sum: vec![0.0; parameters], held: 0 })
    }

    /// Takes a change in; whether it was the one that filled the buffer and moved the model.
    pub fn push(&mut self, model: &mut [f64], change: &[f64], staleness: u64) -> bool {
        let weight = (1.0 + staleness as f64).powf(-0.5);
        for (sum, d) in self.sum.iter_mut().zip(change) {
            *sum += weight * d;
        }
        self.held += 1;
        if self.held < self.size {
            return false;
        }
        for (x, sum) in model.iter_mut().zip(&mut self.sum) {
            *x += self.rate / self.size as f64 * *sum;
            *sum = 0.0;
        }
        self.held = 0;
        true
    }
}
