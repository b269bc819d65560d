//! Spark's rolling logs: a folder `eventlog_v2_<app>` of `events_<n>_<app>[.<codec>][.compact]`.
//!
//! The history server may have compacted the files up to some `n` into `events_<n>_...compact`; then the files up to
//! `n` that it replaces are ignored if they are still there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// A file of a rolling log, wherever it lies.
pub(super) struct Numbered<T> {
    /// Its number, from 1.
    number: u64,
    /// Whether it is as Spark wrote it. A compact file sorts before the original of the same number.
    is_original: bool,
    /// What it was given with.
    pub file: T,
}

/// The file called `name`; `None` if that is no name of a file of events.
pub(super) fn numbered<T>(name: &str, file: T) -> Option<Numbered<T>> {
    let number = name.strip_prefix("events_")?.split('_').next()?.parse().ok()?;
    Some(Numbered { number, is_original: !name.ends_with(".compact"), file })
}

/// The files that make up the log, in order.
pub(super) fn in_order<T>(mut files: Vec<Numbered<T>>) -> Vec<Numbered<T>> {
    files.sort_by_key(|file| (file.number, file.is_original));
    if let Some(compacted) = files.iter().rfind(|file| !file.is_original).map(|file| file.number) {
        files.retain(|file| file.number > compacted || (file.number == compacted && !file.is_original));
    }
    files
}

/// The event files in the rolling log folder `folder`, in order; `None` if the folder is not such a log.
pub(super) fn event_files(folder: &Path) -> Result<Option<Vec<PathBuf>>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        files.extend(numbered(&name, path));
    }
    let files: Vec<PathBuf> = in_order(files).into_iter().map(|file| file.file).collect();
    Ok(Some(files).filter(|files| !files.is_empty()))
}

/// The only rolling log folder in `folder`, if there is exactly one.
pub(super) fn only_log_inside(folder: &Path) -> Result<Option<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let is_log = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("eventlog_v2_"));
        if is_log && path.is_dir() {
            found.push(path);
        }
    }
    Ok(if found.len() == 1 { found.pop() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let found = event_files(folder.path()).unwrap().unwrap_or_default();
        found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_come_in_order_of_their_number() {
        let found = names(&["events_10_app", "events_2_app", "appstatus_app.inprogress", "events_1_app"]);
        assert_eq!(found, ["events_1_app", "events_2_app", "events_10_app"]);
        assert!(names(&["notes.txt"]).is_empty());
    }

    #[test]
    fn a_compact_file_replaces_all_up_to_its_number() {
        let found = names(&["events_1_app", "events_2_app", "events_2_app.compact", "events_3_app"]);
        assert_eq!(found, ["events_2_app.compact", "events_3_app"]);
    }
}
