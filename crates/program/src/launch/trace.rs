//! The run file of a program: how long each node lived, and what passed between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use syncline_trace::{Node, RunFile, RunInfo};

use crate::NodeName;
use crate::life::ledger::Ledger;

/// A run file that is written at the end of the run. It is created before anything starts.
pub(crate) struct Trace {
    file: RunFile,
    lives: BTreeMap<NodeName, Life>,
}

/// How long a node has lived, in all its incarnations.
#[derive(Default)]
struct Life {
    /// Since when it lives, if it does.
    since: Option<Duration>,
    lived: Duration,
}

impl Trace {
    /// Creates the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(
        path: &Path,
        program: &str,
        seed: Option<u64>,
    ) -> Result<Self, syncline_trace::Error> {
        let info = RunInfo {
            run: program.to_owned(),
            system: "syncline".to_owned(),
            // What is simulated happens at no time.
            started_unix_ms: if seed.is_some() { 0 } else { unix_ms() },
            seed: seed.unwrap_or_default(),
            ..RunInfo::default()
        };
        Ok(Self { file: RunFile::create(path, info)?, lives: BTreeMap::new() })
    }

    /// A node begins its work.
    pub(crate) fn begins(&mut self, node: &NodeName, now: Duration) {
        self.lives.entry(node.clone()).or_default().since = Some(now);
    }

    /// A node has ended.
    pub(crate) fn ends(&mut self, node: &NodeName, now: Duration) {
        let life = self.lives.entry(node.clone()).or_default();
        life.lived += life.since.take().map_or(Duration::ZERO, |since| now.saturating_sub(since));
    }

    /// Writes it all down; `complete` if the run came to its end.
    pub(crate) fn finish(
        mut self,
        now: Duration,
        ledger: &Ledger,
        complete: bool,
    ) -> Result<(), syncline_trace::Error> {
        let nodes: Vec<_> = self.lives.keys().cloned().collect();
        nodes.iter().for_each(|node| self.ends(node, now));
        let info = self.file.info_mut();
        info.wall_ns = nanoseconds(now);
        let node = |(name, life): (&NodeName, &Life)| Node {
            lived_ns: nanoseconds(life.lived),
            ..Node::new(name.to_string())
        };
        info.nodes = self.lives.iter().map(node).collect();
        info.edges = ledger.traced();
        if complete { self.file.finish() } else { self.file.flush() }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the launcher notes once when a run began")]
fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}
