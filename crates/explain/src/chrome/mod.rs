//! Chrome's trace event format, as the PyTorch profiler (Kineto), JAX, TensorFlow, Horovod, Ray, many other tools and our own
//! export write it.
//!
//! [`objects`] cuts a file into its events, [`event`] reads one, [`kind`] says what it is, [`trace`] keeps of all only
//! stretches of time. [`ranks`] makes one worker of each rank of a Kineto trace and of each device of JAX's or TensorFlow's;
//! [`horovod`] makes one of each rank that Horovod's timeline names; [`lanes`] makes one node of each thread of any other. Both
//! are explained like our own runs.

mod event;
mod horovod;
mod kind;
mod lanes;
mod names;
mod objects;
mod ranks;
mod stretch;
mod trace;

use syncline_trace::{RunInfo, Span};

use crate::report::verdict;
use crate::source::Damage;
use crate::{Report, workers};
pub use ranks::kernels::KernelRow;
pub use ranks::report::{DeviceRow, Devices, GroupRow, LongestLaunch};
pub use ranks::{Exchange, RankLog, RankTrace, read_ranks};
pub(crate) use trace::{Trace, read};

/// The spans of the files of one run.
pub(crate) fn spans(traces: Vec<Trace>) -> (RunInfo, Vec<Span>) {
    if has_ranks(&traces) {
        return ranks::spans(&ranks::assemble(traces));
    }
    let (info, spans, _) = nodes(&traces);
    (info, spans)
}

/// The nodes of traces without devices, and what the traces leave open.
fn nodes(traces: &[Trace]) -> (RunInfo, Vec<Span>, Vec<String>) {
    match traces {
        [trace] if horovod::wrote(trace) => horovod::assemble(trace),
        _ => {
            let (info, spans) = lanes::assemble(traces);
            (info, spans, Vec::new())
        }
    }
}

/// The report of the files of one run, one file a rank; `None` if nothing in them takes time.
pub(crate) fn report(traces: Vec<Trace>, source: String, damage: Damage) -> Option<Report> {
    if traces.iter().all(|trace| trace.slices.is_empty() && trace.launches.is_empty()) {
        return None;
    }
    if has_ranks(&traces) {
        return Some(ranks::report(&ranks::assemble(traces), source, damage));
    }
    let (info, spans, notes) = nodes(&traces);
    let report = Report { notes, ..workers::report(&info, &spans, source, damage) };
    Some(Report { verdict: verdict(&report), ..report })
}

fn has_ranks(traces: &[Trace]) -> bool {
    traces.iter().any(|trace| trace.is_kineto || ranks::has_devices(trace))
}
