//! How fast a job is with w workers and p servers, fitted to what was observed.
//!
//! Optimus' synchronous model: with global batch F an iteration takes
//!
//! ```text
//! T(w, p) = a F / w + b + c w / p + d w + e p        a, ..., e >= 0
//! ```
//!
//! seconds: computing the shares of the batch, a fixed part, the transfers through p servers, and the overheads
//! of many workers and many servers. The coefficients are least squares of the relative errors under the signs
//! (NNLS). Invariant: a fit is never negative and gives a positive time.

use serde::{Deserialize, Serialize};

/// A speed that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Workers.
    pub workers: u32,
    /// Servers.
    pub servers: u32,
    /// Samples per second.
    pub rate: f64,
}

/// The number of terms.
const TERMS: usize = 5;

/// A fitted model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedModel {
    batch: f64,
    coefficients: [f64; TERMS],
}

impl SpeedModel {
    /// The least squares of relative errors; none without an observation of positive speed.
    pub fn fit(batch: u32, observations: &[Observation]) -> Option<Self> {
        let batch = f64::from(batch);
        let rows: Vec<[f64; TERMS]> = observations
            .iter()
            .filter(|seen| seen.rate > 0.0 && seen.workers > 0)
            // Every row is divided by its time, so that each asks for a sum of one.
            .map(|seen| terms(batch, seen.workers, seen.servers).map(|term| term * seen.rate / batch))
            .collect();
        (!rows.is_empty()).then(|| Self { batch, coefficients: nonnegative(&rows) })
    }

    /// Samples per second.
    pub fn rate(&self, workers: u32, servers: u32) -> f64 {
        if workers == 0 {
            return 0.0;
        }
        let terms = terms(self.batch, workers, servers);
        let time: f64 = terms.iter().zip(&self.coefficients).map(|(term, weight)| term * weight).sum();
        self.batch / time.max(f64::MIN_POSITIVE)
    }
}

fn terms(batch: f64, workers: u32, servers: u32) -> [f64; TERMS] {
    let (workers, servers) = (f64::from(workers), f64::from(servers));
    // Without servers there are no transfers through them.
    let transfers = if servers > 0.0 { workers / servers } else { 0.0 };
    [batch / workers, 1.0, transfers, workers, servers]
}

/// Minimises `sum (row x - 1)^2` over `x >= 0`.
///
/// The optimum is the free least squares over the terms that it does not hold at zero, so the best of the 31
/// sets of terms whose free optimum is positive is it. Of equally good sets the smallest wins.
fn nonnegative(rows: &[[f64; TERMS]]) -> [f64; TERMS] {
    let mut sets: Vec<u32> = (1..1 << TERMS).collect();
    sets.sort_by_key(|set| set.count_ones());
    let mut best = ([0.0; TERMS], rows.len() as f64);
    for set in sets {
        let Some(x) = least_squares(rows, set) else { continue };
        let error: f64 = rows.iter().map(|row| (dot(row, &x) - 1.0).powi(2)).sum();
        if x.iter().all(|weight| *weight >= 0.0) && error < best.1 * (1.0 - 1e-6) - 1e-15 {
            best = (x, error);
        }
    }
    best.0
}

fn dot(a: &[f64; TERMS], b: &[f64; TERMS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The free least squares over the terms in `set` by the normal equations; none if they are dependent.
fn least_squares(rows: &[[f64; TERMS]], set: u32) -> Option<[f64; TERMS]> {
    let chosen: Vec<usize> = (0..TERMS).filter(|term| set >> term & 1 == 1).collect();
    let size = chosen.len();
    // Columns of length one keep the equations well scaled.
    let length = |term: usize| rows.iter().map(|row| row[term] * row[term]).sum::<f64>().sqrt();
    let lengths: Vec<f64> = chosen.iter().map(|&term| length(term)).collect();
    if lengths.contains(&0.0) {
        return None;
    }
    let mut system = vec![vec![0.0; size + 1]; size];
    for row in rows {
        let scaled: Vec<f64> =
            chosen.iter().zip(&lengths).map(|(&term, length)| row[term] / length).collect();
        for (equation, left) in system.iter_mut().zip(&scaled) {
            equation.iter_mut().zip(&scaled).for_each(|(entry, right)| *entry += left * right);
            equation[size] += left;
        }
    }
    let solution = eliminate(system)?;
    let mut x = [0.0; TERMS];
    for ((&term, value), length) in chosen.iter().zip(solution).zip(&lengths) {
        x[term] = value / length;
    }
    Some(x)
}

/// Gauss-Jordan elimination with pivoting; the last column is the right-hand side.
fn eliminate(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = system.len();
    for at in 0..size {
        let pivot = (at..size).max_by(|&a, &b| system[a][at].abs().total_cmp(&system[b][at].abs()))?;
        system.swap(at, pivot);
        if system[at][at].abs() < 1e-10 {
            return None;
        }
        let row = system[at].clone();
        for (_, equation) in system.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            let factor = equation[at] / row[at];
            equation.iter_mut().zip(&row).for_each(|(entry, pivot)| *entry -= factor * pivot);
        }
    }
    Some((0..size).map(|at| system[at][size] / system[at][at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(workers: u32, servers: u32, seconds: f64, batch: u32) -> Observation {
        Observation { workers, servers, rate: f64::from(batch) / seconds }
    }

    /// T = 0.5 F / w + 2 + 3 w / p with F = 8, worked out by hand.
    #[test]
    fn a_model_within_the_family_is_found_exactly() {
        let observations = [
            seen(1, 1, 9.0, 8),
            seen(2, 1, 10.0, 8),
            seen(1, 3, 7.0, 8),
            seen(4, 4, 6.0, 8),
            seen(8, 8, 5.5, 8),
        ];
        let model = SpeedModel::fit(8, &observations).unwrap();
        for (found, expected) in model.coefficients.iter().zip([0.5, 2.0, 3.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{:?}", model.coefficients);
        }
        // (2, 2): 0.5 * 8 / 2 + 2 + 3 = 7 seconds for 8 samples.
        assert!((model.rate(2, 2) - 8.0 / 7.0).abs() < 1e-6);
    }

    /// Times that fall faster than 1 / w would need a negative constant, so only `a` is left. The relative errors
    /// of 8 a / w against times of 8 and 3 seconds are a - 1 and 4 a / 3 - 1; their squares are least at
    /// a = (1 + 4/3) / (1 + 16/9) = 21/25.
    #[test]
    fn signs_bind() {
        let model = SpeedModel::fit(8, &[seen(1, 0, 8.0, 8), seen(2, 0, 3.0, 8)]).unwrap();
        assert!((model.coefficients[0] - 21.0 / 25.0).abs() < 1e-9, "{:?}", model.coefficients);
        assert_eq!(model.coefficients[1..], [0.0; 4]);
    }

    #[test]
    fn nothing_seen_is_no_model() {
        assert_eq!(SpeedModel::fit(8, &[]), None);
        assert_eq!(SpeedModel::fit(8, &[Observation { workers: 1, servers: 1, rate: 0.0 }]), None);
    }
}
