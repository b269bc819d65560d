//! The end of a run file: written after each flush, looked for from the back when the end is torn.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;

use super::schema::RUN_KEY;
use crate::RunInfo;

/// How far from the end an earlier footer is looked for. One flush is far smaller.
const SEARCH: u64 = 256 << 20;

/// Writes a footer that lists every row group so far. The writer stays usable: what follows goes behind the footer.
pub(super) fn write<W: Write + Send>(writer: &mut SerializedFileWriter<W>, info: &RunInfo) -> Result<usize> {
    let json = serde_json::to_string(info).map_err(|error| ParquetError::External(error.into()))?;
    let groups = writer.flushed_row_groups().to_vec();
    let metadata = FileMetaData::new(
        writer.properties().writer_version().as_num(),
        groups.iter().map(|group| group.num_rows()).sum(),
        Some(writer.properties().created_by().to_owned()),
        Some(vec![KeyValue::new(RUN_KEY.to_owned(), json)]),
        writer.schema_descr().clone().into(),
        None,
    );
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &ParquetMetaData::new(metadata, groups)).finish()?;
    writer.write_all(&footer)?;
    Ok(footer.len())
}

/// The first `length` bytes of a file, as a Parquet source.
#[derive(Debug)]
pub(super) struct Prefix {
    file: File,
    length: u64,
}

impl Prefix {
    /// The whole file as long as it is now.
    pub(super) fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// The longest shorter prefix that ends like a Parquet file; `None` when there is none within reach.
    pub(super) fn shorter(&self) -> io::Result<Option<Self>> {
        const WINDOW: u64 = 64 << 10;
        let floor = self.length.saturating_sub(SEARCH);
        // The prefix must shrink, or a torn tail that itself ends in the magic would be tried for ever.
        let mut end = self.length.saturating_sub(1);
        let mut window = Vec::new();
        while end > floor + 4 {
            let start = end.saturating_sub(WINDOW).max(floor);
            window.resize((end - start) as usize, 0);
            let mut file = &self.file;
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut window)?;
            if let Some(found) = window.windows(4).rposition(|bytes| bytes == b"PAR1") {
                let length = start + found as u64 + 4;
                return Ok(Some(Self { file: self.file.try_clone()?, length }));
            }
            end = start + 3;
        }
        Ok(None)
    }

    /// How many bytes belong to it.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Length for Prefix {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Prefix {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match start.checked_add(length as u64) {
            Some(end) if end <= self.length => self.file.get_bytes(start, length),
            _ => Err(ParquetError::EOF(format!("{length} bytes at {start} reach past the end"))),
        }
    }
}
