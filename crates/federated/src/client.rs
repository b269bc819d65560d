//! What a client does between two answers: local steps, plainly or with a term that holds it near the server's
//! model.
//!
//! (Li et al., FedProx, arXiv 1812.06127; Karimireddy et al., SCAFFOLD, 1910.06378; Wang et al., FedNova,
//! 2007.07481.)

use crate::Result;
use crate::error::{between, positive, within};

/// A rule of local steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LocalRule {
    /// y -= eta g(y).
    Plain,
    /// y -= eta (g(y) + mu (y - x)): the gradient of F(y) + mu / 2 |y - x|^2.
    Prox {
        /// The weight of the distance to the server's model.
        mu: f64,
    },
}

/// How a client works in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Local {
    rule: LocalRule,
    rate: f64,
    steps: usize,
}

impl Local {
    /// `steps` local steps of size `rate`.
    ///
    /// # Errors
    /// Unless the rate is positive, there is a step, and mu is at least 0.
    pub fn new(rule: LocalRule, rate: f64, steps: usize) -> Result<Self> {
        positive("the local rate", rate)?;
        within("the number of local steps", steps, 1, usize::MAX)?;
        if let LocalRule::Prox { mu } = rule {
            between("mu", mu, 0.0, f64::MAX)?;
        }
        Ok(Self { rule, rate, steps })
    }

    /// Number of local steps.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The client's model after its steps from the server's; `gradient` is told the step and the model.
    pub fn run(&self, server: &[f64], mut gradient: impl FnMut(usize, &[f64]) -> Vec<f64>) -> Vec<f64> {
        let mut model = server.to_vec();
        for step in 0..self.steps {
            let g = gradient(step, &model);
            for ((y, g), x) in model.iter_mut().zip(&g).zip(server) {
                let pull = match self.rule {
                    LocalRule::Plain => 0.0,
                    LocalRule::Prox { mu } => mu * (*y - x),
                };
                *y -= self.rate * (g + pull);
            }
        }
        model
    }

    /// SCAFFOLD: y -= eta (g(y) - c_k + c); the client's new control variate is c_k - c + (x - y) / (K eta).
    /// Returns the model and the change of c_k, which the server averages over the clients that took part and
    /// scales by their share of all.
    pub fn run_controlled(
        &self,
        server: &[f64],
        own: &mut [f64],
        common: &[f64],
        mut gradient: impl FnMut(usize, &[f64]) -> Vec<f64>,
    ) -> (Vec<f64>, Vec<f64>) {
        let corrections: Vec<f64> = common.iter().zip(&*own).map(|(c, own)| c - own).collect();
        let model = self.run(server, |step, model| {
            let g = gradient(step, model);
            g.iter().zip(&corrections).map(|(g, correction)| g + correction).collect()
        });
        let travelled = self.rate * self.steps as f64;
        let change: Vec<f64> =
            server.iter().zip(&model).zip(common).map(|((x, y), c)| (x - y) / travelled - c).collect();
        for (own, change) in own.iter_mut().zip(&change) {
            *own += change;
        }
        (model, change)
    }
}

/// FedNova's mean change: (sum of p_k tau_k) x sum of p_k (y_k - x) / tau_k, for clients of `(samples, steps,
/// model)`.
pub fn normalised_change(server: &[f64], clients: &[(f64, usize, Vec<f64>)]) -> Vec<f64> {
    let samples: f64 = clients.iter().map(|(samples, ..)| samples).sum();
    let effective: f64 = clients.iter().map(|(own, steps, _)| own / samples * *steps as f64).sum();
    let mut change = vec![0.0; server.len()];
    for (own, steps, model) in clients {
        let weight = effective * own / samples / *steps as f64;
        for ((sum, y), x) in change.iter_mut().zip(model).zip(server) {
            *sum += weight * (y - x);
        }
    }
    change
}
