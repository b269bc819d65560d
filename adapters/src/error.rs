//! Why a network cannot be a model.

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error about a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library refuses what the network does with a row.
    #[error("the network does not compute: {0}")]
    Library(String),
    /// It puts out something else than one row of numbers for each row.
    #[error(
        "the network makes {rows} rows into a tensor of shape {shape:?}: one row of numbers for each is needed"
    )]
    Shape {
        /// Rows that went in.
        rows: usize,
        /// What came out.
        shape: Vec<usize>,
    },
    /// There is nothing to train.
    #[error("the network has no parameters that are trained")]
    NoParameters,
    /// A layer changes what it keeps beside its parameters.
    #[error(
        "`{0}` changes while the network computes: what a worker keeps for itself never reaches the others. Use a layer without such a \
         state, such as a group or layer normalisation in place of a batch normalisation"
    )]
    Stateful(String),
    /// Parameters of another network.
    #[error("{found} numbers are not the {expected} parameters of this network")]
    Parameters {
        /// How many there are.
        found: usize,
        /// How many the network has.
        expected: usize,
    },
}
