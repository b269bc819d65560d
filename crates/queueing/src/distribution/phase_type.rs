//! Phase-type distributions: the time until a finite Markov chain is absorbed.
//!
//! Only the transitions that exist are stored, so that a chain of a thousand stages in a row costs a thousand
//! numbers. Tail probabilities are computed by uniformisation, a sum of non-negative terms without cancellation.

use crate::error::{non_negative, positive};
use crate::matrix::Matrix;
use crate::root::bisect;
use crate::uniformisation::{Absorbing, Decay};
use crate::{Error, Result};

/// A move between two phases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Move {
    pub from: usize,
    pub to: usize,
    pub rate: f64,
}

/// An absorbing Markov chain: initial probabilities, moves between phases, and exits to absorption.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseType {
    initial: Vec<f64>,
    moves: Vec<Move>,
    exits: Vec<f64>,
    /// The total rate out of each phase.
    departures: Vec<f64>,
}

impl PhaseType {
    /// A sum of independent exponentials with the given rates.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is none or a rate is not positive.
    pub fn hypoexponential(rates: &[f64]) -> Result<Self> {
        let mut initial = vec![0.0; rates.len().max(1)];
        initial[0] = 1.0;
        Self::in_line(initial, rates)
    }

    /// Stages passed one after the other with the given rates, entered at stage i with probability `initial[i]`.
    pub(crate) fn in_line(initial: Vec<f64>, rates: &[f64]) -> Result<Self> {
        if rates.is_empty() {
            return Err(Error::parameter("number of phases", 0, "at least 1"));
        }
        for &rate in rates {
            positive("rate", rate)?;
        }
        let last = rates.len() - 1;
        let mut exits = vec![0.0; rates.len()];
        exits[last] = rates[last];
        let moves = (0..last).map(|i| Move { from: i, to: i + 1, rate: rates[i] }).collect();
        Ok(Self::assemble(initial, moves, exits))
    }

    /// A general chain: `initial[i]` is the probability of phase i at the start, `moves[i][j]` the rate from
    /// i to j (the diagonal is ignored), `exits[i]` the rate from i to absorption.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the shapes differ, a number is negative, the probabilities do not sum to 1, or
    /// absorption cannot be reached from some phase.
    pub fn new(initial: Vec<f64>, moves: &[Vec<f64>], exits: Vec<f64>) -> Result<Self> {
        let size = initial.len();
        if size == 0
            || exits.len() != size
            || moves.len() != size
            || moves.iter().any(|row| row.len() != size)
        {
            return Err(Error::parameter(
                "shape of the phase-type chain",
                size,
                "n, n x n and n numbers, n > 0",
            ));
        }
        for &value in initial.iter().chain(&exits).chain(moves.iter().flatten()) {
            non_negative("entry of the phase-type chain", value)?;
        }
        let total: f64 = initial.iter().sum();
        if (total - 1.0).abs() > 1e-9 {
            return Err(Error::parameter("sum of the initial probabilities", total, "1"));
        }
        let moves = sparse(moves);
        if !all_leave(&moves, &exits) {
            return Err(Error::parameter("phase-type chain", "endless", "absorbed from every phase"));
        }
        Ok(Self::assemble(initial, moves, exits))
    }

    /// The chain as it is: the caller vouches for its shape and for a way out of every phase.
    pub(crate) fn assemble(initial: Vec<f64>, moves: Vec<Move>, exits: Vec<f64>) -> Self {
        let mut departures = exits.clone();
        for step in &moves {
            departures[step.from] += step.rate;
        }
        Self { initial, moves, exits, departures }
    }

    /// The number of phases.
    pub fn phases(&self) -> usize {
        self.initial.len()
    }

    pub(crate) fn scaled(&self, factor: f64) -> Self {
        let moves = self.moves.iter().map(|step| Move { rate: step.rate / factor, ..*step }).collect();
        Self::assemble(self.initial.clone(), moves, self.exits.iter().map(|rate| rate / factor).collect())
    }

    pub(crate) fn initial(&self) -> &[f64] {
        &self.initial
    }

    pub(crate) fn moves(&self) -> &[Move] {
        &self.moves
    }

    pub(crate) fn exits(&self) -> &[f64] {
        &self.exits
    }

    pub(crate) fn departures(&self) -> &[f64] {
        &self.departures
    }

    /// y (-Q)^(-1) for a row vector y: the mean time spent in each phase when started as y.
    pub(crate) fn occupation(&self, start: &[f64]) -> Vec<f64> {
        if self.is_forward() {
            return self.forward_occupation(start);
        }
        self.generator(0.0).solve_left(start.to_vec())
    }

    fn is_forward(&self) -> bool {
        self.moves.iter().all(|step| step.from < step.to)
    }

    /// Without loops the phases can be worked off in order: inflow over rate.
    fn forward_occupation(&self, start: &[f64]) -> Vec<f64> {
        let mut inflow = start.to_vec();
        let mut time = vec![0.0; self.phases()];
        let mut next = self.moves.iter().peekable();
        for phase in 0..self.phases() {
            time[phase] = inflow[phase] / self.departures[phase];
            while let Some(step) = next.next_if(|step| step.from == phase) {
                inflow[step.to] += time[phase] * step.rate;
            }
        }
        time
    }

    /// -Q - theta I, dense.
    fn generator(&self, theta: f64) -> Matrix {
        let mut matrix = Matrix::zero(self.phases());
        for (phase, &rate) in self.departures.iter().enumerate() {
            matrix.add(phase, phase, rate - theta);
        }
        for step in &self.moves {
            matrix.add(step.from, step.to, -step.rate);
        }
        matrix
    }

    /// E\[X^n\] = n! a (-Q)^(-n) 1.
    pub(crate) fn moment(&self, order: u32) -> f64 {
        let mut row = self.initial.clone();
        let mut factor = 1.0;
        for i in 1..=order {
            row = self.occupation(&row);
            factor *= f64::from(i);
        }
        factor * row.iter().sum::<f64>()
    }

    /// M(theta) = a (-Q - theta I)^(-1) exits.
    pub(crate) fn mgf(&self, theta: f64) -> f64 {
        let time = self.generator(theta).solve_left(self.initial.clone());
        time.iter().zip(&self.exits).map(|(t, rate)| t * rate).sum()
    }

    /// The slowest rate of decay: the theta up to which -Q - theta I keeps a non-negative inverse.
    pub(crate) fn decay(&self) -> f64 {
        let slowest = self.departures.iter().copied().fold(f64::INFINITY, f64::min);
        if self.is_forward() {
            return slowest;
        }
        let turned = |theta: f64| {
            let times = self.generator(theta).solve(vec![1.0; self.phases()]);
            if times.iter().all(|t| *t > 0.0 && t.is_finite()) { -1.0 } else { 1.0 }
        };
        bisect(0.0, slowest, turned)
    }

    pub(crate) fn survival(&self, x: f64) -> f64 {
        Decay::of(self).survival(x)
    }
}

impl Absorbing for PhaseType {
    fn start(&self) -> Vec<f64> {
        self.initial.clone()
    }

    fn rate(&self) -> f64 {
        self.departures.iter().copied().fold(0.0, f64::max)
    }

    fn step(&self, row: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (phase, rate) in self.departures.iter().enumerate() {
            out[phase] -= row[phase] * rate;
        }
        for step in &self.moves {
            out[step.to] += row[step.from] * step.rate;
        }
    }
}

fn sparse(moves: &[Vec<f64>]) -> Vec<Move> {
    let mut list = Vec::new();
    for (from, row) in moves.iter().enumerate() {
        for (to, &rate) in row.iter().enumerate() {
            if from != to && rate > 0.0 {
                list.push(Move { from, to, rate });
            }
        }
    }
    list
}

/// Whether every phase has a path to absorption: spreads "leaves" backwards until nothing changes.
fn all_leave(moves: &[Move], exits: &[f64]) -> bool {
    let mut leaves: Vec<bool> = exits.iter().map(|rate| *rate > 0.0).collect();
    for _ in 0..exits.len() {
        for step in moves {
            leaves[step.from] |= leaves[step.to];
        }
    }
    leaves.iter().all(|leaves| *leaves)
}
