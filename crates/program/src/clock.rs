//! The run's common clock: the only place of this crate that reads the machine's.
//!
//! A node in another process learns the launcher's time as Cristian's algorithm does (Distributed Computing 3, 1989):
//! it asks, and assumes that the answer was given half-way between asking and hearing. The true offset then lies
//! within half of the round trip, and that is the clock's stated error.

use std::time::{Duration, Instant};

/// Time since the start of the run, the same on every node up to [`Clock::error`]. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The run's start on this process's clock. It may lie before the process itself.
    origin: Instant,
    /// How far `origin` may be wrong.
    error: Duration,
}

impl Clock {
    /// A clock that starts now, in the process that launches the run.
    pub(crate) fn start() -> Self {
        Self { origin: machine_now(), error: Duration::ZERO }
    }

    /// A clock set by one exchange: `asked` and `heard` on this clock, `answer` on the launcher's in between. `None`
    /// when the machine has not been up for as long as the run claims to last.
    pub(crate) fn set_by(self, asked: Duration, heard: Duration, answer: Duration) -> Option<Self> {
        let error = heard.saturating_sub(asked) / 2;
        let origin = (self.origin + asked + error).checked_sub(answer)?;
        Some(Self { origin, error })
    }

    /// The time since the run's start; never goes back.
    pub fn now(&self) -> Duration {
        machine_now().saturating_duration_since(self.origin)
    }

    /// Bound of this clock's distance from the launcher's: half of the round trip of the exchange that set it, and
    /// zero in the launching process.
    pub fn error(&self) -> Duration {
        self.error
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
fn machine_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_sets_the_clock_within_half_the_round_trip() {
        let launcher = Clock::start();
        std::thread::sleep(Duration::from_millis(20));
        let fresh = Clock::start();
        let asked = fresh.now();
        std::thread::sleep(Duration::from_millis(2));
        let answer = launcher.now();
        std::thread::sleep(Duration::from_millis(4));
        let set = fresh.set_by(asked, fresh.now(), answer).unwrap();
        let (mine, theirs) = (set.now(), launcher.now());
        assert!(set.error() >= Duration::from_millis(3), "{:?}", set.error());
        assert!(mine.abs_diff(theirs) <= set.error() + Duration::from_millis(1), "{mine:?} {theirs:?}");
        assert!(mine >= Duration::from_millis(20));
    }
}
