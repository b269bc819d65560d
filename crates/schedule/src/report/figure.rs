//! Figures as SVG text.

use plotters::{coord::Shift, prelude::*};
use syncline_explain::report::themed;

use super::gantt::{self, Bar};
use crate::{
    compare::{PolicyResult, Sweep},
    error::{Error, Result},
    event::Decision,
    model::JobId,
    sim::JobOutcome,
};

const SIZE: (u32, u32) = (760, 420);

/// Draws with `body` on a white page and returns the SVG.
fn draw<F>(what: &str, body: F) -> Result<String>
where
    F: FnOnce(&DrawingArea<SVGBackend, Shift>) -> std::result::Result<(), Box<dyn std::error::Error>>,
{
    let fault = |why: String| Error::Plot { what: what.into(), why };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|error| fault(error.to_string()))?;
        body(&area).map_err(|error| fault(error.to_string()))?;
        area.present().map_err(|error| fault(error.to_string()))?;
    }
    Ok(themed(&text))
}

fn colour(index: usize) -> RGBAColor {
    Palette99::pick(index).to_rgba()
}

/// The share of all jobs that completed within a time, per policy; hours on a logarithmic axis.
pub fn cdf(results: &[PolicyResult]) -> Result<String> {
    let curve = |result: &PolicyResult| {
        let jobs: Vec<&JobOutcome> = result.outcomes.iter().flat_map(|outcome| &outcome.jobs).collect();
        let mut hours: Vec<f64> =
            jobs.iter().filter_map(|job| job.jct()).map(|jct| jct.max(1.0) / 3600.0).collect();
        hours.sort_by(f64::total_cmp);
        let share = |(index, hours): (usize, &f64)| (*hours, (index + 1) as f64 / jobs.len() as f64);
        // A few hundred points draw a curve as well as eighty thousand.
        let stride = (hours.len() / 400).max(1);
        let last = hours.len().saturating_sub(1);
        let points =
            hours.iter().enumerate().filter(|(index, _)| index % stride == 0 || *index == last).map(share);
        points.collect::<Vec<(f64, f64)>>()
    };
    let curves: Vec<_> = results.iter().map(|result| (result.policy, curve(result))).collect();
    let ends = curves
        .iter()
        .flat_map(|(_, curve)| curve.first().into_iter().chain(curve.last()))
        .map(|(hours, _)| *hours);
    let (low, high) =
        ends.fold((f64::INFINITY, 0.0_f64), |(low, high), hours| (low.min(hours), high.max(hours)));
    let (low, high) = if low.is_finite() { (low * 0.8, high * 1.2) } else { (0.1, 1.0) };
    draw("the completion times", |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d((low..high).log_scale(), 0.0..1.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("hours to completion")
            .y_desc("share of jobs")
            .draw()?;
        for (index, (policy, curve)) in curves.into_iter().enumerate() {
            let style = colour(index).stroke_width(2);
            let line = chart.draw_series(LineSeries::new(curve, style))?;
            line.label(policy.as_str()).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        Ok(())
    })
}

/// Mean utility with its confidence interval against the swept number.
pub fn sweep(sweep: &Sweep) -> Result<String> {
    let most = sweep
        .points
        .iter()
        .flat_map(|point| &point.summaries)
        .map(|row| row.mean_utility + row.ci95.unwrap_or(0.0));
    let most = most.fold(1.0_f64, f64::max) * 1.05;
    let first = sweep.points.first().map_or(0.0, |point| point.at);
    let last = sweep.points.last().map_or(1.0, |point| point.at).max(first + 1.0);
    let policies = sweep.points.first().map_or(0, |point| point.summaries.len());
    draw("the sweep", |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(first..last, 0.0..most)?;
        let across = sweep.over.to_string();
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(across)
            .y_desc("mean total utility")
            .draw()?;
        for index in 0..policies {
            let rows: Vec<_> = sweep.points.iter().map(|point| (point.at, &point.summaries[index])).collect();
            let style = colour(index).stroke_width(2);
            let line = chart
                .draw_series(LineSeries::new(rows.iter().map(|(at, row)| (*at, row.mean_utility)), style))?;
            if let Some((_, row)) = rows.first() {
                line.label(row.name.clone())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            }
            let interval = |(at, row): &(f64, &crate::compare::Summary)| {
                let half = row.ci95.unwrap_or(0.0);
                PathElement::new([(*at, row.mean_utility - half), (*at, row.mean_utility + half)], style)
            };
            let bars: Vec<_> = rows.iter().map(interval).collect();
            chart.draw_series(bars)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        Ok(())
    })
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
