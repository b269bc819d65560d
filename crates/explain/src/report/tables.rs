//! The page's tables of stages, executors and SQL queries, as those who know Spark's pages expect them.

use syncline_terminal::unit;

use super::html::{clipped, escape, table, time};
use super::{ExecutorRow, QueryRow, StageRow, Tables, TaskSums};

/// Rows that are shown; the others are counted.
const ROWS: usize = 100;

/// The section; nothing for what has no tables.
pub(super) fn section(tables: &Tables) -> String {
    [queries(tables), stages(tables), executors(&tables.executors)].concat()
}

/// The cells that all three have.
fn cells(sums: &TaskSums) -> Vec<String> {
    let failed = if sums.failed_tasks > 0 { format!("<b>{}</b>", sums.failed_tasks) } else { String::new() };
    let amount = |bytes: i64| if bytes > 0 { bytes_of(bytes) } else { String::new() };
    vec![
        sums.tasks.to_string(),
        failed,
        time(sums.task_ms as f64),
        if sums.gc_ms > 0 { time(sums.gc_ms as f64) } else { String::new() },
        amount(sums.input_bytes),
        amount(sums.shuffle_read_bytes),
        amount(sums.shuffle_write_bytes),
        amount(sums.output_bytes),
        amount(sums.spilled_bytes),
    ]
}

/// Their names.
const COLUMNS: [&str; 9] = [
    "n:tasks",
    "n:failed",
    "n:task time",
    "n:GC",
    "n:input",
    "n:shuffle read",
    "n:shuffle write",
    "n:output",
    "n:spill",
];

fn bytes_of(bytes: i64) -> String {
    unit::bytes(bytes.unsigned_abs() as f64)
}

/// A table of the rows that are shown of `kept` ones in the report; `others` are in none, and what they did is in no row.
fn titled(title: &str, own: &[&str], rows: &[Vec<String>], (kept, others): (usize, u64)) -> String {
    let columns: Vec<&str> = own.iter().copied().chain(COLUMNS).collect();
    let others = match others {
        0 => String::new(),
        others => format!(
            "<p class=\"soft\">{others} further ones took less task time than any of the {kept} that are kept, and have no row</p>\n"
        ),
    };
    format!("<h2>{title}</h2>\n{}{others}", table(&columns, rows, kept))
}

fn stages(tables: &Tables) -> String {
    if tables.stages.is_empty() {
        return String::new();
    }
    let row = |stage: &StageRow| {
        let attempt = if stage.attempt > 0 { format!(".{}", stage.attempt) } else { String::new() };
        let failure = stage
            .failure
            .as_ref()
            .map_or(String::new(), |why| format!("<br><span class=\"bad\">failed: {}</span>", clipped(why)));
        let query = stage.query.map_or(String::new(), |query| query.to_string());
        let own = [
            format!("{}{attempt}", stage.stage),
            format!("{}{failure}", clipped(&stage.name)),
            query,
            time(stage.from_ms as f64),
            time(stage.ms as f64),
        ];
        own.into_iter().chain(cells(&stage.sums)).collect()
    };
    let rows: Vec<Vec<String>> = tables.stages.iter().take(ROWS).map(row).collect();
    titled(
        "Stages",
        &["n:stage", "w:name", "n:query", "n:from", "n:duration"],
        &rows,
        (tables.stages.len(), tables.other_stages),
    )
}

fn executors(all: &[ExecutorRow]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let row = |executor: &ExecutorRow| {
        let gone = executor.to_ms.map_or(String::new(), |to| time(to as f64));
        let own = [
            clipped(&executor.executor),
            clipped(&executor.host),
            executor.cores.to_string(),
            time(executor.from_ms.max(0) as f64),
            gone,
        ];
        own.into_iter().chain(cells(&executor.sums)).collect()
    };
    let rows: Vec<Vec<String>> = all.iter().take(ROWS).map(row).collect();
    titled("Executors", &["executor", "host", "n:cores", "n:came", "n:went"], &rows, (all.len(), 0))
}

fn queries(tables: &Tables) -> String {
    let all = &tables.queries;
    if all.is_empty() {
        return String::new();
    }
    let row = |query: &QueryRow| {
        let description = if query.description.is_empty() {
            escape("(no description)")
        } else {
            clipped(&query.description)
        };
        let failed =
            if query.failed_jobs > 0 { format!(", {} failed", query.failed_jobs) } else { String::new() };
        let own = [
            query.query.to_string(),
            description,
            format!("{}{failed}", query.jobs),
            query.stages.to_string(),
            time(query.from_ms as f64),
            time(query.ms as f64),
        ];
        own.into_iter().chain(cells(&query.sums)).collect()
    };
    let rows: Vec<Vec<String>> = all.iter().take(ROWS).map(row).collect();
    titled(
        "SQL queries",
        &["n:query", "w:description", "n:jobs", "n:stages", "n:from", "n:duration"],
        &rows,
        (all.len(), tables.other_queries),
    )
}
