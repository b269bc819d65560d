//! What a log is, by its content.

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A Spark event log: one JSON object a line.
    Spark,
    /// A Chrome trace, such as the PyTorch profiler (Kineto) writes.
    Chrome,
    /// A dump of PyTorch's flight recorder, as JSON or as a pickle.
    FlightRecorder,
    /// A run file of our own, or another Parquet table of the same schema.
    RunFile,
}

/// What a text is by its first characters. Damage at the very start should not hide a Spark log, so any early line that
/// names one of its events will do.
pub(super) fn recognise(head: &[u8]) -> Result<Format, String> {
    let start = head.trim_ascii_start();
    if memchr::memmem::find(head, b"\"SparkListener").is_some() {
        return Ok(Format::Spark);
    }
    // A pickle of one of the protocols that PyTorch and Python write.
    if matches!(head, [0x80, 2..=5, ..]) {
        return Ok(Format::FlightRecorder);
    }
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    let is_dump = has(b"\"collective_seq_id\"") || has(b"\"pg_config\"") && has(b"\"entries\"");
    if is_dump && start.first() == Some(&b'{') && !has(b"\"traceEvents\"") {
        return Ok(Format::FlightRecorder);
    }
    let chrome = [
        &b"\"traceEvents\""[..],
        b"\"schemaVersion\"",
        b"\"ph\"",
        b"\"displayTimeUnit\"",
        b"\"deviceProperties\"",
    ];
    if matches!(start.first(), Some(b'{' | b'['))
        && chrome.iter().any(|key| memchr::memmem::find(head, key).is_some())
    {
        return Ok(Format::Chrome);
    }
    if memchr::memmem::find(head, b"\"Event\"").is_some() {
        return Ok(Format::Spark);
    }
    match start {
        [] => Err("it is empty".to_owned()),
        _ => {
            let words = String::from_utf8_lossy(&start[..start.len().min(40)]);
            let words: Vec<&str> = words.split_whitespace().collect();
            Err(format!("it starts with `{}`", words.join(" ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_format() {
        assert_eq!(recognise(b"{\"Event\":\"SparkListenerLogStart\"}"), Ok(Format::Spark));
        assert_eq!(recognise(b"garbage\n{\"Event\":\"SparkListenerLogStart\"}"), Ok(Format::Spark));
        assert_eq!(recognise(b"{\n  \"schemaVersion\": 1, \"traceEvents\": ["), Ok(Format::Chrome));
        assert_eq!(recognise(b"[{\"ph\":\"X\",\"ts\":1}]"), Ok(Format::Chrome));
        assert_eq!(recognise(b"{\"entries\":[{\"collective_seq_id\":1"), Ok(Format::FlightRecorder));
        assert_eq!(recognise(b"\x80\x02}q\x00"), Ok(Format::FlightRecorder));
        assert!(recognise(b"").unwrap_err().contains("empty"));
        assert!(recognise(b"label,x,y\n").unwrap_err().contains("label,x,y"));
    }
}
