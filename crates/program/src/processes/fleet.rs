//! All processes of a run, as the launcher sees them: who has joined, what they reported, how they ended.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use syncline_wire::{Address, Token};
use tokio::sync::mpsc::UnboundedSender;

use super::output::Printer;
use super::process::Process;
use super::role::Role;
use crate::control::{News, Outcome};
use crate::failure::Cause;
use crate::{Error, NodeName};

/// How long after a process's end its output may still arrive, from what it had started outside of its group.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What is needed to start processes.
pub(crate) struct Orders {
    pub(crate) program: String,
    pub(crate) launch: usize,
    pub(crate) control: Address,
    pub(crate) token: Token,
    pub(crate) printer: Printer,
    pub(crate) news: UnboundedSender<News>,
}

struct Vessel {
    process: Process,
    joined: bool,
    reported: Option<Outcome>,
    killed: bool,
}

/// The processes by their nodes.
#[derive(Default)]
pub(crate) struct Fleet(BTreeMap<NodeName, Vessel>);

impl Fleet {
    /// Starts the process of `node`.
    pub(crate) fn start(&mut self, node: &NodeName, orders: &Orders) -> Result<(), Error> {
        let Orders { program, launch, control, token, printer, news } = orders;
        let role = Role {
            node: node.to_string(),
            control: control.clone(),
            launch: *launch,
            program: program.clone(),
        };
        let exited = {
            let (node, news) = (node.clone(), news.clone());
            // After the launcher's loop nobody is interested.
            move |status| drop(news.send(News::Exited(node, status)))
        };
        let process = Process::start(&role, token, printer, exited)?;
        self.0.insert(node.clone(), Vessel { process, joined: false, reported: None, killed: false });
        Ok(())
    }

    pub(crate) fn has(&self, node: &NodeName) -> bool {
        self.0.contains_key(node)
    }

    /// How many have not joined yet.
    pub(crate) fn starting(&self) -> usize {
        self.0.values().filter(|vessel| !vessel.joined).count()
    }

    pub(crate) fn joined(&mut self, node: &NodeName) {
        if let Some(vessel) = self.0.get_mut(node) {
            vessel.joined = true;
        }
    }

    pub(crate) fn reported(&mut self, node: &NodeName, outcome: Outcome) {
        if let Some(vessel) = self.0.get_mut(node) {
            vessel.reported = Some(outcome);
        }
    }

    pub(crate) fn ask_to_stop(&mut self) {
        self.0.values_mut().for_each(|vessel| vessel.process.ask_to_stop());
    }

    pub(crate) fn kill(&mut self) {
        for vessel in self.0.values_mut() {
            vessel.killed = true;
            vessel.process.kill();
        }
    }

    /// How the node of a process that ended with `status` came to its end.
    pub(crate) fn outcome(&self, node: &NodeName, status: Option<ExitStatus>) -> Outcome {
        match self.0.get(node) {
            Some(vessel) => vessel.outcome(status),
            None => Outcome::Stopped,
        }
    }

    /// The last lines of every process that is gone; those that are not are let go.
    pub(crate) async fn bury(self, gone: impl Fn(&NodeName) -> bool) -> BTreeMap<NodeName, Vec<String>> {
        let mut words = BTreeMap::new();
        for (node, vessel) in self.0.into_iter().filter(|(node, _)| gone(node)) {
            let tail = tokio::time::timeout(LAST_WORDS, vessel.process.bury()).await;
            words.insert(node, tail.unwrap_or_default());
        }
        words
    }
}

impl Vessel {
    fn outcome(&self, status: Option<ExitStatus>) -> Outcome {
        let well = status.is_some_and(|status| status.success());
        match &self.reported {
            // It was told already why.
            Some(Outcome::Failed(_)) => Outcome::Stopped,
            Some(outcome) if well => outcome.clone(),
            _ if self.killed => Outcome::Stopped,
            None if well && self.joined => Outcome::Finished,
            _ => Outcome::Failed(self.cause(status)),
        }
    }

    fn cause(&self, status: Option<ExitStatus>) -> Cause {
        let Some(status) = status else {
            return Cause::Failed("its exit status could not be read".to_owned());
        };
        match (status.signal(), status.code()) {
            (Some(signal), _) => Cause::Killed(signal),
            (None, Some(code)) if self.joined => Cause::Exited(code),
            (None, code) => Cause::NeverStarted(format!(
                "its process exited with code {} before it reached `launch`",
                code.unwrap_or_default()
            )),
        }
    }
}
