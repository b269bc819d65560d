//! How large the pages of columns are, as their heads say (`PageHeader` of Apache Parquet's format, in Thrift's compact
//! protocol). The decoder holds pages whole and makes room for what a head claims, so heads are read before it sees them.
//!
//! Invariant: nothing is allocated here by what a file says.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::input::Jumping;

/// Bytes of pages that may be open at a time, of all columns: writers make pages of about a megabyte.
const MOST_BYTES: u64 = 2 << 30;
/// What any file may have open, however small it is.
const ALWAYS: u64 = 256 << 20;
/// How many times its own length a file may have open beyond that: what a small file claims more is no data.
const TIMES: u64 = 64;

/// Bytes of pages that a file of this length may have open at a time.
pub(super) fn most_open(length: u64) -> u64 {
    length.saturating_mul(TIMES).clamp(ALWAYS, MOST_BYTES)
}

/// The heads of a file's pages.
pub(super) struct Heads {
    file: BufReader<Box<dyn Jumping>>,
    most: u64,
}

impl Heads {
    /// Of a file whose open pages may have so many bytes.
    pub(super) fn new(file: Box<dyn Jumping>, most: u64) -> Heads {
        Heads { file: BufReader::new(file), most }
    }

    /// Refuses columns of a row group whose largest pages, which may be open at one time, are too large together.
    pub(super) fn check<'a>(&mut self, chunks: impl Iterator<Item = &'a ColumnChunkMetaData>) -> Result<()> {
        let mut open = 0u64;
        for chunk in chunks {
            let (start, length) = chunk.byte_range();
            open = open.saturating_add(self.largest(start, length)?);
            if open > self.most {
                return Err(ParquetError::General(format!(
                    "its pages are too large: more than {} MiB of them would be open at a time, which is the bound for a file \
                     of its length",
                    self.most >> 20
                )));
            }
        }
        Ok(())
    }

    /// Bytes of the largest page and of the largest dictionary, which stays open beside it.
    fn largest(&mut self, start: u64, length: u64) -> Result<u64> {
        let end = start.saturating_add(length);
        let (mut at, mut page, mut dictionary) = (start, 0, 0);
        while at < end {
            self.file.seek(SeekFrom::Start(at))?;
            let mut input = Compact { input: &mut self.file, read: 0 };
            let head = input.head()?;
            let largest = if head.kind == DICTIONARY { &mut dictionary } else { &mut page };
            *largest = head.unpacked.max(*largest);
            at = at.saturating_add(input.read).saturating_add(head.packed);
        }
        Ok(page + dictionary)
    }
}

/// `PageType.DICTIONARY_PAGE`.
const DICTIONARY: i64 = 2;

/// What of a head matters here.
#[derive(Debug, Default, PartialEq)]
struct Head {
    kind: i64,
    /// Bytes of the page, unpacked and as they are in the file.
    unpacked: u64,
    packed: u64,
}

/// Structures nested in a head at most; the format has three.
const MOST_NESTED: u32 = 16;

/// Values in Thrift's compact protocol, and how many bytes of them have been read.
struct Compact<R> {
    input: R,
    read: u64,
}

impl<R: Read> Compact<R> {
    fn head(&mut self) -> Result<Head> {
        let (mut head, mut field) = (Head::default(), 0);
        while let Some(kind) = self.field(&mut field)? {
            match (field, kind) {
                (1, I32) => head.kind = self.number()?,
                (2, I32) => head.unpacked = self.size()?,
                (3, I32) => head.packed = self.size()?,
                _ => self.skip(kind, MOST_NESTED)?,
            }
        }
        Ok(head)
    }

    /// The type of the next field and, in `field`, its number; nothing at the end of the structure.
    fn field(&mut self, field: &mut i64) -> Result<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        *field = match byte >> 4 {
            0 => self.number()?,
            further => field.saturating_add(further.into()),
        };
        Ok(Some(byte & 15))
    }

    fn skip(&mut self, kind: u8, nested: u32) -> Result<()> {
        match kind {
            TRUE | FALSE => Ok(()),
            I8 => self.pass(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.pass(8),
            BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            STRUCT if nested > 0 => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, nested - 1)?;
                }
                Ok(())
            }
            // Heads have no lists, sets or maps.
            _ => Err(unsound()),
        }
    }

    fn size(&mut self) -> Result<u64> {
        u64::try_from(self.number()?).map_err(|_| unsound())
    }

    /// A whole number, written zigzag.
    fn number(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(unsound())
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        let passed = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink())?;
        self.read = self.read.saturating_add(passed);
        if passed == bytes { Ok(()) } else { Err(unsound()) }
    }
}

// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

fn unsound() -> ParquetError {
    ParquetError::General("the head of a page is damaged".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Cursor;
    use std::sync::Arc;

    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::DoubleType;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    /// Zeros, 160 kB of them in a page of few bytes.
    fn zeros() -> Vec<u8> {
        let schema =
            Arc::new(parse_message_type("message m { required double a; required double b; }").unwrap());
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            column.typed::<DoubleType>().write_batch(&[0.0; 20_000], None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.into_inner().unwrap()
    }

    fn check(bytes: &[u8], most: u64) -> Result<()> {
        let file = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes))?;
        let group = file.metadata().row_group(0);
        Heads::new(Box::new(Cursor::new(bytes.to_vec())), most).check(group.columns().iter())
    }

    #[test]
    fn what_pages_unpack_to_is_known_before_they_are() {
        let bytes = zeros();
        assert!(bytes.len() < 2000, "{}", bytes.len());
        assert!(check(&bytes, 320_000).is_ok(), "both columns");
        let error = check(&bytes, 319_999).unwrap_err().to_string();
        assert!(error.contains("its pages are too large"), "{error}");
        assert!(check(&bytes[..200], 1 << 20).is_err());
    }

    #[test]
    fn a_small_file_may_open_little() {
        assert_eq!(most_open(1000), 256 << 20);
        assert_eq!(most_open(16 << 20), 1 << 30);
        assert_eq!(most_open(u64::MAX), 2 << 30);
    }

    #[test]
    fn damaged_heads_are_errors() {
        let head = |bytes: &[u8]| Compact { input: bytes, read: 0 }.head();
        let sound = [0x15, 0, 0x15, 0x90, 0x4e, 0x15, 20, 0x2c, 0x15, 2, 0, 0];
        assert_eq!(head(&sound).unwrap(), Head { kind: 0, unpacked: 5000, packed: 10 });
        for end in 0..sound.len() {
            assert!(head(&sound[..end]).is_err(), "{end}");
        }
        assert!(head(&[0x15, 0, 0x15, 1, 0]).is_err(), "a negative size");
        assert!(head(&[0x1c; 100]).is_err(), "structures without end");
        assert!(head(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
    }
}
