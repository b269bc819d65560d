//! Run files as columns of numbers.

use std::path::PathBuf;

use numpy::PyArray1;
use pyo3::{prelude::*, types::PyDict};
use syncline::trace::{self, Run};

use crate::{errors::failed, waiting::wait_for};

/// The spans of a run file: its head as JSON, the names of nodes and phases, and its columns.
#[pyfunction]
pub(crate) fn read_run(py: Python<'_>, path: PathBuf) -> PyResult<(String, Vec<String>, Bound<'_, PyDict>)> {
    let run = wait_for(py, move || trace::read(path))?.map_err(failed)?;
    let head = serde_json::to_string(&run.info).map_err(failed)?;
    let nodes = run.info.nodes.iter().map(|node| node.name.clone()).collect();
    Ok((head, nodes, columns(py, &run)?))
}

/// The columns of the spans, named as in the file; -1 stands for what a span does not have.
fn columns<'py>(py: Python<'py>, run: &Run) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    let spans = &run.spans;
    let whole = |value: fn(&trace::Span) -> i64| PyArray1::from_iter(py, spans.iter().map(value));
    columns.set_item("node", whole(|span| i64::from(span.node)))?;
    columns.set_item("phase", spans.iter().map(|span| span.phase.name()).collect::<Vec<_>>())?;
    columns.set_item("start_ns", whole(|span| span.start_ns as i64))?;
    columns.set_item("end_ns", whole(|span| span.end_ns as i64))?;
    columns.set_item("iteration", whole(|span| i64::from(span.iteration)))?;
    columns.set_item("round", whole(|span| span.round as i64))?;
    columns.set_item("bytes", whole(|span| span.bytes as i64))?;
    columns.set_item("records", whole(|span| span.records as i64))?;
    columns.set_item("peer", whole(|span| span.peer.map_or(-1, i64::from)))?;
    columns.set_item("sync", whole(|span| span.sync.map_or(-1, |sync| sync as i64)))?;
    columns.set_item("worker", whole(|span| span.worker.map_or(-1, i64::from)))?;
    columns.set_item("task", whole(|span| span.task.map_or(-1, |task| task as i64)))?;
    Ok(columns)
}
