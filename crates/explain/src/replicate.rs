//! Makes a large Spark log of a small one: the same jobs again and again, with new numbers and later times. For measuring
//! readers, not for explaining anything.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use crate::Error;
use crate::source::{Format, open};

/// Numbers that count something that must be unique.
const COUNTERS: [&str; 5] =
    ["\"Job ID\":", "\"Stage ID\":", "\"Task ID\":", "\"Stage IDs\":[", "\"Parent IDs\":["];

/// Times that move on.
const TIMES: [&str; 6] = [
    "\"Timestamp\":",
    "\"Submission Time\":",
    "\"Completion Time\":",
    "\"Launch Time\":",
    "\"Finish Time\":",
    "\"Getting Result Time\":",
];

/// A piece of a line.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Count(u64),
    Time(u64),
}

/// Writes the Spark log at `from` to `to`, its jobs `times` times. Returns the bytes written.
pub fn replicate(from: &Path, to: &Path, times: u64) -> Result<u64, Error> {
    let mut opened = open(from)?;
    if opened.format != Format::Spark {
        return Err(Error::Usage(format!("{} is no Spark log; only those are replicated", from.display())));
    }
    let mut text = Vec::new();
    opened.text.read_to_end(&mut text).map_err(Error::io("read", from))?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    // What comes before the first job and after the last one's end stands once.
    let is_job = |line: &str| line.contains("\"SparkListenerJobStart\"");
    let is_end = |line: &str| line.contains("\"SparkListenerApplicationEnd\"");
    let first = lines.iter().position(|line| is_job(line)).unwrap_or(lines.len());
    let last = lines.iter().position(|line| is_end(line)).unwrap_or(lines.len()).max(first);
    let pieces: Vec<Vec<Piece<'_>>> = lines[first..last].iter().map(|line| cut(line)).collect();
    let bounds = Bounds::of(&pieces);
    let file = File::create(to).map_err(Error::io("write", to))?;
    let mut out = Counted { inner: BufWriter::with_capacity(1 << 20, file), bytes: 0 };
    let write = |out: &mut Counted<BufWriter<File>>| -> std::io::Result<()> {
        for line in &lines[..first] {
            writeln!(out, "{line}")?;
        }
        for replica in 0..times {
            for line in &pieces {
                write_line(out, line, replica * bounds.counts, replica * bounds.span)?;
            }
        }
        for line in &lines[last..] {
            write_line(out, &cut(line), 0, times.saturating_sub(1) * bounds.span)?;
        }
        out.inner.flush()
    };
    write(&mut out).map_err(Error::io("write", to))?;
    Ok(out.bytes)
}

/// How far one replica is from the next.
struct Bounds {
    counts: u64,
    span: u64,
}

impl Bounds {
    fn of(lines: &[Vec<Piece<'_>>]) -> Self {
        let (mut counts, mut first, mut last) = (0, u64::MAX, 0);
        for piece in lines.iter().flatten() {
            match *piece {
                Piece::Count(count) => counts = counts.max(count + 1),
                Piece::Time(time) if time > 0 => (first, last) = (first.min(time), last.max(time)),
                _ => {}
            }
        }
        Self { counts, span: last.saturating_sub(first) + 50 }
    }
}

fn write_line(out: &mut impl Write, pieces: &[Piece<'_>], count: u64, later: u64) -> std::io::Result<()> {
    for piece in pieces {
        match *piece {
            Piece::Text(text) => out.write_all(text.as_bytes())?,
            Piece::Count(number) => write!(out, "{}", number + count)?,
            // 0 says that something never happened.
            Piece::Time(0) => out.write_all(b"0")?,
            Piece::Time(time) => write!(out, "{}", time + later)?,
        }
    }
    out.write_all(b"\n")
}

/// Cuts a line at the numbers that change.
fn cut(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut done, mut at) = (0, 0);
    while let Some(quote) = line[at..].find('"') {
        let key = at + quote;
        let rest = &line[key..];
        let find = |keys: &[&str]| keys.iter().find(|key| rest.starts_with(**key)).map(|key| key.len());
        let (length, is_time) = match (find(&COUNTERS), find(&TIMES)) {
            (Some(length), _) => (length, false),
            (_, Some(length)) => (length, true),
            _ => {
                at = key + 1;
                continue;
            }
        };
        at = key + length;
        // Lists hold several numbers.
        loop {
            let digits = line[at..].bytes().take_while(u8::is_ascii_digit).count();
            let Ok(number) = line[at..at + digits].parse() else { break };
            pieces.push(Piece::Text(&line[done..at]));
            pieces.push(if is_time { Piece::Time(number) } else { Piece::Count(number) });
            at += digits;
            done = at;
            if !line[at..].starts_with(',') || !line[at + 1..].starts_with(|next: char| next.is_ascii_digit())
            {
                break;
            }
            at += 1;
        }
    }
    pieces.push(Piece::Text(&line[done..]));
    pieces
}

/// Counts what passes.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_must_be_unique_are_found() {
        let line =
            r#"{"Stage IDs":[3,4],"Launch Time":17,"Getting Result Time":0,"Index":2,"Parent IDs":[]}"#;
        let mut out = Vec::new();
        write_line(&mut out, &cut(line), 100, 1000).unwrap();
        let expected =
            r#"{"Stage IDs":[103,104],"Launch Time":1017,"Getting Result Time":0,"Index":2,"Parent IDs":[]}"#;
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), expected);
    }
}
