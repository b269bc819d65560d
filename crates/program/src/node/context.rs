//! What a node knows of the program it runs in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use syncline_runtime::{Ground, Wait, Waiting};
use syncline_wire::{Address, Client, Edges, Hosted, Limits, Net, Service, Token};

use super::directory::{Directory, Found};
use crate::control::{Control, Reply, Request};
use crate::launch::interrupt::Interrupts;
use crate::life::ledger::Ledger;
use crate::life::roster::Roster;
use crate::life::stop::Stop;
use crate::life::wish::Wish;
use crate::{Clock, Cost, Error, Interrupt, Label, NodeId, NodeName, Resources, Task};

/// How long a service may take to answer at an address that it has announced, before the launcher is asked anew: it
/// listens already, unless it is gone.
const ANSWER: Duration = Duration::from_secs(1);

/// What each group is: how many nodes it has, and what they were given.
pub(crate) type Groups = BTreeMap<Label, (usize, Arc<Resources>)>;

/// What all nodes in one process share.
pub(crate) struct Home {
    pub(crate) directory: Directory,
    pub(crate) token: Token,
    pub(crate) limits: Limits,
    pub(crate) interrupts: Interrupts,
    pub(crate) groups: Groups,
    /// What passes between the nodes of this process and others.
    pub(crate) edges: Edges,
    /// The modelled network, in a simulation.
    pub(crate) net: Option<Net>,
}

struct Inner {
    node: NodeId,
    name: String,
    ground: Ground,
    stop: Stop,
    home: Arc<Home>,
    control: Client<Control>,
}

/// A node's view of its program: who it is, the common clock, the request to stop, and the way to other nodes. Cheap
/// to clone.
///
/// ```
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("names");
/// let names = program.group("worker", 2).run(async |ctx| {
///     Ok(format!("{} is one of {}", ctx.name(), ctx.size()))
/// });
/// let program = program.driver(async move |ctx| Ok(names.all(&ctx).await?));
/// let names = launch(program, Executor::threads())?.wait()?;
/// assert_eq!(names, ["worker/0 is one of 2", "worker/1 is one of 2"]);
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone)]
pub struct Context(Arc<Inner>);

impl Context {
    pub(crate) fn new(
        node: NodeId,
        ground: Ground,
        stop: Stop,
        home: Arc<Home>,
        control: Client<Control>,
    ) -> Self {
        Self(Arc::new(Inner { name: node.name.to_string(), node, ground, stop, home, control }))
    }

    /// The node's name, such as `worker/2`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The node's number in its group, from 0.
    pub fn rank(&self) -> usize {
        self.0.node.name.rank()
    }

    /// Which incarnation of the node this is: 0, and one more each time that it was started again.
    pub fn incarnation(&self) -> u32 {
        self.0.node.incarnation
    }

    /// What this node's group was given: arguments, variables, and what it asked for.
    pub fn resources(&self) -> &Resources {
        static NONE: Resources = Resources::NONE;
        self.0.home.groups.get(self.0.node.name.label()).map_or(&NONE, |(_, resources)| resources)
    }

    /// How many nodes this node's group has.
    pub fn size(&self) -> usize {
        self.0.home.groups.get(self.0.node.name.label()).map_or(1, |(size, _)| *size)
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

    /// As [`compute`](Self::compute), for work that is so many times what the executor's cost of computing stands for: half a batch,
    /// say. Where that cost is measured the work takes as long as it takes.
    pub async fn compute_times<T>(&self, times: f64, work: impl FnOnce() -> T) -> T {
        self.0.ground.compute_times(times, Cost::Measured, work).await
    }

    /// Whether this is a simulation whose computing is charged and not done (`--compute skip:3ms`). Nobody wants results of it, so
    /// that work which only costs time may give anything of the right shape:
    ///
    /// ```
    /// # use syncline_program::{Context, Cost};
    /// # async fn body(ctx: Context) {
    /// let image = vec![0.5; 1 << 20];
    /// let work = || if ctx.skips_computing() { 0.0 } else { image.iter().sum::<f32>() };
    /// let sum = ctx.compute(Cost::Measured, work).await;
    /// # }
    /// ```
    pub fn skips_computing(&self) -> bool {
        self.0.ground.skips_computing()
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

    /// Whether the program is asked to stop within `duration`; with no time, whether it has been.
    pub async fn stopped_within(&self, duration: Duration) -> bool {
        self.is_stopping()
            || !duration.is_zero() && self.clock().timeout(duration, self.0.stop.wait()).await.is_ok()
    }

    /// Has `handler` called once when the program is asked to stop, before the node is dropped at its await point. A node
    /// that has ended before calls none.
    pub fn on_stop(&self, handler: impl FnOnce() + Send + 'static) {
        self.0.stop.on_request(Box::new(handler));
    }

    /// Every node of the program, and how it is now.
    ///
    /// # Errors
    /// [`Error::Wire`] when the launcher cannot be reached.
    pub async fn roster(&self) -> Result<Roster, Error> {
        match self.ask("asking who is there", Request::Roster).await? {
            Reply::Roster(roster) => Ok(roster),
            _ => Err(Error::Stopped),
        }
    }

    /// As [`roster`](Self::roster), once it is another one than this: a node has been lost, is started again, or answers.
    ///
    /// # Errors
    /// [`Error::Wire`] when the launcher cannot be reached, [`Error::Stopped`] when the program stops first.
    pub async fn roster_after(&self, known: &Roster) -> Result<Roster, Error> {
        match self.ask("waiting for a change of who is there", Request::RosterAfter(known.clone())).await? {
            Reply::Roster(roster) => Ok(roster),
            _ => Err(Error::Stopped),
        }
    }

    /// What has passed between the nodes of the program so far: calls, waits and bytes of every edge. Of other processes it
    /// is what they told last, about a second ago.
    ///
    /// # Errors
    /// [`Error::Wire`] when the launcher cannot be reached.
    pub async fn ledger(&self) -> Result<Ledger, Error> {
        match self.ask("asking what has passed", Request::Ledger).await? {
            Reply::Ledger(ledger) => Ok(ledger),
            _ => Err(Error::Stopped),
        }
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

    /// Wants a node of a group that [grows and shrinks](crate::Builder::present) to be there: one that rests, or is lost, is started;
    /// of another one nothing changes.
    ///
    /// # Errors
    /// [`Error::Wire`] when the launcher cannot be reached.
    pub async fn wake(&self, node: &NodeName) -> Result<(), Error> {
        self.ask(&format!("waking {node}"), Request::Wake { node: node.clone() }).await.map(drop)
    }

    /// How many nodes of a group that [grows and shrinks](crate::Builder::present) somebody wishes to be there, once that is
    /// another wish than the one of the number `known`. A program begins with the wish 0, for those who are there then.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`] for a group that neither grows nor shrinks, [`Error::Stopped`] when the program stops first.
    pub async fn wished(&self, label: &str, known: u64) -> Result<Wish, Error> {
        let request = Request::Wished { label: label.to_owned(), known };
        match self.ask(&format!("waiting for a wish for the group `{label}`"), request).await? {
            Reply::Wish(wish) => Ok(wish),
            Reply::Unknown { known } => Err(Error::UnknownGroup { label: label.to_owned(), known }),
            _ => Err(Error::Stopped),
        }
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

    /// What the nodes of a group yielded, encoded, in the order of their names; waits for their ends.
    pub(crate) async fn values(&self, label: &str) -> Result<Vec<(NodeName, Vec<u8>)>, Error> {
        self.finished(label).await?;
        let request = Request::Values { label: label.to_owned() };
        match self.ask(&format!("asking for the values of the group `{label}`"), request).await? {
            Reply::Values(values) => Ok(values),
            _ => Err(Error::Stopped),
        }
    }

    /// A client of the service of `name`, and which incarnation it reaches: one beyond the given one.
    pub(crate) async fn client<S: Service>(
        &self,
        name: &NodeName,
        beyond: Option<u32>,
    ) -> Result<(Client<S>, u32), Error> {
        if self.0.home.directory.holds(name) {
            return self.local_client(name, beyond).await;
        }
        let Inner { home, .. } = &*self.0;
        let until = self.clock().now().saturating_add(home.limits.connect);
        let limits = Limits { connect: home.limits.connect.min(ANSWER), ..home.limits.clone() };
        loop {
            let (address, incarnation) = self.locate(name, beyond).await?;
            let identity = self.0.node.identity(home.token.clone());
            match Client::connect(&address, identity, &limits).await {
                Ok(client) => return Ok((client.counted_in(&home.edges), incarnation)),
                // Its process may be gone without the launcher knowing yet: what the launcher tells next is another one.
                Err(error) if error.is_peer_lost() && self.clock().now() < until => {}
                Err(error) => return Err(Error::wire(format!("connecting to {name}"))(error)),
            }
        }
    }

    async fn local_client<S: Service>(
        &self,
        name: &NodeName,
        beyond: Option<u32>,
    ) -> Result<(Client<S>, u32), Error> {
        let Inner { home, ground, .. } = &*self.0;
        let _waiting = ground.place().map(|(sim, _)| {
            let wait = Wait::Call { node: sim.enter(&name.to_string()), method: "connect", lost: false };
            ground.waiting(|| wait)
        });
        let (object, incarnation) = match home.directory.find(name, beyond).await {
            Found::Object(object, incarnation) => (object, incarnation),
            Found::Gone => return Err(Error::Gone(name.clone())),
            Found::Closed => return Err(Error::Stopped),
        };
        let unknown = || Error::UnknownService(name.to_string());
        let hosted: &Hosted<S> = object.downcast_ref().ok_or_else(unknown)?;
        let link = ground.place().zip(home.net.as_ref()).map(|((sim, here), net)| {
            // Each incarnation is another node of the network.
            net.link(*here, sim.enter(&name.to_string()), home.limits.clone())
        });
        let client = match link {
            Some(link) => Client::simulated(hosted.clone(), link),
            None => Client::local(hosted.clone()),
        };
        Ok((client.called_by(self.0.node.peer()), incarnation))
    }

    /// Returns when this incarnation of a service of this process has failed, or the program stops.
    pub(crate) async fn lost(&self, name: &NodeName, incarnation: u32) {
        self.0.home.directory.withdrawn(name, incarnation).await;
    }

    /// Writes down that this node waits for the answer of another.
    pub(crate) fn calling(&self, name: &NodeName) -> Option<Waiting> {
        self.0.ground.calling(&name.to_string(), "call")
    }

    /// The loss of a peer while the program stops is a consequence of that.
    pub(crate) fn or_stopped(&self, error: Error) -> Error {
        if self.is_stopping() { Error::Stopped } else { error }
    }

    /// Where the service of `name` listens, and which incarnation of it.
    async fn locate(&self, name: &NodeName, beyond: Option<u32>) -> Result<(Address, u32), Error> {
        let request = Request::Locate { node: name.clone(), beyond };
        match self.ask(&format!("asking for the address of {name}"), request).await? {
            Reply::Address(address, incarnation) => Ok((address, incarnation)),
            Reply::Unknown { .. } => Err(Error::UnknownService(name.to_string())),
            Reply::Gone => Err(Error::Gone(name.clone())),
            _ => Err(Error::Stopped),
        }
    }

    /// The service of this node, whose calls are counted as such.
    pub(crate) fn host<S: Service>(&self, service: Arc<S>) -> Hosted<S> {
        Hosted::counted(self.0.ground.clone(), service, &self.0.home.edges, self.0.node.peer())
    }

    async fn ask(&self, doing: &str, request: Request) -> Result<Reply, Error> {
        let answer = self.0.control.call(request).await;
        answer.map_err(|error| Error::wire(doing)(error.into()))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.0.name)
    }
}
