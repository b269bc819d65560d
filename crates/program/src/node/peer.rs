//! A client that outlives the incarnations of its service.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_wire::{CallError, Client, Service};

use crate::{Context, Error, Handle};

/// Calls a service that may be started again. A call that its node's failure finds under way fails with
/// [`Error::PeerLost`], and is not repeated: whether it was done nobody can know. The next call waits for the next
/// incarnation.
///
/// ```
/// # use syncline_program::{Error, NodeResult, Context, Handle};
/// # use syncline_wire::service;
/// #[service]
/// trait Counter {
///     async fn add(&self, by: u64) -> u64;
/// }
/// # struct Sum;
/// # #[service]
/// # impl Counter for Sum { async fn add(&self, by: u64) -> u64 { by } }
///
/// async fn work(ctx: Context, counter: Handle<Sum>) -> NodeResult<()> {
///     let counter = counter.peer(&ctx);
///     for step in 0..100 {
///         match counter.ask(async |counter| counter.add(step).await).await {
///             Err(Error::PeerLost(_)) => continue,
///             answer => drop(answer?),
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct Peer<S: Service> {
    ctx: Context,
    handle: Handle<S>,
    link: Arc<Mutex<Link<S>>>,
}

/// What a call can fail with: the way there and back, or, with a [`CallError`], what the service says.
pub trait CallFailure {
    /// The same without the type of the service's own error.
    fn into_wire(self) -> syncline_wire::Error;
}

impl CallFailure for syncline_wire::Error {
    fn into_wire(self) -> syncline_wire::Error {
        self
    }
}

impl<E: fmt::Display> CallFailure for CallError<E> {
    fn into_wire(self) -> syncline_wire::Error {
        match self {
            CallError::Wire(error) => error,
            CallError::Service(error) => syncline_wire::Error::Remote(error.to_string()),
        }
    }
}

/// The way to an incarnation.
struct Link<S: Service> {
    client: Option<Client<S>>,
    /// The latest one that was reached.
    incarnation: Option<u32>,
}

impl<S: Service> Handle<S> {
    /// A client that follows the service from one incarnation to the next. It connects with its first call.
    pub fn peer(&self, ctx: &Context) -> Peer<S> {
        let link = Link { client: None, incarnation: None };
        Peer { ctx: ctx.clone(), handle: self.clone(), link: Arc::new(Mutex::new(link)) }
    }
}

impl<S: Service> Peer<S> {
    /// Asks the service, in the incarnation that is there, and waits for its answer. At most once.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub async fn call(&self, request: S::Request) -> Result<S::Reply, Error> {
        self.ask(async |client| client.call(request).await).await
    }

    /// Lets `work` ask the incarnation of the service that is there. Its calls are made at most once.
    ///
    /// # Errors
    /// [`Error::PeerLost`] when the service's node failed before `work` was done, [`Error::Gone`] when it will not be
    /// started again, [`Error::Stopped`] when the program stops, [`Error::Wire`] with the service's own error.
    pub async fn ask<T, E: CallFailure>(
        &self,
        work: impl AsyncFnOnce(Client<S>) -> Result<T, E>,
    ) -> Result<T, Error> {
        let (client, incarnation) = self.reach().await?;
        let lost = async {
            if client.is_local() {
                self.ctx.lost(self.handle.name(), incarnation).await
            } else {
                std::future::pending().await
            }
        };
        let _waiting = self.ctx.calling(self.handle.name());
        let answer = tokio::select! {
            biased;
            answer = work(client.clone()) => answer,
            () = lost => {
                self.forget(incarnation);
                return Err(self.ctx.or_stopped(Error::PeerLost(self.handle.name().clone())));
            }
        };
        answer.map_err(|error| {
            let error = error.into_wire();
            if error.is_peer_lost() {
                self.forget(incarnation);
                return self.ctx.or_stopped(Error::PeerLost(self.handle.name().clone()));
            }
            Error::wire(format!("calling {}", self.handle.name()))(error)
        })
    }

    /// Which incarnation was reached last; `None` before the first call.
    pub fn incarnation(&self) -> Option<u32> {
        self.link().incarnation
    }

    async fn reach(&self) -> Result<(Client<S>, u32), Error> {
        let beyond = {
            let link = self.link();
            if let (Some(client), Some(incarnation)) = (&link.client, link.incarnation) {
                return Ok((client.clone(), incarnation));
            }
            link.incarnation
        };
        // On the heap: connecting takes long to write down, and would make the future of every call as large.
        let (client, incarnation) = Box::pin(self.ctx.client(self.handle.name(), beyond)).await?;
        let client = self.handle.patient(client);
        let mut link = self.link();
        *link = Link { client: Some(client.clone()), incarnation: Some(incarnation) };
        Ok((client, incarnation))
    }

    /// Calls go to a later incarnation from now on.
    fn forget(&self, incarnation: u32) {
        let mut link = self.link();
        if link.incarnation == Some(incarnation) {
            link.client = None;
        }
    }

    fn link(&self) -> std::sync::MutexGuard<'_, Link<S>> {
        // No code that holds the lock can panic half-way through a change.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Service> Clone for Peer<S> {
    fn clone(&self) -> Self {
        Self { ctx: self.ctx.clone(), handle: self.handle.clone(), link: Arc::clone(&self.link) }
    }
}

impl<S: Service> fmt::Debug for Peer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({}, {:?})", self.handle.name(), self.incarnation())
    }
}
