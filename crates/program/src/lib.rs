//! What a distributed program is and where it runs.
//!
//! A [`Program`] is a graph of nodes: plain nodes that run to their end, services that answer calls, and a driver
//! whose value is the program's. Declaring a service gives a [`Handle`], which becomes a client in the node that
//! connects it. [`launch`] brings the same graph to life on an [`Executor`]: threads of this process, or processes.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use syncline_program::{Executor, Program, launch};
//! use syncline_wire::{Message, Service, ServiceError};
//!
//! struct Counter(AtomicU64);
//!
//! impl Service for Counter {
//!     type Request = u64;
//!     type Reply = u64;
//!     async fn call(&self, by: Message<u64>) -> Result<Message<u64>, ServiceError> {
//!         Ok((self.0.fetch_add(by.body, Ordering::Relaxed) + by.body).into())
//!     }
//! }
//!
//! let mut program = Program::new("count");
//! let counter = program.service("counter", |_| Ok(Counter(AtomicU64::new(0))));
//! let from_workers = counter.clone();
//! program.nodes("worker", 3, async move |ctx| {
//!     from_workers.connect(&ctx).await?.call(1 + ctx.rank() as u64).await?;
//!     Ok(())
//! });
//! let program = program.driver(async move |ctx| {
//!     ctx.finished("worker").await?;
//!     Ok(counter.connect(&ctx).await?.call(0).await?.body)
//! });
//! assert_eq!(launch(program, Executor::threads())?.wait()?, 6);
//! # Ok::<(), syncline_program::Error>(())
//! ```
//!
//! What every program may rely on, on every executor:
//! - A node that fails, panics, exits or is killed ends the program within a second; [`Run::wait`] names it.
//! - A node that ends normally stops nothing, until the driver returns, or without one, until all plain nodes have ended.
//! - After `wait` no thread, process, socket or file of the run is left, also when the launcher is killed (except for
//!   threads that never come to an await point: they cannot be ended, and are named).
//!
//! It builds on `syncline-wire` for calls; `rustix` for process groups and waiting without reaping, `signal-hook` for
//! Ctrl-C that has its usual effect again after a run, `tempfile` for the private directory of sockets.

mod context;
mod control;
mod directory;
mod error;
mod executor;
mod failure;
mod fingerprint;
mod handle;
mod interrupt;
mod label;
mod launch;
mod launcher;
mod node;
mod processes;
mod program;
mod run;
mod signals;
mod sim;
mod stop;
mod supervisor;

pub use context::Context;
pub use error::{BoxError, Error, NodeResult};
pub use executor::Executor;
pub use failure::{Cause, Failure};
pub use handle::Handle;
pub use interrupt::Interrupt;
pub use label::{Label, NodeName};
pub use launch::{is_child, launch, launched_program};
pub use program::Program;
pub use run::Run;
pub use sim::faults::SimFault;
pub use syncline_runtime::{Clock, Cost, Task};
