//! Two runs of one program: which stage and which iteration got slower, by how much, and whether chance would do it.

use serde::Serialize;
use syncline_terminal::{
    Cell, Column, Page, Style, Table,
    unit::{milliseconds, percent},
};

use crate::Report;
use crate::analysis::numbers::{mann_whitney, median};

/// What changed from the first report to the second.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Wall time of both, ms.
    pub wall_ms: [f64; 2],
    /// Shares of both, by name, where they differ.
    pub shares: Vec<(String, f64, f64)>,
    /// Iterations with the same pattern.
    pub iterations: Vec<Change>,
    /// Stages with the same name, largest change in total time first.
    pub stages: Vec<Change>,
    /// What only one of them has.
    pub only: [Vec<String>; 2],
}

/// The same thing in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The stage's name or the iteration's pattern.
    pub name: String,
    /// How often it was timed in both.
    pub count: [u64; 2],
    /// Medians of both, ms.
    pub median_ms: [f64; 2],
    /// Second over first.
    pub ratio: f64,
    /// The chance that samples of one distribution differ as much (Mann-Whitney, two-sided).
    pub p_value: f64,
    /// How many ms more the second run spent on it in all, at its own count.
    pub total_ms: f64,
}

impl Change {
    /// Changes with a smaller chance than this are called significant.
    pub const SIGNIFICANT: f64 = 0.01;

    /// Whether chance hardly explains it.
    pub fn is_significant(&self) -> bool {
        self.p_value < Self::SIGNIFICANT
    }
}

/// A named sample.
type Sample<'a> = (&'a str, &'a [f64]);

/// Compares two reports.
pub fn compare(first: &Report, second: &Report) -> Comparison {
    let stages = |report: &'_ Report| -> Vec<(String, Vec<f64>)> {
        report.distributions.iter().map(|found| (found.stage.clone(), found.samples.clone())).collect()
    };
    let rounds = |report: &'_ Report| -> Vec<(String, Vec<f64>)> {
        report.iterations.iter().map(|found| (found.pattern.clone(), found.samples.clone())).collect()
    };
    let (stages_1, stages_2) = (stages(first), stages(second));
    let only = |a: &[(String, Vec<f64>)], b: &[(String, Vec<f64>)]| {
        let names = a.iter().filter(|(name, _)| !b.iter().any(|other| other.0 == *name));
        names.map(|(name, _)| name.clone()).collect()
    };
    let names: std::collections::BTreeSet<&String> =
        first.shares.keys().chain(second.shares.keys()).collect();
    let share = |report: &Report, name: &String| report.shares.get(name).copied().unwrap_or(0.0);
    Comparison {
        wall_ms: [first.wall_ms, second.wall_ms],
        shares: names
            .into_iter()
            .map(|name| (name.clone(), share(first, name), share(second, name)))
            .collect(),
        iterations: changes(&rounds(first), &rounds(second)),
        only: [only(&stages_1, &stages_2), only(&stages_2, &stages_1)],
        stages: changes(&stages_1, &stages_2),
    }
}

fn changes(first: &[(String, Vec<f64>)], second: &[(String, Vec<f64>)]) -> Vec<Change> {
    let find = |name: &str| second.iter().find(|other| other.0 == name);
    let mut changes: Vec<Change> =
        first.iter().filter_map(|(name, a)| find(name).map(|(_, b)| change((name, a), (name, b)))).collect();
    changes.sort_by(|a, b| b.total_ms.abs().total_cmp(&a.total_ms.abs()));
    changes
}

fn change((name, a): Sample<'_>, (_, b): Sample<'_>) -> Change {
    let medians = [median(a), median(b)];
    Change {
        name: name.to_owned(),
        count: [a.len() as u64, b.len() as u64],
        median_ms: medians,
        ratio: if medians[0] > 0.0 {
            medians[1] / medians[0]
        } else {
            f64::from(u8::from(medians[1] == 0.0))
        },
        p_value: mann_whitney(a, b),
        total_ms: b.iter().sum::<f64>() - crate::analysis::numbers::mean(a) * b.len() as f64,
    }
}

impl Comparison {
    /// Writes the comparison.
    pub fn write(&self, page: &mut Page) {
        let [a, b] = self.wall_ms;
        let change = signed_percent(b / a.max(1e-6) - 1.0);
        page.line(&format!("wall time {} -> {} ({change})", milliseconds(a), milliseconds(b)));
        let mut shares: Vec<&(String, f64, f64)> = self.shares.iter().collect();
        shares.sort_by(|x, y| (y.2 - y.1).abs().total_cmp(&(x.2 - x.1).abs()));
        let columns = [Column::text(""), Column::number("first"), Column::number("second")];
        let mut moved = Table::new(columns).indented(2);
        for (name, a, b) in shares.into_iter().take(5).filter(|share| (share.2 - share.1).abs() >= 0.01) {
            moved.row([name.clone(), percent(*a), percent(*b)]);
        }
        if !moved.is_empty() {
            page.heading("Shares of the wall time").table(&moved);
        }
        section(page, "Iterations", &self.iterations);
        section(page, "Task times by stage", &self.stages);
        for (only, which) in self.only.iter().zip(["first", "second"]) {
            if !only.is_empty() {
                page.gap().line(&format!("Only in the {which}: {}", only.join(", ")));
            }
        }
    }
}

fn section(page: &mut Page, title: &str, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    page.heading(&format!("{title} (median, change, chance of it by luck)"));
    let columns = [
        Column::number("first"),
        Column::number("second"),
        Column::number("change"),
        Column::number("p").dropped(2),
        Column::text(""),
        Column::number("times").dropped(1),
        Column::text("where").shrinks_to(12),
    ];
    let mut table = Table::new(columns).indented(2).at_most(20, "--verbose or --json has all");
    for change in changes {
        let (word, style) = match change.is_significant() {
            true if change.ratio > 1.0 => ("slower", Style::Bad),
            true => ("faster", Style::Good),
            false => ("no significant change", Style::Faint),
        };
        let [a, b] = change.median_ms;
        let [first, second] = change.count;
        table.row([
            Cell::from(milliseconds(a)),
            milliseconds(b).into(),
            signed_percent(change.ratio - 1.0).into(),
            format!("{:.2e}", change.p_value).into(),
            Cell::styled(word, style),
            format!("{first}, {second}").into(),
            change.name.as_str().into(),
        ]);
    }
    page.table(&table);
}

/// A change as a share of what was before: `+12 %`.
fn signed_percent(share: f64) -> String {
    format!("{:+.0} %", 100.0 * share)
}
