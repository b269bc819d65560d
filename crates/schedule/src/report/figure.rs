//! Figures as SVG text.

use syncline_chart::{Chart, Mark, Point, Scale, Series};

use super::gantt::{self, Bar};
use crate::{
    compare::{PolicyResult, Summary, Sweep},
    error::Result,
    event::Decision,
    model::JobId,
    sim::JobOutcome,
};

/// The share of all jobs that completed within a time, per policy; hours on a logarithmic axis.
pub fn cdf(results: &[PolicyResult]) -> Result<String> {
    let curve = |result: &PolicyResult| {
        let jobs: Vec<&JobOutcome> = result.outcomes.iter().flat_map(|outcome| &outcome.jobs).collect();
        let mut hours: Vec<f64> =
            jobs.iter().filter_map(|job| job.jct()).map(|jct| jct.max(1.0) / 3600.0).collect();
        hours.sort_by(f64::total_cmp);
        let share =
            |(index, hours): (usize, &f64)| Point::new(*hours, (index + 1) as f64 / jobs.len() as f64);
        // A few hundred points draw a curve as well as eighty thousand.
        let stride = (hours.len() / 400).max(1);
        let last = hours.len().saturating_sub(1);
        let points =
            hours.iter().enumerate().filter(|(index, _)| index % stride == 0 || *index == last).map(share);
        Series::new(result.policy.as_str(), Mark::Line, points.collect())
    };
    let empty = Chart::new("Completion times", "hours to completion", "share of jobs");
    let chart = results.iter().map(curve).fold(empty.scaled(Scale::Logarithmic), Chart::with);
    Ok(chart.svg()?)
}

/// Mean utility with its confidence interval against the swept number.
pub fn sweep(sweep: &Sweep) -> Result<String> {
    let policies = sweep.points.first().map_or(0, |point| point.summaries.len());
    let curve = |index: usize| {
        let rows = || sweep.points.iter().map(|point| (point.at, &point.summaries[index]));
        let name = rows().next().map_or_else(String::new, |(_, row)| row.name.clone());
        let point = |(at, row): (f64, &Summary)| {
            let half = row.ci95.unwrap_or(0.0);
            Point::new(at, row.mean_utility).within(row.mean_utility - half, row.mean_utility + half)
        };
        Series::new(name, Mark::Line, rows().map(point).collect())
    };
    let over = sweep.over.to_string();
    let empty = Chart::new(format!("Utility over {over}"), over, "mean total utility");
    Ok((0..policies).map(curve).fold(empty, Chart::with).svg()?)
}

/// The first run's placements.
pub fn gantt(result: &PolicyResult) -> String {
    gantt::draw(result, bars(result))
}

fn bars(result: &PolicyResult) -> Vec<Bar> {
    let jobs = &result.sample.outcome.jobs;
    let mut open: std::collections::BTreeMap<JobId, (f64, Vec<u32>)> = Default::default();
    let mut bars = Vec::new();
    let close = |bars: &mut Vec<Bar>, job: JobId, entry: Option<(f64, Vec<u32>)>, now: f64| {
        let Some((from, hosts)) = entry else { return };
        let end = jobs[job.index()].finished.unwrap_or(f64::INFINITY).min(now) / 3600.0;
        bars.extend(hosts.into_iter().map(|machine| Bar { machine, job, from: from / 3600.0, until: end }));
    };
    for entry in &result.sample.log {
        for decision in &entry.decisions {
            match decision {
                Decision::Place { job, placement } => {
                    let before = open.remove(job);
                    close(&mut bars, *job, before, entry.now);
                    let hosts = placement.shares().iter().map(|share| share.machine.0).collect();
                    open.insert(*job, (entry.now, hosts));
                }
                Decision::Preempt { job } => {
                    let before = open.remove(job);
                    close(&mut bars, *job, before, entry.now);
                }
                _ => {}
            }
        }
    }
    for (job, entry) in open {
        close(&mut bars, job, Some(entry), result.sample.outcome.end);
    }
    bars
}
