//! All ways to choose k of n workers, or as many drawn ones where there are too many.

use rand::seq::index;
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

/// Subsets looked at one by one; beyond that as many are drawn.
pub(crate) const MOST: usize = 5000;

/// The subsets of k of n in lexicographic order, or [`MOST`] drawn by `seed` where there are more.
pub(crate) fn all_or_drawn(n: usize, k: usize, seed: u64) -> Vec<Vec<usize>> {
    match count(n, k) {
        Some(all) if all <= MOST => all_of(n, k),
        _ => {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            (0..MOST).map(|_| drawn(&mut rng, n, k)).collect()
        }
    }
}

fn drawn(rng: &mut Xoshiro256PlusPlus, n: usize, k: usize) -> Vec<usize> {
    let mut subset = index::sample(rng, n, k).into_vec();
    subset.sort_unstable();
    subset
}

/// Every subset of k of n, in lexicographic order.
pub(crate) fn all_of(n: usize, k: usize) -> Vec<Vec<usize>> {
    let mut subset: Vec<usize> = (0..k).collect();
    let mut all = vec![subset.clone()];
    // The last position that can still move up moves, and all behind it follow closely.
    while let Some(position) = (0..k).rev().find(|&position| subset[position] < n - k + position) {
        subset[position] += 1;
        for behind in position + 1..k {
            subset[behind] = subset[behind - 1] + 1;
        }
        all.push(subset.clone());
    }
    all
}

/// C(n, k), if it fits.
fn count(n: usize, k: usize) -> Option<usize> {
    (0..k.min(n - k)).try_fold(1usize, |ways, i| Some(ways.checked_mul(n - i)? / (i + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_complete_and_distinct() {
        assert_eq!(all_of(4, 2), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(all_of(3, 3), [[0, 1, 2]]);
        assert_eq!(all_of(16, 12).len(), count(16, 12).unwrap());
        assert_eq!(all_or_drawn(40, 20, 1).len(), MOST, "where there are 1.4e11");
    }
}
