//! A predicted or measured value with the range that it lies in.

use serde::{Deserialize, Serialize};

/// A value in a range of about 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The best guess.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// `value` and `half` to either side.
    pub fn around(value: f64, half: f64) -> Self {
        Self { value, low: value - half, high: value + half }
    }

    /// The mean of replications and the range in which 95 % of their like lie: 2.02 standard deviations for 40 of
    /// them (Student's t). `less` is the part of their variance that is not asked about.
    pub(crate) fn of(values: &[f64], less: f64) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        // Both are estimates: what is left is never less than a tenth.
        let variance = (variance - less).max(0.1 * variance);
        Self::around(mean, 2.02 * (variance * (1.0 + 1.0 / count)).sqrt()).positive()
    }

    /// The interval of `dividend` over the value.
    pub(crate) fn map_inverse(self, dividend: f64) -> Self {
        let least = f64::MIN_POSITIVE;
        Self { value: dividend / self.value, low: dividend / self.high, high: dividend / self.low.max(least) }
    }

    /// Half the range, over the value.
    pub(crate) fn relative(self) -> f64 {
        0.5 * (self.high - self.low) / self.value
    }

    /// Makes room for a relative error that the range does not know of.
    pub(crate) fn widened(self, relative: f64) -> Self {
        let (below, above) = (self.value - self.low, self.high - self.value);
        let more = relative * self.value;
        Self { value: self.value, low: self.value - below.hypot(more), high: self.value + above.hypot(more) }
    }

    /// Makes room for a model that said `predicted` where `measured` was right: so much, relative to the value, on either
    /// side, and never less than that.
    pub(crate) fn missing(self, predicted: f64, measured: f64) -> Self {
        if !(predicted > 0.0 && measured > 0.0) {
            return self;
        }
        let ratio = measured / predicted;
        let wide = self.widened((ratio - 1.0).abs());
        let held = self.value * ratio;
        // What was reached before is not given up where the wider range would go below zero.
        let low = wide.low.max(self.low.min(wide.positive().low));
        Self { low, ..wide }.containing(held)
    }

    /// Keeps the lower end of a positive value positive: at least as many times below the value as the upper end is
    /// above.
    pub(crate) fn positive(self) -> Self {
        let least = self.value * (self.value / self.high);
        Self { low: if self.value > 0.0 { self.low.max(least) } else { self.low }, ..self }
    }

    /// The range stretched to a value that the truth may also be.
    pub(crate) fn containing(self, other: f64) -> Self {
        Self { low: self.low.min(other), high: self.high.max(other), ..self }
    }

    /// The range stretched to another value that is as uncertain as this one.
    pub(crate) fn containing_like(self, other: f64) -> Self {
        let factor = if self.value > 0.0 { other / self.value } else { 1.0 };
        Self { low: self.low.min(self.low * factor), high: self.high.max(self.high * factor), ..self }
    }

    /// So many times as much.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// The same range, later by so much.
    pub(crate) fn shifted(self, by: f64) -> Self {
        Self { value: self.value + by, low: self.low + by, high: self.high + by }
    }

    /// Whether a value lies in the range.
    pub fn covers(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_times_stays_positive_and_can_be_turned_into_one_of_speeds() {
        let wide = Interval::of(&[1.0, 1.0, 1.0, 9.0], 0.0);
        assert!(wide.low > 0.0 && wide.covers(1.0), "{wide:?}");
        let speed = wide.map_inverse(6.0);
        assert!(speed.low < speed.value && speed.value < speed.high && speed.high.is_finite(), "{speed:?}");
        let narrow = Interval::of(&[2.0, 2.1, 1.9, 2.0], 0.0);
        assert!((narrow.value - 2.0).abs() < 1e-12 && narrow.low > 1.7 && narrow.high < 2.3, "{narrow:?}");
        let less = Interval::of(&[2.0, 2.1, 1.9, 2.0], 1.0);
        assert!(less.high - less.low < narrow.high - narrow.low, "never nothing: {less:?}");
        assert!(less.high > less.low);
    }
}
