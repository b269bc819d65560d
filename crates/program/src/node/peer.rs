//! A client that outlives the incarnations of its service.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_wire::{CallError, Client, Service};

use crate::{Context, Error, Handle, NodeName};

/// Calls a service that may be started again. A call that its node's failure finds under way fails with
/// [`Error::PeerLost`], and is not repeated: whether it was done nobody can know. The next call waits for the next
/// incarnation.
///
/// ```
/// # use syncline_program::{Error, NodeResult, Context, Handle};
/// # use syncline_wire::Service;
/// async fn work<S: Service<Request = u64>>(ctx: Context, server: Handle<S>) -> NodeResult<()> {
///     let server = server.peer(&ctx);
///     for step in 0..100 {
///         match server.call(step).await {
///             Err(Error::PeerLost(_)) => continue,
///             answer => drop(answer?),
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct Peer<S: Service> {
    ctx: Context,
    name: NodeName,
    link: Arc<Mutex<Link<S>>>,
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
        Peer { ctx: ctx.clone(), name: self.name().clone(), link: Arc::new(Mutex::new(link)) }
    }
}

impl<S: Service> Peer<S> {
    /// Asks the service, in the incarnation that is there, and waits for its answer. At most once.
    ///
    /// # Errors
    /// [`Error::PeerLost`] when the service's node failed before it had answered, [`Error::Gone`] when it will not be
    /// started again, [`Error::Stopped`] when the program stops, [`Error::Wire`] with the service's own error.
    pub async fn call(&self, request: S::Request) -> Result<S::Reply, Error> {
        let (client, incarnation) = self.reach().await?;
        let lost = async {
            if client.is_local() {
                self.ctx.lost(&self.name, incarnation).await
            } else {
                std::future::pending().await
            }
        };
        let _waiting = self.ctx.calling(&self.name);
        let answer = tokio::select! {
            biased;
            answer = client.call(request) => answer,
            () = lost => {
                self.forget(incarnation);
                return Err(self.ctx.or_stopped(Error::PeerLost(self.name.clone())));
            }
        };
        answer.map_err(|error| {
            if error.is_peer_lost() {
                self.forget(incarnation);
                return self.ctx.or_stopped(Error::PeerLost(self.name.clone()));
            }
            let error = match error {
                CallError::Wire(error) => error,
                CallError::Service(error) => syncline_wire::Error::Remote(error.to_string()),
            };
            Error::wire(format!("calling {}", self.name))(error)
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
        let (client, incarnation) = self.ctx.client(&self.name, beyond).await?;
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
        Self { ctx: self.ctx.clone(), name: self.name.clone(), link: Arc::clone(&self.link) }
    }
}

impl<S: Service> fmt::Debug for Peer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({}, {:?})", self.name, self.incarnation())
    }
}
