//! Clients that lie, as a user says it.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// Clients that lie, for experiments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Liars {
    /// How many of all clients.
    pub count: usize,
    /// What they send.
    pub lie: Lie,
}

/// What a liar sends in place of its change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lie {
    /// Its change times this.
    Scale(f64),
    /// Normal noise of this deviation.
    Noise(f64),
    /// This in every place.
    Constant(f64),
}

impl Liars {
    /// The names a user can give.
    pub const VALID: &'static str =
        "COUNT:scale:FACTOR (such as 3:scale:-10), COUNT:noise:DEVIATION and COUNT:constant:VALUE";
}

impl FromStr for Liars {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown { what: "lie", got: text.to_owned(), valid: Self::VALID.to_owned() };
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or_else(unknown);
        let (count, kind, number) = (next()?, next()?, next()?);
        let number: f64 =
            number.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(unknown)?;
        let lie = match kind {
            "scale" => Lie::Scale(number),
            "noise" => Lie::Noise(number),
            "constant" => Lie::Constant(number),
            _ => return Err(unknown()),
        };
        if parts.next().is_some() {
            return Err(unknown());
        }
        Ok(Self { count: count.parse().map_err(|_| unknown())?, lie })
    }
}

impl fmt::Display for Liars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, number) = match self.lie {
            Lie::Scale(number) => ("scale", number),
            Lie::Noise(number) => ("noise", number),
            Lie::Constant(number) => ("constant", number),
        };
        write!(f, "{}:{kind}:{number}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lies_are_read_as_they_are_written() {
        for text in ["3:scale:-10", "1:noise:0.5", "2:constant:1"] {
            assert_eq!(text.parse::<Liars>().unwrap().to_string(), text);
        }
        for text in ["", "3", "3:scale", "x:scale:1", "3:flip:1", "3:scale:1:2", "3:noise:NaN"] {
            assert!(text.parse::<Liars>().is_err(), "{text}");
        }
    }
}
