//! An optimiser's settings.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{OptimizerState, Rule, rule::Step};
use crate::Error;

/// An optimiser's settings: its rule with its numbers, its learning rate and the weights of the penalties.
///
/// ```
/// use syncline_round::{Optimizer, Rule};
///
/// let adam = Optimizer::new(Rule::Adam, 0.01)?.with_betas(0.9, 0.99)?.with_l2(1e-4)?;
/// assert_eq!(adam.rate(), 0.01);
/// assert!(Optimizer::new(Rule::Sgd, 0.1)?.with_momentum(0.9).is_err(), "sgd has none");
/// # Ok::<(), syncline_round::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    rule: Rule,
    rate: f32,
    betas: (f32, f32),
    eps: f32,
    l1: f32,
    l2: f32,
}

impl Optimizer {
    /// An optimiser of this rule with this learning rate.
    ///
    /// # Errors
    /// When the rate is not a positive number.
    pub fn new(rule: Rule, rate: f32) -> Result<Self, Error> {
        if rate.is_finite() && rate > 0.0 {
            return Ok(Self { rate, ..Self::plain(rule) });
        }
        Err(Error::OutOfRange { what: "lr", got: rate.to_string(), must: "a positive number such as 0.1" })
    }

    /// The rule with its usual numbers.
    pub fn plain(rule: Rule) -> Self {
        Self { rule, rate: rule.default_rate(), betas: ADAM_BETAS, eps: rule.default_eps(), l1: 0.0, l2: 0.0 }
    }

    /// The step that takes a gradient off the parameters as it is: for changes that workers have already scaled.
    pub fn unit() -> Self {
        Self { rate: 1.0, ..Self::plain(Rule::Sgd) }
    }

    /// The same at a rate that is known to be one.
    pub(crate) fn at_rate(self, rate: f32) -> Self {
        Self { rate, ..self }
    }

    /// How much of its velocity `momentum` or `nesterov` keeps from step to step.
    ///
    /// # Errors
    /// When it is not at least 0 and below 1, or the rule has none.
    pub fn with_momentum(self, beta: f32) -> Result<Self, Error> {
        let beta = fraction("momentum", beta)?;
        match self.rule {
            Rule::Momentum { .. } => Ok(Self { rule: Rule::Momentum { beta }, ..self }),
            Rule::Nesterov { .. } => Ok(Self { rule: Rule::Nesterov { beta }, ..self }),
            _ => Err(self.no_effect("momentum", "--optimizer momentum or nesterov")),
        }
    }

    /// How much `adam` keeps of its first and second moments from step to step; 0.9 and 0.999 by default.
    ///
    /// # Errors
    /// When one is not at least 0 and below 1, or the rule has none.
    pub fn with_betas(self, first: f32, second: f32) -> Result<Self, Error> {
        let betas = (fraction("beta1", first)?, fraction("beta2", second)?);
        match self.rule {
            Rule::Adam => Ok(Self { betas, ..self }),
            _ => Err(self.no_effect("beta1 or beta2", "--optimizer adam")),
        }
    }

    /// What keeps the divisor of `adam` (1e-8 by default) and `adagrad` (1e-10) from being zero.
    ///
    /// # Errors
    /// When it is not a positive number, or the rule has none.
    pub fn with_eps(self, eps: f32) -> Result<Self, Error> {
        if !(eps.is_finite() && eps > 0.0) {
            return Err(Error::OutOfRange {
                what: "eps",
                got: eps.to_string(),
                must: "a positive number such as 1e-8",
            });
        }
        match self.rule {
            Rule::Adam | Rule::Adagrad => Ok(Self { eps, ..self }),
            _ => Err(self.no_effect("eps", "--optimizer adam or adagrad")),
        }
    }

    /// Adds l1 times the sum of the regularised parameters' magnitudes to the objective, so that those that matter
    /// little become exactly zero.
    ///
    /// # Errors
    /// When the weight is negative or not a number.
    pub fn with_l1(self, l1: f32) -> Result<Self, Error> {
        Ok(Self { l1: penalty("l1", l1)?, ..self })
    }

    /// Adds l2 / 2 times the squared length of the regularised parameters to the objective.
    ///
    /// # Errors
    /// When the weight is negative or not a number.
    pub fn with_l2(self, l2: f32) -> Result<Self, Error> {
        Ok(Self { l2: penalty("l2", l2)?, ..self })
    }

    fn no_effect(&self, what: &'static str, instead: &'static str) -> Error {
        Error::NoEffect { what, on: self.rule.to_string(), instead }
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The learning rate.
    pub fn rate(&self) -> f32 {
        self.rate
    }

    /// How much of its velocity it keeps, if it has one.
    pub fn momentum(&self) -> Option<f32> {
        match self.rule {
            Rule::Momentum { beta } | Rule::Nesterov { beta } => Some(beta),
            _ => None,
        }
    }

    /// How much `adam` keeps of its first and second moments.
    pub fn betas(&self) -> (f32, f32) {
        self.betas
    }

    /// What keeps the divisor from being zero.
    pub fn eps(&self) -> f32 {
        self.eps
    }

    /// The weight of the L1 penalty.
    pub fn l1(&self) -> f32 {
        self.l1
    }

    /// The weight of the L2 penalty.
    pub fn l2(&self) -> f32 {
        self.l2
    }

    /// Its state for `parameters` parameters, of which the `regularised` ranges bear the penalties.
    pub fn state(&self, parameters: usize, regularised: &[Range<usize>]) -> OptimizerState {
        let ranges = if self.l1 > 0.0 || self.l2 > 0.0 { regularised.to_vec() } else { Vec::new() };
        OptimizerState::new(*self, parameters, ranges)
    }

    /// Step `steps`, from 1, at a factor of the rate.
    pub(super) fn step(&self, factor: f32, steps: u64) -> Step {
        Step::new(self.rule, self.rate * factor, self.betas, self.eps, steps)
    }

    /// Whether its numbers are such as could be set.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { rule, rate, betas, eps, l1, l2 } = *self;
        Self::new(rule, rate)?.with_l1(l1)?.with_l2(l2)?;
        match rule {
            Rule::Sgd => {}
            Rule::Momentum { beta } | Rule::Nesterov { beta } => drop(fraction("momentum", beta)?),
            Rule::Adagrad => drop(Self::plain(rule).with_eps(eps)?),
            Rule::Adam => drop(Self::plain(rule).with_betas(betas.0, betas.1)?.with_eps(eps)?),
        }
        Ok(())
    }
}

/// Kingma and Ba's.
const ADAM_BETAS: (f32, f32) = (0.9, 0.999);

fn fraction(what: &'static str, value: f32) -> Result<f32, Error> {
    if (0.0..1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::OutOfRange { what, got: value.to_string(), must: "at least 0 and below 1, such as 0.9" })
}

fn penalty(what: &'static str, value: f32) -> Result<f32, Error> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(Error::OutOfRange { what, got: value.to_string(), must: "0 or a positive number such as 1e-4" })
}
