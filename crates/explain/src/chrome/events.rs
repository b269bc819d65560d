//! The events of a trace file, read as a stream.
//!
//! A file is an array of events, or an object with one under `traceEvents`; profilers that are killed leave the array
//! open, which is read up to there. Times are µs, fractions included. Only complete events (`X`) and pairs (`B`, `E`) are
//! kept, and of their arguments what places them.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::source::Damage;

/// Slices that are kept; beyond, a trace is too long to be explained whole.
const KEPT: usize = 4 << 20;

/// A stretch of time on a thread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slice {
    pub name: String,
    pub category: String,
    pub process: String,
    pub thread: String,
    /// In ns since the trace's zero.
    pub start: u64,
    pub end: u64,
    pub args: SliceArgs,
}

/// What of a slice's arguments is used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct SliceArgs {
    pub iteration: Option<u32>,
    pub round: Option<u64>,
    pub sync: Option<u64>,
    pub bytes: Option<u64>,
    pub records: Option<u64>,
    #[serde(rename = "Collective name")]
    pub collective: Option<String>,
    #[serde(rename = "In msg nelems")]
    pub elements: Option<u64>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub slices: Vec<Slice>,
    /// Names of processes and, with their process, threads.
    pub processes: HashMap<String, String>,
    pub threads: HashMap<(String, String), String>,
    /// This file's rank in a distributed run.
    pub rank: Option<u64>,
    /// Whether the PyTorch profiler wrote it.
    pub has_schema: bool,
}

impl Trace {
    /// Whether it is of PyTorch: it says so, or has its categories.
    pub fn is_kineto(&self) -> bool {
        let kineto = ["cpu_op", "kernel", "cuda_runtime", "gpu_memcpy"];
        self.rank.is_some()
            || self.has_schema
            || self.slices.iter().any(|slice| kineto.contains(&slice.category.as_str()))
    }
}

/// Reads `text` to its end, or to where it is damaged.
pub(super) fn read(text: impl Read) -> (Trace, Damage) {
    let mut reading = Reading::default();
    let mut damage = Damage::default();
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(256 << 10, text));
    if let Err(error) = (Top { reading: &mut reading }).deserialize(&mut json) {
        damage.count(error.line() as u64, error.to_string());
    }
    if reading.unusable > 0 {
        damage.note(format!("{} events are not of the format", reading.unusable));
    }
    if reading.left_out > 0 {
        damage.note(format!("only the first {KEPT} slices are looked at, {} are left out", reading.left_out));
    }
    // Where a begin has no end the file was cut; its time is unknown.
    let unfinished: usize = reading.open.values().map(Vec::len).sum();
    if unfinished > 0 {
        damage.note(format!("{unfinished} events have no end"));
    }
    (reading.trace, damage)
}

#[derive(Default)]
struct Reading {
    trace: Trace,
    open: HashMap<(String, String), Vec<Slice>>,
    unusable: u64,
    left_out: u64,
}

/// An event with every field as it comes: a wrong type makes one event unusable and not the rest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    ph: Value,
    name: Value,
    cat: Value,
    pid: Value,
    tid: Value,
    ts: Value,
    dur: Value,
    args: Value,
}

impl Reading {
    fn take(&mut self, raw: Raw) {
        let usable = match raw.ph.as_str() {
            Some("X") => self.slice(&raw).map(|slice| self.keep(slice)),
            Some("B") => self.slice(&raw).map(|slice| {
                let on = (slice.process.clone(), slice.thread.clone());
                self.open.entry(on).or_default().push(slice);
            }),
            Some("E") => self.end(&raw),
            Some("M") => {
                self.name(&raw);
                Some(())
            }
            Some(_) => Some(()),
            None => None,
        };
        self.unusable += u64::from(usable.is_none());
    }

    fn keep(&mut self, slice: Slice) {
        if self.trace.slices.len() < KEPT {
            self.trace.slices.push(slice);
        } else {
            self.left_out += 1;
        }
    }

    fn slice(&self, raw: &Raw) -> Option<Slice> {
        let start = nanoseconds(&raw.ts)?;
        let duration = nanoseconds(&raw.dur).unwrap_or(0);
        Some(Slice {
            name: text(&raw.name),
            category: text(&raw.cat),
            process: text(&raw.pid),
            thread: text(&raw.tid),
            start,
            end: start.saturating_add(duration),
            args: SliceArgs::deserialize(&raw.args).unwrap_or_default(),
        })
    }

    fn end(&mut self, raw: &Raw) -> Option<()> {
        let at = nanoseconds(&raw.ts)?;
        let begun = self.open.get_mut(&(text(&raw.pid), text(&raw.tid))).and_then(Vec::pop)?;
        self.keep(Slice { end: at.max(begun.start), ..begun });
        Some(())
    }

    fn name(&mut self, raw: &Raw) {
        let Some(name) = raw.args.get("name").and_then(Value::as_str) else { return };
        match raw.name.as_str() {
            Some("process_name") => {
                self.trace.processes.insert(text(&raw.pid), name.to_owned());
            }
            Some("thread_name") => {
                self.trace.threads.insert((text(&raw.pid), text(&raw.tid)), name.to_owned());
            }
            _ => {}
        }
    }
}

/// µs as a number or a text, to ns; `None` for anything else, negative or beyond a thousand years.
fn nanoseconds(value: &Value) -> Option<u64> {
    let us = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    (0.0..3e16).contains(&us).then_some(())?;
    // Whole µs since 1970 do not fit a double's digits once they are ns: scale the parts apart.
    Some((us.trunc() as u64).saturating_mul(1000) + (us.fract() * 1000.0).round() as u64)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The top of a file.
struct Top<'a> {
    reading: &'a mut Reading,
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of trace events, or an object with one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(raw) = events.next_element::<Raw>()? {
            self.reading.take(raw);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "traceEvents" => fields.next_value_seed(Events { reading: self.reading })?,
                "distributedInfo" => {
                    let info: Value = fields.next_value()?;
                    self.reading.trace.rank = info.get("rank").and_then(Value::as_u64);
                }
                "schemaVersion" | "deviceProperties" => {
                    self.reading.trace.has_schema = true;
                    fields.next_value::<IgnoredAny>()?;
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The list under `traceEvents`.
struct Events<'a> {
    reading: &'a mut Reading,
}

impl<'de> DeserializeSeed<'de> for Events<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(Top { reading: self.reading })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_complete_events_pairs_and_names() {
        let (trace, damage) = read(
            &br#"{"schemaVersion": 1, "distributedInfo": {"rank": 3}, "traceEvents": [
                {"ph":"M","name":"process_name","pid":7,"args":{"name":"python"}},
                {"ph":"X","name":"aten::mm","cat":"cpu_op","pid":7,"tid":"main","ts":10.5,"dur":2.25,"args":{"Sequence number":4}},
                {"ph":"B","name":"outer","pid":7,"tid":1,"ts":1}, {"ph":"E","pid":7,"tid":1,"ts":"9"},
                {"ph":"X","name":"odd","ts":{}}, {"ph":5}, {"ph":"i","ts":4}], "later": [1]}"#[..],
        );
        assert_eq!((trace.rank, trace.is_kineto(), trace.slices.len()), (Some(3), true, 2));
        assert_eq!((trace.slices[0].start, trace.slices[0].end), (10_500, 12_750));
        assert_eq!((trace.slices[1].name.as_str(), trace.slices[1].end), ("outer", 9_000));
        assert_eq!(damage.notes, ["2 events are not of the format"]);
    }

    #[test]
    fn a_cut_file_is_read_up_to_the_cut() {
        let (trace, damage) = read(&br#"[{"ph":"X","ts":1,"dur":2},{"ph":"X","ts":5,"#[..]);
        assert_eq!((trace.slices.len(), damage.lines), (1, 1));
    }
}
