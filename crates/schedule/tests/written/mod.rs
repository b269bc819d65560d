//! Files for tests to read.

use std::fs;

use tempfile::TempPath;

/// A file with this text, whose name ends so; it is gone with the value.
pub fn file(name: &str, text: &str) -> TempPath {
    let file = tempfile::Builder::new().prefix("syncline-").suffix(&format!("-{name}")).tempfile().unwrap();
    fs::write(file.path(), text).unwrap();
    file.into_temp_path()
}
