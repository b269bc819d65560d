//! The report as one self-contained page: styles, charts and script are in it, nothing is fetched. Charts are SVG that
//! stands without the script; the script only zooms the timeline. Colours follow the reader's light or dark setting.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use syncline_terminal::unit::{factor, milliseconds, plural};

use super::{Advice, Distribution, Report, Straggler, SyncPoint, calls, devices, tables, timeline};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/zoom.js");

/// Rows of a table that are shown.
const ROWS: usize = 40;

/// The page of one or several reports.
pub fn html(reports: &[Report]) -> String {
    let title = reports.first().map_or("", |report| report.name.as_str());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} - where the time went</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(title)
    );
    reports.iter().for_each(|report| page.push_str(&body(report)));
    let _ = write!(page, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Characters of a name that a cell shows.
const NAME: usize = 72;

/// A name, shortened where it is long; the whole is in its tooltip.
pub(super) fn clipped(name: &str) -> String {
    if name.chars().count() <= NAME {
        return escape(name);
    }
    let start: String = name.chars().take(NAME - 1).collect();
    format!("<span title=\"{}\">{}…</span>", escape(name), escape(&start))
}

/// A time in the unit that reads best.
pub(super) fn time(ms: f64) -> String {
    // Less than any clock here tells.
    if ms < 5e-5 { "0".to_owned() } else { milliseconds(ms).replace("us", "µs") }
}

/// A sentence of the verdict; what stands in backticks is a name of the program.
fn sentence(text: &str) -> String {
    let mut parts = text.split('`').map(escape);
    let mut out = parts.next().unwrap_or_default();
    let rest: Vec<String> = parts.collect();
    for (at, part) in rest.iter().enumerate() {
        match (at % 2 == 0, at + 1 < rest.len()) {
            (true, true) => _ = write!(out, "<code>{part}</code>"),
            // One that is never closed.
            (true, false) => _ = write!(out, "`{part}"),
            (false, _) => out.push_str(part),
        }
    }
    out
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn body(report: &Report) -> String {
    let sections = [
        head(report),
        shares(report),
        advice(&report.advice),
        timeline::section(&report.timeline),
        report.devices.as_ref().map_or_else(String::new, devices::section),
        report.calls.as_ref().map_or_else(String::new, calls::section),
        sync_points(&report.sync_points),
        stragglers(&report.stragglers),
        critical_path(report),
        iterations(report),
        distributions(&report.distributions),
        report.tables.as_ref().map_or_else(String::new, tables::section),
        overheads(report),
        slack(report),
        sparklens(report),
        notes(report),
    ];
    sections.concat()
}

fn head(report: &Report) -> String {
    let waiting = (percent(report.shares.get("wait").copied().unwrap_or(0.0)), "waiting");
    let wall = (time(report.wall_ms), "wall time");
    let number = |count: u64, name: &'static str| (count.to_string(), name);
    let tiles = match report.system.as_str() {
        "spark" => vec![
            wall,
            number(report.jobs, "jobs"),
            number(report.stages, "stages"),
            number(report.tasks, "tasks"),
            number(report.cores, "cores"),
            waiting,
        ],
        _ if report.devices.is_some() => {
            let computing = (percent(report.shares.get("compute").copied().unwrap_or(0.0)), "computing");
            vec![wall, number(report.executors, "ranks"), computing, waiting]
        }
        _ if report.is_of_calls() => vec![wall, number(report.executors, "nodes"), waiting],
        _ => vec![wall, number(report.stages, "rounds"), number(report.executors, "workers"), waiting],
    };
    let tiles: String = tiles
        .iter()
        .map(|(value, name)| format!("<li><b>{}</b><span>{name}</span></li>", escape(value)))
        .collect();
    let verdict: String = report.verdict.iter().map(|text| format!("<li>{}</li>", sentence(text))).collect();
    format!(
        "<h1>{}</h1>\n<p class=\"sub\">{} {} {} &middot; {}</p>\n<ul class=\"tiles\">{tiles}</ul>\n<ol class=\"verdict\">{verdict}</ol>\n",
        escape(if report.name.is_empty() { "unnamed run" } else { &report.name }),
        escape(&report.system),
        escape(&report.version),
        escape(&report.id),
        escape(&report.source),
    )
}

/// Parts of a whole as one bar.
pub(super) fn stack(parts: &[(&str, f64)], class: &str) -> String {
    let total: f64 = parts.iter().map(|part| part.1).sum();
    let part = |(name, value): &(&str, f64)| {
        let share = 100.0 * value / total;
        format!(
            "<i class=\"k-{}\" style=\"width:{share:.3}%\" title=\"{} {share:.1} %\"></i>",
            escape(name),
            escape(&name.replace('_', " "))
        )
    };
    let bars: String = parts.iter().filter(|part| total > 0.0 && part.1 > 0.0).map(part).collect();
    format!("<div class=\"stack {class}\">{bars}</div>")
}

pub(super) fn legend(parts: &[(&str, f64)]) -> String {
    let item = |(name, share): &(&str, f64)| {
        format!(
            "<li><i class=\"k-{0}\"></i>{1} {2}</li>",
            escape(name),
            escape(&name.replace('_', " ")),
            percent(*share)
        )
    };
    format!("<ul class=\"legend\">{}</ul>", parts.iter().map(item).collect::<String>())
}

fn shares(report: &Report) -> String {
    let mut parts: Vec<(&str, f64)> = report
        .shares
        .iter()
        .map(|(name, share)| (name.as_str(), *share))
        .filter(|part| part.1 >= 0.0005)
        .collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let whose = if report.is_of_calls() { "time of those who call" } else { "wall time" };
    format!("<h2>Where the {whose} went</h2>\n{}{}\n", stack(&parts, ""), legend(&parts))
}

fn advice(all: &[Advice]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let row = |advice: &Advice| {
        let settings: Vec<String> =
            advice.settings.iter().map(|setting| format!("<code>{}</code>", escape(setting))).collect();
        vec![
            percent(advice.share),
            format!(
                "<b>{}</b><br><span class=\"soft\">{}</span>",
                advice.kind.title(),
                clipped(&advice.place)
            ),
            escape(&advice.evidence),
            settings.join("<br>"),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let columns = ["n:at most", "w:what", "w:measured", "w:settings that govern it"];
    format!("<h2>What would help</h2>\n{}", table(&columns, &rows, rows.len()))
}

/// A table. Letters before a column's name and a colon say what it is: `n` of numbers, `w` wide, `o` left out on a phone.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>], total: usize) -> String {
    let columns: Vec<(String, &str)> = columns.iter().map(|column| column_class(column)).collect();
    let class = |at: usize| columns[at].0.as_str();
    let name = |at: usize| columns[at].1;
    let head: String =
        (0..columns.len()).map(|at| format!("<th{}>{}</th>", class(at), escape(name(at)))).collect();
    let row = |cells: &Vec<String>| {
        let cells: String =
            cells.iter().enumerate().map(|(at, cell)| format!("<td{}>{cell}</td>", class(at))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.iter().map(row).collect();
    let more = match total.saturating_sub(rows.len()) {
        0 => String::new(),
        left => format!("<p class=\"soft\">and {left} more; --json has all</p>"),
    };
    format!(
        "<div class=\"panel scroll\"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>{more}\n"
    )
}

/// The class of a column as an attribute, and its name.
fn column_class(column: &str) -> (String, &str) {
    match column.split_once(':') {
        Some((letters, name))
            if !letters.is_empty() && letters.chars().all(|letter| "nwo".contains(letter)) =>
        {
            let classes: Vec<String> = letters.chars().map(String::from).collect();
            (format!(" class=\"{}\"", classes.join(" ")), name)
        }
        _ => (String::new(), column),
    }
}

fn sync_points(points: &[SyncPoint]) -> String {
    if points.is_empty() {
        return String::new();
    }
    let row = |point: &SyncPoint| {
        let mut parts = point.split.parts();
        parts.retain(|part| part.2 > 0.0);
        let word = |(_, name, seconds): &(&str, &str, f64)| {
            format!("{name} {:.0} %", 100.0 * seconds / point.idle_core_s)
        };
        let words: Vec<String> = parts.iter().take(3).map(word).collect();
        let parts: Vec<(&str, f64)> = parts.into_iter().map(|(key, _, seconds)| (key, seconds)).collect();
        let level = if point.level > 0 { format!(" level {}", point.level) } else { String::new() };
        vec![
            format!(
                "<b>{}{level}</b><br><span class=\"soft\">{}</span>",
                point.kind.title(),
                clipped(&point.place)
            ),
            point.count.to_string(),
            if point.per_iteration > 0.0 { format!("{:.2}", point.per_iteration) } else { String::new() },
            format!("{:.2}", point.idle_core_s),
            percent(point.share),
            format!("{}<span class=\"soft\">{}</span>", stack(&parts, "small"), escape(&words.join(", "))),
        ]
    };
    let rows: Vec<Vec<String>> = points.iter().take(ROWS).map(row).collect();
    let columns = ["w:where", "no:count", "no:per iteration", "n:idle core-s", "n:share", "w:why"];
    format!("<h2>Synchronisation points</h2>\n{}", table(&columns, &rows, points.len()))
}

fn stragglers(found: &[Straggler]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let row = |straggler: &Straggler| {
        vec![
            format!("{:?}", straggler.recurrence).to_lowercase(),
            escape(if straggler.who.is_empty() { "each time another" } else { &straggler.who }),
            clipped(&straggler.place),
            factor(straggler.factor),
            format!("{} of {}", straggler.late, straggler.meetings),
            format!("{:.2}", straggler.idle_core_s),
            format!("{:.2}", straggler.excess_s),
            escape(&straggler.cause),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().take(ROWS).map(row).collect();
    let columns = [
        "kind",
        "who",
        "w:where",
        "n:factor",
        "n:last",
        "n:others waited, core-s",
        "n:took longer, s",
        "w:why",
    ];
    format!("<h2>Stragglers</h2>\n{}", table(&columns, &rows, found.len()))
}

fn critical_path(report: &Report) -> String {
    if report.is_of_calls() {
        return String::new();
    }
    let mut phases: BTreeMap<&str, f64> = BTreeMap::new();
    for part in &report.critical_path {
        *phases.entry(part.phase).or_default() += part.share;
    }
    let mut phases: Vec<(&str, f64)> = phases.into_iter().collect();
    phases.sort_by(|a, b| b.1.total_cmp(&a.1));
    let row = |part: &super::PathPart| {
        let name = if part.stage.is_empty() { "(no stage)" } else { &part.stage };
        let phase = format!("<i class=\"k-{0}\"></i>{1}", part.phase, part.phase.replace('_', " "));
        vec![
            format!("<span class=\"phase\">{phase}</span>"),
            clipped(name),
            time(part.ms),
            percent(part.share),
        ]
    };
    let rows: Vec<Vec<String>> = report.critical_path.iter().take(15).map(row).collect();
    let table = table(&["phase", "w:stage", "n:time", "n:share"], &rows, report.critical_path.len());
    format!("<h2>Critical path</h2>\n{}{}{table}", stack(&phases, ""), legend(&phases))
}

fn iterations(report: &Report) -> String {
    if report.iterations.is_empty() {
        return String::new();
    }
    let row = |found: &super::Iterations| {
        vec![
            clipped(&found.pattern),
            found.of.to_owned(),
            found.count.to_string(),
            time(found.median_ms),
            found.sync_points.to_string(),
            format!("{} to {}", time(found.from_ms), time(found.to_ms)),
        ]
    };
    let rows: Vec<Vec<String>> = report.iterations.iter().take(ROWS).map(row).collect();
    let columns = ["w:pattern", "of", "n:count", "n:median", "n:sync points", "n:when"];
    format!("<h2>Iterations</h2>\n{}", table(&columns, &rows, report.iterations.len()))
}

fn distributions(all: &[Distribution]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let longest = all.iter().take(ROWS).map(|found| found.quantiles_ms[4]).fold(1e-9, f64::max);
    let row = |found: &Distribution| {
        let fit = found.fits.first().map_or_else(String::new, |fit| {
            format!(
                "{}<br><span class=\"soft\">KS {:.3}, p {:.2}</span>",
                escape(&fit.family.describe()),
                fit.ks,
                fit.p_value
            )
        });
        let tail = found.tail.map_or_else(String::new, |tail| format!("{:.2}", tail.shape));
        vec![
            clipped(&found.stage),
            found.count.to_string(),
            time(found.mean_ms),
            format!("{:.2}", found.variation),
            strip(found, longest),
            fit,
            tail,
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().take(ROWS).map(row).collect();
    let columns =
        ["w:stage", "n:tasks", "n:mean", "n:variation", "0, 50, 90, 100 %", "w:best family", "n:tail shape"];
    format!("<h2>Task times</h2>\n{}", table(&columns, &rows, all.len()))
}

/// Quantiles as a strip: whisker to the largest, box from the least to 90 %, a mark at the median; on a square-root
/// scale, so that short stages stay visible beside long ones.
fn strip(found: &Distribution, longest: f64) -> String {
    let [least, middle, most, _, largest] =
        found.quantiles_ms.map(|ms| 118.0 * (ms.max(0.0) / longest).sqrt() + 1.0);
    format!(
        "<svg width=\"120\" height=\"14\" role=\"img\" aria-label=\"quantiles\"><line class=\"whisker\" x1=\"{least:.1}\" x2=\"{largest:.1}\" y1=\"7\" y2=\"7\"/>\
         <rect class=\"box\" x=\"{least:.1}\" y=\"2\" width=\"{:.1}\" height=\"10\"/><line class=\"mid\" x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"1\" y2=\"13\"/></svg>",
        (most - least).max(1.0)
    )
}

fn overheads(report: &Report) -> String {
    let all = &report.overheads;
    let costs = [
        ("a task beyond its run time", all.per_task),
        ("from task to task on a core", all.slot_gap),
        ("from a stage's submission to its first launch", all.stage_launch),
        ("from the parents' end to a stage's submission", all.stage_boundary),
        ("from a stage's last task to its completion", all.stage_completion),
        ("a job before its first and after its last task", all.per_job),
    ];
    let row = |(name, cost): &(&str, super::Cost)| {
        vec![
            (*name).to_owned(),
            cost.count.to_string(),
            time(cost.median_ms),
            time(cost.p90_ms),
            time(cost.mean_ms),
        ]
    };
    let rows: Vec<Vec<String>> = costs.iter().filter(|(_, cost)| cost.count > 0).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Overheads</h2>\n{}",
        table(&["w:what", "n:count", "n:median", "n:90 %", "n:mean"], &rows, rows.len())
    )
}

fn slack(report: &Report) -> String {
    let row = |slack: &super::Slack| {
        vec![
            clipped(&slack.stage),
            slack.count.to_string(),
            slack.on_path.to_string(),
            time(slack.mean_slack_ms),
            time(slack.mean_task_slack_ms),
        ]
    };
    let rows: Vec<Vec<String>> = report.slack.iter().take(ROWS).map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = ["w:stage", "n:ran", "n:on the path", "n:mean slack", "n:mean slack of its tasks"];
    format!("<h2>Slack</h2>\n{}", table(&columns, &rows, report.slack.len()))
}

fn sparklens(report: &Report) -> String {
    let Some(lens) = &report.sparklens else { return String::new() };
    let mut rows = vec![
        vec!["driver wall time".to_owned(), time(lens.driver_ms as f64)],
        vec!["executor wall time".to_owned(), time(lens.job_ms as f64)],
        vec!["critical path (infinitely many executors)".to_owned(), time(lens.critical_path_ms as f64)],
        vec![format!("ideal ({} cores, no skew)", lens.total_cores), time(lens.ideal_ms)],
        vec!["one core".to_owned(), time(lens.one_core_ms as f64)],
        vec!["core-hours available".to_owned(), format!("{:.4}", lens.available_core_hours)],
        vec!["wasted by the driver".to_owned(), percent(lens.wasted_by_driver)],
        vec!["wasted by executors".to_owned(), percent(lens.wasted_by_executors)],
        vec![
            "its model for this run".to_owned(),
            format!("{}, off by {}", time(lens.model_ms as f64), percent(lens.model_error)),
        ],
    ];
    rows.extend(lens.what_if.iter().map(|size| {
        let use_ = percent(size.utilisation);
        vec![
            format!("with {} ({} %)", plural(size.executors, "executor"), size.percent),
            format!("{}, {use_} used", time(size.ms as f64)),
        ]
    }));
    let stage = |stage: &super::LensStage| {
        vec![
            stage.stage.to_string(),
            clipped(&stage.name),
            time(stage.ms as f64),
            stage.tasks.to_string(),
            format!("{:.2}", stage.p_ratio),
            format!("{:.2}", stage.task_skew),
            format!("{:.2}", stage.task_stage_skew),
            format!("{:.2}", stage.oi_ratio),
            format!("{:.1} %", stage.gc_percent),
        ]
    };
    let stages: Vec<Vec<String>> = lens.stages.iter().take(ROWS).map(stage).collect();
    let columns = [
        "n:stage",
        "w:name",
        "n:wall",
        "n:tasks",
        "n:PRatio",
        "n:TaskSkew",
        "n:StageSkew",
        "n:OIRatio",
        "n:GC",
    ];
    format!(
        "<h2>By Sparklens' definitions</h2>\n{}<br>{}",
        table(&["w:figure", "n:value"], &rows, rows.len()),
        table(&columns, &stages, lens.stages.len())
    )
}

fn notes(report: &Report) -> String {
    let mut notes: Vec<String> = report.damage.notes.clone();
    notes.extend(report.damage.first.iter().map(|bad| format!("line {}: {}", bad.line, bad.why)));
    notes.extend(report.clocks.iter().map(|clock| {
        format!(
            "clock of {}: {:+.3} ms against the run's, at most {:.3} ms off",
            clock.node, clock.offset_ms, clock.error_ms
        )
    }));
    if notes.is_empty() {
        return String::new();
    }
    let undescribed = report.damage.lines - report.damage.first.len() as u64 + report.damage.more_notes;
    if undescribed > 0 {
        notes.push(format!("and {undescribed} more lines and notes of their kind"));
    }
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    format!("<h2>Notes</h2>\n<ul>{items}</ul>\n")
}

#[cfg(test)]
mod tests {
    use syncline_trace::Phase;

    use super::*;
    use crate::analysis::shares::Share;
    use crate::report::Split;

    #[test]
    fn all_that_is_drawn_has_a_colour_of_its_own() {
        let shares = Share::ALL.iter().map(|share| share.name());
        let phases = Phase::ALL.iter().map(|phase| phase.name());
        let causes = Split::default().parts();
        let names = shares.chain(phases).chain(causes.iter().map(|part| part.0));
        for name in names.chain(["waiting_for_core", "unrecorded"]) {
            let rule = format!(".k-{name}");
            let is_named = |(at, _)| STYLE[at + rule.len()..].starts_with([' ', ',']);
            assert!(STYLE.match_indices(&rule).any(is_named), "{name}");
        }
    }
}
