//! Samples per second of the plain training loop, against the bare matrix products of the same shapes in the same run:
//! `cargo bench -p syncline-learn`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement reads the clock and may fail loudly"
)]

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;
use std::hint::black_box;
use std::time::Instant;
use syncline_data::{Dataset, synthetic};
use syncline_learn::plain::{self, Settings};
use syncline_learn::{Factors, Logistic, Mlp, Model, Softmax};

const BATCH: usize = 64;
const SIZES: [usize; 4] = [784, 256, 128, 10];
/// Interleaved repetitions: the machine may be shared, so the best of each is compared.
const REPETITIONS: usize = 7;

fn main() {
    network();
    dense("softmax 128-10", Softmax::new(128, 10), synthetic::blobs(16_384, 128, 10, 1));
    dense("logistic 128", Logistic::new(128), synthetic::blobs(16_384, 128, 2, 1));
    sparse();
}

fn network() {
    let data = synthetic::blobs(4096, SIZES[0], SIZES[3], 1);
    let mut model = Mlp::new(&SIZES);
    let settings = Settings { batch: BATCH, epochs: 2, learning_rate: 0.05, seed: 1 };
    let samples = (data.rows() * settings.epochs) as f64;
    let mut products = Products::new();
    let (mut bare, mut whole) = (f64::MAX, f64::MAX);
    for _ in 0..REPETITIONS {
        bare = bare.min(seconds(|| (0..settings.epochs * data.rows() / BATCH).for_each(|_| products.run())));
        whole = whole.min(seconds(|| drop(black_box(plain::train(&mut model, &data, settings)))));
    }
    println!("MLP 784-256-128-10, batch {BATCH}: bare matrix products {:9.0} samples/s", samples / bare);
    println!("MLP 784-256-128-10, batch {BATCH}: plain loop           {:9.0} samples/s", samples / whole);
    println!("MLP 784-256-128-10, batch {BATCH}: plain loop / products {:.3}", bare / whole);
}

/// A small model over dense rows.
fn dense(name: &str, mut model: impl Model, data: Dataset) {
    let settings = Settings { batch: BATCH, epochs: 4, learning_rate: 0.1, seed: 1 };
    let mut whole = f64::MAX;
    for _ in 0..REPETITIONS {
        whole = whole.min(seconds(|| drop(black_box(plain::train(&mut model, &data, settings)))));
    }
    let samples = (data.rows() * settings.epochs) as f64;
    println!("{name}, batch {BATCH}: plain loop {:9.0} samples/s", samples / whole);
}

fn sparse() {
    let data = synthetic::sparse_logistic(65_536, 1_000_000, 50, 1);
    let settings = Settings { batch: BATCH, epochs: 2, learning_rate: 0.5, seed: 1 };
    let samples = (data.rows() * settings.epochs) as f64;
    let mut model = Logistic::new(1_000_000);
    let compact = Compacted::new(&data, &model);
    let (mut direct, mut factored, mut compacted) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..REPETITIONS {
        direct = direct.min(seconds(|| drop(black_box(plain::train_linear(&mut model, &data, settings)))));
        factored = factored.min(seconds(|| drop(black_box(train_factored(&mut model, &data, settings)))));
        compacted = compacted.min(seconds(|| drop(black_box(compact.train(&mut model, &data, settings)))));
    }
    println!(
        "sparse logistic 1e6 x 50, batch {BATCH}: plain loop, in place    {:9.0} samples/s",
        samples / direct
    );
    println!(
        "sparse logistic 1e6 x 50, batch {BATCH}: gradients in factors    {:9.0} samples/s",
        samples / factored
    );
    println!(
        "sparse logistic 1e6 x 50, batch {BATCH}: compact batches         {:9.0} samples/s",
        samples / compacted
    );
    println!("sparse logistic 1e6 x 50, batch {BATCH}: factors / in place      {:.3}", direct / factored);
    println!("sparse logistic 1e6 x 50, batch {BATCH}: compact / in place      {:.3}", direct / compacted);
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The work of a worker and a server of one process, without anything between them: derivatives, then a step along the
/// rows.
fn train_factored(model: &mut Logistic, data: &Dataset, settings: Settings) -> Vec<f32> {
    let mut parameters = model.initialise(settings.seed);
    let (all, mut pushed) = (0..parameters.len(), Vec::new());
    for _ in 0..settings.epochs {
        for start in (0..data.rows()).step_by(settings.batch) {
            let batch = data.batch(start..data.rows().min(start + settings.batch));
            pushed.clear();
            pushed.extend_from_slice(model.factors(&parameters, &batch).unwrap().1);
            let (parameters, rate) = (&mut parameters[..], settings.learning_rate);
            Factors::new(&batch, &pushed).unwrap().for_each_run(all.clone(), move |start, run, x| {
                let parameters = &mut parameters[start..start + run.len()];
                parameters.iter_mut().zip(run).for_each(|(w, d)| *w -= rate * (x * d));
            });
        }
    }
    parameters
}

/// The same over compact batches, as rounds of several batches need them: gather, gradient, scatter.
struct Compacted(Vec<syncline_learn::Compact>);

impl Compacted {
    fn new(data: &Dataset, model: &Logistic) -> Compacted {
        Compacted(
            (0..data.rows())
                .step_by(BATCH)
                .map(|i| model.compact(&data.batch(i..i + BATCH)).unwrap())
                .collect(),
        )
    }

    fn train(&self, model: &mut Logistic, data: &Dataset, settings: Settings) -> Vec<f32> {
        let mut parameters = model.initialise(settings.seed);
        let (mut pulled, mut pushed) = (Vec::new(), Vec::new());
        for _ in 0..settings.epochs {
            for (i, compact) in self.0.iter().enumerate() {
                pulled.resize(compact.touched().len(), 0.0);
                pushed.resize(compact.touched().len(), 0.0);
                compact.gather(&parameters, &mut pulled);
                let batch = data.batch(i * BATCH..(i + 1) * BATCH);
                model.gradient(&pulled, &compact.batch(&batch), &mut pushed);
                compact.scatter_add(&mut parameters, -settings.learning_rate, &pushed);
            }
        }
        parameters
    }
}

/// The eight matrix products of one batch: three forward, three of the weights' gradients, two backward.
struct Products {
    values: Vec<Vec<f32>>,
    weights: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
}

impl Products {
    fn new() -> Products {
        let of = |length: usize| (0..length).map(|i| (i % 13) as f32 * 0.01).collect::<Vec<f32>>();
        let weights: Vec<_> = SIZES.windows(2).map(|pair| of(pair[0] * pair[1])).collect();
        Products { values: SIZES.map(|size| of(size * BATCH)).into(), gradients: weights.clone(), weights }
    }

    fn run(&mut self) {
        let Products { values, weights, gradients } = self;
        for layer in 0..3 {
            let (from, to) = (SIZES[layer], SIZES[layer + 1]);
            let (low, high) = values.split_at_mut(layer + 1);
            product([BATCH, from, to], (&low[layer], from, 1), (&weights[layer], to, 1), &mut high[0]);
        }
        for layer in (0..3).rev() {
            let (from, to) = (SIZES[layer], SIZES[layer + 1]);
            let (low, high) = values.split_at_mut(layer + 1);
            product([from, BATCH, to], (&low[layer], 1, from), (&high[0], to, 1), &mut gradients[layer]);
            if layer > 0 {
                product([BATCH, to, from], (&high[0], to, 1), (&weights[layer], 1, to), &mut low[layer]);
            }
        }
        // Keeps the numbers from growing out of range, which would be slow for another reason.
        values.iter_mut().for_each(|values| values[0] = 0.01);
        black_box(&gradients);
    }
}

/// `out = a b` of the shape `[rows, inner, columns]`; an operand is its values with the strides of rows and columns.
fn product(
    [rows, inner, columns]: [usize; 3],
    a: (&[f32], usize, usize),
    b: (&[f32], usize, usize),
    out: &mut [f32],
) {
    assert!(a.0.len() == rows * inner && b.0.len() == inner * columns && out.len() == rows * columns);
    let stride = |stride: usize| stride as isize;
    // SAFETY: the lengths were checked, and the strides are those of whole row-major matrices or their transposes.
    unsafe {
        get_gemm_fn()(
            columns,
            rows,
            inner,
            out.as_mut_ptr(),
            stride(columns),
            1,
            false,
            b.0.as_ptr(),
            stride(b.1),
            stride(b.2),
            a.0.as_ptr(),
            stride(a.1),
            stride(a.2),
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
