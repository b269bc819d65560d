//! Seeded data sets for examples, tests and measurements: the same arguments give the same rows everywhere.

mod generator;

pub use generator::{Generator, KINDS, Kind};

use crate::features::{Dense, Features};
use crate::{Dataset, Targets};
use rand::seq::index;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};

/// Gaussian clouds, one per class, as in the measurements of SystemDS: centres `N(0, 1) * 2 / sqrt(columns)`, noise
/// `N(0, 1)`. The clouds overlap, so no model is always right. Row `i` is of a random class.
///
/// # Panics
/// If there are no columns or no classes.
pub fn blobs(rows: usize, columns: usize, classes: usize, seed: u64) -> Dataset {
    Generator::of(Kind::Blobs { classes }, columns, seed).rows(rows)
}

/// Classes that hyperplanes separate, with a margin: a point `x` of `N(0, 1)` is of the class `y` whose random unit
/// vector `w_y` has the largest product with it, and is then moved by `w_y`, away from the border.
///
/// # Panics
/// If there are no columns or no classes.
pub fn separable(rows: usize, columns: usize, classes: usize, seed: u64) -> Dataset {
    Generator::of(Kind::Separable { classes }, columns, seed).rows(rows)
}

/// Real targets `w x + b + noise * N(0, 1)` of features `N(0, 1)`, with random `w` and `b`.
///
/// # Panics
/// If there are no columns.
pub fn linear(rows: usize, columns: usize, noise: f32, seed: u64) -> Dataset {
    let mut draw = Draw::new(seed);
    let weights: Vec<f32> = (0..columns).map(|_| draw.normal()).collect();
    let bias = draw.normal();
    let values: Vec<f32> = (0..rows * columns).map(|_| draw.normal()).collect();
    let targets =
        values.chunks_exact(columns).map(|row| dot(row, &weights) + bias + noise * draw.normal()).collect();
    dense(values, columns, Targets::Real(targets))
}

/// Two classes over many sparse features, like words in texts: each row has `non_zeros` different columns with values
/// `N(0, 1)`, low columns more often than high ones (their density falls as `column^(-2/3)`); the class is drawn
/// with the probability `sigmoid(w x)` of a random `w`.
///
/// # Panics
/// If there are more non-zeros than columns, or no columns.
pub fn sparse_logistic(rows: usize, columns: usize, non_zeros: usize, seed: u64) -> Dataset {
    assert!(non_zeros <= columns, "{non_zeros} non-zeros do not fit into {columns} columns");
    Generator::of(Kind::Sparse { non_zeros }, columns, seed).rows(rows)
}

/// The random numbers of this module: their algorithm is fixed, unlike that of the library's default one.
#[derive(Clone)]
struct Draw(Xoshiro256PlusPlus);

impl Draw {
    fn new(seed: u64) -> Draw {
        Draw(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn normal(&mut self) -> f32 {
        StandardNormal.sample(&mut self.0)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    fn direction(&mut self, columns: usize) -> Vec<f32> {
        let vector: Vec<f32> = (0..columns).map(|_| self.normal()).collect();
        let length = dot(&vector, &vector).sqrt();
        vector.iter().map(|x| x / length).collect()
    }

    /// Distinct columns, ascending.
    fn columns(&mut self, columns: usize, non_zeros: usize) -> Vec<u32> {
        if non_zeros * 4 > columns {
            // So dense that drawing again what was drawn before would take long.
            let mut all: Vec<u32> =
                index::sample(&mut self.0, columns, non_zeros).iter().map(|c| c as u32).collect();
            all.sort_unstable();
            return all;
        }
        let mut chosen = Vec::with_capacity(non_zeros);
        while chosen.len() < non_zeros {
            let column = (self.0.random::<f64>().powi(3) * columns as f64) as u32;
            if let Err(position) = chosen.binary_search(&column) {
                chosen.insert(position, column);
            }
        }
        chosen
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn classified(labels: Vec<u32>, classes: usize) -> Targets {
    Targets::Class { labels, names: (0..classes).map(|class| class.to_string()).collect() }
}

fn dense(values: Vec<f32>, columns: usize, targets: Targets) -> Dataset {
    #[expect(clippy::expect_used, reason = "the documented panic: no columns")]
    let dense = Dense::new(values, columns).expect("a data set has columns");
    whole(Features::Dense(dense), targets)
}

fn whole(features: Features, targets: Targets) -> Dataset {
    #[expect(
        clippy::expect_used,
        reason = "one target was drawn for each row, each label below the number of classes"
    )]
    Dataset::new(features, targets).expect("as many targets as rows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_data() {
        assert_eq!(blobs(50, 4, 3, 1), blobs(50, 4, 3, 1));
        assert_ne!(blobs(50, 4, 3, 1), blobs(50, 4, 3, 2));
        // Golden: the generator must not change under the users.
        assert_eq!(separable(100, 5, 3, 42).digest(), 2_238_757_298_068_454_612);
    }

    #[test]
    fn sparse_rows_have_the_non_zeros_asked_for() {
        for (columns, non_zeros) in [(1_000_000, 50), (10, 10), (10, 3), (100, 0)] {
            let Features::Sparse(csr) = sparse_logistic(7, columns, non_zeros, 3).features().clone() else {
                panic!("sparse")
            };
            assert_eq!((csr.rows(), csr.non_zeros()), (7, 7 * non_zeros));
        }
    }

    #[test]
    fn all_classes_occur() {
        for data in [blobs(200, 4, 3, 1), separable(200, 4, 3, 1), sparse_logistic(200, 50, 5, 1)] {
            let Targets::Class { labels, names } = data.targets() else { panic!("classes") };
            for class in 0..names.len() as u32 {
                assert!(labels.contains(&class));
            }
        }
    }
}
