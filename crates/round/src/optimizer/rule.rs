//! The optimisers' rules, each over a block of parameters, its gradient and its moments.

use std::{fmt, str::FromStr};

use crate::Error;

/// How a gradient g becomes a step; a is the learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// w -= a g.
    Sgd,
    /// v = beta v + g; w -= a v (Polyak's heavy ball).
    Momentum {
        /// How much of the last step's velocity is kept.
        beta: f32,
    },
    /// s += g^2; w -= a g / (sqrt(s) + 1e-10) (Duchi, Hazan, Singer 2011).
    Adagrad,
    /// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= a m' / (sqrt(v') + 1e-8), where m' and v' are freed of
    /// their bias towards 0 (Kingma, Ba 2015), with b1 = 0.9 and b2 = 0.999.
    Adam,
}

const ADAGRAD_EPSILON: f32 = 1e-10;
const ADAM_BETAS: (f32, f32) = (0.9, 0.999);
const ADAM_EPSILON: f32 = 1e-8;

impl Rule {
    /// The names a user can give.
    pub const VALID: &'static str = "sgd, momentum, adagrad and adam";

    /// A learning rate that usually works for standardised data.
    pub fn default_rate(self) -> f32 {
        match self {
            Self::Sgd => 0.1,
            Self::Momentum { .. } => 0.02,
            Self::Adagrad => 0.05,
            Self::Adam => 0.002,
        }
    }

    /// Whether a step at a zero gradient changes neither the parameter nor its moments.
    pub(super) fn rests_at_zero(self) -> bool {
        matches!(self, Self::Sgd | Self::Adagrad)
    }

    /// Moments for so many parameters, all zero; empty where the rule needs none.
    pub(super) fn moments(self, parameters: usize) -> [Vec<f32>; 2] {
        match self {
            Self::Sgd => [Vec::new(), Vec::new()],
            Self::Momentum { .. } | Self::Adagrad => [vec![0.0; parameters], Vec::new()],
            Self::Adam => [vec![0.0; parameters], vec![0.0; parameters]],
        }
    }

    /// The rate at step `steps` (from 1): Adam's carries both bias corrections.
    pub(super) fn effective_rate(self, rate: f32, steps: u64) -> f32 {
        match self {
            Self::Adam => {
                let power = |beta: f32| 1.0 - f64::from(beta).powf(steps as f64);
                (f64::from(rate) * power(ADAM_BETAS.1).sqrt() / power(ADAM_BETAS.0)) as f32
            }
            _ => rate,
        }
    }

    /// Steps `parameters` along `gradient`. Compiled into its callers, for the vectors that they choose.
    #[inline(always)]
    pub(super) fn step(self, w: &mut [f32], g: &[f32], moments: (&mut [f32], &mut [f32]), rate: f32) {
        let (first, second) = moments;
        match self {
            Self::Sgd => w.iter_mut().zip(g).for_each(|(w, g)| *w -= rate * g),
            Self::Momentum { beta } => {
                for ((w, g), v) in w.iter_mut().zip(g).zip(first) {
                    *v = beta * *v + g;
                    *w -= rate * *v;
                }
            }
            Self::Adagrad => {
                for ((w, g), s) in w.iter_mut().zip(g).zip(first) {
                    *s += g * g;
                    *w -= rate * g / (s.sqrt() + ADAGRAD_EPSILON);
                }
            }
            Self::Adam => {
                let (b1, b2) = ADAM_BETAS;
                for (((w, g), m), v) in w.iter_mut().zip(g).zip(first).zip(second) {
                    *m = b1 * *m + (1.0 - b1) * g;
                    *v = b2 * *v + (1.0 - b2) * g * g;
                    *w -= rate * *m / (v.sqrt() + ADAM_EPSILON);
                }
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
            Self::Adagrad => "adagrad",
            Self::Adam => "adam",
        })
    }
}
