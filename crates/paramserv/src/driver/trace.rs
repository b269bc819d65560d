//! The run file as the driver writes it: what it knows of the nodes at the end, and that it is given up where it cannot be written.

use syncline_trace::{Attended, ClockOffset, RunFile, Traffic};

use crate::{
    Stretch,
    coordinator::Coordinator,
    protocol::{Outvoted, ServerStatistics},
};

/// The run file. One that can no longer be written is given up; the training goes on.
pub(super) struct Trace {
    pub file: Option<RunFile>,
    pub error: Option<syncline_trace::Error>,
}

impl Trace {
    pub(super) fn write(&mut self, write: impl FnOnce(&mut RunFile) -> Result<(), syncline_trace::Error>) {
        if let Some(file) = &mut self.file
            && let Err(error) = write(file)
        {
            self.error = Some(error);
            self.file = None;
        }
    }
}

/// Who was there when.
pub(super) fn attended(coordinator: &Coordinator) -> Vec<Attended> {
    let record = coordinator.record();
    let told = |stretch: Stretch| Attended {
        from_round: stretch.from_round,
        from_ns: (stretch.from_s * 1e9).round() as u64,
        workers: stretch.workers,
    };
    record.attendance.stretches(record.workers.len()).into_iter().map(told).collect()
}

/// Who gave other gradients than most of its group.
pub(super) fn outvoted(
    Outvoted { worker, rounds, first_round, last_round }: Outvoted,
) -> syncline_trace::Outvoted {
    syncline_trace::Outvoted { worker, rounds, first_round, last_round }
}

/// What all workers have exchanged.
pub(super) fn traffic(coordinator: &Coordinator) -> Traffic {
    let record = coordinator.record();
    let mut sum = Traffic::default();
    for traffic in record.workers.iter().map(|times| times.traffic) {
        sum.pushed_bytes += traffic.pushed;
        sum.uncompressed_pushed_bytes += traffic.plain_pushed;
        sum.pulled_bytes += traffic.pulled;
        sum.uncompressed_pulled_bytes += traffic.plain_pulled;
    }
    sum
}

/// Completes the trace's head with what each node knows of its clock and of spans that it could not keep.
pub(super) fn describe_nodes(trace: &mut RunFile, coordinator: &Coordinator, servers: &[ServerStatistics]) {
    let record = coordinator.record();
    let servers = servers.iter().map(|server| (server.clock_error, server.dropped_spans));
    let workers = record.workers.iter().zip(&record.dropped);
    let workers = workers.map(|(times, &dropped)| (times.clock_error, dropped));
    for (node, (error, dropped)) in trace.info_mut().nodes.iter_mut().zip(servers.chain(workers)) {
        // Spans carry the run's time already.
        node.clock = ClockOffset { offset_ns: 0, error_ns: error.as_nanos() as u64 };
        node.dropped = dropped;
    }
}
