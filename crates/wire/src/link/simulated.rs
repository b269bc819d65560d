//! Calls in virtual time, over a modelled [`Network`].
//!
//! A message is never encoded: what it would weigh on the wire is counted, and the values themselves change hands. A
//! question becomes a task of the node that is asked, so that it ends with that node, and goes on when its caller gives
//! up, as with a socket.

use crate::edges::Edge;
use crate::frame::{Frame, HEADER};
use crate::network::{Disturbance, Fault, Line, LinkModel, Passing, Place, When};
use crate::replies::{Items, WINDOW};
use crate::{CallError, Error, Health, Hosted, Limits, Network, Party, Peer, Result, Service};
use futures_util::stream::{self, StreamExt};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use syncline_runtime::{Clock, Node, Sim, Wait};
use tokio::sync::{mpsc, oneshot};

/// Hears of every message, in the order of sending, as a line of text.
type Listener = Box<dyn FnMut(&str) + Send>;

/// A network at work: the model, and what is under way on each line. Clones share it.
#[derive(Clone)]
pub struct Net(Arc<Inner>);

struct Inner {
    sim: Sim,
    model: Network,
    faults: Vec<Fault>,
    state: Mutex<State>,
}

struct State {
    /// Each node's line, out and in.
    lines: Vec<[Line; 2]>,
    pairs: BTreeMap<(Node, Node), Pair>,
    /// Nodes on one machine, which need no line between them.
    together: Vec<Node>,
    /// Nodes on the machine of another, whose line they use.
    hosts: BTreeMap<Node, Node>,
    /// How nodes and hosts are connected, as far as somebody has asked.
    places: BTreeMap<Node, Arc<Place>>,
    /// The same of each uplink.
    uplinks: Vec<[Line; 2]>,
    gone: Vec<Node>,
    random: Xoshiro256PlusPlus,
    listener: Option<Listener>,
}

/// Messages from one node to another.
#[derive(Clone, Copy, Default)]
struct Pair {
    sent: u64,
    last_arrival: Duration,
    /// Until when a link apart is occupied.
    occupied: Duration,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives(Duration),
    Lost,
}

impl Net {
    /// The network of `sim`, which these faults will strike.
    pub fn new(sim: Sim, model: Network, faults: Vec<Fault>) -> Self {
        // Not the scheduler's numbers over again.
        let random = Xoshiro256PlusPlus::seed_from_u64(sim.seed().rotate_left(32) ^ 0x6e65_7477_6f72_6b21);
        let state = State {
            lines: Vec::new(),
            pairs: BTreeMap::new(),
            together: Vec::new(),
            hosts: BTreeMap::new(),
            places: BTreeMap::new(),
            uplinks: vec![Default::default(); model.uplinks.len()],
            gone: Vec::new(),
            random,
            listener: None,
        };
        Self(Arc::new(Inner { sim, model, faults, state: Mutex::new(state) }))
    }

    /// Calls `listener` with a line about each message: when, from whom, to whom, what, bytes, and when it arrives.
    pub fn listen(&self, listener: impl FnMut(&str) + Send + 'static) {
        self.state().listener = Some(Box::new(listener));
    }

    /// Puts `node` on the machine that such nodes share: between them messages take no time.
    pub fn put_together(&self, node: Node) {
        self.state().together.push(node);
    }

    /// Puts `node` on the host where the model has the node of this name, if it has it on one.
    pub fn settle(&self, node: Node, name: &str) {
        let Inner { sim, model, .. } = &*self.0;
        let Some(number) = model.host(name) else { return };
        let host = sim.enter(&format!("(host {number})"));
        self.put_at(node, host);
        self.state().places.entry(host).or_insert_with(|| Arc::new(model.place_of_host(number)));
    }

    /// The first party that the model or a fault names, to which none of these nodes belongs.
    pub fn unknown_party(&self, nodes: &[String]) -> Option<Party> {
        let Inner { model, faults, .. } = &*self.0;
        let named = model.parties().chain(faults.iter().flat_map(|fault| [&fault.from, &fault.to]));
        named.into_iter().find(|party| !nodes.iter().any(|node| party.holds(node))).cloned()
    }

    /// Puts `node` on the machine of `host`: between all that are there messages take no time, and nothing that happens to the
    /// network strikes them; with others they share its line.
    pub fn put_at(&self, node: Node, host: Node) {
        self.state().hosts.insert(node, host);
    }

    /// Takes a node away: nobody answers there any more.
    pub fn take_away(&self, node: Node) {
        self.state().gone.push(node);
    }

    /// A way from one node to the service of another.
    pub fn link(&self, from: Node, to: Node, limits: Limits) -> SimulatedLink {
        SimulatedLink { net: self.clone(), from, to, limits }
    }

    /// Sends a message of so many bytes.
    fn send(&self, from: Node, to: Node, bytes: usize, what: fmt::Arguments<'_>) -> Fate {
        let Inner { sim, model, faults, .. } = &*self.0;
        let now = sim.clock().now();
        let mut state = self.state();
        let number = {
            let pair = state.pairs.entry((from, to)).or_default();
            pair.sent += 1;
            pair.sent
        };
        // Names are only looked up where somebody asks about them.
        let named = !faults.is_empty() || !model.apart.is_empty() || state.listener.is_some();
        let names = named.then(|| [from, to].map(|node| sim.waits().name(node)));
        let apart = names.as_ref().and_then(|[from, to]| model.apart(from, to));
        let mut fate = state.carry(now, from, to, bytes, apart, &self.0);
        let apart_from = state.host(from) != state.host(to);
        if let Some([from_name, to_name]) = names.as_ref().filter(|_| apart_from || from == to) {
            let strikes = faults.iter().filter(|fault| fault.strikes(from_name, to_name, now, number));
            for fault in strikes {
                fate = match (fault.what, fate, &fault.when) {
                    (_, Fate::Lost, _) | (Disturbance::Drop, ..) => Fate::Lost,
                    (Disturbance::Partition, _, When::Message(_)) => Fate::Lost,
                    (Disturbance::Partition, Fate::Arrives(at), When::Within(range)) => {
                        Fate::Arrives(at + range.end.saturating_sub(now))
                    }
                    (Disturbance::Delay(longer), Fate::Arrives(at), _) => Fate::Arrives(at + longer),
                    (Disturbance::Duplicate, Fate::Arrives(at), _) => {
                        // The second copy only takes up room: its number gives it away.
                        state.carry(now, from, to, bytes, apart, &self.0);
                        Fate::Arrives(at)
                    }
                };
            }
        }
        if let Fate::Arrives(at) = &mut fate {
            let pair = state.pairs.entry((from, to)).or_default();
            *at = (*at).max(pair.last_arrival + Duration::from_nanos(1));
            pair.last_arrival = *at;
        }
        if let (Some(listener), Some([from, to])) = (&mut state.listener, &names) {
            let end = match fate {
                Fate::Arrives(at) => format!("arrives {}", at.as_nanos()),
                Fate::Lost => "lost".to_owned(),
            };
            listener(&format!("{} {from} > {to} {what} {bytes} B {end}", now.as_nanos()));
        }
        fate
    }

    fn is_gone(&self, node: Node) -> bool {
        self.state().gone.contains(&node)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A listener that panics leaves the books of the network as they should be.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Net({})", self.0.model)
    }
}

impl Network {
    /// The link that two nodes share with nobody.
    fn apart(&self, from: &str, to: &str) -> Option<LinkModel> {
        let joins = |one: &crate::Party, other: &crate::Party| {
            one.holds(from) && other.holds(to) || one.holds(to) && other.holds(from)
        };
        self.apart.iter().find(|(one, other, _)| joins(one, other)).map(|(.., link)| *link)
    }
}

impl Fault {
    fn strikes(&self, from: &str, to: &str, now: Duration, number: u64) -> bool {
        let when = match &self.when {
            When::Within(range) => range.contains(&now),
            When::Message(struck) => *struck == number,
        };
        when && self.from.holds(from) && self.to.holds(to)
    }
}

impl State {
    /// When a message that is sent now arrives, without faults.
    fn carry(
        &mut self,
        now: Duration,
        from: Node,
        to: Node,
        bytes: usize,
        apart: Option<LinkModel>,
        net: &Inner,
    ) -> Fate {
        let (from, to) = (self.host(from), self.host(to));
        if from == to || (self.together.contains(&from) && self.together.contains(&to)) {
            return Fate::Arrives(now);
        }
        if let Some(link) = apart {
            // One link has both directions' own capacity, as a line has.
            let travel = link.latency + self.jitter(link.jitter);
            let pair = self.pairs.entry((from, to)).or_default();
            pair.occupied = pair.occupied.max(now).saturating_add(link.occupied(bytes));
            return Fate::Arrives(pair.occupied.saturating_add(travel));
        }
        let [source, target] = [from, to].map(|node| self.place(node, net));
        let uplinks = &net.model.uplinks;
        // An uplink is crossed by what comes from behind it and goes elsewhere, or the other way.
        let up = source.uplinks.iter().filter(|uplink| !target.uplinks.contains(uplink));
        let down = target.uplinks.iter().rev().filter(|uplink| !source.uplinks.contains(uplink));
        let crossed: Vec<(usize, usize)> = up.map(|&at| (at, OUT)).chain(down.map(|&at| (at, IN))).collect();
        let extra = |what: fn(&LinkModel) -> Duration| -> Duration {
            let of_lines = (what(&source.line) + what(&target.line)) / 2;
            of_lines + crossed.iter().map(|&(at, _)| what(&uplinks[at].line)).sum::<Duration>()
        };
        let travel = extra(|line| line.latency) + self.jitter(extra(|line| line.jitter));
        let mut message = Passing::sent(now);
        message.passes(&mut self.line(from)[OUT], source.line.occupied(bytes));
        for (at, way) in crossed {
            message.passes(&mut self.uplinks[at][way], uplinks[at].line.occupied(bytes));
        }
        message.travels(travel);
        message.passes(&mut self.line(to)[IN], target.line.occupied(bytes));
        Fate::Arrives(message.arrives())
    }

    /// How a node that stands on no host, or a host, is connected.
    fn place(&mut self, node: Node, net: &Inner) -> Arc<Place> {
        let find = || Arc::new(net.model.place_of_node(&net.sim.waits().name(node)));
        Arc::clone(self.places.entry(node).or_insert_with(find))
    }

    /// The node whose line this one uses.
    fn host(&self, node: Node) -> Node {
        self.hosts.get(&node).copied().unwrap_or(node)
    }

    fn line(&mut self, node: Node) -> &mut [Line; 2] {
        if self.lines.len() <= node.index() {
            self.lines.resize(node.index() + 1, Default::default());
        }
        &mut self.lines[node.index()]
    }

    fn jitter(&mut self, mean: Duration) -> Duration {
        if mean == Duration::ZERO {
            return Duration::ZERO;
        }
        mean.mul_f64(-(1.0 - self.random.random::<f64>()).ln())
    }
}

/// The directions of a line.
const OUT: usize = 0;
const IN: usize = 1;

/// The way from one node to the service of another. Clones are the same way.
#[derive(Clone, Debug)]
pub struct SimulatedLink {
    net: Net,
    from: Node,
    to: Node,
    limits: Limits,
}

impl SimulatedLink {
    pub(crate) fn clock(&self) -> Clock {
        self.net.0.sim.clock()
    }

    /// The way back.
    fn back(&self) -> SimulatedLink {
        SimulatedLink { from: self.to, to: self.from, ..self.clone() }
    }

    /// Asks the service at the other end.
    pub(crate) async fn call<S: Service>(
        &self,
        hosted: &Hosted<S>,
        caller: &Peer,
        edge: &Arc<Edge>,
        patience: Option<Duration>,
        request: S::Request,
    ) -> Result<S::Reply, CallError<S::Error>> {
        let method = S::method(&request).name;
        let bytes = Frame::length_of(&request, &self.limits, None)?;
        let (link, hosted, caller, edge) = (self.clone(), hosted.clone(), caller.clone(), Arc::clone(edge));
        let answer = Box::pin(async move {
            edge.came(bytes);
            link.answer(&hosted, &caller, &edge, method, patience, request).await
        });
        self.exchange(method, bytes, answer).await?
    }

    /// Asks how the service at the other end is.
    pub(crate) async fn health<S: Service>(&self, hosted: &Hosted<S>) -> Result<Health> {
        const METHOD: &str = "health";
        let (link, hosted) = (self.clone(), hosted.clone());
        let answer = Box::pin(async move {
            let health = hosted.health();
            let bytes = Frame::length_of(&health, &link.limits, None).unwrap_or(HEADER);
            (health, link.back().send(bytes, format_args!("answer to {METHOD}")))
        });
        self.exchange(METHOD, HEADER, answer).await
    }

    /// Sends a question, lets `answer` be worked out at the other end, and waits for it. `answer` yields what it is and
    /// what becomes of it on its way back.
    async fn exchange<T: Send + 'static>(
        &self,
        method: &'static str,
        bytes: usize,
        answer: Pin<Box<dyn Future<Output = (T, Fate)> + Send>>,
    ) -> Result<T> {
        let (sim, clock) = (&self.net.0.sim, self.net.0.sim.clock());
        if self.net.is_gone(self.to) {
            return Err(self.closed("its node has come to its end"));
        }
        let fate = self.send(bytes, format_args!("{method}"));
        let lost = fate == Fate::Lost;
        let _waiting = sim.waits().begin(self.from, Wait::Call { node: self.to, method, lost });
        let (there, arrival) = (clock.clone(), fate);
        let (answered, mut answer_heard) = oneshot::channel();
        let (give_up, mut given_up) = oneshot::channel::<()>();
        sim.spawn(self.to, async move {
            let Fate::Arrives(at) = arrival else { return std::future::pending().await };
            there.sleep_until(at).await;
            tokio::select! {
                biased;
                Ok(()) = &mut given_up => {}
                answer = answer => {
                    // The caller may have given up.
                    let _ = answered.send(answer);
                }
            }
        });
        let mut cancel = CancelLater { link: self, give_up: Some(give_up) };
        let heard = (&mut answer_heard).await;
        cancel.give_up = None;
        let Ok((answer, fate)) = heard else {
            return Err(self.closed("its node came to its end before it answered"));
        };
        match fate {
            Fate::Arrives(at) => clock.sleep_until(at).await,
            Fate::Lost => {
                let lost = Wait::Call { node: self.to, method, lost: true };
                let _waiting = sim.waits().begin(self.from, lost);
                std::future::pending().await
            }
        }
        Ok(answer)
    }

    /// The other side of a call: the answer, and what becomes of it on its way back.
    async fn answer<S: Service>(
        &self,
        hosted: &Hosted<S>,
        caller: &Peer,
        edge: &Edge,
        method: &str,
        patience: Option<Duration>,
        request: S::Request,
    ) -> (Result<S::Reply, CallError<S::Error>>, Fate) {
        let back = self.back();
        let reply = hosted.answer(caller, edge, patience, request).await;
        let sized =
            reply.and_then(|reply| match Frame::length_of(&reply, &self.limits, Some(back.clone())) {
                Ok(bytes) => Ok((reply, bytes)),
                Err(error) => Err(Error::Remote(error.to_string()).into()),
            });
        let (reply, bytes) = match sized {
            Ok((reply, bytes)) => (Ok(reply), bytes),
            Err(error) => {
                let bytes = HEADER + error.to_string().len();
                (Err(error), bytes)
            }
        };
        edge.leaves(bytes);
        (reply, back.send(bytes, format_args!("answer to {method}")))
    }

    /// The stream of a reply as it comes at the end of this way: each item takes its time, and only so many are under way.
    pub(crate) fn carry<T: Serialize + Send + 'static>(&self, mut items: Items<T>) -> Items<T> {
        let (sender, mut arrivals) = mpsc::channel(WINDOW);
        let (way, clock) = (self.clone(), self.net.0.sim.clock());
        self.net.0.sim.spawn(self.from, async move {
            loop {
                let Some(item) = (tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    item = items.next() => item,
                }) else {
                    return;
                };
                let bytes = bytes_or_header(&item, &way.limits);
                // A lost item is the end: what comes after it cannot be put in order.
                let Fate::Arrives(at) = way.send(bytes, format_args!("item")) else { return };
                if sender.send((at, item)).await.is_err() {
                    return;
                }
            }
        });
        let arriving = stream::poll_fn(move |context| arrivals.poll_recv(context));
        Box::pin(arriving.then(move |(at, item)| {
            let clock = clock.clone();
            async move {
                clock.sleep_until(at).await;
                item
            }
        }))
    }

    fn send(&self, bytes: usize, what: fmt::Arguments<'_>) -> Fate {
        self.net.send(self.from, self.to, bytes, what)
    }

    fn closed(&self, reason: &str) -> Error {
        Error::closed(&self.net.0.sim.waits().name(self.to), reason)
    }
}

/// What an item weighs; an error is no more than its header.
fn bytes_or_header<T: Serialize>(item: &Result<T>, limits: &Limits) -> usize {
    item.as_ref().ok().and_then(|item| Frame::length_of(item, limits, None).ok()).unwrap_or(HEADER)
}

/// Tells the other end that a call was given up, when it is dropped before the answer. The notice takes its time, too.
struct CancelLater<'a> {
    link: &'a SimulatedLink,
    give_up: Option<oneshot::Sender<()>>,
}

impl Drop for CancelLater<'_> {
    fn drop(&mut self) {
        let Some(give_up) = self.give_up.take() else { return };
        let (sim, clock) = (&self.link.net.0.sim, self.link.net.0.sim.clock());
        if let Fate::Arrives(at) = self.link.send(HEADER, format_args!("cancel")) {
            sim.spawn(self.link.to, async move {
                clock.sleep_until(at).await;
                // It may have been answered meanwhile.
                let _ = give_up.send(());
            });
        }
    }
}
