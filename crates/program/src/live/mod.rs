//! Looking into a program that runs: who is there, what passes between nodes, who waits for whom.
//!
//! A launcher in real time opens a window: a socket in a private directory, and beside it a token that lets in whoever
//! can read it, which is the same user. A [`Viewer`] looks through it, [`running`] finds the windows of this machine, and a
//! [`Watch`] makes speeds of what is seen at different times. Nothing but looking is possible there, and wishing for
//! another number of nodes where a group grows and shrinks.
//!
//! - LIVE-1: a window costs the program nothing until somebody looks, and a program that cannot open one runs without.
//! - LIVE-2: the directory vanishes with the run. What a launcher left behind that was killed is removed by the next
//!   launcher or viewer of the same user; that it is dead is known by its lock.

mod rates;
mod snapshot;
mod viewer;
pub(crate) mod window;

pub use rates::{EdgeRate, Watch};
pub use snapshot::{NodeView, Snapshot};
pub use viewer::{Viewer, running};
