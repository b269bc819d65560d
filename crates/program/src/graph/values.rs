//! What the nodes of a group return, on its way to whoever asks for it.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Context, Error, NodeName, NodeResult};

/// The values that the nodes of a group will return, each an `R`.
pub struct Values<R> {
    label: String,
    value: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Values<R> {
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), value: PhantomData }
    }

    /// Waits until all nodes of the group have come to their end, and gives what they returned, in the order of their
    /// ranks. Nodes that were lost where the program goes on without them are left out.
    ///
    /// # Errors
    /// As [`Context::finished`]; [`Error::Value`] when a value cannot be read as an `R`.
    pub async fn all(&self, ctx: &Context) -> Result<Vec<R>, Error> {
        Ok(self.by_node(ctx).await?.into_iter().map(|(_, value)| value).collect())
    }

    /// As [`all`](Self::all), with the node that returned each.
    ///
    /// # Errors
    /// As `all`.
    pub async fn by_node(&self, ctx: &Context) -> Result<Vec<(NodeName, R)>, Error> {
        let values = ctx.values(&self.label).await?;
        values.into_iter().map(decode).collect()
    }
}

impl<R> Clone for Values<R> {
    fn clone(&self) -> Self {
        Self { label: self.label.clone(), value: PhantomData }
    }
}

impl<R> fmt::Debug for Values<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.label)
    }
}

/// The value of a node as it travels.
pub(crate) fn encode<R: Serialize>(value: &R) -> NodeResult<Vec<u8>> {
    Ok(postcard::to_allocvec(value)?)
}

fn decode<R: DeserializeOwned>((node, value): (NodeName, Vec<u8>)) -> Result<(NodeName, R), Error> {
    match postcard::from_bytes(&value) {
        Ok(value) => Ok((node, value)),
        Err(error) => Err(Error::Value { node, why: error.to_string() }),
    }
}
