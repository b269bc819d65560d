//! Reports on logs, read once and shown in several ways.

use std::{path::PathBuf, sync::Arc};

use pyo3::prelude::*;
use serde::Serialize;
use syncline_explain::{Report, report};
use syncline_terminal::{Page, Screen};

use crate::{errors::failed, waiting::wait_for};

/// What one log tells.
#[pyclass(frozen, module = "syncline._native")]
pub(crate) struct Explained(Arc<Report>);

#[pymethods]
impl Explained {
    /// The report as the command's JSON document.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        let report = Arc::clone(&self.0);
        wait_for(py, move || document(&*report))?
    }

    /// The report as a page that needs nothing else.
    fn html(&self, py: Python<'_>) -> PyResult<String> {
        let report = Arc::clone(&self.0);
        wait_for(py, move || report::html(std::slice::from_ref(&*report)))
    }

    /// The report as a text of lines that are no longer than this.
    fn text(&self, width: usize) -> String {
        let screen = Screen::plain(width);
        let mut page = Page::new(&screen);
        report::text(&self.0, &mut page);
        screen.safe(page.text()).into_owned()
    }
}

/// Explains logs, run files, folders of rolling logs, archives, or the traces of ranks.
#[pyfunction]
pub(crate) fn explain(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Vec<Explained>> {
    let reports = wait_for(py, move || syncline_explain::explain_all(&paths))?.map_err(failed)?;
    Ok(reports.into_iter().map(|report| Explained(Arc::new(report))).collect())
}

/// What got slower or faster between two runs of one program, as the command's JSON document.
#[pyfunction]
pub(crate) fn compare(py: Python<'_>, first: &Explained, second: &Explained) -> PyResult<String> {
    let (first, second) = (Arc::clone(&first.0), Arc::clone(&second.0));
    wait_for(py, move || document(&syncline_explain::compare(&first, &second)))?
}

/// Every log of a folder in one table, as the command's JSON document, and in Markdown.
#[pyfunction]
pub(crate) fn survey(py: Python<'_>, folder: PathBuf) -> PyResult<(String, String)> {
    let survey = wait_for(py, move || syncline_explain::survey(&folder))?.map_err(failed)?;
    Ok((document(&survey)?, survey.markdown()))
}

fn document(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(failed)
}
