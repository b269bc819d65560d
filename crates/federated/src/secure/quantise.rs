//! Real numbers as numbers of the ring: rounded up or down at random, so that the sum has no bias.

use rand::{Rng, RngExt};

use super::Ring;
use crate::Result;
use crate::error::{positive, within};

/// (clip(x, +-c) + c) R / (2 c), rounded at random, R the number of levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiser {
    clip: f64,
    levels: u64,
}

impl Quantiser {
    /// Values are clipped to +-`clip` and brought to 0 ..= `levels`.
    ///
    /// # Errors
    /// Unless the clip is positive and there are 1 to 2^52 levels.
    pub fn new(clip: f64, levels: u64) -> Result<Self> {
        positive("the clip", clip)?;
        within("the number of levels", levels as usize, 1, 1 << 52)?;
        Ok(Self { clip, levels })
    }

    /// The ring in which so many clients' numbers sum without wrapping: bits of a level + ceil(log2 clients).
    ///
    /// # Errors
    /// When it would have more than 63 bits.
    pub fn ring(&self, clients: usize) -> Result<Ring> {
        let of_level = u64::BITS - self.levels.leading_zeros();
        Ring::new(of_level + clients.next_power_of_two().trailing_zeros())
    }

    /// One value's place among the levels.
    pub fn place(&self, value: f64) -> f64 {
        // A value that is no number counts as 0: it must not poison everybody's sum.
        let value = if value.is_nan() { 0.0 } else { value.clamp(-self.clip, self.clip) };
        (value + self.clip) * self.levels as f64 / (2.0 * self.clip)
    }

    /// The values as numbers.
    pub fn quantise(&self, values: &[f64], rng: &mut impl Rng) -> Vec<u64> {
        values
            .iter()
            .map(|value| {
                let place = self.place(*value);
                place.floor() as u64 + u64::from(rng.random::<f64>() < place.fract())
            })
            .collect()
    }

    /// The sum of the values of `clients` clients from the sum of their numbers.
    pub fn sum(&self, numbers: &[u64], clients: usize) -> Vec<f64> {
        let unit = 2.0 * self.clip / self.levels as f64;
        numbers.iter().map(|number| *number as f64 * unit - clients as f64 * self.clip).collect()
    }
}
