//! Losses: how far the outputs for a batch are from its targets, and the derivatives by the outputs.
//!
//! For one row with outputs `z` and target `y`:
//! - [`Squared`]: `(z - y)^2 / 2`, derivative `z - y`.
//! - [`Logit`], classes 0 and 1, one output: `ln(1 + e^z) - y z`, derivative `1 / (1 + e^-z) - y`.
//! - [`CrossEntropy`]: `ln sum_k e^(z_k) - z_y`, derivative `p_k - [k = y]` with `p = softmax(z)`.
//! - [`Hinge`]: one output for two classes, else one against the rest for each class: `sum_k max(0, 1 - s_k z_k)` with
//!   `s_k = 1` for the row's class and `-1` for others; derivative `-s_k` where the margin `s_k z_k` is below 1, else 0.

use crate::prediction::likeliest;
use crate::vector::{exponentials, wide};
use crate::{Predictions, Score};
use syncline_data::{Targets, TargetsView};

/// A loss over the outputs of a model.
pub trait Loss: Copy + Send + 'static {
    /// Returns the score of `outputs` (rows x `columns`, row-major) and overwrites them with the derivatives of the
    /// *mean* loss.
    ///
    /// # Panics
    /// If the targets are of the other kind, a label is not below the number of classes, or the lengths do not fit.
    fn differentiate(self, outputs: &mut [f32], columns: usize, targets: &TargetsView<'_>) -> Score;

    /// As [`Loss::differentiate`], but each row's loss, squared error and derivatives count `weights[row]` times. What is
    /// counted otherwise (rows, right ones) is not weighted.
    fn differentiate_weighted(
        self,
        outputs: &mut [f32],
        columns: usize,
        targets: &TargetsView<'_>,
        weights: &[f32],
    ) -> Score {
        let each = 1.0 / weights.len() as f32;
        let rows = outputs.chunks_exact_mut(columns).zip(weights).enumerate();
        rows.map(|(row, (outputs, &weight))| {
            let score = self.differentiate(outputs, columns, &targets.slice(row..row + 1));
            outputs.iter_mut().for_each(|derivative| *derivative *= weight * each);
            let weight = f64::from(weight);
            Score { loss: score.loss * weight, squared_error: score.squared_error * weight, ..score }
        })
        .sum()
    }

    /// What `outputs` (rows x `columns`) mean for who wants to know; nothing unless told otherwise.
    fn predictions(self, outputs: &[f32], columns: usize) -> Option<Predictions> {
        let _ = (outputs, columns);
        None
    }

    /// Whether targets suit this loss over so many outputs a row, in words that say what does not. All do, unless told
    /// otherwise.
    ///
    /// # Errors
    /// What does not fit.
    fn check(self, columns: usize, targets: &Targets) -> Result<(), String> {
        let _ = (columns, targets);
        Ok(())
    }
}

/// Whether the targets are classes, no more than `most`.
fn check_classes(targets: &Targets, most: usize) -> Result<(), String> {
    match targets {
        Targets::Real(_) => Err("it predicts classes, the targets are real numbers".into()),
        Targets::Class { names, .. } if names.len() > most => {
            Err(format!("it tells {most} classes apart, the data have {}", names.len()))
        }
        Targets::Class { .. } => Ok(()),
    }
}

/// Whether a loss of one output has it.
fn check_single(columns: usize) -> Result<(), String> {
    if columns == 1 { Ok(()) } else { Err(format!("its loss needs one output, it has {columns}")) }
}

/// Half the squared difference from a real target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Squared;

/// Logistic loss of two classes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logit;

/// Softmax and the negative logarithm of the true class's probability.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy;

/// Hinge loss of support vector machines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hinge;

impl Loss for Squared {
    fn differentiate(self, outputs: &mut [f32], columns: usize, targets: &TargetsView<'_>) -> Score {
        let targets = reals(targets);
        check(outputs, columns, targets.len());
        assert_eq!(columns, 1, "a real target needs one output");
        let each = 1.0 / targets.len() as f32;
        let mut squared_error = 0.0;
        for (z, y) in outputs.iter_mut().zip(targets) {
            let difference = *z - y;
            squared_error += f64::from(difference) * f64::from(difference);
            *z = difference * each;
        }
        Score { rows: targets.len() as u64, loss: squared_error / 2.0, squared_error, ..Score::default() }
    }

    fn predictions(self, outputs: &[f32], _columns: usize) -> Option<Predictions> {
        Some(Predictions::Numbers(outputs.iter().copied().map(f64::from).collect()))
    }

    fn check(self, columns: usize, targets: &Targets) -> Result<(), String> {
        check_single(columns)?;
        match targets {
            Targets::Real(_) => Ok(()),
            Targets::Class { .. } => Err("it predicts real numbers, the targets are classes".into()),
        }
    }
}

impl Loss for Logit {
    fn differentiate(self, outputs: &mut [f32], columns: usize, targets: &TargetsView<'_>) -> Score {
        let labels = labels(targets);
        check(outputs, columns, labels.len());
        assert_eq!(columns, 1, "two classes need one output");
        let each = 1.0 / labels.len() as f32;
        let mut score = Score { rows: labels.len() as u64, ..Score::default() };
        const CHUNK: usize = 64;
        for (outputs, labels) in outputs.chunks_mut(CHUNK).zip(labels.chunks(CHUNK)) {
            // e^-|z| does not overflow; 1 + it is at most 2, so that a product of 64 fits and needs one logarithm.
            let mut decays = [0f32; CHUNK];
            let decays = &mut decays[..outputs.len()];
            decays.iter_mut().zip(&*outputs).for_each(|(decay, z)| *decay = -z.abs());
            wide(
                #[inline(always)]
                || exponentials(decays),
            );
            let mut product = 1.0f64;
            for ((z, &decay), &label) in outputs.iter_mut().zip(&*decays).zip(labels) {
                assert!(label < 2, "a label is 0 or 1");
                let y = label as f32;
                product *= 1.0 + f64::from(decay);
                score.loss += f64::from(z.max(0.0)) - f64::from(y * *z);
                score.correct += u64::from((*z > 0.0) == (label == 1));
                let probability = if *z > 0.0 { 1.0 } else { decay } / (1.0 + decay);
                *z = (probability - y) * each;
            }
            score.loss += product.ln();
        }
        score
    }

    fn predictions(self, outputs: &[f32], _columns: usize) -> Option<Predictions> {
        // Both by themselves: 1 - p would lose all that is small.
        let pair = |&z: &f32| [sigmoid(-z), sigmoid(z)];
        Some(Predictions::Probabilities { classes: 2, values: outputs.iter().flat_map(pair).collect() })
    }

    fn check(self, columns: usize, targets: &Targets) -> Result<(), String> {
        check_single(columns)?;
        check_classes(targets, 2)
    }
}

/// 1 / (1 + e^-z).
fn sigmoid(z: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(z)).exp())) as f32
}

impl Loss for CrossEntropy {
    fn differentiate(self, outputs: &mut [f32], columns: usize, targets: &TargetsView<'_>) -> Score {
        let labels = labels(targets);
        check(outputs, columns, labels.len());
        let each = 1.0 / labels.len() as f32;
        let mut score = Score { rows: labels.len() as u64, ..Score::default() };
        for (row, &label) in outputs.chunks_exact_mut(columns).zip(labels) {
            let largest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            score.correct += u64::from(predicted(row) == label as usize);
            row.iter_mut().for_each(|z| *z -= largest);
            score.loss -= f64::from(row[label as usize]);
        }
        wide(
            #[inline(always)]
            || exponentials(outputs),
        );
        // A row's sum is between 1 and the number of classes, so that a product of few needs one logarithm.
        let mut product = 1.0f64;
        for (i, (row, &label)) in outputs.chunks_exact_mut(columns).zip(labels).enumerate() {
            let sum: f32 = row.iter().sum();
            product *= f64::from(sum);
            if i % 16 == 15 {
                score.loss += product.ln();
                product = 1.0;
            }
            let factor = each / sum;
            row.iter_mut().for_each(|z| *z *= factor);
            row[label as usize] -= each;
        }
        score.loss += product.ln();
        score
    }

    fn predictions(self, outputs: &[f32], columns: usize) -> Option<Predictions> {
        let mut values = outputs.to_vec();
        for row in values.chunks_exact_mut(columns) {
            let largest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            row.iter_mut().for_each(|z| *z = (*z - largest).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
        Some(Predictions::Probabilities { classes: columns, values })
    }

    fn check(self, columns: usize, targets: &Targets) -> Result<(), String> {
        check_classes(targets, columns)
    }
}

impl Loss for Hinge {
    fn differentiate(self, outputs: &mut [f32], columns: usize, targets: &TargetsView<'_>) -> Score {
        let labels = labels(targets);
        check(outputs, columns, labels.len());
        let each = 1.0 / labels.len() as f32;
        let mut score = Score { rows: labels.len() as u64, ..Score::default() };
        for (row, &label) in outputs.chunks_exact_mut(columns).zip(labels) {
            score.correct += u64::from(predicted(row) == label as usize);
            for (class, z) in row.iter_mut().enumerate() {
                let is_class = if columns == 1 { label == 1 } else { label as usize == class };
                let sign = if is_class { 1.0 } else { -1.0 };
                let miss = 1.0 - sign * *z;
                // Written so that a NaN stays one and is noticed.
                score.loss += f64::from(if miss <= 0.0 { 0.0 } else { miss });
                *z = if miss <= 0.0 { 0.0 } else { -sign * each };
            }
        }
        score
    }

    fn predictions(self, outputs: &[f32], columns: usize) -> Option<Predictions> {
        let (classes, values) = match columns {
            1 => (2, outputs.iter().flat_map(|&z| [-z, z]).collect()),
            _ => (columns, outputs.to_vec()),
        };
        Some(Predictions::Margins { classes, values })
    }

    fn check(self, columns: usize, targets: &Targets) -> Result<(), String> {
        check_classes(targets, columns.max(2))
    }
}

/// The class with the largest output, the first of equals; of a single output, 1 if it is positive.
fn predicted(row: &[f32]) -> usize {
    match row {
        [z] => usize::from(*z > 0.0),
        _ => likeliest(row) as usize,
    }
}

fn check(outputs: &[f32], columns: usize, rows: usize) {
    assert_eq!(outputs.len(), rows * columns, "one row of outputs per target");
}

fn reals<'a>(targets: &TargetsView<'a>) -> &'a [f32] {
    match targets {
        TargetsView::Real(values) => values,
        TargetsView::Class(_) => panic!("this loss needs real targets, not classes"),
    }
}

fn labels<'a>(targets: &TargetsView<'a>) -> &'a [u32] {
    match targets {
        TargetsView::Class(labels) => labels,
        TargetsView::Real(_) => panic!("this loss needs classes, not real targets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a} is not {b}");
    }

    #[test]
    fn the_formulas_by_hand() {
        let mut z = [2.0, -1.0];
        let score = Squared.differentiate(&mut z, 1, &TargetsView::Real(&[1.0, 1.0]));
        assert_eq!((score.loss, score.squared_error, z), (2.5, 5.0, [0.5, -1.0]));

        let mut z = [1.0, -2.0, 3.0];
        let score = Logit.differentiate(&mut z, 1, &TargetsView::Class(&[1, 1, 0]));
        close(score.loss, (1.0 + (-1f64).exp()).ln() + (1.0 + 2f64.exp()).ln() + (1.0 + 3f64.exp()).ln());
        assert_eq!(score.correct, 1);
        close(z[1].into(), (1.0 / (1.0 + 2f64.exp()) - 1.0) / 3.0);

        let mut z = [1.0, 2.0, 3.0];
        let score = CrossEntropy.differentiate(&mut z, 3, &TargetsView::Class(&[2]));
        let sum = 1f64.exp() + 2f64.exp() + 3f64.exp();
        close(score.loss, sum.ln() - 3.0);
        close(z[2].into(), 3f64.exp() / sum - 1.0);
        assert_eq!(score.correct, 1);

        let mut z = [0.25, -3.0, 0.5];
        let score = Hinge.differentiate(&mut z, 3, &TargetsView::Class(&[0]));
        assert_eq!((score.loss, score.correct, z), (0.75 + 1.5, 0, [-1.0, 0.0, 1.0]));
    }

    #[test]
    fn weights_of_one_change_nothing_and_a_weight_of_two_is_two_rows() {
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        let targets = TargetsView::Class(&[2, 0]);
        let outputs = [1.0, 2.0, 3.0, 0.5, -1.0, 0.0];
        let (mut plain, mut ones) = (outputs, outputs);
        let score = CrossEntropy.differentiate(&mut plain, 3, &targets);
        let same = CrossEntropy.differentiate_weighted(&mut ones, 3, &targets, &[1.0, 1.0]);
        assert_eq!((score.rows, score.correct), (same.rows, same.correct));
        assert!((score.loss - same.loss).abs() < 1e-6);
        assert!(close(&plain, &ones));

        let (mut weighted, mut twice) = (outputs, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 0.5, -1.0, 0.0]);
        let score = CrossEntropy.differentiate_weighted(&mut weighted, 3, &targets, &[4.0 / 3.0, 2.0 / 3.0]);
        let rows = CrossEntropy.differentiate(&mut twice, 3, &TargetsView::Class(&[2, 2, 0]));
        assert!((score.mean_loss() - rows.mean_loss()).abs() < 1e-6);
        assert!((weighted[2] - 2.0 * twice[2]).abs() < 1e-6, "{weighted:?} {twice:?}");
        assert!(close(&weighted[3..], &twice[6..]));
        assert_eq!((score.rows, score.correct), (2, 2), "what is counted is not weighted");
    }

    #[test]
    fn extreme_outputs_stay_finite_and_nan_is_not_hidden() {
        for extreme in [1e4f32, -1e4, 1e30] {
            let mut z = [extreme, 0.0, -extreme];
            let targets = TargetsView::Class(&[1, 0, 1]);
            assert!(Logit.differentiate(&mut z.clone(), 1, &targets).loss.is_finite());
            assert!(CrossEntropy.differentiate(&mut z, 3, &TargetsView::Class(&[1])).loss.is_finite());
            assert!(z.iter().all(|z| z.is_finite()));
        }
        let nan = [f32::NAN, 1.0];
        assert!(Logit.differentiate(&mut nan.clone(), 1, &TargetsView::Class(&[0, 1])).loss.is_nan());
        assert!(CrossEntropy.differentiate(&mut nan.clone(), 2, &TargetsView::Class(&[1])).loss.is_nan());
        assert!(Hinge.differentiate(&mut nan.clone(), 2, &TargetsView::Class(&[1])).loss.is_nan());
        assert!(Squared.differentiate(&mut nan.clone(), 1, &TargetsView::Real(&[0.0, 0.0])).loss.is_nan());
    }
}
