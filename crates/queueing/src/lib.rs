//! Parallel systems whose tasks must synchronise, as mathematics first and as a fast simulator second.
//!
//! A [`Model`] is one system under one [`Workload`]: split-merge, fork-join, single-queue fork-join, (k,l) and
//! (n,k), redundancy, multi-stage, tiny tasks, barrier execution. It answers whether it is stable, its largest
//! rate, its mean and its quantiles, and each answer is an [`Estimate`] that says whether it is exact, a bound, an
//! approximation or a fit. [`sim`] runs the same systems, and what no formula reaches. [`training`] holds the
//! closed loops of iterative learning, [`overhead`] the optimal number of tasks, [`communication`] the network, [`scaling`]
//! the laws fitted to a few runs.
//!
//! ```
//! use syncline_queueing::{Exceedance, Kind, Model, Workload, models::ForkJoin};
//!
//! let stage = ForkJoin::new(Workload::markov(0.5, 1.0)?, 10)?;
//! let bound = stage.quantile(Exceedance::new(1e-3)?)?;
//! assert_eq!(bound.kind, Kind::UpperBound);
//! assert!((bound.value - 18.42).abs() < 0.01);
//! # Ok::<(), syncline_queueing::Error>(())
//! ```
//!
//! Of the workspace it knows `round`, whose gates the training loop of [`sim`] obeys; it reads no files and knows no
//! clock.

mod arrivals;
pub mod communication;
mod distribution;
mod error;
mod estimate;
mod exceedance;
mod harmonic;
mod matrix;
pub mod models;
mod order_statistic;
pub mod overhead;
pub mod polling;
mod quadrature;
mod root;
pub mod scaling;
pub mod sim;
pub mod single_server;
pub mod speculation;
pub mod training;
mod uniformisation;
mod workload;

pub use arrivals::{Arrivals, Modulated};
pub use distribution::{Distribution, Empirical, PhaseType};
pub use error::{Error, Result};
pub use estimate::{Estimate, Kind};
pub use exceedance::Exceedance;
pub use harmonic::{harmonic, harmonic_squares};
pub use models::Model;
pub use order_statistic::OrderStatistic;
pub use workload::Workload;
