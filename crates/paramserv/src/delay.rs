//! Injected delays: chosen workers or rounds are slowed, for experiments.
//!
//! A delay is drawn from the run's seed, the worker and the round, so that a run can be repeated on any executor.
//! Sleeping workers need no core: two cores show honestly what sixteen workers would wait for.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use syncline_runtime::parse_duration;

use crate::Error;

/// How much longer a round takes.
#[derive(Clone, Debug, PartialEq)]
enum Amount {
    /// The computation takes this many times as long.
    Factor(f64),
    /// Always so long.
    Fixed(Duration),
    /// Exponentially distributed with this mean.
    Exponential(Duration),
    /// Evenly distributed between the two.
    Uniform(Duration, Duration),
}

/// Who is slowed, when, and by how much. Read from text such as `worker=2:3x`, `all:exp:20ms`,
/// `worker=0,round=10..19:50ms` or `all:uniform:5ms..15ms`.
///
/// ```
/// use std::time::Duration;
/// use syncline_paramserv::Delay;
///
/// let slow: Delay = "worker=2:3x".parse()?;
/// let computed = Duration::from_millis(4);
/// assert_eq!(slow.draw(1, 2, 0, computed), Duration::from_millis(8), "three times as long in all");
/// assert_eq!(slow.draw(1, 0, 0, computed), Duration::ZERO);
/// # Ok::<(), syncline_paramserv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    text: String,
    worker: Option<u32>,
    rounds: Option<RangeInclusive<u64>>,
    amount: Amount,
}

impl Delay {
    /// What a user can write.
    pub const VALID: &'static str = "WHO:AMOUNT, where WHO is all, worker=W, round=R or round=R..S (or worker=W,round=R), and AMOUNT is 3x, \
         20ms, exp:20ms or uniform:5ms..15ms";

    /// The worker that it names, if it names one.
    pub fn worker(&self) -> Option<u32> {
        self.worker
    }

    /// How long `worker` is to sleep in `round`, after it has computed for `computed`.
    pub fn draw(&self, seed: u64, worker: u32, round: u64, computed: Duration) -> Duration {
        let chosen = self.worker.is_none_or(|w| w == worker)
            && self.rounds.as_ref().is_none_or(|rounds| rounds.contains(&round));
        if !chosen {
            return Duration::ZERO;
        }
        let mut random = SmallRng::seed_from_u64(mix(seed, u64::from(worker), round));
        match self.amount {
            Amount::Factor(factor) => computed.mul_f64(factor - 1.0),
            Amount::Fixed(time) => time,
            Amount::Exponential(mean) => mean.mul_f64(-(1.0 - random.random::<f64>()).ln()),
            Amount::Uniform(low, high) => low + (high - low).mul_f64(random.random::<f64>()),
        }
    }
}

/// One well-mixed number from three (the finaliser of SplitMix64, Steele et al. 2014, after each).
pub(crate) fn mix(seed: u64, worker: u64, round: u64) -> u64 {
    [worker, round].into_iter().fold(seed, |state, part| {
        let z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

impl FromStr for Delay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (who, amount) = text.split_once(':')?;
            let (worker, rounds) = parse_who(who)?;
            Some(Self { text: text.to_owned(), worker, rounds, amount: parse_amount(amount)? })
        };
        parse().ok_or_else(|| Error::Option {
            what: "inject",
            got: text.to_owned(),
            valid: Self::VALID.to_owned(),
        })
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads `all`, or `worker=W` and `round=R[..S]` in any order.
pub(crate) fn parse_who(text: &str) -> Option<(Option<u32>, Option<RangeInclusive<u64>>)> {
    if text == "all" {
        return Some((None, None));
    }
    let (mut worker, mut rounds) = (None, None);
    for part in text.split(',') {
        match part.split_once('=')? {
            ("worker", index) if worker.is_none() => worker = Some(index.parse().ok()?),
            ("round", range) if rounds.is_none() => {
                let (first, last) = range.split_once("..").unwrap_or((range, range));
                let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
                rounds = (first <= last).then_some(Some(first..=last))?;
            }
            _ => return None,
        }
    }
    Some((worker, rounds))
}

/// Reads `3x`, `20ms`, `exp:20ms` or `uniform:5ms..15ms`.
fn parse_amount(text: &str) -> Option<Amount> {
    if let Some(mean) = text.strip_prefix("exp:") {
        return Some(Amount::Exponential(parse_duration(mean)?));
    }
    if let Some(range) = text.strip_prefix("uniform:") {
        let (low, high) = range.split_once("..")?;
        let (low, high) = (parse_duration(low)?, parse_duration(high)?);
        return (low <= high).then_some(Amount::Uniform(low, high));
    }
    if let Some(factor) = text.strip_suffix('x') {
        let factor: f64 = factor.parse().ok()?;
        return (1.0..=1e6).contains(&factor).then_some(Amount::Factor(factor));
    }
    Some(Amount::Fixed(parse_duration(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPUTED: Duration = Duration::from_millis(10);

    fn draw(text: &str, worker: u32, round: u64) -> Duration {
        text.parse::<Delay>().unwrap().draw(1, worker, round, COMPUTED)
    }

    #[test]
    fn chosen_workers_and_rounds_are_slowed_and_others_are_not() {
        assert_eq!(draw("worker=2:3x", 2, 0), Duration::from_millis(20), "three times as long in all");
        assert_eq!(draw("worker=2:3x", 1, 0), Duration::ZERO);
        assert_eq!(draw("all:20ms", 7, 3), Duration::from_millis(20));
        assert_eq!(draw("worker=1,round=3..5:1.5s", 1, 5), Duration::from_millis(1500));
        assert_eq!(draw("worker=1,round=3..5:1.5s", 1, 6), Duration::ZERO);
        assert_eq!(draw("round=4:300us", 0, 4), Duration::from_micros(300));
    }

    #[test]
    fn random_delays_have_the_mean_that_was_asked_for_and_repeat_by_seed() {
        for (text, mean) in [("all:exp:20ms", 0.020), ("all:uniform:5ms..15ms", 0.010)] {
            let delay: Delay = text.parse().unwrap();
            let draws: Vec<f64> = (0..4000).map(|r| delay.draw(9, 3, r, COMPUTED).as_secs_f64()).collect();
            let measured = draws.iter().sum::<f64>() / draws.len() as f64;
            assert!((measured / mean - 1.0).abs() < 0.06, "{text}: {measured}");
            assert_eq!(delay.draw(9, 3, 5, COMPUTED), delay.draw(9, 3, 5, COMPUTED));
            assert_ne!(delay.draw(9, 3, 5, COMPUTED), delay.draw(8, 3, 5, COMPUTED));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_grammar() {
        let wrong = [
            "",
            "all",
            "2:3x",
            "worker=a:3x",
            "all:-1ms",
            "all:20",
            "all:0.5x",
            "all:exp",
            "all:NaNs",
            "round=5..3:1ms",
            "worker=1,worker=2:1ms",
            "all:uniform:9ms..3ms",
            "all:1e99s",
        ];
        for text in wrong {
            let message = text.parse::<Delay>().unwrap_err().to_string();
            assert!(message.contains("worker=W") && message.contains("exp:20ms"), "{text}: {message}");
        }
    }
}
