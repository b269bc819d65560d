//! The placements of a run as SVG: machines down, hours across, a colour a job.
//!
//! The drawing is written by hand, since each bar says its job on hover and the axis counts machines in whole numbers. Colours
//! follow the reader's light or dark setting, also where the file stands alone.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{compare::PolicyResult, model::JobId};

/// Machines that are drawn; the others are counted.
const MACHINES: u32 = 40;

/// Bars that are drawn; the shorter ones are counted.
const BARS: usize = 4000;

/// Jobs that the legend names, by the time that they held machines.
const NAMED: usize = 12;

/// Where the drawing lies on the page, in pixels.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 748.0;
const TOP: f64 = 12.0;
const ROW: f64 = 18.0;

/// A job's stay on a machine, in hours.
pub(super) struct Bar {
    pub machine: u32,
    pub job: JobId,
    pub from: f64,
    pub until: f64,
}

/// Distinguishable also to the colour-blind (Okabe and Ito); jobs beyond share them.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a100", "#7f7f7f"];

const STYLE: &str = "text{font:12px sans-serif;fill:#222}.p{fill:#fff}.g{stroke:#ccc}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.p{fill:#161616}.g{stroke:#444}}";

/// Draws the bars.
pub(super) fn draw(result: &PolicyResult, mut bars: Vec<Bar>) -> String {
    let machines = bars.iter().map(|bar| bar.machine + 1).max().unwrap_or(1);
    let hours = bars.iter().map(|bar| bar.until).fold(0.0_f64, f64::max).max(1e-9);
    let mut held: BTreeMap<JobId, f64> = BTreeMap::new();
    bars.iter().for_each(|bar| *held.entry(bar.job).or_default() += bar.until - bar.from);
    let hidden = machines.saturating_sub(MACHINES);
    bars.retain(|bar| bar.machine < MACHINES);
    bars.sort_by(|a, b| (b.until - b.from).total_cmp(&(a.until - a.from)));
    let left_out = bars.len().saturating_sub(BARS);
    bars.truncate(BARS);
    let bottom = TOP + f64::from(machines.min(MACHINES)) * ROW;
    let named = legend_of(&held);
    let height = bottom + 48.0 + (named.len().div_ceil(4) as f64) * 18.0 + 22.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height:.0}\" width=\"760\" height=\"{height:.0}\" role=\"img\" \
         aria-label=\"placements\"><style>{STYLE}</style>\n<rect class=\"p\" width=\"760\" height=\"{height:.0}\"/>\n"
    );
    axes(&mut svg, machines.min(MACHINES), hours, bottom);
    bars.iter().for_each(|bar| rectangle(&mut svg, result, bar, hours));
    legend(&mut svg, result, &named, bottom + 48.0);
    let notes = notes(hidden, left_out, held.len().saturating_sub(named.len()));
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.0}\">{notes}</text>\n</svg>", height - 8.0);
    svg
}

/// The jobs with most time on machines, in order of their numbers.
fn legend_of(held: &BTreeMap<JobId, f64>) -> Vec<JobId> {
    let mut jobs: Vec<(JobId, f64)> = held.iter().map(|(job, hours)| (*job, *hours)).collect();
    jobs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut named: Vec<JobId> = jobs.into_iter().take(NAMED).map(|found| found.0).collect();
    named.sort();
    named
}

/// Lines at whole machines and at about ten times.
fn axes(svg: &mut String, machines: u32, hours: f64, bottom: f64) {
    let every = machines.div_ceil(20).max(1);
    for machine in (0..machines).step_by(every as usize) {
        let y = TOP + (f64::from(machine) + 0.5) * ROW + 4.0;
        let _ =
            writeln!(svg, "<text x=\"{:.0}\" y=\"{y:.1}\" text-anchor=\"end\">{machine}</text>", LEFT - 6.0);
    }
    let step = step_of(hours);
    let mut at = 0.0;
    while at <= hours * (1.0 + 1e-9) {
        let x = LEFT + (RIGHT - LEFT) * at / hours;
        let _ = writeln!(
            svg,
            "<line class=\"g\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.0}\"/><text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            rounded(at)
        );
        at += step;
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">hours</text><text x=\"14\" y=\"{:.0}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {:.0})\">machine</text>",
        (LEFT + RIGHT) / 2.0,
        bottom + 34.0,
        (TOP + bottom) / 2.0,
        (TOP + bottom) / 2.0
    );
}

/// 1, 2 or 5 times a power of ten, so that about eight lines stand.
fn step_of(hours: f64) -> f64 {
    let power = 10.0_f64.powf((hours / 8.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| hours / step <= 10.0).unwrap_or(hours)
}

fn rounded(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Jobs that share a machine are stripes of its row.
fn rectangle(svg: &mut String, result: &PolicyResult, bar: &Bar, hours: f64) {
    const STRIPES: u32 = 6;
    let scale = (RIGHT - LEFT) / hours;
    let stripe = ROW / f64::from(STRIPES);
    let y = TOP + f64::from(bar.machine) * ROW + f64::from(bar.job.0 % STRIPES) * stripe;
    let _ = writeln!(
        svg,
        "<rect x=\"{:.2}\" y=\"{y:.1}\" width=\"{:.2}\" height=\"{stripe:.1}\" fill=\"{}\"><title>{}, machine {}, {} to {} h</title></rect>",
        LEFT + bar.from * scale,
        ((bar.until - bar.from) * scale).max(0.2),
        colour(bar.job),
        escape(&name(result, bar.job)),
        bar.machine,
        rounded(bar.from),
        rounded(bar.until)
    );
}

fn colour(job: JobId) -> &'static str {
    COLOURS[job.index() % COLOURS.len()]
}

/// A job's number with its own name, if it has one.
fn name(result: &PolicyResult, job: JobId) -> String {
    match result.sample.outcome.jobs.get(job.index()) {
        Some(outcome) if !outcome.name.is_empty() => format!("job {} ({})", job.0, outcome.name),
        _ => format!("job {}", job.0),
    }
}

fn legend(svg: &mut String, result: &PolicyResult, named: &[JobId], top: f64) {
    for (at, job) in named.iter().enumerate() {
        let (x, y) = (LEFT + (at % 4) as f64 * 175.0, top + (at / 4) as f64 * 18.0);
        let full = name(result, *job);
        let short: String = if full.chars().count() > 24 {
            full.chars().take(23).chain(['…']).collect()
        } else {
            full.clone()
        };
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{:.0}\" y=\"{:.0}\"><title>{}</title>{}</text>",
            colour(*job),
            x + 16.0,
            y + 10.0,
            escape(&full),
            escape(&short)
        );
    }
}

/// What the drawing does not show.
fn notes(machines: u32, bars: usize, jobs: usize) -> String {
    let mut notes = Vec::new();
    if jobs > 0 {
        notes.push(format!("{jobs} more jobs are named on hover"));
    }
    if machines > 0 {
        notes.push(format!("{machines} more machines are not drawn"));
    }
    if bars > 0 {
        notes.push(format!("{bars} shorter stays are not drawn"));
    }
    notes.join("; ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_at_round_hours() {
        assert_eq!([7.3, 80.0, 0.4].map(step_of), [1.0, 10.0, 0.05]);
        assert_eq!(
            (rounded(0.5), rounded(20.0), rounded(1.0 / 3.0)),
            ("0.5".into(), "20".into(), "0.3333".into())
        );
    }
}
