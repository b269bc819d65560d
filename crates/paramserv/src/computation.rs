//! What a worker does between a pull and a push: gradients of its batches.
//!
//! With several batches a round, each is followed by a step on the worker's own copy of the parameters, and what is
//! pushed is the sum of the batches' gradients, as SystemDS defines NBATCHES and EPOCH, or, for model averaging, how the
//! copy has changed. The optimiser of those steps starts afresh in every round, as the parameters do.
//!
//! Over sparse rows the gradient of one batch of a linear model is handed over as its [factors](syncline_learn::Factors),
//! so that a server of this process can step straight along the rows. Where any other round's rows read few of the
//! parameters, it is [compacted](Compact): the model then computes with just those, and the gradient has as many values.
//! That depends on the rows alone, so it is done once for each round of an epoch. Which form a gradient takes does not
//! depend on the executor or on what was pulled, so that BSP gives the same bits everywhere.

use std::{ops::Range, sync::Arc};

use syncline_data::{Batch, Dataset};
use syncline_learn::{Compact, Model, Score};
use syncline_round::{Fold, Optimizer};
use syncline_wire::Pool;

use crate::{
    batches::Batches,
    exchange::{Push, Touched},
    gradient::Rows,
};

/// Gradients under way at most: one is computed while another may still be in the servers' hands.
const GRADIENTS: usize = 4;

/// A round over only the parameters that it reads.
pub(crate) struct CompactRound {
    compact: Compact,
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

/// A worker's model and data.
pub(crate) struct Computation {
    model: Box<dyn Model>,
    data: Arc<Dataset>,
    batches: Batches,
    optimizer: Optimizer,
    fold: Fold,
    /// The compacted rounds of an epoch, each once it has been asked for; nothing where that is not worth while.
    compacted: Vec<Option<Option<Arc<CompactRound>>>>,
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
        model: Box<dyn Model>,
        data: Arc<Dataset>,
        batches: Batches,
        optimizer: Optimizer,
        fold: Fold,
    ) -> Self {
        Self {
            gradients: Pool::new(model.parameters() * size_of::<f32>() * GRADIENTS),
            compacted: (0..batches.rounds()).map(|_| None).collect(),
            parameters: Vec::new(),
            gradient: Vec::new(),
            model,
            data,
            batches,
            optimizer,
            fold,
        }
    }

    /// Round `round` of an epoch over the parameters that it reads; nothing where it reads them all, or has no rows.
    pub(crate) fn compact(&mut self, round: u64, shards: &[Range<usize>]) -> Option<Arc<CompactRound>> {
        let compacted = || {
            let compact = self.model.compact(&self.data.batch(self.batches.round(round)))?;
            let touched = Touched::new(compact.touched(), shards);
            Some(Arc::new(CompactRound { compact, touched }))
        };
        self.compacted.get_mut(round as usize)?.get_or_insert_with(compacted).clone()
    }

    /// Computes round `round` of an epoch from what was pulled: just the parameters that the round reads where these
    /// are given, else all of them.
    pub(crate) fn run(
        &mut self,
        round: u64,
        pulled: &[f32],
        touched: Option<Arc<CompactRound>>,
        shards: &[Range<usize>],
    ) -> Outcome {
        let rows = self.batches.round(round);
        if rows.is_empty() {
            return Outcome { score: Score::default(), gradient: Push::Nothing };
        }
        let local_steps = self.fold == Fold::Average || self.batches.within(rows.clone()).nth(1).is_some();
        if !local_steps && let Some(outcome) = self.factors(&rows, pulled, touched.as_deref()) {
            return outcome;
        }
        let data = Arc::clone(&self.data);
        let whole = data.batch(rows.clone());
        let mut own = std::mem::take(&mut self.parameters);
        let known = touched.is_some();
        let compact = touched.or_else(|| self.compact(round, shards));
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
            let start = rows.start;
            let batches = self.batches.within(rows).map(|rows| rows.start - start..rows.end - start);
            self.run_batches(&batch, batches, parameters, compact.as_deref(), out)
        } else {
            self.model.gradient(parameters, &batch, out)
        };
        self.parameters = own;
        let gradient = match compact {
            Some(round) => Push::Touched(round, gradient),
            None => Push::Whole(gradient),
        };
        Outcome { score, gradient }
    }

    /// The gradient of one batch in factors, where the model has them.
    fn factors(
        &mut self,
        rows: &Range<usize>,
        pulled: &[f32],
        touched: Option<&CompactRound>,
    ) -> Option<Outcome> {
        let whole = self.data.batch(rows.clone());
        let batch = touched.map_or(whole, |round| round.compact.batch(&whole));
        let (score, derivatives) = self.model.factors(pulled, &batch)?;
        let mut values = self.gradients.take(derivatives.len());
        // A buffer just taken has no other owner.
        values.get_mut().unwrap_or_default().copy_from_slice(derivatives);
        let rows = Rows { data: Arc::clone(&self.data), range: rows.clone() };
        Some(Outcome { score, gradient: Push::Factors(rows, values) })
    }

    /// Batches with a step of the worker's own after each: gives the sum of their gradients, or the change that the
    /// steps made.
    fn run_batches(
        &mut self,
        rows: &Batch<'_>,
        batches: impl Iterator<Item = Range<usize>>,
        pulled: &[f32],
        compact: Option<&CompactRound>,
        sum: &mut [f32],
    ) -> Score {
        let mut parameters = pulled.to_vec();
        let mut local = self.optimizer.state(parameters.len(), &self.regularised(compact));
        let mut score = Score::default();
        self.gradient.resize(sum.len(), 0.0);
        sum.fill(0.0);
        for batch in batches {
            score += self.model.gradient(&parameters, &rows.slice(batch), &mut self.gradient);
            sum.iter_mut().zip(&self.gradient).for_each(|(sum, g)| *sum += g);
            local.step(&mut parameters, &[(&self.gradient, 1.0)]);
        }
        if self.fold == Fold::Average {
            let changes = pulled.iter().zip(&parameters).map(|(before, after)| before - after);
            sum.iter_mut().zip(changes).for_each(|(sum, change)| *sum = change);
        }
        score
    }

    /// Where the L2 penalty acts, among the parameters that a round reads.
    fn regularised(&self, compact: Option<&CompactRound>) -> Vec<Range<usize>> {
        let ranges = self.model.regularised();
        let Some(round) = compact else { return ranges };
        let at = |end: usize| round.compact.touched().partition_point(|&index| (index as usize) < end);
        ranges.into_iter().map(|range| at(range.start)..at(range.end)).collect()
    }

    /// The score of these rows of `data`, in blocks that fit the model's workspace.
    pub(crate) fn score(&mut self, parameters: &[f32], data: &Dataset, rows: Range<usize>) -> Score {
        let blocks = rows.clone().step_by(SCORED).map(|start| start..rows.end.min(start + SCORED));
        blocks.map(|block| self.model.score(parameters, &data.batch(block))).sum()
    }
}

/// Rows scored at a time.
const SCORED: usize = 256;
