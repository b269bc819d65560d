//! What answers calls.

use crate::{Batching, Call, Contract, Method, Result, method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;

/// An object that answers typed requests, many at once.
///
/// Most services are written as a trait with the attribute [`service`](macro@crate::service), which makes this
/// from it. By hand it looks like the [crate's example](crate).
///
/// Each request is a task of its own: one that waits does not hold up the others, so shared state needs a lock. When its
/// caller gives up, or its connection ends, the task is dropped at its current await point.
pub trait Service: Send + Sync + 'static {
    /// What it is asked. An enum where there are several questions.
    type Request: Serialize + DeserializeOwned + Send + 'static;
    /// What it answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// Why it cannot: the caller gets this very value. [`ServiceError`] is a text, [`Never`] is for those that always can.
    type Error: Serialize + DeserializeOwned + fmt::Display + fmt::Debug + Send + 'static;

    /// Answers one request. A panic reaches the caller as [`Error::Remote`](crate::Error::Remote).
    fn call(
        &self,
        call: &Call<'_>,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Reply, Self::Error>> + Send;

    /// What it may be asked, for both sides to compare before the first call. Unknown for a service made by hand.
    fn contract() -> Contract {
        Contract::UNKNOWN
    }

    /// What a request asks for.
    fn method(request: &Self::Request) -> Method {
        Method::named(method::of(request))
    }

    /// How much of it is done at once.
    fn bounds(&self) -> Bounds {
        Bounds::default()
    }

    /// How calls of a batched method are gathered; by default as is written at the method.
    fn batching(&self, _method: &'static str, written: Batching) -> Batching {
        written
    }
}

/// How many calls a service answers at once, wherever they come from. The default is as many as come.
///
/// ```
/// use syncline_wire::Bounds;
/// // An actor: one call after another, in the order of their coming; the 101st that would have to wait is refused.
/// let serial = Bounds { concurrency: Some(1), queue: Some(100) };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Calls answered at once.
    pub concurrency: Option<usize>,
    /// Calls that may wait for their turn. One more is refused with [`Error::Busy`](crate::Error::Busy). Without it they
    /// wait, and a connection that has [`Limits::in_flight`](crate::Limits::in_flight) of them is not read any further.
    pub queue: Option<usize>,
}

/// Why a service could not answer: a text for the caller. Every error converts into one, so that `?` works in a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
impl<E: std::error::Error> From<E> for ServiceError {
    fn from(error: E) -> ServiceError {
        ServiceError::new(error)
    }
}

/// The error of a service that always can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}
