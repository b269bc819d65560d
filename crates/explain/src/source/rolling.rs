//! Spark's rolling logs: a folder `eventlog_v2_<app>` of `events_<n>_<app>[.<codec>][.compact]`.
//!
//! The history server may have compacted the files up to some `n` into `events_<n>_...compact`; then the files up to
//! `n` that it replaces are ignored if they are still there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// The event files in the rolling log folder `folder`, in order; `None` if the folder is not such a log.
pub(super) fn event_files(folder: &Path) -> Result<Option<Vec<PathBuf>>, Error> {
    let mut files = numbered_files(folder)?;
    if files.is_empty() {
        return Ok(None);
    }
    files.sort();
    if let Some(&(compacted, ..)) = files.iter().rfind(|(_, is_original, _)| !is_original) {
        files.retain(|&(number, is_original, _)| number > compacted || (number == compacted && !is_original));
    }
    Ok(Some(files.into_iter().map(|(_, _, path)| path).collect()))
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

/// Number, whether it is an original (a compact file sorts before the original of the same number), path.
fn numbered_files(folder: &Path) -> Result<Vec<(u64, bool, PathBuf)>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number =
            name.strip_prefix("events_").and_then(|rest| rest.split('_').next()).and_then(|n| n.parse().ok());
        if let Some(number) = number {
            files.push((number, !name.ends_with(".compact"), path));
        }
    }
    Ok(files)
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
