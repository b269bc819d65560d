//! 1-barrier execution (Spark's barrier mode): k <= s workers start a job together, each is released when its own
//! task ends. FIFO without overtaking.
//!
//! For Poisson arrivals and exponential tasks the chain of (busy workers b, waiting jobs q) is a quasi-birth-death
//! process that is solved level by level, which gives the exact mean and the exact tail (Walker and Fidler 2025 for
//! the bound).

mod backlog;
mod levels;

use levels::Levels;

pub use backlog::Backlog;

use crate::error::count;
use crate::harmonic::harmonic_between;
use crate::quadrature::integrate;
use crate::root::{bisect, bracket};
use crate::sim::{BarrierSystem, System};
use crate::single_server::Lundberg;
use crate::uniformisation::exact_quantile;
use crate::{Estimate, Exceedance, Kind, Model, OrderStatistic, Result, Workload};

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
    /// [`crate::Error::Parameter`] unless 1 <= k <= s.
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
        Ok(Levels::new(self.workers, self.width, lam, mu).mean_queue() / lam)
    }

    /// The exact quantile, unless the chain is too large; `bound` is a time that it does not exceed.
    fn exact_quantile(&self, eps: Exceedance, bound: f64) -> Option<Estimate> {
        let (lam, mu) = self.workload.as_markov()?;
        let sojourn = Levels::new(self.workers, self.width, lam, mu).sojourn()?;
        let value = exact_quantile(&sojourn, eps, bound)?;
        Some(Estimate::exact(value, "quasi-birth-death chain", "derived for this project"))
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
        let bound = Estimate::new(value, Kind::UpperBound, "convolution bound")
            .valid("1 to 7 % above simulation")
            .from("Walker and Fidler 2025");
        Ok(self.exact_quantile(eps, value).into_iter().chain([bound]).collect())
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(BarrierSystem::one(self.workers, self.width, self.width))
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
    fn the_tail_is_split_merges_at_full_width_and_the_pools_at_width_one() -> Result<()> {
        for eps in [0.5, 1e-2, 1e-6] {
            let eps = Exceedance::new(eps)?;
            let workload = Workload::markov(0.273134, 1.0)?;
            let barrier = OneBarrier::new(workload.clone(), 10, 10)?.quantile(eps)?;
            let merge = crate::models::SplitMerge::new(workload, 10)?.quantile(eps)?;
            assert!(barrier.kind == Kind::Exact && (barrier.value / merge.value - 1.0).abs() < 1e-9);
            let workload = Workload::markov(8.0, 1.0)?;
            let barrier = OneBarrier::new(workload.clone(), 10, 1)?.quantile(eps)?;
            let pool = crate::models::SingleQueue::new(workload, 10, 1)?.quantile(eps)?;
            assert!(pool.kind == Kind::Exact && (barrier.value / pool.value - 1.0).abs() < 1e-9);
        }
        Ok(())
    }

    #[test]
    fn a_hundred_thousand_workers_are_no_matrix() -> Result<()> {
        let model = OneBarrier::new(Workload::markov(1.0, 1.0)?, 100_000, 50_000)?;
        assert!(model.mean()?.value > harmonic_between(0, 50_000));
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
