//! A gradient as a server receives it, checked against the shard.

use syncline_wire::{Indices, Tensor};

/// The gradient of one worker's round, within one shard.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    pub samples: u64,
    pub values: Values,
}

/// Its values.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// One a parameter.
    Dense(Tensor),
    /// One for each of these coordinates.
    Sparse(Indices, Tensor),
    /// None: it stands on no samples.
    Empty,
}

impl Gradient {
    /// Takes what a peer sent, if it fits a shard of `parameters` parameters; otherwise says what does not.
    pub(crate) fn checked(
        samples: u64,
        indices: Option<Indices>,
        values: Option<Tensor>,
        parameters: usize,
    ) -> Result<Self, String> {
        let values = match (indices, values) {
            (None, None) if samples == 0 => Values::Empty,
            (_, None) => return Err(format!("a gradient of {samples} samples has no values")),
            (None, Some(values)) if values.len() == parameters => Values::Dense(values),
            (None, Some(values)) => {
                return Err(format!("a gradient has {} values for {parameters} parameters", values.len()));
            }
            (Some(indices), Some(values)) => {
                check_indices(&indices, parameters)?;
                if indices.len() != values.len() {
                    let (indices, values) = (indices.len(), values.len());
                    return Err(format!("a sparse gradient has {values} values for {indices} coordinates"));
                }
                Values::Sparse(indices, values)
            }
        };
        Ok(Self { samples, values })
    }
}

/// Whether coordinates rise strictly and lie within the shard.
pub(crate) fn check_indices(indices: &[u32], parameters: usize) -> Result<(), String> {
    if !indices.is_sorted_by(|a, b| a < b) {
        return Err("coordinates must rise".to_owned());
    }
    match indices.last() {
        Some(&last) if last as usize >= parameters => {
            Err(format!("coordinate {last} is outside a shard of {parameters} parameters"))
        }
        _ => Ok(()),
    }
}
