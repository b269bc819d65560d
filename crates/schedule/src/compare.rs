//! Policies side by side on the same instances, over seeds, with confidence intervals.

use std::{ops::RangeInclusive, sync::Arc};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    model::{Cluster, Job},
    policy::{PolicyName, Setup},
    pricing::SlotGrid,
    replay::Recording,
    setting::Setting,
    sim::{Metrics, Options, Outcome, Run, Stopwatch, simulate},
    study::{Axis, Over, Study},
};

/// Where the jobs come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Drawn anew for every seed.
    Setting(Box<Setting>),
    /// The same for every seed.
    Jobs(Vec<Job>),
}

/// One row of a comparison: what all policies are tried on.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The jobs.
    pub source: Source,
    /// The machines.
    pub cluster: Arc<Cluster>,
    /// The slots that planners plan in.
    pub grid: SlotGrid,
    /// The simulator's rules.
    pub options: Options,
    /// The policies' choices; cluster, grid, expected jobs and seed are filled in for each run.
    pub template: Setup,
    /// What a reader of the results should know of where the jobs come from.
    pub remarks: Vec<String>,
}

impl Experiment {
    /// The jobs of a seed.
    pub fn jobs(&self, seed: u64) -> Vec<Job> {
        match &self.source {
            Source::Setting(setting) => setting.draw(seed),
            Source::Jobs(jobs) => jobs.clone(),
        }
    }

    /// What a policy is made with for a seed.
    pub fn setup(&self, jobs: &[Job], seed: u64) -> Setup {
        Setup {
            cluster: Arc::clone(&self.cluster),
            grid: self.grid,
            expected: jobs.to_vec(),
            seed,
            ..self.template.clone()
        }
    }

    /// Simulates one policy on one seed.
    ///
    /// # Errors
    /// A job that the cluster can never run, or a defect of the policy.
    pub fn run(&self, policy: PolicyName, seed: u64, stopwatch: Option<Stopwatch>) -> Result<Run> {
        let jobs = self.jobs(seed);
        let mut decider = policy.build(&self.setup(&jobs, seed));
        simulate(&self.cluster, &jobs, decider.as_mut(), &self.options, stopwatch)
    }

    /// A recording of a run.
    pub fn recording(&self, policy: PolicyName, seed: u64, run: &Run) -> Recording {
        let setup = self.setup(&self.jobs(seed), seed);
        Recording::new(policy, &setup, self.options.physics, run.log.clone())
    }
}

/// The results of one policy.
#[derive(Debug, Clone)]
pub struct PolicyResult {
    /// The policy.
    pub policy: PolicyName,
    /// Its means.
    pub summary: Summary,
    /// Every seed's outcome.
    pub outcomes: Vec<Outcome>,
    /// The first seed's whole run, for the Gantt chart.
    pub sample: Run,
}

/// One point of a sweep: the swept number and each policy's summary.
#[derive(Debug, Clone, Serialize)]
pub struct SweepPoint {
    /// Jobs or machines.
    pub at: f64,
    /// In the order of the policies.
    #[serde(rename = "policies")]
    pub summaries: Vec<Summary>,
}

/// A sweep over a number.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Which number.
    pub over: Over,
    /// The points, ascending.
    pub points: Vec<SweepPoint>,
}

/// Policies to compare, and on which seeds. The others are compared with the first, seed by seed.
pub struct Comparison<'a> {
    /// The policies.
    pub policies: &'a [PolicyName],
    /// The seeds, both ends included.
    pub seeds: RangeInclusive<u64>,
    /// What decisions are timed with.
    pub stopwatch: Option<Stopwatch<'a>>,
    /// Told before each run whose it is: a comparison may take minutes.
    pub before_run: &'a dyn Fn(PolicyName),
}

impl Comparison<'_> {
    /// All policies on all seeds, in the order of the policies.
    ///
    /// # Errors
    /// No seeds; what [`Experiment::run`] says.
    pub fn run(&self, experiment: &Experiment) -> Result<Vec<PolicyResult>> {
        let mut results: Vec<PolicyResult> = Vec::new();
        for &policy in self.policies {
            let first: Option<Vec<f64>> = results.first().map(|first| utilities(&first.outcomes));
            results.push(self.policy(experiment, policy, first.as_deref())?);
        }
        Ok(results)
    }

    /// The same at every point of an axis.
    ///
    /// # Errors
    /// As [`Self::run`] and [`Study::at`].
    pub fn sweep(&self, study: &Study, axis: &Axis) -> Result<Sweep> {
        let point = |&at: &usize| {
            let results = self.run(&study.at(axis.over, at)?.experiment()?)?;
            let summaries = results.into_iter().map(|result| result.summary).collect();
            Ok(SweepPoint { at: at as f64, summaries })
        };
        Ok(Sweep { over: axis.over, points: axis.points.iter().map(point).collect::<Result<_>>()? })
    }

    fn policy(
        &self,
        experiment: &Experiment,
        policy: PolicyName,
        first: Option<&[f64]>,
    ) -> Result<PolicyResult> {
        let mut outcomes = Vec::new();
        let mut sample: Option<Run> = None;
        for seed in self.seeds.clone() {
            (self.before_run)(policy);
            let mut run = experiment.run(policy, seed, self.stopwatch)?;
            outcomes.push(run.outcome.clone());
            // The log of one run is drawn and recorded; those of hundreds would fill the memory.
            if sample.is_some() {
                run.log.clear();
            }
            sample.get_or_insert(run);
        }
        let metrics: Vec<Metrics> = outcomes.iter().map(Outcome::metrics).collect();
        let sample = sample.ok_or(Error::Empty { what: "seed" })?;
        Ok(PolicyResult { policy, summary: Summary::of(policy, &metrics, first), outcomes, sample })
    }
}

fn utilities(outcomes: &[Outcome]) -> Vec<f64> {
    outcomes.iter().map(|outcome| outcome.metrics().utility).collect()
}

/// A policy's means over seeds. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The policy.
    pub name: String,
    /// Seeds.
    pub seeds: usize,
    /// Mean total utility.
    pub mean_utility: f64,
    /// Half width of its 95 % confidence interval (Student's t); none for one seed.
    pub ci95: Option<f64>,
    /// Mean difference of the total utility to the first policy's, seed by seed; none for that policy itself.
    pub against_first: Option<Difference>,
    /// Mean number of jobs.
    pub mean_jobs: f64,
    /// Mean number of admitted jobs.
    pub mean_admitted: f64,
    /// Mean number of jobs that had run for as long as they may.
    pub mean_timed_out: f64,
    /// Mean number of completed jobs, which `mean_jct` is taken over.
    pub mean_completed: f64,
    /// Mean over seeds of the mean completion time of completed jobs; none where a seed has none.
    #[serde(rename = "mean_jct_of_completed_seconds")]
    pub mean_jct: Option<f64>,
    /// Mean over seeds of the median completion time of all jobs; none where in a seed that job never completes.
    #[serde(rename = "median_jct_seconds")]
    pub median_jct: Option<f64>,
    /// Mean over seeds of the 99th percentile of all jobs, likewise.
    #[serde(rename = "p99_jct_seconds")]
    pub p99_jct: Option<f64>,
    /// Mean makespan.
    #[serde(rename = "makespan_seconds")]
    pub makespan: Option<f64>,
    /// Mean used share.
    pub utilisation: f64,
    /// Mean finish-time unfairness.
    pub unfairness: Option<f64>,
    /// Median over seeds of the median time of an arriving job's decision, in milliseconds.
    pub median_decision_ms: f64,
}

/// A mean difference of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The mean.
    pub mean_utility: f64,
    /// Half width of its 95 % confidence interval; none for one pair.
    pub ci95: Option<f64>,
}

impl Difference {
    /// Of `values` to `first`, pair by pair.
    pub fn paired(values: &[f64], first: &[f64]) -> Self {
        let differences: Vec<f64> = values.iter().zip(first).map(|(value, first)| value - first).collect();
        let mean_utility = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
        Self { mean_utility, ci95: half_width(differences.iter().copied()) }
    }
}

impl Summary {
    /// Of one policy's runs, beside those of the first policy on the same seeds unless it is the first.
    pub fn of(policy: PolicyName, runs: &[Metrics], first: Option<&[f64]>) -> Self {
        let mean =
            |value: fn(&Metrics) -> f64| runs.iter().map(value).sum::<f64>() / runs.len().max(1) as f64;
        let some = |value: fn(&Metrics) -> Option<f64>| {
            let values: Option<Vec<f64>> = runs.iter().map(value).collect();
            values.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
        };
        let mut decisions: Vec<f64> = runs.iter().map(|run| run.median_decision * 1e3).collect();
        decisions.sort_by(f64::total_cmp);
        let utilities: Vec<f64> = runs.iter().map(|run| run.utility).collect();
        Self {
            name: policy.to_string(),
            seeds: runs.len(),
            mean_utility: mean(|run| run.utility),
            ci95: half_width(utilities.iter().copied()),
            against_first: first.map(|first| Difference::paired(&utilities, first)),
            mean_jobs: mean(|run| run.jobs as f64),
            mean_admitted: mean(|run| run.admitted as f64),
            mean_timed_out: mean(|run| run.timed_out as f64),
            mean_completed: mean(|run| run.completed as f64),
            mean_jct: some(|run| run.mean_jct),
            median_jct: some(|run| run.median_jct),
            p99_jct: some(|run| run.p99_jct),
            makespan: some(|run| run.makespan),
            utilisation: mean(|run| run.utilisation),
            unfairness: some(|run| run.unfairness),
            median_decision_ms: decisions.get(decisions.len() / 2).copied().unwrap_or(0.0),
        }
    }
}

/// Two-sided 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

fn half_width(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let count = values.clone().count();
    if count < 2 {
        return None;
    }
    let mean = values.clone().sum::<f64>() / count as f64;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    Some(STUDENT.get(count - 2).copied().unwrap_or(1.96) * (variance / count as f64).sqrt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing helper fails the test")]
mod tests {
    use super::{Difference, half_width};

    #[test]
    fn the_interval_is_students() {
        // Mean 3, deviation sqrt(2.5), 5 values: 2.776 * sqrt(2.5 / 5).
        let half = half_width([1.0, 2.0, 3.0, 4.0, 5.0].into_iter()).unwrap();
        assert!((half - 1.9629).abs() < 1e-3);
        assert_eq!(half_width([7.0].into_iter()), None);
    }

    /// Seeds scatter by tens, the policies differ by one and a half in every pair or nearly: only pairs show it.
    #[test]
    fn pairs_tell_what_means_do_not() {
        let (first, second) = ([10.0, 90.0, 50.0], [11.0, 92.0, 51.5]);
        let Difference { mean_utility, ci95 } = Difference::paired(&second, &first);
        assert!((mean_utility - 1.5).abs() < 1e-12);
        assert!(ci95.unwrap() < 1.5 && half_width(first.into_iter()).unwrap() > 50.0);
        assert_eq!(Difference::paired(&[3.0], &[1.0]), Difference { mean_utility: 2.0, ci95: None });
    }
}
