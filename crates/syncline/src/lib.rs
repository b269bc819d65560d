//! Syncline: write, run, explain, predict and schedule parallel machine learning whose parts must wait for each other.
//!
//! This crate re-exports what programs are written with. The parts, and the features that they belong to:
//!
//! - [`program`] and [`wire`]: distributed programs as graphs of typed nodes, and how nodes talk.
//! - [`round`]: gates, folds and optimisers, as pure values.
//! - [`trace`]: what happened, span by span.
//! - `paramserv` (`train`, on by default): training with a parameter server, as one function call.
//! - `data` and `learn` (`train`): what is trained on, and what is trained.
//! - `schedule` (`schedule`, on by default): many jobs on one cluster: policies and a simulator.
//! - `explain` (`explain`), `predict` (`predict`): why a run took so long, and what another one would take.
//!
//! Who only writes programs takes `syncline = { version = "0.1", default-features = false }`, which builds little more
//! than half of the crates.
//!
#![cfg_attr(feature = "train", doc = "```")]
#![cfg_attr(not(feature = "train"), doc = "```ignore")]
//! use syncline::prelude::*;
//!
//! let (train, held_out) = synthetic::blobs(600, 8, 3, 7).split(0.2, 7)?;
//! let run = ParamServ::new(Mlp::new(&[8, 16, 3]), train)
//!     .validation(held_out)
//!     .workers(2)
//!     .sync(Policy::Ssp { bound: Staleness::new(1) })
//!     .epochs(2)
//!     .train(Executor::threads())?;
//! println!("{}", run.report());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "train")]
pub use syncline_data as data;
#[cfg(feature = "explain")]
pub use syncline_explain as explain;
#[cfg(feature = "train")]
pub use syncline_learn as learn;
#[cfg(feature = "train")]
pub use syncline_paramserv as paramserv;
#[cfg(feature = "predict")]
pub use syncline_predict as predict;
pub use syncline_program as program;
pub use syncline_round as round;
pub use syncline_runtime as runtime;
#[cfg(feature = "schedule")]
pub use syncline_schedule as schedule;
pub use syncline_trace as trace;
pub use syncline_wire as wire;

/// What most programs need.
pub mod prelude {
    #[cfg(feature = "train")]
    pub use syncline_data::{Batch, Dataset, FeaturesView, TargetsView, read, synthetic};
    #[cfg(feature = "train")]
    pub use syncline_learn::{Linear, Logistic, Mlp, Model, Score, Softmax, Svm};
    #[cfg(feature = "train")]
    pub use syncline_paramserv::{
        Delay, Every, Fold, Optimizer, ParamServ, Partition, Policy, Rule, Staleness,
    };
    pub use syncline_program::ready::{Barrier, Cached, Caching, Condition, Queue};
    pub use syncline_program::{
        Context, Cost, Error, Executor, Handle, NodeResult, OnFailure, Peer, Program, Resources, Values,
        enrol, launch, launch_for_test,
    };
    pub use syncline_service::service_of_facade as service;
    pub use syncline_wire::{Call, CallError, Client, Never, Replies, Service, ServiceError, Tensor};
}

/// The listings of the book, and of README.md, are compiled as tests.
#[cfg(doctest)]
mod book {
    #[cfg(feature = "train")]
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[cfg(feature = "train")]
    #[doc = include_str!("../../../docs/book/start.md")]
    mod start {}
    #[doc = include_str!("../../../docs/book/programs.md")]
    mod programs {}
    #[doc = include_str!("../../../docs/book/services.md")]
    mod services {}
    #[doc = include_str!("../../../docs/book/virtual-time.md")]
    mod virtual_time {}
    #[cfg(feature = "train")]
    #[doc = include_str!("../../../docs/book/training.md")]
    mod training {}
    #[cfg(feature = "train")]
    #[doc = include_str!("../../../docs/book/surviving.md")]
    mod surviving {}
    #[cfg(feature = "train")]
    #[doc = include_str!("../../../docs/book/runs.md")]
    mod runs {}
}
