//! The driver: it writes the trace while the workers work, so that none of them waits for the disk, and brings the
//! parameters home when they are done.

use std::{sync::Arc, time::Duration};

use syncline_program::{Context, Handle, Interrupt, NodeResult};
use syncline_trace::{ClockOffset, RunFile};
use syncline_wire::Client;

use crate::{
    coordinator::Coordinator,
    load::Load,
    patience::Patience,
    protocol::{ServerStatistics, ShardClient},
    server::Server,
};

/// How often the trace is brought up to date for those who read it meanwhile.
const TRACE_FLUSHED: Duration = Duration::from_secs(1);

/// How long a run that is ended early waits for the rounds under way: batch systems kill 30 s after they ask.
const LAST_ROUNDS: Duration = Duration::from_secs(10);

/// What the driver brings home.
pub(crate) struct Outcome {
    pub parameters: Vec<f32>,
    pub servers: Vec<ServerStatistics>,
    /// Who ended the run before its time, if somebody did.
    pub interrupted: Option<Interrupt>,
    /// Why the trace is incomplete, if it is.
    pub trace_error: Option<syncline_trace::Error>,
}

/// The run file. One that can no longer be written is given up; the training goes on.
struct Trace {
    file: Option<RunFile>,
    error: Option<syncline_trace::Error>,
}

impl Trace {
    fn write(&mut self, write: impl FnOnce(&mut RunFile) -> Result<(), syncline_trace::Error>) {
        if let Some(file) = &mut self.file
            && let Err(error) = write(file)
        {
            self.error = Some(error);
            self.file = None;
        }
    }
}

/// Writes the trace while the workers work, and collects the parameters when they are done.
pub(crate) async fn drive(
    ctx: Context,
    servers: Vec<Handle<Server>>,
    coordinator: Arc<Coordinator>,
    file: Option<RunFile>,
) -> NodeResult<Outcome> {
    // Processes of the run's own are not in this one's books.
    let is_alone = |file: &mut RunFile| file.info_mut().training().on.is_some_and(|on| on == "threads");
    let mut trace = Trace { file, error: None };
    let load = trace.file.as_mut().is_some_and(is_alone).then(Load::now).flatten();
    let mut clients = Vec::new();
    for server in &servers {
        clients.push(server.connect(&ctx).await?);
    }
    let interrupted = attend(&ctx, &mut trace, &clients, &coordinator).await?;
    flush_trace(&mut trace, &clients, &coordinator).await?;
    let (parameters, servers) = (Vec::new(), Vec::new());
    let mut outcome = Outcome { parameters, servers, interrupted, trace_error: None };
    for client in &clients {
        outcome.parameters.extend_from_slice(&client.parameters().await?);
        outcome.servers.push(client.statistics().await?);
    }
    if let Some(best) = coordinator.record().patience.as_ref().and_then(Patience::best) {
        outcome.parameters = best.parameters.to_vec();
    }
    trace.write(|file| {
        describe_nodes(file, &coordinator, &outcome.servers);
        let passed = load.zip(Load::now()).and_then(|(before, now)| now.since(before));
        file.info_mut().setup.get_or_insert_default().load = passed;
        Ok(())
    });
    let finished = trace.file.take().map_or(Ok(()), RunFile::finish);
    outcome.trace_error = trace.error.or(finished.err());
    Ok(outcome)
}

/// Writes the trace until the workers are done: with all epochs, or with the rounds under way once somebody interrupts
/// the run or it has trained for long enough.
async fn attend(
    ctx: &Context,
    trace: &mut Trace,
    servers: &[Client<Server>],
    coordinator: &Coordinator,
) -> NodeResult<Option<Interrupt>> {
    let (finished, interrupt, enough) = (ctx.finished("worker"), ctx.interrupted(), coordinator.enough());
    tokio::pin!(finished, interrupt, enough);
    let mut interrupted = None;
    // When the rest is no longer waited for.
    let mut deadline = None;
    loop {
        let patience = deadline.map_or(Duration::MAX, |at: Duration| at.saturating_sub(ctx.clock().now()));
        tokio::select! {
            biased;
            result = &mut finished => {
                result?;
                return Ok(interrupted);
            }
            by = &mut interrupt, if interrupted.is_none() => interrupted = Some(by),
            () = &mut enough, if deadline.is_none() => {}
            () = until_next_flush(ctx, patience) => {
                if patience.is_zero() {
                    return Ok(interrupted);
                }
                flush_trace(trace, servers, coordinator).await?;
                continue;
            }
        }
        for server in servers {
            server.close().await?;
        }
        // Only an interrupt is in a hurry.
        deadline = Some(if interrupted.is_some() { ctx.clock().now() + LAST_ROUNDS } else { Duration::MAX });
    }
}

/// In virtual time nobody reads the trace meanwhile, and a clock that always has something to come to would hide a
/// deadlock: only a deadline is waited for.
async fn until_next_flush(ctx: &Context, patience: Duration) {
    if !ctx.clock().is_virtual() {
        return ctx.clock().sleep(TRACE_FLUSHED.min(patience)).await;
    }
    if patience > LAST_ROUNDS {
        return std::future::pending().await;
    }
    ctx.clock().sleep(patience).await;
}

/// Writes the spans that workers have reported and servers have recorded since the last time.
async fn flush_trace(
    trace: &mut Trace,
    servers: &[Client<Server>],
    coordinator: &Coordinator,
) -> NodeResult<()> {
    // Taken also when the file has been given up, so that they do not pile up.
    let mut spans = std::mem::take(&mut coordinator.record().spans);
    if trace.file.is_none() {
        return Ok(());
    }
    for client in servers {
        spans.push(client.spans().await?);
    }
    trace.write(|file| {
        spans.iter().try_for_each(|spans| file.append(spans))?;
        file.flush()
    });
    Ok(())
}

/// Completes the trace's head with what each node knows of its clock and of spans that it could not keep.
fn describe_nodes(trace: &mut RunFile, coordinator: &Coordinator, servers: &[ServerStatistics]) {
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
