//! Parts of policies in the form in which they are saved.
//!
//! Invariant: a loaded policy decides as the saved one would have, so numbers are kept to the last bit and random
//! numbers go on where they were.

use rand::{SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{Error, Result};

/// A part of a policy as a value.
pub fn save(part: &impl Serialize) -> Result<Value> {
    serde_json::to_value(part).map_err(|error| Error::Saved(error.to_string()))
}

/// A part of a policy from a value.
pub fn load<T: DeserializeOwned>(saved: Value) -> Result<T> {
    serde_json::from_value(saved).map_err(|error| Error::Saved(error.to_string()))
}

/// Where a sequence of random numbers stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedRng {
    seed: [u8; 32],
    stream: u64,
    /// Words drawn so far: 2^64 of them are more than anybody draws.
    position: u64,
}

impl SavedRng {
    /// Of a generator.
    pub fn of(rng: &ChaCha8Rng) -> Self {
        let position = u64::try_from(rng.get_word_pos()).unwrap_or(u64::MAX);
        Self { seed: rng.get_seed(), stream: rng.get_stream(), position }
    }

    /// A generator that goes on from there.
    pub fn resume(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(self.position.into());
        rng
    }
}
