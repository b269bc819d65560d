//! The live scheduler: a daemon that really runs jobs where a policy of [`syncline_schedule`] wants them.
//!
//! Read in this order:
//!
//! - [`scheduler`]: the pure part, news in and acts out; [`record`] is what it knows of a job, [`why`](view::JobView::why) what
//!   it says about one; [`training`] how far a training run is.
//! - [`actuator`]: what can be done to the world; [`local`] does it with processes of this machine, each started by an
//!   [`attempt`] that outlives the daemon and is found again through `/proc` ([`proc`]); [`hosts`]: whether machines elsewhere answer.
//! - [`store`] and [`clock`]: the books on the disk and their time.
//! - [`daemon`]: the loop that brings these together; [`api`], [`access`] and [`client`]: how one talks to it; [`view`]: what one
//!   sees; [`server`]: all of it, served.
//!
//! Nothing that was promised is lost: a job is on the disk before its submitter hears of it, and an attempt before it is
//! started (SERVE-3, STORE-1), an attempt is started at most once (ATTEMPT-1), and how it ended is written by a process
//! that does not die with the daemon.
//!
//! It stands on redb for the books, axum and hyper for HTTP, ureq for the client, rustix for processes.

pub mod access;
pub mod actuator;
pub mod api;
pub mod attempt;
pub mod client;
pub mod clock;
pub mod daemon;
pub mod error;
pub mod hosts;
pub mod local;
pub mod proc;
pub mod record;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod training;
pub mod view;
mod why;

pub use client::Client;
pub use error::{Error, Result};
pub use server::Server;
