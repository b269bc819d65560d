//! How the learning rate changes over a run: a factor of the rate for every round, so that it is the same for every
//! number of servers and whatever order gradients arrive in.

use std::{f64::consts::PI, fmt, str::FromStr};

use crate::Error;

/// The factor of the learning rate in each round: after a warm-up from zero, a shape.
///
/// ```
/// use syncline_round::Schedule;
///
/// let schedule: Schedule = "warmup:1+step:2:0.5".parse()?;
/// // Ten epochs of two rounds.
/// let factors: Vec<f32> = (0..8).map(|round| schedule.factor(round, 2, 20)).collect();
/// assert_eq!(factors, [0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
/// # Ok::<(), syncline_round::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Schedule {
    /// Epochs in which the rate rises evenly to its full value.
    warmup: u32,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Default)]
enum Shape {
    /// Always 1.
    #[default]
    Constant,
    /// Multiplied by `factor` after every so many epochs.
    Step { epochs: u32, factor: f32 },
    /// From 1 to 0 at the end of the run along half a cosine (Loshchilov and Hutter 2017).
    Cosine,
}

impl Schedule {
    /// What a user can write.
    pub const VALID: &'static str = "constant, cosine, step:EPOCHS:FACTOR (such as step:10:0.5), warmup:EPOCHS, or warmup:EPOCHS+ and one of the others";

    /// Along half a cosine, from the full rate to zero at the end of the run.
    pub const COSINE: Self = Self { warmup: 0, shape: Shape::Cosine };

    /// The epochs of warm-up.
    pub fn warmup(&self) -> u32 {
        self.warmup
    }

    /// The factor in `round`, from 0, of a run of `rounds` rounds with so many an epoch.
    pub fn factor(&self, round: u64, rounds_per_epoch: u64, rounds: u64) -> f32 {
        let warmup = u64::from(self.warmup).saturating_mul(rounds_per_epoch);
        if round < warmup {
            return ((round + 1) as f64 / warmup as f64) as f32;
        }
        match self.shape {
            Shape::Constant => 1.0,
            Shape::Step { epochs, factor } => {
                let steps = round / rounds_per_epoch.max(1) / u64::from(epochs.max(1));
                f64::from(factor).powf(steps as f64) as f32
            }
            Shape::Cosine => {
                let done = (round - warmup) as f64 / rounds.saturating_sub(warmup).max(1) as f64;
                (0.5 * (1.0 + (PI * done.min(1.0)).cos())) as f32
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown { what: "schedule", got: text.to_owned(), valid: Self::VALID };
        let (warmup, shape) = match text.strip_prefix("warmup:") {
            None => (0, text),
            Some(rest) => {
                let (epochs, shape) = rest.split_once('+').unwrap_or((rest, "constant"));
                (epochs.parse().ok().filter(|&epochs| epochs > 0).ok_or_else(unknown)?, shape)
            }
        };
        let shape = parse_shape(shape).ok_or_else(unknown)?;
        Ok(Self { warmup, shape })
    }
}

fn parse_shape(text: &str) -> Option<Shape> {
    match text {
        "constant" => Some(Shape::Constant),
        "cosine" => Some(Shape::Cosine),
        _ => {
            let (epochs, factor) = text.strip_prefix("step:")?.split_once(':')?;
            let epochs = epochs.parse().ok().filter(|&epochs| epochs > 0)?;
            let factor =
                factor.parse().ok().filter(|factor| (0.0..=1.0).contains(factor) && *factor > 0.0)?;
            Some(Shape::Step { epochs, factor })
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.warmup, self.shape) {
            (0, _) => {}
            (epochs, Shape::Constant) => return write!(f, "warmup:{epochs}"),
            (epochs, _) => write!(f, "warmup:{epochs}+")?,
        }
        match self.shape {
            Shape::Constant => f.write_str("constant"),
            Shape::Step { epochs, factor } => write!(f, "step:{epochs}:{factor}"),
            Shape::Cosine => f.write_str("cosine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in
            ["constant", "cosine", "step:10:0.5", "warmup:3", "warmup:3+cosine", "warmup:1+step:2:0.1"]
        {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "linear",
            "step",
            "step:0:0.5",
            "step:5",
            "step:5:0",
            "step:5:2",
            "warmup:0",
            "warmup:2+",
            "cosine+warmup:2",
        ] {
            let message = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(message.contains("step:EPOCHS:FACTOR"), "{text}: {message}");
        }
    }

    #[test]
    fn a_cosine_falls_from_one_to_nothing() {
        let schedule = Schedule::COSINE;
        assert_eq!(schedule.factor(0, 10, 100), 1.0);
        assert!((schedule.factor(50, 10, 100) - 0.5).abs() < 1e-6);
        assert!(schedule.factor(99, 10, 100) < 1e-3);
        assert!((0..99).all(|round| schedule.factor(round, 10, 100) > schedule.factor(round + 1, 10, 100)));
    }
}
