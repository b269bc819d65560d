//! The caller's side of a service.

use crate::edges::Edge;
use crate::link::simulated::SimulatedLink;
use crate::link::socket::Socket;
use crate::{
    Address, Blocking, Call, CallError, Contract, Edges, Error, Health, Hosted, Identity, Limits, Method,
    Peer, Result, Reuse, Service,
};
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use syncline_runtime::Clock;

/// Calls a [`Service`], in this process, in another, or over a modelled network. Clones share the connection.
///
/// A call's future may be dropped at any time: the call is given up, the service is told so, and a late reply discarded.
///
/// A call is sent at most once. Where the connection has ended, the next call opens it again; a call that was under way then
/// fails, since nobody knows whether it was executed.
///
/// A connected client's socket belongs to the tokio runtime in which it was connected, and works while that one runs.
pub struct Client<S: Service> {
    link: Link<S>,
    /// Zero means for ever.
    deadline: Duration,
    /// Who calls, as services of this process and of a simulation see it; others learn it from the handshake.
    caller: Arc<Peer>,
    /// Where its calls are counted.
    edge: Arc<Edge>,
}

enum Link<S: Service> {
    Direct(Hosted<S>),
    Socket(Arc<Socket<S>>),
    Simulated(Hosted<S>, SimulatedLink),
    Through(Arc<Ask<S>>, Clock),
}

/// What asks a service in a client's place.
type Ask<S> = dyn Fn(<S as Service>::Request) -> Asking<S> + Send + Sync;

/// An answer that is on its way to who asks through something else.
pub type Asking<S> =
    Pin<Box<dyn Future<Output = Result<<S as Service>::Reply, CallError<<S as Service>::Error>>> + Send>>;

impl<S: Service> Client<S> {
    fn new(link: Link<S>) -> Client<S> {
        let edge = Arc::new(Edge::on(Clock::start()));
        let client = Client { link, deadline: Duration::ZERO, caller: Arc::default(), edge };
        client.called_by(Peer::default())
    }

    /// A client that calls the service directly: no socket, no copy, no other thread.
    pub fn local(service: impl Into<Hosted<S>>) -> Client<S> {
        Client::new(Link::Direct(service.into()))
    }

    /// A client that calls the service over a modelled network, in virtual time. Nothing is copied.
    pub fn simulated(service: impl Into<Hosted<S>>, link: SimulatedLink) -> Client<S> {
        Client::new(Link::Simulated(service.into(), link))
    }

    /// A client whose requests go through `ask`: to something that stands before the service, such as a cache. Deadlines are by
    /// `clock`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use syncline_runtime::Clock;
    /// use syncline_wire::{Client, service};
    ///
    /// #[service]
    /// trait Store {
    ///     async fn get(&self, key: String) -> u64;
    /// }
    /// struct Lengths;
    /// #[service]
    /// impl Store for Lengths {
    ///     async fn get(&self, key: String) -> u64 {
    ///         key.len() as u64
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = Client::local(Arc::new(Lengths));
    /// let through = Client::<Lengths>::through(Clock::start(), move |request| {
    ///     let store = store.clone();
    ///     Box::pin(async move { store.call(request).await })
    /// });
    /// assert_eq!(through.get("four".to_owned()).await.unwrap(), 4);
    /// # });
    /// ```
    pub fn through(clock: Clock, ask: impl Fn(S::Request) -> Asking<S> + Send + Sync + 'static) -> Client<S> {
        Client::new(Link::Through(Arc::new(ask), clock))
    }

    /// Connects to a listener, waiting up to [`Limits::connect`] for one that does not listen yet.
    ///
    /// # Errors
    /// [`Error::Io`] when nothing listens there in time, [`Error::Refused`] and [`Error::Impostor`] when the two sides do
    /// not have the same secret, [`Error::Version`] for another protocol, [`Error::Contract`] for another service,
    /// [`Error::Closed`] when the peer is silent.
    pub async fn connect(
        address: &Address,
        identity: impl Into<Identity>,
        limits: &Limits,
    ) -> Result<Client<S>> {
        let socket = Socket::open(address, identity.into(), limits).await?;
        Ok(Client::new(Link::Socket(Arc::new(socket))))
    }

    /// The same client, whose calls wait for at most `deadline`, unless a method says something else; zero means for ever,
    /// which is the default.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use syncline_wire::{Client, Service};
    /// # fn example<S: Service>(client: &Client<S>) {
    /// let patient = client.within(Duration::from_secs(30)); // for all calls of this clone
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Client<S> {
        Client { deadline, ..self.clone() }
    }

    /// The same client, by whom services of this process and of a simulation see themselves called.
    #[must_use]
    pub fn called_by(self, caller: Peer) -> Client<S> {
        let edge = match &self.link {
            Link::Direct(hosted) => {
                let edge = hosted.edge(&caller);
                edge.is_within_a_process();
                edge
            }
            Link::Simulated(hosted, _) => hosted.edge(&caller),
            Link::Socket(_) | Link::Through(..) => Arc::clone(&self.edge),
        };
        Client { caller: Arc::new(caller), edge, ..self }
    }

    /// The same client, whose waits for another process are counted in `edges`. Within a process, and in a simulation, the
    /// service's own counts have them.
    #[must_use]
    pub fn counted_in(self, edges: &Edges) -> Client<S> {
        let edge = match &self.link {
            Link::Direct(_) | Link::Simulated(..) | Link::Through(..) => Arc::clone(&self.edge),
            Link::Socket(socket) => edges.between(socket.caller(), &socket.peer()),
        };
        Client { edge, ..self }
    }

    /// Calls that wait for their answers without `.await`, for code that is not asynchronous.
    ///
    /// # Errors
    /// [`Error::Io`] when the system gives no runtime to wait in.
    pub fn blocking(self) -> Result<Blocking<S>> {
        Blocking::new(self)
    }

    /// Whether calls stay in this process, so that tensors are shared and not copied.
    pub fn is_local(&self) -> bool {
        matches!(self.link, Link::Direct(_))
    }

    /// The service's node, where it said who it is in the handshake.
    pub fn peer(&self) -> Option<Peer> {
        match &self.link {
            Link::Direct(_) | Link::Simulated(..) | Link::Through(..) => None,
            Link::Socket(socket) => Some(socket.peer()),
        }
    }

    /// What the service can be asked.
    pub fn contract(&self) -> Contract {
        S::contract()
    }

    /// How often receive buffers were used again; zeros where none are needed.
    pub fn reuse(&self) -> Reuse {
        match &self.link {
            Link::Direct(_) | Link::Simulated(..) | Link::Through(..) => Reuse::default(),
            Link::Socket(socket) => socket.reuse(),
        }
    }

    /// How the service is. It is its host that answers, also where all calls that it lets in wait.
    ///
    /// # Errors
    /// As of a call.
    pub async fn health(&self) -> Result<Health> {
        let health = async {
            match &self.link {
                Link::Direct(hosted) => Ok(hosted.health()),
                Link::Socket(socket) => socket.health().await.map_err(|error| match error {
                    CallError::Wire(error) => error,
                    CallError::Service(error) => Error::Remote(error.to_string()),
                }),
                Link::Simulated(hosted, link) => link.health(hosted).await,
                Link::Through(..) => Err(Error::Remote("it is reached through something else".to_owned())),
            }
        };
        self.timed("health", self.deadline, health).await?
    }

    /// Asks the service and waits for its answer. At most once: a lost request is not sent again.
    ///
    /// # Errors
    /// [`CallError::Service`] with the service's own error. [`CallError::Wire`] otherwise: [`Error::Remote`] for a panic,
    /// [`Error::Deadline`] when it takes too long, [`Error::Busy`] when too many wait, [`Error::Closed`] when the
    /// connection ends before the reply, [`Error::TooLarge`] or [`Error::Encode`] when the request cannot be sent.
    pub async fn call(&self, request: S::Request) -> Result<S::Reply, CallError<S::Error>> {
        match &self.link {
            Link::Direct(hosted) => {
                let method = S::method(&request);
                let call = self.__begin(hosted, method).await;
                hosted.run(&call, || hosted.service().call(&call, request)).await
            }
            Link::Socket(_) | Link::Simulated(..) | Link::Through(..) => {
                self.__ask(&S::method(&request), request).await
            }
        }
    }

    /// The host of a service in this process, whose methods `#[service]` calls themselves.
    #[doc(hidden)]
    pub fn __direct(&self) -> Option<&Hosted<S>> {
        match &self.link {
            Link::Direct(hosted) => Some(hosted),
            Link::Socket(_) | Link::Simulated(..) | Link::Through(..) => None,
        }
    }

    /// Begins a call within this process.
    #[doc(hidden)]
    pub async fn __begin<'a>(&'a self, hosted: &'a Hosted<S>, method: Method) -> Call<'a> {
        // Such a call may always be ready: without this, a loop of them never lets its executor stop it.
        tokio::task::coop::consume_budget().await;
        hosted.local_call(&self.caller, &self.edge, method, self.wait(&method))
    }

    /// Asks once, elsewhere.
    #[doc(hidden)]
    pub async fn __ask(&self, method: &Method, request: S::Request) -> Result<S::Reply, CallError<S::Error>> {
        let wait = self.wait(method);
        let patience = Some(wait).filter(|wait| !wait.is_zero());
        // Pinned where it stands: what takes a future by value has room for it twice.
        let answer = pin!(async {
            // Who calls the object itself waits as long as that takes.
            let _asking = (!self.is_local()).then(|| self.edge.ask());
            match &self.link {
                Link::Direct(hosted) => hosted.answer(&self.caller, &self.edge, patience, request).await,
                Link::Socket(socket) => socket.call(patience, request).await,
                Link::Simulated(hosted, link) => {
                    link.call(hosted, &self.caller, &self.edge, patience, request).await
                }
                Link::Through(ask, _) => ask(request).await,
            }
        });
        self.timed(method.name, wait, answer).await?
    }

    /// Asks again and again while the service is lost, with pauses that double: for methods that do no harm when they are
    /// executed twice.
    #[doc(hidden)]
    pub async fn __ask_again(
        &self,
        method: &Method,
        request: impl Fn() -> S::Request,
    ) -> Result<S::Reply, CallError<S::Error>> {
        let mut pause = method.pause;
        for _ in 1..method.tries {
            match self.__ask(method, request()).await {
                Err(error) if error.is_peer_lost() => {}
                outcome => return outcome,
            }
            self.clock().sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        self.__ask(method, request()).await
    }

    /// How long a call of the method waits.
    fn wait(&self, method: &Method) -> Duration {
        if self.deadline.is_zero() { method.deadline } else { self.deadline }
    }

    async fn timed<T>(&self, method: &str, wait: Duration, work: impl Future<Output = T>) -> Result<T> {
        if wait.is_zero() {
            return Ok(work.await);
        }
        let late = |_| Error::Deadline { method: method.to_owned() };
        self.clock().timeout(wait, work).await.map_err(late)
    }

    fn clock(&self) -> Clock {
        match &self.link {
            Link::Direct(hosted) => hosted.ground().clock().clone(),
            Link::Socket(_) => Clock::start(),
            Link::Through(_, clock) => clock.clone(),
            Link::Simulated(_, link) => link.clock(),
        }
    }
}

impl<S: Service> Clone for Client<S> {
    fn clone(&self) -> Self {
        let link = match &self.link {
            Link::Direct(hosted) => Link::Direct(hosted.clone()),
            Link::Socket(socket) => Link::Socket(Arc::clone(socket)),
            Link::Simulated(hosted, link) => Link::Simulated(hosted.clone(), link.clone()),
            Link::Through(ask, clock) => Link::Through(Arc::clone(ask), clock.clone()),
        };
        let (caller, edge) = (Arc::clone(&self.caller), Arc::clone(&self.edge));
        Client { link, deadline: self.deadline, caller, edge }
    }
}

impl<S: Service> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("local", &self.is_local()).finish_non_exhaustive()
    }
}
