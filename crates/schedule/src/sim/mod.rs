//! The cluster simulator: drives a policy through arrivals, completions and failures, in slots or in
//! continuous time, with a second set of books beside it.

mod audit;
mod engine;
mod metrics;

pub use engine::{Clock, Entry, Options, Outage, Run, Stopwatch, advance_to, simulate};
pub use metrics::{JobOutcome, Metrics, Outcome};
