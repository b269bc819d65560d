//! What has passed between the nodes of a program: each process gives its account of the edges that end or begin there, and
//! the launcher keeps the last one of each.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syncline_wire::{EdgeFigures, Edges, Limits, Passed};

use crate::{NodeId, NodeName};

/// What has passed between the nodes of a program, by the names of who calls and who is called: all their incarnations
/// together.
///
/// ```
/// use syncline_program::{Executor, Program, launch};
///
/// let mut program = Program::new("epochs");
/// let epoch = program.condition("epoch", 0_u64);
/// let program = program.driver(async move |ctx| {
///     epoch.at(&ctx).set(3).await?;
///     Ok(ctx.ledger().await?)
/// });
/// let ledger = launch(program, Executor::threads())?.wait()?;
/// assert_eq!(ledger.between("driver", "epoch/0").calls, 1);
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger(BTreeMap<(String, String), Passed>);

impl Ledger {
    /// Every edge that was used: who calls, who is called, and what has passed.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str, &Passed)> {
        self.0.iter().map(|((caller, callee), passed)| (caller.as_str(), callee.as_str(), passed))
    }

    /// What has passed from one node to another; nothing where they have not met.
    pub fn between(&self, caller: &str, callee: &str) -> Passed {
        self.0.get(&(caller.to_owned(), callee.to_owned())).copied().unwrap_or_default()
    }

    /// As run files have it.
    pub fn traced(&self) -> Vec<syncline_trace::Edge> {
        let edge = |(caller, callee, passed): (&str, &str, &Passed)| syncline_trace::Edge {
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            calls: passed.calls,
            failures: passed.failures,
            given_up: passed.given_up,
            waited_ns: passed.waited_ns,
            queued_ns: passed.queued_ns,
            running_ns: passed.running_ns,
            request_bytes: passed.request_bytes,
            reply_bytes: passed.reply_bytes,
        };
        self.edges().map(edge).collect()
    }

    fn add(&mut self, edges: &[EdgeFigures]) {
        for EdgeFigures { caller, callee, passed } in edges {
            let name = |name: &str| if name.is_empty() { "somebody" } else { name }.to_owned();
            self.0.entry((name(&caller.name), name(&callee.name))).or_default().add(passed);
        }
    }
}

/// What the edges of one process have come to, as it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// When it was drawn up, in ns on a clock of that process.
    pub at_ns: u64,
    /// Its edges.
    pub edges: Vec<EdgeFigures>,
}

/// Bytes of an edge in a message, at most, beside its names.
const EDGE: usize = 128;

impl Account {
    /// Of the edges of this process at `now`, as many as a quarter of a message takes.
    pub(crate) fn of(edges: &Edges, now: Duration, limits: &Limits) -> Self {
        let mut room = limits.body / 4;
        let mut edges = edges.figures();
        let fits = |edge: &EdgeFigures| {
            let bytes = EDGE + edge.caller.name.len() + edge.callee.name.len();
            room = room.checked_sub(bytes)?;
            Some(())
        };
        let fitting = edges.iter().map_while(fits).count();
        edges.truncate(fitting);
        Self { at_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), edges }
    }

    /// Of a process that is gone: nothing is on its way there any more.
    fn closed(mut self) -> Self {
        for edge in &mut self.edges {
            (edge.passed.under_way, edge.passed.waiting) = (0, 0);
        }
        self
    }
}

/// The accounts of all processes of a run. What an earlier incarnation says late changes nothing.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Of this process.
    own: Edges,
    others: Mutex<Others>,
}

#[derive(Debug, Default)]
struct Others {
    /// The last account of each node that is a process of its own.
    last: BTreeMap<NodeName, (u32, Account)>,
    /// Of earlier incarnations.
    past: Ledger,
}

impl Books {
    pub(crate) fn new(own: Edges) -> Self {
        Self { own, others: Mutex::default() }
    }

    /// Takes the account of a process.
    pub(crate) fn enter(&self, node: &NodeId, account: Account) {
        let Others { last, past } = &mut *self.others();
        match last.get_mut(&node.name) {
            Some((incarnation, _)) if *incarnation > node.incarnation => {}
            Some((incarnation, known)) if *incarnation == node.incarnation => {
                if known.at_ns <= account.at_ns {
                    *known = account;
                }
            }
            _ => {
                if let Some((_, known)) = last.insert(node.name.clone(), (node.incarnation, account)) {
                    past.add(&known.closed().edges);
                }
            }
        }
    }

    /// The process of an incarnation is gone.
    pub(crate) fn close(&self, node: &NodeId) {
        if let Some((incarnation, account)) = self.others().last.get_mut(&node.name)
            && *incarnation == node.incarnation
        {
            *account = std::mem::take(account).closed();
        }
    }

    /// All of it.
    pub(crate) fn ledger(&self) -> Ledger {
        let others = self.others();
        let mut ledger = others.past.clone();
        ledger.add(&self.own.figures());
        others.last.values().for_each(|(_, account)| ledger.add(&account.edges));
        ledger
    }

    /// The account of this process, drawn up at `now`, and the last one of each other, by the name of its node.
    pub(crate) fn accounts(&self, now: Duration, limits: &Limits) -> (Account, Vec<(NodeId, Account)>) {
        let of = |(name, (incarnation, account)): (&NodeName, &(u32, Account))| {
            (NodeId { name: name.clone(), incarnation: *incarnation }, account.clone())
        };
        let own = Account::of(&self.own, now, limits);
        (own, self.others().last.iter().map(of).collect())
    }

    fn others(&self) -> MutexGuard<'_, Others> {
        // No code that holds the lock can panic half-way through a change.
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_wire::Peer;

    fn account(at_ns: u64, calls: u64, waiting: u64) -> Account {
        let passed = Passed { calls, waiting, ..Passed::default() };
        Account {
            at_ns,
            edges: vec![EdgeFigures { caller: Peer::new("a/0"), callee: Peer::new("b/0"), passed }],
        }
    }

    #[test]
    fn l6_the_last_account_of_each_incarnation_counts() {
        let books = Books::default();
        let first = NodeId::first("b/0".parse().unwrap());
        let between = || {
            let passed = books.ledger().between("a/0", "b/0");
            (passed.calls, passed.waiting)
        };
        books.enter(&first, account(1, 5, 1));
        books.enter(&first, account(3, 9, 2));
        books.enter(&first, account(2, 7, 1));
        assert_eq!(between(), (9, 2));
        books.close(&first);
        assert_eq!(between(), (9, 0));
        books.enter(&first.next(), account(1, 4, 1));
        books.enter(&first, account(9, 90, 90));
        assert_eq!(between(), (13, 1));
        assert_eq!(books.ledger().between("b/0", "a/0"), Passed::default());
    }

    #[test]
    fn an_account_fits_into_a_message() {
        let edges = Edges::default();
        let ground = syncline_runtime::Ground::machine(crate::Clock::start());
        let service =
            std::sync::Arc::new(syncline_wire::from_fn(async |()| Ok::<(), syncline_wire::Never>(())));
        let hosted = syncline_wire::Hosted::counted(ground, service, &edges, Peer::new("b/0"));
        let runtime = crate::node::body::runtime().unwrap();
        for caller in 0..100 {
            let client =
                syncline_wire::Client::local(hosted.clone()).called_by(Peer::new(format!("a/{caller}")));
            runtime.block_on(client.call(())).unwrap();
        }
        let limits = Limits { body: 20_000, ..Limits::default() };
        let account = Account::of(&edges, Duration::from_secs(1), &limits);
        assert!((30..40).contains(&account.edges.len()), "{}", account.edges.len());
        assert!(postcard::to_stdvec(&account).unwrap().len() < limits.body / 4);
        assert_eq!(Account::of(&edges, Duration::ZERO, &Limits::default()).edges.len(), 100);
    }
}
