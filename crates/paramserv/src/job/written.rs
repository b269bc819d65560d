//! Settings of a job that remember how they were written, or are written in a way of their own.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use syncline_runtime::parse_duration;

/// A value and the text that it was read from, where the value alone does not say all of it: which file lists the hosts.
#[derive(Clone, Debug)]
pub struct Written<T> {
    text: String,
    value: T,
}

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: FromStr> FromStr for Written<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        Ok(Self { text: text.to_owned(), value: text.parse()? })
    }
}

impl<T> fmt::Display for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What divides the cells of a text table: a character, `tab` or `blanks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(u8);

impl Delimiter {
    /// As a byte; a blank stands for any number of them.
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl FromStr for Delimiter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.as_bytes()) {
            ("tab" | "\\t", _) => Ok(Self(b'\t')),
            ("blanks" | " ", _) => Ok(Self(b' ')),
            (_, &[byte]) if !byte.is_ascii_alphanumeric() && byte != b'"' => Ok(Self(byte)),
            _ => Err("give one character that is no letter, digit or quote, or `tab`, or `blanks`"),
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tab"),
            b' ' => f.write_str("blanks"),
            byte => write!(f, "{}", char::from(byte)),
        }
    }
}

/// How long a node's process may give no sign of life: long enough to tell silence from a moment without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence(Duration);

impl Silence {
    /// Where the loss of a node does not end the run, unless something else is asked for.
    pub(super) const USUAL: Self = Self(Duration::from_secs(30));

    /// As a time.
    pub fn time(self) -> Duration {
        self.0
    }
}

impl FromStr for Silence {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = parse_duration(text).filter(|time| *time >= Duration::from_millis(100));
        time.map(Self).ok_or("a time from 100ms to 3600s, such as 30s or 1.5s, is needed")
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}
