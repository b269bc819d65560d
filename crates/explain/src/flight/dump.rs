//! One rank's dump in one form, whichever version wrote it and how.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::pickle;

/// A dump beyond this is none: the ring holds some thousand operations.
const LARGEST: u64 = 512 << 20;

/// What one rank wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dump {
    pub rank: u64,
    /// Ranks by the name of their group.
    pub groups: BTreeMap<String, Vec<u64>>,
    pub entries: Vec<Entry>,
    pub version: String,
}

/// One operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub group: String,
    pub description: String,
    /// `all_reduce`, `send 1->2`.
    pub operation: String,
    pub is_between_two: bool,
    pub sequence: u64,
    pub sizes: String,
    pub state: State,
    /// The program's line that called it, if the dump says so.
    pub called_from: String,
    /// In ns since 1970.
    pub created: u64,
    pub completed: Option<u64>,
}

/// How far an operation got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Handed over; the device has not begun it.
    #[default]
    Scheduled,
    /// Begun.
    Started,
    /// Done.
    Completed,
}

/// The fields of an operation by all names that they have had.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    process_group: Value,
    pg_name: Value,
    profiling_name: String,
    #[serde(alias = "seq_id")]
    collective_seq_id: u64,
    p2p_seq_id: u64,
    is_p2p: bool,
    input_sizes: Value,
    state: String,
    frames: Value,
    time_created_ns: u64,
    time_discovered_completed_ns: Option<u64>,
}

/// Reads a dump; `at` is its position among those given, its rank where its name does not say it.
pub(crate) fn read(text: impl Read, path: &Path, at: usize) -> Result<Dump, String> {
    let mut bytes = Vec::new();
    text.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let value = match bytes.first() {
        Some(0x80) => pickle::read(&bytes).map_err(|why| format!("its pickle cannot be read: {why}"))?,
        _ => serde_json::from_slice(&bytes).map_err(|error| format!("its JSON cannot be read: {error}"))?,
    };
    let entries = value.get("entries").and_then(Value::as_array);
    let Some(entries) = entries else { return Err("it has no list of operations (`entries`)".to_owned()) };
    let rank = value.get("rank").and_then(Value::as_u64).or_else(|| rank_in(path)).unwrap_or(at as u64);
    let entries = entries.iter().filter_map(|entry| Raw::deserialize(entry).ok()).map(Entry::from).collect();
    let version = value.get("version").map_or(String::new(), plain);
    Ok(Dump { rank, groups: groups(&value), entries, version })
}

/// The last number in a file's name: `nccl_trace_rank_3`.
fn rank_in(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_string_lossy().into_owned();
    stem.split(|character: char| !character.is_ascii_digit()).rfind(|part| !part.is_empty())?.parse().ok()
}

/// `pg_config`: by group an object whose `ranks` are a list or a text, or by older versions a list of ranks.
fn groups(dump: &Value) -> BTreeMap<String, Vec<u64>> {
    let mut groups = BTreeMap::new();
    for (name, config) in dump.get("pg_config").and_then(Value::as_object).into_iter().flatten() {
        let ranks = config.get("ranks").unwrap_or(config);
        let text = match ranks {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let parts = text.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty());
        let mut ranks: Vec<u64> = parts.take(1 << 20).filter_map(|part| part.parse().ok()).collect();
        ranks.sort_unstable();
        ranks.dedup();
        groups.insert(name.clone(), ranks);
    }
    groups
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl From<Raw> for Entry {
    fn from(raw: Raw) -> Self {
        let named = |at: usize| raw.process_group.get(at).map_or(String::new(), plain);
        let operation =
            raw.profiling_name.split_once(':').map_or(&raw.profiling_name[..], |found| found.1).to_owned();
        let is_between_two = raw.is_p2p || operation.starts_with("send ") || operation.starts_with("recv ");
        Self {
            group: if raw.process_group.is_array() { named(0) } else { plain(&raw.pg_name) },
            description: named(1),
            is_between_two,
            sequence: if is_between_two { raw.p2p_seq_id } else { raw.collective_seq_id },
            operation,
            sizes: if raw.input_sizes.is_null() { String::new() } else { raw.input_sizes.to_string() },
            state: match raw.state.as_str() {
                "completed" => State::Completed,
                "started" => State::Started,
                _ => State::Scheduled,
            },
            called_from: called_from(&raw.frames),
            created: raw.time_created_ns,
            completed: raw.time_discovered_completed_ns,
        }
    }
}

/// The innermost frame that is not of PyTorch itself.
fn called_from(frames: &Value) -> String {
    let is_own = |frame: &&Value| {
        let file = frame.get("filename").and_then(Value::as_str).unwrap_or("");
        !file.is_empty()
            && !file.contains("torch/distributed")
            && !file.contains("torch/nn")
            && !file.contains("torch/_")
    };
    let Some(frame) = frames.as_array().and_then(|frames| frames.iter().find(is_own)) else {
        return String::new();
    };
    let file = frame.get("filename").and_then(Value::as_str).unwrap_or("");
    let file = file.rsplit('/').next().unwrap_or(file);
    format!("{file}:{}", frame.get("line").map_or(String::new(), plain))
}
