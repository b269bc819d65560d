//! How long the launcher waits for what.

use std::time::Duration;

/// How long nodes get between the request to stop and being killed, and how long to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) start: Duration,
    pub(crate) normal: Duration,
    pub(crate) failure: Duration,
    pub(crate) silence: Silence,
}

/// How long a process may give no sign of life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    /// Until the launcher says so.
    pub(crate) told: Duration,
    /// Until it counts as a failure.
    pub(crate) limit: Option<Duration>,
}

impl Silence {
    /// The time between two signs of life: several fit into a silence that matters.
    pub(crate) fn period(self) -> Duration {
        let shortest = self.told.min(self.limit.unwrap_or(Duration::MAX));
        (shortest / 4).min(Duration::from_secs(1))
    }
}
