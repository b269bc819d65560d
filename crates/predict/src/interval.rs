//! A predicted or measured value with the range that it lies in.

/// A value in a range of about 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
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

    /// The mean of replications and the range that holds 95 % of them.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1) as f64;
        let at = |share: f64| values.get((share * last).round() as usize).copied().unwrap_or(f64::NAN);
        let value = values.iter().sum::<f64>() / values.len() as f64;
        Self { value, low: at(0.025), high: at(0.975) }
    }

    /// Makes room for a relative error that the range does not know of.
    pub(crate) fn widened(self, relative: f64) -> Self {
        let (below, above) = (self.value - self.low, self.high - self.value);
        let more = relative * self.value;
        Self { value: self.value, low: self.value - below.hypot(more), high: self.value + above.hypot(more) }
    }

    /// The range stretched to a value that the truth may also be.
    pub(crate) fn containing(self, other: f64) -> Self {
        Self { low: self.low.min(other), high: self.high.max(other), ..self }
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
