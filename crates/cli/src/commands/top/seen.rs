//! What is seen of a program, and how it reads in a terminal.

use std::{collections::BTreeMap, thread::sleep, time::Duration};

use syncline::program::live::{EdgeRate, NodeView, Snapshot, Viewer, Watch};
use syncline_terminal::{
    Column, Page, Table,
    unit::{amount, bytes, count, percent, plural, seconds},
};

use crate::failure::Failure;

/// How often to look until every process has told twice; a process tells about once a second.
const LOOKS: u32 = 30;

/// A program as it is seen.
pub struct Seen {
    /// The directory of its run.
    pub directory: String,
    pub snapshot: Snapshot,
    /// Its edges, those first whose callers wait most.
    pub edges: Vec<EdgeRate>,
}

impl Seen {
    /// What `watch` makes of what is seen now.
    pub fn now(viewer: &Viewer, watch: &mut Watch) -> Result<Self, syncline::program::Error> {
        let snapshot = viewer.look()?;
        watch.take(&snapshot);
        let mut edges = watch.edges();
        edges.sort_by(|a, b| {
            let by_wait = b.waited_share.total_cmp(&a.waited_share);
            by_wait.then_with(|| (&a.caller, &a.callee).cmp(&(&b.caller, &b.callee)))
        });
        Ok(Self { directory: viewer.directory().display().to_string(), snapshot, edges })
    }

    /// What is seen once there are speeds: an interval later, and when every process has told twice.
    pub fn settled(viewer: &Viewer, interval: Duration) -> Result<Self, Failure> {
        let mut watch = Watch::default();
        Self::now(viewer, &mut watch).map_err(Failure::failed)?;
        sleep(interval);
        let mut seen = Self::now(viewer, &mut watch).map_err(Failure::failed)?;
        for _ in 0..LOOKS {
            if watch.is_settled() {
                break;
            }
            sleep(Duration::from_millis(100));
            seen = Self::now(viewer, &mut watch).map_err(Failure::failed)?;
        }
        Ok(seen)
    }

    /// The first line: what runs where, and for how long.
    pub fn head(&self) -> String {
        let Snapshot { program, executor, pid, up_ns, is_stopping, nodes, .. } = &self.snapshot;
        let nodes = plural(nodes.len() as u64, "node");
        let stopping = if *is_stopping { ", is asked to stop" } else { "" };
        format!("{program} on {executor}, process {pid}, {nodes}, up {}{stopping}", up(*up_ns))
    }

    /// Writes tables of the nodes and of the edges, so many rows of each.
    pub fn write(&self, page: &mut Page, rows: usize) {
        page.line(&self.head()).gap();
        self.nodes(page, rows);
        page.gap();
        self.edges(page, rows);
    }

    /// How each node is.
    fn nodes(&self, page: &mut Page, rows: usize) {
        let flows = self.flows();
        let columns = [
            Column::text("node").shrinks_to(10),
            Column::text("state"),
            Column::number("life").dropped(1),
            Column::number("served/s").dropped(3),
            Column::number("busy").dropped(2),
            Column::number("waits").dropped(4),
            Column::text("for").wraps_at(16),
        ];
        let mut table = Table::new(columns).at_most(rows, "syncline top --once has all");
        for NodeView { name, incarnation, state, waits } in &self.snapshot.nodes {
            let flow = flows.get(name.as_str()).copied().unwrap_or_default();
            table.row([
                name.clone(),
                state.to_string(),
                count(u64::from(*incarnation)),
                speed(flow.served_per_s),
                share(flow.busy),
                share(flow.waited),
                waits.iter().map(|wait| wait.trim_start_matches("waits for ")).collect::<Vec<_>>().join("; "),
            ]);
        }
        page.table(&table);
    }

    /// What passes along each edge.
    fn edges(&self, page: &mut Page, rows: usize) {
        if self.edges.is_empty() {
            page.line("nothing has passed between nodes yet");
            return;
        }
        let columns = [
            Column::text("caller").shrinks_to(9),
            Column::text("called").shrinks_to(9),
            Column::number("calls/s"),
            Column::number("open").dropped(3),
            Column::number("waits"),
            Column::number("queue").dropped(5),
            Column::number("run").dropped(6),
            Column::number("in/s").dropped(2),
            Column::number("out/s").dropped(4),
            Column::number("errors").dropped(1),
        ];
        let mut table = Table::new(columns).at_most(rows, "syncline top --once has all");
        for edge in &self.edges {
            let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), seconds);
            table.row([
                edge.caller.clone(),
                edge.callee.clone(),
                speed(edge.calls_per_s),
                count(edge.total.waiting),
                share(edge.waited_share),
                time(edge.queue_s()),
                time(edge.run_s()),
                bytes(edge.request_bytes_per_s),
                bytes(edge.reply_bytes_per_s),
                count(edge.total.failures),
            ]);
        }
        page.table(&table);
    }

    /// What goes through each node.
    pub fn flows(&self) -> BTreeMap<&str, Flow> {
        let mut flows: BTreeMap<&str, Flow> = BTreeMap::new();
        for edge in &self.edges {
            flows.entry(&edge.caller).or_default().waited += edge.waited_share;
            let callee = flows.entry(&edge.callee).or_default();
            callee.served_per_s += edge.calls_per_s;
            callee.busy += edge.running_share;
        }
        flows
    }
}

/// What goes through a node now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Calls that it answers a second.
    pub served_per_s: f64,
    /// Calls at which it is, on average.
    pub busy: f64,
    /// Answers for which it waits, on average.
    pub waited: f64,
}

fn speed(per_s: f64) -> String {
    if per_s == 0.0 { "0".to_owned() } else { amount(per_s) }
}

fn share(share: f64) -> String {
    percent(share)
}

/// A time as a clock shows it, in seconds, minutes and hours.
pub fn up(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline::program::State;
    use syncline_terminal::Screen;

    fn seen() -> Seen {
        let node = |name: &str, state, waits: &[&str]| NodeView {
            name: name.to_owned(),
            incarnation: 1,
            state,
            waits: waits.iter().map(|wait| (*wait).to_owned()).collect(),
        };
        let edge = EdgeRate {
            caller: "worker/0".to_owned(),
            callee: "server/0".to_owned(),
            calls_per_s: 200.0,
            waited_share: 0.5,
            running_share: 0.25,
            queued_share: 0.02,
            request_bytes_per_s: 2e6,
            ..EdgeRate::default()
        };
        let snapshot = Snapshot {
            program: "train".to_owned(),
            executor: "processes".to_owned(),
            pid: 7,
            up_ns: 3_725_000_000_000,
            is_stopping: false,
            nodes: vec![
                node("server/0", State::Running, &[]),
                node("worker/0", State::Running, &["waits for server/0 to answer `pull`"]),
            ],
            accounts: Vec::new(),
        };
        Seen { directory: "/tmp/syncline-x".to_owned(), snapshot, edges: vec![edge] }
    }

    #[test]
    fn what_is_seen_fits_into_any_width() {
        for width in [40, 80, 120] {
            let mut page = Page::new(&Screen::plain(width));
            seen().write(&mut page, 10);
            let text = page.text();
            assert!(text.lines().all(|line| syncline_terminal::width(line) <= width), "{text}");
            assert!(text.contains("worker/0") && text.contains("50"), "{text}");
        }
        let mut page = Page::new(&Screen::plain(120));
        seen().write(&mut page, 10);
        let text = page.text();
        let wanted =
            ["train on processes, process 7, 2 nodes, up 1 h 2 min", "server/0 to answer `pull`", "1.25 ms"];
        wanted.iter().for_each(|wanted| assert!(text.contains(wanted), "{wanted}: {text}"));
    }

    #[test]
    fn times_read_as_on_a_clock() {
        let read = [5, 65, 7200].map(|seconds| up(seconds * 1_000_000_000));
        assert_eq!(read, ["5 s", "1 min 5 s", "2 h 0 min"]);
    }
}
