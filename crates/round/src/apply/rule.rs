//! The optimisers' rules, each over a block of parameters, its gradient and its moments.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// How a gradient g becomes a step; a is the learning rate. The numbers beside it are those of the
/// [`Optimizer`](crate::Optimizer).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// w -= a g.
    Sgd,
    /// v = beta v + g; w -= a v (Polyak's heavy ball).
    Momentum {
        /// How much of the last step's velocity is kept.
        beta: f32,
    },
    /// v = beta v + g; w -= a (g + beta v) (Nesterov 1983, in the form of Sutskever et al. 2013).
    Nesterov {
        /// How much of the last step's velocity is kept.
        beta: f32,
    },
    /// s += g^2; w -= a g / (sqrt(s) + eps) (Duchi, Hazan, Singer 2011).
    Adagrad,
    /// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= a m' / (sqrt(v') + eps), where m' = m / (1 - b1^t) and
    /// v' = v / (1 - b2^t) at step t are freed of their bias towards 0 (Kingma, Ba 2015, algorithm 1).
    Adam,
}

impl Rule {
    /// The names a user can give.
    pub const VALID: &'static str = "sgd, momentum, nesterov, adagrad and adam";

    /// A learning rate that usually works for standardised data.
    pub fn default_rate(self) -> f32 {
        match self {
            Self::Sgd => 0.1,
            Self::Momentum { .. } | Self::Nesterov { .. } => 0.02,
            Self::Adagrad => 0.05,
            Self::Adam => 0.01,
        }
    }

    /// What keeps the divisor from being zero; 0 where there is none.
    pub(super) fn default_eps(self) -> f32 {
        match self {
            Self::Sgd | Self::Momentum { .. } | Self::Nesterov { .. } => 0.0,
            Self::Adagrad => 1e-10,
            Self::Adam => 1e-8,
        }
    }

    /// Whether a step at a zero gradient changes neither the parameter nor its moments.
    pub(super) fn rests_at_zero(self) -> bool {
        matches!(self, Self::Sgd | Self::Adagrad)
    }

    /// Whether a step depends on those before it by more than their number.
    pub fn remembers(self) -> bool {
        self.keeps().contains(&true)
    }

    /// Which of the two moments it keeps.
    pub(super) fn keeps(self) -> [bool; 2] {
        match self {
            Self::Sgd => [false, false],
            Self::Momentum { .. } | Self::Nesterov { .. } | Self::Adagrad => [true, false],
            Self::Adam => [true, true],
        }
    }

    /// Moments for so many parameters, all zero; empty where the rule needs none.
    pub(super) fn moments(self, parameters: usize) -> [Vec<f32>; 2] {
        self.keeps().map(|kept| if kept { vec![0.0; parameters] } else { Vec::new() })
    }
}

/// One step of a rule: its numbers at this point of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    rule: Rule,
    rate: f32,
    betas: (f32, f32),
    eps: f32,
}

impl Step {
    /// Step `steps`, from 1. Adam's bias corrections are the same for all parameters, so they go into the rate and into
    /// eps: a (m / c1) / (sqrt(v / c2) + eps) = (a sqrt(c2) / c1) m / (sqrt(v) + eps sqrt(c2)).
    pub(super) fn new(rule: Rule, rate: f32, betas: (f32, f32), eps: f32, steps: u64) -> Self {
        if rule != Rule::Adam {
            return Self { rule, rate, betas, eps };
        }
        let correction = |beta: f32| 1.0 - f64::from(beta).powf(steps as f64);
        let (first, root) = (correction(betas.0), correction(betas.1).sqrt());
        let rate = (f64::from(rate) * root / first) as f32;
        Self { rule, rate, betas, eps: (f64::from(eps) * root) as f32 }
    }

    /// Steps parameters along `gradient`. Compiled into its callers, for the vectors that they choose.
    #[inline(always)]
    pub(super) fn take(self, w: &mut [f32], g: &[f32], moments: (&mut [f32], &mut [f32])) {
        let (rate, (first, second)) = (self.rate, moments);
        match self.rule {
            Rule::Sgd => w.iter_mut().zip(g).for_each(|(w, g)| *w -= rate * g),
            Rule::Momentum { beta } => {
                for ((w, g), v) in w.iter_mut().zip(g).zip(first) {
                    *v = beta * *v + g;
                    *w -= rate * *v;
                }
            }
            Rule::Nesterov { beta } => {
                for ((w, g), v) in w.iter_mut().zip(g).zip(first) {
                    *v = beta * *v + g;
                    *w -= rate * (g + beta * *v);
                }
            }
            Rule::Adagrad => {
                for ((w, g), s) in w.iter_mut().zip(g).zip(first) {
                    *s += g * g;
                    *w -= rate * g / (s.sqrt() + self.eps);
                }
            }
            Rule::Adam => {
                let (b1, b2) = self.betas;
                for (((w, g), m), v) in w.iter_mut().zip(g).zip(first).zip(second) {
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *w -= rate * *m / (v.sqrt() + self.eps);
                }
            }
        }
    }

    /// Draws parameters towards zero, and to zero where they are close to it: the proximal step of an L1 penalty
    /// (Duchi, Singer 2009), for each parameter with the rate at which the rule would follow a lasting gradient of `l1`.
    /// So a parameter rests at zero as long as the loss's gradient is below `l1`.
    pub(super) fn shrink(self, w: &mut [f32], moments: (&[f32], &[f32]), l1: f32) {
        let (first, second) = moments;
        let by = |w: &mut f32, rate: f32| *w = w.signum() * (w.abs() - rate * l1).max(0.0);
        match self.rule {
            Rule::Sgd => w.iter_mut().for_each(|w| by(w, self.rate)),
            // A lasting gradient has become a velocity of g / (1 - beta).
            Rule::Momentum { beta } | Rule::Nesterov { beta } => {
                w.iter_mut().for_each(|w| by(w, self.rate / (1.0 - beta)));
            }
            Rule::Adagrad => {
                w.iter_mut().zip(first).for_each(|(w, s)| by(w, self.rate / (s.sqrt() + self.eps)));
            }
            Rule::Adam => {
                w.iter_mut().zip(second).for_each(|(w, v)| by(w, self.rate / (v.sqrt() + self.eps)));
            }
        }
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "sgd" => Ok(Self::Sgd),
            "momentum" => Ok(Self::Momentum { beta: 0.9 }),
            "nesterov" => Ok(Self::Nesterov { beta: 0.9 }),
            "adagrad" => Ok(Self::Adagrad),
            "adam" => Ok(Self::Adam),
            _ => Err(Error::Unknown { what: "optimizer", got: text.to_owned(), valid: Self::VALID }),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sgd => "sgd",
            Self::Momentum { .. } => "momentum",
            Self::Nesterov { .. } => "nesterov",
            Self::Adagrad => "adagrad",
            Self::Adam => "adam",
        })
    }
}
