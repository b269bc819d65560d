//! Reports of runs that are over, as documents for the package's `_told.py`.

use std::{fmt::Display, path::Path};

use pyo3::PyResult;
use serde::Serialize;
use syncline_terminal::{Colour, Page, Screen};

use crate::errors::failed;

/// What is told of a run: the text that a terminal shows, the keys of the command's `--json`, and what became of its files.
#[derive(Serialize)]
pub(crate) struct Told<'a, R> {
    pub(crate) text: String,
    pub(crate) report: &'a R,
    pub(crate) trace_error: Option<String>,
    /// The last one, where checkpoints were written.
    pub(crate) checkpoint: Option<&'a Path>,
    /// The code of a process that was interrupted as the run was.
    pub(crate) interrupted: Option<u8>,
}

impl<'a, R: Serialize> Told<'a, R> {
    /// Of a report, which `write` puts on a page.
    pub(crate) fn of(
        report: &'a R,
        write: impl FnOnce(&mut Page),
        trace_error: Option<&impl Display>,
    ) -> Self {
        let screen = Screen::stdout(Colour::Never);
        let mut page = Page::new(&screen);
        write(&mut page);
        let text = screen.safe(page.text()).into_owned();
        let trace_error = trace_error.map(ToString::to_string);
        Self { text, report, trace_error, checkpoint: None, interrupted: None }
    }

    pub(crate) fn json(&self) -> PyResult<String> {
        serde_json::to_string(self).map_err(failed)
    }
}
