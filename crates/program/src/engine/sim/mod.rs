//! The executor in which every node is a task of one simulation, in virtual time.
//!
//! What is asked for is a [`Simulation`]; while it runs, the [`world`] is what its nodes have in common, and [`drive`] does
//! its steps and notices when nothing can go on; nodes are started and ended by the [`engine`]. The launcher is a task among the others, so that what it decides has its
//! place in the order that the seed decides.
//!
//! - VIRT-1: nodes reach each other only over the modelled network, also in the launching process's own memory.
//! - VIRT-2: a deadlock ends the program at once, with the waits that make it up.

pub(crate) mod drive;
pub(crate) mod engine;
pub(crate) mod faults;
pub(crate) mod world;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_wire::Network;

use crate::Cost;
use faults::SimFault;

/// How a simulation is set up.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    pub(crate) seed: u64,
    pub(crate) network: Network,
    pub(crate) cost: Cost,
    pub(crate) faults: Vec<SimFault>,
    pub(crate) listener: Option<Shared>,
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Self {
        let (network, cost) = (Network::ideal(), Cost::Measured);
        Self { seed, network, cost, faults: Vec::new(), listener: None }
    }
}

/// Hears a line of text about each message.
type Listener = dyn FnMut(&str) + Send;

/// A listener that clones of an executor share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Listener>>);

impl Shared {
    pub(crate) fn new(listener: impl FnMut(&str) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(listener)))
    }

    pub(crate) fn hear(&self, line: &str) {
        // One that panicked is asked again: what it does with that is its own affair.
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(line);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
