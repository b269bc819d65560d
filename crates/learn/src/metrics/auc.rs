//! The area under the receiver operating characteristic, from ranks.

/// The probability that a random positive row has a larger score than a random negative one, ties counted half; nothing
/// where one of them is missing or a score is no number.
pub(super) fn auc(mut scored: Vec<(f32, bool)>) -> Option<f64> {
    if scored.iter().any(|(score, _)| score.is_nan()) {
        return None;
    }
    scored.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|(_, positive)| *positive).count() as f64;
    let negatives = scored.len() as f64 - positives;
    // -0.0 and 0.0 are the same score, though they are sorted apart.
    let mut ranks = 0.0;
    let mut before = 0.0;
    for tied in scored.chunk_by(|a, b| a.0 == b.0) {
        let rank = before + (tied.len() as f64 + 1.0) / 2.0;
        ranks += rank * tied.iter().filter(|(_, positive)| *positive).count() as f64;
        before += tied.len() as f64;
    }
    let wins = ranks - positives * (positives + 1.0) / 2.0;
    (positives > 0.0 && negatives > 0.0).then(|| wins / (positives * negatives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_pairs_in_order() {
        assert_eq!(auc(vec![(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), Some(0.75));
        assert_eq!(auc(vec![(0.5, false), (0.5, true), (-0.0, false), (0.0, true)]), Some(0.5));
        assert_eq!(auc(vec![(0.5, true)]), None);
        assert_eq!(auc(vec![(f32::NAN, true), (0.5, false)]), None);
        assert_eq!(auc(vec![]), None);
    }
}
