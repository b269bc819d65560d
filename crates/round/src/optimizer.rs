//! The server's step: from the gradients of a round to new parameters.
//!
//! A server holds a shard of the parameters and the optimiser's state for just that shard. Folding and stepping are
//! done block by block, so a gradient is read from memory once. A sparse gradient gives the same parameters as the
//! dense gradient that is zero elsewhere; it costs only its own length under `sgd` and `adagrad` without `l2`, whose
//! step at a zero gradient changes nothing, and a pass over the shard otherwise.

mod rule;
mod sparse;

use std::ops::Range;

use pulp::Arch;
pub use rule::Rule;
use rule::Step;
pub use sparse::SparseGradient;

use crate::{Error, fold};

/// Parameters folded and stepped at a time: 16 KiB of each vector, so that a block stays in the first-level cache.
const BLOCK: usize = 4096;

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
#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// How much of its velocity `momentum` keeps from step to step.
    ///
    /// # Errors
    /// When it is not at least 0 and below 1, or the rule has none.
    pub fn with_momentum(self, beta: f32) -> Result<Self, Error> {
        let beta = fraction("momentum", beta)?;
        match self.rule {
            Rule::Momentum { .. } => Ok(Self { rule: Rule::Momentum { beta }, ..self }),
            _ => Err(self.no_effect("momentum", "--optimizer momentum")),
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
        OptimizerState {
            optimizer: *self,
            regularised: ranges,
            moments: self.rule.moments(parameters),
            steps: 0,
            factor: 1.0,
            block: vec![0.0; BLOCK.min(parameters)],
            dense: Vec::new(),
        }
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

/// What an optimiser remembers about its parameters between steps.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    optimizer: Optimizer,
    regularised: Vec<Range<usize>>,
    moments: [Vec<f32>; 2],
    steps: u64,
    /// Of the learning rate.
    factor: f32,
    /// Holds the folded gradient of one block.
    block: Vec<f32>,
    /// Holds the sum of sparse gradients where the rule must see it; zeros between steps, empty until it is needed.
    dense: Vec<f32>,
}

impl OptimizerState {
    /// Multiplies the learning rate of the steps to come, as a [schedule](crate::Schedule) says.
    pub fn set_factor(&mut self, factor: f32) {
        self.factor = factor;
    }

    /// The numbers of the next step, which is thereby counted.
    fn next_step(&mut self) -> Step {
        self.steps += 1;
        let Optimizer { rule, rate, betas, eps, .. } = self.optimizer;
        Step::new(rule, rate * self.factor, betas, eps, self.steps)
    }

    /// Folds weighted `gradients`, each as long as `parameters`, in the order given, and takes one step.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[(&[f32], f32)]) {
        let next = self.next_step();
        let mut block = std::mem::take(&mut self.block);
        for start in (0..parameters.len()).step_by(BLOCK) {
            let range = start..parameters.len().min(start + BLOCK);
            match gradients {
                // The common case of one gradient needs no copy.
                [(gradient, 1.0)] if self.regularised.is_empty() => {
                    self.step_block(parameters, range.clone(), &gradient[range], next);
                }
                _ => {
                    let folded = &mut block[..range.len()];
                    fold_block(folded, gradients, &range);
                    self.regularise(parameters, &range, folded);
                    self.step_block(parameters, range.clone(), folded, next);
                    self.shrink(parameters, &range, next);
                }
            }
        }
        self.block = block;
    }

    /// One rule's step over one block.
    fn step_block(&mut self, parameters: &mut [f32], range: Range<usize>, gradient: &[f32], next: Step) {
        let [first, second] = &mut self.moments;
        let moments = (block_of(first, &range), block_of(second, &range));
        let parameters = &mut parameters[range];
        wide(
            #[inline(always)]
            || next.take(parameters, gradient, moments),
        );
    }

    /// The parts of the block that bear penalties.
    fn regularised(&self, block: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (block.start, block.end);
        let common = move |range: &Range<usize>| range.start.max(start)..range.end.min(end);
        self.regularised.iter().map(common).filter(|range| !range.is_empty())
    }

    /// Takes the L1 penalty's step, for the regularised part of the block.
    fn shrink(&self, parameters: &mut [f32], block: &Range<usize>, step: Step) {
        if self.optimizer.l1 == 0.0 {
            return;
        }
        let [first, second] = &self.moments;
        for range in self.regularised(block) {
            let part = |moment: &'_ Vec<f32>| if moment.is_empty() { 0..0 } else { range.clone() };
            let moments = (&first[part(first)], &second[part(second)]);
            step.shrink(&mut parameters[range.clone()], moments, self.optimizer.l1);
        }
    }

    /// Adds the L2 penalty's gradient, l2 w, for the regularised part of the block.
    fn regularise(&self, parameters: &[f32], block: &Range<usize>, gradient: &mut [f32]) {
        for common in self.regularised(block) {
            let within = common.start - block.start..common.end - block.start;
            for (g, w) in gradient[within].iter_mut().zip(&parameters[common]) {
                *g += self.optimizer.l2 * w;
            }
        }
    }
}

/// Folds one block of the gradients.
fn fold_block(out: &mut [f32], gradients: &[(&[f32], f32)], range: &Range<usize>) {
    match gradients {
        [(a, v), (b, w)] => {
            // Two workers are the common case: one pass over both.
            let pairs = a[range.clone()].iter().zip(&b[range.clone()]);
            wide(
                #[inline(always)]
                || out.iter_mut().zip(pairs).for_each(|(out, (a, b))| *out = v * a + w * b),
            );
        }
        _ => {
            let blocks: Vec<_> = gradients.iter().map(|(g, weight)| (&g[range.clone()], *weight)).collect();
            wide(
                #[inline(always)]
                || fold(out, &blocks),
            );
        }
    }
}

/// Runs a loop over elements with the widest vectors of this machine, since a portable binary would otherwise use the
/// narrowest. No element depends on another, so every width gives the same bits.
#[inline(always)]
fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// The block of a moment, empty where the rule keeps none.
fn block_of<'a>(moment: &'a mut [f32], range: &Range<usize>) -> &'a mut [f32] {
    if moment.is_empty() { moment } else { &mut moment[range.clone()] }
}
