//! What travels: a small typed body, and optionally bulk indices and values.

use crate::{Indices, Tensor};

/// A request or a reply. A bare body converts into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<T> {
    /// The typed part, written by serde.
    pub body: T,
    /// Bulk coordinates; `Some` of none stays distinct from `None`.
    pub indices: Option<Indices>,
    /// Bulk values; `Some` of none stays distinct from `None`.
    pub values: Option<Tensor>,
}

impl<T> Message<T> {
    /// This message with bulk values.
    #[must_use]
    pub fn with_values(self, values: impl Into<Tensor>) -> Self {
        Message { values: Some(values.into()), ..self }
    }

    /// This message with bulk indices.
    #[must_use]
    pub fn with_indices(self, indices: impl Into<Indices>) -> Self {
        Message { indices: Some(indices.into()), ..self }
    }
}

impl<T> From<T> for Message<T> {
    fn from(body: T) -> Self {
        Message { body, indices: None, values: None }
    }
}
