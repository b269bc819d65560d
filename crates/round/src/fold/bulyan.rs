//! Bulyan: Krum picks, then each coordinate is the mean of the values nearest to the median of the picked, so that
//! a bad answer cannot hide a large change of one coordinate among many small ones (El Mhamdi et al., arXiv 1802.07927).

use super::{krum::Distances, median::middle, trimmed::plain_mean};

/// The fold against `liars` bad answers; nothing where there are fewer than 4 liars + 3, which it needs. With nobody bad it is
/// the mean, of any number of answers.
pub fn bulyan(answers: &[&[f64]], liars: usize) -> Option<Vec<f64>> {
    let found = answers.len();
    if liars > 0 && found < 4 * liars + 3 {
        return None;
    }
    let distances = Distances::between(answers);
    let mut left: Vec<usize> = (0..found).collect();
    let mut picked = Vec::new();
    while picked.len() < found - 2 * liars {
        let scores = distances.scores(&left, liars);
        let best =
            (0..left.len()).fold(0, |best, next| if scores[next] < scores[best] { next } else { best });
        picked.push(left.remove(best));
    }
    let kept = found - 4 * liars;
    let columns = answers.first().map_or(0, |answer| answer.len());
    let of_column = |column: usize| {
        let values: Vec<f64> = picked.iter().map(|&index| answers[index][column]).collect();
        nearest_mean(values, kept)
    };
    Some((0..columns).map(of_column).collect())
}

/// The mean of the `count` values nearest to the median of all. Of two equally near ones that of the answer picked first
/// counts.
fn nearest_mean(mut values: Vec<f64>, count: usize) -> f64 {
    let mut sorted = values.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let centre = middle(&sorted);
    // Stable, so that ties keep the order in which the answers were picked.
    values.sort_by(|a, b| (a - centre).abs().total_cmp(&(b - centre).abs()));
    plain_mean(&values[..count])
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
