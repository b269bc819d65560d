//! What passed between the nodes of a program, where its run file says so: whose time went to waiting for whom.
//!
//! A program of one's own has no rounds and no phases that a reader could know. It has calls: how long their callers
//! waited, and what of that was queue, the service's work, and the way between. So shares are of the time of those who
//! call; what they did between calls the trace does not tell.

use std::collections::BTreeMap;

use syncline_trace::{Edge, Node, RunInfo};

use crate::invariants;
use crate::report::{Calls, EdgeRow, Report};
use crate::source::Damage;

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The calls of a run that took so long, most waited for first; nothing where none were counted.
pub(crate) fn calls(info: &RunInfo, wall_ns: u64) -> Option<Calls> {
    if info.edges.is_empty() {
        return None;
    }
    let lived: BTreeMap<&str, u64> =
        info.nodes.iter().map(|node| (node.name.as_str(), lived_ns(node, wall_ns))).collect();
    let of = |name: &str| lived.get(name).copied().unwrap_or(wall_ns);
    let mut rows: Vec<EdgeRow> =
        info.edges.iter().map(|edge| row(edge, of(&edge.caller), of(&edge.callee))).collect();
    rows.sort_by(|a, b| {
        b.waited_ms.total_cmp(&a.waited_ms).then_with(|| (&a.caller, &a.callee).cmp(&(&b.caller, &b.callee)))
    });
    Some(Calls { rows })
}

/// A node whose life is not known lived as long as the run.
fn lived_ns(node: &Node, wall_ns: u64) -> u64 {
    if node.lived_ns == 0 { wall_ns } else { node.lived_ns.min(wall_ns.max(1)) }
}

fn row(edge: &Edge, caller_ns: u64, callee_ns: u64) -> EdgeRow {
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    EdgeRow {
        caller: edge.caller.clone(),
        callee: edge.callee.clone(),
        calls: edge.calls,
        failures: edge.failures,
        given_up: edge.given_up,
        waited_ms: ms(edge.waited_ns),
        queued_ms: ms(edge.queued_ns),
        running_ms: ms(edge.running_ns),
        way_ms: ms(edge.way_ns()),
        waited_of_caller: share(edge.waited_ns, caller_ns),
        running_of_callee: share(edge.running_ns, callee_ns),
        request_bytes: edge.request_bytes,
        reply_bytes: edge.reply_bytes,
    }
}

/// The report of a program without spans.
pub(crate) fn report(info: &RunInfo, calls: Calls, source: String, damage: Damage) -> Report {
    let mut report = Report {
        source,
        system: if info.system.is_empty() { "run".to_owned() } else { info.system.clone() },
        name: info.run.clone(),
        complete: info.complete,
        damage,
        jobs: 1,
        wall_ms: ms(info.wall_ns),
        executors: info.nodes.len() as u64,
        cores: info.nodes.len() as u64,
        shares: shares(info, &calls),
        calls: Some(calls),
        ..Report::default()
    };
    report.verdict = crate::report::verdict(&report);
    invariants::assert(&report);
    report
}

/// What of the time of those who call was waiting for answers. Who waits for several at once waits once.
fn shares(info: &RunInfo, calls: &Calls) -> BTreeMap<String, f64> {
    let mut waited: BTreeMap<&str, f64> = BTreeMap::new();
    for row in &calls.rows {
        *waited.entry(&row.caller).or_default() += row.waited_ms;
    }
    let lived = |name: &str| {
        let node = info.nodes.iter().find(|node| node.name == name);
        ms(node.map_or(info.wall_ns, |node| lived_ns(node, info.wall_ns)))
    };
    let (mut waiting, mut all) = (0.0, 0.0);
    for (caller, waited) in waited {
        let lived = lived(caller);
        waiting += waited.min(lived);
        all += lived;
    }
    let wait = if all > 0.0 { waiting / all } else { 0.0 };
    BTreeMap::from([("wait".to_owned(), wait), ("unknown".to_owned(), 1.0 - wait)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(caller: &str, callee: &str, waited_s: u64, queued_s: u64, running_s: u64) -> Edge {
        const S: u64 = 1_000_000_000;
        Edge {
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            calls: 10,
            waited_ns: waited_s * S,
            queued_ns: queued_s * S,
            running_ns: running_s * S,
            ..Edge::default()
        }
    }

    fn info() -> RunInfo {
        let node = |name: &str, lived_s: u64| Node { lived_ns: lived_s * 1_000_000_000, ..Node::new(name) };
        RunInfo {
            run: "own".to_owned(),
            system: "syncline".to_owned(),
            nodes: vec![node("a/0", 10), node("a/1", 5), node("b/0", 10)],
            edges: vec![edge("a/0", "b/0", 6, 1, 3), edge("a/1", "b/0", 5, 4, 1)],
            wall_ns: 10_000_000_000,
            complete: true,
            ..RunInfo::default()
        }
    }

    #[test]
    fn l6_a_program_of_ones_own_is_explained_by_its_calls() {
        let info = info();
        let calls = calls(&info, info.wall_ns).unwrap();
        let rows: Vec<_> = calls.rows.iter().map(|row| (row.caller.as_str(), row.waited_of_caller)).collect();
        assert_eq!(rows, [("a/0", 0.6), ("a/1", 1.0)]);
        assert_eq!((calls.rows[0].way_ms, calls.rows[1].way_ms), (2000.0, 0.0));
        let report = report(&info, calls, "x".to_owned(), Damage::default());
        assert!((report.shares["wait"] - 11.0 / 15.0).abs() < 1e-12);
        assert_eq!(crate::violations(&report), Vec::<String>::new());
        let first = &report.verdict[0];
        assert!(first.contains("73 %") && first.contains("10.0 s"), "{first}");
        assert!(
            report
                .verdict
                .iter()
                .any(|sentence| sentence.contains("a (2 nodes) waited 73 %") && sentence.contains("b/0")),
            "{:?}",
            report.verdict
        );
    }

    #[test]
    fn l6_a_run_without_calls_has_none() {
        assert!(calls(&RunInfo::default(), 5).is_none());
    }
}
