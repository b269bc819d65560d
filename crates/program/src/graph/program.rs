//! The graph of a distributed program: groups of nodes, the services among them, and the driver.
//!
//! Building the graph runs nothing. A mistake made on the way is kept and returned by [`launch`](crate::launch), so
//! that building reads as a plain list.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use syncline_runtime::Ground;
use syncline_wire::{Edges, Hosted, Limits, Listener, Peer, Service};

use super::builder::Builder;
use super::colocation::{self, Colocation, Crew, Shared, Unit};
use super::outline::{self, GroupOutline, Kind, Outline};
use super::picture::Graph;
use crate::life::member::Attendance;
use crate::life::wish::Wishes;
use crate::node::context::Groups;
use crate::node::directory::Object;
use crate::{Context, Error, Handle, Label, NodeName, NodeResult, OnFailure, Resources};

/// A future that stays on its node's thread.
pub(crate) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A service object whose type only its handles know.
pub(crate) trait Host: Send + Sync {
    /// Itself, for direct calls.
    fn object(self: Arc<Self>) -> Object;
    /// Answers calls from other processes until dropped.
    fn serve(self: Arc<Self>, listener: Listener) -> LocalFuture<()>;
}

impl<S: Service> Host for Hosted<S> {
    fn object(self: Arc<Self>) -> Object {
        self
    }

    fn serve(self: Arc<Self>, listener: Listener) -> LocalFuture<()> {
        Box::pin(async move { listener.serve((*self).clone()).await })
    }
}

/// Yields the encoded value of the node.
type Plain = dyn Fn(Context) -> LocalFuture<NodeResult<Vec<u8>>> + Send + Sync;
type Build = dyn Fn(&Context) -> NodeResult<Built> + Send + Sync;
/// On what it stands, where its calls are counted, and as whose.
type HostHere = dyn Fn(Ground, &Edges, Peer) -> Arc<dyn Host> + Send + Sync;
/// A service's own part.
type RunService = Box<dyn FnOnce(Context) -> LocalFuture<NodeResult<()>> + Send>;

/// A service that has been constructed.
pub(crate) struct Built {
    pub(crate) host: Arc<dyn Host>,
    /// What it does besides serving; when that ends, so does the service.
    pub(crate) run: Option<RunService>,
}

/// What a node does.
#[derive(Clone)]
pub(crate) enum Body {
    /// Runs to its end.
    Plain(Arc<Plain>),
    /// Constructs a service and serves it.
    Service(Arc<Build>),
    /// Serves this object from the launching process.
    Here(Arc<HostHere>),
    /// Nodes that share a process.
    Crew(Arc<Crew>),
    /// Is still to be defined.
    Declared,
}

pub(crate) type DriverBody<T> = Box<dyn FnOnce(Context) -> LocalFuture<NodeResult<T>> + Send>;

/// The nodes under one label, and what they have in common.
pub(crate) struct Group {
    pub(crate) label: Label,
    pub(crate) kind: Kind,
    pub(crate) types: Vec<String>,
    pub(crate) nodes: Vec<(NodeName, Body)>,
    pub(crate) policy: OnFailure,
    pub(crate) resources: Arc<Resources>,
    /// The services that its nodes are said to call.
    pub(crate) uses: Vec<NodeName>,
    /// Whether its services have a part of their own, which ends them.
    pub(crate) runs: bool,
    /// How many of its nodes are there at the start, where it grows and shrinks.
    pub(crate) present: Option<usize>,
}

/// Where a program's value comes from.
pub(crate) enum Yield<T> {
    /// It has no driver: the value is there from the start.
    Nothing(T),
    /// From what its driver returns.
    Driver(DriverBody<T>),
}

/// A distributed program that yields a `T`: `()`, unless it is given a [`driver`](Program::driver).
///
/// See the [crate's example](crate). Without a driver, in the edition of 2024 and the one before it:
///
/// ```edition2024
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("x");
/// program.node("a", async move |_| Ok(()));
/// launch(program, Executor::threads())?.wait()?;
/// # Ok::<(), syncline_program::Error>(())
/// ```
///
/// ```edition2021
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("x");
/// program.node("a", async move |_| Ok(()));
/// launch(program, Executor::threads())?.wait()?;
/// # Ok::<(), syncline_program::Error>(())
/// ```
pub struct Program<T = ()> {
    name: String,
    groups: Vec<Group>,
    colocations: Vec<Shared>,
    source: Yield<T>,
    settings: u64,
    limits: Limits,
    briefing: Arc<[u8]>,
    mistake: Option<Error>,
}

impl Program {
    /// An empty program, which yields `()` until it gets a driver.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            groups: Vec::new(),
            colocations: Vec::new(),
            source: Yield::Nothing(()),
            settings: outline::EMPTY,
            limits: Limits::default(),
            briefing: Arc::default(),
            mistake: None,
        }
    }

    /// The program with a driver, which runs in the launching process. When it returns, the program stops, and its
    /// value is the program's.
    #[must_use = "the program with the driver is the one to launch"]
    pub fn driver<T, F>(self, body: F) -> Program<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce(Context) -> NodeResult<T> + Send + 'static,
    {
        let Self { name, groups, colocations, settings, limits, briefing, mistake, .. } = self;
        let source = Yield::Driver(Box::new(move |ctx| Box::pin(async move { body(ctx).await })));
        Program { name, groups, colocations, source, settings, limits, briefing, mistake }
    }
}

impl<T: Send + 'static> Program<T> {
    /// A group of `count` nodes under `label`, to be given what it needs, what happens when one of its nodes fails, and what
    /// they do:
    ///
    /// ```
    /// use std::time::Duration;
    /// use syncline_program::{Executor, OnFailure, Program, Resources, launch};
    ///
    /// let mut program = Program::new("squares");
    /// let restart = OnFailure::Restart { times: 3, backoff: Duration::from_millis(100) };
    /// let squares = program.group("worker", 4).on_failure(restart).run(async move |ctx| {
    ///     Ok(ctx.rank() * ctx.rank())
    /// });
    /// let program = program.driver(async move |ctx| Ok(squares.all(&ctx).await?));
    /// assert_eq!(launch(program, Executor::threads())?.wait()?, [0, 1, 4, 9]);
    /// # Ok::<(), syncline_program::Error>(())
    /// ```
    pub fn group(&mut self, label: &str, count: usize) -> Builder<'_, T> {
        Builder::new(self, label, count)
    }

    /// Announces a service whose constructor is [defined](Self::define) later: so two services can each hold the
    /// other's handle.
    pub fn declare<S: Service>(&mut self, label: &str) -> Handle<S> {
        let names = self.add(label, Kind::Services, std::any::type_name::<S>(), 1, &Body::Declared);
        Handle::new(names.into_iter().next().unwrap_or_else(|| refused(0)))
    }

    /// Gives a [declared](Self::declare) service its constructor. A program with a service that was only declared, or that
    /// was defined twice, is not launched.
    pub fn define<S, F>(&mut self, service: &Handle<S>, build: F)
    where
        S: Service,
        F: Fn(&Context) -> NodeResult<S> + Send + Sync + 'static,
    {
        let mut nodes = self.groups.iter_mut().flat_map(|group| &mut group.nodes);
        match nodes.find(|(name, _)| name == service.name()) {
            Some((_, body @ Body::Declared)) => *body = serving(build),
            _ => drop(self.mistake.get_or_insert(Error::Defined(service.name().to_string()))),
        }
    }

    /// Takes the services of a group their own part: they only serve, until the program stops. So a test can do the steps
    /// itself.
    pub fn without_run(&mut self, label: &str) -> &mut Self {
        match self.group_mut(label) {
            Some(group) => group.only_serve(),
            None => {
                let known: Vec<_> = self.labels().map(|label| format!("`{label}`")).collect();
                let unknown = Error::UnknownGroup { label: label.to_owned(), known: known.join(", ") };
                self.mistake.get_or_insert(unknown);
            }
        }
        self
    }

    /// The graph of groups and of what they [use](Builder::uses), as text and as a picture.
    pub fn graph(&self) -> Graph {
        Graph::of(&self.name, &self.groups, &self.colocations, matches!(self.source, Yield::Driver(_)))
    }

    /// Mixes `bytes` (settings, a digest of the data) into what launcher and processes compare before they run.
    pub fn fingerprint(&mut self, bytes: &[u8]) -> &mut Self {
        self.settings = outline::mix(self.settings, bytes);
        self
    }

    /// In the launcher: what its processes are told that ask for their [`briefing`](crate::briefing), before they build the program.
    pub fn brief(&mut self, bytes: impl Into<Arc<[u8]>>) -> &mut Self {
        self.briefing = bytes.into();
        self
    }

    /// Sets the limits on messages between nodes of different processes.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    /// Adds `count` services under `label`. Each is constructed by `build` in its own node and serves until the
    /// program stops. Under a label in use the new nodes join the group.
    pub fn services<S, F>(&mut self, label: &str, count: usize, build: F) -> Vec<Handle<S>>
    where
        S: Service,
        F: Fn(&Context) -> NodeResult<S> + Send + Sync + 'static,
    {
        let names = self.add(label, Kind::Services, std::any::type_name::<S>(), count, &serving(build));
        names.into_iter().map(Handle::new).collect()
    }

    /// Adds one service, as [`services`](Self::services) does.
    pub fn service<S, F>(&mut self, label: &str, build: F) -> Handle<S>
    where
        S: Service,
        F: Fn(&Context) -> NodeResult<S> + Send + Sync + 'static,
    {
        let mut handles = self.services(label, 1, build);
        // `add` names as many nodes as it was asked for, also under a label that it refuses.
        handles.pop().unwrap_or_else(|| Handle::new(refused(0)))
    }

    /// Adds `count` plain nodes under `label`. Each runs `body` to its end; the context tells it its rank.
    ///
    /// `body` is best an `async move |ctx| { .. }`: what it captures, such as handles, is shared by the nodes of one
    /// process. Its future stays on its node's thread and need not be `Send`.
    pub fn nodes<F>(&mut self, label: &str, count: usize, body: F)
    where
        F: AsyncFn(Context) -> NodeResult<()> + Send + Sync + 'static,
    {
        self.group(label, count).run(body);
    }

    /// Adds one plain node, as [`nodes`](Self::nodes) does.
    pub fn node<F>(&mut self, label: &str, body: F)
    where
        F: AsyncFn(Context) -> NodeResult<()> + Send + Sync + 'static,
    {
        self.nodes(label, 1, body);
    }

    /// Adds a service that lives in the launching process on every executor: the caller keeps `service` and may use
    /// it directly, other nodes call it through the handle.
    pub fn service_here<S: Service>(&mut self, label: &str, service: Arc<S>) -> Handle<S> {
        let host = move |ground, edges: &Edges, name| {
            Arc::new(Hosted::counted(ground, Arc::clone(&service), edges, name)) as Arc<dyn Host>
        };
        let body = Body::Here(Arc::new(host));
        let mut names = self.add(label, Kind::Here, std::any::type_name::<S>(), 1, &body);
        Handle::new(names.pop().unwrap_or_else(|| refused(0)))
    }

    /// The names of all nodes in the order of their groups, without the driver.
    pub fn all_nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.members().map(|(name, _)| name)
    }

    /// The labels of the groups, in the order of their first use.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.groups.iter().map(|group| &group.label)
    }

    pub(crate) fn add(
        &mut self,
        label: &str,
        kind: Kind,
        service: &str,
        count: usize,
        body: &Body,
    ) -> Vec<NodeName> {
        match self.group_for(label, kind, count) {
            Ok(group) => group.extend(service, count, body),
            Err(mistake) => {
                self.mistake.get_or_insert(mistake);
                (0..count).map(refused).collect()
            }
        }
    }

    /// The group of this label, a new one if need be.
    fn group_for(&mut self, label: &str, kind: Kind, count: usize) -> Result<&mut Group, Error> {
        let label = Label::new(label)?;
        if count == 0 {
            return Err(Error::EmptyGroup(label.to_string()));
        }
        let known = self.groups.iter().position(|group| group.label == label);
        let taken = known.is_some_and(|at| self.groups[at].kind != kind || kind == Kind::Here);
        if taken || label.as_str() == DRIVER {
            return Err(Error::LabelTaken(label.to_string()));
        }
        let at = known.unwrap_or_else(|| {
            self.groups.push(Group::new(label, kind));
            self.groups.len() - 1
        });
        Ok(&mut self.groups[at])
    }

    /// Every node with what it does.
    pub(crate) fn members(&self) -> impl Iterator<Item = &(NodeName, Body)> {
        self.groups.iter().flat_map(|group| &group.nodes)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn briefing(&self) -> Arc<[u8]> {
        Arc::clone(&self.briefing)
    }

    pub(crate) fn message_limits(&self) -> Limits {
        self.limits.clone()
    }

    /// How many nodes each group has, and what they were given.
    pub(crate) fn groups(&self) -> Groups {
        let sizes = colocation::sizes(&self.groups, &self.colocations);
        sizes.into_iter().map(|(label, size, resources)| (label, (size, resources))).collect()
    }

    /// The groups that grow and shrink, and how they begin.
    pub(crate) fn wishes(&self) -> Wishes {
        let begin = |group: &Group| Some((group.label.clone(), group.nodes.len(), group.present?));
        Wishes::new(self.groups.iter().filter_map(begin))
    }

    /// Puts a colocation into the program.
    pub(super) fn share(&mut self, shared: Shared) -> Colocation<'_> {
        self.colocations.push(shared);
        let last = self.colocations.len() - 1;
        Colocation::new(&mut self.colocations[last])
    }

    /// The group of this label.
    pub(crate) fn group_mut(&mut self, label: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.label.as_str() == label)
    }

    /// All that is to be started: nodes, and colocations in place of those that share a process.
    pub(crate) fn units(&self) -> Vec<Unit> {
        colocation::units(&self.groups, &self.colocations)
    }

    /// What another process compares with its own.
    pub(crate) fn outline(&self) -> Outline {
        let colocations = colocation::outlines(&self.groups, &self.colocations);
        let groups = self.groups.iter().map(Group::outline).chain(colocations).collect();
        Outline { program: self.name.clone(), groups, settings: self.settings }
    }

    /// Refuses a program that cannot be launched.
    ///
    /// # Errors
    /// The first mistake that was made in building; [`Error::EmptyProgram`].
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.mistake.take() {
            Some(mistake) => Err(mistake),
            None if self.groups.is_empty() && matches!(self.source, Yield::Nothing(_)) => {
                Err(Error::EmptyProgram(self.name.clone()))
            }
            None => {
                self.undefined().map_or(Ok(()), |name| Err(Error::Undefined(name)))?;
                self.groups.iter().try_for_each(Group::check_size)?;
                colocation::check(&self.groups, &self.colocations)
            }
        }
    }

    /// A service that was declared and never defined.
    fn undefined(&self) -> Option<String> {
        let declared = |(_, body): &&(NodeName, Body)| matches!(body, Body::Declared);
        self.members().find(declared).map(|(name, _)| name.to_string())
    }

    /// Where the value comes from.
    pub(crate) fn into_source(self) -> Yield<T> {
        self.source
    }
}

impl<T> fmt::Debug for Program<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<_> = self.groups.iter().map(Group::outline).collect();
        f.debug_struct("Program").field("name", &self.name).field("groups", &groups).finish_non_exhaustive()
    }
}

/// The label that nodes cannot have.
pub(crate) const DRIVER: &str = "driver";

/// A stand-in for the name of a node that was refused; [`launch`](crate::launch) will say why.
fn refused(rank: usize) -> NodeName {
    NodeName::member(Label::refused(), rank)
}

/// What constructs a service and nothing else.
pub(super) fn serving<S, F>(build: F) -> Body
where
    S: Service,
    F: Fn(&Context) -> NodeResult<S> + Send + Sync + 'static,
{
    let build = move |ctx: &Context| Ok(Built { host: Arc::new(ctx.host(Arc::new(build(ctx)?))), run: None });
    Body::Service(Arc::new(build))
}

impl Group {
    fn new(label: Label, kind: Kind) -> Self {
        let (policy, resources) = (OnFailure::default(), Arc::default());
        Self {
            label,
            kind,
            types: Vec::new(),
            nodes: Vec::new(),
            policy,
            resources,
            uses: Vec::new(),
            runs: false,
            present: None,
        }
    }

    /// Whether its node of this rank is there.
    pub(super) fn attendance(&self, rank: usize) -> Attendance {
        match self.present {
            None => Attendance::Always,
            Some(present) if rank < present => Attendance::FromStart,
            Some(_) => Attendance::Woken,
        }
    }

    /// Refuses a size that it cannot begin with.
    fn check_size(&self) -> Result<(), Error> {
        let (most, size) = (self.nodes.len(), self.present.unwrap_or(1));
        if (1..=most).contains(&size) {
            return Ok(());
        }
        let why = format!("it may have from 1 to {most}");
        Err(Error::Size { label: self.label.to_string(), size, why })
    }

    /// Whether its nodes have work of their own that ends.
    pub(super) fn works(&self) -> bool {
        self.kind == Kind::Nodes || self.runs
    }

    /// Takes its services their own part.
    fn only_serve(&mut self) {
        self.runs = false;
        for (_, body) in &mut self.nodes {
            if let Body::Service(build) = body {
                let build = Arc::clone(build);
                *body = Body::Service(Arc::new(move |ctx| Ok(Built { run: None, ..build(ctx)? })));
            }
        }
    }

    fn extend(&mut self, service: &str, count: usize, body: &Body) -> Vec<NodeName> {
        if !service.is_empty() && !self.types.iter().any(|known| known == service) {
            self.types.push(service.to_owned());
        }
        let first = self.nodes.len();
        let name = |rank| match self.kind {
            Kind::Here | Kind::Colocation => NodeName::single(self.label.clone()),
            Kind::Nodes | Kind::Services => NodeName::member(self.label.clone(), rank),
        };
        let names: Vec<_> = (first..first + count).map(name).collect();
        self.nodes.extend(names.iter().map(|name| (name.clone(), body.clone())));
        names
    }

    fn outline(&self) -> GroupOutline {
        let Self { label, kind, types, nodes, .. } = self;
        GroupOutline { label: label.clone(), kind: *kind, types: types.clone(), count: nodes.len() }
    }
}
