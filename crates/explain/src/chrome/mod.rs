//! Chrome's trace event format, as the PyTorch profiler (Kineto), many other tools and our own export write it.
//!
//! [`events`] reads the file as a stream and keeps only stretches of time. [`ranks`] makes one worker of each rank of a
//! Kineto trace; [`lanes`] makes one node of each thread of any other. Both give spans, explained like our own runs.

mod events;
mod lanes;
mod ranks;

use std::io::Read;

use syncline_trace::{RunInfo, Span};

use crate::source::Damage;
pub(crate) use events::{Slice, Trace};

/// Reads one trace file.
pub(crate) fn read(text: impl Read) -> (Trace, Damage) {
    events::read(text)
}

/// Puts the files of one run together, one a rank.
pub(crate) fn assemble(traces: Vec<Trace>, damage: &mut Damage) -> (RunInfo, Vec<Span>) {
    if traces.iter().any(Trace::is_kineto) {
        ranks::assemble(traces, damage)
    } else {
        lanes::assemble(traces)
    }
}
