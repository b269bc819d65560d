//! The area under the receiver operating characteristic, from rows in the order of their scores.

/// A row as it is ranked.
#[derive(Clone, Copy)]
pub(super) struct Ranked {
    pub score: f32,
    pub positive: bool,
    /// How much it counts.
    pub weight: f32,
}

/// The probability that a random positive row has a larger score than a random negative one, ties counted half, rows drawn
/// by their weights; nothing where one of them is missing or a score is no number.
pub(super) fn auc(mut rows: Vec<Ranked>) -> Option<f64> {
    if rows.iter().any(|row| row.score.is_nan()) {
        return None;
    }
    rows.sort_unstable_by(|a, b| a.score.total_cmp(&b.score));
    let weight = |rows: &[Ranked], positive: bool| {
        rows.iter().filter(|row| row.positive == positive).map(|row| f64::from(row.weight)).sum::<f64>()
    };
    let (positives, negatives) = (weight(&rows, true), weight(&rows, false));
    // -0.0 and 0.0 are the same score, though they are sorted apart.
    let (mut wins, mut below) = (0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.score == b.score) {
        let negative = weight(tied, false);
        wins += weight(tied, true) * (below + negative / 2.0);
        below += negative;
    }
    (positives > 0.0 && negatives > 0.0).then(|| wins / (positives * negatives))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auc(rows: Vec<(f32, bool)>) -> Option<f64> {
        super::auc(
            rows.into_iter().map(|(score, positive)| Ranked { score, positive, weight: 1.0 }).collect(),
        )
    }

    #[test]
    fn the_share_of_pairs_in_order() {
        assert_eq!(auc(vec![(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), Some(0.75));
        assert_eq!(auc(vec![(0.5, false), (0.5, true), (-0.0, false), (0.0, true)]), Some(0.5));
        assert_eq!(auc(vec![(0.5, true)]), None);
        assert_eq!(auc(vec![(f32::NAN, true), (0.5, false)]), None);
        assert_eq!(auc(vec![]), None);
    }
}
