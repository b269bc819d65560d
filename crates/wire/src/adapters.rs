//! Services made of other things: of a function, and of another service that can be exchanged while it is served.

use crate::{Bounds, Call, CallError, Contract, Error, Method, Service};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

/// A service of one asynchronous function.
pub struct FromFn<F, Q, Out> {
    function: F,
    types: PhantomData<fn(Q) -> Out>,
}

/// Makes a service of a function from a request to a reply or an error.
///
/// ```
/// use syncline_wire::{Client, Hosted, Never, from_fn};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let add = from_fn(async |(a, b): (i64, i64)| Ok::<i64, Never>(a + b));
/// assert_eq!(Client::local(Hosted::new(add)).call((12, 5)).await?, 17);
/// # Ok::<(), syncline_wire::CallError<Never>>(())
/// # }).unwrap();
/// ```
pub fn from_fn<F, Q, Out>(function: F) -> FromFn<F, Q, Out>
where
    F: Fn(Q) -> Out + Send + Sync + 'static,
{
    FromFn { function, types: PhantomData }
}

impl<F, Q, R, E, Out> Service for FromFn<F, Q, Out>
where
    F: Fn(Q) -> Out + Send + Sync + 'static,
    Out: Future<Output = Result<R, E>> + Send + 'static,
    Q: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
    E: Serialize + DeserializeOwned + fmt::Display + fmt::Debug + Send + 'static,
{
    type Request = Q;
    type Reply = R;
    type Error = E;

    fn call(&self, _: &Call<'_>, request: Q) -> impl Future<Output = Result<R, E>> + Send {
        (self.function)(request)
    }
}

/// A service that can be set, exchanged and taken away while it is served. Calls that come while there is none fail with
/// [`Error::NotBound`]; calls under way come to their end with the service that they began with.
///
/// ```
/// use syncline_wire::{Client, Hosted, Never, Rebind, from_fn};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let answer = |number: u64| from_fn(move |()| async move { Ok::<u64, Never>(number) });
/// let hosted = Hosted::new(Rebind::to(answer(1)));
/// let client = Client::local(hosted.clone());
/// assert_eq!(client.call(()).await.unwrap(), 1);
/// hosted.service().set(answer(2));
/// assert_eq!(client.call(()).await.unwrap(), 2);
/// hosted.service().unset();
/// assert!(client.call(()).await.is_err());
/// # });
/// ```
pub struct Rebind<S>(RwLock<Option<Arc<S>>>);

impl<S: Service> Rebind<S> {
    /// Served by `service` for now.
    pub fn to(service: S) -> Rebind<S> {
        Rebind(RwLock::new(Some(Arc::new(service))))
    }

    /// From the next call on, `service` answers.
    pub fn set(&self, service: S) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(service));
    }

    /// From the next call on, nobody answers.
    pub fn unset(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Why an exchangeable service did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unbound<E> {
    /// The service's own error.
    Service(E),
    /// There is no service.
    NotBound,
}

impl<E> Unbound<E> {
    /// As any other call's error.
    pub fn into_call_error(self) -> CallError<E> {
        match self {
            Unbound::Service(error) => CallError::Service(error),
            Unbound::NotBound => CallError::Wire(Error::NotBound),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Unbound<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unbound::Service(error) => error.fmt(f),
            Unbound::NotBound => Error::NotBound.fmt(f),
        }
    }
}

impl<S: Service> Service for Rebind<S> {
    type Request = S::Request;
    type Reply = S::Reply;
    type Error = Unbound<S::Error>;

    async fn call(&self, call: &Call<'_>, request: S::Request) -> Result<S::Reply, Self::Error> {
        let service = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let service = service.ok_or(Unbound::NotBound)?;
        service.call(call, request).await.map_err(Unbound::Service)
    }

    fn contract() -> Contract {
        S::contract()
    }

    fn method(request: &S::Request) -> Method {
        S::method(request)
    }

    fn bounds(&self) -> Bounds {
        let service = self.0.read().unwrap_or_else(PoisonError::into_inner);
        service.as_ref().map_or(Bounds::default(), |service| service.bounds())
    }
}
