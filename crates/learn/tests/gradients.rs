//! Every model's gradient against finite differences of its own loss, over dense and sparse rows; and the compact
//! batch against the whole one.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use syncline_data::{Csr, Dataset, Dense, Features, FeaturesView, Targets, synthetic};
use syncline_learn::{Factors, Linear, Logistic, Mlp, Model, Softmax, Svm};

const ROWS: usize = 9;

/// Small features: dense, or sparse with the same values.
fn features(columns: usize, sparse: bool, generator: &mut Xoshiro256PlusPlus) -> Features {
    let mut values = vec![0f32; ROWS * columns];
    for value in &mut values {
        // Half of them zeros; one column may stay empty.
        if generator.random::<bool>() {
            *value = generator.random_range(-1.0..1.0);
        }
    }
    if !sparse {
        return Features::Dense(Dense::new(values, columns).unwrap());
    }
    let (mut offsets, mut indices, mut stored) = (vec![0], vec![], vec![]);
    for row in values.chunks(columns) {
        for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            indices.push(column as u32);
            stored.push(value);
        }
        offsets.push(stored.len());
    }
    Features::Sparse(Csr::new(offsets, indices, stored, columns).unwrap())
}

fn targets(classes: usize, generator: &mut Xoshiro256PlusPlus) -> Targets {
    match classes {
        0 => Targets::Real((0..ROWS).map(|_| generator.random_range(-2.0..2.0)).collect()),
        _ => Targets::Class {
            labels: (0..ROWS).map(|_| generator.random_range(0..classes as u32)).collect(),
            names: (0..classes).map(|class| class.to_string()).collect(),
        },
    }
}

/// Compares each derivative with differences of the loss: `(loss(p + h) - loss(p - h)) / 2h`, or, where a kink of the hinge
/// or of ReLU lies on one side of `p`, the difference on the other side.
fn check(mut model: impl Model, classes: usize, columns: usize, sparse: bool, seed: u64) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let features = features(columns, sparse, &mut generator);
    let data = Dataset::new(features, targets(classes, &mut generator)).unwrap();
    let batch = data.batch(0..ROWS);
    let mut parameters: Vec<f32> =
        (0..model.parameters()).map(|_| generator.random_range(-0.7..0.7)).collect();
    let mut gradient = vec![f32::NAN; parameters.len()];
    let score = model.gradient(&parameters, &batch, &mut gradient);
    assert_eq!(score, model.score(&parameters, &batch));
    assert_eq!(score.rows, ROWS as u64);

    const STEP: f32 = 2e-3;
    for i in 0..parameters.len() {
        let at = parameters[i];
        let mut loss = |value: f32| {
            parameters[i] = value;
            model.score(&parameters, &batch).mean_loss()
        };
        let (low, middle, high) = (loss(at - STEP), loss(at), loss(at + STEP));
        parameters[i] = at;
        let (down, up) = (f64::from(at) - f64::from(at - STEP), f64::from(at + STEP) - f64::from(at));
        let slopes = [(high - low) / (down + up), (middle - low) / down, (high - middle) / up];
        let found = f64::from(gradient[i]);
        let close = slopes.iter().any(|slope| (slope - found).abs() < 5e-4);
        assert!(close, "parameter {i}: {found} by the model, {slopes:?} by differences");
    }
}

fn check_all(model: impl Fn(usize) -> Box<dyn Model>, classes: usize) {
    for columns in [1, 5, 40] {
        for sparse in [false, true] {
            for seed in 0..3 {
                check(model(columns), classes, columns, sparse, seed);
            }
        }
    }
}

#[test]
fn linear() {
    check_all(|columns| Box::new(Linear::new(columns)), 0);
}

#[test]
fn logistic() {
    check_all(|columns| Box::new(Logistic::new(columns)), 2);
}

#[test]
fn softmax() {
    for classes in [2, 3, 17] {
        check_all(|columns| Box::new(Softmax::new(columns, classes)), classes);
    }
}

#[test]
fn svm() {
    for classes in [2, 3, 6] {
        check_all(|columns| Box::new(Svm::new(columns, classes)), classes);
    }
}

#[test]
fn mlp_of_one_and_more_layers() {
    check_all(|columns| Box::new(Mlp::new(&[columns, 4])), 4);
    check_all(|columns| Box::new(Mlp::new(&[columns, 7, 3])), 3);
    check_all(|columns| Box::new(Mlp::new(&[columns, 6, 5, 2])), 2);
}

#[test]
fn mlp_with_a_real_target() {
    check_all(|columns| Box::new(Mlp::regression(&[columns, 6])), 0);
    check_all(|columns| Box::new(Mlp::regression(&[columns, 5, 4])), 0);
}

#[test]
fn a_compact_batch_gives_the_same_gradient() {
    let data = synthetic::sparse_logistic(32, 10_000, 12, 5);
    let models: [Box<dyn Model>; 4] = [
        Box::new(Logistic::new(10_000)),
        Box::new(Softmax::new(10_000, 2)),
        Box::new(Svm::new(10_000, 2)),
        Box::new(Mlp::new(&[10_000, 8, 2])),
    ];
    for mut model in models {
        let parameters: Vec<f32> =
            Mlp::new(&[model.parameters(), 1]).initialise(3)[..model.parameters()].to_vec();
        for rows in [0..16, 16..32] {
            let batch = data.batch(rows);
            let mut whole = vec![f32::NAN; parameters.len()];
            let score = model.gradient(&parameters, &batch, &mut whole);

            let compact = model.compact(&batch).unwrap();
            assert!(compact.touched().is_sorted_by(|a, b| a < b));
            let mut pulled = vec![0.0; compact.touched().len()];
            compact.gather(&parameters, &mut pulled);
            let mut pushed = vec![f32::NAN; pulled.len()];
            assert_eq!(model.gradient(&pulled, &compact.batch(&batch), &mut pushed), score);

            let mut scattered = vec![0.0; parameters.len()];
            compact.scatter_add(&mut scattered, 1.0, &pushed);
            assert_eq!(scattered, whole, "the same bits, and zero where nothing was touched");
        }
    }
}

#[test]
fn the_factors_of_a_gradient_make_it_up_however_the_parameters_are_cut() {
    let data = synthetic::sparse_logistic(32, 1000, 12, 5);
    let batch = data.batch(7..32);
    let models: [Box<dyn Model>; 3] =
        [Box::new(Logistic::new(1000)), Box::new(Softmax::new(1000, 3)), Box::new(Svm::new(1000, 2))];
    for mut model in models {
        let all = model.parameters();
        let parameters: Vec<f32> = (0..all).map(|i| (i as f32).sin()).collect();
        let mut gradient = vec![f32::NAN; all];
        let score = model.gradient(&parameters, &batch, &mut gradient);
        let (found, derivatives) = model.factors(&parameters, &batch).unwrap();
        assert_eq!(found, score);
        let factors = Factors::new(&batch, derivatives).unwrap();
        for cuts in [vec![0, all], vec![0, 16, 16, 400, all - 1, all]] {
            let mut product = vec![0.0; all];
            for cut in cuts.windows(2) {
                factors.for_each_run(cut[0]..cut[1], |start, run, x| {
                    assert!(cut[0] + start + run.len() <= cut[1], "within the shard");
                    product[cut[0] + start..].iter_mut().zip(run).for_each(|(sum, d)| *sum += x * d);
                });
            }
            assert_eq!(product, gradient, "{cuts:?}");
        }
    }
}

#[test]
fn a_batch_without_any_entry_reads_the_biases_only() {
    let data = synthetic::sparse_logistic(8, 100, 0, 1);
    let mut model = Logistic::new(100);
    let compact = model.compact(&data.batch(0..8)).unwrap();
    assert_eq!(compact.touched(), [100]);
    let mut gradient = [f32::NAN];
    let score = model.gradient(&[0.0], &compact.batch(&data.batch(0..8)), &mut gradient);
    assert_eq!((gradient[0], score.rows), (0.5 - (8 - score.correct) as f32 / 8.0, 8));
}

#[test]
fn dense_batches_are_not_compacted() {
    let data = synthetic::blobs(8, 30, 2, 1);
    assert!(!matches!(data.batch(0..8).features, FeaturesView::Sparse(_)));
    assert!(Logistic::new(30).compact(&data.batch(0..8)).is_none());
    assert!(Logistic::new(30).factors(&[0.0; 31], &data.batch(0..8)).is_none());
}

#[test]
fn a_copy_gives_the_same_bits_after_other_batches() {
    let data = synthetic::blobs(100, 20, 3, 1);
    let mut model = Mlp::new(&[20, 16, 3]);
    let parameters = model.initialise(1);
    let mut gradients = [vec![0.0; parameters.len()], vec![0.0; parameters.len()]];
    model.gradient(&parameters, &data.batch(0..100), &mut gradients[0]);
    model.gradient(&parameters, &data.batch(40..57), &mut gradients[0]);
    model.boxed_clone().gradient(&parameters, &data.batch(40..57), &mut gradients[1]);
    assert_eq!(gradients[0], gradients[1]);
}
