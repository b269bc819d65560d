//! The bytes of a file that somebody else wrote: unpacked if it is packed as archives of traces pack theirs.

use std::{
    io::{Cursor, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};

/// The most that a packed file may become, in bytes.
const MOST: u64 = 8 << 30;

/// How a file begins that is no text, and what it then is.
const OTHERS: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it first, or pack it by gzip"),
    (b"\xfd7zXZ", "packed by xz; unpack it first, or pack it by gzip"),
    (b"BZh", "packed by bzip2; unpack it first, or pack it by gzip"),
    (b"\xff\xfe", "text in UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16; save it as UTF-8"),
];

/// All bytes of a file, unpacked if gzip packed it.
///
/// # Errors
/// An unreadable or damaged file, one that is packed otherwise, one of more than 8 GiB.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::Io { doing: "reading", path: path.into(), source };
    let bytes = std::fs::read(path).map_err(failed)?;
    let bytes = if bytes.starts_with(b"\x1f\x8b") {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(Cursor::new(bytes)).take(MOST + 1).read_to_end(&mut unpacked).map_err(failed)?;
        unpacked
    } else {
        bytes
    };
    let what = match OTHERS.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        Some((_, what)) => format!("it is {what}"),
        None if bytes.len() as u64 > MOST => "it becomes more than 8 GiB when it is unpacked".into(),
        None => return Ok(bytes),
    };
    Err(Error::Field { file: path.into(), line: 1, field: "text".into(), what })
}
