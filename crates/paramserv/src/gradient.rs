//! A gradient as a server receives it, checked against the shard.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use syncline_data::Dataset;
use syncline_learn::Factors;
use syncline_round::SparseGradient;
use syncline_wire::Tensor;

use crate::compression::Packed;

/// The gradient of one worker's round, within one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Gradient {
    pub samples: u64,
    pub values: Values,
}

/// Its values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Values {
    /// One a parameter.
    Dense(Tensor<f32>),
    /// One for each of these coordinates, in any order; those of a coordinate that comes again add up.
    Sparse(Tensor<u32>, Tensor<f32>),
    /// None: it stands on no samples.
    Empty,
    /// One a parameter, in a shorter format.
    Packed(Packed),
    /// One for each of these coordinates, likewise.
    PackedSparse(Tensor<u32>, Packed),
    /// The derivatives by the outputs of these rows: the gradient's [`Factors`], over all shards. Only between threads:
    /// the rows are the worker's, so what leaves the process is multiplied out before. Last, because a variant that is skipped is not counted
    /// where others are read, but is where they are written.
    #[serde(skip)]
    Factors(Rows, Tensor<f32>),
}

impl Values {
    /// The bytes of the values and of their coordinates.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Empty => 0,
            Self::Dense(values) | Self::Factors(_, values) => size_of_val(&values[..]),
            Self::Sparse(indices, values) => size_of_val(&indices[..]) + size_of_val(&values[..]),
            Self::Packed(values) => return values.bytes(),
            Self::PackedSparse(indices, values) => return size_of_val(&indices[..]) as u64 + values.bytes(),
        };
        bytes as u64
    }

    /// The values at 32 bits. What a peer sent may be anything, also what does not fit together.
    pub(crate) fn unpacked(self) -> Result<Self, String> {
        let opened = |values: Packed| {
            values.check()?;
            match values.has_usable_scales() {
                true => Ok(values.unpacked()),
                false => Err("numbers of a byte have a scale that is no positive number".to_owned()),
            }
        };
        Ok(match self {
            Self::Packed(values) => Self::Dense(opened(values)?),
            Self::PackedSparse(indices, values) => Self::Sparse(indices, opened(values)?),
            plain => plain,
        })
    }
}

/// Rows that a worker and a server of one process share.
#[derive(Clone)]
pub(crate) struct Rows {
    pub data: Arc<Dataset>,
    pub range: Range<usize>,
}

impl Rows {
    /// The gradient whose derivatives by the outputs of these rows are given.
    pub(crate) fn factors<'a>(&'a self, derivatives: &'a [f32]) -> Option<Factors<'a>> {
        Factors::new(&self.data.batch(self.range.clone()), derivatives)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows {:?}", self.range)
    }
}

impl Gradient {
    /// Whether it is the same, bit for bit: -0 is not 0, and a NaN is itself.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |a: &[f32], b: &[f32]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        self.samples == other.samples
            && match (&self.values, &other.values) {
                (Values::Dense(a), Values::Dense(b)) => same(a, b),
                (Values::Sparse(at, a), Values::Sparse(by, b)) => at[..] == by[..] && same(a, b),
                // Rows come with them between threads only, where nobody could have others than it was given.
                (Values::Factors(_, a), Values::Factors(_, b)) => same(a, b),
                (Values::Empty, Values::Empty) => true,
                _ => false,
            }
    }

    /// Whether it fits a shard of `parameters` parameters; otherwise what does not. What a peer sent may be anything.
    pub(crate) fn check(&self, parameters: usize) -> Result<(), String> {
        let samples = self.samples;
        match &self.values {
            Values::Empty if samples > 0 => Err(format!("a gradient of {samples} samples has no values")),
            Values::Dense(values) if values.len() != parameters => {
                Err(format!("a gradient has {} values for {parameters} parameters", values.len()))
            }
            Values::Sparse(indices, values) if indices.len() != values.len() => {
                let (indices, values) = (indices.len(), values.len());
                Err(format!("a sparse gradient has {values} values for {indices} coordinates"))
            }
            Values::Sparse(indices, _) => check_indices(indices, parameters),
            Values::Packed(_) | Values::PackedSparse(..) => Err("a gradient is still packed".to_owned()),
            Values::Empty | Values::Dense(_) | Values::Factors(..) => Ok(()),
        }
    }
}

/// Whether coordinates lie within the shard.
pub(crate) fn check_indices(indices: &[u32], parameters: usize) -> Result<(), String> {
    match indices.iter().max() {
        Some(&largest) if largest as usize >= parameters => {
            Err(format!("coordinate {largest} is outside a shard of {parameters} parameters"))
        }
        _ => Ok(()),
    }
}

impl Values {
    /// The gradient as contributions; nothing if it has a value for each parameter anyway.
    pub(crate) fn sparse(&self, shard: &Range<usize>) -> Option<Sparse<'_>> {
        match self {
            // The server's door lets in none that is packed.
            Self::Dense(_) | Self::Packed(_) | Self::PackedSparse(..) => None,
            Self::Sparse(indices, values) => Some(Sparse::Coordinates(indices, values)),
            Self::Factors(rows, derivatives) => {
                Some(Sparse::Factors(rows.factors(derivatives)?, shard.clone()))
            }
            Self::Empty => Some(Sparse::Coordinates(&[], &[])),
        }
    }

    /// A value for each parameter of the shard.
    pub(crate) fn dense(&self, shard: &Range<usize>) -> Cow<'_, [f32]> {
        if let Self::Dense(values) = self {
            return Cow::Borrowed(values);
        }
        let mut dense = vec![0.0; shard.len()];
        if let Some(sparse) = self.sparse(shard) {
            sparse.for_each_run(|start, values, factor| {
                let sums = dense[start..].iter_mut().zip(values);
                sums.for_each(|(sum, value)| *sum += factor * value);
            });
        }
        Cow::Owned(dense)
    }
}

/// The contributions of one worker's round to the gradient of a shard.
pub(crate) enum Sparse<'a> {
    Coordinates(&'a [u32], &'a [f32]),
    Factors(Factors<'a>, Range<usize>),
}

impl SparseGradient for Sparse<'_> {
    fn for_each_run(&self, visit: impl FnMut(usize, &[f32], f32)) {
        match self {
            Self::Coordinates(indices, values) => (*indices, *values).for_each_run(visit),
            Self::Factors(factors, shard) => factors.for_each_run(shard.clone(), visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline_wire::bf16;

    use super::*;

    #[test]
    fn hostile_values_are_refused_at_the_door() {
        let int8 = |scales: Vec<bf16>, values: usize| Packed::Int8 {
            scales: scales.into(),
            values: vec![1i8; values].into(),
        };
        let taken = |values: Values, parameters: usize| -> Result<Values, String> {
            let values = values.unpacked()?;
            let gradient = Gradient { samples: 1, values };
            gradient.check(parameters)?;
            Ok(gradient.values)
        };
        let refused = |values: Values, part: &str| {
            let said = taken(values, 20).unwrap_err();
            assert!(said.contains(part), "`{part}`: {said}");
        };
        refused(Values::Packed(int8(vec![bf16::ONE], 20)), "20 numbers of a byte have 1 scales");
        refused(Values::Packed(int8(vec![bf16::ONE; 3], 20)), "have 3 scales");
        refused(Values::Packed(int8(vec![bf16::ONE, bf16::NAN], 20)), "a scale that is no positive number");
        refused(Values::Packed(int8(vec![bf16::ONE, -bf16::ONE], 20)), "a scale that is no positive number");
        refused(
            Values::Packed(int8(vec![bf16::ONE, bf16::INFINITY], 20)),
            "a scale that is no positive number",
        );
        refused(Values::Packed(int8(vec![bf16::ONE; 2], 19)), "19 values for 20 parameters");
        refused(Values::Packed(Packed::Bf16(vec![bf16::ONE; 21].into())), "21 values for 20 parameters");
        let halves = || Packed::Bf16(vec![bf16::ONE; 2].into());
        refused(Values::PackedSparse(vec![1, 2, 3].into(), halves()), "2 values for 3 coordinates");
        refused(Values::PackedSparse(vec![1, 20].into(), halves()), "coordinate 20 is outside");
        refused(Values::Packed(Packed::Bf16(Tensor::default())), "0 values for 20 parameters");
        let good = taken(Values::PackedSparse(vec![1, 19].into(), halves()), 20).unwrap();
        assert!(matches!(good, Values::Sparse(_, values) if values[..] == [1.0, 1.0]));
    }
}
