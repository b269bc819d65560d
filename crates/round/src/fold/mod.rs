//! Fold: how what the members of a round handed in becomes one.
//!
//! [`Fold`] is what a parameter server does with gradients: a weighted sum, which the optimiser's step does on the way
//! ([`fold`](fold())). The others stand bad answers, and need to see each: [`majority`] of members who do the same work, and [`mean`], [`median`], [`trimmed`], [`krum`] and
//! [`bulyan`] combine equally long vectors of finite numbers. Who is to be heard at all is their callers' matter
//! (`syncline-federated`).
//!
//! FOLD-1: the order is that of the members, never that of arrival, so that the same answers give the same bits.

mod bulyan;
mod krum;
mod majority;
mod mean;
mod median;
mod trimmed;

use std::{fmt, str::FromStr};

pub use bulyan::bulyan;
pub use krum::krum;
pub use majority::majority;
pub use mean::mean;
pub use median::median;
pub use trimmed::trimmed;

use crate::Error;

/// How the gradients of one round are combined. The order is always worker order, so that the sum's rounding does not
/// depend on who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Fold {
    /// The mean over the samples: each gradient counts by the number of samples behind it, so k workers with batch b
    /// take the step of one worker with batch k b.
    #[default]
    Mean,
    /// The plain sum, as SystemML's and SystemDS' `paramserv` do: it multiplies the learning rate by the worker count.
    Sum,
    /// Model averaging (local SGD): workers step for themselves and push how their model has changed; the servers apply
    /// the mean of the changes as it is, so the new model is the mean of the workers' models.
    Average,
}

impl Fold {
    /// The names a user can give.
    pub const VALID: &'static str = "mean, sum and average";

    /// The weight of each gradient, given the number of samples behind it; one that stands on none counts nothing.
    ///
    /// A mean over fewer samples than a `full` round has is a step that is shorter in proportion, so that every row
    /// counts the same: a last batch of one row must not move the parameters as far as a batch of 64. With a `full` of 0
    /// every round is taken for a full one.
    pub fn weights(self, samples: &[u64], full: u64) -> Vec<f32> {
        // A peer may claim any number of samples.
        let total = samples.iter().fold(0u64, |sum, &samples| sum.saturating_add(samples));
        let total = if self == Self::Mean { total.max(full) } else { total };
        let weight = |&samples: &u64| match self {
            _ if samples == 0 => 0.0,
            Self::Mean | Self::Average => (samples as f64 / total as f64) as f32,
            Self::Sum => 1.0,
        };
        samples.iter().map(weight).collect()
    }
}

impl FromStr for Fold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "mean" => Ok(Self::Mean),
            "sum" => Ok(Self::Sum),
            "average" => Ok(Self::Average),
            _ => Err(Error::Unknown { what: "fold", got: text.to_owned(), valid: Self::VALID }),
        }
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Average => "average",
        })
    }
}

/// Writes the weighted sum of equally long `gradients` into `out`, in the order given: out = sum of w_i g_i.
#[inline(always)]
pub fn fold(out: &mut [f32], gradients: &[(&[f32], f32)]) {
    let Some(((first, weight), rest)) = gradients.split_first() else { return out.fill(0.0) };
    for (out, g) in out.iter_mut().zip(*first) {
        *out = weight * g;
    }
    for (gradient, weight) in rest {
        for (out, g) in out.iter_mut().zip(*gradient) {
            *out += weight * g;
        }
    }
}

/// One value for each coordinate, from its values in increasing order.
fn by_coordinate(answers: &[&[f64]], of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut column = vec![0.0; answers.len()];
    let of_column = |index: usize| {
        column.iter_mut().zip(answers).for_each(|(value, answer)| *value = answer[index]);
        column.sort_unstable_by(f64::total_cmp);
        of(&column)
    };
    (0..answers[0].len()).map(of_column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_counts_samples_and_sum_counts_workers() {
        assert_eq!(Fold::Mean.weights(&[30, 10, 0], 0), [0.75, 0.25, 0.0]);
        assert_eq!(Fold::Sum.weights(&[30, 10, 0], 0), [1.0, 1.0, 0.0]);
        assert_eq!(Fold::Mean.weights(&[7], 7), [1.0]);
        assert_eq!(Fold::Mean.weights(&[u64::MAX, u64::MAX], 64), [1.0, 1.0], "a claim beyond all counting");
        assert_eq!(Fold::Mean.weights(&[0, 0], 0), [0.0, 0.0], "nothing to count is no gradient, not NaN");
    }

    #[test]
    fn a_short_round_takes_a_short_step() {
        assert_eq!(Fold::Mean.weights(&[1], 32), [1.0 / 32.0]);
        assert_eq!(Fold::Mean.weights(&[16, 0], 64), [0.25, 0.0]);
        assert_eq!(Fold::Sum.weights(&[1], 32), [1.0], "a plain sum, as SystemDS has it");
        assert_eq!(Fold::Average.weights(&[1, 1], 64), [0.5, 0.5], "models are averaged, not shortened");
    }

    #[test]
    fn folding_adds_in_the_order_given() {
        let mut out = [9.0; 2];
        fold(&mut out, &[(&[1e8, 1.0], 1.0), (&[-1e8, 2.0], 1.0), (&[1.0, 3.0], 0.5)]);
        assert_eq!(out, [0.5, 4.5]);
        fold(&mut out, &[]);
        assert_eq!(out, [0.0, 0.0]);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["mean", "sum", "average"] {
            assert_eq!(text.parse::<Fold>().unwrap().to_string(), text);
        }
        assert!("median".parse::<Fold>().unwrap_err().to_string().contains("mean, sum and average"));
    }
}
