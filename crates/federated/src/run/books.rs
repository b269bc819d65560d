//! What is written down while a run goes on: rounds, bytes, who waited for whom, and spans for a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_trace::{Node, Phase, RunFile, RunInfo, Span, TrainingSetup};

use super::device::Course;
use super::report::{RoundReport, Totals, WaitedFor};
use super::settings::Settings;
use super::strategy::Strategy;
use crate::{Error, Result};

/// When a client was at what, on the run's clock, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub client: usize,
    pub round: u64,
    pub start: Duration,
    pub course: Course,
    /// When it was lost, if it was.
    pub lost: Option<Duration>,
    pub down: u64,
    pub up: u64,
    pub records: u64,
}

/// The books of a run.
pub(super) struct Books {
    pub rounds: Vec<RoundReport>,
    pub totals: Totals,
    /// How often each client's answers counted.
    pub taken: BTreeMap<usize, u64>,
    /// By client; nobody is a deadline.
    waited_for: BTreeMap<Option<usize>, (u64, f64)>,
    spans: Option<Spans>,
}

impl Books {
    pub(super) fn new(traced: bool) -> Self {
        let spans = traced.then(Spans::default);
        let (totals, taken, waited_for) = (Totals::default(), BTreeMap::new(), BTreeMap::new());
        Self { rounds: Vec::new(), totals, taken, waited_for, spans }
    }

    /// A client has done its part of a round, or was lost on the way.
    pub(super) fn worked(&mut self, stretch: Stretch) {
        if let Some(spans) = &mut self.spans {
            spans.worked(stretch);
        }
    }

    /// Those who answered have waited until the round closed; for the last of them, or for its deadline.
    pub(super) fn waited(
        &mut self,
        round: u64,
        answered: &[(usize, Duration)],
        closed: Duration,
        at_deadline: bool,
    ) -> (f64, Option<usize>) {
        let last = answered.iter().max_by_key(|(client, at)| (*at, std::cmp::Reverse(*client)));
        let whom = if at_deadline { None } else { last.map(|(client, _)| *client) };
        let waits = answered.iter().map(|(_, at)| closed.saturating_sub(*at).as_secs_f64());
        let seconds: f64 = waits.sum();
        if !answered.is_empty() {
            let (rounds, all) = self.waited_for.entry(whom).or_default();
            *rounds += 1;
            *all += seconds;
        }
        self.totals.waited_client_seconds += seconds;
        if let Some(spans) = &mut self.spans {
            answered.iter().for_each(|(client, at)| spans.waited(*client, round, *at, closed));
        }
        (seconds, whom)
    }

    /// A client has waited for a neighbour from when it gave until it went on; how long, in seconds.
    pub(super) fn waited_for_neighbour(
        &mut self,
        round: u64,
        client: usize,
        (from, until): (Duration, Duration),
        whom: Option<usize>,
    ) -> f64 {
        let seconds = until.saturating_sub(from).as_secs_f64();
        if let Some(whom) = whom.filter(|_| seconds > 0.0) {
            let (rounds, all) = self.waited_for.entry(Some(whom)).or_default();
            *rounds += 1;
            *all += seconds;
        }
        self.totals.waited_client_seconds += seconds;
        if let Some(spans) = &mut self.spans {
            spans.waited(client, round, from, until);
        }
        seconds
    }

    /// The clients that others waited for the longest.
    pub(super) fn waited_for(&self) -> Vec<WaitedFor> {
        let of = |(client, (rounds, seconds)): (&Option<usize>, &(u64, f64))| WaitedFor {
            client: *client,
            rounds: *rounds,
            client_seconds: *seconds,
        };
        let mut list: Vec<WaitedFor> = self.waited_for.iter().map(of).collect();
        list.sort_by(|a, b| b.client_seconds.total_cmp(&a.client_seconds));
        list
    }

    /// Writes the trace.
    pub(super) fn write(
        &self,
        path: &std::path::Path,
        settings: &Settings,
        end: Duration,
        parameters: usize,
    ) -> Result<()> {
        let Some(spans) = &self.spans else { return Ok(()) };
        spans.write(path, settings, end, parameters).map_err(|error| Error::Trace(error.to_string()))
    }
}

/// The spans of all clients that took part.
#[derive(Default)]
struct Spans {
    list: Vec<Span>,
    /// A client's node, and when its last span ended.
    nodes: BTreeMap<usize, (u32, u64)>,
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Spans {
    /// A client's node; new ones are numbered as they come.
    fn node(&mut self, client: usize) -> u32 {
        let next = self.nodes.len() as u32;
        self.nodes.entry(client).or_insert((next, 0)).0
    }

    /// Adds a span, and what the client did before: nothing.
    fn add(&mut self, client: usize, phase: Phase, start: u64, end: u64, of: Span) {
        let node = self.node(client);
        let Some((_, last)) = self.nodes.get_mut(&client) else { return };
        if *last < start {
            self.list.push(Span { round: of.round, ..Span::new(node, Phase::Idle, *last, start) });
        }
        *last = end.max(*last);
        self.list.push(Span { node, phase, start_ns: start, end_ns: end, ..of });
    }

    fn worked(&mut self, stretch: Stretch) {
        let Stretch { client, round, start, course, lost, down, up, records } = stretch;
        let at =
            |seconds: f64| ns(start.saturating_add(Duration::try_from_secs_f64(seconds).unwrap_or_default()));
        let cut = lost.map_or(u64::MAX, ns);
        let marks = [0.0, course.pulled, course.computed, course.answered].map(|mark| at(mark).min(cut));
        let empty = Span { round, ..Span::new(0, Phase::Pull, 0, 0) };
        let of = [
            (Phase::Pull, Span { bytes: down, ..empty.clone() }),
            (Phase::Compute, Span { records, ..empty.clone() }),
            (Phase::Push, Span { bytes: up, ..empty }),
        ];
        for ((phase, of), ends) in of.into_iter().zip(marks.windows(2)) {
            // A lost client has no spans of what it did not come to.
            if ends[0] < cut {
                self.add(client, phase, ends[0], ends[1], of);
            }
        }
    }

    /// A gate's wait carries the round that it lets in.
    fn waited(&mut self, client: usize, round: u64, from: Duration, until: Duration) {
        let of = Span { round: round + 1, sync: Some(round + 1), ..Span::new(0, Phase::Wait, 0, 0) };
        self.add(client, Phase::Wait, ns(from), ns(until), of);
    }

    fn write(
        &self,
        path: &std::path::Path,
        settings: &Settings,
        end: Duration,
        parameters: usize,
    ) -> std::result::Result<(), syncline_trace::Error> {
        let mut nodes = vec![Node::default(); self.nodes.len()];
        for (client, (node, _)) in &self.nodes {
            let label = if settings.edges.is_some() { "edge" } else { "client" };
            nodes[*node as usize] = Node::new(format!("{label}/{client}"));
        }
        let setup = TrainingSetup {
            parameters: Some(parameters as u64),
            batch: settings.batch.map(|batch| batch as u64),
            optimizer: Some(settings.strategy.to_string()),
            fold: Some(settings.fold.to_string()),
            on: Some("virtual time".to_owned()),
            ..TrainingSetup::default()
        };
        let info = RunInfo {
            run: format!("federated {}", settings.strategy),
            system: "syncline".to_owned(),
            workers: nodes.len() as u32,
            servers: 1,
            sync: sync(settings),
            seed: settings.seed,
            nodes,
            setup: Some(setup),
            ..RunInfo::default()
        };
        let mut file = RunFile::create(path, info)?;
        file.append(&self.list)?;
        let rest = self.nodes.values().filter(|(_, last)| *last < ns(end));
        let rest: Vec<Span> =
            rest.map(|(node, last)| Span::new(*node, Phase::Idle, *last, ns(end))).collect();
        file.append(&rest)?;
        file.finish()
    }
}

/// What a reader of the trace knows the gate by.
fn sync(settings: &Settings) -> String {
    if settings.strategy == Strategy::Gossip {
        return format!("gossip:{}", settings.neighbours());
    }
    match (settings.strategy.has_rounds(), settings.quorum, settings.deadline) {
        (false, ..) => "asp".to_owned(),
        (true, None, None) => "bsp".to_owned(),
        (true, quorum, None) => format!("quorum:{}", quorum.unwrap_or(1)),
        (true, quorum, Some(deadline)) => format!("quorum:{},{deadline:?}", quorum.unwrap_or(1)),
    }
}
