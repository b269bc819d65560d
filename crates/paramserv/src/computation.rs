//! What a worker does between a pull and a push: gradients of its batches.
//!
//! With several batches a round, each is followed by a step on the worker's own copy of the parameters, and what is
//! pushed is the sum of the batches' gradients, as SystemDS defines NBATCHES and EPOCH, or, for model averaging, how the
//! copy has changed. The optimiser of those steps starts afresh in every round, as the parameters do; under a policy of local
//! steps what it remembers stays from round to round, as if the worker were alone.
//!
//! The rows are gone through in another [order](crate::order) in every epoch, so the rows of a round are first gathered:
//! they are read once from memory either way, and lie in the caches while the model computes with them.
//!
//! Over sparse rows the gradient of one batch of a linear model is handed over as its [factors](syncline_learn::Factors),
//! so that a server of this process can step straight along the rows. Where any other round's rows read few of the
//! parameters, it is [compacted](Compact): the model then computes with just those, and the gradient has as many values.
//! Where rows are not shuffled that is done once for each round of an epoch. Which form a gradient takes does not
//! depend on the executor or on what was pulled, so that BSP gives the same bits everywhere.

use std::{ops::Range, sync::Arc};

use syncline_data::{Batch, Dataset};
use syncline_learn::{Compact, Model, Score};
use syncline_round::{Fold, Optimizer, OptimizerState};
use syncline_wire::{Pool, Tensor};

use crate::{
    Error,
    batches::Batches,
    compression::{Compression, Feedback, PushCodec, TooLarge},
    delay::mix,
    exchange::{Push, Touched},
    gradient::Rows,
    order::Order,
    protocol::Memory,
    server::Pace,
    suspect::{suspect, suspect_of_own},
};

/// Gradients under way at most: one is computed while another may still be in the servers' hands.
const GRADIENTS: usize = 4;

/// A round over only the parameters that it reads.
pub(crate) struct CompactRound {
    pub compact: Compact,
    /// The same coordinates by server.
    pub touched: Touched,
}

/// Which of the parameters were pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pull {
    /// All.
    Whole,
    /// Those that the round reads.
    Touched,
}

/// What of a run's settings decides what a worker computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub optimizer: Optimizer,
    pub fold: Fold,
    /// Whether the optimiser of a worker's own steps remembers from round to round.
    pub keeps_memory: bool,
    pub pace: Pace,
    /// The longest that the gradient of a batch may be.
    pub clip: Option<f32>,
    pub compression: Compression,
    pub shuffle: bool,
    /// Whether a worker's rows lie in an order that was drawn.
    pub rows_are_drawn: bool,
    pub seed: u64,
}

/// The rows of one round, made ready.
#[derive(Clone)]
struct Prepared {
    clock: u64,
    rows: Rows,
    /// Once it has been asked for; nothing where compacting is not worth while.
    compact: Option<Option<Arc<CompactRound>>>,
}

/// An optimiser of a worker's own.
struct Inner {
    /// As it was after the last round that the servers have.
    settled: OptimizerState,
    /// As it was after the round that they are being handed, which may have to be done again.
    ahead: Option<OptimizerState>,
}

/// A worker's model and data.
pub(crate) struct Computation {
    worker: u32,
    model: Box<dyn Model>,
    data: Arc<Dataset>,
    /// The rows of all workers.
    all: Arc<Dataset>,
    batches: Batches,
    recipe: Recipe,
    /// In which order the rows are gone through; nothing where that is the order in which they lie.
    order: Option<Order>,
    prepared: Option<Prepared>,
    /// Without shuffling, the compacted rounds of an epoch, each once it has been asked for.
    compacted: Vec<Option<Option<Arc<CompactRound>>>>,
    /// Where it remembers from round to round.
    inner: Option<Inner>,
    /// Where pushes leave something out.
    feedback: Option<Feedback>,
    gradients: Pool<f32>,
    /// The parameters of a round where they are not used as pulled, and one batch's gradient.
    parameters: Vec<f32>,
    gradient: Vec<f32>,
}

/// What a round gave.
pub(crate) struct Outcome {
    pub score: Score,
    pub gradient: Push,
}

impl Computation {
    pub(crate) fn new(
        worker: u32,
        model: Box<dyn Model>,
        data: Arc<Dataset>,
        all: Arc<Dataset>,
        batches: Batches,
        recipe: Recipe,
    ) -> Self {
        // Rows that are all in one batch of the one round need no order.
        let shuffle = recipe.shuffle && batches.are_several();
        Self {
            worker,
            gradients: Pool::new(model.parameters() * size_of::<f32>() * GRADIENTS),
            order: shuffle.then(|| Order::new(recipe.seed, worker, recipe.rows_are_drawn, batches.rows())),
            compacted: (0..batches.rounds()).map(|_| None).collect(),
            prepared: None,
            inner: recipe
                .keeps_memory
                .then(|| Inner { settled: fresh(&*model, recipe.optimizer), ahead: None }),
            feedback: recipe.compression.keeps_residual().then(|| Feedback::new(model.parameters())),
            parameters: Vec::new(),
            gradient: Vec::new(),
            model,
            data,
            all,
            batches,
            recipe,
        }
    }

    /// Takes up other rows, from the beginning of an epoch on.
    pub(crate) fn deal(&mut self, data: Arc<Dataset>, batches: Batches) {
        self.order = self
            .order
            .take()
            .map(|_| Order::new(self.recipe.seed, self.worker, self.recipe.rows_are_drawn, batches.rows()));
        self.compacted = (0..batches.rounds()).map(|_| None).collect();
        self.prepared = None;
        (self.data, self.batches) = (data, batches);
    }

    /// The rows of a round of the run.
    fn prepare(&mut self, clock: u64) -> &mut Prepared {
        let stale = self.prepared.as_ref().is_none_or(|prepared| prepared.clock != clock);
        if stale {
            // Its rows are free to be overwritten.
            self.prepared = None;
            let round = self.batches.round(clock % self.recipe.pace.rounds_per_epoch);
            let rows = match &mut self.order {
                None => Rows { data: Arc::clone(&self.data), range: round },
                Some(order) => {
                    let epoch = clock / self.recipe.pace.rounds_per_epoch;
                    let range = 0..round.len();
                    Rows { data: order.gather(&self.data, epoch, round), range }
                }
            };
            return self.prepared.insert(Prepared { clock, rows, compact: None });
        }
        match &mut self.prepared {
            Some(prepared) => prepared,
            None => unreachable!("what is not stale is there"),
        }
    }

    /// A round of the run over the parameters that it reads; nothing where it reads them all, or has no rows.
    pub(crate) fn compact(&mut self, clock: u64, shards: &[Range<usize>]) -> Option<Arc<CompactRound>> {
        // What is remembered moves parameters that no row reads.
        if self.inner.is_some() {
            return None;
        }
        let prepared = self.prepare(clock);
        if let Some(compact) = &prepared.compact {
            return compact.clone();
        }
        let rows = prepared.rows.clone();
        if rows.range.is_empty() {
            return None;
        }
        let compacted = || {
            let compact = self.model.compact(&rows.data.batch(rows.range.clone()))?;
            let touched = Touched::new(compact.touched(), shards);
            Some(Arc::new(CompactRound { compact, touched }))
        };
        let compact = if self.order.is_some() {
            compacted()
        } else {
            let round = clock % self.recipe.pace.rounds_per_epoch;
            self.compacted.get_mut(round as usize)?.get_or_insert_with(compacted).clone()
        };
        self.prepare(clock).compact = Some(compact.clone());
        compact
    }

    /// Computes a round of the run from what was pulled: just the parameters that the round reads where these are given,
    /// else all of them.
    pub(crate) fn run(
        &mut self,
        clock: u64,
        pulled: &[f32],
        touched: Option<Arc<CompactRound>>,
        shards: &[Range<usize>],
    ) -> Outcome {
        let rows = self.prepare(clock).rows.clone();
        if rows.range.is_empty() {
            return Outcome { score: Score::default(), gradient: Push::Nothing };
        }
        self.model.begin(clock);
        self.model.reseed(mix(self.recipe.seed, self.worker.into(), clock));
        let local_steps =
            self.recipe.fold == Fold::Average || self.batches.within(rows.range.clone()).nth(1).is_some();
        // The length of a gradient in factors is not known before they are multiplied out, and they are no numbers to be sent
        // shorter.
        let factors = !local_steps && self.recipe.clip.is_none() && self.recipe.compression.push.is_none();
        if factors && let Some(outcome) = self.factors(&rows, pulled, touched.as_deref()) {
            return outcome;
        }
        let whole = rows.data.batch(rows.range.clone());
        let mut own = std::mem::take(&mut self.parameters);
        let known = touched.is_some();
        let compact = touched.or_else(|| self.compact(clock, shards));
        let (batch, parameters) = match &compact {
            None => (whole, pulled),
            Some(round) if known => (round.compact.batch(&whole), pulled),
            Some(round) => {
                own.resize(round.compact.touched().len(), 0.0);
                round.compact.gather(pulled, &mut own);
                (round.compact.batch(&whole), &own[..])
            }
        };
        let mut gradient = self.gradients.take(parameters.len());
        let out = gradient.get_mut().unwrap_or_default();
        let score = if local_steps {
            let start = rows.range.start;
            let batches = self.batches.within(rows.range.clone());
            let batches = batches.map(|rows| rows.start - start..rows.end - start);
            self.run_batches(clock, &batch, batches, parameters, compact.as_deref(), out)
        } else {
            let score = self.model.gradient(parameters, &batch, out);
            clip(out, self.recipe.clip);
            score
        };
        self.parameters = own;
        let gradient = match compact {
            Some(round) => Push::Touched(round, gradient),
            None => Push::Whole(gradient),
        };
        Outcome { score, gradient }
    }

    /// The gradient of one batch in factors, where the model has them.
    fn factors(&mut self, rows: &Rows, pulled: &[f32], touched: Option<&CompactRound>) -> Option<Outcome> {
        let whole = rows.data.batch(rows.range.clone());
        let batch = touched.map_or(whole, |round| round.compact.batch(&whole));
        let (score, derivatives) = self.model.factors(pulled, &batch)?;
        let mut values = self.gradients.take(derivatives.len());
        // A buffer just taken has no other owner.
        values.get_mut().unwrap_or_default().copy_from_slice(derivatives);
        Some(Outcome { score, gradient: Push::Factors(rows.clone(), values) })
    }

    /// Batches with a step of the worker's own after each: gives the sum of their gradients, or the change that the
    /// steps made.
    fn run_batches(
        &mut self,
        clock: u64,
        rows: &Batch<'_>,
        batches: impl Iterator<Item = Range<usize>>,
        pulled: &[f32],
        compact: Option<&CompactRound>,
        sum: &mut [f32],
    ) -> Score {
        let mut parameters = pulled.to_vec();
        let mut local = match &self.inner {
            Some(inner) => inner.settled.clone(),
            None => self.recipe.optimizer.state(parameters.len(), &self.regularised(compact)),
        };
        local.set_factor(self.recipe.pace.factor(clock));
        let mut score = Score::default();
        self.gradient.resize(sum.len(), 0.0);
        sum.fill(0.0);
        for batch in batches {
            score += self.model.gradient(&parameters, &rows.slice(batch), &mut self.gradient);
            clip(&mut self.gradient, self.recipe.clip);
            sum.iter_mut().zip(&self.gradient).for_each(|(sum, g)| *sum += g);
            local.step(&mut parameters, &[(&self.gradient, 1.0)]);
        }
        if let Some(inner) = &mut self.inner {
            inner.ahead = Some(local);
        }
        if self.recipe.fold == Fold::Average {
            let changes = pulled.iter().zip(&parameters).map(|(before, after)| before - after);
            sum.iter_mut().zip(changes).for_each(|(sum, change)| *sum = change);
        }
        score
    }

    /// What is sent of a gradient.
    pub(crate) fn pack(&mut self, gradient: Push) -> Result<Push, TooLarge> {
        match (self.recipe.compression.push, &mut self.feedback) {
            (None, _) => Ok(gradient),
            (Some(codec), Some(feedback)) => feedback.send(codec, gradient),
            (Some(PushCodec::Format(format)), None) => gradient.packed(format),
            (Some(PushCodec::TopK(_)), None) => unreachable!("what top-k leaves out is kept"),
        }
    }

    /// The servers have the last round: what was remembered in it stays.
    pub(crate) fn settle(&mut self) {
        if let Some(feedback) = &mut self.feedback {
            feedback.settle();
        }
        if let Some(inner) = &mut self.inner
            && let Some(ahead) = inner.ahead.take()
        {
            inner.settled = ahead;
        }
    }

    /// What the worker remembers before the next round.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = self.inner.as_ref().map(|inner| Memory::of(&inner.settled)).unwrap_or_default();
        memory.residual = self.feedback.as_ref().map(Feedback::kept).unwrap_or_default();
        memory
    }

    /// Takes up what was remembered; of another history that is nothing if nobody knows.
    pub(crate) fn recall(&mut self, memory: Option<Memory>, is_another_history: bool) -> Result<(), Error> {
        if let Some(feedback) = &mut self.feedback {
            match &memory {
                Some(memory) => feedback.recall(&memory.residual),
                None if is_another_history => feedback.recall(&[]),
                None => feedback.again(),
            }
        }
        let Some(inner) = &mut self.inner else { return Ok(()) };
        inner.ahead = None;
        let fresh = || fresh(&*self.model, self.recipe.optimizer);
        match memory {
            Some(Memory { steps, moments, .. }) => {
                inner.settled = fresh().remembering(moments.map(Tensor::into_vec), steps)?;
            }
            None if is_another_history => inner.settled = fresh(),
            None => {}
        }
        Ok(())
    }

    /// Where the penalties act, among the parameters that a round reads.
    fn regularised(&self, compact: Option<&CompactRound>) -> Vec<Range<usize>> {
        let ranges = self.model.regularised();
        let Some(round) = compact else { return ranges };
        let at = |end: usize| round.compact.touched().partition_point(|&index| (index as usize) < end);
        ranges.into_iter().map(|range| at(range.start)..at(range.end)).collect()
    }

    /// Whether every score has a loss.
    pub(crate) fn tells_loss(&self) -> bool {
        self.model.tells_loss()
    }

    /// What in the data may be behind a round that gave no number.
    pub(crate) fn suspect(&mut self, clock: u64) -> Option<String> {
        let rows = self.prepare(clock).rows.clone();
        match self.all.is_hollow() {
            true => suspect_of_own((&rows.data, rows.range), &self.data),
            false => suspect((&rows.data, rows.range), &self.all),
        }
    }

    /// How many batches a round of the run has.
    pub(crate) fn batches_of(&self, clock: u64) -> usize {
        let round = self.batches.round(clock % self.recipe.pace.rounds_per_epoch);
        self.batches.within(round).count()
    }

    /// How many rows each batch of a round has in the mean, over what a batch of the run has.
    pub(crate) fn batch_share(&self, clock: u64, batch: usize) -> f64 {
        let round = self.batches.round(clock % self.recipe.pace.rounds_per_epoch);
        round.len() as f64 / (self.batches_of(clock).max(1) * batch) as f64
    }

    /// Tells the model that there is no further round.
    pub(crate) fn end(&mut self, parameters: Option<&[f32]>) {
        self.model.end(parameters);
    }

    /// The score of these rows of `data`, in blocks that fit the model's workspace.
    pub(crate) fn score(&mut self, parameters: &[f32], data: &Dataset, rows: Range<usize>) -> Score {
        let blocks = rows.clone().step_by(SCORED).map(|start| start..rows.end.min(start + SCORED));
        blocks.map(|block| self.model.score(parameters, &data.batch(block))).sum()
    }
}

/// A worker's own optimiser that remembers nothing yet.
fn fresh(model: &dyn Model, optimizer: Optimizer) -> OptimizerState {
    optimizer.state(model.parameters(), &model.regularised())
}

/// Rows scored at a time.
const SCORED: usize = 256;

/// Shortens a gradient that is longer than `most` to that length, so that no batch makes a huge step (Pascanu, Mikolov and
/// Bengio 2013).
pub(crate) fn clip(gradient: &mut [f32], most: Option<f32>) {
    let Some(most) = most else { return };
    let length = gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
    if length > f64::from(most) {
        let factor = (f64::from(most) / length) as f32;
        gradient.iter_mut().for_each(|g| *g *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_the_direction() {
        let mut gradient = [3.0, 4.0];
        clip(&mut gradient, Some(10.0));
        clip(&mut gradient, None);
        assert_eq!(gradient, [3.0, 4.0]);
        clip(&mut gradient, Some(1.0));
        assert_eq!(gradient, [0.6, 0.8]);
    }
}
