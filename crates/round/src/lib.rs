//! The pure decisions of one training round: who may start, when a round closes, how gradients are combined and what
//! the server does with the result.
//!
//! Nothing here knows a clock, a socket, a file or a thread. The live parameter server, the virtual-time executor and
//! the queueing simulator drive the same values, so what is predicted is what runs.
//!
//! - [`Sync`]: the synchronisation policy, as a user names it (`bsp`, `asp`, `ssp:2`, `backup:1`).
//! - [`Every`]: how often a worker exchanges with the servers.
//! - [`Gate`]: the policy's state over a fixed set of workers.
//! - [`Fold`]: how the gradients of one round become one gradient.
//! - [`Optimizer`]: the server's step, on dense and on sparse gradients; [`Schedule`]: how its rate changes over a run.
//!
//! ```
//! use syncline_round::{Arrival, Clock, Gate, Sync, WorkerId};
//!
//! let (a, b) = (WorkerId::new(0), WorkerId::new(1));
//! let mut gate = Gate::new(Sync::Bsp, 2)?;
//! gate.start(a);
//! gate.start(b);
//! assert_eq!(gate.push(b, Clock::ZERO)?, Arrival::Kept);
//! assert_eq!(gate.start(b), None, "b waits for a");
//! assert_eq!(gate.push(a, Clock::ZERO)?, Arrival::Closes { workers: vec![a, b] });
//! assert_eq!(gate.start(b), Some(Clock::new(1)));
//! # Ok::<(), syncline_round::Error>(())
//! ```

mod error;
mod every;
mod fold;
mod gate;
mod id;
mod optimizer;
mod schedule;
mod sync;

pub use error::Error;
pub use every::Every;
pub use fold::{Fold, fold};
pub use gate::{Arrival, Gate};
pub use id::{Clock, Staleness, WorkerId};
pub use optimizer::{Optimizer, OptimizerState, Rule, SparseGradient};
pub use schedule::Schedule;
pub use sync::Sync;
