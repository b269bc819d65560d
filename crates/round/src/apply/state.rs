//! The server's step: from the gradients of a round to new parameters.
//!
//! A server holds a shard of the parameters and the optimiser's state for just that shard. Folding and stepping are
//! done block by block, so a gradient is read from memory once. A sparse gradient gives the same parameters as the
//! dense gradient that is zero elsewhere; it costs only its own length under `sgd` and `adagrad` without `l2`, whose
//! step at a zero gradient changes nothing, and a pass over the shard otherwise.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    thread,
};

use pulp::Arch;
use serde::{Deserialize, Serialize};

use super::{Optimizer, rule::Step};
use crate::{Error, fold::fold};

/// Parameters folded and stepped at a time: 16 KiB of each vector, so that a block stays in the first-level cache.
const BLOCK: usize = 4096;

/// Parameters for which a thread is worth starting: stepping along so many takes some times as long.
const LEAST_PART: usize = 500_000;

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
        self.step_with(1, parameters, gradients);
    }

    /// The same, to the bit, with up to so many threads, as far as there is enough to do for each.
    pub fn step_with(&mut self, threads: usize, parameters: &mut [f32], gradients: &[(&[f32], f32)]) {
        let step = self.next_step();
        let length = parameters.len().div_ceil(threads.max(1)).max(LEAST_PART).next_multiple_of(BLOCK);
        let [mut first, mut second] = self.moments.each_mut().map(|moment| moment.chunks_mut(length));
        let (optimizer, regularised) = (self.optimizer, &self.regularised[..]);
        let parts = parameters.chunks_mut(length).enumerate().map(|(part, parameters)| {
            // There are none where the rule keeps none.
            let moments = [first.next().unwrap_or_default(), second.next().unwrap_or_default()];
            Part { optimizer, step, regularised, start: part * length, parameters, moments }
        });
        let (others, parts) = (parts.len().saturating_sub(1), Mutex::new(parts));
        // No code that holds the lock can panic half-way through a change.
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(part) = next() {
                part.step(gradients);
            }
        };
        thread::scope(|scope| {
            for _ in 0..others {
                // Where the system gives no thread, those that are there do its part.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
    }
}

/// Some of the parameters, in whole blocks, which are stepped apart from the others. Blocks are counted within the part.
struct Part<'a> {
    optimizer: Optimizer,
    step: Step,
    /// Among all parameters.
    regularised: &'a [Range<usize>],
    /// Where it starts among all parameters.
    start: usize,
    parameters: &'a mut [f32],
    /// Likewise of the moments, empty where the rule keeps none.
    moments: [&'a mut [f32]; 2],
}

impl Part<'_> {
    /// Folds and steps it, block by block.
    fn step(mut self, gradients: &[(&[f32], f32)]) {
        let mut folded = Vec::new();
        for start in (0..self.parameters.len()).step_by(BLOCK) {
            let block = start..self.parameters.len().min(start + BLOCK);
            let of_all = self.start + block.start..self.start + block.end;
            match gradients {
                // The common case of one gradient needs no copy.
                [(gradient, 1.0)] if self.regularised.is_empty() => self.take(&block, &gradient[of_all]),
                _ => {
                    folded.resize(block.len(), 0.0);
                    fold_block(&mut folded, gradients, &of_all);
                    self.regularise(&block, &mut folded);
                    self.take(&block, &folded);
                    self.shrink(&block);
                }
            }
        }
    }

    /// The rule's step over one block.
    fn take(&mut self, block: &Range<usize>, gradient: &[f32]) {
        let [first, second] = &mut self.moments;
        let moments = (block_of(first, block), block_of(second, block));
        let parameters = &mut self.parameters[block.clone()];
        let step = self.step;
        wide(
            #[inline(always)]
            || step.take(parameters, gradient, moments),
        );
    }

    /// The parts of the block that bear penalties.
    fn regularised(&self, block: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'_> {
        let (start, end) = (self.start + block.start, self.start + block.end);
        let common = move |range: &Range<usize>| range.start.max(start)..range.end.min(end);
        let common = self.regularised.iter().map(common).filter(|range| !range.is_empty());
        common.map(|range| range.start - self.start..range.end - self.start)
    }

    /// Takes the L1 penalty's step, for the regularised part of the block.
    fn shrink(&mut self, block: &Range<usize>) {
        if self.optimizer.l1() == 0.0 {
            return;
        }
        let ranges: Vec<_> = self.regularised(block).collect();
        for range in ranges {
            let [first, second] = &self.moments;
            let part = |moment: &'_ [f32]| if moment.is_empty() { 0..0 } else { range.clone() };
            let moments = (&first[part(first)], &second[part(second)]);
            self.step.shrink(&mut self.parameters[range.clone()], moments, self.optimizer.l1());
        }
    }

    /// Adds the L2 penalty's gradient, l2 w, for the regularised part of the block.
    fn regularise(&self, block: &Range<usize>, gradient: &mut [f32]) {
        for common in self.regularised(block) {
            let within = common.start - block.start..common.end - block.start;
            for (g, w) in gradient[within].iter_mut().zip(&self.parameters[common]) {
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
        Ok(Self { optimizer, parameters, regularised, moments, steps, factor, dense: Vec::new() })
    }
}
