//! What a node knows of the program it runs in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use syncline_wire::{Address, Client, Limits, Service, Token};

use crate::control::{Control, Reply, Request};
use crate::directory::Directory;
use crate::interrupt::Interrupts;
use crate::stop::Stop;
use crate::{Clock, Error, Interrupt, NodeName};

/// What all nodes in one process share.
pub(crate) struct Home {
    pub(crate) directory: Directory,
    pub(crate) token: Token,
    pub(crate) limits: Limits,
    pub(crate) interrupts: Interrupts,
}

struct Inner {
    node: NodeName,
    name: String,
    clock: Clock,
    stop: Stop,
    home: Arc<Home>,
    control: Client<Control>,
}

/// A node's view of its program: who it is, the common clock, the request to stop, and the way to other nodes. Cheap
/// to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

impl Context {
    pub(crate) fn new(
        node: NodeName,
        clock: Clock,
        stop: Stop,
        home: Arc<Home>,
        control: Client<Control>,
    ) -> Self {
        Self(Arc::new(Inner { name: node.to_string(), node, clock, stop, home, control }))
    }

    /// The node's name, such as `worker/2`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The node's number in its group, from 0.
    pub fn rank(&self) -> usize {
        self.0.node.rank()
    }

    /// The run's common clock.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Waits for `duration`, or until the program is asked to stop.
    pub async fn sleep(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.0.stop.wait() => {}
        }
    }

    /// Returns when the program is asked to stop. A node that awaits this takes care of its own end, and has the
    /// executor's notice period to do so; any other node is dropped at the await point where the request finds it.
    pub async fn stopped(&self) {
        self.0.stop.watch().await;
    }

    /// Returns with the first Ctrl-C or SIGTERM to the launching process; for the driver, to other nodes it never
    /// returns. From when it is awaited on, an interrupt does not stop the program: the driver brings it to its end in
    /// its own way, and its value is the program's. The second interrupt ends everything at once.
    ///
    /// ```
    /// # use syncline_program::{Context, NodeResult};
    /// async fn drive(ctx: Context) -> NodeResult<&'static str> {
    ///     tokio::select! {
    ///         finished = ctx.finished("worker") => Ok(finished.map(|()| "all of it")?),
    ///         _ = ctx.interrupted() => Ok("what there is so far"),
    ///     }
    /// }
    /// ```
    pub async fn interrupted(&self) -> Interrupt {
        self.0.home.interrupts.next().await
    }

    /// Fails once the program has been asked to stop: for a loop that may go on for long without waiting for anything.
    /// A call of a service in the same process is one that often does not wait; such a loop checks once a round:
    ///
    /// ```
    /// # use syncline_program::{Context, NodeResult};
    /// async fn work(ctx: Context) -> NodeResult<()> {
    ///     loop {
    ///         ctx.check()?;
    ///         // compute, push, pull
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Stopped`], which a node may return: to end because of a stop is not a failure.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_stopping() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Whether the program has been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.0.stop.is_requested()
    }

    /// Asks the whole program to stop.
    ///
    /// # Errors
    /// [`Error::Wire`] when the launcher cannot be reached.
    pub async fn stop(&self) -> Result<(), Error> {
        self.ask("asking the program to stop", Request::Stop).await.map(drop)
    }

    /// Waits until every node of the group `label` has run to its end.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the program stops first, also because a node failed; [`Error::UnknownGroup`].
    pub async fn finished(&self, label: &str) -> Result<(), Error> {
        let request = Request::Finished { label: label.to_owned() };
        match self.ask(&format!("waiting for the group `{label}`"), request).await? {
            Reply::Unknown { known } => Err(Error::UnknownGroup { label: label.to_owned(), known }),
            Reply::Done => Ok(()),
            _ => Err(Error::Stopped),
        }
    }

    /// A client of the service of `name`.
    pub(crate) async fn client<S: Service>(&self, name: &NodeName) -> Result<Client<S>, Error> {
        let Inner { home, .. } = &*self.0;
        let unknown = || Error::UnknownService(name.to_string());
        if home.directory.holds(name) {
            let object = home.directory.find(name).await.ok_or(Error::Stopped)?;
            return Ok(Client::local(object.downcast().map_err(|_| unknown())?));
        }
        let address = self.locate(name).await?.ok_or_else(unknown)?;
        let connected = Client::connect(&address, &home.token, &home.limits).await;
        connected.map_err(Error::wire(format!("connecting to {name}")))
    }

    /// Where the service of `name` listens; `None` when the program has no such service.
    async fn locate(&self, name: &NodeName) -> Result<Option<Address>, Error> {
        let request = Request::Locate { node: name.clone() };
        match self.ask(&format!("asking for the address of {name}"), request).await? {
            Reply::Address(address) => Ok(Some(address)),
            Reply::Unknown { .. } => Ok(None),
            _ => Err(Error::Stopped),
        }
    }

    async fn ask(&self, doing: &str, request: Request) -> Result<Reply, Error> {
        Ok(self.0.control.call(request).await.map_err(Error::wire(doing))?.body)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.0.name)
    }
}
