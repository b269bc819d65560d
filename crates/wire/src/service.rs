//! What answers calls.

use crate::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::fmt;
use std::future::Future;

/// An object that answers typed requests, many at once.
///
/// Each request is a task of its own: one that waits does not hold up the others, so shared state needs a lock. When its
/// caller is local and gives up, or its connection ends, the task is dropped at its current await point.
pub trait Service: Send + Sync + 'static {
    /// What it is asked. An enum where there are several questions.
    type Request: Serialize + DeserializeOwned + Send + 'static;
    /// What it answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// Answers one request. An error's text, and a panic's, reach the caller as [`Error::Remote`](crate::Error::Remote).
    fn call(
        &self,
        request: Message<Self::Request>,
    ) -> impl Future<Output = Result<Message<Self::Reply>, ServiceError>> + Send;
}

/// Why a service could not answer: a text for the caller. Every error converts into one, so that `?` works in a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError(String);

impl ServiceError {
    /// An error with this text.
    pub fn new(text: impl ToString) -> ServiceError {
        ServiceError(text.to_string())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// `ServiceError` is no `Error` itself: it would overlap with this conversion.
impl<E: Error> From<E> for ServiceError {
    fn from(error: E) -> ServiceError {
        ServiceError::new(error)
    }
}
