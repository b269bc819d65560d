//! What happened during a run, in one neutral schema: spans of time that a node spent in a phase.
//!
//! Everything that records depends on this crate, so it is light. The schema fits our own runtime as well as other
//! systems' logs; the readers of those, and all analysis, live in `syncline-explain`.
//!
//! - [`Span`]: one node, one phase, from when to when, and what it was for.
//! - [`Recorder`]: a node's own list of spans, written by that node only, bounded.

mod recorder;
mod span;

pub use recorder::Recorder;
pub use span::{Phase, Span};
