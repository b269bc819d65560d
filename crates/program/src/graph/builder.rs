//! A group on its way into a program.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use syncline_wire::Service;

use super::outline::Kind;
use super::program::{Body, Built, serving};
use super::values::{Values, encode};
use crate::{Context, Handle, NodeResult, OnFailure, Program, Resources};

/// A group of nodes that is being described; [`run`](Self::run), [`serve`](Self::serve) or
/// [`serve_and_run`](Self::serve_and_run) adds it to the program. Made by [`Program::group`].
///
/// A group is described to its end before the next one begins, so that none can lie within another (scenario A7):
///
/// ```compile_fail,E0499
/// # let mut program = syncline_program::Program::<()>::new("nested");
/// let outer = program.group("outer", 2);
/// let inner = program.group("inner", 2);
/// outer.run(async |_| Ok(()));
/// ```
///
/// What nodes do can go to other threads and be done by several; what cannot is refused by the compiler (E7):
///
/// ```compile_fail,E0277
/// # let mut program = syncline_program::Program::<()>::new("unshared");
/// let count = std::rc::Rc::new(3);
/// program.group("worker", 2).run(async move |_| Ok(*count));
/// ```
#[must_use = "the group is in the program once `run`, `serve` or `serve_and_run` says what its nodes do"]
pub struct Builder<'a, T> {
    program: &'a mut Program<T>,
    label: String,
    count: usize,
    policy: Option<OnFailure>,
    resources: Option<Resources>,
    uses: Vec<crate::NodeName>,
    present: Option<usize>,
}

impl<'a, T: Send + 'static> Builder<'a, T> {
    pub(crate) fn new(program: &'a mut Program<T>, label: &str, count: usize) -> Self {
        let (policy, resources, present) = (None, None, None);
        Self { program, label: label.to_owned(), count, policy, resources, uses: Vec::new(), present }
    }

    /// The group grows and shrinks: so many of its nodes, the first ones, are there at the start, and the others rest. Whoever of
    /// the group runs to its end rests from then on, and the driver [wakes](Context::wake) whom it needs, as when somebody
    /// [wishes](Context::wished) for more.
    ///
    /// ```
    /// use syncline_program::{Executor, Program, launch};
    ///
    /// let mut program = Program::new("relay");
    /// let ran = program.group("runner", 3).present(1).run(async |ctx| Ok(ctx.rank()));
    /// let program = program.driver(async move |ctx| {
    ///     for next in ["runner/1", "runner/2"] {
    ///         ctx.finished("runner").await?;
    ///         ctx.wake(&next.parse()?).await?;
    ///     }
    ///     Ok(ran.all(&ctx).await?)
    /// });
    /// assert_eq!(launch(program, Executor::threads())?.wait()?, [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn present(mut self, count: usize) -> Self {
        self.present = Some(count);
        self
    }

    /// What happens when a node of the group fails; by default the program stops.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.policy = Some(policy);
        self
    }

    /// What each node needs, and what it is given.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = Some(resources);
        self
    }

    /// Says that the nodes call these services, for the [picture](Program::graph) of the program.
    pub fn uses<'h, S: Service>(mut self, services: impl IntoIterator<Item = &'h Handle<S>>) -> Self {
        self.uses.extend(services.into_iter().map(|service| service.name().clone()));
        self
    }

    /// Nodes that run `body` to its end; the context tells each its rank. What they return is for the driver, or whoever
    /// asks for it.
    ///
    /// `body` is best an `async move |ctx| { .. }`: what it captures, such as handles, is shared by the nodes of one
    /// process, and by the incarnations of one. Its future stays on its node's thread and need not be `Send`.
    pub fn run<R, F>(self, body: F) -> Values<R>
    where
        R: Serialize + DeserializeOwned,
        F: AsyncFn(Context) -> NodeResult<R> + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        let body = Body::Plain(Arc::new(move |ctx| {
            let body = Arc::clone(&body);
            Box::pin(async move { encode(&body(ctx).await?) })
        }));
        let values = Values::new(&self.label);
        self.add(Kind::Nodes, "", &body, false);
        values
    }

    /// Services, each constructed by `build` in its own node; they serve until the program stops.
    pub fn serve<S, F>(self, build: F) -> Vec<Handle<S>>
    where
        S: Service,
        F: Fn(&Context) -> NodeResult<S> + Send + Sync + 'static,
    {
        self.add_services(serving(build), false)
    }

    /// Services that also have a part of their own: `run`, which begins when the service answers, and ends it by ending.
    pub fn serve_and_run<S, F, R>(self, build: F, run: R) -> Vec<Handle<S>>
    where
        S: Service,
        F: Fn(&Context) -> NodeResult<S> + Send + Sync + 'static,
        R: AsyncFn(Arc<S>, Context) -> NodeResult<()> + Send + Sync + 'static,
    {
        let run = Arc::new(run);
        let build = move |ctx: &Context| {
            let (service, run) = (Arc::new(build(ctx)?), Arc::clone(&run));
            let host = Arc::new(ctx.host(Arc::clone(&service)));
            let part = move |ctx| -> super::program::LocalFuture<NodeResult<()>> {
                Box::pin(async move { run(service, ctx).await })
            };
            Ok(Built { host, run: Some(Box::new(part)) })
        };
        self.add_services(Body::Service(Arc::new(build)), true)
    }

    fn add_services<S: Service>(self, body: Body, runs: bool) -> Vec<Handle<S>> {
        self.add(Kind::Services, std::any::type_name::<S>(), &body, runs)
            .into_iter()
            .map(Handle::new)
            .collect()
    }

    fn add(self, kind: Kind, service: &str, body: &Body, runs: bool) -> Vec<crate::NodeName> {
        let Self { program, label, count, policy, resources, uses, present } = self;
        let names = program.add(&label, kind, service, count, body);
        // A group that was refused is not there; launching says why.
        if let Some(group) = program.group_mut(&label) {
            group.policy = policy.unwrap_or(group.policy);
            if let Some(resources) = resources {
                group.resources = Arc::new(resources);
            }
            group.uses.extend(uses);
            group.runs |= runs;
            group.present = present.or(group.present);
        }
        names
    }
}
