//! A model whose gradients are computed by a script's own loop.
//!
//! To the parameter server it is a model like any other: a worker asks it for the gradient of a batch. It hands the parameters
//! to the script and waits until that comes with a gradient. Rows are only counted: a step of the script is a batch. What they hold
//! is whose they are, so that a script whose work passes from hand to hand knows what it is to work on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::SyncSender};

use syncline::{
    data::{Batch, Dataset, Dense, Features, FeaturesView, Targets},
    learn::{Model, Score},
};

use crate::lent::{Lent, lend};

/// What a script's loop is told.
pub(crate) enum Turn {
    /// A step: here are its parameters, and room for the gradient.
    Step(Place, Lent),
    /// There is no further step; the last parameters, or none where the run was ended early or goes on without this worker. The
    /// node ends when they are given back.
    Over(Lent),
}

/// Which step of a run it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose share of the work: as many as there are workers at most.
    pub(crate) share: usize,
    /// The round in the run.
    pub(crate) round: u64,
    /// The step in the round, which has several where workers take some of their own.
    pub(crate) step: u64,
}

/// The model, as the nodes of a run see it.
pub(crate) struct Outside {
    initial: Arc<[f32]>,
    turns: SyncSender<Turn>,
    /// What all models of a node have come to know last.
    last: Arc<Mutex<Vec<f32>>>,
    /// What a step comes to once the script has left.
    left: Score,
    round: u64,
    step: u64,
}

impl Outside {
    /// A model that begins with these parameters; its worker hands on `turns`. Once the script has left, its steps count for nothing.
    pub(crate) fn new(initial: Arc<[f32]>, turns: SyncSender<Turn>) -> Self {
        Self { initial, turns, last: Arc::default(), left: Score::default(), round: 0, step: 0 }
    }

    /// The same for a script that is alone: where it leaves nobody is left to go on, and the run ends by a loss without bounds.
    pub(crate) fn alone(self) -> Self {
        Self { left: Score { rows: 1, loss: f64::INFINITY, ..Score::default() }, ..self }
    }

    fn last(&self) -> MutexGuard<'_, Vec<f32>> {
        // No code that holds the lock can panic half-way through a change.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for Outside {
    fn parameters(&self) -> usize {
        self.initial.len()
    }

    fn initialise(&self, _seed: u64) -> Vec<f32> {
        self.initial.to_vec()
    }

    fn gradient(&mut self, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        let place = Place { share: share_of(batch), round: self.round, step: self.step };
        self.step += 1;
        let score = lend(parameters, gradient, |lent| {
            // A script that has left takes no more steps: the buffers come back unused.
            let _ = self.turns.send(Turn::Step(place, lent));
        });
        score.unwrap_or_else(|| {
            gradient.fill(0.0);
            self.left
        })
    }

    fn score(&mut self, _parameters: &[f32], _batch: &Batch<'_>) -> Score {
        Score::default()
    }

    fn begin(&mut self, round: u64) {
        (self.round, self.step) = (round, 0);
    }

    fn end(&mut self, parameters: Option<&[f32]>) {
        *self.last() = parameters.unwrap_or_default().to_vec();
    }

    fn leave(&mut self) {
        let last = std::mem::take(&mut *self.last());
        lend(&last, &mut [], |lent| _ = self.turns.send(Turn::Over(lent)));
    }

    fn may_be_tried(&self) -> bool {
        false
    }

    fn tells_loss(&self) -> bool {
        false
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        let (initial, turns, last) = (Arc::clone(&self.initial), self.turns.clone(), Arc::clone(&self.last));
        Box::new(Self { initial, turns, last, left: self.left, round: 0, step: 0 })
    }
}

/// Rows that stand for the samples of a script, as many for each share of the work: they say whose they are, and nothing else.
///
/// # Errors
/// When there are more than the system can hold.
pub(crate) fn samples(shares: usize, each: usize) -> Result<Dataset, syncline::data::Error> {
    // A run has fewer workers than an f32 has whole numbers.
    let whose = (0..shares).flat_map(|share| std::iter::repeat_n(share as f32, each)).collect();
    let features = Features::Dense(Dense::new(whose, 1)?);
    Dataset::new(features, Targets::Real(vec![0.0; shares * each]))
}

/// Whose share a batch is of.
fn share_of(batch: &Batch<'_>) -> usize {
    match &batch.features {
        FeaturesView::Dense(rows) => rows.values.first().map_or(0, |&share| share as usize),
        FeaturesView::Sparse(_) => 0,
    }
}
