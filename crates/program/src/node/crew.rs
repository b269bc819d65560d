//! Nodes that share a process, from their starts to the end of the last one.
//!
//! - CREW-1: all of them are one incarnation, and the failure of one is the failure of all.
//! - CREW-2: what each comes to is told to the launcher when it does, and a failure before the others have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;

use syncline_wire::Client;
use tokio::sync::mpsc;

use super::body::NodeEnd;
use crate::control::{Control, Outcome, Request};
use crate::graph::colocation::{Berthed, Crew};
use crate::life::failure::Cause;
use crate::life::stop::Stop;
use crate::{Error, NodeId, NodeName};

/// Hears how a node has ended.
pub(crate) type Ended = Box<dyn FnOnce(NodeEnd) + Send>;

/// Where the nodes of a crew run.
pub(crate) trait Quarters {
    /// Whether all that runs here is gone as soon as its process is.
    fn is_process(&self) -> bool;

    /// Starts a node; `ended` is called once, when it has come to its end. The thread, if it has one.
    ///
    /// # Errors
    /// What the system refused; then `ended` is not called.
    fn start(
        &self,
        id: NodeId,
        stop: Stop,
        node: &Berthed,
        ended: Ended,
    ) -> Result<Option<JoinHandle<()>>, Error>;
}

/// Runs a crew, which is `id` to the launcher and is asked to stop by `stop`.
pub(crate) async fn run(
    crew: &Crew,
    id: &NodeId,
    stop: &Stop,
    quarters: &impl Quarters,
    control: &Client<Control>,
) -> NodeEnd {
    let (mut crew, mut ends) = Running::start(crew, id, quarters);
    let (mut asked, mut insisted) = (false, false);
    while !crew.left.is_empty() {
        tokio::select! {
            biased;
            // The crew itself holds a sender, so there is always another end to wait for.
            Some((node, end)) = ends.recv() => {
                let failed_before = crew.failure.is_some();
                let told = crew.ended(node, end);
                if !failed_before && crew.failure.is_some() && quarters.is_process() {
                    // Its end ends the others, and is what the launcher hears of next.
                    break;
                }
                if let Some(told) = told {
                    // A launcher that cannot be told is gone, and ends this by its leash.
                    let _ = control.call(told).await;
                }
            }
            () = stop.wait(), if !asked => {
                asked = true;
                crew.stops.values().for_each(Stop::request);
            }
            () = stop.insisted(), if !insisted => {
                insisted = true;
                crew.stops.values().for_each(Stop::insist);
            }
        }
    }
    crew.into_end()
}

/// A crew that runs.
struct Running<'a> {
    crew: &'a Crew,
    id: &'a NodeId,
    stops: BTreeMap<NodeName, Stop>,
    left: BTreeSet<NodeName>,
    finished: BTreeSet<NodeName>,
    failure: Option<NodeEnd>,
    threads: Vec<JoinHandle<()>>,
    /// Kept, so that the channel does not close.
    _tell: mpsc::UnboundedSender<(NodeId, NodeEnd)>,
}

impl<'a> Running<'a> {
    fn start(
        crew: &'a Crew,
        id: &'a NodeId,
        quarters: &impl Quarters,
    ) -> (Self, mpsc::UnboundedReceiver<(NodeId, NodeEnd)>) {
        let (tell, ends) = mpsc::unbounded_channel();
        let (mut stops, mut threads) = (BTreeMap::new(), Vec::new());
        for node in crew.nodes() {
            let (stop, mate) = (Stop::new(), NodeId { name: node.name.clone(), ..id.clone() });
            stops.insert(node.name.clone(), stop.clone());
            let ended = {
                let (tell, mate) = (tell.clone(), mate.clone());
                // After a failure nobody may hear it any more; so below.
                move |end| drop(tell.send((mate, end)))
            };
            match quarters.start(mate.clone(), stop, node, Box::new(ended)) {
                Ok(thread) => threads.extend(thread),
                Err(error) => drop(tell.send((mate, NodeEnd::failed(error.into())))),
            }
        }
        let left = stops.keys().cloned().collect();
        let (finished, failure) = (BTreeSet::new(), None);
        (Self { crew, id, stops, left, finished, failure, threads, _tell: tell }, ends)
    }

    /// Takes in the end of a node; what the launcher is to hear of it.
    fn ended(&mut self, node: NodeId, end: NodeEnd) -> Option<Request> {
        self.left.remove(&node.name);
        let NodeEnd { outcome, value, error } = end;
        match outcome {
            Outcome::Failed(cause) => {
                if self.failure.is_some() {
                    return None;
                }
                self.stops.values().for_each(Stop::insist);
                let outcome = Outcome::Failed(Cause::Part { node: node.name, cause: Box::new(cause) });
                self.failure = Some(NodeEnd { error, ..NodeEnd::of(outcome.clone()) });
                Some(Request::Ended { node: self.id.clone(), outcome, value: Vec::new() })
            }
            outcome => {
                if outcome == Outcome::Finished {
                    self.finished.insert(node.name.clone());
                    self.crew.dismissed(&self.finished).iter().for_each(|name| self.stops[*name].request());
                }
                Some(Request::Ended { node, outcome, value })
            }
        }
    }

    fn into_end(self) -> NodeEnd {
        if self.left.is_empty() {
            // Their last act was to tell their ends; a panic in them has been told, too.
            self.threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        match self.failure {
            Some(failure) => failure,
            None if self.crew.is_done(&self.finished) => NodeEnd::of(Outcome::Finished),
            None => NodeEnd::stopped(),
        }
    }
}
