//! The run's common clock: the only place that reads the machine's.
//!
//! A node in another process learns the launcher's time as Cristian's algorithm does (Distributed Computing 3, 1989):
//! it asks, and assumes that the answer was given half-way between asking and hearing. The true offset then lies
//! within half of the round trip, and that is the clock's stated error.
//!
//! What it is, the machine's or virtual, is a value inside: as a type parameter it would stand in every signature.

use std::fmt;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::sim::agenda::Agenda;

/// Time since the start of the run, the same on every node up to [`Clock::error`]. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Time);

#[derive(Clone)]
enum Time {
    Machine {
        /// The run's start on this process's clock. It may lie before the process itself.
        origin: Instant,
        /// How far `origin` may be wrong.
        error: Duration,
    },
    Virtual(Agenda),
}

/// What [`Clock::timeout`] says when the time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is up")]
pub struct Elapsed;

impl Clock {
    /// A clock of the machine that starts now, in the process that launches the run.
    pub fn start() -> Self {
        Self(Time::Machine { origin: machine_now(), error: Duration::ZERO })
    }

    pub(crate) fn of(agenda: Agenda) -> Self {
        Self(Time::Virtual(agenda))
    }

    /// A clock set by one exchange: `asked` and `heard` on this clock, `answer` on the launcher's in between. `None`
    /// when the machine has not been up for as long as the run claims to last, and for a virtual clock, which nobody
    /// has to ask.
    pub fn set_by(&self, asked: Duration, heard: Duration, answer: Duration) -> Option<Self> {
        let Time::Machine { origin, .. } = self.0 else { return None };
        let error = heard.saturating_sub(asked) / 2;
        let origin = (origin + asked + error).checked_sub(answer)?;
        Some(Self(Time::Machine { origin, error }))
    }

    /// The time since the run's start; never goes back.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Time::Machine { origin, .. } => machine_now().saturating_duration_since(*origin),
            Time::Virtual(agenda) => Duration::from_nanos(agenda.now()),
        }
    }

    /// Bound of this clock's distance from the launcher's: half of the round trip of the exchange that set it, and
    /// zero in the launching process and on a virtual clock.
    pub fn error(&self) -> Duration {
        match &self.0 {
            Time::Machine { error, .. } => *error,
            Time::Virtual(_) => Duration::ZERO,
        }
    }

    /// Whether time passes only when nothing else can happen. A loop that waits for it to pass must then await.
    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Time::Virtual(_))
    }

    /// Waits until the clock shows `time`: to a millisecond on the machine's clock, exactly on a virtual one. On a
    /// virtual clock other tasks run first, also when the time has come already.
    pub async fn sleep_until(&self, time: Duration) {
        match &self.0 {
            Time::Machine { .. } => tokio::time::sleep(time.saturating_sub(self.now())).await,
            Time::Virtual(agenda) => agenda.sleep_until(nanoseconds(time)).await,
        }
    }

    /// Waits for `duration`, as [`sleep_until`](Self::sleep_until) does.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now().saturating_add(duration)).await;
    }

    /// What `work` yields, if it does within `duration`; else it is dropped.
    ///
    /// # Errors
    /// [`Elapsed`] when the time is up.
    pub async fn timeout<T>(&self, duration: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        let (mut work, mut end) = (pin!(work), pin!(self.sleep(duration)));
        std::future::poll_fn(|context| {
            // Work that is done at the last moment counts as done.
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            end.as_mut().poll(context).map(|()| Err(Elapsed))
        })
        .await
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_virtual() { "virtual" } else { "machine" };
        write!(f, "Clock({kind}, {:?})", self.now())
    }
}

/// Nanoseconds as the virtual clock counts them: 2^64 of them are 584 years, and mean never.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn machine_now() -> Instant {
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

    #[test]
    fn a_timeout_on_the_machine_ends_what_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let clock = Clock::start();
            let endless = std::future::pending::<()>();
            assert_eq!(clock.timeout(Duration::from_millis(5), endless).await, Err(Elapsed));
            assert_eq!(clock.timeout(Duration::from_secs(5), async { 3 }).await, Ok(3));
        });
    }
}
