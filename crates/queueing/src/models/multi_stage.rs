//! Multi-stage fork-join: h fork-join stages in a row with a join between: a Spark job with h shuffles, or h
//! supersteps under a stream of jobs. Task sizes are drawn afresh at every stage.

use super::fork_join::nelson_tantawi;
use crate::error::count;
use crate::sim::{MultiStageSystem, System};
use crate::single_server::Lundberg;
use crate::{Estimate, Exceedance, Kind, Model, Result, Workload};

/// h stages of k workers each.
#[derive(Debug, Clone)]
pub struct MultiStage {
    workload: Workload,
    stages: usize,
    tasks: usize,
}

impl MultiStage {
    /// `stages` (h) of `tasks` (k).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if either is 0.
    pub fn new(workload: Workload, stages: usize, tasks: usize) -> Result<Self> {
        count("number of stages h", stages, 100_000)?;
        count("number of tasks k", tasks, 1_000_000)?;
        Ok(Self { workload, stages, tasks })
    }
}

impl Model for MultiStage {
    fn name(&self) -> &'static str {
        "multi-stage fork-join"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        Ok(Estimate::exact(1.0 / self.workload.size.mean(), "1 / E[X]", "one queue per worker"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let (lam, mu) = self.workload.markov_or(self.name(), "the mean")?;
        let value = self.stages as f64 * nelson_tantawi(self.tasks, lam, mu).value;
        Ok(vec![
            Estimate::new(value, Kind::Approximation, "h x Nelson-Tantawi")
                .valid("0.8 to 6 % above simulation for h = 2..10 at rho = .5")
                .from("measured for this project"),
        ])
    }

    /// tau = min over th of { h [ln k + ln M_X(th) - ln(1 - M_X(th) M_A(-th))] + ln 1/eps } / th.
    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let size = &self.workload.size;
        let arrivals = &self.workload.arrivals;
        let branch = Lundberg::new(arrivals, size.mean(), size.pole()?, |theta| size.log_mgf(theta))?;
        let tasks = (self.tasks as f64).ln();
        let value = branch.quantile_with(eps, |theta| {
            let service = size.log_mgf(theta);
            let envelope = arrivals.envelope(theta);
            let shrink = -(service + envelope.log_gap).exp_m1();
            // The caller adds the envelope's factor once; the other stages need it too.
            let stages = self.stages as f64;
            stages * (tasks + service - shrink.ln()) + (stages - 1.0) * envelope.log_factor
        });
        Ok(vec![
            Estimate::new(value, Kind::UpperBound, "exponential bound")
                .valid("55 to 86 % above simulation; grows as h ln k")
                .from("after Fidler and Jiang 2016"),
        ])
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(MultiStageSystem::new(self.stages, self.tasks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_grows_with_the_stages() -> Result<()> {
        let eps = Exceedance::new(1e-3)?;
        for (stages, expected) in [(1, 28.585), (5, 82.441)] {
            let bound = MultiStage::new(Workload::markov(0.5, 1.0)?, stages, 10)?.quantile(eps)?;
            assert_eq!(bound.kind, Kind::UpperBound);
            assert!((bound.value - expected).abs() < 5e-4, "{stages}: {bound:?}");
        }
        Ok(())
    }
}
