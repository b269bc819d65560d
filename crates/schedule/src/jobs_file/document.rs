//! Text in JSON or, by the ending `.toml`, in TOML, whose faults name file and line.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The text of a file.
pub fn text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    text.map_err(|source| Error::Io { doing: "reading", path: path.into(), source })
}

/// Whether a file's name says that it is TOML.
pub fn is_toml(path: &Path) -> bool {
    has_ending(path, "toml")
}

/// Whether a file's name ends so, in capitals or not.
pub fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// What the text says, in the form that the file's name says.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    if !is_toml(path) {
        return json(path, text);
    }
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        let line = 1 + before.matches('\n').count() as u64;
        Error::Toml { path: path.into(), line, what: error.message().to_owned() }
    })
}

/// The same of JSON.
pub fn json<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| Error::Json { path: path.into(), source })
}
