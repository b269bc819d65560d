//! One HTML page that needs nothing beside it.

use std::fmt::Write;

use crate::compare::PolicyResult;

/// Figures follow the setting themselves; wide tables scroll on a narrow screen.
const STYLE: &str = ":root{color-scheme:light dark;--ink:#222;--page:#fff;--line:#ddd}\
@media(prefers-color-scheme:dark){:root{--ink:#ddd;--page:#161616;--line:#444}}\
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--page)}\
.wide{overflow-x:auto}table{border-collapse:collapse;white-space:nowrap}\
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line)}\
th:first-child,td:first-child{text-align:left}\
svg{display:block;max-width:100%;height:auto;border-radius:6px}";

/// The table of means and all figures.
pub fn page(title: &str, results: &[PolicyResult], figures: &[(String, String, String)]) -> String {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{0}</title><style>{STYLE}</style></head>\n<body><h1>{0}</h1>\n",
        escape(title)
    );
    text.push_str(
        "<div class=\"wide\"><table><tr><th>policy</th><th>utility</th><th>95 % interval</th><th>admitted</th><th>completed</th>\
         <th>mean JCT of completed, h</th><th>p99 JCT, h</th><th>GPUs used</th><th>decision, ms</th></tr>\n",
    );
    for row in results.iter().map(|result| &result.summary) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{:.1}</td><td>{}</td><td>{:.1}</td><td>{:.1} of {:.1}</td><td>{}</td><td>{}</td><td>{:.0} %</td><td>{:.3}</td></tr>",
            escape(&row.name),
            row.mean_utility,
            row.ci95.map_or("-".into(), |half| format!("± {half:.1}")),
            row.mean_admitted,
            row.mean_completed,
            row.mean_jobs,
            hours(row.mean_jct, "-"),
            hours(row.p99_jct, "never"),
            row.utilisation * 100.0,
            row.median_decision_ms
        );
    }
    text.push_str("</table></div>\n");
    for (heading, _, svg) in figures {
        let _ = writeln!(text, "<h2>{}</h2>\n{svg}", escape(heading));
    }
    text.push_str("</body></html>\n");
    text
}

fn hours(seconds: Option<f64>, none: &str) -> String {
    seconds.map_or(none.into(), |seconds| format!("{:.2}", seconds / 3600.0))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
