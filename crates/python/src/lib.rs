//! The native part of the Python package `syncline`: the same libraries that the command calls, for the modules under
//! `python/syncline`, which are what a user sees.
//!
//! - PY-1: what may take long runs without the interpreter's lock, on a thread of its own, while the caller heeds signals
//!   (`waiting`).
//! - PY-2: nothing is decided here: documents are those of the command's `--json`, errors its sentences.

mod command;
mod errors;
mod explaining;
mod lent;
mod models;
mod nodes;
mod outside;
mod run_files;
mod training;
mod waiting;

use pyo3::prelude::*;

/// The native module.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::command::{answer, run};
    #[pymodule_export]
    use super::explaining::{Explained, compare, explain, survey};
    #[pymodule_export]
    use super::models::SavedFile;
    #[pymodule_export]
    use super::nodes::{Caller, Node, Nodes, Running, Service};
    #[pymodule_export]
    use super::run_files::read_run;
    #[pymodule_export]
    use super::training::{Session, enrol, started_by};
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
