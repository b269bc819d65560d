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
//! use syncline_wire::service;
//!
//! #[service]
//! trait Counter {
//!     /// Adds, and tells the sum.
//!     async fn add(&self, by: u64) -> u64;
//! }
//!
//! struct Sum(AtomicU64);
//!
//! #[service]
//! impl Counter for Sum {
//!     async fn add(&self, by: u64) -> u64 {
//!         self.0.fetch_add(by, Ordering::Relaxed) + by
//!     }
//! }
//!
//! let mut program = Program::new("count");
//! let counter = program.service("counter", |_| Ok(Sum(AtomicU64::new(0))));
//! let from_workers = counter.clone();
//! program.nodes("worker", 3, async move |ctx| {
//!     from_workers.connect(&ctx).await?.add(1 + ctx.rank() as u64).await?;
//!     Ok(())
//! });
//! let program = program.driver(async move |ctx| {
//!     ctx.finished("worker").await?;
//!     Ok(counter.connect(&ctx).await?.add(0).await?)
//! });
//! assert_eq!(launch(program, Executor::threads())?.wait()?, 6);
//! # Ok::<(), syncline_program::Error>(())
//! ```
//!
//! [`live`] looks into a program that runs.
//!
//! `graph` is what a program is before it runs, `life` the decisions about its nodes, `node` what one runs in, `control` how
//! nodes and launcher talk, `engine` the places where nodes run, and `launch` brings them together.
//!
//! What every program may rely on, on every executor:
//! - A node that fails, panics, exits or is killed is noticed within a second. By the policy of its group
//!   ([`OnFailure`]) the program then ends, and [`Run::wait`] names the node; or the node is started again, as a new
//!   [incarnation](NodeId); or the program goes on without it.
//! - A call is never repeated by itself. One that a failure finds under way fails; [`Peer`] reaches the next incarnation.
//! - A node that ends normally stops nothing, until the driver returns, or without one, until all plain nodes have ended.
//! - After `wait` no thread, process, socket or file of the run is left, also when the launcher is killed (except for
//!   threads that never come to an await point: they cannot be ended, and are named; and for the directory by which a program on
//!   threads is [looked into](live), which the next launch removes).
//!
//! It builds on `syncline-wire` for calls; `rustix` for process groups and waiting without reaping, `signal-hook` for
//! Ctrl-C that has its usual effect again after a run, `tempfile` for the private directory of sockets.

mod control;
mod engine;
mod error;
mod graph;
mod launch;
mod life;
pub mod live;
mod node;
pub mod ready;

pub use control::briefing::briefing;
pub use engine::hosts::kubernetes::kubernetes_command;
pub use engine::hosts::slurm::batch::Batch;
pub use engine::hosts::ssh::ask_host;
pub use engine::processes::restart::{interpreted_by, started_by, this_program};
pub use engine::sim::faults::SimFault;
pub use engine::sim::read_network;
pub use error::{BoxError, Error, NodeResult};
pub use graph::builder::Builder;
pub use graph::colocation::Colocation;
pub use graph::handle::Handle;
pub use graph::id::NodeId;
pub use graph::label::{Label, NodeName};
pub use graph::picture::Graph;
pub use graph::program::Program;
pub use graph::resources::Resources;
pub use graph::values::Values;
pub use launch::executor::Executor;
pub use launch::interrupt::Interrupt;
pub use launch::rehearsal::rehearse;
pub use launch::run::Run;
pub use launch::testing::launch_for_test;
pub use launch::{enrol, is_child, launch, launched_program};
pub use life::failure::{Cause, Failure};
pub use life::ledger::{Account, Ledger};
pub use life::policy::OnFailure;
pub use life::roster::{Presence, Roster, State};
pub use life::wish::Wish;
pub use node::context::Context;
pub use node::peer::{CallFailure, Peer};
pub use syncline_kubernetes::launched::Launched;
pub use syncline_runtime::{Clock, Computing, Cost, Task};
