//! The secret of a run: whoever cannot prove to know it is not listened to.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A run's secret, 32 random bytes. Written as 64 hexadecimal digits; `Debug` hides it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token([u8; Token::LENGTH]);

impl Token {
    pub(crate) const LENGTH: usize = 32;

    /// A new secret from the system's generator. The only randomness that a run's seed must not decide.
    pub fn random() -> Token {
        Token(rand::random())
    }

    /// The secret as 64 hexadecimal digits, to hand to a child process (by environment or file, not by argument).
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn bytes(&self) -> &[u8; Token::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|two| pair(two)).collect();
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) if rest.is_empty() => Ok(Token(bytes)),
            _ => Err(Error::Token { length: text.len() }),
        }
    }
}

impl TryFrom<String> for Token {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Token> for String {
    fn from(token: Token) -> String {
        token.to_hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_other_text_is_refused() {
        let token = Token::random();
        assert_eq!(token.to_hex().parse::<Token>().unwrap().bytes(), token.bytes());
        let long = "a".repeat(65);
        for text in ["", "00", "zz", &"g".repeat(64), &"a".repeat(63), &long, &"é".repeat(32)] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let token = Token::random();
        assert!(!format!("{token:?}").contains(&token.to_hex()[..8]));
    }
}
