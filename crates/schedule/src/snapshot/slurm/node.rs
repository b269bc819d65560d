//! Nodes of Slurm as places.

use serde_json::Value;

use super::{
    Fields,
    field::{gres, number, text, words},
};
use crate::{
    error::{Error, Result},
    snapshot::{Documents, Place, Queue},
};

/// Flags and states in which no job starts on a node.
const CLOSED: [&str; 13] = [
    "DOWN",
    "DRAIN",
    "DRAINED",
    "DRAINING",
    "FAIL",
    "FAILING",
    "NOT_RESPONDING",
    "POWERED_DOWN",
    "POWERING_DOWN",
    "REBOOT_ISSUED",
    "MAINTENANCE",
    "UNKNOWN",
    "INVAL",
];

/// What there are amounts of: cores, memory, and the devices that nodes have.
pub fn kinds(documents: &Documents) -> Vec<String> {
    let mut kinds = vec!["cpu".to_owned(), "memory".to_owned(), "gpu".to_owned()];
    for (kind, _) in documents.entries("nodes").flat_map(|node| gres(node.get("gres").map_or("", text))) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

pub fn place(fields: &Fields, kinds: &[String], queues: &[Queue]) -> Result<Place> {
    let name = fields.get("name").map_or("", text);
    let whole = |field: &str| {
        let found = fields.get(field).and_then(number);
        found.ok_or_else(|| {
            Error::Snapshot(format!(
                "node {name}: `{field}` is no number; is this what `sinfo --json` prints?"
            ))
        })
    };
    let mut capacity = vec![0.0; kinds.len()];
    capacity[0] = whole("cpus")?;
    capacity[1] = whole("real_memory")? / 1024.0;
    for (kind, count) in gres(fields.get("gres").map_or("", text)) {
        if let Some(at) = kinds.iter().position(|known| *known == kind) {
            capacity[at] += count;
        }
    }
    let mut features = words(fields.get("active_features"));
    features.extend(words(fields.get("features")));
    let partitions = fields.get("partitions").and_then(Value::as_array);
    let named = |name: &str| queues.iter().position(|queue| queue.name == name);
    let queues = partitions.into_iter().flatten().filter_map(Value::as_str).filter_map(named).collect();
    Ok(Place { name: name.into(), capacity, closed: closed(fields), features, queues, shared: false })
}

/// Why no job starts there, as Slurm says it.
fn closed(fields: &Fields) -> Option<String> {
    let mut states = words(fields.get("state"));
    states.extend(words(fields.get("state_flags")));
    let state =
        states.iter().map(|state| state.to_uppercase()).find(|state| CLOSED.contains(&state.as_str()))?;
    let reason = fields.get("reason").map_or("", text);
    Some(if reason.is_empty() { state.to_lowercase() } else { format!("{}: {reason}", state.to_lowercase()) })
}
