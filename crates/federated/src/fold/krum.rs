//! Krum: the answer whose nearest others are nearest, or the mean of the best few. (Blanchard et al., arXiv
//! 1703.02757.)

use super::{Answer, Fold, Mean};
use crate::Result;
use crate::error::within;

/// Krum against `liars` bad clients; Multi-Krum where more than one answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Krum {
    liars: usize,
    keep: usize,
}

impl Krum {
    /// The one answer of least score.
    pub fn new(liars: usize) -> Self {
        Self { liars, keep: 1 }
    }

    /// The sample-weighted mean of the `keep` answers of least score; of all, where there are fewer.
    ///
    /// # Errors
    /// Unless at least one is kept.
    pub fn multi(liars: usize, keep: usize) -> Result<Self> {
        within("the number of answers kept", keep, 1, usize::MAX)?;
        Ok(Self { liars, keep })
    }

    /// Whether the guarantee of the paper holds for `answers` answers: 2 liars + 3 are needed.
    pub fn is_guaranteed(&self, answers: usize) -> bool {
        answers >= 2 * self.liars + 3
    }
}

impl Fold for Krum {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        let distances = Distances::between(answers);
        let scores = distances.scores(&(0..answers.len()).collect::<Vec<_>>(), self.liars);
        let mut best: Vec<usize> = (0..answers.len()).collect();
        // A stable sort: ties go to the lower client.
        best.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        best.truncate(self.keep);
        best.sort_unstable();
        let kept: Vec<&Answer> = best.into_iter().map(|index| answers[index]).collect();
        Mean.combine(&kept)
    }
}

/// Squared distances between all answers.
pub(super) struct Distances {
    squared: Vec<f64>,
    count: usize,
}

impl Distances {
    pub(super) fn between(answers: &[&Answer]) -> Self {
        let count = answers.len();
        let mut squared = vec![0.0; count * count];
        for i in 0..count {
            for j in i + 1..count {
                let pairs = answers[i].values.iter().zip(&answers[j].values);
                let distance: f64 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
                squared[i * count + j] = distance;
                squared[j * count + i] = distance;
            }
        }
        Self { squared, count }
    }

    /// For each of the answers `among`: the sum of its squared distances to the nearest max(1, n - liars - 2)
    /// others of them.
    pub(super) fn scores(&self, among: &[usize], liars: usize) -> Vec<f64> {
        let nearest = among.len().saturating_sub(liars + 2).max(1);
        let score = |index: &usize| {
            let others = among.iter().filter(|other| *other != index);
            let mut distances: Vec<f64> =
                others.map(|other| self.squared[index * self.count + other]).collect();
            distances.sort_unstable_by(f64::total_cmp);
            distances.iter().take(nearest).sum()
        };
        among.iter().map(score).collect()
    }
}
