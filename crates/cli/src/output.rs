//! What goes to standard output, and where files are going to be written.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use crate::failure::Failure;

/// Prints text and a line's end. A reader that has gone away ends the command quietly.
pub fn print(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{}", text.trim_end()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Failed(format!("cannot write to standard output: {error}")),
    })
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Failed(format!("cannot write the report as JSON: {error}")))?;
    print(&text)
}

/// Finds out before hours of work whether a file can be created, or replaced, at `path` when they are over.
pub fn check_writable(path: &Path) -> Result<(), Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!(
            "cannot write {}: {why}; choose a file in a folder that exists and that you may write to",
            path.display()
        ))
    };
    match path.metadata() {
        Ok(found) if found.is_dir() => return Err(cannot(&"it is a folder")),
        // A rename would put a plain file in the place of a device or a pipe.
        Ok(found) if !found.is_file() => return Err(cannot(&"it is not a plain file")),
        _ => {}
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".syncline-")
        .tempfile_in(folder)
        .map(drop)
        .map_err(|error| cannot(&error))
}

/// Refuses to write over a file that the same command reads, or writes for something else.
pub fn check_distinct(outputs: &[&Path], inputs: &[&Path]) -> Result<(), Failure> {
    // A file that does not exist yet has no canonical path, but its folder has.
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let joined = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(joined).unwrap_or_else(|| path.to_owned())
    };
    for (index, output) in outputs.iter().enumerate() {
        let others = inputs.iter().chain(&outputs[..index]);
        if others.into_iter().any(|other| place(other) == place(output)) {
            let message = format!(
                "{} is named twice, and would be overwritten: choose another file to write to",
                output.display()
            );
            return Err(Failure::Usage(message));
        }
    }
    Ok(())
}
