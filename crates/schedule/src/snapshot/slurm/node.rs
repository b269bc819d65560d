//! Nodes of Slurm as places.

use std::collections::{BTreeMap, BTreeSet};

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
const CLOSED: [&str; 16] = [
    "DOWN",
    "DRAIN",
    "DRAINED",
    "DRAINING",
    "FAIL",
    "FAILING",
    "NOT_RESPONDING",
    "POWERING_DOWN",
    "NO_RESPOND",
    "FUTURE",
    "ERROR",
    "BLOCKED",
    "REBOOT_ISSUED",
    "MAINTENANCE",
    "UNKNOWN",
    "INVAL",
];

/// What there are amounts of: cores, memory, the devices that nodes have or jobs ask for, and their types where these matter.
pub fn kinds(documents: &Documents, nodes: &[Fields]) -> Vec<String> {
    let mut kinds = vec!["cpu".to_owned(), "memory".to_owned(), "gpu".to_owned()];
    // Of each kind, with its types.
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let of_nodes = nodes.iter().map(|node| node.get("gres").map_or("", text));
    let of_jobs = documents
        .entries("jobs")
        .flat_map(|job| super::job::DEVICES.into_iter().map(|field| job.get(field).map_or("", text)));
    for (found, _) in of_nodes.chain(of_jobs).flat_map(gres) {
        // Jobs may say cores and memory in the same way.
        let kind = found.split(':').next().unwrap_or("").to_owned();
        if !matches!(kind.as_str(), "cpu" | "mem" | "node" | "billing") {
            types.entry(kind.clone()).or_default().extend((found != kind).then_some(found));
        }
    }
    for (kind, types) in types {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        // Where there is one type only, whoever asks for it asks for any.
        if types.len() > 1 {
            kinds.extend(types);
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
    // Cores and memory that are kept for the system are not handed out.
    let usable = fields.get("effective_cpus").and_then(number).filter(|usable| *usable > 0.0);
    let kept = fields.get("specialized_memory").and_then(number).unwrap_or(0.0);
    let mut capacity = vec![0.0; kinds.len()];
    capacity[0] = usable.unwrap_or(f64::INFINITY).min(whole("cpus")?);
    capacity[1] = (whole("real_memory")? - kept).max(0.0) / 1024.0;
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

/// The words of its state.
fn states(fields: &Fields) -> Vec<String> {
    let mut states = words(fields.get("state"));
    states.extend(words(fields.get("state_flags")));
    let said = states.iter().flat_map(|state| state.split('+'));
    // Marks behind a state are of how it is powered, and of whether it answers.
    said.map(|state| state.trim_end_matches(|mark: char| !mark.is_ascii_alphanumeric()).to_uppercase())
        .collect()
}

/// Whether no job runs there, nor ends.
pub fn is_idle(fields: &Fields) -> bool {
    let states = states(fields);
    let is = |word: &str| states.iter().any(|state| state == word);
    is("IDLE") && !is("COMPLETING")
}

/// Why no job starts there, as Slurm says it.
fn closed(fields: &Fields) -> Option<String> {
    let state = states(fields).into_iter().find(|state| CLOSED.contains(&state.as_str()))?;
    let reason = fields.get("reason").map_or("", text);
    Some(if reason.is_empty() { state.to_lowercase() } else { format!("{}: {reason}", state.to_lowercase()) })
}
