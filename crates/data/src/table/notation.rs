//! How cells of text are written: which of them are missing, and what numbers look like.
//!
//! Only what can be told apart without knowing the column is decided here. A lone `-` or `?` stands for a missing number,
//! but may be a word of its own in a column of words, so it is a case of its own ([`Written::Placeholder`]).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// Numbers beyond this magnitude are refused: their squares, which a deviation is made of, would be infinite.
pub(crate) const LARGEST: f64 = 1e150;

/// The sign between whole and fraction, for numbers that are written for people: `1,234.5 $` or `1.234,5 €`.
///
/// With either, the other sign, blanks, apostrophes and underscores set thousands apart, and signs of currencies and
/// per cent are taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decimal {
    /// `1,234.5`
    Point,
    /// `1.234,5`
    Comma,
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Decimal> {
        match text {
            "." | "point" => Ok(Decimal::Point),
            "," | "comma" => Ok(Decimal::Comma),
            _ => Err(Error::Unknown { what: "decimal sign", found: text.into(), valid: "`.` or `,`" }),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decimal::Point => "point",
            Decimal::Comma => "comma",
        })
    }
}

/// How the cells of a file are written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notation {
    /// Texts that mean a missing cell, beside the usual ones (empty, `NA`, `N/A`, `nan`, `null`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub na: Vec<String>,
    /// Numbers are written for people, with this decimal sign; `None`: as programs write them (`1234.5`, `1e-3`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
}

/// What a cell of text is, before its column is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Written<'a> {
    Missing,
    /// `-`, `?` and the like: a missing number, or a word.
    Placeholder(&'a [u8]),
    /// Finite and not beyond [`LARGEST`].
    Number(f64),
    /// `inf`, `1e200`.
    TooLarge(&'a [u8]),
    Text(&'a [u8]),
}

impl Notation {
    /// What a cell is.
    pub(crate) fn read<'a>(&self, cell: &'a [u8]) -> Written<'a> {
        // DOS ended files with a control-Z.
        let text = cell.trim_ascii();
        let text = text.strip_suffix(&[0x1a]).unwrap_or(text);
        if let Some(number) = self.number(text) {
            return match number {
                _ if number.is_nan() || self.is_named_missing(text) => Written::Missing,
                _ if number.abs() <= LARGEST => Written::Number(number),
                _ => Written::TooLarge(text),
            };
        }
        match text {
            _ if is_missing(text) || self.is_named_missing(text) => Written::Missing,
            _ if is_placeholder(text) => Written::Placeholder(text),
            _ => Written::Text(text),
        }
    }

    /// What a cell of a column of text is. A number is one all the same: what the column is takes more than one cell.
    pub(crate) fn word<'a>(&self, cell: &'a [u8]) -> Written<'a> {
        let text = cell.trim_ascii();
        match self.number(text) {
            _ if text.is_empty() || self.is_named_missing(text) => Written::Missing,
            Some(number) if number.abs() <= LARGEST => Written::Number(number),
            _ => Written::Text(text),
        }
    }

    fn is_named_missing(&self, text: &[u8]) -> bool {
        self.na.iter().any(|na| na.as_bytes() == text)
    }

    fn number(&self, text: &[u8]) -> Option<f64> {
        // Almost every cell that is no number shows it by its first byte; a cheap look saves the parser's work.
        let first = *text.first()?;
        match self.decimal {
            Some(decimal) => {
                plain(text).filter(|_| !text.contains(&b'.')).or_else(|| for_people(text, decimal))
            }
            None if first.is_ascii_digit() || b"+-.iInN".contains(&first) => plain(text),
            None => None,
        }
    }
}

/// A number as programs write it; also `nan` and `inf`.
pub(crate) fn plain(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number as people write it, with this decimal sign.
pub(crate) fn for_people(text: &[u8], decimal: Decimal) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, text) = match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    let text = text.trim_matches(is_unit);
    let (sign, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest.trim_start_matches(is_unit)),
        None => ("", text),
    };
    let (point, thousands) = match decimal {
        Decimal::Point => ('.', ','),
        Decimal::Comma => (',', '.'),
    };
    let (whole, fraction) = text.split_once(point).unwrap_or((text, ""));
    let groups: Vec<&str> =
        whole.split([thousands, ' ', '\'', '_', '\u{a0}', '\u{202f}', '\u{2019}']).collect();
    let is_whole = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let grouped =
        groups.len() == 1 || groups[0].len() <= 3 && groups[1..].iter().all(|group| group.len() == 3);
    let exponent = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    if !grouped || !groups.iter().all(|group| is_whole(group)) || groups[0].is_empty() && fraction.is_empty()
    {
        return None;
    }
    if !exponent.is_empty() && !exponent.starts_with(['e', 'E']) {
        return None;
    }
    let number: f64 = format!("{sign}{}.{fraction}", groups.concat()).parse().ok()?;
    Some(if negative { -number } else { number })
}

/// Signs of currencies and per cent, and blanks beside them.
fn is_unit(c: char) -> bool {
    c.is_whitespace() || matches!(c, '$' | '€' | '£' | '¥' | '₹' | '₽' | '₩' | '%' | '\u{a4}')
}

fn is_missing(text: &[u8]) -> bool {
    // The last one is how MySQL writes it.
    const MISSING: [&[u8]; 8] = [b"", b"na", b"n/a", b"#n/a", b"nan", b"null", b"<na>", b"\\n"];
    text.len() <= 4 && MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing))
}

fn is_placeholder(text: &[u8]) -> bool {
    // A date that is none in pandas, nothing in other languages, and what spreadsheets put where a formula failed.
    const PLACEHOLDERS: [&[u8]; 18] = [
        b"-", b"--", b"?", b".", b"..", b"none", b"missing", b"nat", b"nil", b"(null)", b"n.a.", b"#ref!",
        b"#value!", b"#div/0!", b"#num!", b"#name?", b"#null!", b"#na",
    ];
    text.len() <= 7 && PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
}

/// Text of a file as characters: UTF-8, or else Latin-1 with the additions of Windows (code page 1252, which is what
/// "Latin-1" in a table means), in which every byte is a character. So different bytes stay different texts.
pub(crate) fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| of_windows(byte)).collect(),
    }
}

/// A character of code page 1252. The five bytes that it leaves undefined stay the control characters of Latin-1.
fn of_windows(byte: u8) -> char {
    const FROM_80: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    match byte {
        0x80..=0x9f => FROM_80.chars().nth(usize::from(byte - 0x80)).unwrap_or(char::from(byte)),
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_numbers_missing_or_text() {
        let read = |text: &'static str| Notation::default().read(text.as_bytes());
        for (text, number) in [(" 12 ", 12.0), ("-1.5e3", -1500.0), ("+7", 7.0), (".5", 0.5)] {
            assert_eq!(read(text), Written::Number(number), "{text}");
        }
        for text in ["", "  ", "NA", "n/a", "NaN", "-nan", "null", "#N/A", "<NA>"] {
            assert_eq!(read(text), Written::Missing, "{text}");
        }
        assert_eq!(read("?"), Written::Placeholder(b"?"));
        for text in ["inf", "-Infinity", "1e200"] {
            assert_eq!(read(text), Written::TooLarge(text.as_bytes()), "{text}");
        }
        for text in ["Paris", "12+", "1,5", "0x1f", "nano", "info", "1 2"] {
            assert_eq!(read(text), Written::Text(text.as_bytes()), "{text}");
        }
        let notation = Notation { na: vec!["-99".into(), "keine".into()], decimal: None };
        assert_eq!((notation.read(b"-99"), notation.read(b"keine")), (Written::Missing, Written::Missing));
    }

    #[test]
    fn numbers_for_people_are_read_with_either_sign() {
        for (text, decimal, number) in [
            ("1,234.5", Decimal::Point, Some(1234.5)),
            ("$1,234", Decimal::Point, Some(1234.0)),
            ("-$5", Decimal::Point, Some(-5.0)),
            ("(12.50)", Decimal::Point, Some(-12.5)),
            ("45 %", Decimal::Point, Some(45.0)),
            ("1 234 567", Decimal::Point, Some(1_234_567.0)),
            ("1,23", Decimal::Point, None),
            ("3,25", Decimal::Comma, Some(3.25)),
            ("1.234,5 €", Decimal::Comma, Some(1234.5)),
            ("1'234,5", Decimal::Comma, Some(1234.5)),
            ("12.5", Decimal::Comma, None),
            ("1,5e3", Decimal::Comma, Some(1500.0)),
            ("", Decimal::Comma, None),
            ("-", Decimal::Point, None),
            ("a,b", Decimal::Comma, None),
        ] {
            assert_eq!(for_people(text.as_bytes(), decimal), number, "{text}");
        }
        let comma = Notation { decimal: Some(Decimal::Comma), na: vec![] };
        assert_eq!(comma.read(b"12"), Written::Number(12.0));
        assert_eq!(comma.read(b"3,5"), Written::Number(3.5));
        assert_eq!(comma.read(b"3.5"), Written::Text(b"3.5"), "under a comma the point sets thousands apart");
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_latin_1_and_stay_apart() {
        assert_eq!(decode("né".as_bytes()), "né");
        assert_eq!((decode(b"n\xe9"), decode(b"n\xe8")), ("né".into(), "nè".into()));
        assert_eq!(decode(b"\x93x\x94 \x80\x96\x81\x9f"), "“x” €–\u{81}Ÿ", "as Windows writes it");
        let all: std::collections::BTreeSet<String> = (128..=255).map(|byte| decode(&[byte])).collect();
        assert_eq!(all.len(), 128);
    }
}
