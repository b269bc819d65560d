//! Time as gates see it: an argument. Whoever drives a gate says what time it is, on a clock of its own.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The start.
    pub const START: Self = Self(0);

    /// So many seconds after the start, to the nanosecond; negative ones and what is no number are the start itself.
    pub fn from_seconds(seconds: f64) -> Self {
        // The cast saturates: the end of time is 584 years away.
        Self((seconds * 1e9) as u64)
    }

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// Time since the start.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time a deadline after this one.
    #[must_use]
    pub fn after(self, deadline: Deadline) -> Self {
        Self(self.0.saturating_add(nanoseconds(deadline.0)))
    }
}

impl From<Duration> for Time {
    fn from(since_start: Duration) -> Self {
        Self(nanoseconds(since_start))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How long a round waits: more than no time, and an hour at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Duration", into = "Duration")]
pub struct Deadline(Duration);

impl Deadline {
    const MUST: &'static str = "a time of at most an hour, such as 50ms";

    /// A wait of this length.
    ///
    /// # Errors
    /// For no time, and for more than an hour.
    pub fn new(wait: Duration) -> Result<Self, Error> {
        if wait > Duration::ZERO && wait <= Duration::from_secs(3600) {
            return Ok(Self(wait));
        }
        Err(Error::OutOfRange { what: "the deadline", got: format!("{wait:?}"), must: Self::MUST })
    }

    /// How long it is.
    pub const fn wait(self) -> Duration {
        self.0
    }
}

impl TryFrom<Duration> for Deadline {
    type Error = Error;

    fn try_from(wait: Duration) -> Result<Self, Error> {
        Self::new(wait)
    }
}

impl From<Deadline> for Duration {
    fn from(deadline: Deadline) -> Self {
        deadline.0
    }
}

impl FromStr for Deadline {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::OutOfRange { what: "the deadline", got: format!("`{text}`"), must: Self::MUST };
        let units = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
        let read = |(unit, scale): (&str, f64)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale);
        let seconds = units.into_iter().find_map(read).ok_or_else(wrong)?;
        Self::new(Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?)
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:?}", self.0).replace('µ', "u"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_they_are_written() {
        for text in ["50ms", "1.5s", "300us", "20ns", "3600s"] {
            assert_eq!(text.parse::<Deadline>().unwrap().to_string(), text);
        }
        for text in ["", "0s", "50", "ms", "-1s", "3601s", "NaNs", "infs", "1h"] {
            assert!(text.parse::<Deadline>().unwrap_err().to_string().contains("such as 50ms"), "{text}");
        }
    }

    #[test]
    fn seconds_are_kept_to_the_nanosecond_and_never_overflow() {
        assert_eq!(Time::from_seconds(1.5).since_start(), Duration::from_millis(1500));
        assert_eq!(Time::from_seconds(f64::INFINITY), Time::from(Duration::MAX));
        assert_eq!(Time::from_seconds(f64::NAN), Time::START);
        let deadline: Deadline = "20ms".parse().unwrap();
        assert!((Time::from_seconds(0.5).after(deadline).seconds() - 0.52).abs() < 1e-12);
    }
}
