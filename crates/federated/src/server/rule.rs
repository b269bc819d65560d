//! The server's step under synchronous rounds. (McMahan et al., arXiv 1602.05629; Hsu et al., 1909.06335; Reddi et
//! al., 2003.00295.)

use crate::error::{between, positive};
use crate::{Error, Result};

/// How the mean change D of a round moves the model x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// x += D.
    Avg,
    /// m = momentum m + D, x += rate m.
    AvgM {
        /// The rate.
        rate: f64,
        /// The momentum, below 1.
        momentum: f64,
    },
    /// v += D^2, x += rate m / (sqrt v + tau), m the running mean of D.
    Adagrad(Adaptive),
    /// v = beta2 v + (1 - beta2) D^2, x += rate m / (sqrt v + tau), with the bias correction given.
    Adam(Adaptive, BiasCorrection),
    /// v -= (1 - beta2) D^2 sign(v - D^2), x += rate m / (sqrt v + tau).
    Yogi(Adaptive),
}

/// The parameters of adaptive rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// The rate.
    pub rate: f64,
    /// Share of the old mean change that is kept.
    pub beta1: f64,
    /// Share of the old mean square that is kept; Adagrad has none.
    pub beta2: f64,
    /// Added to the root, so that it is never 0.
    pub tau: f64,
}

/// How Adam corrects for moments that start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BiasCorrection {
    /// rate sqrt(1 - beta2^t) / (1 - beta1^t) at step t, from 1.
    Steps,
    /// Not at all, as Reddi et al. have it.
    None,
}

impl Rule {
    /// FedAdagrad with beta1 = 0 and tau = 1e-3.
    pub fn adagrad(rate: f64) -> Self {
        Self::Adagrad(Adaptive { rate, beta1: 0.0, beta2: 0.0, tau: 1e-3 })
    }

    /// FedAdam with betas 0.9 and 0.99, tau = 1e-3, bias-corrected.
    pub fn adam(rate: f64) -> Self {
        Self::Adam(Adaptive { rate, beta1: 0.9, beta2: 0.99, tau: 1e-3 }, BiasCorrection::Steps)
    }

    /// FedYogi with betas 0.9 and 0.99, tau = 1e-3.
    pub fn yogi(rate: f64) -> Self {
        Self::Yogi(Adaptive { rate, beta1: 0.9, beta2: 0.99, tau: 1e-3 })
    }

    fn check(self) -> Result<()> {
        match self {
            Self::Avg => Ok(()),
            Self::AvgM { rate, momentum } => {
                positive("the server's rate", rate)?;
                between("the server's momentum", momentum, 0.0, 1.0 - f64::EPSILON)
            }
            Self::Adagrad(of) | Self::Adam(of, _) | Self::Yogi(of) => {
                positive("the server's rate", of.rate)?;
                positive("tau", of.tau)?;
                between("beta1", of.beta1, 0.0, 1.0 - f64::EPSILON)?;
                between("beta2", of.beta2, 0.0, 1.0 - f64::EPSILON)
            }
        }
    }
}

/// A model with the moments of its rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerState {
    rule: Rule,
    model: Vec<f64>,
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl ServerState {
    /// A model before the first round.
    ///
    /// # Errors
    /// When a parameter of the rule is outside its range.
    pub fn new(rule: Rule, model: Vec<f64>) -> Result<Self> {
        rule.check()?;
        let zeros = vec![0.0; model.len()];
        Ok(Self { rule, mean: zeros.clone(), square: zeros, model, steps: 0 })
    }

    /// The model.
    pub fn model(&self) -> &[f64] {
        &self.model
    }

    /// Rounds applied.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// Applies the mean change of a round.
    ///
    /// # Errors
    /// When it is not as long as the model. The model is unchanged then.
    pub fn apply(&mut self, change: &[f64]) -> Result<()> {
        if change.len() != self.model.len() {
            let must = format!("{}, the length of the model", self.model.len());
            let got = change.len().to_string();
            return Err(Error::OutOfRange { what: "the length of a change", got, must });
        }
        self.steps += 1;
        for (index, &d) in change.iter().enumerate() {
            self.model[index] += self.step(index, d);
        }
        Ok(())
    }

    /// The step of one parameter, after its moments.
    fn step(&mut self, index: usize, d: f64) -> f64 {
        let (mean, square) = (&mut self.mean[index], &mut self.square[index]);
        let squared = d * d;
        let of = match self.rule {
            Rule::Avg => return d,
            Rule::AvgM { rate, momentum } => {
                *mean = momentum * *mean + d;
                return rate * *mean;
            }
            Rule::Adagrad(of) => {
                *square += squared;
                of
            }
            Rule::Adam(of, _) => {
                *square = of.beta2 * *square + (1.0 - of.beta2) * squared;
                of
            }
            Rule::Yogi(of) => {
                let over = *square - squared;
                let sign = if over == 0.0 { 0.0 } else { over.signum() };
                *square -= (1.0 - of.beta2) * squared * sign;
                of
            }
        };
        *mean = of.beta1 * *mean + (1.0 - of.beta1) * d;
        let rate = match self.rule {
            Rule::Adam(_, BiasCorrection::Steps) => {
                of.rate * (1.0 - of.beta2.powi(self.steps)).sqrt() / (1.0 - of.beta1.powi(self.steps))
            }
            _ => of.rate,
        };
        rate * *mean / (square.sqrt() + of.tau)
    }
}
