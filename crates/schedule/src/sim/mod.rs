//! The cluster simulator: drives a policy through arrivals, completions and failures, in slots or in
//! continuous time.

mod engine;
mod metrics;

pub use engine::{Clock, Entry, Options, Outage, Run, Stopwatch, simulate};
pub use metrics::{JobOutcome, Metrics, Outcome};
