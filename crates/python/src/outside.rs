//! A model whose gradients are computed by a script's own loop.
//!
//! To the parameter server it is a model like any other: a worker asks it for the gradient of a batch. It hands the parameters
//! to the script and waits until that comes with a gradient. Rows are only counted: a step of the script is a batch.

use std::sync::{Arc, mpsc::SyncSender};

use syncline::{
    data::{Batch, Dataset, Dense, Features, Targets},
    learn::{Model, Score},
};

use crate::lent::{Lent, lend};

/// What a script's loop is told.
pub(crate) enum Turn {
    /// A step: here are its parameters, and room for the gradient. The number is that of the round.
    Step(u64, Lent),
    /// There is no further step; the last parameters, or none where the run was ended early. The worker ends when they are given
    /// back.
    Over(Lent),
}

/// The model, as the nodes of a run see it.
pub(crate) struct Outside {
    initial: Arc<[f32]>,
    turns: SyncSender<Turn>,
    round: u64,
}

impl Outside {
    /// A model that begins with these parameters; its worker hands on `turns`.
    pub(crate) fn new(initial: Arc<[f32]>, turns: SyncSender<Turn>) -> Self {
        Self { initial, turns, round: 0 }
    }
}

impl Model for Outside {
    fn parameters(&self) -> usize {
        self.initial.len()
    }

    fn initialise(&self, _seed: u64) -> Vec<f32> {
        self.initial.to_vec()
    }

    fn gradient(&mut self, parameters: &[f32], _batch: &Batch<'_>, gradient: &mut [f32]) -> Score {
        let score = lend(parameters, gradient, |lent| {
            // A script that has left takes no more steps: the buffers come back unused.
            let _ = self.turns.send(Turn::Step(self.round, lent));
        });
        score.unwrap_or_else(|| {
            gradient.fill(0.0);
            Score::default()
        })
    }

    fn score(&mut self, _parameters: &[f32], _batch: &Batch<'_>) -> Score {
        Score::default()
    }

    fn begin(&mut self, round: u64) {
        self.round = round;
    }

    fn end(&mut self, parameters: Option<&[f32]>) {
        let take = |lent| _ = self.turns.send(Turn::Over(lent));
        lend(parameters.unwrap_or_default(), &mut [], take);
    }

    fn may_be_tried(&self) -> bool {
        false
    }

    fn boxed_clone(&self) -> Box<dyn Model> {
        Box::new(Self { initial: Arc::clone(&self.initial), turns: self.turns.clone(), round: 0 })
    }
}

/// Rows that stand for the samples of a script: they are counted, not looked at.
///
/// # Errors
/// When there are more than the system can hold.
pub(crate) fn samples(rows: usize) -> Result<Dataset, syncline::data::Error> {
    let features = Features::Dense(Dense::new(vec![0.0; rows], 1)?);
    Dataset::new(features, Targets::Real(vec![0.0; rows]))
}
