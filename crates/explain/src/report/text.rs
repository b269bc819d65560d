//! The report in a terminal.

use syncline_terminal::{
    Column, Page, Table,
    unit::{count, factor, milliseconds, percent, plural},
};

use super::{Report, SyncPoint, calls, devices};

/// Rows of a table that are shown.
const ROWS: usize = 12;

/// Where the other rows are.
const REST: &str = "--verbose or --json has all";

/// Writes the report.
pub fn text(report: &Report, page: &mut Page) {
    head(page, report);
    shares(page, report);
    report.devices.iter().for_each(|found| devices::text(page, found));
    report.calls.iter().for_each(|found| calls::text(page, found));
    iterations(page, report);
    sync_points(page, &report.sync_points);
    advice(page, report);
    stragglers(page, report);
    critical_path(page, report);
    distributions(page, report);
    overheads(page, report);
    sparklens(page, report);
}

/// Writes only the synchronisation points.
pub fn sync_text(report: &Report, page: &mut Page) {
    if report.sync_points.is_empty() {
        page.line("no synchronisation points");
    }
    sync_points(page, &report.sync_points);
}

fn sync_points(page: &mut Page, points: &[SyncPoint]) {
    if points.is_empty() {
        return;
    }
    page.heading("Synchronisation points (idle core-seconds and why)");
    let mut table = Table::new([
        Column::number("count"),
        Column::number("per it").dropped(1),
        Column::number("core-s"),
        Column::number("share"),
        Column::text("where").wraps_at(16),
        Column::text("why").wraps_at(16),
    ])
    .at_most(ROWS, REST);
    for point in points {
        let causes = point.split.causes().into_iter();
        let causes: Vec<String> = causes
            .filter(|(_, seconds)| *seconds > 0.05 * point.idle_core_s && *seconds > 0.0)
            .take(3)
            .map(|(cause, seconds)| format!("{:.0} % {cause}", 100.0 * seconds / point.idle_core_s))
            .collect();
        let level = if point.level > 0 { format!(" level {}", point.level) } else { String::new() };
        let place = format!("{}{level} {}", point.kind.title(), point.place);
        table.row([
            count(point.count),
            format!("{:.2}", point.per_iteration),
            format!("{:.2}", point.idle_core_s),
            percent(point.share),
            place.trim().to_owned(),
            causes.join(", "),
        ]);
    }
    page.table(&table);
}

fn head(page: &mut Page, report: &Report) {
    let version = if report.version.is_empty() { String::new() } else { format!(" {}", report.version) };
    let name = or(&report.name, "unnamed");
    page.line(&format!("{name} ({}{version}) {}", report.system, report.id));
    let Report { jobs, stages, tasks, cores, executors, .. } = report;
    let extent = match report.system.as_str() {
        "spark" => {
            let of = [(*jobs, "job"), (*stages, "stage"), (*tasks, "task")].map(|(n, noun)| plural(n, noun));
            let [cores, executors] =
                [(*cores, "core"), (*executors, "executor")].map(|(n, noun)| plural(n, noun));
            format!("{} on {cores} of {executors}", of.join(", "))
        }
        _ if report.devices.is_some() || !report.hangs.is_empty() => report.id.clone(),
        _ if report.is_of_calls() => plural(*executors, "node"),
        _ => format!("{} of {}", plural(*stages, "round"), plural(*executors, "worker")),
    };
    page.line(&format!("{}, {extent}", milliseconds(report.wall_ms))).gap();
    report.verdict.iter().for_each(|sentence| _ = page.bullet(sentence));
    let error = report.clocks.iter().map(|clock| clock.error_ms).fold(0.0, f64::max);
    if error > 0.0 {
        page.bullet(&format!(
            "The nodes' clocks agree to {}; what is shorter between nodes is not to be trusted.",
            milliseconds(error)
        ));
    }
    for bad in report.damage.first.iter().take(5) {
        page.warning(&format!("line {}: {}", bad.line, bad.why));
    }
}

fn shares(page: &mut Page, report: &Report) {
    let callers = "Where the time of those who call went";
    page.heading(if report.is_of_calls() { callers } else { "Where the wall time went" });
    let mut shares: Vec<(&String, &f64)> =
        report.shares.iter().filter(|(_, share)| **share >= 0.0005).collect();
    shares.sort_by(|a, b| b.1.total_cmp(a.1));
    // The bar stands beside the names and figures, which take some 24 columns.
    let room = page.screen().width().map_or(60, |width| width.saturating_sub(26).min(60));
    let mut table = Table::new([Column::text(""), Column::number(""), Column::text("")]).indented(2);
    for (name, share) in shares {
        let bar = "#".repeat((share * room as f64).round() as usize);
        table.row([name.clone(), percent(*share), bar]);
    }
    page.table(&table);
}

fn iterations(page: &mut Page, report: &Report) {
    if report.iterations.is_empty() {
        return;
    }
    page.heading("Iterations");
    let columns = [
        Column::number("times"),
        Column::number("each"),
        Column::number("sync points").dropped(1),
        Column::text("pattern").wraps_at(24),
    ];
    let mut table = Table::new(columns).indented(2).at_most(ROWS, REST);
    for found in &report.iterations {
        table.row([
            count(found.count),
            milliseconds(found.median_ms),
            count(found.sync_points),
            found.pattern.clone(),
        ]);
    }
    page.table(&table);
}

fn advice(page: &mut Page, report: &Report) {
    if report.advice.is_empty() {
        return;
    }
    page.heading("What would help (costs at most)");
    let columns = [
        Column::number("share"),
        Column::text("what").wraps_at(12),
        Column::text("measured").wraps_at(20),
        Column::text("settings").wraps_at(20),
    ];
    let mut table = Table::new(columns).indented(2).at_most(ROWS, REST);
    for advice in &report.advice {
        table.row([
            percent(advice.share),
            format!("{} {}", advice.kind.title(), advice.place),
            advice.evidence.clone(),
            advice.settings.join(", "),
        ]);
    }
    page.table(&table);
}

fn stragglers(page: &mut Page, report: &Report) {
    if report.stragglers.is_empty() {
        return;
    }
    page.heading("Stragglers");
    let columns = [
        Column::text("kind").dropped(2),
        Column::text("who").shrinks_to(10),
        Column::number("slower"),
        Column::number("last").dropped(1),
        Column::number("core-s"),
        Column::text("cause").wraps_at(12),
        Column::text("where").shrinks_to(12).dropped(3),
    ];
    let mut table = Table::new(columns).indented(2).at_most(ROWS, REST);
    for found in &report.stragglers {
        table.row([
            format!("{:?}", found.recurrence).to_lowercase(),
            or(&found.who, "anyone").to_owned(),
            factor(found.factor),
            format!("{} of {}", found.late, found.meetings),
            format!("{:.2}", found.idle_core_s),
            found.cause.to_string(),
            found.place.clone(),
        ]);
    }
    page.table(&table);
}

fn critical_path(page: &mut Page, report: &Report) {
    if report.critical_path.is_empty() {
        return;
    }
    page.heading("Critical path");
    let columns = [
        Column::number("share"),
        Column::number("time"),
        Column::text("phase"),
        Column::text("where").wraps_at(16),
    ];
    let mut table = Table::new(columns).indented(2).at_most(ROWS, REST);
    for part in &report.critical_path {
        table.row([percent(part.share), milliseconds(part.ms), part.phase.to_string(), part.stage.clone()]);
    }
    page.table(&table);
}

fn distributions(page: &mut Page, report: &Report) {
    let fitted: Vec<_> = report.distributions.iter().filter(|found| !found.fits.is_empty()).collect();
    if fitted.is_empty() {
        return;
    }
    page.heading("Task times (run time by stage; the family with the least AIC)");
    let columns = [
        Column::number("tasks"),
        Column::number("mean"),
        Column::number("variation"),
        Column::text("family").wraps_at(20),
        Column::number("KS").dropped(2),
        Column::number("p").dropped(1),
        Column::text("stage").wraps_at(12),
    ];
    let mut table = Table::new(columns).indented(2).at_most(ROWS, REST);
    for found in fitted {
        let fit = found.fits[0];
        table.row([
            count(found.count),
            milliseconds(found.mean_ms),
            format!("{:.2}", found.variation),
            fit.family.describe(),
            format!("{:.3}", fit.ks),
            format!("{:.2}", fit.p_value),
            found.stage.clone(),
        ]);
    }
    page.table(&table);
}

fn overheads(page: &mut Page, report: &Report) {
    let all = &report.overheads;
    let costs = [
        ("a task beyond its run time", all.per_task),
        ("from task to task on a core", all.slot_gap),
        ("from submission to first launch", all.stage_launch),
        ("from the parents' end to submission", all.stage_boundary),
        ("a job before its first and after its last task", all.per_job),
    ];
    if costs.iter().all(|(_, cost)| cost.count == 0) {
        return;
    }
    page.heading("Overheads");
    let columns = [
        Column::text("").wraps_at(20),
        Column::number("median"),
        Column::number("90 %"),
        Column::number("times"),
    ];
    let mut table = Table::new(columns).indented(2);
    for (name, cost) in costs.iter().filter(|(_, cost)| cost.count > 0) {
        table.row([
            (*name).to_owned(),
            milliseconds(cost.median_ms),
            milliseconds(cost.p90_ms),
            count(cost.count),
        ]);
    }
    page.table(&table);
}

fn sparklens(page: &mut Page, report: &Report) {
    if let Some(nonsense) = &report.sparklens_nonsense {
        page.heading("By Sparklens' definitions");
        page.line(&format!("  no figures: {nonsense}, which means nothing"));
    }
    let Some(lens) = &report.sparklens else { return };
    let time = |ms: i64| milliseconds(ms as f64);
    page.heading("By Sparklens' definitions");
    page.line(&format!("  driver {}, jobs {}", time(lens.driver_ms), time(lens.job_ms)));
    page.line(&format!(
        "  critical path {}, ideal on {} {}, one core {}",
        time(lens.critical_path_ms),
        plural(lens.total_cores, "core"),
        milliseconds(lens.ideal_ms),
        time(lens.one_core_ms)
    ));
    page.line(&format!(
        "  {:.4} core-hours, {} wasted by the driver, {} by executors",
        lens.available_core_hours,
        percent(lens.wasted_by_driver),
        percent(lens.wasted_by_executors)
    ));
    page.line(&format!("  its model gives {}: off by {}", time(lens.model_ms), percent(lens.model_error)));
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}
