//! From a path to the logs that it leads to, and from a log to its text.
//!
//! A path leads to a log (a file, the folder of a rolling log, a pipe), to an archive of several, or to a Spark history server.
//! Each file is opened once and read from its start to its end, so that a pipe will do.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::archive::Archive;
use super::codec::{Notes, note};
use super::format::{Format, recognise};
use super::pieces::{Chain, Piece};
use super::{history, rolling};
use crate::Error;

/// How many characters decide what a text is.
const PEEK: u64 = 64 << 10;

/// A recognised log.
pub struct Opened {
    /// What it is.
    pub format: Format,
    /// The path that led to it.
    pub path: PathBuf,
    /// What it is called in a report: its path, and in an archive also its name there.
    pub source: String,
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

/// A log that a path leads to.
pub(crate) struct Log {
    path: PathBuf,
    source: String,
    place: Place,
}

/// Where a log lies.
enum Place {
    /// In a run file.
    RunFile,
    /// In these files.
    Pieces(Vec<Piece>),
    /// In an archive, by its number there.
    Inside(Arc<Archive>, usize),
}

impl Log {
    /// Whether it is one of several files in an archive, not all of which need be logs.
    pub fn is_inside(&self) -> bool {
        matches!(self.place, Place::Inside(..))
    }

    /// What it is called in a report.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Opens it and looks what it is.
    pub fn open(self) -> Result<Opened, Error> {
        let Self { path, source, place } = self;
        let notes = Notes::default();
        let pieces = match place {
            Place::RunFile => {
                return Ok(Opened {
                    format: Format::RunFile,
                    path,
                    source,
                    text: Box::new(io::empty()),
                    notes,
                });
            }
            Place::Pieces(pieces) => pieces,
            Place::Inside(archive, at) => {
                let member = |member: &_| Piece::Member(Arc::clone(&archive), Clone::clone(member));
                archive.logs[at].files.iter().map(member).collect()
            }
        };
        let mut text = Chain::new(pieces, Arc::clone(&notes));
        let mut head = Vec::new();
        let read = text.by_ref().take(PEEK).read_to_end(&mut head);
        if head.is_empty() {
            // What was read is used although the rest cannot be: whoever reads on is told.
            read.map_err(Error::io("read", Path::new(&source)))?;
        }
        let format =
            recognise(&head).map_err(|why| Error::Unrecognised { path: PathBuf::from(&source), why })?;
        Ok(Opened { format, path, source, text: Box::new(Cursor::new(head).chain(text)), notes })
    }
}

/// Opens the log at `path`: a file, the folder of a rolling log, or an address of a Spark history server. Of several attempts in an
/// archive it is the last one, which is noted.
pub fn open(path: &Path) -> Result<Opened, Error> {
    let mut logs = logs(path)?;
    let others = logs.len() - 1;
    let last = logs.pop().ok_or_else(|| empty_archive(path))?;
    let opened = last.open()?;
    if others > 0 {
        let what =
            format!("of {} logs in the archive only the last is looked at, {}", others + 1, opened.source);
        note(&opened.notes, what);
    }
    Ok(opened)
}

/// The logs that `path` leads to, at least one; those of an archive in order of their attempts.
pub(crate) fn logs(path: &Path) -> Result<Vec<Log>, Error> {
    let source = path.display().to_string();
    if let Some(address) = history::address(path) {
        let archive = Archive::open(history::download(address)?);
        let archive = archive.map_err(|why| Error::Server { address: address.to_owned(), why })?;
        return inside(path, archive);
    }
    let log = |place| Ok(vec![Log { path: path.to_owned(), source, place }]);
    if path.is_dir() {
        return log(Place::Pieces(rolling_files(path)?.into_iter().map(Piece::File).collect()));
    }
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut head = Vec::new();
    file.by_ref().take(4).read_to_end(&mut head).map_err(Error::io("read", path))?;
    match &head[..] {
        b"PAR1" => log(Place::RunFile),
        b"PK\x03\x04" | b"PK\x05\x06" => {
            let archive = Archive::open(file);
            inside(path, archive.map_err(|why| Error::Unrecognised { path: path.to_owned(), why })?)
        }
        _ => log(Place::Pieces(vec![Piece::Opened(path.to_owned(), head, file)])),
    }
}

/// The logs of an archive.
fn inside(path: &Path, archive: Archive) -> Result<Vec<Log>, Error> {
    let archive = Arc::new(archive);
    let log = |(at, inside): (usize, &super::archive::Inside)| Log {
        path: path.to_owned(),
        source: format!("{} ({})", path.display(), inside.name),
        place: Place::Inside(Arc::clone(&archive), at),
    };
    let logs: Vec<Log> = archive.logs.iter().enumerate().map(log).collect();
    if logs.is_empty() { Err(empty_archive(path)) } else { Ok(logs) }
}

fn empty_archive(path: &Path) -> Error {
    Error::Empty { path: path.to_owned(), why: "the archive has no log in it".to_owned() }
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
