//! What is seen, as documents and as the list of programs.

use serde::Serialize;
use syncline::program::live::{EdgeRate, Viewer};
use syncline_terminal::{Column, Page, Table, unit::count};

use super::seen::{Seen, up};

/// A program in the list.
#[derive(Serialize)]
pub struct Line {
    program: String,
    pid: u32,
    executor: String,
    nodes: usize,
    up_s: f64,
    directory: String,
}

impl Line {
    /// A program that answers.
    pub fn of(viewer: &Viewer) -> Option<Self> {
        let snapshot = viewer.look().ok()?;
        Some(Self {
            program: snapshot.program,
            pid: snapshot.pid,
            executor: snapshot.executor,
            nodes: snapshot.nodes.len(),
            up_s: snapshot.up_ns as f64 / 1e9,
            directory: viewer.directory().display().to_string(),
        })
    }
}

/// The list of programs.
pub fn table(found: &[Line], page: &mut Page) {
    if found.is_empty() {
        page.line("no program of yours runs on this machine");
        return;
    }
    let columns = [
        Column::text("program").shrinks_to(10),
        Column::number("process"),
        Column::text("on"),
        Column::number("nodes"),
        Column::number("up"),
        Column::text("directory").shrinks_to(12).dropped(1),
    ];
    let mut table = Table::new(columns);
    for line in found {
        table.row([
            line.program.clone(),
            line.pid.to_string(),
            line.executor.clone(),
            count(line.nodes as u64),
            up((line.up_s * 1e9) as u64),
            line.directory.clone(),
        ]);
    }
    page.table(&table);
}

/// A program as it is seen. Shares are seconds a second, and more than 1 where several calls are open at once.
#[derive(Serialize)]
pub struct Document<'a> {
    program: &'a str,
    pid: u32,
    executor: &'a str,
    directory: &'a str,
    up_s: f64,
    stopping: bool,
    nodes: Vec<Node<'a>>,
    edges: Vec<Edge<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    state: String,
    incarnation: u32,
    served_per_s: f64,
    running_share: f64,
    waited_share: f64,
    waits: &'a [String],
}

#[derive(Serialize)]
struct Edge<'a> {
    caller: &'a str,
    callee: &'a str,
    calls_per_s: f64,
    failures_per_s: f64,
    waited_share: f64,
    queued_share: f64,
    running_share: f64,
    queue_s: Option<f64>,
    run_s: Option<f64>,
    request_bytes_per_s: f64,
    reply_bytes_per_s: f64,
    waiting: u64,
    under_way: u64,
    calls: u64,
    failures: u64,
    given_up: u64,
    waited_s: f64,
    queued_s: f64,
    running_s: f64,
    request_bytes: u64,
    reply_bytes: u64,
}

impl<'a> Document<'a> {
    /// All that is seen.
    pub fn of(seen: &'a Seen) -> Self {
        let (snapshot, flows) = (&seen.snapshot, seen.flows());
        let node = |node: &'a syncline::program::live::NodeView| {
            let flow = flows.get(node.name.as_str()).copied().unwrap_or_default();
            Node {
                name: &node.name,
                state: node.state.to_string(),
                incarnation: node.incarnation,
                served_per_s: flow.served_per_s,
                running_share: flow.busy,
                waited_share: flow.waited,
                waits: &node.waits,
            }
        };
        Self {
            program: &snapshot.program,
            pid: snapshot.pid,
            executor: &snapshot.executor,
            directory: &seen.directory,
            up_s: snapshot.up_ns as f64 / 1e9,
            stopping: snapshot.is_stopping,
            nodes: snapshot.nodes.iter().map(node).collect(),
            edges: seen.edges.iter().map(Edge::of).collect(),
        }
    }
}

impl<'a> Edge<'a> {
    fn of(edge: &'a EdgeRate) -> Self {
        let total = &edge.total;
        let seconds = |ns: u64| ns as f64 / 1e9;
        Self {
            caller: &edge.caller,
            callee: &edge.callee,
            calls_per_s: edge.calls_per_s,
            failures_per_s: edge.failures_per_s,
            waited_share: edge.waited_share,
            queued_share: edge.queued_share,
            running_share: edge.running_share,
            queue_s: edge.queue_s(),
            run_s: edge.run_s(),
            request_bytes_per_s: edge.request_bytes_per_s,
            reply_bytes_per_s: edge.reply_bytes_per_s,
            waiting: total.waiting,
            under_way: total.under_way,
            calls: total.calls,
            failures: total.failures,
            given_up: total.given_up,
            waited_s: seconds(total.waited_ns),
            queued_s: seconds(total.queued_ns),
            running_s: seconds(total.running_ns),
            request_bytes: total.request_bytes,
            reply_bytes: total.reply_bytes,
        }
    }
}
