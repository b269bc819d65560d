//! The command: as a process's, and as a call that gives its document.

use std::{ffi::OsString, path::PathBuf, process};

use pyo3::prelude::*;

use crate::{errors::of_command, waiting::wait_for};

/// What a command printed, and what it remarked: pairs of a word and a text.
type Answer = (Vec<u8>, Vec<(String, String)>);

/// The document that the command with these arguments prints, and what it remarks.
///
/// # Errors
/// `UsageError` and `SynclineError`, as the command fails.
#[pyfunction]
pub(crate) fn answer(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<Answer> {
    let (heard, outcome) = wait_for(py, || syncline_cli::answer(arguments))?;
    outcome.map_err(of_command)?;
    let remarks = heard.remarks.into_iter().map(|remark| (remark.word, remark.text)).collect();
    Ok((heard.output, remarks))
}

/// The command itself, with these arguments, of which the first is its name: it prints, and the code with which the process is
/// to end is returned. `interpreter` and `program` say how it is started again for nodes that are processes.
#[pyfunction]
pub(crate) fn run(
    py: Python<'_>,
    arguments: Vec<OsString>,
    interpreter: PathBuf,
    program: Vec<OsString>,
) -> u8 {
    let own = arguments.get(1..).unwrap_or_default().to_vec();
    syncline::program::started_by(interpreter, program, own);
    py.detach(|| {
        let code = syncline_cli::run(arguments);
        // The type is opaque, but shows its number to whoever compares.
        (0..=u8::MAX).find(|&number| code == process::ExitCode::from(number)).unwrap_or(1)
    })
}
