//! Failures as Python's exceptions, which are declared in `python/syncline/_errors.py`.

use pyo3::{PyErr, Python, exceptions::PyKeyboardInterrupt, import_exception};
use syncline::program::Interrupt;
use syncline_cli::Failure;

import_exception!(syncline._errors, SynclineError);
import_exception!(syncline._errors, UsageError);

/// What a command's failure is in Python.
pub(crate) fn of_command(failure: Failure) -> PyErr {
    match failure {
        Failure::Usage(message) => UsageError::new_err(message),
        Failure::Failed(message) | Failure::HostLost(message) => SynclineError::new_err(message),
        Failure::Interrupted(by) => interrupted(by),
        Failure::OutputClosed => SynclineError::new_err("the output was closed"),
    }
}

/// A run that was interrupted. The signal has reached the interpreter as well, whose handler is still to be called: what that
/// raises is the interrupt, so that there are not two of them.
pub(crate) fn interrupted(by: Interrupt) -> PyErr {
    let raised = Python::attach(|py| py.check_signals().err());
    raised.unwrap_or_else(|| PyKeyboardInterrupt::new_err(format!("interrupted by {by}")))
}

/// What went wrong in a library.
pub(crate) fn failed(error: impl std::fmt::Display) -> PyErr {
    SynclineError::new_err(error.to_string())
}
