//! Jobs as a table, a row each: an entry of a list whose parts have columns of their own.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::list;
use crate::{
    error::{Error, Result},
    model::{Job, Resource},
    trace::{Row, Table},
};

/// What a cell holds.
#[derive(Clone, Copy)]
enum Kind {
    /// A number from 0 on.
    Amount,
    /// A whole number.
    Whole,
    /// `true` or `false`.
    Flag,
    /// Text.
    Text,
    /// Names with `;` between them.
    Names,
}

/// Columns that are fields of an entry.
const FIELDS: [(&str, Kind); 25] = [
    ("name", Kind::Text),
    ("array", Kind::Whole),
    ("arrival", Kind::Amount),
    ("workload", Kind::Amount),
    ("estimate", Kind::Amount),
    ("batch", Kind::Whole),
    ("noise_scale", Kind::Amount),
    ("most_batch", Kind::Whole),
    ("seconds_per_sample", Kind::Amount),
    ("seconds", Kind::Amount),
    ("profile", Kind::Text),
    ("epochs", Kind::Amount),
    ("gradient_mb", Kind::Amount),
    ("workers_per_server", Kind::Amount),
    ("internal_gbps", Kind::Amount),
    ("external_gbps", Kind::Amount),
    ("restart", Kind::Amount),
    ("resume", Kind::Flag),
    ("requeue", Kind::Flag),
    ("group", Kind::Text),
    ("queue", Kind::Text),
    ("priority", Kind::Whole),
    ("limit", Kind::Amount),
    ("after", Kind::Names),
    ("after_any", Kind::Names),
];
/// Columns that are parts of the utility, the shape beside them; which of them there are says the shape too.
const UTILITY: [&str; 5] = ["value", "decay", "target", "deadline", "zero_at"];
/// Columns of the smallest and the largest gang.
const WORKERS: [(&str, &str); 2] = [("min_workers", "min"), ("max_workers", "max")];
/// Before the name of a device type.
const SPEED: &str = "speed_";
/// Before a label that machines must carry.
const NEEDS: &str = "needs_";

/// The jobs of a table, for a cluster with these device types.
pub(super) fn read(path: &Path, devices: &[String]) -> Result<Vec<Job>> {
    let table = Table::read(path, &[])?;
    let known = known_columns();
    let is_known = |header: &str| {
        let named = |begin: &str| header.strip_prefix(begin).is_some_and(|name| !name.is_empty());
        known.iter().any(|known| known == header) || named(SPEED) || named(NEEDS)
    };
    if let Some(unknown) = table.headers().iter().find(|header| !is_known(header)) {
        let what =
            format!("there is no such column; there are {}, {SPEED}TYPE and {NEEDS}LABEL", known.join(", "));
        return Err(Error::Field { file: path.into(), line: 1, field: unknown.clone(), what });
    }
    let measured = ["profile", "seconds"].iter().any(|column| table.has(column));
    if !measured {
        Table::read(path, &["workload", "batch", "seconds_per_sample"])?;
    }
    let jobs: Vec<Vec<Job>> = table.rows().map(|row| jobs(path, &row, devices)).collect::<Result<_>>()?;
    Ok(jobs.into_iter().flatten().collect())
}

/// The columns that any table may have.
fn known_columns() -> Vec<String> {
    let demands = ["worker", "server"]
        .into_iter()
        .flat_map(|task| Resource::ALL.map(|kind| format!("{task}_{}", kind.name())));
    let fields = FIELDS.iter().map(|(column, _)| *column).chain(WORKERS.map(|(column, _)| column));
    fields.chain(["shape"]).chain(UTILITY).map(str::to_owned).chain(demands).collect()
}

/// The jobs of a row: several if it is an array.
fn jobs(path: &Path, row: &Row, devices: &[String]) -> Result<Vec<Job>> {
    let fault = |error: Error| match error {
        Error::Invalid { ref field, .. } => row.fault(&field.clone(), error.detail()),
        error => row.fault("job", error.to_string()),
    };
    let fields = entry(path, row)?;
    let jobs = list::object(path, Value::Object(fields), devices).map_err(fault)?;
    let valid = |(job, _): (Job, _)| {
        job.validate().map_err(|error| row.fault("job", error.detail()))?;
        Ok(job)
    };
    jobs.into_iter().map(valid).collect()
}

/// The entry that a row stands for.
fn entry(path: &Path, row: &Row) -> Result<Map<String, Value>> {
    let given = |column: &str| !row.text(column).is_empty();
    let mut fields = Map::new();
    for (column, kind) in FIELDS.into_iter().filter(|(column, _)| given(column)) {
        fields.insert(column.into(), cell(row, column, kind)?);
    }
    for task in ["worker", "server"] {
        fields.insert(task.into(), Value::Object(demand(row, task)?));
    }
    if let Some(utility) = utility(row)? {
        fields.insert("utility".into(), utility);
    }
    for (field, begin, kind) in [("speeds", SPEED, Kind::Amount), ("needs", NEEDS, Kind::Names)] {
        let columns = row.headers().iter().filter_map(|header| Some((header, header.strip_prefix(begin)?)));
        let parts = columns.filter(|(column, _)| given(column));
        let parts: Map<String, Value> = parts
            .map(|(column, name)| Ok((name.to_owned(), cell(row, column, kind)?)))
            .collect::<Result<_>>()?;
        if !parts.is_empty() {
            fields.insert(field.into(), Value::Object(parts.into_iter().map(one_alone).collect()));
        }
    }
    workers(path, row, &mut fields)?;
    Ok(fields)
}

/// One name alone is no list.
fn one_alone((part, value): (String, Value)) -> (String, Value) {
    match value.as_array().map(Vec::as_slice) {
        Some([name]) => (part, name.clone()),
        _ => (part, value),
    }
}

fn cell(row: &Row, column: &str, kind: Kind) -> Result<Value> {
    let text = row.text(column);
    Ok(match kind {
        Kind::Amount => json!(row.amount(column)?),
        Kind::Whole => match text.parse::<i64>() {
            Ok(number) => json!(number),
            // As pandas writes whole numbers beside empty cells.
            Err(_) => json!(row.whole(column)?),
        },
        Kind::Flag => json!(row.parse::<bool>(column, "true or false")?),
        Kind::Text => json!(text),
        Kind::Names => {
            let names = text.split(';').map(str::trim).filter(|name| !name.is_empty());
            json!(names.collect::<Vec<_>>())
        }
    })
}

fn demand(row: &Row, task: &str) -> Result<Map<String, Value>> {
    let columns = Resource::ALL.map(|kind| (kind.name(), format!("{task}_{}", kind.name())));
    let given = columns.into_iter().filter(|(_, column)| !row.text(column).is_empty());
    given.map(|(kind, column)| Ok((kind.to_owned(), json!(row.amount(&column)?)))).collect()
}

/// What finishing is worth: the shape that is named, or the one that has what is given.
fn utility(row: &Row) -> Result<Option<Value>> {
    let given = |column: &str| !row.text(column).is_empty();
    if given("decay") != given("target") {
        return Err(row.fault("decay", "`decay` and `target` go together".into()));
    }
    let mut parts = Map::new();
    for column in UTILITY.into_iter().filter(|column| given(column)) {
        parts.insert(column.into(), json!(row.amount(column)?));
    }
    let implied = [("decay", "sigmoid"), ("deadline", "deadline"), ("zero_at", "linear")];
    let implied =
        implied.into_iter().find(|(column, _)| given(column)).map_or("constant", |(_, shape)| shape);
    if parts.is_empty() && !given("shape") {
        return Ok(None);
    }
    parts.entry("value").or_insert(json!(1.0));
    parts.insert("shape".into(), json!(if given("shape") { row.text("shape") } else { implied }));
    Ok(Some(Value::Object(parts)))
}

/// How many workers, and servers for them: all that can share the batch, and a server a worker if one takes something.
fn workers(path: &Path, row: &Row, fields: &mut Map<String, Value>) -> Result<()> {
    list::profiled(path, fields).map_err(|error| row.fault("profile", error.to_string()))?;
    let batch = fields.get("batch").and_then(Value::as_u64).unwrap_or(1);
    let most = batch.min(Job::MOST_WORKERS.into());
    let range = fields.entry("workers").or_insert(json!({ "min": 1, "max": most }));
    for (column, end) in WORKERS.into_iter().filter(|(column, _)| !row.text(column).is_empty()) {
        range[end] = json!(row.count(column)?);
    }
    let ratio = fields.get("workers_per_server").and_then(Value::as_f64);
    let serves = fields["server"].as_object().is_some_and(|server| !server.is_empty());
    match ratio {
        Some(ratio) if ratio > 0.0 => {}
        Some(_) => drop(fields.remove("workers_per_server")),
        None if serves => drop(fields.insert("workers_per_server".into(), json!(1.0))),
        None => {}
    }
    Ok(())
}
