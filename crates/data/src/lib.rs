//! Matrices of features and labels, their readers and partitions.
//!
//! A [`Dataset`] is what a model learns from: one row per example, dense or sparse ([`Features`]), with one
//! target per row, a real number or a class ([`Targets`]). It comes from a seeded generator ([`synthetic`]) or from a file
//! (CSV, LIBSVM, also compressed): a [`Schema`] finds out what the file's columns are, and reads other files the same way.
//! It is divided among workers by a [`Partition`], brought to a common scale, and is seen by a model one [`Batch`] of
//! borrowed rows at a time.
//!
//! ```
//! use syncline_data::{Partition, Scaling, synthetic};
//!
//! let (mut training, mut validation) = synthetic::separable(1000, 8, 3, 7).split(0.2, 1)?;
//! let scaling = Scaling::fit(&training);
//! scaling.apply(&mut training)?;
//! scaling.apply(&mut validation)?;
//! let rows = Partition::Random.rows(training.targets(), 4, 1);
//! let of_worker_0 = training.select(&rows[0]);
//! assert_eq!(of_worker_0.batch(0..32).rows(), 32);
//! # Ok::<(), syncline_data::Error>(())
//! ```
//!
//! It depends on no other crate of the project.

// Readers that are left out leave parts behind that only they use.
#![cfg_attr(not(all(feature = "parquet", feature = "npy", feature = "idx")), allow(dead_code))]

mod batch;
mod dataset;
mod digest;
mod error;
mod features;
mod format;
mod input;
mod outline;
mod partition;
mod scaling;
mod schema;
mod sparse;
pub mod synthetic;
mod table;
mod targets;
mod write;

pub use batch::{Batch, CsrView, DenseView, FeaturesView, SparseRow, TargetsView};
pub use dataset::{Dataset, permutation};
pub use error::{Error, Result};
pub use features::{Csr, Dense, Features, MAX_COLUMNS};
pub use input::{Input, expand};
pub use outline::Outline;
pub use partition::{Partition, Weights};
pub use scaling::Scaling;
pub use schema::{
    Carried, Chunk, Chunks, Column, Cycle, Fitted, Header, Inputs, Kind, Label, Layout, Misfit, Missing,
    ReadOptions, Scale, Schema, Target, TargetKind, Task, Weight, read,
};
pub use table::{DateForm, Decimal, Notation};
pub use targets::{TargetScale, Targets};
pub use write::{Writing, write_csv, write_libsvm};
