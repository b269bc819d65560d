//! The server's step: from the gradients of a round to new parameters.
//!
//! A server holds a shard of the parameters and the optimiser's state for just that shard. Folding and stepping are
//! done block by block, so a gradient is read from memory once. A sparse gradient gives the same parameters as the
//! dense gradient that is zero elsewhere; it costs only its own length under `sgd` and `adagrad` without `l2`, whose
//! step at a zero gradient changes nothing, and a pass over the shard otherwise.

use std::ops::Range;

use pulp::Arch;
use serde::{Deserialize, Serialize};

use super::{Optimizer, rule::Step};
use crate::{Error, fold::fold};

/// Parameters folded and stepped at a time: 16 KiB of each vector, so that a block stays in the first-level cache.
const BLOCK: usize = 4096;

/// What an optimiser remembers about its parameters between steps.
///
/// It can be saved; what is read back is checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct OptimizerState {
    pub(super) optimizer: Optimizer,
    /// How many it is for.
    parameters: usize,
    pub(super) regularised: Vec<Range<usize>>,
    pub(super) moments: [Vec<f32>; 2],
    pub(super) steps: u64,
    /// Of the learning rate.
    pub(super) factor: f32,
    /// Holds the folded gradient of one block.
    block: Vec<f32>,
    /// Holds the sum of sparse gradients where the rule must see it; zeros between steps, empty until it is needed.
    pub(super) dense: Vec<f32>,
}

impl OptimizerState {
    pub(super) fn new(optimizer: Optimizer, parameters: usize, regularised: Vec<Range<usize>>) -> Self {
        Self {
            optimizer,
            parameters,
            regularised,
            moments: optimizer.rule().moments(parameters),
            steps: 0,
            factor: 1.0,
            block: vec![0.0; BLOCK.min(parameters)],
            dense: Vec::new(),
        }
    }

    /// What it remembers: its two moments, as long as the parameters or empty where the rule keeps none, and how many steps
    /// it has taken.
    pub fn memory(&self) -> ([&[f32]; 2], u64) {
        (self.moments.each_ref().map(Vec::as_slice), self.steps)
    }

    /// The same optimiser with what another of its kind remembered.
    ///
    /// # Errors
    /// When the moments are not such as it keeps: a file may hold anything.
    pub fn remembering(self, moments: [Vec<f32>; 2], steps: u64) -> Result<Self, Error> {
        Self::try_from(Saved { moments, steps, ..Saved::from(self) })
    }

    /// Multiplies the learning rate of the steps to come, as a [schedule](crate::Schedule) says.
    pub fn set_factor(&mut self, factor: f32) {
        self.factor = factor;
    }

    /// The numbers of the next step, which is thereby counted.
    pub(super) fn next_step(&mut self) -> Step {
        self.steps += 1;
        self.optimizer.step(self.factor, self.steps)
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
        if self.optimizer.l1() == 0.0 {
            return;
        }
        let [first, second] = &self.moments;
        for range in self.regularised(block) {
            let part = |moment: &'_ Vec<f32>| if moment.is_empty() { 0..0 } else { range.clone() };
            let moments = (&first[part(first)], &second[part(second)]);
            step.shrink(&mut parameters[range.clone()], moments, self.optimizer.l1());
        }
    }

    /// Adds the L2 penalty's gradient, l2 w, for the regularised part of the block.
    fn regularise(&self, parameters: &[f32], block: &Range<usize>, gradient: &mut [f32]) {
        for common in self.regularised(block) {
            let within = common.start - block.start..common.end - block.start;
            for (g, w) in gradient[within].iter_mut().zip(&parameters[common]) {
                *g += self.optimizer.l2() * w;
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

/// An [`OptimizerState`] as it is saved: without what is empty between steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    optimizer: Optimizer,
    parameters: usize,
    regularised: Vec<Range<usize>>,
    moments: [Vec<f32>; 2],
    steps: u64,
    factor: f32,
}

impl From<OptimizerState> for Saved {
    fn from(state: OptimizerState) -> Self {
        let OptimizerState { optimizer, parameters, regularised, moments, steps, factor, .. } = state;
        Self { optimizer, parameters, regularised, moments, steps, factor }
    }
}

impl TryFrom<Saved> for OptimizerState {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self, Error> {
        let Saved { optimizer, parameters, regularised, moments, steps, factor } = saved;
        optimizer.check()?;
        let lengths = moments.each_ref().map(Vec::len);
        let kept = optimizer.rule().keeps();
        let fits =
            lengths.iter().zip(kept).all(|(&length, kept)| length == if kept { parameters } else { 0 });
        let within = regularised.iter().all(|range| range.start <= range.end && range.end <= parameters);
        if !fits || !within || !factor.is_finite() {
            return Err(Error::OutOfRange {
                what: "the saved state of the optimiser",
                got: format!("of {parameters} parameters with moments of {} and {}", lengths[0], lengths[1]),
                must: "as long as the parameters wherever its rule has moments",
            });
        }
        // Moments were read, so that there is memory for them: `new` may make no others.
        let block = vec![0.0; BLOCK.min(parameters)];
        Ok(Self { optimizer, parameters, regularised, moments, steps, factor, block, dense: Vec::new() })
    }
}
