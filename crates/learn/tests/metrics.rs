//! The metrics against those of scikit-learn 1.9.1, computed once on the same rows: `mean_squared_error` (its root),
//! `mean_absolute_error`, `r2_score`; `accuracy_score`, `log_loss`, `roc_auc_score` (of more than two classes with
//! `multi_class="ovr", average="macro"`), `f1_score` (macro and micro), `confusion_matrix` and
//! `precision_recall_fscore_support`.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use syncline_data::{Dataset, Dense, Features, Targets, synthetic};
use syncline_learn::metrics::{ClassMetrics, NumberMetrics};
use syncline_learn::{Linear, Logistic, Metrics, Model, Predictions, Softmax, Svm};

const ROWS: usize = 40;

/// A data set of these columns, row by row.
fn data(columns: usize, value: impl Fn(usize, usize) -> f64, targets: Targets) -> Dataset {
    let values = (0..ROWS).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let values = values.map(|(row, column)| value(row, column) as f32).collect();
    Dataset::new(Features::Dense(Dense::new(values, columns).unwrap()), targets).unwrap()
}

fn labels(classes: u32, label: impl Fn(u32) -> u32) -> Targets {
    let names = (0..classes).map(|class| format!("class {class}")).collect();
    Targets::Class { labels: (0..ROWS as u32).map(label).collect(), names }
}

fn numbers(model: &dyn Model, parameters: &[f32], data: &Dataset) -> NumberMetrics {
    match Metrics::of(model, parameters, data, 2) {
        Some(Metrics::Numbers(metrics)) => metrics,
        other => panic!("{other:?}"),
    }
}

fn classes(model: &dyn Model, parameters: &[f32], data: &Dataset) -> ClassMetrics {
    match Metrics::of(model, parameters, data, 2) {
        Some(Metrics::Classes(metrics)) => metrics,
        other => panic!("{other:?}"),
    }
}

fn close(ours: impl Into<Option<f64>>, theirs: f64) {
    let ours = ours.into().unwrap();
    assert!((ours - theirs).abs() < 2e-6 * theirs.abs().max(1.0), "{ours} is not {theirs}");
}

/// Three waves, of which the label's is not always the highest.
fn wave(row: usize, column: usize) -> f64 {
    let i = row as f64;
    [(1.1 * i).sin(), (0.6 * i).cos(), (0.3 * i + 1.0).sin()][column]
}

#[test]
fn real_numbers() {
    let target = |row: usize| ((row as f64 * 0.7).sin() * 3.0 + 10.0) as f32;
    let targets = Targets::Real((0..ROWS).map(target).collect());
    let data = data(1, |row, _| f64::from(target(row)) + (row as f64 * 1.3).cos(), targets);
    let metrics = numbers(&Linear::new(1), &[1.0, 0.0], &data);
    close(metrics.rmse, 0.715_269_095_082_800_5);
    close(metrics.mae, 0.647_087_979_316_711_5);
    close(metrics.r2, 0.886_053_575_669_113_9);
    assert_eq!(metrics.rows, 40);
    close(metrics.target_deviation, metrics.rmse / (1.0 - metrics.r2.unwrap()).sqrt());
}

#[test]
fn two_classes_with_ties() {
    let logit = |row: usize, _| ((row as f64 * 0.9).sin() * 4.0).round_ties_even() / 2.0;
    let data = data(1, logit, labels(2, |row| u32::from((row * 7) % 5 < 2)));
    let metrics = classes(&Logistic::new(1), &[1.0, 0.0], &data);
    close(metrics.accuracy, 0.5);
    close(metrics.log_loss, 0.933_785_202_654_627_1);
    close(metrics.auc, 0.484_375);
    close(metrics.f1_macro, 0.488_491_048_593_350_35);
    close(metrics.f1_micro, 0.5);
    close(metrics.largest_class_share, 0.6);
    assert_eq!(metrics.confusion, [[13, 11], [9, 7]]);
    let [negative, positive] = &metrics.classes[..] else { panic!("{metrics:?}") };
    assert_eq!((negative.rows, positive.rows, positive.class.as_str()), (24, 16, "class 1"));
    close(negative.precision, 0.590_909_09);
    close(positive.precision, 0.388_888_89);
    close(negative.recall, 0.541_666_67);
    close(positive.recall, 0.4375);
    close(negative.f1, 0.565_217_39);
    close(positive.f1, 0.411_764_71);

    // A margin has the order of the logit, but is no probability.
    let margins = classes(&Svm::new(1, 2), &[1.0, 0.0], &data);
    assert_eq!((margins.auc, margins.log_loss), (metrics.auc, None));
    assert_eq!(margins.confusion, metrics.confusion);
}

#[test]
fn three_classes() {
    let data = data(3, wave, labels(3, |row| (row * row + row / 3) % 3));
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let metrics = classes(&Softmax::new(3, 3), &identity, &data);
    close(metrics.accuracy, 0.425);
    close(metrics.log_loss, 1.111_293_870_896_148_8);
    close(metrics.auc, 0.622_420_838_420_838_4);
    close(metrics.f1_macro, 0.424_908_424_908_424_95);
    close(metrics.f1_micro, 0.425);
    assert_eq!(metrics.confusion, [[6, 3, 4], [4, 5, 6], [3, 3, 6]]);
    close(metrics.classes[1].precision, 0.454_545_45);
    close(metrics.classes[1].recall, 0.333_333_33);
    close(metrics.classes[1].f1, 0.384_615_38);
    for threads in [1, 3, 100] {
        let again = Metrics::of(&Softmax::new(3, 3), &identity, &data, threads);
        assert_eq!(again, Some(Metrics::Classes(metrics.clone())), "{threads} threads");
    }
}

/// With `sample_weight` 0, 1, 2, 3, 0, 1 ...
#[test]
fn rows_that_weigh_more_or_nothing() {
    let weights: Vec<f32> = (0..ROWS).map(|row| (row % 4) as f32).collect();
    let target = |row: usize| ((row as f64 * 0.7).sin() * 3.0 + 10.0) as f32;
    let targets = Targets::Real((0..ROWS).map(target).collect());
    let amounts = data(1, |row, _| f64::from(target(row)) + (row as f64 * 1.3).cos(), targets);
    let amounts = amounts.weighted(weights.clone()).unwrap();
    let metrics = numbers(&Linear::new(1), &[1.0, 0.0], &amounts);
    close(metrics.rmse, 0.712_250_894_651_041_7);
    close(metrics.mae, 0.630_022_827_784_220_4);
    close(metrics.r2, 0.890_214_766_020_126_8);

    let logit = |row: usize, _| ((row as f64 * 0.9).sin() * 4.0).round_ties_even() / 2.0;
    let classified = data(1, logit, labels(2, |row| u32::from((row * 7) % 5 < 2)));
    let metrics = classes(&Logistic::new(1), &[1.0, 0.0], &classified.weighted(weights).unwrap());
    close(metrics.accuracy, 0.65);
    close(metrics.log_loss, 0.722_661_370_085_703_7);
    close(metrics.auc, 0.659_722_222_222_222_2);
    close(metrics.f1_macro, 0.641_943_734_015_345_3);
    close(metrics.classes[1].precision, 0.555_555_555_555_555_6);
    close(metrics.classes[1].recall, 0.625);
    close(metrics.largest_class_share, 0.6);
    assert_eq!((metrics.rows, metrics.classes[0].rows), (40, 24), "rows are counted");
}

#[test]
fn what_cannot_be_said_is_not_said() {
    let one_class = data(1, |row, _| row as f64, labels(2, |_| 1));
    let metrics = classes(&Logistic::new(1), &[1.0, 0.5], &one_class);
    assert_eq!((metrics.auc, metrics.accuracy, metrics.largest_class_share), (None, 1.0, 1.0));
    assert_eq!((metrics.classes[0].f1, metrics.f1_macro), (0.0, 1.0), "class 0 does not occur");

    let constant = data(1, |row, _| row as f64, Targets::Real(vec![5.0; ROWS]));
    assert_eq!(numbers(&Linear::new(1), &[0.0, 5.0], &constant).r2, None);

    let nothing = synthetic::linear(10, 3, 0.1, 1).select(&[]);
    assert_eq!(Metrics::of(&Linear::new(3), &[0.0; 4], &nothing, 4), None);
    let three = data(3, wave, labels(3, |row| row % 3));
    assert_eq!(Metrics::of(&Linear::new(3), &[0.0; 4], &three, 1), None, "numbers for classes");
    assert_eq!(Metrics::of(&Logistic::new(3), &[0.0; 4], &three, 1), None, "two classes for three");
}

#[test]
fn predictions_have_a_row_for_each_row() {
    let data = synthetic::blobs(5, 3, 3, 1);
    let predictions = Softmax::new(3, 3).predict(&[0.0; 12], &data.batch(0..5).features).unwrap();
    assert_eq!((predictions.rows(), predictions.classes()), (5, vec![0; 5]), "the first of equals");
    let Predictions::Probabilities { classes, values } = predictions else { panic!("probabilities") };
    assert_eq!(classes, 3);
    assert!(values.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-6));
}
