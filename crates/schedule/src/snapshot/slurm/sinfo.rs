//! Nodes out of what `sinfo --json` prints since Slurm 23.02: rows of nodes that are alike, one for each partition and state.
//!
//! A row says of its nodes the least and the most that any of them has; where these differ, which node has what is not known, and the row is
//! refused.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Fields,
    field::{number, text, words},
    hostlist::hosts,
};
use crate::{
    error::{Error, Result},
    snapshot::Documents,
};

/// The nodes of all rows, as `scontrol show nodes --json` would say them.
pub fn nodes(documents: &Documents) -> Result<Vec<Fields>> {
    let mut all: BTreeMap<String, Fields> = BTreeMap::new();
    for row in documents.entries("sinfo") {
        let at =
            |path: &[&str]| path.iter().skip(1).try_fold(row.get(path[0])?, |value, key| value.get(*key));
        let partition = at(&["partition", "name"]).map_or("", text);
        let names = hosts(&words(at(&["nodes", "nodes"])).join(","));
        let each = |of: &str| {
            let (least, most) =
                (at(&[of, "minimum"]).and_then(number), at(&[of, "maximum"]).and_then(number));
            match (least, most) {
                (Some(least), Some(most)) if least == most => Ok(most),
                _ => Err(Error::Snapshot(format!(
                    "partition {partition}: what `sinfo --json` says of {} does not tell the `{of}` of each; give what \
                     `scontrol show nodes --json` prints",
                    names.first().map_or("its nodes", String::as_str)
                ))),
            }
        };
        for name in &names {
            let node = json!({
                "name": name, "cpus": each("cpus")?, "real_memory": each("memory")?, "partitions": [],
                "gres": at(&["gres", "total"]), "active_features": at(&["features", "active"]),
                "features": at(&["features", "total"]), "state": at(&["node", "state"]),
                "reason": at(&["reason", "description"]),
            });
            let node =
                all.entry(name.clone()).or_insert_with(|| node.as_object().cloned().unwrap_or_default());
            if let Some(Value::Array(partitions)) = node.get_mut("partitions") {
                partitions.push(json!(partition));
            }
        }
    }
    Ok(all.into_values().collect())
}
