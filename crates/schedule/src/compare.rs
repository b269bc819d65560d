//! Policies side by side on the same instances, over seeds, with confidence intervals.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    error::Result,
    model::{Cluster, Job},
    policy::{PolicyName, Setup},
    pricing::SlotGrid,
    replay::Recording,
    setting::Setting,
    sim::{Metrics, Options, Run, Stopwatch, simulate},
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

/// A policy's means over seeds. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The policy.
    pub name: String,
    /// Mean total utility.
    pub mean_utility: f64,
    /// Half width of its 95 % confidence interval (Student's t); zero for one seed.
    pub ci95: f64,
    /// Mean number of admitted jobs.
    pub mean_admitted: f64,
    /// Mean number of completed jobs.
    pub mean_completed: f64,
    /// Mean over seeds of the mean completion time.
    pub mean_jct: f64,
    /// Mean over seeds of the median completion time.
    pub median_jct: f64,
    /// Mean over seeds of the 99th percentile.
    pub p99_jct: f64,
    /// Mean over seeds of the last completion.
    pub makespan: f64,
    /// Mean used share of the GPUs.
    pub utilisation: f64,
    /// Mean over seeds of the 90th percentile of completion time over time alone.
    pub unfairness: f64,
    /// Median milliseconds of a job's decision.
    pub median_decision_ms: f64,
}

impl Summary {
    /// Of one policy's runs.
    pub fn of(policy: PolicyName, runs: &[Metrics]) -> Self {
        let mean =
            |value: fn(&Metrics) -> f64| runs.iter().map(value).sum::<f64>() / runs.len().max(1) as f64;
        let mut decisions: Vec<f64> = runs.iter().map(|run| run.median_decision * 1e3).collect();
        decisions.sort_by(f64::total_cmp);
        Self {
            name: policy.to_string(),
            mean_utility: mean(|run| run.utility),
            ci95: half_width(runs.iter().map(|run| run.utility)),
            mean_admitted: mean(|run| run.admitted as f64),
            mean_completed: mean(|run| run.completed as f64),
            mean_jct: mean(|run| run.mean_jct),
            median_jct: mean(|run| run.median_jct),
            p99_jct: mean(|run| run.p99_jct),
            makespan: mean(|run| run.makespan),
            utilisation: mean(|run| run.utilisation),
            unfairness: mean(|run| run.unfairness),
            median_decision_ms: decisions.get(decisions.len() / 2).copied().unwrap_or(0.0),
        }
    }
}

/// Two-sided 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

fn half_width(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count();
    if count < 2 {
        return 0.0;
    }
    let mean = values.clone().sum::<f64>() / count as f64;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
    STUDENT.get(count - 2).copied().unwrap_or(1.96) * (variance / count as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::half_width;

    #[test]
    fn the_interval_is_students() {
        // Mean 3, deviation sqrt(2.5), 5 values: 2.776 * sqrt(2.5 / 5).
        assert!((half_width([1.0, 2.0, 3.0, 4.0, 5.0].into_iter()) - 1.9629).abs() < 1e-3);
        assert_eq!(half_width([7.0].into_iter()), 0.0);
    }
}
