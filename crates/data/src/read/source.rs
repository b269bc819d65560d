//! The bytes of a file, decompressed. Compression is recognised by its magic number, so that a wrong or missing
//! extension does no harm. Invariant: one line costs at most [`LONGEST_LINE`] bytes of memory, whatever the file holds.

use super::{formats, line_error};
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The longest line that is read: 64 MiB.
pub(super) const LONGEST_LINE: usize = 64 << 20;

const BUFFER: usize = 1 << 17;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An open file of data.
pub struct Source {
    path: PathBuf,
    input: Box<dyn BufRead>,
    line: u64,
}

impl Source {
    /// Opens a file and looks whether it is compressed.
    pub(super) fn open(path: &Path) -> Result<Source> {
        let io = |source| Error::Io { action: "open", path: path.into(), source };
        if path.is_dir() {
            return Err(Error::File {
                path: path.into(),
                message: "this is a folder, not a file of data".into(),
            });
        }
        let mut file = BufReader::with_capacity(BUFFER, File::open(path).map_err(io)?);
        let start = file.fill_buf().map_err(io)?;
        let input: Box<dyn BufRead> = if start.starts_with(&GZIP) {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)))
        } else if start.starts_with(&ZSTANDARD) {
            let decoder = zstd::stream::read::Decoder::with_buffer(file).map_err(io)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        } else {
            Box::new(file)
        };
        Ok(Source { path: path.into(), input, line: 0 })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first decompressed bytes, not consumed.
    pub(super) fn start(&mut self) -> Result<&[u8]> {
        let path = &self.path;
        self.input.fill_buf().map_err(|source| Error::Io { action: "read", path: path.clone(), source })
    }

    /// Refuses what cannot be text, before a reader of text looks for numbers in it.
    pub(super) fn expect_text(&mut self) -> Result<()> {
        match self.start()?.contains(&0) {
            true => Err(self.error(formats("this is a binary file"))),
            false => Ok(()),
        }
    }

    /// The extension in lower case, that of the compression taken off.
    pub(super) fn extension(&self) -> String {
        let of =
            |path: &Path| path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match of(&self.path).as_str() {
            "gz" | "zst" => of(Path::new(self.path.file_stem().unwrap_or_default())),
            plain => plain.into(),
        }
    }

    /// All decompressed bytes, for formats that are no stream.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.input.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(source) => Err(Error::Io { action: "read", path: self.path, source }),
        }
    }

    /// Reads the next line into `line`, without its end; `false` at the end of the file.
    pub(super) fn next_line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
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
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The path, and the bytes as a stream that ends in an error if a record is too long.
    pub(super) fn into_records(self) -> (PathBuf, Bounded, Rc<Cell<usize>>) {
        let unread = Rc::new(Cell::new(0));
        (self.path, Bounded { input: self.input, since_record: unread.clone() }, unread)
    }

    /// An error in the file as a whole.
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::File { path: self.path.clone(), message: message.into() }
    }

    /// An error in the line read last.
    pub(super) fn error_here(&self, message: impl Into<String>) -> Error {
        line_error(&self.path, self.line, message)
    }
}

/// A stream that counts the bytes handed out since its reader last finished a record (and set the count to 0).
/// A quote that is never closed makes the rest of a file one record; this bounds it.
pub(super) struct Bounded {
    input: Box<dyn BufRead>,
    since_record: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        self.since_record.set(self.since_record.get() + bytes);
        if self.since_record.get() > LONGEST_LINE { Err(too_long()) } else { Ok(bytes) }
    }
}

fn too_long() -> io::Error {
    let message = format!(
        "the line is longer than {} MiB: is a line end or a closing quote missing?",
        LONGEST_LINE >> 20
    );
    io::Error::new(io::ErrorKind::InvalidData, message)
}
