//! What a piece of work costs on a virtual clock. On the machine's it takes as long as it takes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::RngExt;

use crate::{parse_duration, write_duration};

/// What a piece of work costs on a virtual clock.
///
/// ```
/// use syncline_runtime::Cost;
/// let cost: Cost = "exp:3ms".parse()?;
/// assert_eq!(cost.to_string(), "exp:3ms");
/// assert!("3".parse::<Cost>().unwrap_err().to_string().contains("uniform:"));
/// # Ok::<(), syncline_runtime::CostError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Cost {
    /// As long as it took on this machine, which no seed decides: such a run is not repeatable.
    #[default]
    Measured,
    /// Always so long.
    Given(Duration),
    /// Drawn anew each time, by the run's seed, the node and how often it has drawn.
    Drawn(Spread),
}

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Exponential with this mean.
    Exponential(Duration),
    /// Even between the two.
    Uniform(Duration, Duration),
}

impl Spread {
    /// One time.
    pub(crate) fn draw(self, random: &mut impl rand::Rng) -> Duration {
        let uniform = random.random::<f64>();
        match self {
            // The inverse of the distribution function; 1 - u is never 0.
            Self::Exponential(mean) => mean.mul_f64(-(1.0 - uniform).ln()),
            Self::Uniform(low, high) => low + (high - low).mul_f64(uniform),
        }
    }
}

/// What becomes of computing in a simulation: what it costs, and whether it is done at all.
///
/// ```
/// use syncline_runtime::{Computing, Cost};
/// let computing: Computing = "skip:exp:3ms".parse()?;
/// assert!(computing.skipped);
/// assert_eq!(computing.to_string(), "skip:exp:3ms");
/// assert!("skip:measured".parse::<Computing>().unwrap_err().to_string().contains("not done"));
/// # Ok::<(), syncline_runtime::CostError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Computing {
    /// What work costs that does not say what else.
    pub cost: Cost,
    /// Whether it is charged only: who can do without the result is asked not to compute it.
    pub skipped: bool,
}

impl From<Cost> for Computing {
    fn from(cost: Cost) -> Self {
        Self { cost, skipped: false }
    }
}

/// A text that is no [`Cost`], or no [`Computing`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// It cannot be read.
    #[error(
        "`{0}` is no cost of computing; write `measured`, a time such as `3ms`, `exp:3ms` (exponential with this mean) or \
         `uniform:1ms..5ms`; times in ns, us, ms or s, up to an hour"
    )]
    Unknown(String),
    /// What is skipped cannot be measured.
    #[error(
        "`skip:measured`: what is not done takes no time to measure; say what it costs, such as `skip:3ms`"
    )]
    SkipMeasured,
}

impl FromStr for Cost {
    type Err = CostError;

    fn from_str(text: &str) -> Result<Self, CostError> {
        parse(text).ok_or_else(|| CostError::Unknown(text.to_owned()))
    }
}

impl FromStr for Computing {
    type Err = CostError;

    fn from_str(text: &str) -> Result<Self, CostError> {
        let Some(cost) = text.strip_prefix("skip:") else { return Ok(text.parse::<Cost>()?.into()) };
        match cost.parse()? {
            Cost::Measured => Err(CostError::SkipMeasured),
            cost => Ok(Self { cost, skipped: true }),
        }
    }
}

impl fmt::Display for Computing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.skipped { "skip:" } else { "" }, self.cost)
    }
}

fn parse(text: &str) -> Option<Cost> {
    if text == "measured" {
        return Some(Cost::Measured);
    }
    if let Some(mean) = text.strip_prefix("exp:") {
        return Some(Cost::Drawn(Spread::Exponential(parse_duration(mean)?)));
    }
    if let Some(range) = text.strip_prefix("uniform:") {
        let (low, high) = range.split_once("..")?;
        let (low, high) = (parse_duration(low)?, parse_duration(high)?);
        return (low <= high).then_some(Cost::Drawn(Spread::Uniform(low, high)));
    }
    parse_duration(text).map(Cost::Given)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured => f.write_str("measured"),
            Self::Given(time) => f.write_str(&write_duration(*time)),
            Self::Drawn(Spread::Exponential(mean)) => write!(f, "exp:{}", write_duration(*mean)),
            Self::Drawn(Spread::Uniform(low, high)) => {
                write!(f, "uniform:{}..{}", write_duration(*low), write_duration(*high))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn costs_are_read_and_written_alike() {
        for text in ["measured", "3ms", "1.5s", "250ns", "exp:20ms", "uniform:1ms..5ms", "0ns"] {
            assert_eq!(text.parse::<Cost>().unwrap().to_string(), text);
        }
        for text in
            ["", "3", "-1ms", "exp:", "exp:NaNs", "uniform:5ms..1ms", "uniform:1ms", "2h", "1e99s", "drawn"]
        {
            assert!(text.parse::<Cost>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_skipped_must_say_what_it_costs() {
        for text in ["measured", "3ms", "skip:3ms", "skip:uniform:1ms..5ms", "skip:0ns"] {
            assert_eq!(text.parse::<Computing>().unwrap().to_string(), text);
        }
        assert_eq!("skip:measured".parse::<Computing>(), Err(CostError::SkipMeasured));
        for text in ["skip", "skip:", "skip:skip:3ms", "3ms:skip"] {
            assert!(text.parse::<Computing>().is_err(), "{text}");
        }
    }

    #[test]
    fn draws_have_the_mean_that_was_asked_for() {
        let (mean, low, high) =
            (Duration::from_millis(3), Duration::from_millis(1), Duration::from_millis(5));
        for spread in [Spread::Exponential(mean), Spread::Uniform(low, high)] {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
            let draws = (0..10_000).map(|_| spread.draw(&mut random).as_secs_f64());
            let measured = draws.sum::<f64>() / 10_000.0;
            assert!((measured / 0.003 - 1.0).abs() < 0.04, "{spread:?}: {measured}");
        }
    }
}
