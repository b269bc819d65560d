//! A comparison on a terminal.

use syncline_terminal::{
    Column, Page, Table,
    unit::{milliseconds, percent, seconds},
};

use crate::compare::{PolicyResult, Summary, Sweep};

/// A row a policy, and again at each point of a sweep.
pub fn show(results: &[PolicyResult], sweep: Option<&Sweep>, page: &mut Page) {
    page.table(&table(results.iter().map(|result| &result.summary)));
    let timed_out = results.iter().map(|result| &result.summary).filter(|row| row.mean_timed_out > 0.0);
    let timed_out: Vec<String> =
        timed_out.map(|row| format!("{} {:.1}", row.name, row.mean_timed_out)).collect();
    if !timed_out.is_empty() {
        page.line(&format!("jobs stopped at their time limit: {}", timed_out.join(", ")));
    }
    let Some(sweep) = sweep else { return };
    for point in &sweep.points {
        page.heading(&format!("{} = {}", sweep.over, point.at));
        page.table(&table(point.summaries.iter()));
    }
}

/// A dash stands for an interval of one seed, and for a mean of nothing.
fn table<'a>(rows: impl Iterator<Item = &'a Summary>) -> Table {
    let mut table = Table::new([
        Column::text("policy").shrinks_to(8),
        Column::number("utility"),
        Column::number("±95 %"),
        Column::number("to first").dropped(4),
        Column::number("±95 %").dropped(4),
        Column::number("admitted").dropped(5),
        Column::number("completed"),
        Column::number("mean JCT of those"),
        Column::number("p99 JCT").dropped(3),
        Column::number("makespan").dropped(2),
        Column::number("used").dropped(6),
        Column::number("decision").dropped(1),
    ]);
    for row in rows {
        let difference = row.against_first;
        table.row([
            row.name.clone(),
            format!("{:.1}", row.mean_utility),
            half(row.ci95),
            difference.map_or(String::new(), |difference| format!("{:+.1}", difference.mean_utility)),
            difference.map_or(String::new(), |difference| half(difference.ci95)),
            format!("{:.1}", row.mean_admitted),
            format!("{:.1}/{:.1}", row.mean_completed, row.mean_jobs),
            time(row.mean_jct, "-"),
            time(row.p99_jct, "never"),
            time(row.makespan, "-"),
            percent(row.utilisation),
            milliseconds(row.median_decision_ms),
        ]);
    }
    table
}

fn time(time: Option<f64>, none: &str) -> String {
    time.map_or(none.to_owned(), seconds)
}

/// Half the width of an interval.
fn half(half: Option<f64>) -> String {
    half.map_or("-".to_owned(), |half| format!("{half:.1}"))
}
