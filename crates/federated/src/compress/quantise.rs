//! QSGD: each entry is rounded at random to one of s levels of the vector's length, without bias. (Alistarh et al.,
//! arXiv 1610.02132.)

use rand::{Rng, RngExt};

use crate::Result;
use crate::error::within;

/// Quantisation to `levels` levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qsgd {
    levels: u32,
}

/// A quantised vector: value i is length x steps\[i\] / levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// The 2-norm of the vector.
    pub length: f64,
    /// Signed levels.
    pub steps: Vec<i32>,
    levels: u32,
}

impl Quantised {
    /// The vector that was sent.
    pub fn values(&self) -> Vec<f64> {
        let unit = self.length / f64::from(self.levels);
        self.steps.iter().map(|step| unit * f64::from(*step)).collect()
    }

    /// Bytes on the wire: the length in 4, and ceil(log2(2 s + 1)) bits a value, packed.
    pub fn bytes(&self) -> usize {
        let bits = (2 * u64::from(self.levels) + 1).next_power_of_two().trailing_zeros() as usize;
        4 + (bits * self.steps.len()).div_ceil(8)
    }
}

impl Qsgd {
    /// Quantises to this many levels.
    ///
    /// # Errors
    /// Unless 1 <= levels <= 2^20.
    pub fn new(levels: u32) -> Result<Self> {
        within("the number of levels", levels as usize, 1, 1 << 20)?;
        Ok(Self { levels })
    }

    /// Rounds each entry up with the probability of its fraction, else down.
    pub fn quantise(&self, values: &[f64], rng: &mut impl Rng) -> Quantised {
        let length = norm(values);
        let scale = if length > 0.0 { f64::from(self.levels) / length } else { 0.0 };
        let step = |value: &f64| {
            let size = value.abs() * scale;
            let up = rng.random::<f64>() < size.fract();
            let level = size.floor() as i32 + i32::from(up);
            if *value < 0.0 { -level } else { level }
        };
        Quantised { length, steps: values.iter().map(step).collect(), levels: self.levels }
    }

    /// E|error|^2 of a vector: (|v| / s)^2 sum of f (1 - f), f the fraction of s |v_i| / |v|.
    pub fn expected_error(&self, values: &[f64]) -> f64 {
        let (length, levels) = (norm(values), f64::from(self.levels));
        if length == 0.0 {
            return 0.0;
        }
        let spread = |value: &f64| {
            let fraction = (value.abs() * levels / length).fract();
            fraction * (1.0 - fraction)
        };
        (length / levels).powi(2) * values.iter().map(spread).sum::<f64>()
    }

    /// The bound min(d / s^2, sqrt(d) / s) |v|^2 of that error.
    pub fn error_bound(&self, values: &[f64]) -> f64 {
        let (d, s) = (values.len() as f64, f64::from(self.levels));
        (d / (s * s)).min(d.sqrt() / s) * norm(values).powi(2)
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
