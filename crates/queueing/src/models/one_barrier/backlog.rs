//! The largest stable rate of (s, k, l) jobs under a 1-barrier: a job departs with its l-th finished task and its
//! stragglers are killed. The chain of the never-empty system counts the running jobs by tasks left
//! (k-l+1..k); its number of states explodes with s / k, so it is bounded and refused beyond that.

use std::collections::HashMap;

use crate::error::{count, positive};
use crate::{Error, Estimate, Result};

const MOST_STATES: usize = 200_000;

/// The backlogged system, solved.
#[derive(Debug, Clone)]
pub struct Backlog {
    states: usize,
    rate: f64,
}

/// Running jobs by the number of tasks beyond the last one needed: `[i]` jobs have k - l + 1 + i tasks left.
type State = Vec<u16>;

impl Backlog {
    /// Solves s workers, width k, l needed, task rate mu.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 1 <= l <= k <= s, or if there are too many states.
    pub fn new(workers: usize, width: usize, needed: usize, mu: f64) -> Result<Self> {
        count("number of workers s", workers, 10_000)?;
        count("width of a job k", width, workers)?;
        count("number of needed tasks l", needed, width)?;
        positive("task rate mu", mu)?;
        let shape = Shape { workers, width, least: width - needed + 1 };
        let chain = shape.explore()?;
        let weights = chain.stationary();
        let departing: f64 = weights.iter().zip(&chain.departures).map(|(p, rate)| p * rate).sum();
        Ok(Self { states: chain.departures.len(), rate: departing * mu })
    }

    /// The number of states of the chain.
    pub fn states(&self) -> usize {
        self.states
    }

    /// The largest stable rate.
    pub fn largest_rate(&self) -> Estimate {
        Estimate::exact(self.rate, "backlogged chain", "Walker and Fidler 2025")
    }
}

struct Shape {
    workers: usize,
    width: usize,
    /// k - l + 1: with this many left, the next completion ends the job.
    least: usize,
}

impl Shape {
    fn start_jobs(&self, state: &mut State) {
        let busy: usize = state.iter().enumerate().map(|(i, &jobs)| jobs as usize * (self.least + i)).sum();
        let last = state.len() - 1;
        state[last] += ((self.workers - busy) / self.width) as u16;
    }

    fn explore(&self) -> Result<Chain> {
        let mut first = vec![0; self.width - self.least + 1];
        self.start_jobs(&mut first);
        let mut index = HashMap::from([(first.clone(), 0)]);
        let mut list = vec![first];
        let mut chain = Chain::default();
        while chain.departures.len() < list.len() {
            let from = chain.departures.len();
            let state = list[from].clone();
            chain.departures.push(f64::from(state[0]) * self.least as f64);
            for (i, &jobs) in state.iter().enumerate().filter(|(_, jobs)| **jobs > 0) {
                let mut next = state.clone();
                next[i] -= 1;
                if i > 0 {
                    next[i - 1] += 1;
                }
                self.start_jobs(&mut next);
                let to = *index.entry(next.clone()).or_insert_with(|| {
                    list.push(next);
                    list.len() - 1
                });
                chain.moves.push((from, to, f64::from(jobs) * (self.least + i) as f64));
            }
            if list.len() > MOST_STATES {
                let needs = format!("small enough for {MOST_STATES} states; simulate it saturated instead");
                return Err(Error::parameter("size of the (s,k,l) chain", list.len(), needs));
            }
        }
        Ok(chain)
    }
}

#[derive(Default)]
struct Chain {
    moves: Vec<(usize, usize, f64)>,
    /// The rate at which jobs leave in each state.
    departures: Vec<f64>,
}

impl Chain {
    /// Gauss-Seidel sweeps over p_j = sum_i p_i rate_ij / out_j.
    fn stationary(&self) -> Vec<f64> {
        let states = self.departures.len();
        let mut out = vec![0.0; states];
        let mut into = vec![Vec::new(); states];
        for &(from, to, rate) in self.moves.iter().filter(|(from, to, _)| from != to) {
            out[from] += rate;
            into[to].push((from, rate));
        }
        let mut weights = vec![1.0 / states as f64; states];
        if states == 1 {
            return weights;
        }
        for _ in 0..100_000 {
            let mut moved: f64 = 0.0;
            for state in 0..states {
                let flow: f64 = into[state].iter().map(|&(from, rate)| weights[from] * rate).sum();
                let new = flow / out[state];
                moved = moved.max((new - weights[state]).abs() / (new + 1e-12));
                weights[state] = new;
            }
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= total);
            if moved < 1e-12 {
                break;
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_table() -> Result<()> {
        let rows = [
            (8, 4, 3, 2.094763),
            (8, 4, 2, 3.428571),
            (10, 5, 4, 1.934258),
            (12, 3, 2, 5.478399),
            (12, 4, 3, 3.463583),
            (20, 5, 4, 4.472666),
            (10, 10, 9, 0.518412),
            (10, 5, 5, 1.548863),
        ];
        for (s, k, l, expected) in rows {
            let rate = Backlog::new(s, k, l, 1.0)?.largest_rate().value;
            assert!((rate - expected).abs() < 1e-6, "({s},{k},{l}): {rate}");
        }
        Ok(())
    }

    #[test]
    fn an_exploding_chain_is_refused() {
        assert!(matches!(Backlog::new(200, 20, 18, 1.0), Err(Error::Parameter { .. })));
    }
}
