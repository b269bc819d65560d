//! Ranges on the command line: `1..5` (both ends included) or a single value.

use std::{fmt::Display, str::FromStr};

/// Both ends are included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<T> {
    pub first: T,
    pub last: T,
}

impl<T: FromStr + Copy + PartialOrd + Display> FromStr for Span<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number; write 3 or 1..5"));
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (end(first)?, end(last.trim_start_matches('='))?),
            None => (end(text)?, end(text)?),
        };
        if first <= last {
            Ok(Self { first, last })
        } else {
            Err(format!("{first} is greater than {last}; the smaller end comes first"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn both_ends_count() {
        assert_eq!("1..5".parse(), Ok(Span { first: 1, last: 5 }));
        assert_eq!("0.1..1".parse(), Ok(Span { first: 0.1, last: 1.0 }));
        assert_eq!("7".parse(), Ok(Span { first: 7, last: 7 }));
        assert!("5..1".parse::<Span<u64>>().is_err());
        assert!("a..b".parse::<Span<u64>>().is_err());
    }
}
