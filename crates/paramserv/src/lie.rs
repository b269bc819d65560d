//! Injected lies: chosen workers hand over something else than their gradients, for experiments with codes and folds that stand
//! liars.
//!
//! What a liar says is decided by the run's seed, the worker and the round, so that a run can be repeated on any executor.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use crate::{
    Error,
    delay::{mix, parse_who},
    exchange::Push,
};

/// What a liar hands over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    /// Its gradient times this.
    Scale(f32),
    /// Normal noise of this deviation.
    Noise(f32),
    /// This in every place.
    Constant(f32),
}

/// Who lies, when, and how. Read from text such as `worker=1:scale:-10`, `worker=2,round=5..9:constant:1` or `all:noise:0.1`.
///
/// ```
/// use syncline_paramserv::Lie;
///
/// let lie: Lie = "worker=1,round=3..5:scale:-10".parse()?;
/// assert_eq!(lie.worker(), Some(1));
/// assert!("worker=1:scale:1".parse::<Lie>().is_err(), "that is the truth");
/// # Ok::<(), syncline_paramserv::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lie {
    text: String,
    worker: Option<u32>,
    rounds: Option<RangeInclusive<u64>>,
    said: Said,
}

impl Lie {
    /// What a user can write.
    pub const VALID: &'static str = "WHO:scale:FACTOR (its gradient times that, such as worker=1:scale:-10), WHO:noise:DEVIATION or WHO:constant:VALUE, where WHO \
         is all, worker=W, round=R or round=R..S (or worker=W,round=R)";

    /// The worker that it names, if it names one.
    pub fn worker(&self) -> Option<u32> {
        self.worker
    }

    /// Puts the lie in the place of a worker's gradient, if it is to lie in this round.
    pub(crate) fn tell(&self, seed: u64, worker: u32, round: u64, gradient: &mut Push) {
        let is_told = self.worker.is_none_or(|liar| liar == worker)
            && self.rounds.as_ref().is_none_or(|rounds| rounds.contains(&round));
        let Some(values) = gradient.values_mut().filter(|_| is_told) else { return };
        let mut random = SmallRng::seed_from_u64(mix(!seed, worker.into(), round));
        let lies = values.iter().map(|value| match self.said {
            Said::Scale(factor) => factor * value,
            Said::Noise(deviation) => deviation * normal(&mut random),
            Said::Constant(constant) => constant,
        });
        *values = lies.collect::<Vec<f32>>().into();
    }
}

/// A standard normal number (Box and Muller, 1958).
fn normal(random: &mut SmallRng) -> f32 {
    let (length, turn): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    ((-2.0 * length.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()) as f32
}

impl FromStr for Lie {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (who, said) = text.split_once(':')?;
            let (worker, rounds) = parse_who(who)?;
            let (kind, number) = said.split_once(':')?;
            let number = number.parse().ok().filter(|number: &f32| number.is_finite())?;
            let said = match kind {
                // What changes nothing is no lie.
                "scale" if number != 1.0 => Said::Scale(number),
                "noise" => Said::Noise(number),
                "constant" => Said::Constant(number),
                _ => return None,
            };
            Some(Self { text: text.to_owned(), worker, rounds, said })
        };
        parse().ok_or_else(|| Error::Option {
            what: "liar",
            got: text.to_owned(),
            valid: Self::VALID.to_owned(),
        })
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, worker: u32, round: u64) -> Vec<f32> {
        let mut gradient = Push::Whole(vec![1.0, -2.0].into());
        text.parse::<Lie>().unwrap().tell(7, worker, round, &mut gradient);
        gradient.values_mut().unwrap().to_vec()
    }

    #[test]
    fn chosen_workers_lie_in_chosen_rounds_and_others_tell_the_truth() {
        assert_eq!(told("worker=1:scale:-10", 1, 0), [-10.0, 20.0]);
        assert_eq!(told("worker=1:scale:-10", 2, 0), [1.0, -2.0]);
        assert_eq!(told("round=3..4:constant:5", 0, 4), [5.0, 5.0]);
        assert_eq!(told("round=3..4:constant:5", 0, 5), [1.0, -2.0]);
        let noise = told("all:noise:2", 0, 1);
        assert!(
            noise == told("all:noise:2", 0, 1) && noise != told("all:noise:2", 0, 2) && noise[0] != noise[1]
        );
        assert!(Push::Nothing.values_mut().is_none(), "who has nothing to say cannot lie");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_grammar() {
        for text in [
            "",
            "all",
            "worker=1:3x",
            "all:scale:1",
            "all:scale:NaN",
            "x:scale:2",
            "all:flip:1",
            "all:scale:2:3",
        ] {
            let message = text.parse::<Lie>().unwrap_err().to_string();
            assert!(message.contains("WHO:constant:VALUE"), "{text}: {message}");
        }
        assert_eq!("worker=1:scale:-10".parse::<Lie>().unwrap().to_string(), "worker=1:scale:-10");
    }
}
