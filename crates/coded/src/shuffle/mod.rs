//! Coded shuffling: sending a new permutation of the rows to workers that hold some rows already.
//!
//! A master holds q rows, n workers hold their part of this epoch and a random share p of the others ([`Caches`]).
//! Each epoch a new permutation gives every worker q / n rows. A row that one worker wants and others hold is
//! combined with rows that those want and the first holds: one [`Packet`], heard by all of them, serves them all
//! ([`Plan`]). [`Plan::merged`] fills packets that would go out half empty. [`rows`] has the expected numbers.
//!
//! The gain exists only where one send reaches many (multicast, shared memory). Over connections to each worker a
//! packet for m workers is sent m times, and coding loses: [`Cost`] says what it comes to at a measured [`Multicast`].
//!
//! (Lee et al., arXiv 1512.02673, section V; the finite form and the merging are derived for this project.)

mod caches;
mod multicast;
mod packet;
mod plan;
pub mod rows;

pub use caches::Caches;
pub use multicast::{Cost, Multicast};
pub use packet::Packet;
pub use plan::Plan;

/// Workers at most: the master's index has 2^n sets.
pub const MOST_WORKERS: usize = 16;
