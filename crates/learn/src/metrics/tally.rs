//! Sums over rows from which the metrics follow, so that several threads can each look at a part. Where rows have weights,
//! every sum is weighted; only rows themselves are counted.

use super::auc::{Ranked, auc};
use super::{ClassMetric, ClassMetrics, Metrics, NumberMetrics};
use crate::Predictions;
use syncline_data::{Batch, Dataset, TargetsView};

/// Scores kept for the AUC at most: 128 MiB.
const MOST_SCORES: usize = 1 << 25;
/// Classes up to which the confusion table is told.
const MOST_CLASSES: usize = 100;

/// What has been seen so far, of numbers or of classes.
pub(super) enum Tally {
    Numbers(Numbers),
    Classes(Classes),
}

#[derive(Default)]
pub(super) struct Numbers {
    rows: u64,
    /// Sum of the rows' weights.
    weight: f64,
    squared_error: f64,
    absolute_error: f64,
    sum: f64,
    squares: f64,
}

pub(super) struct Classes {
    classes: usize,
    /// Rows by true class, then by predicted class.
    confusion: Vec<u64>,
    /// The sums of their weights, where rows have some.
    weighted: Option<Vec<f64>>,
    /// Sum of `-ln p`; nothing once there were no probabilities.
    log_loss: Option<f64>,
    /// Rows x classes; nothing where they are too many.
    scores: Option<Vec<f32>>,
    labels: Vec<u32>,
    /// The weight of each label's row, where rows have some.
    weights: Vec<f32>,
}

impl Tally {
    pub(super) fn new(data: &Dataset, weighted: bool) -> Self {
        let classes = data.targets().classes().len();
        if classes == 0 {
            return Self::Numbers(Numbers::default());
        }
        let few = data.rows().saturating_mul(classes) <= MOST_SCORES;
        Self::Classes(Classes {
            classes,
            confusion: vec![0; classes * classes],
            weighted: weighted.then(|| vec![0.0; classes * classes]),
            log_loss: Some(0.0),
            scores: few.then(Vec::new),
            labels: Vec::new(),
            weights: Vec::new(),
        })
    }

    /// Takes rows in; nothing if predictions and targets are of different kinds.
    pub(super) fn add(&mut self, predictions: &Predictions, batch: &Batch<'_>) -> Option<()> {
        match (self, predictions, &batch.targets) {
            (Self::Numbers(numbers), Predictions::Numbers(values), TargetsView::Real(targets)) => {
                for (row, (value, target)) in values.iter().zip(*targets).enumerate() {
                    numbers.add(*value, *target, weight_of(batch, row));
                }
                Some(())
            }
            (Self::Classes(classes), _, TargetsView::Class(labels)) => {
                classes.add(predictions, labels, batch)
            }
            _ => None,
        }
    }

    /// Both together, the rows of `self` first.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => Self::Numbers(Numbers {
                rows: a.rows + b.rows,
                weight: a.weight + b.weight,
                squared_error: a.squared_error + b.squared_error,
                absolute_error: a.absolute_error + b.absolute_error,
                sum: a.sum + b.sum,
                squares: a.squares + b.squares,
            }),
            (Self::Classes(mut a), Self::Classes(b)) => {
                a.confusion.iter_mut().zip(b.confusion).for_each(|(a, b)| *a += b);
                a.log_loss = a.log_loss.zip(b.log_loss).map(|(a, b)| a + b);
                if let (Some(scores), Some(more)) = (&mut a.scores, b.scores) {
                    scores.extend(more);
                }
                if let (Some(weighted), Some(more)) = (&mut a.weighted, b.weighted) {
                    weighted.iter_mut().zip(more).for_each(|(a, b)| *a += b);
                }
                a.labels.extend(b.labels);
                a.weights.extend(b.weights);
                Self::Classes(a)
            }
            (tally, _) => tally,
        }
    }

    /// The metrics, in the units of the data; nothing of no rows.
    pub(super) fn finish(self, data: &Dataset) -> Option<Metrics> {
        match self {
            Self::Numbers(numbers) => numbers.finish(data.target_scale().deviation).map(Metrics::Numbers),
            Self::Classes(classes) => classes.finish(data).map(Metrics::Classes),
        }
    }
}

/// How much a row of a batch counts.
fn weight_of(batch: &Batch<'_>, row: usize) -> f32 {
    batch.weights.map_or(1.0, |weights| weights[row])
}

impl Numbers {
    fn add(&mut self, value: f64, target: f32, weight: f32) {
        let (target, weight) = (f64::from(target), f64::from(weight));
        self.rows += 1;
        self.weight += weight;
        self.squared_error += weight * (value - target) * (value - target);
        self.absolute_error += weight * (value - target).abs();
        self.sum += weight * target;
        self.squares += weight * target * target;
    }

    /// The metrics, where one unit of the stored targets is `deviation` of the user's.
    fn finish(self, deviation: f64) -> Option<NumberMetrics> {
        let weight = self.weight;
        if self.rows == 0 || weight <= 0.0 {
            return None;
        }
        let spread = (self.squares - self.sum * self.sum / weight).max(0.0);
        Some(NumberMetrics {
            rows: self.rows,
            rmse: deviation * (self.squared_error / weight).sqrt(),
            mae: deviation * self.absolute_error / weight,
            // Rounding leaves targets that do not vary a tiny spread.
            r2: (spread > 1e-12 * self.squares).then(|| 1.0 - self.squared_error / spread),
            target_deviation: deviation * (spread / weight).sqrt(),
        })
    }
}

impl Classes {
    fn add(&mut self, predictions: &Predictions, labels: &[u32], batch: &Batch<'_>) -> Option<()> {
        let (classes, values, likely) = match predictions {
            Predictions::Numbers(_) => return None,
            Predictions::Probabilities { classes, values } => (*classes, values, true),
            Predictions::Margins { classes, values } => (*classes, values, false),
        };
        if classes < self.classes {
            return None;
        }
        let rows = values.chunks_exact(classes).zip(labels).zip(predictions.classes()).enumerate();
        for (number, ((row, &label), predicted)) in rows {
            // A class that the data do not know is a miss like any other, counted for the first that is wrong.
            let known = (predicted as usize) < self.classes;
            let counted = if known { predicted } else { u32::from(label == 0) };
            let place = label as usize * self.classes + counted as usize;
            let weight = f64::from(weight_of(batch, number));
            self.confusion[place] += 1;
            if let Some(weighted) = &mut self.weighted {
                weighted[place] += weight;
            }
            if let Some(sum) = &mut self.log_loss {
                *sum -= weight * f64::from(row[label as usize].max(f32::MIN_POSITIVE)).ln();
            }
        }
        if !likely {
            self.log_loss = None;
        }
        if let Some(scores) = &mut self.scores {
            values.chunks_exact(classes).for_each(|row| scores.extend(&row[..self.classes]));
            self.labels.extend(labels);
            self.weights.extend(batch.weights.unwrap_or_default());
        }
        Some(())
    }

    fn finish(self, data: &Dataset) -> Option<ClassMetrics> {
        let (count, rows) = (self.classes, self.confusion.iter().sum::<u64>());
        let weight: f64 = (0..count * count).map(|place| self.at(place)).sum();
        if rows == 0 || weight <= 0.0 {
            return None;
        }
        let names = data.targets().classes();
        let classes: Vec<ClassMetric> = (0..count).map(|class| self.class(class, &names[class])).collect();
        let right: f64 = (0..count).map(|class| self.at(class * count + class)).sum();
        let accuracy = right / weight;
        let largest = (0..count).map(|class| self.of_class(class)).fold(0.0, f64::max);
        let occurs = |class: &usize| self.of_class(*class) > 0.0 || self.predicted(*class) > 0.0;
        let occurring: Vec<usize> = (0..count).filter(occurs).collect();
        let f1_sum: f64 = occurring.iter().map(|&class| classes[class].f1).sum();
        Some(ClassMetrics {
            rows,
            accuracy,
            log_loss: self.log_loss.map(|sum| sum / weight),
            auc: self.auc(),
            f1_macro: f1_sum / occurring.len() as f64,
            f1_micro: accuracy,
            largest_class_share: largest / weight,
            confusion: match count {
                0..=MOST_CLASSES => self.confusion.chunks_exact(count).map(<[u64]>::to_vec).collect(),
                _ => Vec::new(),
            },
            classes,
        })
    }

    /// Rows, or their weights, in a place of the confusion table.
    fn at(&self, place: usize) -> f64 {
        self.weighted.as_ref().map_or(self.confusion[place] as f64, |weighted| weighted[place])
    }

    fn predicted(&self, class: usize) -> f64 {
        (0..self.classes).map(|row| self.at(row * self.classes + class)).sum()
    }

    fn of_class(&self, class: usize) -> f64 {
        (0..self.classes).map(|column| self.at(class * self.classes + column)).sum()
    }

    fn class(&self, class: usize, name: &str) -> ClassMetric {
        let right = self.at(class * self.classes + class);
        let rows: u64 = self.confusion[class * self.classes..][..self.classes].iter().sum();
        let (of_class, predicted) = (self.of_class(class), self.predicted(class));
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        ClassMetric {
            class: name.to_owned(),
            rows,
            precision: share(right, predicted),
            recall: share(right, of_class),
            f1: share(2.0 * right, predicted + of_class),
        }
    }

    /// Of class 1 where there are two, else the mean over the classes, each against the rest.
    fn auc(&self) -> Option<f64> {
        let scores = self.scores.as_ref()?;
        let of_class = |class: usize| {
            let rows = scores.chunks_exact(self.classes).zip(&self.labels).enumerate();
            let ranked = rows.map(|(number, (row, &label))| Ranked {
                score: row[class],
                positive: label as usize == class,
                weight: self.weights.get(number).copied().unwrap_or(1.0),
            });
            auc(ranked.collect())
        };
        match self.classes {
            2 => of_class(1),
            count => {
                let areas: Vec<f64> = (0..count).filter_map(of_class).collect();
                (areas.len() == count).then(|| areas.iter().sum::<f64>() / count as f64)
            }
        }
    }
}
