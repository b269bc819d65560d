//! Long calls: the interpreter goes on meanwhile, and Ctrl-C is heeded.
//!
//! The work is done on a thread of its own, because Python's handlers of signals run on the main thread only, and only while
//! that holds the interpreter's lock. Whoever interrupts no longer waits for it; what it finds out then is dropped.

use std::{panic, sync::mpsc, thread, time::Duration};

use pyo3::prelude::*;

use crate::errors::failed;

/// How often signals are looked after: an interrupt feels immediate, and the lock is hardly ever taken.
const LOOK: Duration = Duration::from_millis(50);

/// What `work` gives. It is not called on this thread.
///
/// # Errors
/// What a handler of a signal raises, such as `KeyboardInterrupt`; and when the system has no more threads.
pub(crate) fn wait_for<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (done, result) = mpsc::sync_channel(1);
    let work = move || {
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(work));
        // Nobody waits after an interrupt.
        let _ = done.send(outcome);
    };
    let worker = thread::Builder::new().name("syncline".to_owned()).spawn(work).map_err(failed)?;
    // The receiver can be waited on by one thread only, which is this one.
    let mut result = Some(result);
    loop {
        let (back, received) = py.detach(|| {
            let result = result.take();
            let received = result.as_ref().map(|result| result.recv_timeout(LOOK));
            (result, received)
        });
        result = back;
        match received {
            Some(Ok(Ok(value))) => {
                // It has sent the last thing that it had to do.
                let _ = worker.join();
                return Ok(value);
            }
            Some(Ok(Err(panicked))) => panic::resume_unwind(panicked),
            Some(Err(mpsc::RecvTimeoutError::Timeout)) => py.check_signals()?,
            Some(Err(mpsc::RecvTimeoutError::Disconnected)) | None => {
                return Err(failed("the work ended without a result"));
            }
        }
    }
}
