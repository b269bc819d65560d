//! What a node knows of the program it runs in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use syncline_runtime::{Ground, Node, Wait};
use syncline_wire::{Address, Client, Limits, Net, Service, SimulatedLink, Token};

use crate::control::{Control, Reply, Request};
use crate::directory::Directory;
use crate::interrupt::Interrupts;
use crate::stop::Stop;
use crate::{Clock, Cost, Error, Interrupt, Label, NodeName, Task};

/// How many nodes each group has.
pub(crate) type Sizes = BTreeMap<Label, usize>;

/// What all nodes in one process share.
pub(crate) struct Home {
    pub(crate) directory: Directory,
    pub(crate) token: Token,
    pub(crate) limits: Limits,
    pub(crate) interrupts: Interrupts,
    pub(crate) sizes: Sizes,
    /// The modelled network, in a simulation.
    pub(crate) net: Option<Net>,
}

struct Inner {
    node: NodeName,
    name: String,
    ground: Ground,
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
        ground: Ground,
        stop: Stop,
        home: Arc<Home>,
        control: Client<Control>,
    ) -> Self {
        Self(Arc::new(Inner { name: node.to_string(), node, ground, stop, home, control }))
    }

    /// The node's name, such as `worker/2`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The node's number in its group, from 0.
    pub fn rank(&self) -> usize {
        self.0.node.rank()
    }

    /// How many nodes this node's group has.
    pub fn size(&self) -> usize {
        self.0.home.sizes.get(self.0.node.label()).copied().unwrap_or(1)
    }

    /// The run's common clock, virtual in a simulation. A node takes all time from it: what it sleeps elsewhere, a
    /// simulation does not know of.
    pub fn clock(&self) -> &Clock {
        self.0.ground.clock()
    }

    /// Waits for `duration`, or until the program is asked to stop.
    pub async fn sleep(&self, duration: Duration) {
        tokio::select! {
            biased;
            () = self.0.stop.wait() => {}
            () = self.clock().sleep(duration) => {}
        }
    }

    /// Starts a task of this node, which ends with the node at the latest.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        self.0.ground.spawn(work)
    }

    /// Does `work`, which takes a while. In a simulation its cost passes in virtual time, during which this node computes
    /// nothing else: `cost`, or where that is [`Cost::Measured`], what the executor says computing costs.
    ///
    /// ```
    /// # use syncline_program::{Context, Cost};
    /// # async fn body(ctx: Context) {
    /// let sum: u64 = ctx.compute(Cost::Measured, || (0..1_000_000).sum()).await;
    /// # }
    /// ```
    pub async fn compute<T>(&self, cost: Cost, work: impl FnOnce() -> T) -> T {
        self.0.ground.compute(cost, work).await
    }

    /// Waits for `event`, which others bring about by coming to the gate, barrier or queue called `gate`: `nodes` are those
    /// on whom it depends, as far as they are known. Where nothing can go on any more, the report of the deadlock says so;
    /// `gate` is asked then, and not before.
    pub async fn wait_at<T>(
        &self,
        gate: impl Fn() -> (String, Vec<String>),
        event: impl Future<Output = T>,
    ) -> T {
        let describe = || {
            let (gate, nodes) = gate();
            Wait::Gate { gate, nodes }
        };
        self.0.ground.until(describe, event).await
    }

    /// Returns when the program is asked to stop. A node that awaits this takes care of its own end, and has the
    /// executor's notice period to do so; any other node is dropped at the await point where the request finds it.
    pub async fn stopped(&self) {
        let _waiting = self.0.ground.waiting(|| Wait::Stop);
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
        let _waiting = self.0.ground.waiting(|| Wait::Group(label.to_owned()));
        match self.ask(&format!("waiting for the group `{label}`"), request).await? {
            Reply::Unknown { known } => Err(Error::UnknownGroup { label: label.to_owned(), known }),
            Reply::Done => Ok(()),
            _ => Err(Error::Stopped),
        }
    }

    /// A client of the service of `name`.
    pub(crate) async fn client<S: Service>(&self, name: &NodeName) -> Result<Client<S>, Error> {
        let Inner { home, ground, .. } = &*self.0;
        let unknown = || Error::UnknownService(name.to_string());
        if home.directory.holds(name) {
            let place = ground.place().zip(home.net.as_ref()).map(|((sim, here), net)| {
                let there = sim.enter(&name.to_string());
                (net.link(*here, there, home.limits.clone()), there)
            });
            let waiting = |(_, there): &(SimulatedLink, Node)| {
                let wait = Wait::Call { node: *there, method: "connect", lost: false };
                ground.waiting(|| wait)
            };
            let _waiting = place.as_ref().map(waiting);
            let object = home.directory.find(name).await.ok_or(Error::Stopped)?;
            let service = object.downcast().map_err(|_| unknown())?;
            return Ok(match place {
                Some((link, _)) => Client::simulated(service, link),
                None => Client::local(service),
            });
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
