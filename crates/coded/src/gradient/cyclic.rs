//! Cyclic gradient codes: worker i holds the parts i, i + 1, ..., i + s (mod n).
//!
//! H is s x n with rows that sum to 0; B_ii = 1, and B_i on i + 1 .. i + s solves H\[:, those\] v = -H\[:, i\]. So
//! H B^T = 0, and the vector of ones lies in the span of any n - s rows (Tandon et al., arXiv 1612.03301). The
//! decoding weights grow quickly with n and s, so the best of a few seeds is kept, and it is for those n only that
//! no s + 1 divides: [`Repetition`](crate::Repetition) loses nothing.

use nalgebra::{DMatrix, DVector};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, StandardNormal};

use crate::code::{check_condition, in_worker_order, workers_of};
use crate::error::within;
use crate::{Answer, Code, Decoded, Error, Precision, Result, Share, Yields, subsets};

/// Matrices tried.
const SEEDS: u64 = 32;
/// Singular values below this share of the largest count as zero in a least-squares solution.
const RANK: f64 = 1e-12;

/// A cyclic code of n workers and n parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Cyclic {
    rows: DMatrix<f64>,
    stragglers: usize,
    seed: u64,
}

impl Cyclic {
    /// The code with the smallest largest decoding weight of the seeds `seed`, `seed + 1`, ...
    ///
    /// # Errors
    /// Unless 0 <= stragglers < workers <= 256.
    pub fn new(workers: usize, stragglers: usize, seed: u64) -> Result<Self> {
        within("the number of workers", workers, 1, 256)?;
        within("the number of stragglers", stragglers, 0, workers - 1)?;
        let seeds = if stragglers == 0 { 1 } else { SEEDS };
        let mut best: Option<(f64, Self)> = None;
        for seed in (0..seeds).map(|offset| seed.wrapping_add(offset)) {
            // A draw that cannot be solved is as good as impossible; the next seed takes its place.
            let Ok(code) = Self::of(&drawn(workers, stragglers, seed), seed) else { continue };
            let weight = code.largest_weight();
            if best.as_ref().is_none_or(|(least, _)| weight < *least) {
                best = Some((weight, code));
            }
        }
        best.map(|(_, code)| code).ok_or_else(|| Error::OutOfRange {
            what: "the seed of a cyclic code",
            got: seed.to_string(),
            must: "one that gives an invertible matrix; try another".into(),
        })
    }

    /// The code of a given H: s rows of n numbers that sum to 0.
    ///
    /// # Errors
    /// When a row does not sum to 0, or s neighbouring columns of H are dependent.
    pub fn from_rows(rows: &[Vec<f64>]) -> Result<Self> {
        let workers = rows.first().map_or(0, Vec::len);
        within("the number of stragglers", rows.len(), 1, workers.saturating_sub(1))?;
        if let Some(row) = rows.iter().find(|row| row.len() != workers || !sums_to_zero(row)) {
            let must = format!("{workers} numbers that sum to 0");
            return Err(Error::OutOfRange { what: "a row of H", got: format!("{row:?}"), must });
        }
        Self::of(&DMatrix::from_fn(rows.len(), workers, |i, j| rows[i][j]), 0)
    }

    fn of(h: &DMatrix<f64>, seed: u64) -> Result<Self> {
        let (stragglers, workers) = h.shape();
        let mut rows = DMatrix::identity(workers, workers);
        for worker in 0..workers {
            let others: Vec<usize> = (1..=stragglers).map(|step| (worker + step) % workers).collect();
            let right = -h.column(worker).clone_owned();
            let solved = h.select_columns(&others).lu().solve(&right);
            let solved = solved.ok_or_else(|| Error::OutOfRange {
                what: "the columns of H",
                got: format!("dependent at {others:?}"),
                must: "independent wherever s of them stand side by side".into(),
            })?;
            for (part, value) in others.iter().zip(solved.iter()) {
                rows[(worker, *part)] = *value;
            }
        }
        Ok(Self { rows, stragglers, seed })
    }

    /// B_ij.
    ///
    /// # Panics
    /// If the worker or the part does not exist.
    pub fn coefficient(&self, worker: usize, part: usize) -> f64 {
        self.rows[(worker, part)]
    }

    /// The seed that was kept; 0 for a given H.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The largest absolute decoding weight over the sets of n - s workers (all where there are at most 5000, else
    /// 5000 drawn ones): by so much the rounding of an answer may grow.
    pub fn largest_weight(&self) -> f64 {
        let sets = subsets::all_or_drawn(self.workers(), self.suffices(), self.seed);
        let largest = |set: &Vec<usize>| match self.weights(set) {
            Some(weights) => weights.amax(),
            None => f64::INFINITY,
        };
        sets.iter().map(largest).fold(0.0, f64::max)
    }

    /// The shortest a with a^T B_S = 1^T, if there is one.
    fn weights(&self, answered: &[usize]) -> Option<DVector<f64>> {
        let columns = self.rows.select_rows(answered).transpose();
        let ones = DVector::from_element(self.workers(), 1.0);
        let decomposed = columns.clone().svd(true, true);
        let weights = decomposed.solve(&ones, RANK * decomposed.singular_values.max()).ok()?;
        // Relative to the weights: a set that does not span the ones leaves a rest of the order of 1.
        let rest = (columns * &weights - ones).amax();
        (rest <= 1e-6 * weights.amax().max(1.0)).then_some(weights)
    }
}

/// A Gaussian H whose rows sum to 0.
fn drawn(workers: usize, stragglers: usize, seed: u64) -> DMatrix<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut h = DMatrix::from_fn(stragglers, workers, |_, _| StandardNormal.sample(&mut rng));
    for mut row in h.row_iter_mut() {
        let sum: f64 = row.iter().take(workers - 1).sum();
        row[workers - 1] = -sum;
    }
    h
}

fn sums_to_zero(row: &[f64]) -> bool {
    let size: f64 = row.iter().map(|value| value.abs()).sum();
    row.iter().sum::<f64>().abs() <= 1e-9 * size
}

impl Code for Cyclic {
    fn workers(&self) -> usize {
        self.rows.nrows()
    }

    fn parts(&self) -> usize {
        self.rows.ncols()
    }

    fn assignment(&self, worker: usize) -> Vec<Share> {
        (0..=self.stragglers)
            .map(|step| (worker + step) % self.parts())
            .map(|part| Share { part, coefficient: self.rows[(worker, part)] })
            .collect()
    }

    fn yields(&self) -> Yields {
        Yields::Sum
    }

    fn suffices(&self) -> usize {
        self.workers() - self.stragglers
    }

    fn decodable(&self, answered: &[usize]) -> bool {
        let mut distinct: Vec<usize> =
            answered.iter().copied().filter(|worker| *worker < self.workers()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.len() >= self.suffices()
    }

    fn decode(&mut self, answers: &[Answer<'_>], precision: Precision) -> Result<Decoded> {
        let ordered = in_worker_order(answers, self.workers())?;
        let answered = workers_of(&ordered);
        let not_decodable = || {
            let needed = format!("{} of the {} workers are needed", self.suffices(), self.workers());
            Error::NotDecodable { answered: answered.clone(), needed }
        };
        if ordered.len() < self.suffices() {
            return Err(not_decodable());
        }
        let weights = self.weights(&answered).ok_or_else(not_decodable)?;
        let condition = weights.iter().map(|weight| weight.abs()).sum::<f64>().max(1.0);
        check_condition(&answered, condition, precision)?;
        let mut values = vec![0.0; ordered[0].values.len()];
        for (answer, weight) in ordered.iter().zip(weights.iter()) {
            for (sum, value) in values.iter_mut().zip(answer.values) {
                *sum += weight * value;
            }
        }
        Ok(Decoded { values, condition })
    }
}
