//! What clients run on: how fast each is, how that varies, and its line to the server. Times are drawn by seed, client
//! and round, so they do not depend on what else happens.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;
use syncline_runtime::{parse_duration, write_duration};

use crate::error::{between, positive};
use crate::{Error, Result};

/// A distribution of factors by which a time is longer.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Factor {
    /// Always 1.
    #[default]
    One,
    /// Even between two numbers.
    Uniform {
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// Exponential with mean 1.
    Exponential,
    /// Of median 1; its logarithm has this deviation.
    Lognormal {
        /// The deviation.
        sigma: f64,
    },
}

impl Factor {
    /// The names a user can give.
    pub const VALID: &'static str =
        "equal, uniform:LOW..HIGH (such as uniform:1..5), exp and lognormal:SIGMA";

    fn draw(self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Uniform { low, high } => low + (high - low) * rng.random::<f64>(),
            // The inverse of the distribution function; 1 - u is never 0.
            Self::Exponential => -(1.0 - rng.random::<f64>()).ln(),
            Self::Lognormal { sigma } => (sigma * rng.sample::<f64, _>(StandardNormal)).exp(),
        }
    }
}

impl FromStr for Factor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "speeds", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let number = |text: &str| text.parse::<f64>().map_err(|_| unknown());
        match text.split_once(':') {
            None if text == "equal" => Ok(Self::One),
            None if text == "exp" => Ok(Self::Exponential),
            Some(("uniform", ends)) => {
                let (low, high) = ends.split_once("..").ok_or_else(unknown)?;
                let (low, high) = (number(low)?, number(high)?);
                positive("the least factor", low)?;
                between("the largest factor", high, low, 1e9)?;
                Ok(Self::Uniform { low, high })
            }
            Some(("lognormal", sigma)) => {
                let sigma = number(sigma)?;
                between("sigma", sigma, 0.0, 10.0)?;
                Ok(Self::Lognormal { sigma })
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("equal"),
            Self::Uniform { low, high } => write!(f, "uniform:{low}..{high}"),
            Self::Exponential => f.write_str("exp"),
            Self::Lognormal { sigma } => write!(f, "lognormal:{sigma}"),
        }
    }
}

/// A client's line to the server.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Line {
    /// Bits a second each way; nothing for no limit.
    pub bandwidth: Option<f64>,
    /// From one end to the other.
    pub latency: Duration,
}

const UNITS: [(&str, f64); 4] = [("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)];

impl Line {
    fn seconds(self, bytes: u64) -> f64 {
        self.latency.as_secs_f64() + self.bandwidth.map_or(0.0, |bits| 8.0 * bytes as f64 / bits)
    }
}

impl FromStr for Line {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            if text == "ideal" {
                return Some(Self::default());
            }
            let (bandwidth, latency) = text.split_once('/')?;
            let (number, unit) =
                UNITS.iter().find_map(|(name, unit)| Some((bandwidth.strip_suffix(name)?, unit)))?;
            let bits = number.parse::<f64>().ok()? * unit;
            let latency = parse_duration(latency)?;
            (bits.is_finite() && bits >= 1.0).then_some(Self { bandwidth: Some(bits), latency })
        };
        read().ok_or_else(|| Error::Unknown {
            what: "network",
            got: text.to_owned(),
            valid: "ideal and BANDWIDTH/LATENCY, such as 10Mbit/50ms".to_owned(),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bits) = self.bandwidth else { return f.write_str("ideal") };
        let (name, unit) = UNITS.iter().find(|(_, unit)| bits >= *unit).unwrap_or(&("bit", 1.0));
        write!(f, "{}{name}/{}", bits / unit, write_duration(self.latency))
    }
}

/// The devices of all clients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Devices {
    /// Time of one local step on a device of factor 1.
    pub step: Duration,
    /// How much slower each device is, for good.
    pub speeds: Factor,
    /// How much slower it is in a round.
    pub jitter: Factor,
    /// Its line.
    pub line: Line,
}

impl Default for Devices {
    fn default() -> Self {
        let (speeds, jitter) = (Factor::One, Factor::One);
        Self { step: Duration::from_millis(1), speeds, jitter, line: Line::default() }
    }
}

/// When a client's work of a round has come where, in seconds after its start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Course {
    /// The model is there.
    pub pulled: f64,
    /// The local steps are made.
    pub computed: f64,
    /// The answer is at the server.
    pub answered: f64,
}

impl Devices {
    /// The course of a client's work: it fetches so many bytes, makes so many steps, and sends so many bytes.
    pub(super) fn course(
        &self,
        seed: u64,
        client: usize,
        round: u64,
        down: u64,
        steps: usize,
        up: u64,
    ) -> Course {
        let pulled = self.line.seconds(down);
        let computed = pulled + steps as f64 * self.step_seconds(seed, client, round);
        Course { pulled, computed, answered: computed + self.line.seconds(up) }
    }

    /// The course of an edge's work: its clients are at work for so many seconds between what it fetches and what it sends.
    pub(super) fn course_of_edge(&self, down: u64, working: f64, up: u64) -> Course {
        let pulled = self.line.seconds(down);
        let computed = pulled + working;
        Course { pulled, computed, answered: computed + self.line.seconds(up) }
    }

    /// Seconds of a client's part of an edge's round: a model there, so many steps, a model back.
    pub(super) fn part_seconds(&self, seed: u64, client: usize, round: u64, model: u64, steps: usize) -> f64 {
        2.0 * self.line.seconds(model) + steps as f64 * self.step_seconds(seed, client, round)
    }

    /// Seconds of one local step of a client in a round.
    pub(super) fn step_seconds(&self, seed: u64, client: usize, round: u64) -> f64 {
        let lasting = self.speeds.draw(&mut stream(seed ^ 0x5eed, client, 0));
        let now = self.jitter.draw(&mut stream(seed ^ 0xd1ce, client, round + 1));
        self.step.as_secs_f64() * lasting * now
    }
}

/// The random numbers of a client in a round: each has a stream of its own.
pub(super) fn stream(seed: u64, client: usize, round: u64) -> Xoshiro256PlusPlus {
    let client = (client as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Xoshiro256PlusPlus::seed_from_u64(seed ^ client ^ round.wrapping_mul(0xD1B5_4A32_D192_ED03))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["equal", "exp", "uniform:1..5", "lognormal:0.5"] {
            assert_eq!(text.parse::<Factor>().unwrap().to_string(), text);
        }
        for text in ["", "exp:1", "uniform:5..1", "uniform:0..1", "lognormal:-1", "lognormal"] {
            assert!(text.parse::<Factor>().is_err(), "{text}");
        }
        for text in ["ideal", "10Mbit/50ms", "1Gbit/0ns"] {
            assert_eq!(text.parse::<Line>().unwrap().to_string(), text);
        }
        for text in ["", "10Mbit", "10/50ms", "0bit/1ms", "10Mbit/50"] {
            assert!(text.parse::<Line>().is_err(), "{text}");
        }
    }

    #[test]
    fn factors_have_the_mean_that_they_promise() {
        for (factor, mean) in [("exp", 1.0), ("uniform:1..5", 3.0), ("lognormal:0.5", 0.125f64.exp())] {
            let factor: Factor = factor.parse().unwrap();
            let sum: f64 = (0..20_000).map(|client| factor.draw(&mut stream(7, client, 0))).sum();
            assert!((sum / 20_000.0 / mean - 1.0).abs() < 0.03, "{factor}: {}", sum / 20_000.0);
        }
    }

    #[test]
    fn a_slow_device_stays_slow_and_its_line_counts() {
        let devices = Devices {
            speeds: "uniform:1..9".parse().unwrap(),
            line: "8kbit/1s".parse().unwrap(),
            ..Devices::default()
        };
        let of = |round| devices.course(1, 3, round, 2000, 10, 1000);
        assert_eq!(of(0), of(5), "without jitter");
        assert_eq!(of(0).pulled, 3.0);
        assert!((of(0).answered - of(0).computed - 2.0).abs() < 1e-9);
    }
}
