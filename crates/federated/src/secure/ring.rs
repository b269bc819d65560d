//! Whole numbers modulo 2^bits: what is summed. Arithmetic wraps, so masks cancel exactly.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};

use crate::Result;
use crate::error::within;

/// The numbers modulo 2^bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    bits: u32,
}

impl Ring {
    /// A ring of this many bits.
    ///
    /// # Errors
    /// Unless 1 <= bits <= 63.
    pub fn new(bits: u32) -> Result<Self> {
        within("the number of bits", bits as usize, 1, 63)?;
        Ok(Self { bits })
    }

    /// Number of bits.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// A number brought into the ring.
    pub fn wrap(self, value: u64) -> u64 {
        value & ((1 << self.bits) - 1)
    }

    /// a + b.
    pub fn add(self, a: u64, b: u64) -> u64 {
        self.wrap(a.wrapping_add(b))
    }

    /// a - b.
    pub fn subtract(self, a: u64, b: u64) -> u64 {
        self.wrap(a.wrapping_sub(b))
    }

    /// Adds the mask of a key, or takes it off. The mask is a ChaCha20 stream: a key is used for one mask only, so
    /// the nonce is 0.
    pub(super) fn mask(self, values: &mut [u64], key: &[u8; 32], sign: Sign) {
        let mut stream = ChaCha20::new(key.into(), &[0; 12].into());
        let mut block = [0u8; 512];
        for values in values.chunks_mut(64) {
            block.fill(0);
            stream.apply_keystream(&mut block);
            for (value, bytes) in values.iter_mut().zip(block.as_chunks::<8>().0) {
                let mask = u64::from_le_bytes(*bytes);
                *value = match sign {
                    Sign::Plus => self.add(*value, mask),
                    Sign::Minus => self.subtract(*value, mask),
                };
            }
        }
    }
}

/// Whether a mask is added or taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    /// Of a pair the client with the lower number adds.
    pub(super) fn of_pair(own: u32, other: u32) -> Self {
        if own < other { Self::Plus } else { Self::Minus }
    }

    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}
