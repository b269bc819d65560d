//! Less on the wire: what becomes of the numbers of a push and of a pull before they travel.
//!
//! A *format* writes each number shorter ([`Format`]); *top-k* sends the largest values of a gradient only. What int8 and
//! top-k leave out of a push stays with its worker and is added to its next gradient ([`feedback`], error feedback: Seide et
//! al. 2014, Stich et al. 2018), so that nothing is left out for good; what a pull leaves out needs no such books, because the server
//! has the parameters themselves and sends them again in the next round.
//!
//! - COMP-1: what is sent does not depend on where the run goes on or on how many servers: blocks of int8 never lie across
//!   two shards, and the largest values are those of the whole gradient. So BSP gives the same bits everywhere.
//! - COMP-2: sum of what was sent + what is kept = sum of the gradients, but for rounding at 32 bits.

mod feedback;
mod packed;
mod top_k;

use std::{fmt, str::FromStr};

pub(crate) use feedback::Feedback;
pub(crate) use packed::{Packed, TooLarge};

use crate::Error;

/// How numbers are written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 2 bytes: the upper half of the 4, rounded; 8 bits of precision, any size.
    Bf16,
    /// 2 bytes as IEEE 754 has them: 11 bits of precision, up to 65504.
    F16,
    /// A byte, and 2 more for each 16 neighbours: whole multiples of a 127th of the largest among them.
    Int8,
}

/// What is sent of a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PushCodec {
    /// All values, in this format.
    Format(Format),
    /// The values of largest magnitude, this share of them, and where they stand: 8 bytes each.
    TopK(f64),
}

/// What is done to make pushes and pulls shorter; nothing by default.
///
/// ```
/// use syncline_paramserv::{Compression, Format, PushCodec};
/// let some: Compression = "push=topk:0.01,pull=bf16".parse()?;
/// assert_eq!((some.push, some.pull), (Some(PushCodec::TopK(0.01)), Some(Format::Bf16)));
/// assert_eq!("f16".parse::<Compression>()?.to_string(), "push=f16,pull=f16");
/// # Ok::<(), syncline_paramserv::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compression {
    /// Of gradients, or of the changes of models.
    pub push: Option<PushCodec>,
    /// Of parameters.
    pub pull: Option<Format>,
}

/// The largest share of top-k: of more values, all of them would be shorter.
const MOST: f64 = 0.5;

impl Compression {
    /// The names a user can give.
    pub const VALID: &'static str = "push=CODEC, pull=FORMAT, both with a comma between, or one FORMAT for both; formats are bf16, f16 and int8, \
         codecs these and topk:SHARE, such as topk:0.01";

    /// Whether nothing is done.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether neighbours share a scale, which what comes from here and there cannot.
    pub(crate) fn has_blocks(&self) -> bool {
        self.push == Some(PushCodec::Format(Format::Int8)) || self.pull == Some(Format::Int8)
    }

    /// Whether a worker keeps what its pushes left out.
    pub(crate) fn keeps_residual(&self) -> bool {
        matches!(self.push, Some(PushCodec::TopK(_) | PushCodec::Format(Format::Int8)))
    }

    /// Bytes of a push with a value for each of so many parameters, where values are not chosen.
    pub(crate) fn whole_push_bytes(&self, parameters: usize) -> Option<u64> {
        match self.push {
            Some(PushCodec::Format(format)) => Some(format.bytes(parameters)),
            Some(PushCodec::TopK(_)) | None => None,
        }
    }
}

impl Format {
    /// Bytes of so many numbers.
    pub(crate) fn bytes(self, numbers: usize) -> u64 {
        match self {
            Self::Bf16 | Self::F16 => 2 * numbers as u64,
            Self::Int8 => (numbers + 2 * numbers.div_ceil(packed::BLOCK)) as u64,
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            "int8" => Ok(Self::Int8),
            _ => Err(unknown(text)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

impl FromStr for PushCodec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(share) = text.strip_prefix("topk:") else { return Ok(Self::Format(text.parse()?)) };
        let share: f64 = share.parse().map_err(|_| unknown(text))?;
        if share > 0.0 && share <= MOST {
            return Ok(Self::TopK(share));
        }
        let must = format!(
            "a share above 0 and up to {MOST} is needed: a value and its place are 8 bytes, so that beyond it all values, at 4, are \
             shorter"
        );
        Err(Error::OutOfRange { what: "compress", got: text.to_owned(), must })
    }
}

impl fmt::Display for PushCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => format.fmt(f),
            Self::TopK(share) => write!(f, "topk:{share}"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if !text.contains('=') {
            let format = pulled(text)?;
            return Ok(Self { push: Some(PushCodec::Format(format)), pull: Some(format) });
        }
        let mut all = Self::default();
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("push", codec)) if all.push.is_none() => all.push = Some(codec.parse()?),
                Some(("pull", format)) if all.pull.is_none() => all.pull = Some(pulled(format)?),
                _ => return Err(unknown(text)),
            }
        }
        Ok(all)
    }
}

/// The format of a pull.
fn pulled(text: &str) -> Result<Format, Error> {
    if text.starts_with("topk") {
        let must = "a pull brings parameters, of which small ones matter as much as large ones: top-k is for pushes, as in \
                    push=topk:0.01,pull=bf16"
            .to_owned();
        return Err(Error::OutOfRange { what: "compress", got: text.to_owned(), must });
    }
    text.parse()
}

fn unknown(text: &str) -> Error {
    Error::Option { what: "compress", got: text.to_owned(), valid: Compression::VALID.to_owned() }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let push = self.push.map(|codec| format!("push={codec}"));
        let pull = self.pull.map(|format| format!("pull={format}"));
        let parts: Vec<_> = push.into_iter().chain(pull).collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["push=topk:0.01,pull=bf16", "push=int8", "pull=f16", "push=bf16,pull=int8"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        let both: Compression = "int8".parse().unwrap();
        assert_eq!(both.to_string(), "push=int8,pull=int8");
        assert!(both.has_blocks() && both.keeps_residual() && !both.is_none());
        assert_eq!(Compression::default().to_string(), "none");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let said = |text: &str| text.parse::<Compression>().unwrap_err().to_string();
        for text in ["", "bf17", "push", "push=", "push=bf16,push=f16", "both=bf16", "push=topk:x"] {
            assert!(said(text).contains("valid values are push=CODEC"), "{text}: {}", said(text));
        }
        assert!(said("pull=topk:0.1").contains("top-k is for pushes"));
        assert!(said("topk:0.1").contains("push=topk:0.01"));
        for share in ["0", "-0.1", "0.51", "NaN", "inf"] {
            let said = said(&format!("push=topk:{share}"));
            assert!(said.contains("above 0 and up to 0.5"), "{said}");
        }
    }
}
