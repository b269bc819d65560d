//! Task-time distributions: which family fits, how well, and how heavy the tail is.
//!
//! Parameters are maximum-likelihood estimates (moments start the iterative ones); families compete by Akaike's
//! criterion, and the winner's goodness is the Kolmogorov-Smirnov distance with its asymptotic p value. Parameters
//! come from the same data, so that p value flatters; a distance is comparable all the same. Times are in ms.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::function::gamma::digamma;

use super::family::Family;
use super::numbers::{mean, quantile};
use crate::spark::Window;

/// The times beyond a high quantile as a generalised Pareto distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tail {
    /// The 90 % quantile, in ms.
    pub threshold_ms: f64,
    /// Above 0 the tail is heavier than exponential, below it ends; the mean is infinite from 1.
    pub shape: f64,
    /// In ms.
    pub scale_ms: f64,
}

/// How one family fits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// The family and its parameters.
    #[serde(flatten)]
    pub family: Family,
    /// Akaike's criterion: twice the number of parameters less twice the log-likelihood; less is better.
    pub aic: f64,
    /// Kolmogorov-Smirnov distance to the data.
    pub ks: f64,
    /// The chance of a distance as large, were the family true.
    pub p_value: f64,
}

/// The task times at one place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// The stage's name.
    pub stage: String,
    /// How many tasks were timed.
    pub count: u64,
    /// Mean, ms.
    pub mean_ms: f64,
    /// Deviation over mean.
    pub variation: f64,
    /// Quantiles 0, 50, 90, 99 and 100 %, ms.
    pub quantiles_ms: [f64; 5],
    /// The best families, best first; empty with fewer than [`Distribution::FEWEST`] tasks.
    pub fits: Vec<Fit>,
    /// The tail, from 100 tasks on.
    pub tail: Option<Tail>,
    /// The times themselves, sorted, as far as they are kept; for comparisons.
    #[serde(skip)]
    pub samples: Vec<f64>,
}

impl Distribution {
    /// Fewer times than this do not tell families apart.
    pub const FEWEST: usize = 10;
}

/// Times that families are fitted to.
const FITTED: usize = 4000;

/// Times kept per stage name, and names.
const KEPT: usize = 20_000;
const NAMES: usize = 2000;

/// Collects run times by stage name.
#[derive(Debug, Default)]
pub(crate) struct TaskTimes {
    by_stage: BTreeMap<String, (u64, Vec<f64>)>,
}

impl TaskTimes {
    /// Takes the next window.
    pub fn take(&mut self, window: &Window) {
        for stage in &window.stages {
            for task in stage.tasks.iter().filter(|task| task.succeeded && task.metrics.is_some()) {
                self.add(&stage.name, task.run() as f64);
            }
        }
    }

    /// Takes one time.
    pub fn add(&mut self, stage: &str, ms: f64) {
        if !self.by_stage.contains_key(stage) {
            if self.by_stage.len() == NAMES {
                return;
            }
            self.by_stage.insert(stage.to_owned(), (0, Vec::new()));
        }
        if let Some((count, times)) = self.by_stage.get_mut(stage) {
            *count += 1;
            if times.len() < KEPT {
                times.push(ms);
            }
        }
    }

    /// The distributions, largest sum of times first.
    pub fn finish(self) -> Vec<Distribution> {
        let mut all: Vec<Distribution> = self
            .by_stage
            .into_iter()
            .map(|(stage, (count, times))| distribution(stage, count, times))
            .collect();
        all.sort_by(|a, b| (b.mean_ms * b.count as f64).total_cmp(&(a.mean_ms * a.count as f64)));
        all
    }
}

/// Describes one sample.
pub(crate) fn distribution(stage: String, count: u64, mut times: Vec<f64>) -> Distribution {
    times.sort_by(f64::total_cmp);
    let centre = mean(&times);
    let variance = mean(&times.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>());
    let enough = times.len() >= Distribution::FEWEST && variance > 0.0;
    Distribution {
        stage,
        count,
        mean_ms: centre,
        variation: if centre > 0.0 { variance.sqrt() / centre } else { 0.0 },
        quantiles_ms: [0.0, 0.5, 0.9, 0.99, 1.0].map(|q| quantile(&times, q)),
        fits: if enough { fits(&times) } else { Vec::new() },
        tail: if times.len() >= 100 { tail(&times) } else { None },
        samples: times,
    }
}

/// All families that can be fitted, best first.
fn fits(sorted: &[f64]) -> Vec<Fit> {
    // Where clocks count whole ms a short task may have taken 0; half a ms is as true and has a logarithm.
    let is_whole = sorted.iter().all(|x| x.fract() == 0.0);
    let least = if is_whole { 0.5 } else { sorted.iter().copied().find(|&x| x > 0.0).unwrap_or(0.5) };
    // Evenly spaced values of a large sorted sample stand for all of it.
    let step = sorted.len().div_ceil(FITTED);
    let positive: Vec<f64> = sorted.iter().skip(step / 2).step_by(step).map(|&x| x.max(least)).collect();
    let mut found: Vec<Fit> =
        candidates(&positive).into_iter().filter_map(|family| judge(family, &positive)).collect();
    found.sort_by(|a, b| a.aic.total_cmp(&b.aic));
    found
}

fn candidates(sorted: &[f64]) -> Vec<Family> {
    let n = sorted.len() as f64;
    let centre = mean(sorted);
    let logs: Vec<f64> = sorted.iter().map(|x| x.ln()).collect();
    let mean_log = mean(&logs);
    let sigma = mean(&logs.iter().map(|x| (x - mean_log).powi(2)).collect::<Vec<_>>()).sqrt();
    // The least of n draws lies mean/n above the shift; the unbiased estimate takes that off.
    let shift = (sorted[0] - (centre - sorted[0]) / (n - 1.0).max(1.0)).max(0.0);
    let shape = gamma_shape(centre.ln() - mean_log);
    let erlang = shape.round().clamp(1.0, 1000.0);
    let mut all = vec![
        Family::Exponential { rate: 1.0 / centre },
        Family::ShiftedExponential { shift, rate: 1.0 / (centre - shift).max(1e-9) },
        Family::Erlang { shape: erlang as u32, rate: erlang / centre },
        Family::Gamma { shape, rate: shape / centre },
        Family::Lognormal { mu: mean_log, sigma: sigma.max(1e-9) },
        weibull(sorted, &logs),
    ];
    all.extend(hyper_exponential(sorted, centre));
    all
}

/// Maximum-likelihood gamma shape from `ln(mean) - mean(ln)`: Minka's start and Newton steps.
fn gamma_shape(s: f64) -> f64 {
    let s = s.max(1e-9);
    let mut k = (3.0 - s + ((s - 3.0).powi(2) + 24.0 * s).sqrt()) / (12.0 * s);
    for _ in 0..20 {
        let step = 1e-4 * k.max(1e-3);
        let slope = 1.0 / k - (digamma(k + step) - digamma(k - step)) / (2.0 * step);
        let next = k - (k.ln() - digamma(k) - s) / slope;
        if !next.is_finite() || next <= 0.0 || (next - k).abs() < 1e-9 * k {
            break;
        }
        k = next;
    }
    k.clamp(1e-3, 1e6)
}

/// Maximum likelihood: the shape solves `sum(x^k ln x)/sum(x^k) - 1/k = mean(ln x)`, which rises in k.
fn weibull(sorted: &[f64], logs: &[f64]) -> Family {
    let mean_log = mean(logs);
    let largest = logs.last().copied().unwrap_or(0.0);
    // Powers relative to the largest value cannot overflow.
    let power_sums = |k: f64| {
        logs.iter().fold((0.0, 0.0), |sum, log| {
            let power = (k * (log - largest)).exp();
            (sum.0 + power, sum.1 + power * log)
        })
    };
    let (mut low, mut high): (f64, f64) = (1e-3, 1e4);
    for _ in 0..80 {
        let k: f64 = f64::sqrt(low * high);
        let (powers, weighted) = power_sums(k);
        if weighted / powers - 1.0 / k > mean_log { high = k } else { low = k }
    }
    let shape = (low * high).sqrt();
    let scale = largest.exp() * (power_sums(shape).0 / sorted.len() as f64).powf(1.0 / shape);
    Family::Weibull { shape, scale }
}

/// Expectation maximisation for two exponentials; only where times vary more than an exponential's do.
fn hyper_exponential(sorted: &[f64], centre: f64) -> Option<Family> {
    let variance = mean(&sorted.iter().map(|x| (x - centre).powi(2)).collect::<Vec<_>>());
    if variance <= centre * centre {
        return None;
    }
    let (mut p, mut rate_1, mut rate_2) = (0.5, 2.0 / centre, 0.5 / centre);
    for _ in 0..100 {
        let (mut weight, mut first, mut second) = (0.0, 0.0, 0.0);
        for &x in sorted {
            let (a, b) = (p * rate_1 * (-rate_1 * x).exp(), (1.0 - p) * rate_2 * (-rate_2 * x).exp());
            let chance = if a + b > 0.0 { a / (a + b) } else { 0.0 };
            weight += chance;
            first += chance * x;
            second += (1.0 - chance) * x;
        }
        let n = sorted.len() as f64;
        if weight < 1e-6 || weight > n - 1e-6 || first <= 0.0 || second <= 0.0 {
            return None;
        }
        (p, rate_1, rate_2) = (weight / n, weight / first, (n - weight) / second);
    }
    Some(Family::HyperExponential { p, rate_1, rate_2 })
}

fn judge(family: Family, sorted: &[f64]) -> Option<Fit> {
    let likelihood: f64 = sorted.iter().map(|&x| family.ln_density(x)).sum();
    let n = sorted.len() as f64;
    let distance = |(at, &x): (usize, &f64)| {
        let chance = family.cumulative(x);
        (chance - at as f64 / n).abs().max(((at + 1) as f64 / n - chance).abs())
    };
    let ks = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    let aic = 2.0 * family.parameters() - 2.0 * likelihood;
    aic.is_finite().then(|| Fit { family, aic, ks, p_value: kolmogorov(ks, n) })
}

/// The chance of a Kolmogorov-Smirnov distance of at least `d` from `n` draws: `2 * sum (-1)^(k-1) exp(-2 k^2 t^2)` with
/// Stephens' `t = d (sqrt(n) + 0.12 + 0.11/sqrt(n))`.
fn kolmogorov(d: f64, n: f64) -> f64 {
    let t = d * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if t < 0.2 {
        return 1.0;
    }
    let term = |k: i32| (if k % 2 == 1 { 2.0 } else { -2.0 }) * (-2.0 * f64::from(k * k) * t * t).exp();
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// Generalised Pareto beyond the 90 % quantile by probability-weighted moments (Hosking and Wallis 1987).
fn tail(sorted: &[f64]) -> Option<Tail> {
    let threshold_ms = quantile(sorted, 0.9);
    let excess: Vec<f64> = sorted.iter().filter(|&&x| x > threshold_ms).map(|x| x - threshold_ms).collect();
    let n = excess.len() as f64;
    if excess.len() < 10 {
        return None;
    }
    let a0 = mean(&excess);
    let a1 = excess.iter().enumerate().map(|(at, x)| (n - at as f64 - 1.0) / (n - 1.0) * x).sum::<f64>() / n;
    let spread = a0 - 2.0 * a1;
    (spread > 0.0).then(|| Tail { threshold_ms, shape: 2.0 - a0 / spread, scale_ms: 2.0 * a0 * a1 / spread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};
    use rand_distr::{Distribution as _, Exp, Gamma, LogNormal, Weibull};

    fn best(sample: impl Fn(&mut StdRng) -> f64) -> (Fit, Distribution) {
        let mut rng = StdRng::seed_from_u64(3);
        let times = (0..3000).map(|_| sample(&mut rng)).collect();
        let found = distribution("stage".into(), 3000, times);
        (found.fits[0], found)
    }

    #[test]
    fn finds_the_family_and_its_parameters() {
        let exp = Exp::new(0.01).unwrap();
        let (fit, _) = best(|rng| 200.0 + exp.sample(rng));
        assert!(
            matches!(fit.family, Family::ShiftedExponential { shift, rate }
            if (shift - 200.0).abs() < 2.0 && (rate - 0.01).abs() < 0.001),
            "{fit:?}"
        );
        let log = LogNormal::new(5.0, 0.8).unwrap();
        let (fit, _) = best(|rng| log.sample(rng));
        assert!(
            matches!(fit.family, Family::Lognormal { mu, sigma }
            if (mu - 5.0).abs() < 0.1 && (sigma - 0.8).abs() < 0.05),
            "{fit:?}"
        );
        let weibull = Weibull::new(300.0, 2.5).unwrap();
        let (fit, _) = best(|rng| weibull.sample(rng));
        assert!(
            matches!(fit.family, Family::Weibull { shape, scale }
            if (shape - 2.5).abs() < 0.15 && (scale - 300.0).abs() < 10.0),
            "{fit:?}"
        );
        let gamma = Gamma::new(3.5, 40.0).unwrap();
        let (fit, found) = best(|rng| gamma.sample(rng));
        assert!(matches!(fit.family, Family::Gamma { shape, .. } if (shape - 3.5).abs() < 0.4), "{fit:?}");
        assert!(fit.p_value > 0.05 && fit.ks < 0.03);
        assert!(found.fits.iter().all(|other| other.aic >= fit.aic));
    }

    #[test]
    fn two_exponentials_are_told_from_one() {
        let (fast, slow) = (Exp::new(0.1).unwrap(), Exp::new(0.001).unwrap());
        let (fit, found) = best(|rng| if rng.random_bool(0.8) { fast.sample(rng) } else { slow.sample(rng) });
        assert!(
            matches!(fit.family, Family::HyperExponential { p, .. } if (p - 0.8).abs() < 0.05),
            "{fit:?}"
        );
        assert!(found.variation > 1.5);
    }

    #[test]
    fn an_exponential_tail_has_shape_zero() {
        let exp = Exp::new(0.01).unwrap();
        let (_, found) = best(|rng| exp.sample(rng));
        let tail = found.tail.unwrap();
        assert!(tail.shape.abs() < 0.2 && (tail.scale_ms - 100.0).abs() < 20.0, "{tail:?}");
    }

    #[test]
    fn degenerate_samples_are_described_and_not_fitted() {
        for times in [vec![], vec![5.0], vec![5.0; 50]] {
            let found = distribution("stage".into(), times.len() as u64, times);
            assert!(found.fits.is_empty());
        }
        let zeros = distribution("stage".into(), 40, (0..40).map(|x| f64::from(x % 2)).collect());
        assert!(zeros.fits.iter().all(|fit| fit.ks.is_finite()));
    }
}
