//! A prediction beside what was measured, and what many of them are worth together.

use syncline_predict::Interval;

/// A prediction beside what was measured.
pub struct Outcome {
    /// What was said.
    pub predicted: Interval,
    /// What was so.
    pub measured: f64,
    /// What the peer says, where there is one: Sparklens' method for Spark logs.
    pub peer: Option<f64>,
}

impl Outcome {
    /// Predicted over measured, less one.
    pub fn error(&self) -> f64 {
        self.predicted.value / self.measured - 1.0
    }

    /// The same of the peer.
    pub fn peer_error(&self) -> Option<f64> {
        self.peer.map(|peer| peer / self.measured - 1.0)
    }

    /// The interval's width, over the measured value.
    pub fn width(&self) -> f64 {
        (self.predicted.high - self.predicted.low) / self.measured
    }

    /// Whether it holds what was measured.
    pub fn covers(&self) -> bool {
        self.predicted.covers(self.measured)
    }

    /// The interval score at 95 % (Winkler 1972; Gneiting and Raftery 2007), over the measured value: the width, and 40
    /// times as far as the measured value lies outside.
    pub fn score(&self) -> f64 {
        let below = (self.predicted.low - self.measured).max(0.0);
        let above = (self.measured - self.predicted.high).max(0.0);
        self.width() + 40.0 * (below + above) / self.measured
    }
}

/// Means over some outcomes.
pub struct Summary {
    /// How many they are.
    pub pairs: usize,
    /// Mean absolute error.
    pub error: f64,
    /// The largest.
    pub worst: f64,
    /// Share of intervals that hold.
    pub coverage: f64,
    /// Mean width.
    pub width: f64,
    /// Median width.
    pub median_width: f64,
    /// Mean interval score.
    pub score: f64,
    /// Mean absolute error of the peer.
    pub peer_error: Option<f64>,
}

impl Summary {
    /// Of at least one outcome.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let count = outcomes.len().max(1) as f64;
        let mean = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).sum::<f64>() / count;
        let mut widths: Vec<f64> = outcomes.iter().map(Outcome::width).collect();
        widths.sort_by(f64::total_cmp);
        let peers: Vec<f64> = outcomes.iter().filter_map(Outcome::peer_error).map(f64::abs).collect();
        Self {
            pairs: outcomes.len(),
            error: mean(|outcome| outcome.error().abs()),
            worst: outcomes.iter().map(|outcome| outcome.error().abs()).fold(0.0, f64::max),
            coverage: mean(|outcome| f64::from(u8::from(outcome.covers()))),
            width: mean(Outcome::width),
            median_width: widths.get(widths.len() / 2).copied().unwrap_or(0.0),
            score: mean(Outcome::score),
            peer_error: (!peers.is_empty()).then(|| peers.iter().sum::<f64>() / peers.len() as f64),
        }
    }
}
