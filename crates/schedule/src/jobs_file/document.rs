//! Text in JSON or, by the ending `.toml`, in TOML, whose faults name file and line.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result},
    trace,
};

/// The text of a file.
pub fn text(path: &Path) -> Result<String> {
    let fault = |what: String| Error::Field { file: path.into(), line: 1, field: "text".into(), what };
    let bytes = trace::bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        fault(format!("byte {} is no text in UTF-8; is this the right file?", error.valid_up_to() + 1))
    })?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err(fault("the file is empty; `syncline schedule schema` shows what one has".into()));
    }
    Ok(text.to_owned())
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
