//! Why a run took so long: readers of other systems' logs, synchronisation points, critical path, reports.
//!
//! [`explain`] reads a log, whatever it is by its content, and gives a [`Report`]: where the wall time went, what each
//! synchronisation point costs and why, who is late, and what the critical path is. The report is data; [`report::text`]
//! prints it.
//!
//! - [`source`]: from a path to lines, through whatever packs them.
//! - `chrome`: Chrome and Kineto traces, one worker a rank.
//! - `flight`: dumps of PyTorch's flight recorder, which say who is missing in a hang.
//! - [`spark`]: Spark's events, put together window by window in bounded memory.
//! - `analysis`: what windows are asked.
//! - `calls`: who waited for whom in a program of one's own.
//! - [`blame`]: who is slower than the others, by evidence.
//! - [`report`]: the answers as data, text and page.
//! - `invariants`: what must hold of every report ([`violations`]).
//!
//! It depends on `syncline-trace` for run files, and knows nothing of the runtime.

mod analysis;
mod analyst;
pub mod blame;
mod calls;
mod chrome;
mod compare;
mod error;
mod explain;
mod export;
mod flight;
mod invariants;
mod replicate;
pub mod report;
pub mod source;
mod spans;
pub mod spark;
mod survey;
mod workers;

pub use chrome::{Exchange, RankLog, RankTrace, read_ranks};
pub use compare::{Change, Comparison, compare};
pub use error::Error;
pub use explain::{explain, explain_all};
pub use export::{ExportFormat, export};
pub use invariants::violations;
pub use replicate::replicate;
pub use report::Report;
pub use survey::{Survey, survey};
