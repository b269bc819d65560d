//! Fork-join: one FIFO queue per worker, one task of each job in each. Stable iff lam E\[X\] < 1.
//!
//! Exact means are known for two workers only, so every other number here says what it is. A job may need only the
//! first l of its k tasks; without purging, the leftovers keep their workers busy.

mod markov;

pub(crate) use markov::nelson_tantawi;

use self::markov::dm1_root;
use super::split_merge::kingman;
use crate::error::count;
use crate::harmonic::harmonic;
use crate::sim::{ForkJoinSystem, System};
use crate::single_server::{Gm1, Lundberg, Mg1, Mph1};
use crate::{Estimate, Exceedance, Kind, Model, OrderStatistic, Result, Workload};

/// k workers with a queue each; a job is done when l of its k tasks are.
#[derive(Debug, Clone)]
pub struct ForkJoin {
    workload: Workload,
    tasks: usize,
    needed: usize,
}

impl ForkJoin {
    /// k tasks on k workers, all needed.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] if k is 0.
    pub fn new(workload: Workload, tasks: usize) -> Result<Self> {
        Self::first_of(workload, tasks, tasks)
    }

    /// k tasks on k workers, the first l to finish complete the job; the others run on.
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] unless 1 <= l <= k.
    pub fn first_of(workload: Workload, needed: usize, tasks: usize) -> Result<Self> {
        count("number of tasks k", tasks, 1_000_000)?;
        count("number of needed tasks l", needed, tasks)?;
        Ok(Self { workload, tasks, needed })
    }

    /// R_k = E\[X_{k:k}\] + W [1 + (H_k - 1)(1 - r)^p], r = Ca^2 / (Ca^2 + Cs^2), p = 0.42 + 0.06 ln k.
    fn general_fit(&self) -> Result<Estimate> {
        let size = &self.workload.size;
        size.finite_moment(2, "the fork-join fit")?;
        let wait = kingman(&self.workload, size.mean(), size.scv());
        let (arrivals, tasks) = (self.workload.arrivals.scv(), size.scv());
        let own = if arrivals + tasks > 0.0 { tasks / (arrivals + tasks) } else { 0.0 };
        let power = 0.42 + 0.06 * (self.tasks as f64).ln();
        let spread = 1.0 + (harmonic(self.tasks) - 1.0) * own.powf(power);
        let largest = OrderStatistic::largest(size, self.tasks)?.mean()?;
        Ok(Estimate::new(largest + wait * spread, Kind::Fit, "general fit")
            .valid("within 4.1 % for Cs^2 <= 1.5, k = 2..100, rho <= .85; -10 to -21 % for Cs^2 around 4: simulate there")
            .from("fitted for this project, checked on held-out distributions"))
    }

    /// The mean where it is that of a single server: of one task, and of tasks that never vary, whose branches do the
    /// same at the same time.
    fn alike(&self) -> Result<Option<Estimate>> {
        let Workload { arrivals, size } = &self.workload;
        let is_constant = size.variance() == 0.0;
        if arrivals.is_poisson() && is_constant {
            let mean = size.mean();
            let queue = Mg1::new(self.workload.rate(), mean, mean * mean)?;
            return Ok(Some(Estimate::exact(
                queue.mean_sojourn(),
                "M/D/1, all branches alike",
                "Pollaczek-Khinchine",
            )));
        }
        if self.has_deterministic_arrivals() && is_constant {
            return Ok(Some(Estimate::exact(size.mean(), "D/D/1, all branches alike", "standard")));
        }
        if self.tasks > 1 || arrivals.is_poisson() || self.has_deterministic_arrivals() {
            return Ok(None);
        }
        let queue = Gm1::of(arrivals, size.exponential_rate()).transpose()?;
        Ok(queue.map(|queue| Estimate::exact(queue.mean_sojourn(), "GI/M/1", "standard")))
    }

    /// The lower bound with deterministic arrivals: each branch a D/M/1 queue.
    fn deterministic_bound(&self) -> Option<Estimate> {
        let mu = self.workload.size.exponential_rate()?;
        let rate = mu * (1.0 - dm1_root(self.workload.rate(), mu));
        let (kind, method) = match self.has_deterministic_arrivals() {
            true => (Kind::Exact, "independent D/M/1 branches"),
            false => (Kind::LowerBound, "D/M/1 branches"),
        };
        Some(
            Estimate::new(harmonic(self.tasks) / rate, kind, method).from("Baccelli, Makowski, Shwartz 1989"),
        )
    }

    fn has_deterministic_arrivals(&self) -> bool {
        self.workload.arrivals.scv() == 0.0
    }

    /// 1 - (1 - P1(t))^k <= eps for the exact tail P1 of one branch: association makes it a bound.
    fn association(&self, eps: Exceedance) -> Option<Result<Estimate>> {
        if self.needed < self.tasks {
            return None;
        }
        // 1 - (1 - eps)^(1/k) without cancellation
        let each = -((-eps.get()).ln_1p() / self.tasks as f64).exp_m1();
        let bound = |value: f64| {
            Ok(Estimate::new(value, Kind::UpperBound, "association")
                .valid("0 to 3 % above simulation for Poisson arrivals and exponential tasks")
                .from("associated branches, derived for this project"))
        };
        let rate = self.workload.rate();
        if self.has_deterministic_arrivals() {
            let mu = self.workload.size.exponential_rate()?;
            let decay = mu * (1.0 - dm1_root(rate, mu));
            let source = "Baccelli, Makowski, Shwartz 1989";
            return Some(Ok(Estimate::exact(-each.ln() / decay, "independent D/M/1 branches", source)));
        }
        if let Some((lam, mu)) = self.workload.as_markov() {
            return Some(bound(-each.ln() / (mu - lam)));
        }
        let phases = self.workload.arrivals.is_poisson().then(|| self.workload.size.phases())??;
        Some(Exceedance::new(each).and_then(|each| bound(Mph1::new(rate, phases)?.sojourn_quantile(each))))
    }

    /// P\[T >= tau\] <= k / (k - l + 1) M_X(th) e^(-th tau): the union bound, or Markov's on the number of late tasks.
    fn union_bound(&self, eps: Exceedance) -> Result<Estimate> {
        let size = &self.workload.size;
        let branch =
            Lundberg::new(&self.workload.arrivals, size.mean(), size.pole()?, |theta| size.log_mgf(theta))?;
        let late = (self.tasks as f64 / (self.tasks - self.needed + 1) as f64).ln();
        let value = branch.quantile_with(eps, |theta| late + size.log_mgf(theta));
        Ok(Estimate::new(value, Kind::UpperBound, "exponential bound")
            .valid("4 to 23 % above simulation for l = k; loose (40 to 430 %) for l < k")
            .from("Fidler and Jiang 2016"))
    }
}

impl Model for ForkJoin {
    fn name(&self) -> &'static str {
        "fork-join"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        Ok(Estimate::exact(1.0 / self.workload.size.mean(), "1 / E[X]", "one queue per worker"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        if self.needed < self.tasks {
            return Err(self.no_formula("the mean of a job that needs only some of its tasks"));
        }
        let mut list: Vec<Estimate> = self.alike()?.into_iter().collect();
        if self.has_deterministic_arrivals() {
            list.extend(self.deterministic_bound());
        }
        if let Some((lam, mu)) = self.workload.as_markov() {
            list.extend(markov::means(self.tasks, lam, mu));
            list.extend(self.deterministic_bound());
        }
        match self.general_fit() {
            Ok(fit) => list.push(fit),
            Err(error) if list.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(list)
    }

    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let mut list: Vec<Estimate> = self.association(eps).transpose()?.into_iter().collect();
        match self.union_bound(eps) {
            Ok(bound) => list.push(bound),
            Err(error) if list.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(list)
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(ForkJoinSystem::new(self.tasks, self.needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(model: &ForkJoin, method: &str) -> f64 {
        model.means().unwrap().into_iter().find(|e| e.method == method).unwrap().value
    }

    #[test]
    fn the_table_of_means() -> Result<()> {
        let rows = [
            (10, 0.5, 5.1159, 5.1256, 5.0622, 3.6759, 5.8579),
            (10, 0.9, 22.767, 22.698, 20.988, 15.168, 29.29),
            (100, 0.9, 36.821, 33.264, 33.449, 26.864, 51.874),
        ];
        for (k, lam, nt, vm, varki, lower, upper) in rows {
            let model = ForkJoin::new(Workload::markov(lam, 1.0)?, k)?;
            let methods =
                ["Nelson-Tantawi", "Varma-Makowski", "Varki", "D/M/1 branches", "independent branches"];
            for (method, expected) in methods.iter().zip([nt, vm, varki, lower, upper]) {
                let ours = mean(&model, method);
                assert!((ours / expected - 1.0).abs() < 1e-4, "{method} k={k} lam={lam}: {ours} {expected}");
            }
        }
        Ok(())
    }

    #[test]
    fn the_published_tail_bounds() -> Result<()> {
        let model = ForkJoin::new(Workload::markov(0.5, 1.0)?, 10)?;
        assert!((model.quantiles(Exceedance::new(1e-6)?)?[1].value - 33.6225).abs() < 1e-4);
        assert!((model.quantile(Exceedance::new(1e-2)?)?.value - 13.806).abs() < 1e-3);
        Ok(())
    }

    #[test]
    fn branches_that_are_alike_are_one_queue() -> Result<()> {
        let constant = crate::Distribution::constant(1.0)?;
        // M/D/1 at half load: 1 + 1/2.
        let poisson = Workload::new(crate::Arrivals::poisson(0.5)?, constant.clone());
        let mean = ForkJoin::new(poisson, 10)?.mean()?;
        assert!(mean.kind == Kind::Exact && (mean.value - 1.5).abs() < 1e-12, "{mean:?}");
        let even = Workload::new(crate::Arrivals::deterministic(0.9)?, constant);
        assert_eq!(ForkJoin::new(even, 10)?.mean()?.value, 1.0);
        let gaps = crate::Arrivals::Renewal(crate::Distribution::erlang(2, 1.0)?);
        let one = ForkJoin::new(Workload::new(gaps, crate::Distribution::exponential(1.0)?), 1)?.mean()?;
        assert!(one.kind == Kind::Exact && (one.value - 1.618_033_988_75).abs() < 1e-8, "{one:?}");
        Ok(())
    }

    #[test]
    fn phases_and_the_closed_form_give_the_same_association_bound() -> Result<()> {
        let eps = Exceedance::new(1e-3)?;
        let exponential = ForkJoin::new(Workload::markov(0.5, 1.0)?, 7)?;
        let arrivals = crate::Arrivals::poisson(0.5)?;
        let erlang = ForkJoin::new(Workload::new(arrivals, crate::Distribution::erlang(1, 1.0)?), 7)?;
        let (a, b) = (exponential.quantile(eps)?.value, erlang.quantile(eps)?.value);
        assert!((a / b - 1.0).abs() < 1e-10, "{a} {b}");
        Ok(())
    }
}
