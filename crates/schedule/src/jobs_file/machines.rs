//! Clusters: files of machines, or counts of them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::document;
use crate::{
    error::{Error, Result},
    model::{Cluster, Plain, Resource},
    trace::{Row, Table},
};

/// A cluster from what a user wrote: machines times GPUs ([`Cluster::from_counts`]), or the name of a file.
///
/// # Errors
/// A file that is not there and no count either; what [`read_cluster`] says.
pub fn cluster(text: &str) -> Result<Cluster> {
    let path = Path::new(text);
    if path.exists() {
        return read_cluster(path);
    }
    Cluster::from_counts(text).map_err(|error| match error {
        // What is neither a file nor a count is a slip of whoever wrote it.
        Error::Invalid { field, found, wanted, .. } if field == "size" => {
            Error::option("cluster", found, wanted)
        }
        error => error,
    })
}

/// Reads a cluster from JSON (`{"machines": [{"name": "a", "count": 4, "capacity": {"gpu": 8, "cpu": 64}}]}`), from TOML with the
/// same names, or from a CSV table of machines with columns `name`, `count`, `device`, `rack` and those of the resources. A
/// machine may also have `labels`, and the cluster an `oversubscription` between racks, but not in a table.
///
/// # Errors
/// An unreadable file or a cluster that is not valid.
pub fn read_cluster(path: &Path) -> Result<Cluster> {
    let plain = if document::has_ending(path, "csv") {
        table(path)?
    } else {
        document::parse(path, &document::text(path)?)?
    };
    Cluster::try_from(plain).map_err(|source| Error::In { file: path.into(), source: Box::new(source) })
}

fn table(path: &Path) -> Result<Plain> {
    let table = Table::read(path, &[])?;
    let known: Vec<&str> =
        ["name", "count", "device", "rack"].into_iter().chain(Resource::ALL.map(Resource::name)).collect();
    if let Some(unknown) = table.headers().iter().find(|header| !known.contains(&header.as_str())) {
        let what = format!("there is no such column; there are {}", known.join(", "));
        return Err(Error::Field { file: path.into(), line: 1, field: unknown.clone(), what });
    }
    let machines = table.rows().map(|row| machine(&row)).collect::<Result<Vec<Value>>>()?;
    serde_json::from_value(json!({ "machines": machines }))
        .map_err(|source| Error::Json { path: path.into(), source })
}

/// A row as the entry of a file that it stands for.
fn machine(row: &Row) -> Result<Value> {
    let mut capacity = Map::new();
    for kind in Resource::ALL.map(Resource::name).into_iter().filter(|kind| !row.text(kind).is_empty()) {
        capacity.insert(kind.into(), json!(row.amount(kind)?));
    }
    let mut entry = Map::from_iter([("capacity".to_owned(), Value::Object(capacity))]);
    for text in ["name", "device", "rack"].into_iter().filter(|text| !row.text(text).is_empty()) {
        entry.insert(text.into(), json!(row.text(text)));
    }
    if !row.text("count").is_empty() {
        entry.insert("count".into(), json!(row.count("count")?));
    }
    Ok(Value::Object(entry))
}
