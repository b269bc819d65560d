//! Where nodes of Python may run.

use syncline::program::{Error, Executor};

/// The executor that is named.
///
/// # Errors
/// Where it is unknown, or there is no interpreter.
pub(crate) fn executor(on: &str) -> Result<Executor, String> {
    if on.split(':').next() == Some("kubernetes") {
        return Err(format!(
            "`{on}`: a pod runs the binary of its image, and a script has none: use processes, ssh:FILE or slurm"
        ));
    }
    on.parse().map_err(|error: Error| error.to_string())
}
