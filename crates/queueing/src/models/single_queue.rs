//! Single-queue fork-join: one FIFO queue of tasks, any free worker takes the next. A Spark stage without a
//! barrier, or tiny tasks on a pool.
//!
//! Its mean is exact for Poisson arrivals and exponential tasks: the number of tasks is the chain M^[k]/M/s, and
//! a job that finds a tasks ahead of it takes t(a, k) by a recursion over the tasks ahead and its own. The same chain,
//! followed from the job's arrival on, is a phase-type distribution with the exact tail.

use super::two_barrier::mmc_wait;
use crate::distribution::Move;
use crate::error::count;
use crate::sim::{SingleQueueSystem, System};
use crate::single_server::{Gm1, Lundberg, Mg1};
use crate::uniformisation::exact_quantile;
use crate::{Error, Estimate, Exceedance, Kind, Model, PhaseType, Result, Workload};

/// Pairs of a task ahead and an own task that an exact tail follows at most.
const MOST_STATES: usize = 2_000_000;
/// Pairs that the exact mean follows at most; a few seconds.
const MOST_STEPS: usize = 2_000_000_000;
/// Tasks in the system that its distribution reaches at most: 400 MB. More are likely only next to saturation.
const MOST_TASKS: usize = 50_000_000;

/// s workers, k tasks a job.
#[derive(Debug, Clone)]
pub struct SingleQueue {
    workload: Workload,
    workers: usize,
    tasks: usize,
}

impl SingleQueue {
    /// `tasks` (k) a job on `workers` (s).
    ///
    /// # Errors
    /// [`Error::Parameter`] if either is 0.
    pub fn new(workload: Workload, workers: usize, tasks: usize) -> Result<Self> {
        count("number of workers s", workers, 100_000)?;
        count("number of tasks k", tasks, 1_000_000)?;
        Ok(Self { workload, workers, tasks })
    }

    /// Means over what an arriving job finds: (E\[T\], E\[W\]).
    fn exact(&self) -> Result<(f64, f64)> {
        self.check_stable()?;
        let (lam, mu) = self.workload.markov_or(self.name(), "the mean")?;
        if self.workers.saturating_mul(self.tasks) > MOST_STEPS {
            let instead = "its recursion takes s times k steps, here too many; simulate it";
            return Err(Error::NoFormula { model: self.name(), quantity: "the mean", instead });
        }
        let Some(ahead) = self.tasks_in_system(lam, mu) else {
            let instead = "so near to saturation its queue is too long; simulate it, or lower the load";
            return Err(Error::NoFormula { model: self.name(), quantity: "the mean", instead });
        };
        let times = self.sojourns(mu);
        let pool = self.workers as f64 * mu;
        let mut mean = (0.0, 0.0);
        for (a, p) in ahead.iter().enumerate() {
            let beyond = (a + 1).saturating_sub(self.workers) as f64 / pool;
            let own = times[a.min(self.workers - 1)];
            mean.0 += p * (own + beyond);
            mean.1 += p * beyond;
        }
        Ok(mean)
    }

    /// The mean wait of workloads that are not Markovian but single servers, or jobs of one task; nothing for others.
    fn general_wait(&self) -> Result<Option<Estimate>> {
        let Workload { arrivals, size } = &self.workload;
        if self.workload.as_markov().is_some() || (self.workers > 1 && self.tasks > 1) {
            return Ok(None);
        }
        self.check_stable()?;
        if !arrivals.is_poisson() {
            let is_one = self.workers == 1 && self.tasks == 1;
            let queue = Gm1::of(arrivals, size.exponential_rate()).filter(|_| is_one).transpose()?;
            return Ok(queue.map(|queue| Estimate::exact(queue.mean_wait(), "GI/M/1", "standard")));
        }
        let (mean, second) = (size.mean(), size.finite_moment(2, "the mean wait")?);
        if self.workers == 1 {
            // The tasks of a job one after the other: the variances add up.
            let tasks = self.tasks as f64;
            let service = (tasks * mean, tasks * size.variance() + (tasks * mean).powi(2));
            let queue = Mg1::new(self.workload.rate(), service.0, service.1)?;
            return Ok(Some(Estimate::exact(queue.mean_wait(), "M/G/1", "Pollaczek-Khinchine")));
        }
        let wait = 0.5 * second / (mean * mean) * mmc_wait(self.workers, self.workload.rate(), mean);
        let estimate = Estimate::new(wait, Kind::Approximation, "M/G/c by its variability");
        Ok(Some(
            estimate
                .valid("error of E[T] within a few per cent for Cs^2 up to 2")
                .from("Lee and Longton 1959"),
        ))
    }

    /// The exact quantile, unless the chain is too large; `bound` is a time that it does not exceed.
    fn exact_quantile(&self, eps: Exceedance, bound: f64) -> Option<Estimate> {
        let (lam, mu) = self.workload.as_markov()?;
        if self.workers.saturating_mul(self.tasks) > MOST_STATES {
            return None;
        }
        // A longer queue would take too many steps anyway.
        let ahead = self.tasks_in_system(lam, mu).filter(|ahead| ahead.len() <= MOST_STATES)?;
        let value = exact_quantile(&sojourn(&ahead, self.workers, self.tasks, mu), eps, bound)?;
        Some(Estimate::exact(value, "M^[k]/M/s chain", "derived for this project"))
    }

    /// pi_{n+1} min(n+1, s) mu = lam (pi_{n-k+1} + ... + pi_n), the cut between n and n + 1; none if it is too long.
    fn tasks_in_system(&self, lam: f64, mu: f64) -> Option<Vec<f64>> {
        let mut weights = vec![1.0];
        let mut total = 1.0;
        let mut window = 1.0;
        loop {
            let n = weights.len();
            if n > MOST_TASKS {
                return None;
            }
            let next = lam * window / (n.min(self.workers) as f64 * mu);
            weights.push(next);
            total += next;
            // Summing afresh once in k steps keeps the rounding of the sliding sum from piling up.
            if n % self.tasks == 0 {
                window = weights[n + 1 - self.tasks..].iter().sum();
                if window < 1e-20 * total {
                    break;
                }
            } else {
                window += next;
                if n >= self.tasks {
                    window -= weights[n - self.tasks];
                }
            }
            if total > 1e250 {
                weights.iter_mut().for_each(|weight| *weight *= 1e-250);
                (total, window) = (total * 1e-250, window * 1e-250);
            }
        }
        weights.iter_mut().for_each(|weight| *weight /= total);
        Some(weights)
    }

    /// t(a, k) for a < s: t(a, 0) = 0 and, with j = min(r, s - a) own tasks running,
    /// t(a, r) = [1/mu + a t(a-1, r) + j t(a, r-1)] / (a + j).
    fn sojourns(&self, mu: f64) -> Vec<f64> {
        let mut fewer_ahead = vec![0.0; self.tasks + 1];
        let mut result = Vec::with_capacity(self.workers);
        for a in 0..self.workers {
            let mut row = vec![0.0; self.tasks + 1];
            for r in 1..=self.tasks {
                let own = r.min(self.workers - a) as f64;
                row[r] = (1.0 / mu + a as f64 * fewer_ahead[r] + own * row[r - 1]) / (a as f64 + own);
            }
            result.push(row[self.tasks]);
            fewer_ahead = row;
        }
        result
    }
}

/// The time of a job that finds `ahead[a]` with a tasks in the system. A state is (a tasks ahead, r own tasks left): down
/// to s - 1 tasks ahead all workers are busy with those, and r = k.
fn sojourn(ahead: &[f64], s: usize, k: usize, mu: f64) -> PhaseType {
    let queued = ahead.len().saturating_sub(s);
    // Longest queue first; then (s - 1, k), (s - 1, k - 1), ... (0, 1).
    let state =
        |a: usize, r: usize| if a >= s { queued - 1 - (a - s) } else { queued + (s - 1 - a) * k + (k - r) };
    let mut initial = vec![0.0; queued + s * k];
    let mut exits = initial.clone();
    for (a, p) in ahead.iter().enumerate() {
        initial[state(a, k)] = *p;
    }
    let queue = (s..s + queued).map(|a| Move { from: state(a, k), to: state(a - 1, k), rate: s as f64 * mu });
    let mut moves: Vec<Move> = queue.collect();
    for (a, r) in (0..s).flat_map(|a| (1..=k).map(move |r| (a, r))) {
        let (from, own) = (state(a, r), r.min(s - a) as f64 * mu);
        if a > 0 {
            moves.push(Move { from, to: state(a - 1, r), rate: a as f64 * mu });
        }
        match r {
            1 => exits[from] = own,
            _ => moves.push(Move { from, to: state(a, r - 1), rate: own }),
        }
    }
    PhaseType::assemble(initial, moves, exits)
}

impl Model for SingleQueue {
    fn name(&self) -> &'static str {
        "single-queue fork-join"
    }

    fn workload(&self) -> &Workload {
        &self.workload
    }

    fn largest_rate(&self) -> Result<Estimate> {
        let value = self.workers as f64 / (self.tasks as f64 * self.workload.size.mean());
        Ok(Estimate::exact(value, "s / (k E[X])", "non-idling workers"))
    }

    fn means(&self) -> Result<Vec<Estimate>> {
        if let Some(wait) = self.general_wait()? {
            let tasks = if self.workers == 1 { self.tasks as f64 } else { 1.0 };
            return Ok(vec![Estimate { value: wait.value + tasks * self.workload.size.mean(), ..wait }]);
        }
        Ok(vec![Estimate::exact(self.exact()?.0, "M^[k]/M/s chain", "derived for this project")])
    }

    fn waits(&self) -> Result<Vec<Estimate>> {
        if let Some(wait) = self.general_wait()? {
            return Ok(vec![wait]);
        }
        Ok(vec![Estimate::exact(self.exact()?.1, "M^[k]/M/s chain", "derived for this project")])
    }

    /// The last task starts after a GI/E_k/1 sojourn at rate s mu; then at most min(k, s) residual tasks remain.
    fn quantiles(&self, eps: Exceedance) -> Result<Vec<Estimate>> {
        self.check_stable()?;
        let Some(mu) = self.workload.size.exponential_rate() else {
            return Err(self.no_formula("the quantile with tasks that are not exponential"));
        };
        let pool = self.workers as f64 * mu;
        let passage = |theta: f64| -(self.tasks as f64) * (-theta / pool).ln_1p();
        let residual = |theta: f64| -> f64 {
            (1..=self.tasks.min(self.workers)).map(|i| -(-theta / (i as f64 * mu)).ln_1p()).sum()
        };
        // theta must also stay below mu, the pole of the residual.
        let bound = Lundberg::new(&self.workload.arrivals, self.tasks as f64 / pool, mu.min(pool), passage)?;
        let value = bound.quantile_with(eps, |theta| passage(theta) + residual(theta));
        let bound = Estimate::new(value, Kind::UpperBound, "exponential bound")
            .valid("28 to 36 % above simulation at k = s, 6 to 9 % at k = 10..20 s")
            .from("after Fidler, Walker, Jiang 2016");
        Ok(self.exact_quantile(eps, value).into_iter().chain([bound]).collect())
    }

    fn system(&self) -> Box<dyn System> {
        Box::new(SingleQueueSystem::new(self.workers, self.tasks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_one_worker_is_that_of_an_erlang_server() -> Result<()> {
        // k tasks one after the other: M/E_k/1.
        let pool = SingleQueue::new(Workload::markov(0.2, 1.0)?, 1, 4)?;
        let queue = crate::single_server::Mph1::new(0.2, PhaseType::hypoexponential(&[1.0; 4])?)?;
        for eps in [0.3, 1e-3, 1e-7] {
            let eps = Exceedance::new(eps)?;
            let (ours, theirs) = (pool.quantile(eps)?, queue.sojourn_quantile(eps));
            assert!(
                ours.kind == Kind::Exact && (ours.value / theirs - 1.0).abs() < 1e-9,
                "{ours:?} {theirs}"
            );
        }
        Ok(())
    }

    #[test]
    fn general_tasks_one_after_the_other() -> Result<()> {
        let poisson = |rate: f64| crate::Arrivals::poisson(rate);
        // M/D/1 with three tasks of 1: rho = .6, W = .2 x 9 / (2 x .4).
        let constant = Workload::new(poisson(0.2)?, crate::Distribution::constant(1.0)?);
        let model = SingleQueue::new(constant.clone(), 1, 3)?;
        let (mean, wait) = (model.mean()?, model.waits()?.remove(0));
        assert!(mean.kind == Kind::Exact && (mean.value - 5.25).abs() < 1e-12, "{mean:?}");
        assert!((wait.value - 2.25).abs() < 1e-12);
        // Of exponential size the approximation is Erlang's exact formula.
        let erlang = Workload::new(poisson(1.5)?, crate::Distribution::erlang(1, 1.0)?);
        let exact = SingleQueue::new(Workload::markov(1.5, 1.0)?, 2, 1)?.mean()?;
        let general = SingleQueue::new(erlang, 2, 1)?.mean()?;
        assert!((general.value / exact.value - 1.0).abs() < 1e-9, "{general:?} {exact:?}");
        assert!(matches!(SingleQueue::new(constant, 2, 3)?.mean(), Err(Error::NoFormula { .. })));
        Ok(())
    }

    #[test]
    fn next_to_saturation_there_is_no_formula() -> Result<()> {
        let model = SingleQueue::new(Workload::markov(0.999_999_999_9, 1.0)?, 1, 1)?;
        assert!(matches!(model.mean(), Err(Error::NoFormula { .. })));
        let quantile = model.quantile(Exceedance::new(0.01)?)?;
        assert_eq!(quantile.kind, Kind::UpperBound, "the bound remains: {quantile:?}");
        Ok(())
    }

    #[test]
    fn published_values() -> Result<()> {
        let rows = [
            (4, 2, 0.9, 1.0, 1.66047, 0.12025),
            (10, 10, 0.5, 1.0, 3.40548, 0.25857),
            (10, 10, 0.8, 1.0, 5.02877, 1.72381),
            (10, 100, 0.5, 10.0, 1.70009, 0.46197),
            (50, 1000, 0.5, 20.0, 1.67607, 0.47659),
        ];
        for (s, k, lam, mu, mean, wait) in rows {
            let model = SingleQueue::new(Workload::markov(lam, mu)?, s, k)?;
            let (ours, waits) = (model.mean()?.value, model.waits()?[0].value);
            assert!((ours / mean - 1.0).abs() < 1e-5 && (waits / wait - 1.0).abs() < 3e-5, "{ours} {waits}");
        }
        Ok(())
    }
}
