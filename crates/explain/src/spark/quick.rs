//! The common line of a log, read without looking at all of it.
//!
//! Nine tenths of a log are successful tasks' ends, as Spark writes them: compact, keys in a fixed order, and most of the line
//! of no interest. Here the needed keys are looked for in that order. Whatever is not as expected (another order, a
//! missing key, another type, a failure) is left to the full parser, so this is never more than a shortcut. A key cannot be
//! found inside a text, because quotes in a text are escaped.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::event::{Ending, Metrics, StageKey, TaskEnd, TaskKind};

/// A key, with the beginning of its value where that is given. What finds it is made once and not for every line.
macro_rules! key {
    ($name:literal) => {
        key!($name, "")
    };
    ($name:literal, $value:literal) => {{
        static KEY: LazyLock<Finder<'static>> =
            LazyLock::new(|| Finder::new(concat!("\"", $name, "\":", $value)));
        &*KEY
    }};
}

/// The end of a successful task; `None` if the line is anything else.
pub(super) fn task_end(line: &[u8]) -> Option<TaskEnd> {
    let end = line.trim_ascii_end();
    if !end.ends_with(b"}}") {
        return None;
    }
    let mut keys = Keys { line: end, at: 0 };
    let stage =
        StageKey { id: keys.number(key!("Stage ID"))?, attempt: keys.number(key!("Stage Attempt ID"))? };
    let kind = match keys.text(key!("Task Type"))? {
        "ResultTask" => TaskKind::Result,
        _ => TaskKind::ShuffleMap,
    };
    keys.after(key!("Task End Reason", r#"{"Reason":"Success"}"#))?;
    let task = keys.number(key!("Task ID"))?;
    let index = keys.number(key!("Index"))?;
    let launched = keys.number(key!("Launch Time"))?;
    let executor = keys.text(key!("Executor ID"))?.to_owned();
    let speculative = keys.flag(key!("Speculative"))?;
    let getting_result = keys.number(key!("Getting Result Time"))?;
    let finished = keys.number(key!("Finish Time"))?;
    let failed = keys.flag(key!("Failed"))?;
    let killed = keys.flag(key!("Killed"))?;
    let metrics = Some(metrics(&mut keys)?);
    if failed || killed {
        return None;
    }
    Some(TaskEnd {
        stage,
        kind,
        task,
        index,
        executor,
        launched,
        finished,
        getting_result,
        speculative,
        ending: Ending::Succeeded,
        why: None,
        metrics,
    })
}

fn metrics(keys: &mut Keys<'_>) -> Option<Metrics> {
    keys.after(key!("Task Metrics", "{"))?;
    let mut metrics = Metrics {
        deserialise: keys.number(key!("Executor Deserialize Time"))?,
        deserialise_cpu_ns: keys.number(key!("Executor Deserialize CPU Time"))?,
        run: keys.number(key!("Executor Run Time"))?,
        cpu_ns: keys.number(key!("Executor CPU Time"))?,
        // Spark before 3.1 does not write it.
        peak_memory: if keys.comes(key!("Peak Execution Memory")) {
            keys.number(key!("Peak Execution Memory"))?
        } else {
            0
        },
        gc: keys.number(key!("JVM GC Time"))?,
        serialise: keys.number(key!("Result Serialization Time"))?,
        memory_spilled: keys.number(key!("Memory Bytes Spilled"))?,
        spilled: keys.number(key!("Disk Bytes Spilled"))?,
        fetch_wait: keys.number(key!("Fetch Wait Time"))?,
        remote_read: keys.number(key!("Remote Bytes Read"))?,
        local_read: keys.number(key!("Local Bytes Read"))?,
        records_read: keys.number(key!("Total Records Read"))?,
        shuffle_written: keys.number(key!("Shuffle Bytes Written"))?,
        shuffle_write_ns: keys.number(key!("Shuffle Write Time"))?,
        shuffle_records_written: keys.number(key!("Shuffle Records Written"))?,
        input_bytes: keys.number(key!("Bytes Read"))?,
        input_records: keys.number(key!("Records Read"))?,
        output_bytes: keys.number(key!("Bytes Written"))?,
        output_records: keys.number(key!("Records Written"))?,
    };
    metrics.spilled = metrics.spilled.saturating_add(metrics.memory_spilled);
    Some(metrics)
}

/// A line and how far it was read.
struct Keys<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Keys<'a> {
    /// Goes behind the next `key`.
    fn after(&mut self, key: &Finder<'static>) -> Option<()> {
        let rest = &self.line[self.at..];
        // Mostly the key is the next thing after a comma.
        let found = match rest.get(1..) {
            Some(next) if next.starts_with(key.needle()) => 1,
            _ => key.find(rest)?,
        };
        self.at += found + key.needle().len();
        Some(())
    }

    /// Whether `key` is the next thing after a comma.
    fn comes(&self, key: &Finder<'static>) -> bool {
        self.line.get(self.at + 1..).is_some_and(|next| next.starts_with(key.needle()))
    }

    /// A whole number that ends where a value ends; negative ones and those beyond any real count are left to the full
    /// parser.
    fn number(&mut self, key: &Finder<'static>) -> Option<i64> {
        self.after(key)?;
        let rest = &self.line[self.at..];
        let mut value = 0i64;
        let mut digits = 0;
        for &byte in rest.iter().take(16) {
            if !byte.is_ascii_digit() {
                break;
            }
            value = value * 10 + i64::from(byte - b'0');
            digits += 1;
        }
        self.at += digits;
        let ends = matches!(self.line.get(self.at), Some(b',' | b'}'));
        (digits > 0 && ends && value < 1 << 42).then_some(value)
    }

    fn text(&mut self, key: &Finder<'static>) -> Option<&'a str> {
        self.after(key)?;
        let rest = self.line.get(self.at..)?.strip_prefix(b"\"")?;
        let end = memchr::memchr2(b'"', b'\\', rest).filter(|&end| rest[end] == b'"')?;
        self.at += end + 2;
        std::str::from_utf8(&rest[..end]).ok()
    }

    fn flag(&mut self, key: &Finder<'static>) -> Option<bool> {
        self.after(key)?;
        let rest = &self.line[self.at..];
        match rest {
            [b't', b'r', b'u', b'e', ..] => Some(true),
            [b'f', b'a', b'l', b's', b'e', ..] => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, parse_fully};
    use super::*;

    const LINE: &str = r#"{"Event":"SparkListenerTaskEnd","Stage ID":3,"Stage Attempt ID":0,"Task Type":"ResultTask","Task End Reason":{"Reason":"Success"},"Task Info":{"Task ID":9,"Index":1,"Attempt":0,"Partition ID":1,"Launch Time":1795252937945,"Executor ID":"driver","Host":"h","Locality":"PROCESS_LOCAL","Speculative":false,"Getting Result Time":0,"Finish Time":1795252938149,"Failed":false,"Killed":false,"Accumulables":[{"ID":38,"Name":"a \"Launch Time\":5","Update":1}]},"Task Executor Metrics":{"JVMHeapMemory":0},"Task Metrics":{"Executor Deserialize Time":7,"Executor Deserialize CPU Time":22,"Executor Run Time":330,"Executor CPU Time":140488893,"Peak Execution Memory":21,"Result Size":1957,"JVM GC Time":19,"Result Serialization Time":20,"Memory Bytes Spilled":1,"Disk Bytes Spilled":2,"Shuffle Read Metrics":{"Remote Blocks Fetched":0,"Local Blocks Fetched":0,"Fetch Wait Time":4,"Remote Bytes Read":5,"Remote Bytes Read To Disk":0,"Local Bytes Read":6,"Total Records Read":8},"Shuffle Write Metrics":{"Shuffle Bytes Written":10,"Shuffle Write Time":11,"Shuffle Records Written":12},"Input Metrics":{"Bytes Read":13,"Records Read":14},"Output Metrics":{"Bytes Written":15,"Records Written":16},"Updated Blocks":[]}}"#;

    #[test]
    fn reads_what_the_full_parser_reads() {
        let quick = task_end(LINE.as_bytes()).unwrap();
        assert_eq!(parse_fully(LINE.as_bytes()).unwrap(), Event::TaskEnd(quick));
    }

    #[test]
    fn anything_unusual_is_left_to_the_full_parser() {
        for (from, to) in [
            ("\"Success\"", "\"TaskKilled\""),
            ("\"Executor Run Time\":330", "\"Executor Run Time\":\"330\""),
            ("\"Executor Run Time\":330", "\"Executor Run Time\":-1"),
            ("\"Executor Run Time\":330", "\"Executor Run Time\":3.5"),
            ("\"Fetch Wait Time\":4,", ""),
            ("\"Speculative\":false", "\"Speculative\":null"),
            ("\"Killed\":false", "\"Killed\":true"),
            ("\"driver\"", "\"dri\\u0076er\""),
            ("}}", "}"),
        ] {
            assert_eq!(task_end(LINE.replace(from, to).as_bytes()), None, "{to}");
        }
    }
}
