//! Who waits for whom: every await of ours that depends on another node is written down here while it lasts.
//!
//! While the program goes on, the table means little: a service may well answer one call while it waits for another. When
//! nothing can go on any more (SIM-3), it is the explanation: a circle in it is the deadlock, and where there is none, the
//! waits that are left lead to the node that does not do its part.
//!
//! For whom a gate waits changes while somebody waits at it. So a gate is not described when the wait begins, but when a
//! report is about to be made: [`Waits::ask`] wakes those who wait at gates, and each says anew what holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A node's number, in the order in which nodes entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

impl Node {
    /// The number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The answer to a call.
    Call {
        /// Whose answer.
        node: Node,
        /// To which question.
        method: &'static str,
        /// Whether the question or its answer is known to have been lost on the way.
        lost: bool,
    },
    /// What a gate, a barrier or a queue lets through when others have done their part.
    Gate {
        /// The gate's name.
        gate: String,
        /// The names of the nodes on which it depends, as far as they are known.
        nodes: Vec<String>,
    },
    /// The end of all nodes of a group.
    Group(String),
    /// The request to stop, which comes from outside.
    Stop,
    /// What was told of by another process.
    Told {
        /// In words, as in "waits for server/0 to answer `pull`".
        text: String,
        /// The names of the nodes on which it depends.
        on: Vec<String>,
    },
}

/// A wait as one process tells another of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who waits.
    pub node: String,
    /// What for.
    pub wait: Wait,
}

impl Told {
    /// What for, in words: "waits for server/0 to answer `pull`". Only those who know the nodes' numbers can name what a
    /// call or a gate waits for, and they tell it in words.
    pub fn words(&self) -> String {
        self.wait.words(|node| node.0.to_string())
    }
}

impl Wait {
    fn words(&self, name: impl Fn(Node) -> String) -> String {
        match self {
            Wait::Call { node, method, lost } => {
                let lost = if *lost { ", but a message of that call was lost" } else { "" };
                format!("waits for {} to answer `{method}`{lost}", name(*node))
            }
            Wait::Gate { gate, nodes } if nodes.is_empty() => format!("holds a caller at `{gate}`"),
            Wait::Gate { gate, nodes } => format!("holds a caller at `{gate}` until {} comes", listed(nodes)),
            Wait::Group(label) => format!("waits for the group `{label}` to finish"),
            Wait::Stop => "waits for the program to be stopped".to_owned(),
            Wait::Told { text, .. } => text.clone(),
        }
    }
}

/// The table of waits. Clones share it.
#[derive(Clone, Default)]
pub struct Waits(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    names: Vec<String>,
    known: BTreeMap<String, Node>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// How often a wait has begun or ended.
    changes: u64,
}

/// A wait under way.
struct Entry {
    node: Node,
    /// `None` until whoever waits has been asked.
    wait: Option<Wait>,
    /// For a wait that describes itself when asked.
    ask: Option<Ask>,
}

/// How to ask who waits what for.
struct Ask {
    waker: Waker,
    /// Whether the answer is still to come.
    asked: bool,
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waits({} changes)", self.changes())
    }
}

/// A wait under way, written down until dropped.
#[must_use = "the wait is over when this is dropped"]
pub struct Waiting {
    waits: Waits,
    at: usize,
}

impl Waits {
    /// The node of this name, a new one if need be.
    pub fn enter(&self, name: &str) -> Node {
        let mut table = self.table();
        if let Some(node) = table.known.get(name) {
            return *node;
        }
        let node = Node(table.names.len() as u32);
        table.names.push(name.to_owned());
        table.known.insert(name.to_owned(), node);
        node
    }

    /// A new node of this name, which stands for it from now on: what is known of the earlier one stays that one's.
    pub fn enter_anew(&self, name: &str) -> Node {
        let mut table = self.table();
        let node = Node(table.names.len() as u32);
        table.names.push(name.to_owned());
        table.known.insert(name.to_owned(), node);
        node
    }

    /// The name of a node.
    pub fn name(&self, node: Node) -> String {
        self.table().name(node)
    }

    /// Writes down that `node` waits.
    pub fn begin(&self, node: Node, wait: Wait) -> Waiting {
        self.write(Entry { node, wait: Some(wait), ask: None })
    }

    /// Waits for `event` on behalf of `node`. What it waits for is only asked of `describe` when a report is made.
    pub async fn until<T>(
        &self,
        node: Node,
        describe: impl Fn() -> Wait,
        event: impl Future<Output = T>,
    ) -> T {
        let (mut event, mut waiting) = (pin!(event), None);
        poll_fn(|context| {
            if let Poll::Ready(value) = event.as_mut().poll(context) {
                return Poll::Ready(value);
            }
            let waker = context.waker();
            let waiting = waiting.get_or_insert_with(|| {
                let ask = Ask { waker: waker.clone(), asked: false };
                self.write(Entry { node, wait: None, ask: Some(ask) })
            });
            if waiting.is_asked(waker) {
                waiting.answer(describe());
            }
            Poll::Pending
        })
        .await
    }

    /// Asks all who wait at gates to say anew what for, at their next turn; false if there is nobody to ask.
    pub fn ask(&self) -> bool {
        let wakers: Vec<_> = self.table().asked().map(|ask| ask.waker.clone()).collect();
        wakers.iter().for_each(Waker::wake_by_ref);
        !wakers.is_empty()
    }

    fn write(&self, entry: Entry) -> Waiting {
        let mut table = self.table();
        let at = table.free.pop().unwrap_or_else(|| {
            table.entries.push(None);
            table.entries.len() - 1
        });
        table.entries[at] = Some(entry);
        table.changes += 1;
        Waiting { waits: self.clone(), at }
    }

    /// How often a wait has begun or ended: as long as this stays the same, nobody who waits has gone on.
    pub fn changes(&self) -> u64 {
        self.table().changes
    }

    /// All waits that have been described, for a table in another process. The waits for a group are told as they are,
    /// because only the launcher knows who of it is left.
    pub fn told(&self) -> Vec<Told> {
        let table = self.table();
        let tell = |(node, wait): (Node, &Wait)| {
            let wait = match wait {
                Wait::Group(_) | Wait::Stop => wait.clone(),
                Wait::Call { .. } | Wait::Gate { .. } | Wait::Told { .. } => {
                    let on = table.targets(wait, &[]).into_iter().map(|node| table.name(node)).collect();
                    Wait::Told { text: table.link(node, wait).wait, on }
                }
            };
            Told { node: table.name(node), wait }
        };
        table.waits().map(tell).collect()
    }

    /// Writes down what was told of, for as long as the answer lives.
    pub fn hear(&self, told: &[Told]) -> Vec<Waiting> {
        told.iter().map(|told| self.begin(self.enter(&told.node), told.wait.clone())).collect()
    }

    /// Whether `node` waits for the request to stop.
    pub fn awaits_stop(&self, node: Node) -> bool {
        self.table().waits().any(|(waiting, wait)| waiting == node && *wait == Wait::Stop)
    }

    /// Whether `node` waits for anything that others bring about.
    pub fn waits_for_others(&self, node: Node) -> bool {
        self.table().waits().any(|(waiting, wait)| waiting == node && *wait != Wait::Stop)
    }

    /// Why `unfinished` nodes do not go on, when nothing else does: a circle of waits if there is one, else what each of
    /// them waits for. `None` if none is unfinished.
    pub fn knot(&self, unfinished: &[Node]) -> Option<Knot> {
        let table = self.table();
        if let Some(circle) = table.circle(unfinished) {
            return Some(Knot { is_circle: true, links: circle });
        }
        let of = |node: Node| table.waits_of(node).into_iter().map(move |wait| (node, wait));
        let mut links: Vec<Link> = Vec::new();
        for &node in unfinished {
            let before = links.len();
            links.extend(of(node).map(|(node, wait)| table.link(node, wait)));
            if links.len() == before {
                let wait = "waits for something that the runtime does not know of".to_owned();
                links.push(Link { node: table.name(node), wait });
            }
        }
        // What services hold their callers for is the other half of the story.
        let served = |node: &Node| !unfinished.contains(node);
        let services = (0..table.names.len() as u32).map(Node).filter(served);
        links.extend(services.flat_map(of).map(|(node, wait)| table.link(node, wait)));
        (!unfinished.is_empty()).then_some(Knot { is_circle: false, links })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that holds the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether it is to be described anew. From now on `waker` is the one to ask by.
    fn is_asked(&self, waker: &Waker) -> bool {
        let mut table = self.waits.table();
        let ask = table.entries[self.at].as_mut().and_then(|entry| entry.ask.as_mut());
        ask.is_some_and(|ask| {
            ask.waker.clone_from(waker);
            std::mem::take(&mut ask.asked)
        })
    }

    fn answer(&self, wait: Wait) {
        if let Some(entry) = &mut self.waits.table().entries[self.at] {
            entry.wait = Some(wait);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut table = self.waits.table();
        table.entries[self.at] = None;
        table.changes += 1;
        table.free.push(self.at);
    }
}

impl Table {
    fn name(&self, node: Node) -> String {
        self.names.get(node.index()).cloned().unwrap_or_default()
    }

    fn waits(&self) -> impl Iterator<Item = (Node, &Wait)> {
        self.entries.iter().flatten().filter_map(|entry| Some((entry.node, entry.wait.as_ref()?)))
    }

    fn waits_of(&self, node: Node) -> Vec<&Wait> {
        self.waits().filter(|(waiting, _)| *waiting == node).map(|(_, wait)| wait).collect()
    }

    /// Those who describe their wait when asked, asked by this.
    fn asked(&mut self) -> impl Iterator<Item = &Ask> {
        let asks = self.entries.iter_mut().flatten().filter_map(|entry| entry.ask.as_mut());
        asks.map(|ask| {
            ask.asked = true;
            &*ask
        })
    }

    /// The nodes on which a wait depends.
    fn targets(&self, wait: &Wait, unfinished: &[Node]) -> Vec<Node> {
        let member = |label: &str, node: &Node| {
            self.names[node.index()].strip_prefix(label).is_some_and(|rest| rest.starts_with('/'))
        };
        match wait {
            Wait::Call { node, .. } => vec![*node],
            Wait::Gate { nodes, .. } => {
                nodes.iter().filter_map(|name| self.known.get(name).copied()).collect()
            }
            Wait::Told { on, .. } => on.iter().filter_map(|name| self.known.get(name).copied()).collect(),
            Wait::Group(label) => unfinished.iter().copied().filter(|node| member(label, node)).collect(),
            Wait::Stop => Vec::new(),
        }
    }

    /// The first circle of waits, from its node that entered first.
    fn circle(&self, unfinished: &[Node]) -> Option<Vec<Link>> {
        let mut edges: Vec<Vec<(&Wait, Node)>> = vec![Vec::new(); self.names.len()];
        for (node, wait) in self.waits() {
            edges[node.index()].extend(self.targets(wait, unfinished).into_iter().map(|to| (wait, to)));
        }
        let mut done = vec![false; edges.len()];
        for start in 0..edges.len() {
            // The way from `start`: each node with how many of its edges have been followed.
            let mut way: Vec<(usize, usize)> = vec![(start, 0)];
            while let Some((node, next)) = way.last_mut() {
                if done[*node] || *next == edges[*node].len() {
                    done[*node] = true;
                    way.pop();
                    continue;
                }
                let to = edges[*node][*next].1.index();
                *next += 1;
                if let Some(first) = way.iter().position(|(node, _)| *node == to) {
                    return Some(self.links(&way[first..], &edges));
                }
                way.push((to, 0));
            }
        }
        None
    }

    fn links(&self, circle: &[(usize, usize)], edges: &[Vec<(&Wait, Node)>]) -> Vec<Link> {
        let first = (0..circle.len()).min_by_key(|&at| circle[at].0).unwrap_or(0);
        let turned = circle[first..].iter().chain(&circle[..first]);
        turned.map(|&(node, next)| self.link(Node(node as u32), edges[node][next - 1].0)).collect()
    }

    fn link(&self, node: Node, wait: &Wait) -> Link {
        Link { node: self.name(node), wait: wait.words(|node| self.name(node)) }
    }
}

/// Names in a sentence, not too many.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// Why nothing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knot {
    /// Whether each of the links waits for the next one, and the last for the first.
    pub is_circle: bool,
    /// Who waits for what.
    pub links: Vec<Link>,
}

/// A node and what it waits for, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The node's name.
    pub node: String,
    /// As in "waits for server/0 to answer `pull`".
    pub wait: String,
}

impl fmt::Display for Knot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        f.write_str(if self.is_circle { "a circle of waits" } else { "nothing can go on" })?;
        for (at, Link { node, wait }) in self.links.iter().take(SHOWN).enumerate() {
            write!(f, "{} {node} {wait}", if at == 0 { ":" } else { ";" })?;
        }
        if self.links.len() > SHOWN { write!(f, "; and {} more", self.links.len() - SHOWN) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(node: Node, method: &'static str) -> Wait {
        Wait::Call { node, method, lost: false }
    }

    #[test]
    fn a_circle_is_told_from_its_first_node_with_methods() {
        let waits = Waits::default();
        let [a, b, c] = ["a/0", "b/0", "c/0"].map(|name| waits.enter(name));
        let _leads_in = waits.begin(a, call(b, "hop"));
        let _there = waits.begin(b, call(c, "ping"));
        let back = waits.begin(c, call(b, "pong"));
        let knot = waits.knot(&[a]).unwrap();
        assert!(knot.is_circle);
        let said =
            "a circle of waits: b/0 waits for c/0 to answer `ping`; c/0 waits for b/0 to answer `pong`";
        assert_eq!(knot.to_string(), said);
        drop(back);
        let knot = waits.knot(&[a]).unwrap();
        assert!(!knot.is_circle);
        assert_eq!(knot.links.len(), 2, "{knot}");
    }

    #[test]
    fn groups_and_gates_are_edges_too() {
        let waits = Waits::default();
        let (driver, server) = (waits.enter("driver"), waits.enter("server/0"));
        let workers = ["worker/0", "worker/1"].map(|name| waits.enter(name));
        let _group = waits.begin(driver, Wait::Group("worker".to_owned()));
        let _pull = waits.begin(workers[1], call(server, "pull"));
        let gate = Wait::Gate { gate: "bsp".to_owned(), nodes: vec!["worker/0".to_owned()] };
        let _held = waits.begin(server, gate);
        let knot = waits.knot(&[driver, workers[0], workers[1]]).unwrap();
        assert!(!knot.is_circle, "{knot}");
        let text = knot.to_string();
        assert!(text.contains("worker/0 waits for something that the runtime does not know of"), "{text}");
        assert!(text.contains("server/0 holds a caller at `bsp` until worker/0 comes"), "{text}");
        let _stuck = waits.begin(workers[0], call(server, "pull"));
        assert!(waits.knot(&[driver, workers[0], workers[1]]).unwrap().is_circle);
    }

    #[test]
    fn a_circle_through_two_processes_is_told_as_one() {
        let (here, there, both) = (Waits::default(), Waits::default(), Waits::default());
        let _mine = here.begin(here.enter("a/0"), call(here.enter("b/0"), "ping"));
        let _theirs = there.begin(there.enter("b/0"), call(there.enter("a/0"), "pong"));
        assert_eq!((here.changes(), there.changes()), (1, 1));
        let _heard = [&here, &there].map(|waits| both.hear(&waits.told()));
        let said =
            "a circle of waits: a/0 waits for b/0 to answer `ping`; b/0 waits for a/0 to answer `pong`";
        assert_eq!(both.knot(&[both.enter("a/0")]).unwrap().to_string(), said);
    }

    #[test]
    fn a_gate_is_described_when_a_report_is_made_and_not_before() {
        let (waits, missing) =
            (Waits::default(), Mutex::new(vec!["worker/0".to_owned(), "worker/1".to_owned()]));
        let server = waits.enter("server/0");
        let gate = || Wait::Gate { gate: "bsp".to_owned(), nodes: missing.lock().unwrap().clone() };
        let mut held = pin!(waits.until(server, gate, std::future::pending::<()>()));
        let mut context = std::task::Context::from_waker(Waker::noop());
        assert!(held.as_mut().poll(&mut context).is_pending());
        missing.lock().unwrap().pop();
        assert!(waits.ask() && held.as_mut().poll(&mut context).is_pending());
        let said = waits.knot(&[server]).unwrap().to_string();
        assert_eq!(said, "nothing can go on: server/0 holds a caller at `bsp` until worker/0 comes");
    }

    proptest! {
        /// A circle is found exactly where one node can be reached from itself.
        #[test]
        fn circles_are_found_where_there_are_any(edges in prop::collection::vec((0..6u32, 0..6u32), 0..14)) {
            let waits = Waits::default();
            let nodes: Vec<_> = (0..6).map(|node| waits.enter(&format!("n/{node}"))).collect();
            let begin = |&(from, to): &(u32, u32)| waits.begin(nodes[from as usize], call(nodes[to as usize], "m"));
            let _held: Vec<_> = edges.iter().map(begin).collect();
            let mut reach = [[false; 6]; 6];
            edges.iter().for_each(|&(from, to)| reach[from as usize][to as usize] = true);
            for via in 0..6 {
                for from in 0..6 {
                    for to in 0..6 {
                        reach[from][to] |= reach[from][via] && reach[via][to];
                    }
                }
            }
            let knot = waits.knot(&nodes).unwrap();
            prop_assert_eq!(knot.is_circle, (0..6).any(|node| reach[node][node]));
            if knot.is_circle {
                for (link, next) in knot.links.iter().zip(knot.links.iter().cycle().skip(1)) {
                    prop_assert!(link.wait.contains(&format!("for {} ", next.node)), "{}", knot);
                }
            }
        }
    }
}
