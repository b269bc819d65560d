//! Where data come from: files, and streams that can be read once only, such as standard input.

mod marks;
mod source;

pub(crate) use source::{Bounded, Source, line_error, quoted, shown};

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, Result};

/// What is kept of a stream at most: 1 GiB, as it comes (compressed data stay compressed).
const LONGEST_STREAM: u64 = 1 << 30;

/// A file of data, or the content of a stream.
///
/// Data are read more than once: first to find out what the columns hold, then to take them in. So a stream is read to
/// its end and kept in memory, up to 1 GiB; a file is opened anew each time.
#[derive(Clone, Debug)]
pub struct Input {
    path: PathBuf,
    content: Option<Arc<[u8]>>,
}

impl Input {
    /// A file, or the stream at this path: `-` for standard input, a named pipe, `/dev/stdin`.
    ///
    /// # Errors
    /// When it cannot be opened, is a folder or a device, or is a stream of more than 1 GiB.
    pub fn open(path: impl Into<PathBuf>) -> Result<Input> {
        let path = path.into();
        if !Input::is_stream(&path) {
            return Ok(Input { path, content: None });
        }
        let failed = |source| Error::Io { action: "read", path: path.clone(), source };
        let stream: Box<dyn Read> = match path.to_str() {
            Some("-") => Box::new(io::stdin().lock()),
            _ => Box::new(File::open(&path).map_err(failed)?),
        };
        let content = read_stream(stream).map_err(failed)?;
        Ok(Input { path, content: Some(content.into()) })
    }

    /// Data that are in memory already; `name` stands for them in messages, and its extension tells the format.
    pub fn bytes(name: impl Into<PathBuf>, content: impl Into<Arc<[u8]>>) -> Input {
        Input { path: name.into(), content: Some(content.into()) }
    }

    /// Whether what is at this path can be read once only.
    pub fn is_stream(path: &Path) -> bool {
        // A path that does not exist is no stream: it is told of when it is opened.
        path.to_str() == Some("-") || path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
    }

    /// Its path, or the name that was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its content for formats that are read here and there, and not from start to end. What is compressed as a whole is
    /// unpacked into memory, up to 1 GiB.
    #[cfg(any(feature = "npy", feature = "parquet"))]
    pub(crate) fn content(&self) -> Result<Content> {
        let source = self.source()?;
        let failed = |source| Error::Io { action: "unpack", path: self.path.clone(), source };
        match &self.content {
            _ if source.is_compressed() => {
                Ok(Content::Memory(read_stream(source.into_stream()).map_err(failed)?.into()))
            }
            Some(content) => Ok(Content::Memory(content.clone())),
            None => Ok(Content::File(self.path.clone())),
        }
    }

    /// Bytes that it has as it is stored; 0 where that is not known.
    pub(crate) fn stored(&self) -> u64 {
        match &self.content {
            Some(content) => content.len() as u64,
            None => std::fs::metadata(&self.path).map_or(0, |file| file.len()),
        }
    }

    /// Opens it at its start, decompressed.
    pub(crate) fn source(&self) -> Result<Source> {
        Source::open(&self.path, self.content.clone())
    }
}

/// Where a format that jumps about finds its bytes.
#[cfg(any(feature = "npy", feature = "parquet"))]
pub(crate) enum Content {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

/// What can be read here and there.
#[cfg(any(feature = "npy", feature = "parquet"))]
pub(crate) trait Jumping: Read + io::Seek {}

#[cfg(any(feature = "npy", feature = "parquet"))]
impl<T: Read + io::Seek> Jumping for T {}

#[cfg(any(feature = "npy", feature = "parquet"))]
impl Content {
    /// A reader of its own, at the start.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Jumping>> {
        Ok(match self {
            Content::File(path) => Box::new(File::open(path)?),
            Content::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
        })
    }

    /// Its bytes.
    #[cfg(feature = "parquet")]
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(match self {
            Content::File(path) => std::fs::metadata(path)?.len(),
            Content::Memory(bytes) => bytes.len() as u64,
        })
    }
}

impl From<&str> for Input {
    fn from(path: &str) -> Input {
        Input { path: path.into(), content: None }
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Input {
        Input { path: path.into(), content: None }
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Input {
        Input { path, content: None }
    }
}

/// Reads a stream to its end. One of zeros only (`/dev/zero`) is found out by its first megabyte.
fn read_stream(mut stream: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    stream.by_ref().take(1 << 20).read_to_end(&mut content)?;
    if content.len() == 1 << 20 && content.iter().all(|&byte| byte == 0) {
        return Err(io::Error::other("it holds zeros and no data"));
    }
    stream.take(LONGEST_STREAM - content.len() as u64 + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LONGEST_STREAM {
        let message =
            format!("a stream may have {} GiB at most: save it to a file first", LONGEST_STREAM >> 30);
        return Err(io::Error::other(message));
    }
    Ok(content)
}

/// The files that these paths and patterns name, in the order given: `part-*.csv` stands for all such files, sorted.
///
/// # Errors
/// When a pattern is wrong, or fits no file.
pub fn expand(patterns: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for pattern in patterns {
        let text = pattern.to_str().filter(|text| text.contains(['*', '?', '[']) && !pattern.exists());
        let Some(text) = text else {
            paths.push(pattern.clone());
            continue;
        };
        let fail = |message: String| Error::File { path: pattern.clone(), message };
        let found = glob::glob(text).map_err(|error| fail(format!("this is no usable pattern: {error}")))?;
        let before = paths.len();
        paths.extend(found.filter_map(std::result::Result::ok).filter(|path| !path.is_dir()));
        if paths.len() == before {
            return Err(fail("no file fits this pattern".into()));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b-2.csv", "b-1.csv", "a.csv", "x[1].csv"] {
            std::fs::write(folder.path().join(name), "a,b\n1,2\n").unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        assert_eq!(
            expand(&[at("b-*.csv"), at("a.csv")]).unwrap(),
            [at("b-1.csv"), at("b-2.csv"), at("a.csv")]
        );
        assert_eq!(expand(&[at("x[1].csv")]).unwrap(), [at("x[1].csv")], "a file of this very name");
        assert!(expand(&[at("c-*")]).unwrap_err().to_string().contains("no file fits"));
    }

    #[test]
    fn streams_are_bounded() {
        assert!(read_stream(io::repeat(0)).unwrap_err().to_string().contains("zeros"));
        assert!(read_stream(io::repeat(7)).unwrap_err().to_string().contains("1 GiB at most"));
        assert_eq!(read_stream(&b"a,b"[..]).unwrap(), b"a,b");
    }
}
