//! Speeds, from what is seen at different times.

use std::collections::BTreeMap;

use syncline_wire::Passed;

use super::snapshot::Snapshot;
use crate::NodeId;
use crate::life::ledger::Account;

/// Keeps the last two accounts of every process, which come at times of their own, and makes speeds of them.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    accounts: BTreeMap<Option<NodeId>, Pair>,
}

/// The last account of a process, and a different one before it.
#[derive(Clone, Debug)]
struct Pair {
    last: Account,
    before: Option<Account>,
}

/// An edge, all that has passed along it, and how fast it passes now. Speeds are 0 until two accounts are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeRate {
    /// Who calls.
    pub caller: String,
    /// Who is called.
    pub callee: String,
    /// What has passed since the nodes that are there now were started.
    pub total: Passed,
    /// Calls answered a second.
    pub calls_per_s: f64,
    /// Of which with an error.
    pub failures_per_s: f64,
    /// Seconds a second that calls wait for their turn.
    pub queued_share: f64,
    /// Seconds a second that the service is at the calls.
    pub running_share: f64,
    /// Seconds a second that the caller waits for answers: 1 where it does nothing else and asks one thing after another.
    pub waited_share: f64,
    /// Bytes of requests a second, as they travel.
    pub request_bytes_per_s: f64,
    /// Bytes of answers a second.
    pub reply_bytes_per_s: f64,
}

impl EdgeRate {
    /// Mean time of a call in its queue, in s; `None` while none is answered.
    pub fn queue_s(&self) -> Option<f64> {
        (self.calls_per_s > 0.0).then(|| self.queued_share / self.calls_per_s)
    }

    /// Mean time that the service is at a call, in s; `None` while none is answered.
    pub fn run_s(&self) -> Option<f64> {
        (self.calls_per_s > 0.0).then(|| self.running_share / self.calls_per_s)
    }

    /// Adds what has passed in so many seconds.
    fn add(&mut self, passed: &Passed, seconds: f64) {
        let per_s = |count: u64| count as f64 / seconds;
        self.calls_per_s += per_s(passed.calls);
        self.failures_per_s += per_s(passed.failures);
        self.queued_share += per_s(passed.queued_ns) / 1e9;
        self.running_share += per_s(passed.running_ns) / 1e9;
        self.waited_share += per_s(passed.waited_ns) / 1e9;
        self.request_bytes_per_s += per_s(passed.request_bytes);
        self.reply_bytes_per_s += per_s(passed.reply_bytes);
    }
}

impl Watch {
    /// Takes in what is seen now. Processes that are no longer there are forgotten.
    pub fn take(&mut self, snapshot: &Snapshot) {
        let mut accounts = BTreeMap::new();
        for (node, account) in &snapshot.accounts {
            let last = account.clone();
            let pair = match self.accounts.remove(node) {
                Some(known) if known.last.at_ns < last.at_ns => Pair { last, before: Some(known.last) },
                Some(known) => Pair { last, ..known },
                None => Pair { last, before: None },
            };
            accounts.insert(node.clone(), pair);
        }
        self.accounts = accounts;
    }

    /// Whether two accounts are known of every process.
    pub fn is_settled(&self) -> bool {
        self.accounts.values().all(|pair| pair.before.is_some())
    }

    /// Every edge, in the order of its names.
    pub fn edges(&self) -> Vec<EdgeRate> {
        let mut rates: BTreeMap<(String, String), EdgeRate> = BTreeMap::new();
        for Pair { last, before } in self.accounts.values() {
            let seconds = before.as_ref().map(|before| (last.at_ns - before.at_ns) as f64 / 1e9);
            let earlier: BTreeMap<_, _> = before
                .iter()
                .flat_map(|before| &before.edges)
                .map(|edge| ((&edge.caller, &edge.callee), edge.passed))
                .collect();
            for edge in &last.edges {
                let names = [&edge.caller, &edge.callee].map(|peer| match peer.name.as_str() {
                    "" => "somebody".to_owned(),
                    name => name.to_owned(),
                });
                let [caller, callee] = names.clone();
                let rate = rates.entry(names.into()).or_insert_with(|| EdgeRate {
                    caller,
                    callee,
                    ..EdgeRate::default()
                });
                rate.total.add(&edge.passed);
                if let Some(seconds) = seconds {
                    let earlier = earlier.get(&(&edge.caller, &edge.callee)).copied().unwrap_or_default();
                    rate.add(&edge.passed.since(&earlier), seconds);
                }
            }
        }
        rates.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_wire::{EdgeFigures, Peer};

    fn snapshot(accounts: Vec<(Option<NodeId>, Account)>) -> Snapshot {
        Snapshot {
            program: "p".to_owned(),
            executor: "processes".to_owned(),
            pid: 1,
            up_ns: 0,
            is_stopping: false,
            nodes: Vec::new(),
            accounts,
        }
    }

    fn account(at_s: u64, passed: Passed) -> Account {
        let edge = EdgeFigures { caller: Peer::new("a/0"), callee: Peer::new("b/0"), passed };
        Account { at_ns: at_s * 1_000_000_000, edges: vec![edge] }
    }

    #[test]
    fn l6_speeds_are_by_each_process_s_own_time() {
        let [a, b] = ["a/0", "b/0"].map(|name| Some(NodeId::first(name.parse().unwrap())));
        let mut watch = Watch::default();
        let look = |watch: &mut Watch, server: (u64, u64), caller: (u64, u64)| {
            let of_server = Passed { calls: server.1, running_ns: server.1 * 1_000_000, ..Passed::default() };
            let of_caller = Passed { waited_ns: caller.1 * 2_000_000, waiting: 1, ..Passed::default() };
            watch.take(&snapshot(vec![
                (a.clone(), account(caller.0, of_caller)),
                (b.clone(), account(server.0, of_server)),
            ]));
        };
        look(&mut watch, (10, 100), (70, 100));
        assert!(!watch.is_settled() && watch.edges()[0].calls_per_s == 0.0);
        look(&mut watch, (12, 300), (71, 150));
        // Seen again without news: nothing changes.
        look(&mut watch, (12, 300), (71, 150));
        assert!(watch.is_settled());
        let [edge] = &watch.edges()[..] else { panic!("one edge") };
        assert_eq!((edge.calls_per_s, edge.waited_share), (100.0, 0.1));
        assert_eq!(edge.run_s(), Some(0.001));
        assert_eq!((edge.total.calls, edge.total.waiting), (300, 1));
    }
}
