//! What a node runs on: a clock, timers, tasks, and who waits for whom. Either the machine's, or virtual and
//! deterministic.
//!
//! A node stands on a [`Ground`]. On the machine's, [`Clock`] reads the machine's clock, tasks are tokio's, and work takes
//! as long as it takes. On a [`Sim`] all nodes of a program share one thread and one virtual clock: when no task can go
//! on, the clock jumps to the next timer, so an hour takes as long as what happens in it. Tasks may use `tokio::sync`
//! on both; on a virtual clock they must not use `tokio::time`, `tokio::spawn` or sockets, which know only the machine.
//!
//! - SIM-1: the same seed and the same tasks give the same order of steps, in every process and on every machine. The seed
//!   decides among tasks that can go on at the same time.
//! - SIM-2: virtual time never goes back, and passes only when no task can go on.
//! - SIM-3: when no task can go on and no timer is due, nothing will ever happen again by itself: [`Turn::Idle`] says so
//!   at once, and [`Waits::knot`] tells who waits for whom.
//!
//! tokio's own paused clock will not do: its timers have a granularity of 1 ms. `rand_xoshiro` gives random numbers that
//! are the same everywhere.
//!
//! ```
//! use std::time::Duration;
//! use syncline_runtime::{Ground, Scheduler, Sim, Turn};
//!
//! let sim = Sim::new(7);
//! let mut scheduler = Scheduler::new(sim.clone());
//! let ground = Ground::simulated(sim.clone(), sim.enter("worker/0"));
//! let sleeper = ground.clone();
//! ground.spawn(async move { sleeper.clock().sleep(Duration::from_secs(3600)).await });
//! assert_eq!(scheduler.turn(1000), Turn::Idle);
//! assert_eq!(sim.clock().now(), Duration::from_secs(3600));
//! ```

mod charge;
mod clock;
mod duration;
mod ground;
mod sim;
mod task;
mod waits;

/// Locks and atomics of what is synchronised by hand, in whose place a model has its own (`tests/models.rs`).
mod sync {
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};
}

pub use charge::{Computing, Cost, CostError, Spread};
pub use clock::{Clock, Elapsed};
pub use duration::{parse_duration, write_duration};
pub use ground::Ground;
pub use sim::{LocalFuture, Scheduler, Sim, Turn};
pub use task::{Task, TaskLost};
pub use waits::{Knot, Link, Node, Told, Wait, Waiting, Waits};
