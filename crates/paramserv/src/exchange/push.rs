//! What a worker hands over of a round, and what each server gets of it.

use std::{ops::Range, sync::Arc};

use syncline_wire::Tensor;

use crate::{
    compression::{Format, Packed, TooLarge},
    computation::CompactRound,
    gradient::{Rows, Values},
};

/// The coordinates that one round reads: over all parameters, and cut by server, counted from each shard's start.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    pub(super) shards: Vec<(Range<usize>, Tensor<u32>)>,
}

impl Touched {
    /// Cuts sorted, unique coordinates by shard.
    pub(crate) fn new(all: &[u32], shards: &[Range<usize>]) -> Self {
        let cut = |shard: &Range<usize>| {
            let at = |end: usize| all.partition_point(|&index| (index as usize) < end);
            let within = at(shard.start)..at(shard.end);
            let indices = all[within.clone()].iter().map(|index| index - shard.start as u32);
            (within, indices.collect::<Vec<_>>().into())
        };
        Self { shards: shards.iter().map(cut).collect() }
    }
}

/// A round's gradient.
pub(crate) enum Push {
    /// It stands on no samples.
    Nothing,
    /// A value for each parameter.
    Whole(Tensor<f32>),
    /// A value for each parameter that the round reads.
    Touched(Arc<CompactRound>, Tensor<f32>),
    /// The derivatives by the outputs of the rows.
    Factors(Rows, Tensor<f32>),
    /// A value for each parameter, in a shorter format.
    Packed(Packed),
    /// Likewise for each parameter that the round reads.
    PackedTouched(Arc<CompactRound>, Packed),
    /// A few values.
    Chosen(Chosen),
}

/// Some values of a gradient, and where they stand among all parameters, in ascending order.
pub(crate) struct Chosen {
    pub places: Vec<u32>,
    pub values: Vec<f32>,
}

impl Push {
    /// The same in a shorter format.
    pub(crate) fn packed(self, format: Format) -> Result<Self, TooLarge> {
        Ok(match self {
            Self::Whole(values) => Self::Packed(Packed::pack(Some(format), &values)?),
            Self::Touched(round, values) => Self::PackedTouched(round, Packed::pack(Some(format), &values)?),
            other => other,
        })
    }

    /// Its values, before anything was done to send them.
    pub(crate) fn values_mut(&mut self) -> Option<&mut Tensor<f32>> {
        match self {
            Self::Whole(values) | Self::Touched(_, values) | Self::Factors(_, values) => Some(values),
            _ => None,
        }
    }

    /// The bytes of its values and coordinates at 32 bits each, where it has some that could be sent otherwise.
    pub(crate) fn plain_bytes(&self) -> Option<u64> {
        let bytes = match self {
            Self::Whole(values) => size_of_val(&values[..]),
            Self::Touched(_, values) => 2 * size_of_val(&values[..]),
            _ => return None,
        };
        Some(bytes as u64)
    }

    /// Whether all of its values are numbers.
    pub(crate) fn is_finite(&self) -> bool {
        const EXPONENT: u32 = 0x7f80_0000;
        let (Self::Whole(values) | Self::Touched(_, values) | Self::Factors(_, values)) = self else {
            return true;
        };
        // Without a way out of the loop, so that it goes over many values at a time.
        !values.iter().fold(false, |found, value| found | (value.to_bits() & EXPONENT == EXPONENT))
    }

    /// What the server of this number gets of it, which has this shard: in factors where it shares the rows.
    pub(super) fn part(&self, server: usize, shard: &Range<usize>, shares_rows: bool) -> Values {
        match self {
            Self::Nothing => Values::Empty,
            Self::Whole(values) => Values::Dense(values.slice(shard.clone())),
            Self::Touched(round, values) => {
                let (within, indices) = &round.touched.shards[server];
                Values::Sparse(indices.clone(), values.slice(within.clone()))
            }
            Self::Factors(rows, derivatives) if shares_rows => {
                Values::Factors(rows.clone(), derivatives.clone())
            }
            Self::Factors(rows, derivatives) => {
                let (indices, values) = multiplied_out(rows, derivatives, shard.clone());
                Values::Sparse(indices.into(), values.into())
            }
            Self::Packed(values) => Values::Packed(values.slice(shard.clone())),
            Self::PackedTouched(round, values) => {
                let (within, indices) = &round.touched.shards[server];
                Values::PackedSparse(indices.clone(), values.slice(within.clone()))
            }
            Self::Chosen(chosen) => chosen.within(shard),
        }
    }
}

impl Chosen {
    /// Those of one shard, counted from its start.
    fn within(&self, shard: &Range<usize>) -> Values {
        let at = |end: usize| self.places.partition_point(|&place| (place as usize) < end);
        let within = at(shard.start)..at(shard.end);
        let places: Vec<u32> =
            self.places[within.clone()].iter().map(|place| place - shard.start as u32).collect();
        Values::Sparse(places.into(), self.values[within].to_vec().into())
    }
}

/// The coordinates and values of a gradient in factors, in the same order as its contributions.
fn multiplied_out(rows: &Rows, derivatives: &[f32], shard: Range<usize>) -> (Vec<u32>, Vec<f32>) {
    let (mut indices, mut values) = (Vec::new(), Vec::new());
    if let Some(factors) = rows.factors(derivatives) {
        factors.for_each_run(shard, |start, run, x| {
            indices.extend((start as u32..).take(run.len()));
            values.extend(run.iter().map(|d| x * d));
        });
    }
    (indices, values)
}
