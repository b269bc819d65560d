//! Chrome's trace event format: one process a run, one thread a lane.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;
use syncline_trace::{RunInfo, Span};

use super::{failed, lane};
use crate::Error;
use crate::spans::SpanSink;

/// Writes spans as complete events.
pub(super) struct Writer<'a, W> {
    out: &'a mut W,
    lanes: BTreeMap<String, usize>,
    is_empty: bool,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes to `out`.
    pub(super) fn new(out: &'a mut W) -> Self {
        Self { out, lanes: BTreeMap::new(), is_empty: true }
    }

    fn event(&mut self, event: &serde_json::Value) -> Result<(), Error> {
        let before = if self.is_empty { "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" } else { ",\n" };
        self.is_empty = false;
        write!(self.out, "{before}{event}").map_err(failed)
    }

    /// Names process and threads, and closes the list.
    pub(super) fn finish(mut self, info: &RunInfo) -> Result<(), Error> {
        self.event(&json!({ "ph": "M", "name": "process_name", "pid": 1, "args": { "name": info.run } }))?;
        for (name, thread) in std::mem::take(&mut self.lanes) {
            self.event(&json!({ "ph": "M", "name": "thread_name", "pid": 1, "tid": thread, "args": { "name": name } }))?;
        }
        self.out.write_all(b"\n]}\n").map_err(failed)
    }
}

impl<W: Write> SpanSink for Writer<'_, W> {
    fn take(&mut self, info: &RunInfo, spans: &[Span]) -> Result<(), Error> {
        for span in spans {
            let next = self.lanes.len() + 1;
            let thread = *self.lanes.entry(lane(info, span)).or_insert(next);
            let event = json!({
                "ph": "X",
                "name": span.phase.name(),
                "cat": "syncline",
                "pid": 1,
                "tid": thread,
                "ts": span.start_ns as f64 / 1000.0,
                "dur": span.duration_ns() as f64 / 1000.0,
                "args": {
                    "iteration": span.iteration, "round": span.round, "bytes": span.bytes, "records": span.records,
                    "sync": span.sync, "task": span.task,
                },
            });
            self.event(&event)?;
        }
        Ok(())
    }
}
