//! Bulyan: Krum picks, then each coordinate is the mean of the values nearest to the median of the picked, so that
//! a bad client cannot hide a large change of one coordinate among many small ones. (El Mhamdi et al., arXiv
//! 1802.07927.)

use super::krum::Distances;
use super::median::{mean, median};
use super::{Answer, Fold};
use crate::{Error, Result};

/// Bulyan against `liars` bad clients; it needs 4 liars + 3 answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulyan {
    liars: usize,
}

impl Bulyan {
    /// Stands `liars` bad clients.
    pub fn new(liars: usize) -> Self {
        Self { liars }
    }
}

impl Fold for Bulyan {
    fn combine(&self, answers: &[&Answer]) -> Result<Vec<f64>> {
        let (found, needed) = (answers.len(), 4 * self.liars + 3);
        // With nobody bad it is the mean, of any number of answers.
        if self.liars > 0 && found < needed {
            return Err(Error::TooFew { fold: "bulyan", liars: self.liars, needed, found });
        }
        let distances = Distances::between(answers);
        let mut left: Vec<usize> = (0..found).collect();
        let mut picked = Vec::new();
        while picked.len() < found - 2 * self.liars {
            let scores = distances.scores(&left, self.liars);
            let best =
                (0..left.len()).fold(0, |best, next| if scores[next] < scores[best] { next } else { best });
            picked.push(left.remove(best));
        }
        let kept = found - 4 * self.liars;
        Ok((0..answers[0].values.len())
            .map(|column| {
                let values: Vec<f64> = picked.iter().map(|index| answers[*index].values[column]).collect();
                nearest_mean(values, kept)
            })
            .collect())
    }
}

/// The mean of the `count` values nearest to the median of all. Of two equally near ones that of the client picked first counts.
fn nearest_mean(mut values: Vec<f64>, count: usize) -> f64 {
    let mut sorted = values.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let centre = median(&sorted);
    // Stable, so that ties keep the order in which the clients were picked.
    values.sort_by(|a, b| (a - centre).abs().total_cmp(&(b - centre).abs()));
    mean(&values[..count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_the_nearest() {
        let values = vec![1.0, 5.0, 3.0, 4.0, 100.0];
        assert_eq!(nearest_mean(values.clone(), 1), 4.0, "the nearest is the median itself");
        assert_eq!(nearest_mean(values.clone(), 2), 4.5, "of 5 and 3, equally near, the one picked first");
        assert!((nearest_mean(values, 5) - 22.6).abs() < 1e-12, "of all it is the mean");
        assert_eq!(nearest_mean(vec![0.7; 4], 3), 0.7, "identical values are unchanged");
    }
}
