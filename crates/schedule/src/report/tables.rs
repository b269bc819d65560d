//! CSV.

use std::{collections::BTreeSet, fmt::Write};

use super::{PolicyResult, Sweep};
use crate::compare::Summary;

const COLUMNS: &str = "mean_utility,ci95,mean_admitted,mean_completed,mean_jct,median_jct,p99_jct,makespan,utilisation,unfairness,median_decision_ms";

fn row(summary: &Summary) -> String {
    let values = [
        summary.mean_utility,
        summary.ci95,
        summary.mean_admitted,
        summary.mean_completed,
        summary.mean_jct,
        summary.median_jct,
        summary.p99_jct,
        summary.makespan,
        summary.utilisation,
        summary.unfairness,
        summary.median_decision_ms,
    ];
    values.map(|value| value.to_string()).join(",")
}

/// A row a policy.
pub fn summary<'a>(summaries: impl Iterator<Item = &'a Summary>) -> String {
    let mut text = format!("policy,{COLUMNS}\n");
    for summary in summaries {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{},{}", summary.name, row(summary));
    }
    text
}

/// A row a point and policy.
pub fn sweep(sweep: &Sweep) -> String {
    let mut text = format!("{},policy,{COLUMNS}\n", sweep.over);
    for point in &sweep.points {
        for summary in &point.summaries {
            let _ = writeln!(text, "{},{},{}", point.at, summary.name, row(summary));
        }
    }
    text
}

/// A row a policy and class of urgency: jobs and completions a run, mean utility of a job, mean completion
/// time.
pub fn classes(results: &[PolicyResult]) -> String {
    let mut text = String::from("policy,class,jobs,completed,mean_utility,mean_jct\n");
    for result in results {
        let runs = result.outcomes.len().max(1) as f64;
        let jobs: Vec<_> = result.outcomes.iter().flat_map(|outcome| &outcome.jobs).collect();
        let classes: BTreeSet<&str> = jobs.iter().map(|job| job.class).collect();
        for class in classes {
            let members: Vec<_> = jobs.iter().filter(|job| job.class == class).collect();
            let times: Vec<f64> = members.iter().filter_map(|job| job.jct()).collect();
            let (count, done) = (members.len() as f64, times.len() as f64);
            let utility = members.iter().map(|job| job.utility).sum::<f64>() / count;
            let jct = times.iter().sum::<f64>() / done.max(1.0);
            let _ =
                writeln!(text, "{},{class},{},{},{utility},{jct}", result.policy, count / runs, done / runs);
        }
    }
    text
}

/// A row a job, run and policy.
pub fn jobs(results: &[PolicyResult]) -> String {
    let mut text = String::from(
        "policy,run,job,class,group,arrival,admitted,started,finished,utility,shortest,attained,changes\n",
    );
    let time = |time: Option<f64>| time.map(|time| time.to_string()).unwrap_or_default();
    for result in results {
        for (run, outcome) in result.outcomes.iter().enumerate() {
            for job in &outcome.jobs {
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{},{},{},{},{},{},{},{}",
                    result.policy,
                    run + 1,
                    job.job,
                    job.class,
                    job.group.replace(',', ";"),
                    job.arrival,
                    job.admitted,
                    time(job.started),
                    time(job.finished),
                    job.utility,
                    job.shortest,
                    job.attained,
                    job.changes
                );
            }
        }
    }
    text
}
