//! The values of largest magnitude.

/// How many of `values` are a share of them; at least one.
pub(super) fn count(share: f64, values: usize) -> usize {
    ((share * values as f64).ceil() as usize).clamp(1, values.max(1))
}

/// Where the `count` values of largest magnitude stand, in ascending order; of equal ones the first. Zeros are not among
/// them. A value that is no number counts as the largest.
pub(super) fn places(values: &[f32], count: usize) -> Vec<u32> {
    // Without their sign, numbers are ordered as their bits are.
    let magnitude = |value: &f32| value.to_bits() & 0x7fff_ffff;
    let mut magnitudes: Vec<u32> = values.iter().map(magnitude).collect();
    let least = match magnitudes.len().checked_sub(count) {
        None | Some(0) => 1,
        Some(below) => (*magnitudes.select_nth_unstable(below).1).max(1),
    };
    let larger = values.iter().filter(|value| magnitude(value) > least).count();
    let mut equal = count.saturating_sub(larger);
    let is_chosen = |value: &f32| match magnitude(value) {
        size if size == least && equal > 0 => {
            equal -= 1;
            true
        }
        size => size > least,
    };
    let chosen: Vec<bool> = values.iter().map(is_chosen).collect();
    (0..).zip(chosen).filter_map(|(place, is_chosen)| is_chosen.then_some(place)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_equal_ones_the_first_and_never_zeros() {
        assert_eq!(places(&[1.0, -3.0, 2.0, 3.0, -2.0], 3), [1, 2, 3]);
        assert_eq!(places(&[1.0; 5], 2), [0, 1]);
        assert_eq!(places(&[0.0, -0.0, 1e-30, 0.0], 3), [2]);
        assert_eq!(places(&[0.5, 0.25], 2), [0, 1]);
        assert_eq!(places(&[1.0, f32::NAN, 2.0], 1), [1]);
        assert!(places(&[], 1).is_empty());
        assert_eq!((count(0.01, 1000), count(0.01, 1001), count(0.01, 3), count(0.5, 0)), (10, 11, 1, 1));
    }

    proptest! {
        #[test]
        fn none_that_is_left_out_is_larger(values in prop::collection::vec(-9i8..9, 0..60), share in 0.01f64..0.5) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let count = count(share, values.len());
            let chosen = places(&values, count);
            let others = values.iter().filter(|value| **value != 0.0).count();
            prop_assert_eq!(chosen.len(), count.min(others));
            prop_assert!(chosen.is_sorted());
            let size = |place: u32| values[place as usize].abs();
            let least = chosen.iter().map(|&place| size(place)).fold(f32::INFINITY, f32::min);
            let left = (0..values.len() as u32).filter(|place| !chosen.contains(place));
            for place in left {
                // Of equal ones the first.
                let mut equal = chosen.iter().filter(|&&other| size(other) == least);
                let comes_later = size(place) == least && equal.all(|&other| other < place);
                prop_assert!(size(place) == 0.0 || size(place) < least || comes_later);
            }
        }
    }
}
