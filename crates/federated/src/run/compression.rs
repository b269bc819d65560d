//! What a client does to its change before it sends it, by name, and the bytes that it then sends.

use std::fmt;
use std::str::FromStr;

use rand::Rng;

use crate::compress::{Qsgd, TopK};
use crate::error::positive;
use crate::{Error, Result};

/// How changes are made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Compression {
    /// Not at all: 4 bytes a parameter.
    #[default]
    None,
    /// The largest entries; the rest is kept by the client for the next time.
    TopK {
        /// Share of the parameters that is sent.
        share: f64,
    },
    /// Rounded at random to so many levels of the change's length.
    Qsgd {
        /// Number of levels.
        levels: u32,
    },
    /// The upper half of each number: 2 bytes a parameter.
    Bf16,
}

impl Compression {
    /// The names a user can give.
    pub const VALID: &'static str =
        "none, topk:SHARE (such as topk:0.01), qsgd:LEVELS (such as qsgd:15) and bf16";

    /// Bytes of a change of so many parameters.
    pub fn bytes(self, parameters: usize) -> u64 {
        match self {
            Self::None => 4 * parameters as u64,
            Self::TopK { share } => 8 * kept(share, parameters) as u64,
            Self::Qsgd { levels } => {
                let bits = u64::from((2 * u64::from(levels) + 1).next_power_of_two().trailing_zeros());
                4 + (bits * parameters as u64).div_ceil(8)
            }
            Self::Bf16 => 2 * parameters as u64,
        }
    }

    /// What the server gets of a change; `residual` is what the client keeps between its rounds.
    ///
    /// # Errors
    /// When the change is not as long as before.
    pub(super) fn send(
        self,
        change: &mut [f64],
        residual: &mut Option<TopK>,
        rng: &mut impl Rng,
    ) -> Result<()> {
        match self {
            Self::None => {}
            Self::TopK { share } => {
                let count = kept(share, change.len());
                let sender = match residual {
                    Some(sender) => sender,
                    none => none.insert(TopK::new(count, change.len())?),
                };
                let sent = sender.send(change)?;
                change.fill(0.0);
                for (index, value) in sent.indices.iter().zip(&sent.values) {
                    change[*index as usize] = f64::from(*value);
                }
            }
            Self::Qsgd { levels } => {
                change.copy_from_slice(&Qsgd::new(levels)?.quantise(change, rng).values())
            }
            Self::Bf16 => change.iter_mut().for_each(|value| *value = rounded(*value)),
        }
        Ok(())
    }
}

/// Entries of top-k: at least one.
fn kept(share: f64, parameters: usize) -> usize {
    ((share * parameters as f64).round() as usize).clamp(1, parameters.max(1))
}

/// To the nearest number of 16 bits with the exponent of 32, ties to even.
fn rounded(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    // Infinities and NaN have no fraction that could carry over into the exponent.
    if bits & 0x7f80_0000 == 0x7f80_0000 {
        return value;
    }
    let up = 0x7fff + ((bits >> 16) & 1);
    f64::from(f32::from_bits(bits.wrapping_add(up) & 0xffff_0000))
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown =
            || Error::Unknown { what: "compression", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        match (name, number) {
            ("none", None) => Ok(Self::None),
            ("bf16", None) => Ok(Self::Bf16),
            ("topk", Some(share)) => {
                let share = share.parse().map_err(|_| unknown())?;
                positive("the share of entries sent", share)?;
                crate::error::between("the share of entries sent", share, 0.0, 1.0)?;
                Ok(Self::TopK { share })
            }
            ("qsgd", Some(levels)) => {
                let levels = levels.parse().map_err(|_| unknown())?;
                Qsgd::new(levels)?;
                Ok(Self::Qsgd { levels })
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::TopK { share } => write!(f, "topk:{share}"),
            Self::Qsgd { levels } => write!(f, "qsgd:{levels}"),
            Self::Bf16 => f.write_str("bf16"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["none", "topk:0.01", "qsgd:15", "bf16"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        for text in ["", "topk", "topk:0", "topk:1.5", "qsgd:0", "bf16:1"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }

    #[test]
    fn counted_bytes_are_those_of_what_is_sent() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        for parameters in [1, 7, 1000] {
            let change: Vec<f64> = (0..parameters).map(|_| rng.random::<f64>() - 0.5).collect();
            let sent = Qsgd::new(15).unwrap().quantise(&change, &mut rng);
            assert_eq!(Compression::Qsgd { levels: 15 }.bytes(parameters), sent.bytes() as u64);
            let topk = Compression::TopK { share: 0.1 };
            let mut left = None;
            topk.send(&mut change.clone(), &mut left, &mut rng).unwrap();
            let entries = kept(0.1, parameters);
            assert_eq!(topk.bytes(parameters), 8 * entries as u64);
        }
    }

    #[test]
    fn half_numbers_are_the_nearest_ones() {
        assert_eq!(rounded(1.0), 1.0);
        assert_eq!(rounded(1.0 + 1.0 / 256.0), 1.0, "a tie goes to the even one");
        assert_eq!(rounded(1.0 + 3.0 / 256.0), 1.0 + 2.0 / 128.0);
        assert_eq!(rounded(-0.1), -0.100_097_656_25);
        assert!(rounded(f64::NAN).is_nan() && rounded(f64::INFINITY).is_infinite());
    }
}
