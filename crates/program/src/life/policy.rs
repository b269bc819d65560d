//! What is to happen when a node of a group fails.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest wait before a restart, unless the first one is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// What happens when a node of a group fails, in whatever way: an error, a panic, an exit code, a signal, silence.
///
/// ```
/// use std::time::Duration;
/// use syncline_program::{Executor, OnFailure, Program, launch};
///
/// let mut program = Program::new("again");
/// let policy = OnFailure::Restart { times: 2, backoff: Duration::from_millis(1) };
/// let lives = program.group("worker", 1).on_failure(policy).run(async |ctx| match ctx.incarnation() {
///     0 => Err("not yet".into()),
///     lives => Ok(lives),
/// });
/// let program = program.driver(async move |ctx| Ok(lives.all(&ctx).await?));
/// assert_eq!(launch(program, Executor::threads())?.wait()?, [1]);
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The program stops, and its error names the node.
    #[default]
    Stop,
    /// The node is started again, as a new incarnation with nothing of what the old one knew. A call that the old one had
    /// under way fails.
    Restart {
        /// How many restarts the nodes of the group have together; the failure after the last one stops the program.
        times: u32,
        /// The wait before the first restart; each further one waits twice as long, up to a minute.
        backoff: Duration,
    },
    /// The program goes on with the other nodes of the group. The failure of the last one stops it.
    GoOn,
}

impl OnFailure {
    /// The wait before a restart, when there have been so many before it; `None` if there is to be none.
    pub(crate) fn restart_after(self, before: u32) -> Option<Duration> {
        match self {
            Self::Restart { times, backoff } if before < times => {
                let doubled = backoff.saturating_mul(1 << before.min(20));
                Some(doubled.min(LONGEST.max(backoff)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("stop"),
            Self::Restart { times, backoff } => write!(f, "restart {times} times, first after {backoff:?}"),
            Self::GoOn => f.write_str("go on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_wait_twice_as_long_each_time_and_come_to_an_end() {
        let restart = |times, ms| OnFailure::Restart { times, backoff: Duration::from_millis(ms) };
        let waits: Vec<_> = (0..4).map(|before| restart(3, 100).restart_after(before)).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(waits, [ms(100), ms(200), ms(400), None]);
        assert_eq!(restart(u32::MAX, 1000).restart_after(40), Some(LONGEST));
        assert_eq!(restart(1, 90_000).restart_after(0), ms(90_000));
        assert_eq!((OnFailure::Stop.restart_after(0), OnFailure::GoOn.restart_after(0)), (None, None));
    }
}
