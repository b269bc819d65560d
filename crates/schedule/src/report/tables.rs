//! What is written about a comparison: policies, a sweep, classes of urgency, jobs.

use std::collections::BTreeSet;

use super::table::{Table, Values};
use crate::{
    compare::{PolicyResult, Summary, Sweep, SweepPoint},
    sim::JobOutcome,
};

/// A row a policy.
pub fn summary(results: &[PolicyResult]) -> Table {
    let rows: Vec<&Summary> = results.iter().map(|result| &result.summary).collect();
    means(Table::of(rows.len()), &rows)
}

/// A row a point and policy.
pub fn sweep(sweep: &Sweep) -> Table {
    let point = |point: &'_ SweepPoint| vec![point.at; point.summaries.len()];
    let at = sweep.points.iter().flat_map(point).collect();
    let rows: Vec<&Summary> = sweep.points.iter().flat_map(|point| &point.summaries).collect();
    means(Table::of(rows.len()).with(sweep.over.to_string(), Values::Real(at)), &rows)
}

fn means(table: Table, rows: &[&Summary]) -> Table {
    let real = |value: fn(&Summary) -> f64| Values::Real(rows.iter().map(|row| value(row)).collect());
    let some =
        |value: fn(&Summary) -> Option<f64>| Values::Optional(rows.iter().map(|row| value(row)).collect());
    table
        .with("policy", Values::Text(rows.iter().map(|row| row.name.clone()).collect()))
        .with("mean_utility", real(|row| row.mean_utility))
        .with("ci95", some(|row| row.ci95))
        .with("mean_jobs", real(|row| row.mean_jobs))
        .with("mean_admitted", real(|row| row.mean_admitted))
        .with("mean_timed_out", real(|row| row.mean_timed_out))
        .with("mean_completed", real(|row| row.mean_completed))
        .with("mean_jct_of_completed_seconds", some(|row| row.mean_jct))
        .with("median_jct_seconds", some(|row| row.median_jct))
        .with("p99_jct_seconds", some(|row| row.p99_jct))
        .with("makespan_seconds", some(|row| row.makespan))
        .with("utilisation", real(|row| row.utilisation))
        .with("unfairness", some(|row| row.unfairness))
        .with("median_decision_ms", real(|row| row.median_decision_ms))
}

/// Jobs of one class under one policy.
struct Class<'a> {
    policy: String,
    class: &'static str,
    runs: f64,
    jobs: Vec<&'a JobOutcome>,
}

impl Class<'_> {
    fn times(&self) -> Vec<f64> {
        self.jobs.iter().filter_map(|job| job.jct()).collect()
    }

    fn utility(&self) -> f64 {
        self.jobs.iter().map(|job| job.utility).sum::<f64>() / self.jobs.len() as f64
    }

    fn jct(&self) -> Option<f64> {
        let times = self.times();
        (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64)
    }
}

/// A row a policy and class of urgency: jobs and completions a run, mean utility of a job, mean completion
/// time.
pub fn classes(results: &[PolicyResult]) -> Table {
    let rows: Vec<Class> = results.iter().flat_map(split).collect();
    let real = |value: &dyn Fn(&Class) -> f64| Values::Real(rows.iter().map(value).collect());
    Table::of(rows.len())
        .with("policy", Values::Text(rows.iter().map(|row| row.policy.clone()).collect()))
        .with("class", Values::Text(rows.iter().map(|row| row.class.to_owned()).collect()))
        .with("jobs", real(&|row| row.jobs.len() as f64 / row.runs))
        .with("completed", real(&|row| row.times().len() as f64 / row.runs))
        .with("mean_utility", real(&|row| row.utility()))
        .with("mean_jct_of_completed_seconds", Values::Optional(rows.iter().map(Class::jct).collect()))
}

fn split(result: &PolicyResult) -> Vec<Class<'_>> {
    let jobs: Vec<&JobOutcome> = result.outcomes.iter().flat_map(|outcome| &outcome.jobs).collect();
    let classes: BTreeSet<&'static str> = jobs.iter().map(|job| job.class).collect();
    let class = |class| Class {
        policy: result.policy.to_string(),
        class,
        runs: result.outcomes.len().max(1) as f64,
        jobs: jobs.iter().copied().filter(|job| job.class == class).collect(),
    };
    classes.into_iter().map(class).collect()
}

/// A row a job, run and policy.
pub fn jobs(results: &[PolicyResult]) -> Table {
    let runs = results.iter().flat_map(|result| {
        let name = result.policy.as_str();
        result.outcomes.iter().enumerate().map(move |(run, outcome)| (name, run as i64 + 1, outcome))
    });
    let rows: Vec<(&str, i64, &JobOutcome)> =
        runs.flat_map(|(name, run, outcome)| outcome.jobs.iter().map(move |job| (name, run, job))).collect();
    let text =
        |value: fn(&JobOutcome) -> String| Values::Text(rows.iter().map(|(_, _, job)| value(job)).collect());
    let real =
        |value: fn(&JobOutcome) -> f64| Values::Real(rows.iter().map(|(_, _, job)| value(job)).collect());
    let time = |value: fn(&JobOutcome) -> Option<f64>| {
        Values::Optional(rows.iter().map(|(_, _, job)| value(job)).collect())
    };
    Table::of(rows.len())
        .with("policy", Values::Text(rows.iter().map(|(name, _, _)| (*name).to_owned()).collect()))
        .with("run", Values::Whole(rows.iter().map(|(_, run, _)| *run).collect()))
        .with("job", text(|job| job.job.to_string()))
        .with("class", text(|job| job.class.to_owned()))
        .with("group", text(|job| job.group.clone()))
        .with("arrival_seconds", real(|job| job.arrival))
        .with("admitted", Values::Flag(rows.iter().map(|(_, _, job)| job.admitted).collect()))
        .with("timed_out", Values::Flag(rows.iter().map(|(_, _, job)| job.timed_out).collect()))
        .with("started_seconds", time(|job| job.started))
        .with("finished_seconds", time(|job| job.finished))
        .with("utility", real(|job| job.utility))
        .with("shortest_seconds", real(|job| job.shortest))
        .with("attained_worker_seconds", real(|job| job.attained))
        .with("changes", Values::Whole(rows.iter().map(|(_, _, job)| i64::from(job.changes)).collect()))
}
