//! Calls in virtual time, over a modelled [`Network`].
//!
//! A message is never encoded: what it would weigh on the wire is counted, and the values themselves change hands. A
//! question becomes a task of the node that is asked, so that it ends with that node, and goes on when its caller gives
//! up, as with a socket.

use crate::frame::Frame;
use crate::network::{Disturbance, Fault, LinkModel, When};
use crate::{Error, Limits, Message, Network, Result, Service, caught, method};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use syncline_runtime::{Node, Sim, Wait};
use tokio::sync::oneshot;

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
    /// Until when each node's line is occupied, out and in.
    lines: Vec<[Duration; 2]>,
    pairs: BTreeMap<(Node, Node), Pair>,
    /// Nodes on one machine, which need no line between them.
    together: Vec<Node>,
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
        let mut fate = state.carry(now, from, to, bytes, apart, &model.line);
        if let Some([from_name, to_name]) = &names {
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
                        state.carry(now, from, to, bytes, apart, &model.line);
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
        line: &LinkModel,
    ) -> Fate {
        if from == to || (self.together.contains(&from) && self.together.contains(&to)) {
            return Fate::Arrives(now);
        }
        let model = apart.unwrap_or(*line);
        let (busy, travel) = (model.occupied(bytes), model.latency + self.jitter(model.jitter));
        if apart.is_some() {
            // One link has both directions' own capacity, as a line has.
            let pair = self.pairs.entry((from, to)).or_default();
            pair.occupied = pair.occupied.max(now).saturating_add(busy);
            return Fate::Arrives(pair.occupied.saturating_add(travel));
        }
        let [out, _] = self.line(from);
        let begins = (*out).max(now);
        *out = begins.saturating_add(busy);
        let [_, into] = self.line(to);
        *into = (*into).max(begins.saturating_add(travel)).saturating_add(busy);
        Fate::Arrives(*into)
    }

    fn line(&mut self, node: Node) -> &mut [Duration; 2] {
        if self.lines.len() <= node.index() {
            self.lines.resize(node.index() + 1, [Duration::ZERO; 2]);
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

/// The way from one node to the service of another. Clones are the same way.
#[derive(Clone, Debug)]
pub struct SimulatedLink {
    net: Net,
    from: Node,
    to: Node,
    limits: Limits,
}

impl SimulatedLink {
    /// Asks `service` at the other end.
    pub(crate) async fn call<S: Service>(
        &self,
        service: &Arc<S>,
        request: Message<S::Request>,
    ) -> Result<Message<S::Reply>> {
        let (sim, clock) = (&self.net.0.sim, self.net.0.sim.clock());
        let method = method::of(&request.body);
        let bytes = Frame::length_of(&request, &self.limits)?;
        if self.net.is_gone(self.to) {
            return Err(self.closed("its node has come to its end"));
        }
        let fate = self.net.send(self.from, self.to, bytes, format_args!("{method}"));
        let lost = fate == Fate::Lost;
        let _waiting = sim.waits().begin(self.from, Wait::Call { node: self.to, method, lost });
        let Fate::Arrives(at) = fate else { return std::future::pending().await };
        let (answered, answer) = oneshot::channel();
        let (link, service, there) = (self.clone(), Arc::clone(service), clock.clone());
        sim.spawn(self.to, async move {
            there.sleep_until(at).await;
            let reply = link.answer(&*service, method, request).await;
            // The caller may have given up.
            let _ = answered.send(reply);
        });
        let Ok((reply, fate)) = answer.await else {
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
        reply
    }

    /// The other side of a call: the answer, and what becomes of it on its way back.
    async fn answer<S: Service>(
        &self,
        service: &S,
        method: &str,
        request: Message<S::Request>,
    ) -> (Result<Message<S::Reply>>, Fate) {
        let reply = caught::call(service, request).await.map_err(|error| error.to_string());
        let sized = reply.and_then(|reply| match Frame::length_of(&reply, &self.limits) {
            Ok(bytes) => Ok((reply, bytes)),
            Err(error) => Err(error.to_string()),
        });
        let (reply, bytes) = match sized {
            Ok((reply, bytes)) => (Ok(reply), bytes),
            Err(text) => {
                let bytes = crate::frame::HEADER + text.len();
                (Err(Error::Remote(text)), bytes)
            }
        };
        (reply, self.net.send(self.to, self.from, bytes, format_args!("answer to {method}")))
    }

    fn closed(&self, reason: &str) -> Error {
        Error::closed(&self.net.0.sim.waits().name(self.to), reason)
    }
}
