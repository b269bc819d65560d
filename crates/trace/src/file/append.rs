//! A file that grows by whole appends.

use std::fs::File;
use std::io::{self, Write};

/// Collects what is written and hands it to the file in one call at each flush, so that a reader almost never meets a
/// row group without its footer (RF-1).
#[derive(Debug)]
pub(super) struct Append {
    file: File,
    pending: Vec<u8>,
}

impl Append {
    /// Appends to `file`, which is empty.
    pub(super) fn new(file: File) -> Self {
        Self { file, pending: Vec::new() }
    }

    /// Hands everything collected to the file.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

impl Write for Append {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
