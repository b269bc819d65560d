//! Krum: the answer whose nearest others are nearest, or the mean of the best few (Blanchard et al., arXiv 1703.02757). Its
//! guarantee holds for at least 2 liars + 3 answers.

use super::mean;

/// The mean, weighted by samples, of the `keep` answers of least score against `liars` bad ones; of all where there are fewer.
///
/// # Panics
/// Without answers, or if none is kept.
pub fn krum(answers: &[&[f64]], samples: &[f64], liars: usize, keep: usize) -> Vec<f64> {
    let distances = Distances::between(answers);
    let scores = distances.scores(&(0..answers.len()).collect::<Vec<_>>(), liars);
    let mut best: Vec<usize> = (0..answers.len()).collect();
    // A stable sort: ties go to the earlier answer.
    best.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    best.truncate(keep);
    best.sort_unstable();
    let kept: Vec<&[f64]> = best.iter().map(|&index| answers[index]).collect();
    let samples: Vec<f64> = best.iter().map(|&index| samples[index]).collect();
    mean(&kept, &samples)
}

/// Squared distances between all answers.
pub(super) struct Distances {
    squared: Vec<f64>,
    count: usize,
}

impl Distances {
    pub(super) fn between(answers: &[&[f64]]) -> Self {
        let count = answers.len();
        let mut squared = vec![0.0; count * count];
        for i in 0..count {
            for j in i + 1..count {
                let pairs = answers[i].iter().zip(answers[j]);
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
