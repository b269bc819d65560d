//! Markov-modulated arrivals: in state i the next gap is drawn from the i-th distribution, then the chain moves.

use rand::RngExt;

use super::Envelope;
use crate::matrix::Matrix;
use crate::sim::Random;
use crate::{Distribution, Error, Result};

/// A Markov chain whose states have a distribution of gaps each.
#[derive(Debug, Clone, PartialEq)]
pub struct Modulated {
    transition: Vec<Vec<f64>>,
    gaps: Vec<Distribution>,
    stationary: Vec<f64>,
}

impl Modulated {
    /// Takes the transition probabilities, row by row, and the gap of each state.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the matrix is square, matches the gaps, its rows are probabilities and every
    /// state can be reached from every other.
    pub fn new(transition: Vec<Vec<f64>>, gaps: Vec<Distribution>) -> Result<Self> {
        let size = gaps.len();
        if size == 0 || transition.len() != size || transition.iter().any(|row| row.len() != size) {
            return Err(Error::parameter(
                "shape of the modulating chain",
                transition.len(),
                "n x n for n > 0 gaps",
            ));
        }
        for row in &transition {
            let total: f64 = row.iter().sum();
            if (total - 1.0).abs() > 1e-9 || row.iter().any(|p| *p < 0.0 || p.is_nan()) {
                return Err(Error::parameter(
                    "row of the modulating chain",
                    format!("{row:?}"),
                    "probabilities",
                ));
            }
        }
        if !irreducible(&transition) {
            return Err(Error::parameter(
                "modulating chain",
                "split",
                "able to go from every state to every other",
            ));
        }
        let stationary = stationary(&transition);
        Ok(Self { transition, gaps, stationary })
    }

    pub(crate) fn mean_gap(&self) -> f64 {
        self.stationary.iter().zip(&self.gaps).map(|(p, gap)| p * gap.mean()).sum()
    }

    pub(crate) fn scv(&self) -> f64 {
        let square: f64 = self.stationary.iter().zip(&self.gaps).map(|(p, gap)| p * gap.moment(2)).sum();
        square / (self.mean_gap() * self.mean_gap()) - 1.0
    }

    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self { gaps: self.gaps.iter().map(|gap| gap.scaled(factor)).collect(), ..self.clone() }
    }

    /// Spectral radius of [E e^(-theta a_i) p_ij] and spread of its right eigenvector, by power iteration.
    pub(crate) fn envelope(&self, theta: f64) -> Envelope {
        let weight: Vec<f64> = self.gaps.iter().map(|gap| gap.log_mgf(-theta).exp()).collect();
        let mut vector = vec![1.0; self.gaps.len()];
        let mut radius = 1.0;
        for _ in 0..20_000 {
            let next: Vec<f64> = self
                .transition
                .iter()
                .zip(&weight)
                // Half of the identity is mixed in, so that a periodic chain converges too.
                .zip(&vector)
                .map(|((row, w), old)| 0.5 * (w * dot(row, &vector) + old))
                .collect();
            let norm = next.iter().copied().fold(0.0, f64::max);
            let moved =
                next.iter().zip(&vector).map(|(new, old)| (new / norm - old).abs()).fold(0.0, f64::max);
            vector = next.iter().map(|value| value / norm).collect();
            radius = 2.0 * norm - 1.0;
            if moved < 1e-14 {
                break;
            }
        }
        let least = vector.iter().copied().fold(f64::INFINITY, f64::min);
        Envelope { log_gap: radius.ln(), log_factor: -least.ln() }
    }

    pub(crate) fn draw_state(&self, random: &mut Random) -> usize {
        pick(&self.stationary, random)
    }

    pub(crate) fn step(&self, state: &mut usize, random: &mut Random) -> f64 {
        let gap = self.gaps[*state].draw(random);
        *state = pick(&self.transition[*state], random);
        gap
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn pick(weights: &[f64], random: &mut Random) -> usize {
    let mut at: f64 = random.random();
    weights
        .iter()
        .position(|weight| {
            at -= weight;
            at < 0.0
        })
        .unwrap_or(weights.len() - 1)
}

fn irreducible(transition: &[Vec<f64>]) -> bool {
    (0..transition.len()).all(|start| {
        let mut seen = vec![false; transition.len()];
        let mut stack = vec![start];
        while let Some(state) = stack.pop() {
            if !std::mem::replace(&mut seen[state], true) {
                stack.extend((0..transition.len()).filter(|&to| transition[state][to] > 0.0));
            }
        }
        seen.into_iter().all(|seen| seen)
    })
}

/// pi (P - I) = 0 with the last equation replaced by sum pi = 1.
fn stationary(transition: &[Vec<f64>]) -> Vec<f64> {
    let size = transition.len();
    let mut matrix = Matrix::zero(size);
    for (from, row) in transition.iter().enumerate() {
        for (to, p) in row[..size - 1].iter().enumerate() {
            matrix.add(from, to, p - if from == to { 1.0 } else { 0.0 });
        }
        matrix.add(from, size - 1, 1.0);
    }
    let mut right = vec![0.0; size];
    right[size - 1] = 1.0;
    matrix.solve_left(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_states_are_a_renewal_process() -> Result<()> {
        let gap = Distribution::exponential(2.0)?;
        let chain = Modulated::new(vec![vec![0.3, 0.7], vec![0.6, 0.4]], vec![gap.clone(), gap.clone()])?;
        let envelope = chain.envelope(0.7);
        assert!((envelope.log_gap - gap.log_mgf(-0.7)).abs() < 1e-12 && envelope.log_factor.abs() < 1e-12);
        assert!((chain.mean_gap() - 0.5).abs() < 1e-12);
        Ok(())
    }
}
