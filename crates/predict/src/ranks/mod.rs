//! Data-parallel training from the traces of its ranks (PyTorch's profiler): other world sizes, buckets, links, without the
//! slowest rank, with more overlap.
//!
//! [`RanksProfile`] takes each step of each rank apart into its own *progress* (all its time but that in which it did nothing but
//! wait for an exchange) and the points of that progress at which it began an exchange and at which it needed one (`work`);
//! what exchanges take by themselves, once all ranks are there, is fitted by latency and bandwidth (`link`). A question changes
//! these values, and all ranks go through their steps again (`replay`).
//!
//! Times are in seconds, sizes in elements of the trace.

mod forecast;
mod link;
mod profile;
mod question;
mod replay;
mod work;

pub use forecast::{RanksCheck, RanksForecast};
pub use link::{Link, LinkModel};
pub use profile::RanksProfile;
pub use question::{Overlap, RanksQuestion};
