//! The native part of the Python package `syncline`: the same libraries that the command calls, for the modules under
//! `python/syncline`, which are what a user sees.
//!
//! - PY-1: what may take long runs without the interpreter's lock, on a thread of its own, while the caller heeds signals
//!   (`waiting`). A script's clients in virtual time are called on the caller's own thread, where an interrupt ends them (`federated`).
//! - PY-2: nothing is decided here: documents are those of the command's `--json`, errors its sentences.

mod arrays;
mod command;
mod datasets;
mod errors;
mod explaining;
mod federated;
mod lent;
mod message;
mod models;
mod nodes;
mod outside;
mod places;
mod reports;
mod run_files;
mod training;
mod turns;
mod waiting;

use std::path::PathBuf;

use pyo3::prelude::*;

/// The native module.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::command::{answer, run};
    #[pymodule_export]
    use super::datasets::read_dataset;
    #[pymodule_export]
    use super::explaining::{Explained, compare, explain, survey};
    #[pymodule_export]
    use super::federated::federate;
    #[pymodule_export]
    use super::models::SavedFile;
    #[pymodule_export]
    use super::nodes::{Begun, Caller, Node, Nodes, Running, Service};
    #[pymodule_export]
    use super::run_files::read_run;
    #[pymodule_export]
    use super::training::{Session, enrol, started_by};
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let interpreter: PathBuf = module.py().import("sys")?.getattr("executable")?.extract()?;
        // A process that holds a node on a host does nothing else of a script.
        syncline::program::interpreted_by(interpreter);
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
