//! The timeline of the page: lanes of bars, jobs above, utilisation below, as one SVG whose x axis is ms of the run.

use std::fmt::Write as _;

use super::Timeline;
use super::html::{escape, time};

/// Heights in pixels.
const LANE: usize = 18;
const BAR: usize = 14;
const JOBS: usize = 10;
const UTILISATION: usize = 46;

/// Lanes that are drawn; the busiest ones.
const LANES: usize = 64;

/// The section with the timeline; nothing for a run without bars.
pub(super) fn section(timeline: &Timeline) -> String {
    if timeline.bars.is_empty() || timeline.end <= 0.0 {
        return String::new();
    }
    let order = order(timeline);
    let height = JOBS + order.len() * LANE + 6 + UTILISATION;
    let svg = svg(timeline, &order, height);
    let names: String = order
        .iter()
        .map(|&lane| {
            format!("<div style=\"height:{LANE}px\" title=\"{0}\">{0}</div>", escape(&timeline.lanes[lane]))
        })
        .collect();
    let kinds: String = timeline
        .kinds
        .iter()
        .map(|kind| {
            format!("<li><i class=\"k-{}\"></i>{}</li>", escape(kind), escape(&kind.replace('_', " ")))
        })
        .collect();
    let left_out = match timeline.left_out {
        0 => String::new(),
        left => format!("<li class=\"soft\">{left} short bars are not drawn</li>"),
    };
    let joined = match timeline.apart {
        0.0 => String::new(),
        apart => {
            format!("<li class=\"soft\">jobs and lines closer than {} are drawn as one</li>", time(apart))
        }
    };
    let lanes = bars(timeline).iter().filter(|count| **count > 0).count();
    let hidden = match lanes - order.len() {
        0 => String::new(),
        hidden => format!("<li class=\"soft\">{hidden} lanes with fewer bars are not drawn</li>"),
    };
    let ticks = ticks(timeline.end);
    let labels = serde_json::json!({ "end": timeline.end, "height": height, "labels": timeline.labels });
    // Inside a script element only `<` could end it.
    let labels = labels.to_string().replace('<', "\\u003c");
    format!(
        "<section>\n<h2>Timeline</h2>\n<div class=\"panel\"><div class=\"timeline\"><div class=\"lanes\"><div style=\"height:{JOBS}px\"></div>{names}\
         <div style=\"height:{UTILISATION}px;line-height:{UTILISATION}px\">busy</div></div>\n<div class=\"plot\">{svg}\
         <div class=\"axis\">{ticks}</div></div></div>\n<div class=\"tools\">\
         <button data-zoom=\"in\" aria-label=\"zoom in\">+</button><button data-zoom=\"out\" aria-label=\"zoom out\">&minus;</button>\
         <button data-zoom=\"left\" aria-label=\"earlier\">&larr;</button><button data-zoom=\"right\" aria-label=\"later\">&rarr;</button>\
         <button data-zoom=\"all\">whole run</button><span class=\"tip\" role=\"status\"></span></div></div>\n\
         <ul class=\"legend\">{kinds}<li><i style=\"border:2px solid var(--critical)\"></i>on the critical path</li>\
         <li><i style=\"background:var(--wait)\"></i>line: synchronisation point</li>{left_out}{joined}{hidden}</ul>\n\
         <script type=\"application/json\" class=\"names\">{labels}</script>\n</section>\n"
    )
}

/// The labels of the axis, all in one unit and with as many digits as tell them apart; the script writes them in the same way.
fn ticks(end: f64) -> String {
    const PARTS: u32 = 4;
    let (unit, name) = match end {
        _ if end >= 1000.0 => (1000.0, "s"),
        _ if end >= 1.0 => (1.0, "ms"),
        _ => (1e-3, "µs"),
    };
    let step = end / f64::from(PARTS) / unit;
    let digits = (1.0 - step.log10().floor()).clamp(0.0, 9.0) as usize;
    let label = |at: u32| match at {
        0 => "<span>0</span>".to_owned(),
        at => format!("<span>{:.digits$} {name}</span>", f64::from(at) * step),
    };
    (0..=PARTS).map(label).collect()
}

/// How many bars each lane has.
fn bars(timeline: &Timeline) -> Vec<usize> {
    let mut bars = vec![0; timeline.lanes.len()];
    timeline.bars.iter().for_each(|bar| bars[bar.lane as usize] += 1);
    bars
}

/// Lanes in natural order of their names; if there are too many, those with most bars.
fn order(timeline: &Timeline) -> Vec<usize> {
    let bars = bars(timeline);
    let mut order: Vec<usize> = (0..timeline.lanes.len()).filter(|&lane| bars[lane] > 0).collect();
    order.sort_by_key(|&lane| std::cmp::Reverse(bars[lane]));
    order.truncate(LANES);
    order.sort_by_key(|&lane| natural(&timeline.lanes[lane]));
    order
}

/// A name with its numbers as numbers, so that `worker/10` comes after `worker/9`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0u64)];
    let mut in_number = false;
    for character in name.chars() {
        let digit = character.to_digit(10);
        if digit.is_none() && in_number {
            parts.push((String::new(), 0));
        }
        in_number = digit.is_some();
        let last = parts.len() - 1;
        match digit {
            Some(digit) => parts[last].1 = parts[last].1.saturating_mul(10).saturating_add(digit.into()),
            None => parts[last].0.push(character),
        }
    }
    parts
}

fn svg(timeline: &Timeline, order: &[usize], height: usize) -> String {
    let end = timeline.end;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {end} {height}\" preserveAspectRatio=\"none\" style=\"height:{height}px\" role=\"img\" \
         aria-label=\"timeline of the run\">\n"
    );
    for (from, to) in &timeline.jobs {
        let _ = write!(
            svg,
            "<rect class=\"job\" x=\"{}\" y=\"1\" width=\"{}\" height=\"5\"/>",
            number(*from, end),
            number(to - from, end)
        );
    }
    let mut rows = vec![None; timeline.lanes.len()];
    order.iter().enumerate().for_each(|(row, &lane)| rows[lane] = Some(row));
    // A bar narrower than a fifth of a pixel of a wide screen would not be seen at all.
    let least = end / 8000.0;
    for bar in &timeline.bars {
        let Some(row) = rows[bar.lane as usize] else { continue };
        let kind = &timeline.kinds[bar.kind as usize];
        let critical = if bar.critical { " c" } else { "" };
        let _ = writeln!(
            svg,
            "<rect class=\"bar k-{}{critical}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BAR}\" data-l=\"{}\"/>",
            escape(kind),
            number(bar.from, end),
            JOBS + row * LANE + 2,
            number((bar.to - bar.from).max(least), end),
            bar.label
        );
    }
    let bottom = JOBS + order.len() * LANE;
    // Lines closer than a pixel of a wide screen would be one grey field.
    let mut drawn = f64::NEG_INFINITY;
    for mark in timeline.barriers.iter().filter(|mark| mark.at <= end) {
        if mark.at - drawn < end / 2000.0 {
            continue;
        }
        drawn = mark.at;
        let at = number(mark.at, end);
        let _ = write!(svg, "<line class=\"sync\" x1=\"{at}\" x2=\"{at}\" y1=\"{JOBS}\" y2=\"{bottom}\"/>");
    }
    svg.push_str(&utilisation(timeline, height));
    svg.push_str("</svg>");
    svg
}

/// As many digits as a run of this length needs at a zoom of a thousand.
fn number(ms: f64, end: f64) -> String {
    if end > 10_000.0 { format!("{ms:.0}") } else { format!("{ms:.4}") }
}

fn utilisation(timeline: &Timeline, height: usize) -> String {
    let most = timeline.utilisation.iter().copied().fold(1e-9, f64::max);
    let mut path = format!("M0 {height}");
    for (at, busy) in timeline.utilisation.iter().enumerate() {
        let y = height as f64 - busy / most * UTILISATION as f64;
        let _ = write!(
            path,
            "L{} {y:.1}L{} {y:.1}",
            number(at as f64 * timeline.part, timeline.end),
            number(((at + 1) as f64 * timeline.part).min(timeline.end), timeline.end)
        );
    }
    format!("<path class=\"util\" d=\"{path}L{} {height}Z\"/>", number(timeline.end, timeline.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_one_unit() {
        let texts = |end: f64| ticks(end).replace("<span>", "").replace("</span>", "|");
        assert_eq!(texts(16_000.0), "0|4.0 s|8.0 s|12.0 s|16.0 s|");
        assert_eq!(texts(3656.0), "0|0.91 s|1.83 s|2.74 s|3.66 s|");
        assert_eq!(texts(492.0), "0|123 ms|246 ms|369 ms|492 ms|");
        assert_eq!(texts(0.4), "0|100 µs|200 µs|300 µs|400 µs|");
    }

    #[test]
    fn numbers_in_names_sort_as_numbers() {
        let mut names = vec!["worker/10", "server/0", "worker/9"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["server/0", "worker/9", "worker/10"]);
    }
}
