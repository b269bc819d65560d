//! Quantiles of a stream in bounded memory: exact while the samples fit, then from a histogram whose buckets are
//! 2^-10 wide relative to their value, so that a quantile is off by at most 2^-11 (0.05 %).

/// Leading bits of a double that pick the bucket: sign, exponent and ten of the fraction.
const DROPPED: u32 = 52 - 10;
/// Values from 2^-64 to 2^64 have buckets of their own; anything outside goes to the nearest.
const LOWEST: u64 = (1023 - 64) << 10;
const BUCKETS: usize = 128 << 10;

/// Collected non-negative samples.
#[derive(Debug, Clone)]
pub struct Quantiles {
    kept: Vec<f64>,
    capacity: usize,
    histogram: Option<Vec<u64>>,
    count: u64,
}

impl Quantiles {
    /// Exact up to `capacity` samples.
    pub fn new(capacity: usize) -> Self {
        Self { kept: Vec::with_capacity(capacity.min(1 << 20)), capacity, histogram: None, count: 0 }
    }

    /// Adds a sample.
    #[inline]
    pub fn record(&mut self, sample: f64) {
        self.count += 1;
        self.kept.push(sample);
        if self.kept.len() >= self.capacity {
            self.spill();
        }
    }

    /// Whether quantiles are still exact.
    pub fn is_exact(&self) -> bool {
        self.histogram.is_none()
    }

    /// Takes the samples of another collection in; exact if both are.
    pub fn absorb(&mut self, mut other: Self) {
        self.count += other.count;
        if self.is_exact() && other.is_exact() {
            self.kept.append(&mut other.kept);
            return;
        }
        self.spill();
        other.spill();
        if let (Some(own), Some(others)) = (&mut self.histogram, &other.histogram) {
            own.iter_mut().zip(others).for_each(|(own, other)| *own += other);
        }
    }

    #[cold]
    fn spill(&mut self) {
        let histogram = self.histogram.get_or_insert_with(|| vec![0; BUCKETS]);
        for sample in self.kept.drain(..) {
            histogram[bucket(sample)] += 1;
        }
        // From now on the samples are only a buffer: a small one stays in the cache.
        self.capacity = self.capacity.min(4096);
    }

    /// The smallest sample that at most a share `exceedance` of all samples exceeds; NaN without samples.
    pub fn quantile(&mut self, exceedance: f64) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let above = ((exceedance * self.count as f64) as u64).min(self.count - 1);
        if self.histogram.is_none() {
            let at = self.kept.len() - 1 - above as usize;
            return *self.kept.select_nth_unstable_by(at, f64::total_cmp).1;
        }
        self.spill();
        self.histogram.as_deref().map_or(f64::NAN, |histogram| from_top(histogram, above))
    }
}

fn bucket(sample: f64) -> usize {
    ((sample.to_bits() >> DROPPED).saturating_sub(LOWEST) as usize).min(BUCKETS - 1)
}

/// The middle of the bucket that holds the sample with `above` samples above it.
fn from_top(histogram: &[u64], mut above: u64) -> f64 {
    for (index, &count) in histogram.iter().enumerate().rev() {
        if count > above {
            let low = f64::from_bits((LOWEST + index as u64) << DROPPED);
            let high = f64::from_bits((LOWEST + index as u64 + 1) << DROPPED);
            return 0.5 * (low + high);
        }
        above -= count;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spilled_quantile_is_within_its_stated_error() {
        let (mut exact, mut bounded) = (Quantiles::new(usize::MAX), Quantiles::new(100));
        for i in 1..=50_000 {
            let sample = f64::from(i).powf(1.7) * 1e-3;
            exact.record(sample);
            bounded.record(sample);
        }
        assert!(exact.is_exact() && !bounded.is_exact());
        for eps in [0.9, 0.5, 0.01, 0.001] {
            let (a, b) = (exact.quantile(eps), bounded.quantile(eps));
            assert!((b / a - 1.0).abs() <= 1.0 / 2048.0, "{eps}: {a} {b}");
        }
    }

    #[test]
    fn collections_add_up_whatever_their_state() {
        let filled = |capacity: usize, from: u32| {
            let mut all = Quantiles::new(capacity);
            (from..from + 1000).for_each(|i| all.record(f64::from(i)));
            all
        };
        for (a, b) in [(5000, 5000), (5000, 100), (100, 5000), (100, 100)] {
            let mut all = filled(a, 1);
            all.absorb(filled(b, 1001));
            let median = all.quantile(0.5);
            assert!((median / 1000.0 - 1.0).abs() < 2e-3, "{a} {b}: {median}");
        }
    }

    #[test]
    fn the_largest_sample_is_the_smallest_exceedance() {
        let mut few = Quantiles::new(10);
        [3.0, 1.0, 2.0].into_iter().for_each(|x| few.record(x));
        assert_eq!(few.quantile(1e-9), 3.0);
        assert_eq!(few.quantile(0.34), 2.0);
    }
}
