//! What a log is, by its content.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::codec::{Notes, unpack};
use super::rolling;
use crate::Error;

/// How many characters decide what a text is.
const PEEK: u64 = 64 << 10;

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

/// A recognised log.
pub struct Opened {
    /// What it is.
    pub format: Format,
    /// Where it is.
    pub path: PathBuf,
    /// Its plain text; empty for [`Format::RunFile`], which is read by its path.
    pub text: Box<dyn Read + Send>,
    notes: Notes,
}

impl Opened {
    /// A handle to what the decoders note while the text is read.
    pub(crate) fn notes(&self) -> impl FnOnce() -> Vec<String> + use<> {
        let notes = Arc::clone(&self.notes);
        move || std::mem::take(&mut *notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opens the log at `path`: a file, or the folder of a rolling log.
pub fn open(path: &Path) -> Result<Opened, Error> {
    let notes = Notes::default();
    let files = if path.is_dir() { rolling_files(path)? } else { vec![path.to_owned()] };
    if let [file] = &files[..]
        && is_parquet(file)?
    {
        return Ok(Opened {
            format: Format::RunFile,
            path: file.clone(),
            text: Box::new(io::empty()),
            notes,
        });
    }
    let mut text = Chain { files: files.into(), current: None, notes: Arc::clone(&notes) };
    let mut head = Vec::new();
    text.by_ref().take(PEEK).read_to_end(&mut head).map_err(Error::io("read", path))?;
    let format = recognise(&head).map_err(|why| Error::Unrecognised { path: path.to_owned(), why })?;
    Ok(Opened { format, path: path.to_owned(), text: Box::new(Cursor::new(head).chain(text)), notes })
}

fn rolling_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if let Some(files) = rolling::event_files(folder)? {
        return Ok(files);
    }
    let inside =
        rolling::only_log_inside(folder)?.map(|inside| rolling::event_files(&inside)).transpose()?.flatten();
    inside.ok_or_else(|| Error::Unrecognised {
        path: folder.to_owned(),
        why: "it is a folder without `events_<n>_<app>` files; for a folder of logs use `syncline trace survey`".to_owned(),
    })
}

fn is_parquet(file: &Path) -> Result<bool, Error> {
    let mut head = Vec::new();
    let opened = File::open(file).map_err(Error::io("read", file))?;
    opened.take(4).read_to_end(&mut head).map_err(Error::io("read", file))?;
    Ok(head == b"PAR1")
}

/// What a text is by its first characters. Damage at the very start should not hide a Spark log, so any early line that
/// names one of its events will do.
fn recognise(head: &[u8]) -> Result<Format, String> {
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
        _ => Err(format!(
            "it starts with `{}`",
            String::from_utf8_lossy(&start[..start.len().min(40)]).escape_debug()
        )),
    }
}

/// Several packed files as one text. A line never spans two files: what the cut end of one lacks is not in the next.
struct Chain {
    files: VecDeque<PathBuf>,
    current: Option<Box<dyn Read + Send>>,
    notes: Notes,
}

impl Read for Chain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                match current.read(buffer)? {
                    0 => self.current = None,
                    count => return Ok(count),
                }
            }
            let Some(path) = self.files.pop_front() else { return Ok(0) };
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let packed = BufReader::with_capacity(256 << 10, File::open(&path)?);
            let plain = unpack(Box::new(packed), name, &self.notes)?;
            self.current =
                Some(if self.files.is_empty() { plain } else { Box::new(plain.chain(&b"\n"[..])) });
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
