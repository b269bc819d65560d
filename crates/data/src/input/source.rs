//! The bytes of a file, decompressed. Compression is recognised by its magic number, so that a wrong or missing
//! extension does no harm. Invariant: one line costs at most [`LONGEST_LINE`] bytes of memory, whatever the file holds.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use super::marks::WithoutMarks;
use crate::{Error, Result};

/// The longest line that is read: 64 MiB.
const LONGEST_LINE: usize = 64 << 20;

/// Delimiters, of any kind, in one row at most. The reader of records keeps a number for each cell, so this bounds it;
/// long texts with commas inside stay below it.
const MOST_DELIMITERS: usize = 1 << 20;

const BUFFER: usize = 1 << 17;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: [u8; 3] = *b"BZh";
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// An open file of data.
pub(crate) struct Source {
    path: PathBuf,
    input: Box<dyn BufRead>,
    line: u64,
    compressed: bool,
}

impl Source {
    /// Opens a file, or what was kept of a stream, and looks whether it is compressed.
    pub(super) fn open(path: &Path, content: Option<Arc<[u8]>>) -> Result<Source> {
        let io = |source| Error::Io { action: "open", path: path.into(), source };
        if content.is_none() && path.is_dir() {
            return Err(Error::File {
                path: path.into(),
                message: "this is a folder, not a file of data".into(),
            });
        }
        let mut input: Box<dyn BufRead> = match content {
            Some(content) => Box::new(Cursor::new(content)),
            None => Box::new(BufReader::with_capacity(BUFFER, File::open(path).map_err(io)?)),
        };
        let start = input.fill_buf().map_err(io)?;
        let compressed = [&GZIP[..], &ZSTANDARD, &BZIP2, &XZ].iter().any(|magic| start.starts_with(magic));
        let input: Box<dyn BufRead> = if start.starts_with(&GZIP) {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input)))
        } else if start.starts_with(&ZSTANDARD) {
            let decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(io)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        } else if start.starts_with(&BZIP2) {
            Box::new(BufReader::with_capacity(BUFFER, bzip2::bufread::MultiBzDecoder::new(input)))
        } else if start.starts_with(&XZ) {
            Box::new(BufReader::with_capacity(BUFFER, lzma_rust2::XzReader::new(input, true)))
        } else {
            input
        };
        Ok(Source { path: path.into(), input, line: 0, compressed })
    }

    /// Whether what it hands out is not what the file holds.
    #[cfg(any(feature = "npy", feature = "parquet"))]
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The first decompressed bytes, not consumed.
    pub(crate) fn start(&mut self) -> Result<&[u8]> {
        let path = &self.path;
        self.input.fill_buf().map_err(|source| Error::Io { action: "read", path: path.clone(), source })
    }

    /// The first bytes of a text, enough of them for some lines, not consumed; and whether they are all of it.
    ///
    /// Decompressors hand out as little as they like, so the bytes are put together and chained before the rest.
    pub(crate) fn start_of_text(&mut self) -> Result<(&[u8], bool)> {
        let failed = |source| Error::Io { action: "read", path: self.path.clone(), source };
        let mut start = Vec::new();
        (&mut self.input).take(BUFFER as u64).read_to_end(&mut start).map_err(failed)?;
        let whole = start.len() < BUFFER;
        let rest = std::mem::replace(&mut self.input, Box::new(io::empty()));
        self.input = Box::new(Cursor::new(start).chain(rest));
        Ok((self.start()?, whole))
    }

    /// The same without the byte order marks that begin lines.
    pub(crate) fn without_marks(mut self) -> Source {
        self.input = Box::new(WithoutMarks::new(self.input));
        self
    }

    /// Refuses what cannot be text, before a reader of text looks for numbers in it.
    pub(crate) fn expect_text(&mut self) -> Result<()> {
        let start = self.start()?;
        let utf_16 = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
        match start.contains(&0) {
            true if utf_16 => Err(self.error("this is text in UTF-16: save it as UTF-8")),
            true => Err(self.error(crate::format::formats("this is a binary file"))),
            false => Ok(()),
        }
    }

    /// The extension in lower case, that of the compression taken off.
    pub(crate) fn extension(&self) -> String {
        let of =
            |path: &Path| path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match of(&self.path).as_str() {
            "gz" | "zst" | "bz2" | "xz" => of(Path::new(self.path.file_stem().unwrap_or_default())),
            plain => plain.into(),
        }
    }

    /// The decompressed bytes as a stream.
    pub(crate) fn into_stream(self) -> Box<dyn BufRead> {
        self.input
    }

    /// Reads the next line into `line`, without its end; `false` at the end of the file.
    pub(crate) fn next_line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        line.clear();
        self.line += 1;
        let read = (&mut self.input).take(LONGEST_LINE as u64).read_until(b'\n', line);
        match read {
            Ok(0) => return Ok(false),
            Ok(LONGEST_LINE) => return Err(self.error_here(too_long().to_string())),
            Ok(_) => {}
            Err(source) => return Err(Error::Io { action: "read", path: self.path.clone(), source }),
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(true)
    }

    /// Number of the line read last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The bytes as a stream that ends in an error if a record is too long, and the count that whoever reads records
    /// sets to zero after each.
    pub(crate) fn into_bounded(self) -> (Bounded, Rc<Cell<usize>>) {
        let since_record = Rc::new(Cell::new(0));
        let bounded = Bounded { input: self.input, since_record: since_record.clone(), delimiters: 0 };
        (bounded, since_record)
    }

    /// An error in the file as a whole.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::File { path: self.path.clone(), message: message.into() }
    }

    /// An error in the line read last.
    pub(crate) fn error_here(&self, message: impl Into<String>) -> Error {
        line_error(&self.path, self.line, message)
    }
}

/// A stream that counts the bytes handed out since its reader last finished a record (and set the count to 0).
/// A quote that is never closed makes the rest of a file one record; this bounds it.
pub(crate) struct Bounded {
    input: Box<dyn BufRead>,
    since_record: Rc<Cell<usize>>,
    delimiters: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        if self.since_record.get() == 0 {
            self.delimiters = 0;
        }
        self.since_record.set(self.since_record.get() + bytes);
        // A row that lies within one buffer is bounded by it.
        if self.since_record.get() > bytes {
            self.delimiters +=
                buffer[..bytes].iter().filter(|byte| matches!(byte, b',' | b';' | b'\t' | b'|')).count();
        }
        match () {
            () if self.since_record.get() > LONGEST_LINE => Err(too_long()),
            () if self.delimiters > MOST_DELIMITERS => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row has more than a million cells: is a line end or a closing quote missing?",
            )),
            () => Ok(bytes),
        }
    }
}

fn too_long() -> io::Error {
    let message = format!(
        "the line is longer than {} MiB: is a line end or a closing quote missing?",
        LONGEST_LINE >> 20
    );
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// An error in a line.
pub(crate) fn line_error(path: &Path, line: u64, message: impl Into<String>) -> Error {
    Error::Line { path: path.into(), line, message: message.into() }
}

/// Text of a file as it is quoted in a message: readable, and no longer than a line of a terminal.
pub(crate) fn quoted(text: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = crate::table::decode(text);
    let shown = shown(&text.chars().take(LONGEST).collect::<String>());
    if text.chars().nth(LONGEST).is_some() { format!("`{shown}...`") } else { format!("`{shown}`") }
}

/// A name from a file as it is told: what is not seen is written out, quotes stay as they are.
pub(crate) fn shown(text: &str) -> String {
    let written =
        |c: char| if matches!(c, '\'' | '"') { c.to_string() } else { c.escape_debug().to_string() };
    text.chars().map(written).collect()
}
