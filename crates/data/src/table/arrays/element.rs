//! One element of an array, as it is stored.

use super::super::Value;
#[cfg(feature = "npy")]
use super::super::half;

/// How an element is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Element {
    pub kind: Kind,
    /// In bytes.
    pub size: usize,
    pub big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    #[cfg(feature = "npy")]
    Bool,
    Signed,
    Unsigned,
    Float,
    /// Latin-1 or UTF-8, filled up with zeros.
    #[cfg(feature = "npy")]
    Bytes,
    /// Characters of four bytes, filled up with zeros.
    #[cfg(feature = "npy")]
    Characters,
}

impl Element {
    pub(super) fn is_text(self) -> bool {
        match self.kind {
            #[cfg(feature = "npy")]
            Kind::Bytes | Kind::Characters => true,
            _ => false,
        }
    }

    pub(super) fn value(self, bytes: &[u8]) -> Value {
        match self.kind {
            #[cfg(feature = "npy")]
            Kind::Bytes => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                Value::Word(bytes[..end].to_vec())
            }
            #[cfg(feature = "npy")]
            Kind::Characters => {
                let (words, _) = bytes.as_chunks::<4>();
                let word = |word: &[u8; 4]| match self.big_endian {
                    true => u32::from_be_bytes(*word),
                    false => u32::from_le_bytes(*word),
                };
                let text = words
                    .iter()
                    .map(|bytes| char::from_u32(word(bytes)).unwrap_or(char::REPLACEMENT_CHARACTER));
                let text: String = text.collect();
                Value::Word(text.trim_end_matches('\0').as_bytes().to_vec())
            }
            _ => Value::Number(self.number(bytes)),
        }
    }

    /// Of an element that is no text.
    pub(super) fn number(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        // Little-endian, whatever the file has.
        for (at, byte) in bytes.iter().enumerate().take(8) {
            wide[if self.big_endian { self.size - 1 - at } else { at }] = *byte;
        }
        let word = u64::from_le_bytes(wide);
        // A negative number's bits go on above it.
        let unused = 64 - 8 * self.size.min(8) as u32;
        match self.kind {
            #[cfg(feature = "npy")]
            Kind::Bool => f64::from(u8::from(word != 0)),
            Kind::Unsigned => word as f64,
            Kind::Signed => ((word << unused) as i64 >> unused) as f64,
            #[cfg(feature = "npy")]
            Kind::Float if self.size == 2 => half(word as u16),
            Kind::Float if self.size == 4 => f32::from_bits(word as u32).into(),
            Kind::Float => f64::from_bits(word),
            #[cfg(feature = "npy")]
            Kind::Bytes | Kind::Characters => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_kind_are_read() {
        let element = |kind, size, big_endian| Element { kind, size, big_endian };
        assert_eq!(element(Kind::Signed, 2, false).number(&(-3i16).to_le_bytes()), -3.0);
        assert_eq!(element(Kind::Signed, 4, true).number(&(-70_000i32).to_be_bytes()), -70_000.0);
        assert_eq!(element(Kind::Unsigned, 1, false).number(&[200]), 200.0);
        assert_eq!(element(Kind::Float, 4, true).number(&1.5f32.to_be_bytes()), 1.5);
        assert_eq!(element(Kind::Float, 8, false).number(&(-0.1f64).to_le_bytes()), -0.1);
    }

    #[cfg(feature = "npy")]
    #[test]
    fn texts_halves_and_truths_are_read() {
        let element = |kind, size| Element { kind, size, big_endian: false };
        assert_eq!(element(Kind::Bool, 1).number(&[1]), 1.0);
        assert_eq!(element(Kind::Float, 2).number(&[0, 0x3e]), 1.5);
        assert_eq!(element(Kind::Bytes, 4).value(b"ab\0\0"), Value::Word(b"ab".to_vec()));
        let characters = ['é', '1', '\0'].map(|c| (c as u32).to_le_bytes()).concat();
        assert_eq!(element(Kind::Characters, 12).value(&characters), Value::Word("é1".as_bytes().to_vec()));
    }
}
