//! Where the transient ends: MSER (White 1997) picks the truncation that minimises the variance of the remaining
//! mean, on batches averaged over a few pilot replications.

/// The number of leading batches to drop; at most half of them.
pub(crate) fn mser(batches: &[f64]) -> usize {
    let half = batches.len() / 2;
    let mut best = (f64::INFINITY, 0);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (index, batch) in batches.iter().enumerate().rev() {
        sum += batch;
        squares += batch * batch;
        count += 1.0;
        let spread = (squares - sum * sum / count) / (count * count);
        if index <= half && spread < best.0 {
            best = (spread, index);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_cut_off_and_a_plateau_kept() {
        let noise = |i: u32| f64::from(i * 7919 % 13) * 0.01;
        let ramp: Vec<f64> = (0..200).map(|i| f64::from(i.min(40)) + noise(i)).collect();
        assert!((36..=45).contains(&mser(&ramp)), "{}", mser(&ramp));
        let flat: Vec<f64> = (0..200).map(noise).collect();
        assert!(mser(&flat) < 60);
    }
}
