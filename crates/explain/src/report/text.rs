//! The report in a terminal.

use std::fmt::Write as _;

use super::{Report, SyncPoint};

/// Lines of a table that are shown.
const ROWS: usize = 12;

/// The report as text, without colours, at most about 110 columns wide.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    shares(&mut out, report);
    iterations(&mut out, report);
    sync_points(&mut out, &report.sync_points);
    stragglers(&mut out, report);
    critical_path(&mut out, report);
    distributions(&mut out, report);
    overheads(&mut out, report);
    sparklens(&mut out, report);
    out
}

/// Only the synchronisation points, as text.
pub fn sync_text(report: &Report) -> String {
    let mut out = String::new();
    sync_points(&mut out, &report.sync_points);
    if out.is_empty() { "no synchronisation points".to_owned() } else { out.trim_start().to_owned() }
}

fn sync_points(out: &mut String, points: &[SyncPoint]) {
    if points.is_empty() {
        return;
    }
    line(out, "\nSynchronisation points (idle core-seconds and why)");
    line(
        out,
        &format!("{:>7} {:>6} {:>8} {:>6}  {:<50} {}", "count", "per it", "core-s", "share", "where", "why"),
    );
    for point in points.iter().take(ROWS) {
        let causes: Vec<String> = point
            .split
            .causes()
            .into_iter()
            .filter(|(_, seconds)| *seconds > 0.05 * point.idle_core_s && *seconds > 0.0)
            .take(3)
            .map(|(cause, seconds)| format!("{:.0} % {cause}", 100.0 * seconds / point.idle_core_s))
            .collect();
        let level = if point.level > 0 { format!(" level {}", point.level) } else { String::new() };
        let place = format!("{}{level} {}", point.kind.title(), point.place);
        line(
            out,
            &format!(
                "{:>7} {:>6.2} {:>8.2} {:>6}  {:<50} {}",
                point.count,
                point.per_iteration,
                point.idle_core_s,
                percent(point.share),
                cut(place.trim(), 50),
                causes.join(", ")
            ),
        );
    }
    more(out, points.len());
}

fn head(out: &mut String, report: &Report) {
    let version = if report.version.is_empty() { String::new() } else { format!(" {}", report.version) };
    line(out, &format!("{} ({}{version}) {}", or(&report.name, "unnamed"), report.system, report.id));
    let seconds = report.wall_ms as f64 / 1000.0;
    let Report { jobs, stages, tasks, cores, executors, .. } = report;
    let extent = match report.system.as_str() {
        "spark" => {
            format!("{jobs} jobs, {stages} stages, {tasks} tasks on {cores} cores of {executors} executors")
        }
        _ => format!("{stages} rounds of {executors} workers"),
    };
    line(out, &format!("{seconds:.1} s, {extent}\n"));
    for sentence in &report.verdict {
        line(out, &wrapped(sentence));
    }
    let error = report.clocks.iter().map(|clock| clock.error_ms).fold(0.0, f64::max);
    if !report.clocks.is_empty() {
        line(
            out,
            &format!(
                "- The nodes' clocks agree to {error:.3} ms; what is shorter between nodes is not to be trusted."
            ),
        );
    }
    for bad in report.damage.first.iter().take(5) {
        line(out, &format!("  line {}: {}", bad.line, bad.why));
    }
}

fn shares(out: &mut String, report: &Report) {
    line(out, "\nWhere the wall time went");
    let mut shares: Vec<(&String, &f64)> =
        report.shares.iter().filter(|(_, share)| **share >= 0.0005).collect();
    shares.sort_by(|a, b| b.1.total_cmp(a.1));
    for (name, share) in shares {
        line(
            out,
            &format!("  {name:<14} {:>6}  {}", percent(*share), "#".repeat((share * 60.0).round() as usize)),
        );
    }
}

fn iterations(out: &mut String, report: &Report) {
    if report.iterations.is_empty() {
        return;
    }
    line(out, "\nIterations");
    for found in report.iterations.iter().take(ROWS) {
        line(
            out,
            &format!(
                "  {:>5} x {:<64} {:>8.1} ms each, {} sync points",
                found.count,
                cut(&found.pattern, 64),
                found.median_ms,
                found.sync_points
            ),
        );
    }
    more(out, report.iterations.len());
}

fn stragglers(out: &mut String, report: &Report) {
    if report.stragglers.is_empty() {
        return;
    }
    line(out, "\nStragglers");
    for found in report.stragglers.iter().take(ROWS) {
        let recurrence = format!("{:?}", found.recurrence).to_lowercase();
        let place = match found.place.as_str() {
            "" => String::new(),
            place => format!(" ({})", cut(place, 40)),
        };
        let line_text = format!(
            "  {recurrence:<10} {:<16} {:>5.1} x, last {} of {}, {:.2} core-s, {}{place}",
            or(&found.who, "anyone"),
            found.factor,
            found.late,
            found.meetings,
            found.idle_core_s,
            found.cause
        );
        line(out, &line_text);
    }
    more(out, report.stragglers.len());
}

fn critical_path(out: &mut String, report: &Report) {
    line(out, "\nCritical path");
    for part in report.critical_path.iter().take(ROWS) {
        line(
            out,
            &format!(
                "  {:>6} {:>9.1} ms  {:<13} {}",
                percent(part.share),
                part.ms,
                part.phase,
                cut(&part.stage, 70)
            ),
        );
    }
    more(out, report.critical_path.len());
}

fn distributions(out: &mut String, report: &Report) {
    let fitted: Vec<_> = report.distributions.iter().filter(|found| !found.fits.is_empty()).collect();
    if fitted.is_empty() {
        return;
    }
    line(out, "\nTask times (run time by stage; the family with the least AIC)");
    for found in fitted.iter().take(ROWS) {
        let fit = found.fits[0];
        line(
            out,
            &format!(
                "  {:>6} x {:>8.1} ms, variation {:.2}: {}, KS {:.3} (p {:.2})  {}",
                found.count,
                found.mean_ms,
                found.variation,
                fit.family.describe(),
                fit.ks,
                fit.p_value,
                cut(&found.stage, 40)
            ),
        );
    }
    more(out, fitted.len());
}

fn overheads(out: &mut String, report: &Report) {
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
    line(out, "\nOverheads (ms)");
    for (name, cost) in costs.iter().filter(|(_, cost)| cost.count > 0) {
        line(
            out,
            &format!(
                "  {name:<48} median {:>7.1}  90 % {:>8.1}  x {}",
                cost.median_ms, cost.p90_ms, cost.count
            ),
        );
    }
}

fn sparklens(out: &mut String, report: &Report) {
    let Some(lens) = &report.sparklens else { return };
    let seconds = |ms: f64| format!("{:.1} s", ms / 1000.0);
    line(out, "\nBy Sparklens' definitions");
    line(out, &format!("  driver {}, jobs {}", seconds(lens.driver_ms as f64), seconds(lens.job_ms as f64)));
    line(
        out,
        &format!(
            "  critical path {}, ideal on {} cores {}, one core {}",
            seconds(lens.critical_path_ms as f64),
            lens.total_cores,
            seconds(lens.ideal_ms),
            seconds(lens.one_core_ms as f64)
        ),
    );
    line(
        out,
        &format!(
            "  {:.4} core-hours, {} wasted by the driver, {} by executors",
            lens.available_core_hours,
            percent(lens.wasted_by_driver),
            percent(lens.wasted_by_executors)
        ),
    );
    line(
        out,
        &format!("  its model gives {}: off by {}", seconds(lens.model_ms as f64), percent(lens.model_error)),
    );
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

fn more(out: &mut String, total: usize) {
    if total > ROWS {
        line(out, &format!("  ... and {} more (--json has all)", total - ROWS));
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from("-")];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].chars().count() + word.chars().count() >= 108 {
            lines.push(format!("  {word}"));
        } else {
            lines[last].push(' ');
            lines[last].push_str(word);
        }
    }
    lines.join("\n")
}
