//! What is to be predicted: a real number or a class for each row. Real numbers are learnt at a common scale
//! ([`TargetScale`]), so that one learning rate suits prices and percentages; whoever tells of them undoes it.

use crate::batch::TargetsView;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One target per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Real numbers, for regression.
    Real(Vec<f32>),
    /// Classes, for classification: each label is an index into the names.
    Class {
        /// One label per row, below `names.len()`.
        labels: Vec<u32>,
        /// The classes' names as the file wrote them, sorted (numbers by value).
        names: Vec<String>,
    },
}

impl Targets {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Targets::Real(values) => values.len(),
            Targets::Class { labels, .. } => labels.len(),
        }
    }

    /// The classes' names; none for real targets.
    pub fn classes(&self) -> &[String] {
        match self {
            Targets::Real(_) => &[],
            Targets::Class { names, .. } => names,
        }
    }

    /// The targets of the rows of `range`, borrowed.
    pub fn view(&self, range: Range<usize>) -> TargetsView<'_> {
        match self {
            Targets::Real(values) => TargetsView::Real(&values[range]),
            Targets::Class { labels, .. } => TargetsView::Class(&labels[range]),
        }
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Targets {
        match self {
            Targets::Real(values) => Targets::Real(rows.iter().map(|&row| values[row]).collect()),
            Targets::Class { labels, names } => {
                Targets::Class { labels: rows.iter().map(|&row| labels[row]).collect(), names: names.clone() }
            }
        }
    }

    /// As `select`, into used memory.
    pub(crate) fn gather(&self, rows: &[usize], into: &mut Targets) {
        match (self, into) {
            (Targets::Real(all), Targets::Real(values)) => {
                values.clear();
                values.extend(rows.iter().map(|&row| all[row]));
            }
            (Targets::Class { labels: all, .. }, Targets::Class { labels, .. }) => {
                labels.clear();
                labels.extend(rows.iter().map(|&row| all[row]));
            }
            _ => panic!("targets are gathered into targets of the same kind"),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Targets::Class { labels, names } if labels.iter().any(|&label| label as usize >= names.len()) => {
                Err(Error::Shape(format!("a label is not below the number of classes, {}", names.len())))
            }
            _ => Ok(()),
        }
    }
}

/// How real targets were brought to a common scale: a stored value `v` stands for `centre + deviation * v` in the
/// units of the user's data. Classes, and targets left as they are, have the default: centre 0, deviation 1.
///
/// ```
/// use syncline_data::{TargetScale, Targets, synthetic};
///
/// let prices = synthetic::linear(100, 3, 0.1, 1);
/// let scale = TargetScale::fit(prices.targets());
/// let Targets::Real(original) = prices.targets().clone() else { unreachable!("a regression") };
/// let data = prices.rescale_targets(scale);
/// let Targets::Real(stored) = data.targets() else { unreachable!("a regression") };
/// assert!((data.target_scale().undo(stored[7]) - f64::from(original[7])).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetScale {
    /// In the user's units.
    pub centre: f64,
    /// In the user's units; positive.
    pub deviation: f64,
}

impl Default for TargetScale {
    fn default() -> Self {
        TargetScale { centre: 0.0, deviation: 1.0 }
    }
}

impl TargetScale {
    /// The mean and the population's standard deviation of these values; of one value only (or of classes), and of
    /// values that do not differ, a deviation of 1.
    pub fn fit(targets: &Targets) -> TargetScale {
        TargetScale::fit_weighted(targets, None)
    }

    /// As [`TargetScale::fit`], where rows count by weights.
    pub(crate) fn fit_weighted(targets: &Targets, weights: Option<&[f32]>) -> TargetScale {
        let Targets::Real(values) = targets else { return TargetScale::default() };
        let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
        let all: f64 = (0..values.len()).map(weight).sum();
        let all = if all > 0.0 { all } else { 1.0 };
        let mean = |term: &dyn Fn(f64) -> f64| {
            let terms = values.iter().enumerate().map(|(row, &value)| weight(row) * term(value.into()));
            terms.sum::<f64>() / all
        };
        let centre = mean(&|value| value);
        let deviation = mean(&|value| (value - centre).powi(2)).sqrt();
        TargetScale { centre, deviation: if deviation > 1e-7 * centre.abs() { deviation } else { 1.0 } }
    }

    /// A stored value in the user's units.
    pub fn undo(self, value: f32) -> f64 {
        self.centre + self.deviation * f64::from(value)
    }

    /// The value that is stored for one in the user's units.
    pub fn apply(self, value: f64) -> f32 {
        ((value - self.centre) / self.deviation) as f32
    }

    /// The scale of values that were brought to `self` first, and then to `next`.
    pub fn then(self, next: TargetScale) -> TargetScale {
        TargetScale {
            centre: self.centre + self.deviation * next.centre,
            deviation: self.deviation * next.deviation,
        }
    }
}
