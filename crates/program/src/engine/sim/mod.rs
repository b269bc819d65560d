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
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_wire::{Network, NetworkError};

use crate::{Computing, Error};
use faults::SimFault;

/// How a simulation is set up.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    pub(crate) seed: u64,
    pub(crate) network: Network,
    pub(crate) computing: Computing,
    pub(crate) faults: Vec<SimFault>,
    pub(crate) listener: Option<Shared>,
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Self {
        let (network, computing) = (Network::ideal(), Computing::default());
        Self { seed, network, computing, faults: Vec::new(), listener: None }
    }
}

/// The network that a text describes (`10Gbit/50us`), or the TOML file of which it is the name.
///
/// ```
/// let network = syncline_program::read_network("10Gbit/50us")?;
/// let missing = syncline_program::read_network("racks.toml").unwrap_err();
/// assert!(missing.to_string().starts_with("racks.toml: "));
/// # Ok::<(), syncline_program::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] when it is no network, [`Error::NetworkFile`] when the file cannot be read or contradicts itself.
pub fn read_network(text: &str) -> Result<Network, Error> {
    let path = Path::new(text);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return text.parse().map_err(|error: NetworkError| Error::Network(error.to_string()));
    }
    let wrong = |why: String| Error::NetworkFile { path: path.to_owned(), why };
    let file = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&file).map_err(|error| wrong(error.to_string().trim_end().to_owned()))
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
