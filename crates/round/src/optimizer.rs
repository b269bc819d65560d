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
pub use sparse::SparseGradient;

use crate::{Error, fold};

/// Parameters folded and stepped at a time: 16 KiB of each vector, so that a block stays in the first-level cache.
const BLOCK: usize = 4096;

/// An optimiser's settings: its rule, its learning rate and the weight of the L2 penalty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer {
    rule: Rule,
    rate: f32,
    l2: f32,
}

impl Optimizer {
    /// An optimiser of this rule with this learning rate.
    ///
    /// # Errors
    /// When the rate is not a positive number.
    pub fn new(rule: Rule, rate: f32) -> Result<Self, Error> {
        if rate.is_finite() && rate > 0.0 {
            return Ok(Self { rule, rate, l2: 0.0 });
        }
        Err(Error::OutOfRange { what: "lr", got: rate.to_string(), must: "a positive number such as 0.1" })
    }

    /// The step that takes a gradient off the parameters as it is: for changes that workers have already scaled.
    pub fn unit() -> Self {
        Self { rule: Rule::Sgd, rate: 1.0, l2: 0.0 }
    }

    /// Adds l2 / 2 times the squared length of the regularised parameters to the objective.
    ///
    /// # Errors
    /// When the weight is negative or not a number.
    pub fn with_l2(self, l2: f32) -> Result<Self, Error> {
        if l2.is_finite() && l2 >= 0.0 {
            return Ok(Self { l2, ..self });
        }
        Err(Error::OutOfRange {
            what: "l2",
            got: l2.to_string(),
            must: "0 or a positive number such as 1e-4",
        })
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The learning rate.
    pub fn rate(&self) -> f32 {
        self.rate
    }

    /// The weight of the L2 penalty.
    pub fn l2(&self) -> f32 {
        self.l2
    }

    /// Its state for `parameters` parameters, of which the `regularised` ranges bear the L2 penalty.
    pub fn state(&self, parameters: usize, regularised: &[Range<usize>]) -> OptimizerState {
        let ranges = if self.l2 > 0.0 { regularised.to_vec() } else { Vec::new() };
        OptimizerState {
            optimizer: *self,
            regularised: ranges,
            moments: self.rule.moments(parameters),
            steps: 0,
            block: vec![0.0; BLOCK.min(parameters)],
            dense: Vec::new(),
        }
    }
}

/// What an optimiser remembers about its parameters between steps.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    optimizer: Optimizer,
    regularised: Vec<Range<usize>>,
    moments: [Vec<f32>; 2],
    steps: u64,
    /// Holds the folded gradient of one block.
    block: Vec<f32>,
    /// Holds the sum of sparse gradients where the rule must see it; zeros between steps, empty until it is needed.
    dense: Vec<f32>,
}

impl OptimizerState {
    /// Folds weighted `gradients`, each as long as `parameters`, in the order given, and takes one step.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[(&[f32], f32)]) {
        self.steps += 1;
        let rate = self.optimizer.rule.effective_rate(self.optimizer.rate, self.steps);
        let mut block = std::mem::take(&mut self.block);
        for start in (0..parameters.len()).step_by(BLOCK) {
            let range = start..parameters.len().min(start + BLOCK);
            match gradients {
                // The common case of one gradient needs no copy.
                [(gradient, 1.0)] if self.regularised.is_empty() => {
                    self.step_block(parameters, range.clone(), &gradient[range], rate);
                }
                _ => {
                    let folded = &mut block[..range.len()];
                    fold_block(folded, gradients, &range);
                    self.regularise(parameters, &range, folded);
                    self.step_block(parameters, range, folded, rate);
                }
            }
        }
        self.block = block;
    }

    /// One rule's step over one block.
    fn step_block(&mut self, parameters: &mut [f32], range: Range<usize>, gradient: &[f32], rate: f32) {
        let [first, second] = &mut self.moments;
        let moments = (block_of(first, &range), block_of(second, &range));
        let (rule, parameters) = (self.optimizer.rule, &mut parameters[range]);
        wide(
            #[inline(always)]
            || rule.step(parameters, gradient, moments, rate),
        );
    }

    /// Adds the L2 penalty's gradient, l2 w, for the regularised part of the block.
    fn regularise(&self, parameters: &[f32], block: &Range<usize>, gradient: &mut [f32]) {
        for range in &self.regularised {
            let common = range.start.max(block.start)..range.end.min(block.end);
            if common.is_empty() {
                continue;
            }
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
