//! Calls for code that is not asynchronous.

use crate::{Address, CallError, Client, Error, Identity, Limits, Result, Service};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};

/// A [`Client`] whose calls return when they have been answered. `#[service]` gives it the methods of the service, too.
///
/// Clones share the connection. It has a runtime of its own, in which the thread that calls waits; it can be called from
/// any thread, but not from within asynchronous code, which would wait for itself.
///
/// ```no_run
/// use syncline_wire::{Address, Blocking, Limits, Never, Token, from_fn};
/// # fn example(token: Token) -> Result<(), Box<dyn std::error::Error>> {
/// let doubler = from_fn(async |by: u64| Ok::<u64, Never>(2 * by));
/// let address: Address = "unix:/run/doubler".parse()?;
/// let mut client = Blocking::connect(&address, token, &Limits::default())?;
/// # client = syncline_wire::Client::local(syncline_wire::Hosted::new(doubler)).blocking()?;
/// assert_eq!(client.call(21)?, 42);
/// # Ok(())
/// # }
/// ```
pub struct Blocking<S: Service> {
    client: Client<S>,
    runtime: Arc<Runtime>,
}

impl<S: Service> Blocking<S> {
    pub(crate) fn new(client: Client<S>) -> Result<Blocking<S>> {
        Ok(Blocking { client, runtime: Arc::new(runtime()?) })
    }

    /// Connects, as [`Client::connect`] does.
    ///
    /// # Errors
    /// Those of [`Client::connect`]; [`Error::WithinAsync`].
    pub fn connect(address: &Address, identity: impl Into<Identity>, limits: &Limits) -> Result<Blocking<S>> {
        let runtime = runtime()?;
        let client = wait(&runtime, Client::connect(address, identity, limits))??;
        Ok(Blocking { client, runtime: Arc::new(runtime) })
    }

    /// The client itself.
    pub fn client(&self) -> &Client<S> {
        &self.client
    }

    /// Asks the service and waits for its answer.
    ///
    /// # Errors
    /// Those of [`Client::call`]; [`Error::WithinAsync`].
    pub fn call(&self, request: S::Request) -> Result<S::Reply, CallError<S::Error>> {
        self.wait(self.client.call(request))?
    }

    /// Waits for what the client does.
    ///
    /// # Errors
    /// [`Error::WithinAsync`].
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        wait(&self.runtime, work)
    }
}

/// The runtime's one worker reads and writes the connection, also between calls.
fn runtime() -> Result<Runtime> {
    let built =
        Builder::new_multi_thread().worker_threads(1).thread_name("blocking-client").enable_all().build();
    built.map_err(|source: io::Error| Error::Io {
        doing: "start a runtime for",
        address: "blocking calls".to_owned(),
        source,
    })
}

fn wait<T>(runtime: &Runtime, work: impl Future<Output = T>) -> Result<T> {
    match Handle::try_current() {
        Ok(_) => Err(Error::WithinAsync),
        Err(_) => Ok(runtime.block_on(work)),
    }
}

impl<S: Service> Clone for Blocking<S> {
    fn clone(&self) -> Self {
        Blocking { client: self.client.clone(), runtime: Arc::clone(&self.runtime) }
    }
}

impl<S: Service> fmt::Debug for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("client", &self.client).finish_non_exhaustive()
    }
}
