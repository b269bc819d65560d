//! Archives (zip) of logs, such as a Spark history server gives out: one member an attempt, or the files of a rolling log
//! in a folder of their own.
//!
//! Members are read where they lie, as streams, so an archive may be larger than memory and may unpack to anything. Their names order
//! them and are shown; they never become paths. `rawzip` finds the members, `flate2` unpacks them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, RangeReader, ZipArchive,
    ZipArchiveEntryWayfinder, ZipFileHeaderRecord, ZipLocator,
};

use super::blocks::damage;
use super::rolling;

/// An archive that was opened.
pub(super) struct Archive {
    zip: ZipArchive<Arc<FileReader>>,
    /// Its logs, in order of their attempts.
    pub logs: Vec<Inside>,
}

/// A log in an archive.
pub(super) struct Inside {
    /// What it is called there: a file, or the folder of a rolling log.
    pub name: String,
    /// Its files, in order.
    pub files: Vec<Member>,
}

/// A file in an archive.
#[derive(Clone)]
pub(super) struct Member {
    /// What it is called there.
    pub name: String,
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    checksum: u32,
    is_encrypted: bool,
}

/// Members of an archive that are looked at: those of a history server have as many as there are attempts and files of
/// rolling logs. More are refused, because their names are kept in memory.
const MOST: usize = 100_000;

impl Archive {
    /// Finds the logs in `file`. The error says what is wrong with the archive.
    pub fn open(file: File) -> Result<Self, String> {
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let file = Arc::new(FileReader::from(file));
        let zip = ZipLocator::new().locate_in_reader(file, &mut buffer, length).map_err(|(_, error)| {
            format!("its zip directory cannot be read, so it was cut or is damaged ({error})")
        })?;
        let mut files: Vec<Member> = Vec::new();
        let mut entries = zip.entries(&mut buffer);
        let unreadable = |error| format!("its zip directory is damaged ({error})");
        while let Some(entry) = entries.next_entry().map_err(unreadable)? {
            files.extend(Member::of(&entry));
            if files.len() > MOST {
                return Err(format!("it is a zip archive of more than {MOST} files"));
            }
        }
        Ok(Self { zip, logs: logs(files) })
    }

    /// The bytes of a file, unpacked.
    pub fn read(&self, member: &Member) -> io::Result<Box<dyn BufRead + Send>> {
        if member.is_encrypted {
            return Err(damage("it is encrypted"));
        }
        let entry = self.zip.get_entry(member.place).map_err(|error| damage(error.to_string()))?;
        let (from, to) = entry.compressed_data_range();
        let range = RangeReader::new(Arc::clone(self.zip.get_ref()), from..to);
        let packed = BufReader::with_capacity(64 << 10, range);
        let plain: Box<dyn Read + Send> = match member.method {
            CompressionMethod::STORE => Box::new(packed),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(packed)),
            other => return Err(damage(format!("it is packed by a method that is not read here ({other})"))),
        };
        let checked = Checked { plain: CrcReader::new(plain), checksum: member.checksum };
        Ok(Box::new(BufReader::with_capacity(256 << 10, checked)))
    }
}

impl Member {
    /// The file of an entry; `None` for folders, empty files and what systems put into archives for themselves.
    fn of(entry: &ZipFileHeaderRecord<'_>) -> Option<Self> {
        let path = entry.file_path();
        let name = String::from_utf8_lossy(path.as_ref()).into_owned();
        let is_hidden = base(&name).starts_with('.') || name.starts_with("__MACOSX/");
        let is_empty = entry.uncompressed_size_hint() == 0;
        (!entry.is_dir() && !is_empty && !is_hidden).then(|| Self {
            name,
            place: entry.wayfinder(),
            method: entry.compression_method(),
            checksum: entry.crc32(),
            is_encrypted: entry.flags().is_encrypted(),
        })
    }
}

/// A member's name without its folders.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The logs that files make up: those of one folder that are numbered are one log, every other file is its own.
fn logs(files: Vec<Member>) -> Vec<Inside> {
    let mut folders: BTreeMap<String, Vec<rolling::Numbered<Member>>> = BTreeMap::new();
    let mut logs = Vec::new();
    for file in files {
        let folder = file.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        match rolling::numbered(base(&file.name), file.clone()) {
            Some(numbered) => folders.entry(folder).or_default().push(numbered),
            None => logs.push(Inside { name: file.name.clone(), files: vec![file] }),
        }
    }
    logs.extend(folders.into_iter().map(|(folder, files)| {
        let files: Vec<Member> = rolling::in_order(files).into_iter().map(|file| file.file).collect();
        let name = if folder.is_empty() { files[0].name.clone() } else { folder };
        Inside { name, files }
    }));
    logs.sort_by(|one, other| (attempt(&one.name), &one.name).cmp(&(attempt(&other.name), &other.name)));
    logs
}

/// The number of an attempt, as Spark names its logs: `<application>_<attempt>[.<codec>][.inprogress]`.
fn attempt(name: &str) -> u64 {
    let stem = base(name).split('.').next().unwrap_or_default();
    stem.rsplit_once('_').and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or(0)
}

/// Compares what was read with the checksum that the directory states.
struct Checked<R> {
    plain: CrcReader<R>,
    checksum: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.plain.crc().sum() != self.checksum {
            return Err(damage("its checksum is another one"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_told_by_the_end_of_the_name() {
        assert_eq!(attempt("app-20261121092843-0000_2.zstd"), 2);
        assert_eq!(attempt("eventlog_v2_app-20261121092843-0000_12"), 12);
        assert_eq!(attempt("local-1795252935288"), 0);
        assert_eq!(attempt("folder_9/local-1795252935288.inprogress"), 0);
    }
}
