//! Shamir's shares of 32 bytes: 16 polynomials over GF(2^16), of which any `threshold` values give the value at 0.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::field;
use crate::{Error, Result};

/// Words of a secret.
pub const WORDS: usize = 16;

/// One holder's share of a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Share {
    /// Where the polynomials were evaluated: the holder's place, from 1.
    pub at: u16,
    /// Their values.
    pub words: [u16; WORDS],
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share {{ at: {}, .. }}", self.at)
    }
}

/// The value at x of the polynomial with these coefficients, the secret first.
pub fn evaluate(coefficients: &[u16], x: u16) -> u16 {
    coefficients.iter().rev().fold(0, |sum, coefficient| field::product(sum, x) ^ coefficient)
}

/// The value at 0 of the polynomial through these points (x, value), by Lagrange's formula.
///
/// # Errors
/// When there is no point, or two have the same x, or one is 0.
pub fn interpolate(points: &[(u16, u16)]) -> Result<u16> {
    let places: Vec<u16> = points.iter().map(|(x, _)| *x).collect();
    let weights = weights(&places)?;
    Ok(points.iter().zip(weights).fold(0, |sum, ((_, value), weight)| sum ^ field::product(weight, *value)))
}

/// Lagrange's weights at 0: the product over others of x_j / (x_j - x_i), where a difference is an exclusive or.
fn weights(places: &[u16]) -> Result<Vec<u16>> {
    let bad = |reason: &str| Err(Error::SumFailed { reason: format!("shares at {places:?} {reason}") });
    if places.is_empty() || places.contains(&0) {
        return bad("are none of a secret");
    }
    let weight = |own: &u16| {
        let others = places.iter().filter(|other| *other != own);
        others.fold(1, |product, other| {
            field::product(product, field::product(*other, field::inverse(other ^ own)))
        })
    };
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() < places.len() {
        return bad("repeat a place");
    }
    Ok(places.iter().map(weight).collect())
}

/// Shares of a secret for the holders at places 1 ..= `holders`; `random` yields the other coefficients of each
/// polynomial.
pub(super) fn split(
    secret: &[u8; 32],
    threshold: usize,
    holders: usize,
    mut random: impl FnMut() -> u16,
) -> Vec<Share> {
    let mut polynomials: Vec<Vec<u16>> = words(secret)
        .iter()
        .map(|word| std::iter::once(*word).chain((1..threshold).map(|_| random())).collect())
        .collect();
    let shares = (1..=holders as u16)
        .map(|at| Share { at, words: std::array::from_fn(|word| evaluate(&polynomials[word], at)) })
        .collect();
    polynomials.zeroize();
    shares
}

/// False shares that are always found, where so many more than the threshold came.
const FOUND: usize = 8;

/// The secret of at least `threshold` shares.
///
/// Shares beyond the threshold prove the others: x^p f(x) is 0 at 0, and as long as there are more shares than its degree that is
/// what they interpolate to. Up to as many false shares as powers p are tried cannot cancel out in all of them, whatever they are (their
/// coefficients are a Vandermonde matrix). Just the threshold of shares fits any secret.
///
/// # Errors
/// When there are fewer, two of the same place, or they contradict each other.
pub(super) fn rebuild(shares: &[&Share], threshold: usize) -> Result<[u8; 32]> {
    if shares.len() < threshold {
        let reason = format!("{} shares of a secret came, {threshold} are needed", shares.len());
        return Err(Error::SumFailed { reason });
    }
    let mut weights = weights(&shares.iter().map(|share| share.at).collect::<Vec<_>>())?;
    let at_zero = |weights: &[u16], word: usize| {
        let terms =
            shares.iter().zip(weights).map(|(share, weight)| field::product(*weight, share.words[word]));
        terms.fold(0, |sum, term| sum ^ term)
    };
    let mut secret = [0; 32];
    for (word, bytes) in secret.chunks_exact_mut(2).enumerate() {
        bytes.copy_from_slice(&at_zero(&weights, word).to_le_bytes());
    }
    for _ in 0..(shares.len() - threshold).min(FOUND) {
        for (weight, share) in weights.iter_mut().zip(shares) {
            *weight = field::product(*weight, share.at);
        }
        if (0..WORDS).any(|word| at_zero(&weights, word) != 0) {
            secret.zeroize();
            let reason = "its shares contradict each other: at least one is false".to_owned();
            return Err(Error::SumFailed { reason });
        }
    }
    Ok(secret)
}

fn words(secret: &[u8; 32]) -> [u16; WORDS] {
    std::array::from_fn(|word| u16::from_le_bytes([secret[2 * word], secret[2 * word + 1]]))
}

impl Share {
    /// The words as 32 bytes.
    pub(super) fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (pair, word) in bytes.chunks_exact_mut(2).zip(&self.words) {
            pair.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(at: u16, bytes: &[u8; 32]) -> Self {
        Self { at, words: words(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_threshold_of_shares_rebuilds_and_fewer_do_not() {
        let secret: [u8; 32] = std::array::from_fn(|i| (i * 41 + 7) as u8);
        let mut state = 1u16;
        let shares = split(&secret, 3, 5, || {
            state = state.wrapping_mul(25173).wrapping_add(13849);
            state
        });
        for skip in 0..5 {
            let some: Vec<&Share> = shares.iter().filter(|share| share.at as usize != skip + 1).collect();
            assert_eq!(rebuild(&some, 3).unwrap(), secret);
            assert_ne!(rebuild(&some[..2], 2).unwrap(), secret, "two of three say nothing");
        }
        let all: Vec<&Share> = shares.iter().collect();
        assert_eq!(rebuild(&all, 3).unwrap(), secret);
        // One or two false ones of five, of which three are enough.
        for (one, other) in [(0, 0), (1, 4), (2, 3)] {
            let mut lies = shares.clone();
            lies[one].words[5] ^= 0x0101;
            lies[other].words[5] ^= 0x0202;
            let said = rebuild(&lies.iter().collect::<Vec<_>>(), 3).unwrap_err().to_string();
            assert!(said.contains("contradict each other"), "{said}");
        }
        assert!(rebuild(&[&shares[0]], 3).is_err());
        assert!(rebuild(&[&shares[0], &shares[0], &shares[1]], 3).is_err());
        assert_eq!(format!("{:?}", shares[0]), "Share { at: 1, .. }");
    }

    #[test]
    fn published_values_come_out() {
        assert_eq!(evaluate(&[12345, 6789, 42], 5), 16930);
        assert_eq!(interpolate(&[(1, evaluate(&[7, 9], 1)), (300, evaluate(&[7, 9], 300))]).unwrap(), 7);
        assert!(interpolate(&[(1, 2), (1, 3)]).is_err() && interpolate(&[]).is_err());
    }
}
