//! When any of some spans was under way: their union, asked for how much of it lies within a stretch of time.

/// Disjoint stretches in order, with the time before each.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Busy {
    /// (start, end, total of those before), in seconds.
    stretches: Vec<(f64, f64, f64)>,
}

impl Busy {
    pub(crate) fn new(spans: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut spans: Vec<_> = spans.collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut stretches: Vec<(f64, f64, f64)> = Vec::new();
        for (start, end) in spans {
            match stretches.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                last => {
                    let before = last.map_or(0.0, |last| last.2 + last.1 - last.0);
                    stretches.push((start, end, before));
                }
            }
        }
        Self { stretches }
    }

    /// Seconds of it between two times.
    pub(crate) fn within(&self, from: f64, to: f64) -> f64 {
        (self.until(to) - self.until(from)).max(0.0)
    }

    /// All of it, in seconds.
    pub(crate) fn total(&self) -> f64 {
        self.stretches.last().map_or(0.0, |(start, end, before)| before + end - start)
    }

    fn until(&self, time: f64) -> f64 {
        let after = self.stretches.partition_point(|stretch| stretch.0 <= time);
        let Some((start, end, before)) = after.checked_sub(1).map(|index| self.stretches[index]) else {
            return 0.0;
        };
        before + (time.min(end) - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_count_once() {
        let busy = Busy::new([(1.0, 2.0), (1.5, 3.0), (5.0, 6.0)].into_iter());
        assert_eq!(busy.within(0.0, 10.0), 3.0);
        assert_eq!(busy.within(2.5, 5.5), 1.0);
        assert_eq!(busy.within(3.0, 5.0), 0.0);
        assert_eq!(Busy::default().within(0.0, 1.0), 0.0);
    }
}
