//! Handles: typed edges of the graph, which become clients when their node runs.

use std::fmt;
use std::marker::PhantomData;

use syncline_wire::{Client, Service};

use crate::{Context, Error, NodeName};

/// A reference to a service that may not exist yet. It is made while the program is built, moved or cloned into the
/// nodes that need the service, and connected there.
pub struct Handle<S> {
    name: NodeName,
    // A handle owns no service: it may be sent wherever its node goes.
    service: PhantomData<fn() -> S>,
}

impl<S: Service> Handle<S> {
    pub(crate) fn new(name: NodeName) -> Self {
        Self { name, service: PhantomData }
    }

    /// The name of the service's node.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// A client of the service, from the node of `ctx`. Waits until the service has been constructed. In the same
    /// process the client calls the service object directly, without a socket or a copy. The client reaches the incarnation
    /// that is there now; [`peer`](Self::peer) gives one that follows the service when it is started again.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the program stops first, [`Error::UnknownService`] for a handle of another program,
    /// [`Error::Gone`] when the service has failed for good, and [`Error::Wire`] when the connection fails.
    pub async fn connect(&self, ctx: &Context) -> Result<Client<S>, Error> {
        ctx.client(&self.name, None).await.map(|(client, _)| client)
    }
}

impl<S> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), service: PhantomData }
    }
}

impl<S> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.name)
    }
}
