//! Handles: typed edges of the graph, which become clients when their node runs.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_wire::{Client, Service};

use crate::{Context, Error, NodeName};

/// A reference to a service that may not exist yet. It is made while the program is built, moved or cloned into the
/// nodes that need the service, and connected there. It can also travel in a message or a value to another node of the
/// program, which then connects.
///
/// It has no methods of the service: those are its client's, once it is connected (scenario B6).
///
/// ```compile_fail,E0599
/// # use syncline_program::Handle;
/// # use syncline_wire::service;
/// #[service]
/// trait Counter {
///     async fn add(&self, by: u64) -> u64;
/// }
/// # struct Sum;
/// # #[service]
/// # impl Counter for Sum { async fn add(&self, by: u64) -> u64 { by } }
/// # async fn call(counter: Handle<Sum>) {
/// counter.add(1).await; // not `counter.connect(&ctx).await?.add(1)`
/// # }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Handle<S> {
    name: NodeName,
    /// How long its clients wait for an answer, where a method does not say.
    patience: Option<Duration>,
    // A handle owns no service: it may be sent wherever its node goes.
    #[serde(skip)]
    service: PhantomData<fn() -> S>,
}

impl<S: Service> Handle<S> {
    pub(crate) fn new(name: NodeName) -> Self {
        Self { name, patience: None, service: PhantomData }
    }

    /// The name of the service's node.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// The same service, whose clients made by this handle give up a call after so long.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use syncline_program::Handle;
    /// # use syncline_wire::Service;
    /// # fn example<S: Service>(server: Handle<S>) {
    /// let impatient = server.within(Duration::from_secs(5)); // wherever it goes
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    /// As its users are to wait.
    pub(crate) fn patient(&self, client: Client<S>) -> Client<S> {
        match self.patience {
            Some(patience) => client.within(patience),
            None => client,
        }
    }

    /// A client of the service, from the node of `ctx`. Waits until the service has been constructed. In the same
    /// process the client calls the service object directly, without a socket or a copy. The client reaches the incarnation
    /// that is there now; [`peer`](Self::peer) gives one that follows the service when it is started again.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the program stops first, [`Error::UnknownService`] for a handle of another program,
    /// [`Error::Gone`] when the service has failed for good, and [`Error::Wire`] when the connection fails.
    pub async fn connect(&self, ctx: &Context) -> Result<Client<S>, Error> {
        ctx.client(&self.name, None).await.map(|(client, _)| self.patient(client))
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), patience: self.patience, service: PhantomData }
    }
}

impl<S> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.name)
    }
}
