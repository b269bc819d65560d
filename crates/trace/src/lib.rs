//! What happened during a run, in one neutral schema: spans of time that a node spent in a phase.
//!
//! Everything that records depends on this crate, so it is light. The schema fits our own runtime as well as other
//! systems' logs; the readers of those, and all analysis, live in `syncline-explain`.
//!
//! - [`Span`]: one node, one phase, from when to when, and what it was for.
//! - [`Recorder`]: a node's own list of spans, written by that node only, bounded.
//! - [`RunInfo`]: what a reader must know about the run as a whole: its nodes, their clocks, its settings.
//! - [`Edge`]: what passed between two nodes over the whole run.
//! - [`TrainingSetup`]: how a training run was set up.
//! - [`ClockOffset`]: how far a node's clock is from the run's, and how sure that is.
//! - [`RunFile`] and [`read`] (feature `file`): the spans of all nodes in one Parquet file, readable while it grows.
//!
//! ```
//! use syncline_trace::{Phase, Recorder, Span};
//!
//! let mut recorder = Recorder::new(1000);
//! recorder.record(Span { round: 7, bytes: 4096, ..Span::new(0, Phase::Push, 1_000, 5_000) });
//! assert_eq!(recorder.drain()[0].duration_ns(), 4_000);
//! ```

mod clock;
mod edge;
#[cfg(feature = "file")]
mod file;
mod recorder;
mod run;
mod setup;
mod span;

pub use clock::ClockOffset;
pub use edge::Edge;
#[cfg(feature = "file")]
pub use file::{Error, Run, RunFile, RunReader, read};
pub use recorder::Recorder;
pub use run::{Node, RunInfo};
pub use setup::{
    Attended, Calibrated, Decoded, DecodedProduct, MachineLoad, Outvoted, Traffic, TrainingSetup,
};
pub use span::{Phase, Span, UnknownPhase};
