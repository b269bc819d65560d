//! Where the sample of real logs is.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};

/// The folder of the sample, or a notice that the test is skipped.
pub fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("SYNCLINE_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.unwrap_or_else(beside).join("data/spark-eventlogs");
    if !folder.is_dir() {
        eprintln!("skipped: no sample of logs at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The sample's logs by their short names, sorted.
pub fn logs() -> Vec<(String, PathBuf)> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".json.zst") {
            logs.push((name.split('.').next().unwrap().to_owned(), path));
        }
    }
    logs.sort();
    logs
}
