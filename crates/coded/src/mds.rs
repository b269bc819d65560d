//! Maximum-distance-separable codes of linear work: any k of n answers give the answers of all k blocks.
//!
//! A matrix A of r rows is cut into k blocks of rows; worker i holds sum_j G_ij A_j and answers its product with x.
//! Blocks answered plainly are copied, so only as many blocks are solved for as parity workers were among the first
//! k: k (n - k) / n on average for a systematic code. (Lee et al., "Speeding Up Distributed Machine Learning Using
//! Codes", arXiv 1512.02673.)

use std::collections::VecDeque;

use nalgebra::{DMatrix, Dyn, LU};

use crate::code::{check_condition, in_worker_order, workers_of};
use crate::{Answer, Code, Decoded, Error, Generator, Precision, Result, Share, Yields};

/// Factorisations kept: the same sets of fast workers come again and again.
const KEPT: usize = 32;

/// An (n, k) code.
#[derive(Clone, Debug)]
pub struct Mds {
    generator: Generator,
    kept: VecDeque<Factors>,
}

/// What the decoding of one set of workers needs.
#[derive(Clone, Debug)]
struct Factors {
    answered: Vec<usize>,
    /// Of the k answers: which block a plain one is.
    plain: Vec<Option<usize>>,
    /// Blocks that nobody answered plainly.
    missing: Vec<usize>,
    /// The parity answers' rows, in the columns of the missing blocks.
    system: DMatrix<f64>,
    factored: LU<f64, Dyn, Dyn>,
    condition: f64,
}

impl Mds {
    /// The code of a generator matrix.
    pub fn new(generator: Generator) -> Self {
        Self { generator, kept: VecDeque::new() }
    }

    /// The default code: systematic, Gaussian, the best conditioned of the seeds from `seed` on.
    ///
    /// # Errors
    /// Unless 1 <= k <= n <= 1024.
    pub fn systematic(n: usize, k: usize, seed: u64) -> Result<Self> {
        Ok(Self::new(Generator::systematic_gaussian(n, k, seed)?))
    }

    /// The generator matrix.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }

    /// The weights with which the answers of k workers, in increasing order, make up the blocks: one row a block,
    /// one column an answer.
    ///
    /// # Errors
    /// When these are not k different workers whose rows can be inverted.
    pub fn weights(&self, answered: &[usize]) -> Result<Vec<Vec<f64>>> {
        self.check(answered)?;
        let mut ordered = answered.to_vec();
        ordered.sort_unstable();
        let inverse = self.generator.select(&ordered).try_inverse();
        let inverse = inverse.ok_or_else(|| self.not_decodable(&ordered))?;
        Ok(inverse.row_iter().map(|row| row.iter().copied().collect()).collect())
    }

    fn check(&self, answered: &[usize]) -> Result<()> {
        let mut distinct = answered.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let known = distinct.last().is_none_or(|last| *last < self.workers());
        if distinct.len() == answered.len() && answered.len() == self.parts() && known {
            return Ok(());
        }
        Err(self.not_decodable(answered))
    }

    fn not_decodable(&self, answered: &[usize]) -> Error {
        let (k, n) = (self.parts(), self.workers());
        let mut answered = answered.to_vec();
        answered.sort_unstable();
        Error::NotDecodable { answered, needed: format!("{k} of the {n} workers are needed") }
    }

    /// The factorisation for these k workers, made or remembered.
    fn factors(&mut self, answered: &[usize]) -> &Factors {
        let at = self.kept.iter().position(|factors| factors.answered == answered);
        let factors = match at.and_then(|at| self.kept.remove(at)) {
            Some(factors) => factors,
            None => Factors::new(&self.generator, answered),
        };
        // The set used last stands first, so that the one unused for longest is forgotten.
        self.kept.truncate(KEPT - 1);
        self.kept.push_front(factors);
        &self.kept[0]
    }
}

impl Factors {
    fn new(generator: &Generator, answered: &[usize]) -> Self {
        let mut plain: Vec<Option<usize>> = answered.iter().map(|&worker| generator.plain(worker)).collect();
        // Of two plain answers of one block the second is a parity answer like any other.
        for row in 0..plain.len() {
            if plain[..row].contains(&plain[row]) {
                plain[row] = None;
            }
        }
        let missing: Vec<usize> =
            (0..generator.blocks()).filter(|block| !plain.contains(&Some(*block))).collect();
        let parity: Vec<usize> = (0..plain.len()).filter(|&row| plain[row].is_none()).collect();
        let rows = generator.select(answered);
        let system = rows.select_rows(&parity).select_columns(&missing);
        let factored = system.clone().lu();
        let condition = generator.condition(answered);
        Self { answered: answered.to_vec(), plain, missing, system, factored, condition }
    }

    /// The missing blocks from what the parity answers say of them, one row each; refined once, which wins back the
    /// digits that the factorisation lost.
    fn solve(&self, right: &DMatrix<f64>) -> Option<DMatrix<f64>> {
        let first = self.factored.solve(right)?;
        let rest = right - &self.system * &first;
        Some(&first + self.factored.solve(&rest)?)
    }
}

impl Code for Mds {
    fn workers(&self) -> usize {
        self.generator.workers()
    }

    fn parts(&self) -> usize {
        self.generator.blocks()
    }

    fn assignment(&self, worker: usize) -> Vec<Share> {
        (0..self.parts())
            .map(|part| Share { part, coefficient: self.generator.coefficient(worker, part) })
            .filter(|share| share.coefficient != 0.0)
            .collect()
    }

    fn yields(&self) -> Yields {
        Yields::Blocks
    }

    fn suffices(&self) -> usize {
        self.parts()
    }

    fn decodable(&self, answered: &[usize]) -> bool {
        answered.len() >= self.parts() && self.check(&answered[..self.parts()]).is_ok()
    }

    /// A worker holds one coded block of 1/k of the rows, however many blocks went into it.
    fn work_factor(&self) -> f64 {
        self.workers() as f64 / self.parts() as f64
    }

    /// Of more than k answers the first k in worker order count.
    fn decode(&mut self, answers: &[Answer<'_>], precision: Precision) -> Result<Decoded> {
        let ordered = in_worker_order(answers, self.workers())?;
        let ordered = ordered.get(..self.parts()).ok_or_else(|| self.not_decodable(&workers_of(answers)))?;
        let answered = workers_of(ordered);
        let length = ordered[0].values.len();
        let (blocks, generator) = (self.parts(), self.generator.clone());
        let factors = self.factors(&answered);
        check_condition(&answered, factors.condition, precision)?;

        let mut values = vec![0.0; blocks * length];
        for (answer, block) in ordered.iter().zip(&factors.plain) {
            if let Some(block) = block {
                values[block * length..][..length].copy_from_slice(answer.values);
            }
        }
        if !factors.missing.is_empty() {
            let right = unexplained(ordered, factors, &generator, &values);
            let solved = factors.solve(&right).ok_or_else(|| Error::IllConditioned {
                answered: answered.clone(),
                condition: f64::INFINITY,
                error: f64::INFINITY,
                tolerance: precision.tolerance(),
            })?;
            for (row, block) in factors.missing.iter().enumerate() {
                for (column, value) in values[block * length..][..length].iter_mut().enumerate() {
                    *value = solved[(row, column)];
                }
            }
        }
        Ok(Decoded { values, condition: factors.condition })
    }
}

/// The parity answers less what the plain blocks contribute to them, one row each.
fn unexplained(
    ordered: &[Answer<'_>],
    factors: &Factors,
    generator: &Generator,
    values: &[f64],
) -> DMatrix<f64> {
    let length = ordered[0].values.len();
    let parity: Vec<&Answer<'_>> = ordered
        .iter()
        .zip(&factors.plain)
        .filter(|(_, plain)| plain.is_none())
        .map(|(answer, _)| answer)
        .collect();
    let mut right = DMatrix::zeros(parity.len(), length);
    for (row, answer) in parity.iter().enumerate() {
        for column in 0..length {
            let known: f64 = factors
                .plain
                .iter()
                .flatten()
                .map(|block| generator.coefficient(answer.worker, *block) * values[block * length + column])
                .sum();
            right[(row, column)] = answer.values[column] - known;
        }
    }
    right
}
