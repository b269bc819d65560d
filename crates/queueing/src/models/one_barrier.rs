//! 1-barrier execution (Spark's barrier mode): k <= s workers start a job together, each is released when its own
//! task ends. FIFO without overtaking.
//!
//! For Poisson arrivals and exponential tasks the chain of (busy workers b, waiting jobs q) is a quasi-birth-death
//! process whose levels can be left downwards only into b = s. That makes G = 1 e_s known, and with it the exact
//! R = lam (-U)^(-1), U = A1 + lam 1 e_s: no truncation of the queue (Walker and Fidler 2025 for the bound).

mod backlog;

pub use backlog::Backlog;

use crate::error::count;
use crate::harmonic::harmonic_between;
use crate::matrix::Matrix;
use crate::quadrature::integrate;
use crate::root::{bisect, bracket};
use crate::sim::{BarrierSystem, System};
use crate::single_server::Lundberg;
use crate::{Error, Estimate, Exceedance, Kind, Model, OrderStatistic, Result, Workload};

/// s workers, k tasks a job that start together.
#[derive(Debug, Clone)]
pub struct OneBarrier {
    workload: Workload,
    workers: usize,
    width: usize,
}

impl OneBarrier {
    /// Jobs of `width` (k) on `workers` (s).
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 1 <= k <= s.
    pub fn new(workload: Workload, workers: usize, width: usize) -> Result<Self> {
        count("number of workers s", workers, 100_000)?;
        count("width of a job k", width, workers)?;
        Ok(Self { workload, workers, width })
    }

    fn mu(&self) -> Result<f64> {
        self.workload.size.exponential_rate().ok_or_else(|| self.no_formula("tasks that are not exponential"))
    }

    /// W is at most a GI/GI/1 wait with service Delta = sum_{i=s-k+1..s} Exp(i mu).
    fn wait_bound(&self) -> Result<Lundberg<'_>> {
        self.check_stable()?;
        let delta = OrderStatistic::new(&self.workload.size, self.width, self.workers)?;
        let (mean, pole) = (delta.mean()?, delta.pole()?);
        Lundberg::new(&self.workload.arrivals, mean, pole, move |theta| delta.log_mgf(theta))
    }

    /// P\[T > t\] <= 1 - F_max(t) + integral over [0, t] of f_max(x) e^(-th (t - x)), by parts and without alternating
    /// sums: = e^(-th t) + th * integral of P\[max > x\] e^(-th (t - x)) over [0, t].
    fn sojourn_tail(&self, t: f64, theta: f64, mu: f64) -> f64 {
        let exceeds = |x: f64| -(self.width as f64 * (-(-mu * x).exp()).ln_1p()).exp_m1();
        let panels = 64 + (theta.max(mu) * t / 2.0) as usize;
        let area = integrate(0.0, t, panels.min(4096), |x| exceeds(x) * (-theta * (t - x)).exp());
        (-theta * t).exp() + theta * area
    }

    fn exact_wait(&self) -> Result<f64> {
        self.check_stable()?;
        let (lam, mu) = self.workload.markov_or(self.name(), "the mean")?;
        Ok(Levels { workers: self.workers, width: self.width, lam, mu }.mean_queue() / lam)
    }
}

impl Model for OneBarrier {
    fn name(&self) -> &'static str {
        "1-barrier"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let value = self.mu()? / harmonic_between(self.workers - self.width, self.workers);
        Ok(Estimate::exact(value, "mu / (H_s - H_{s-k})", "Walker and Fidler 2025"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        let value = self.exact_wait()? + OrderStatistic::largest(&self.workload.size, self.width)?.mean()?;
        Ok(vec![Estimate::exact(value, "quasi-birth-death chain", "derived for this project")])
    }

    fn waits(&self) -> Result<Vec<Estimate>> {
        Ok(vec![Estimate::exact(self.exact_wait()?, "quasi-birth-death chain", "derived for this project")])
    }

    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        let mu = self.mu()?;
        let theta = self.wait_bound()?.decay();
        let excess = |t: f64| eps.get() - self.sojourn_tail(t, theta, mu);
        let value = bisect(0.0, bracket(1.0 / mu, excess), excess);
        Ok(vec![
            Estimate::new(value, Kind::UpperBound, "convolution bound")
                .valid("1 to 7 % above simulation")
                .from("Walker and Fidler 2025"),
        ])
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(BarrierSystem::one(self.workers, self.width, self.width))
    }

    fn no_formula(&self, quantity: &'static str) -> Error {
        Error::NoFormula { model: self.name(), quantity, instead: "simulate it" }
    }
}

/// The chain (b, q): q > 0 only while b > s - k.
struct Levels {
    workers: usize,
    width: usize,
    lam: f64,
    mu: f64,
}

impl Levels {
    /// E\[q\] = pi_1 (I - R)^(-2) 1 with pi_1 = (level 0's crowded states) R.
    fn mean_queue(&self) -> f64 {
        let crowded = self.level_zero();
        // x R = lam x (-U)^(-1); with 1 R = lam 1 (-U)^(-1) every power is a solve with the same matrix.
        let first = self.times_r(&crowded);
        let row = self.times_inverse_of_one_minus_r(first);
        self.times_inverse_of_one_minus_r(row).iter().sum()
    }

    /// -U on the phases b = s-k+1..s: rate lam + b mu out, (b -> b - 1) inside, and lam from anywhere into s.
    fn minus_u(&self) -> Matrix {
        let mut matrix = Matrix::zero(self.width);
        for phase in 0..self.width {
            let leaving = (self.workers - self.width + 1 + phase) as f64 * self.mu;
            matrix.add(phase, phase, self.lam + leaving);
            matrix.add(phase, self.width - 1, -self.lam);
            if phase > 0 {
                matrix.add(phase, phase - 1, -leaving);
            }
        }
        matrix
    }

    fn times_r(&self, row: &[f64]) -> Vec<f64> {
        self.minus_u().solve_left(row.iter().map(|x| x * self.lam).collect())
    }

    /// x (I - R)^(-1) = x (-U) (-U - lam I)^(-1).
    fn times_inverse_of_one_minus_r(&self, row: Vec<f64>) -> Vec<f64> {
        let matrix = self.minus_u();
        let left = (0..self.width)
            .map(|to| row.iter().enumerate().map(|(from, x)| x * matrix.get(from, to)).sum())
            .collect();
        let mut shifted = matrix;
        for phase in 0..self.width {
            shifted.add(phase, phase, -self.lam);
        }
        shifted.solve_left(left)
    }

    /// The stationary probabilities of q = 0, b > s - k, normalised over all levels.
    fn level_zero(&self) -> Vec<f64> {
        let (s, k) = (self.workers, self.width);
        // With upward moves returned to b = s (that is where the excursion above ends), level 0 is a chain of its own.
        let mut matrix = Matrix::zero(s + 1);
        for b in 0..=s {
            let (to, done) = (if b + k <= s { b + k } else { s }, b as f64 * self.mu);
            matrix.add(b, b, -(self.lam + done));
            matrix.add(b, to, self.lam);
            if b > 0 {
                matrix.add(b, b - 1, done);
            }
        }
        // One equation is redundant: pi_0 = 1 takes its place, and the scale is set below.
        let mut system = matrix.transpose();
        for column in 0..=s {
            let old = system.get(0, column);
            system.add(0, column, if column == 0 { 1.0 - old } else { -old });
        }
        let mut right = vec![0.0; s + 1];
        right[0] = 1.0;
        let weights = system.solve(right);
        let crowded = weights[s - k + 1..].to_vec();
        let above: f64 = self.times_inverse_of_one_minus_r(self.times_r(&crowded)).iter().sum();
        let total = weights.iter().sum::<f64>() + above;
        crowded.iter().map(|weight| weight / total).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_points() -> Result<()> {
        let rows = [
            (4, 2, 0.9, 0.31452, 1.81452),
            (10, 5, 0.5, 0.07259, 2.35592),
            (10, 5, 1.2, 1.11188, 3.39521),
            (64, 32, 1.0, 0.56198, 4.62047),
        ];
        for (s, k, lam, wait, mean) in rows {
            let model = OneBarrier::new(Workload::markov(lam, 1.0)?, s, k)?;
            let (w, t) = (model.waits()?[0].value, model.mean()?.value);
            assert!((w - wait).abs() < 1e-5 && (t - mean).abs() < 1e-5, "({s},{k}): {w} {t}");
        }
        Ok(())
    }

    #[test]
    fn a_full_width_barrier_is_split_merge() -> Result<()> {
        let workload = Workload::markov(0.273134, 1.0)?;
        let barrier = OneBarrier::new(workload.clone(), 10, 10)?.mean()?.value;
        let merge = crate::models::SplitMerge::new(workload, 10)?.mean()?.value;
        assert!((barrier / merge - 1.0).abs() < 1e-10);
        Ok(())
    }

    #[test]
    fn width_one_is_the_mmc_queue() -> Result<()> {
        let workload = Workload::markov(8.0, 1.0)?;
        let barrier = OneBarrier::new(workload.clone(), 10, 1)?.mean()?.value;
        let pool = crate::models::SingleQueue::new(workload, 10, 1)?.mean()?.value;
        assert!((barrier / pool - 1.0).abs() < 1e-10);
        Ok(())
    }
}
