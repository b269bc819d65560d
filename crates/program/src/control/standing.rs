//! What the nodes of a process wait for, as it tells the launcher with its signs of life.

use serde::{Deserialize, Serialize};
use syncline_runtime::{Told, Wait, Waits};

/// The waits in one process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// How often a wait has begun or ended there.
    pub(crate) changes: u64,
    waits: Vec<(String, Heard)>,
}

/// A wait as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Heard {
    Group(String),
    Stop,
    Other { text: String, on: Vec<String> },
}

impl Standing {
    /// The waits in this table now. Those at gates are as they were when they were last [asked](Waits::ask).
    pub(crate) fn of(waits: &Waits) -> Self {
        let travels = |Told { node, wait }: Told| {
            let heard = match wait {
                Wait::Group(label) => Heard::Group(label),
                Wait::Stop => Heard::Stop,
                Wait::Told { text, on } => Heard::Other { text, on },
                // Those are told of in words.
                Wait::Call { .. } | Wait::Gate { .. } => Heard::Other { text: String::new(), on: Vec::new() },
            };
            (node, heard)
        };
        Self { changes: waits.changes(), waits: waits.told().into_iter().map(travels).collect() }
    }

    /// The waits as a table takes them in.
    pub(crate) fn told(&self) -> Vec<Told> {
        let told = |(node, heard): &(String, Heard)| {
            let wait = match heard.clone() {
                Heard::Group(label) => Wait::Group(label),
                Heard::Stop => Wait::Stop,
                Heard::Other { text, on } => Wait::Told { text, on },
            };
            Told { node: node.clone(), wait }
        };
        self.waits.iter().map(told).collect()
    }
}
