//! A text in several packed pieces: the files of a rolling log, wherever they lie.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::archive::{Archive, Member};
use super::codec::{Notes, note, unpack};

/// Where a piece lies.
pub(super) enum Piece {
    /// In a file that is still to be opened.
    File(PathBuf),
    /// In a file that was opened and whose first bytes were read. A pipe can be opened but once.
    Opened(PathBuf, Vec<u8>, File),
    /// In an archive.
    Member(Arc<Archive>, Member),
}

impl Piece {
    /// What it is called.
    fn name(&self) -> String {
        let path = match self {
            Self::File(path) | Self::Opened(path, ..) => path,
            Self::Member(_, member) => return member.name.clone(),
        };
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Its bytes, as they lie there.
    fn open(self) -> io::Result<Box<dyn BufRead + Send>> {
        const BUFFER: usize = 256 << 10;
        Ok(match self {
            Self::File(path) => Box::new(BufReader::with_capacity(BUFFER, File::open(path)?)),
            Self::Opened(_, head, file) => {
                Box::new(BufReader::with_capacity(BUFFER, Cursor::new(head).chain(file)))
            }
            Self::Member(archive, member) => archive.read(&member)?,
        })
    }
}

/// Several packed pieces as one text. A line never spans two pieces: what the cut end of one lacks is not in the next.
pub(super) struct Chain {
    pieces: VecDeque<Piece>,
    current: Option<Box<dyn Read + Send>>,
    notes: Notes,
    /// Whether a piece that cannot be opened is noted and passed over, because others were read.
    has_read: bool,
}

impl Chain {
    /// The text of `pieces` in their order.
    pub fn new(pieces: impl IntoIterator<Item = Piece>, notes: Notes) -> Self {
        Self { pieces: pieces.into_iter().collect(), current: None, notes, has_read: false }
    }

    /// Opens the next piece; `false` if there is none.
    fn advance(&mut self) -> io::Result<bool> {
        let Some(piece) = self.pieces.pop_front() else { return Ok(false) };
        let name = piece.name();
        let plain = piece.open().and_then(|packed| unpack(packed, name.clone(), &self.notes));
        match plain {
            Ok(plain) if self.pieces.is_empty() => self.current = Some(plain),
            Ok(plain) => self.current = Some(Box::new(plain.chain(&b"\n"[..]))),
            Err(error) if self.has_read => note(&self.notes, format!("{name} cannot be read: {error}")),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

impl Read for Chain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                match current.read(buffer)? {
                    0 => self.current = None,
                    count => {
                        self.has_read = true;
                        return Ok(count);
                    }
                }
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}
