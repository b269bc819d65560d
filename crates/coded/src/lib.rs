//! Coded computation: redundancy that is decoded, not repeated, so that a round need not wait for its stragglers.
//!
//! A [`Code`] says what each worker gets (*assign*), which answers suffice (*gate*) and how they become the result
//! (*fold*). [`Mds`] codes the blocks of a matrix, so that any k of n answers give the product; [`Repetition`] and
//! [`Cyclic`] code gradients of any model; [`Draco`] outvotes liars; [`bytes`] codes what must come back bit by
//! bit. [`shuffle`] saves sends of a new permutation, [`time`] has the order statistics that say what all this
//! buys, and [`planner`] whether it pays for measured tasks. It may well not: with light tails a copy of the work
//! costs more than the wait that it saves.
//!
//! ```
//! use syncline_coded::{Answer, Code, Mds, Precision};
//!
//! let mut code = Mds::systematic(5, 3, 7)?;                  // any 3 of 5 workers suffice
//! let blocks = [2.0, -1.0, 4.0];                             // what the plain blocks would answer
//! let answers: Vec<Vec<f64>> = (0..5)
//!     .map(|worker| vec![code.assignment(worker).iter().map(|share| share.coefficient * blocks[share.part]).sum()])
//!     .collect();
//! let heard: Vec<Answer> = [1, 3, 4].iter().map(|&worker| Answer { worker, values: &answers[worker] }).collect();
//! let decoded = code.decode(&heard, Precision::Double)?;
//! assert!(decoded.values.iter().zip(blocks).all(|(got, block)| (got - block).abs() < 1e-12));
//! # Ok::<(), syncline_coded::Error>(())
//! ```
//!
//! Pure mathematics: no clock, no socket, no file, no thread. Of the workspace it knows `queueing`, whose
//! distributions and order statistics the planner uses.

pub mod bytes;
mod code;
mod error;
pub mod experiment;
mod generator;
mod gradient;
mod matrix;
mod mds;
pub mod planner;
pub mod polynomial;
#[cfg(feature = "program")]
pub mod product;
mod replicate;
pub mod shuffle;
mod subsets;
pub mod time;

pub use code::{Answer, Code, Decoded, Precision, Share, Yields};
pub use error::{Error, Result};
pub use generator::Generator;
pub use gradient::{Cyclic, Draco, Repetition, exact_probability, expected_answers};
pub use matrix::{Matrix, RowBlocks, combine, encode};
pub use mds::Mds;
pub use replicate::Replicate;

/// The chapter's listings are compiled as tests.
#[doc = include_str!("../../../docs/book/coded.md")]
#[cfg(doctest)]
struct Chapter;
