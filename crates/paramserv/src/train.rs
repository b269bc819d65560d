//! The pure call: a model and data go in, parameters and a report come out, and all state lives and dies inside.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use syncline_data::{Dataset, Partition, Targets};
use syncline_learn::Model;
use syncline_program::{Context, Executor, Handle, NodeResult, Program, launch};
use syncline_round::{Fold, Gate, Optimizer, Rule, Sync};
use syncline_trace::{ClockOffset, Node, Recorder, RunFile, RunInfo};
use syncline_wire::Client;

use crate::{
    Delay, Error, Every, Progress, Report,
    batches::Batches,
    computation::{Computation, Pull},
    coordinator::{Coordinator, OnProgress},
    exchange::Exchange,
    protocol::{ServerReply, ServerRequest, ServerStatistics},
    report::{Measure, Settings},
    server::Server,
    shards::shards,
    worker::{Plan, Worker},
};

/// Spans that a node keeps between two messages to the coordinator: about 10 MiB.
const SPANS: usize = 1 << 17;

/// Workers and servers at most: each is a thread or a process of this machine.
const MOST_NODES: usize = 1024;

/// How often the trace is brought up to date for those who read it meanwhile.
const TRACE_FLUSHED: Duration = Duration::from_secs(1);

/// A training run in the making. See the [crate's example](crate).
pub struct ParamServ {
    model: Box<dyn Model>,
    data: Arc<Dataset>,
    validation: Option<Arc<Dataset>>,
    workers: usize,
    servers: usize,
    sync: Sync,
    every: Every,
    batch: usize,
    epochs: u32,
    optimizer: Optimizer,
    fold: Fold,
    partition: Partition,
    seed: u64,
    delays: Vec<Delay>,
    trace: Option<PathBuf>,
    on_progress: Option<OnProgress>,
}

/// What a run yields.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The parameters, in the model's order.
    pub parameters: Vec<f32>,
    report: Report,
}

impl Trained {
    /// The epochs, the speed and where the time went.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl ParamServ {
    /// A run that trains `model` on `data`: by default one worker and one server, bulk-synchronous, every batch of 64
    /// rows, 10 epochs of plain gradient descent.
    pub fn new(model: impl Model, data: impl Into<Arc<Dataset>>) -> Self {
        #[expect(clippy::expect_used, reason = "each rule's own default is positive")]
        let optimizer = Optimizer::new(Rule::Sgd, Rule::Sgd.default_rate()).expect("a default rate");
        Self {
            model: Box::new(model),
            data: data.into(),
            validation: None,
            workers: 1,
            servers: 1,
            sync: Sync::Bsp,
            every: Every::Batch,
            batch: 64,
            epochs: 10,
            optimizer,
            fold: Fold::Mean,
            partition: Partition::Random,
            seed: 1,
            delays: Vec::new(),
            trace: None,
            on_progress: None,
        }
    }

    /// Rows to evaluate at the end of each epoch, which are not trained on.
    #[must_use]
    pub fn validation(mut self, data: impl Into<Arc<Dataset>>) -> Self {
        self.validation = Some(data.into()).filter(|data: &Arc<Dataset>| data.rows() > 0);
        self
    }

    /// How many workers share the rows.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// How many servers share the parameters.
    #[must_use]
    pub fn servers(self, servers: usize) -> Self {
        Self { servers, ..self }
    }

    /// When workers wait for one another.
    #[must_use]
    pub fn sync(self, sync: Sync) -> Self {
        Self { sync, ..self }
    }

    /// How many batches lie between exchanges with the servers.
    #[must_use]
    pub fn every(self, every: Every) -> Self {
        Self { every, ..self }
    }

    /// Rows in one worker's batch.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// How often all rows are gone through.
    #[must_use]
    pub fn epochs(self, epochs: u32) -> Self {
        Self { epochs, ..self }
    }

    /// The servers' step.
    #[must_use]
    pub fn optimizer(self, optimizer: Optimizer) -> Self {
        Self { optimizer, ..self }
    }

    /// How the gradients of a round are combined.
    #[must_use]
    pub fn fold(self, fold: Fold) -> Self {
        Self { fold, ..self }
    }

    /// How rows are dealt out to workers.
    #[must_use]
    pub fn partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// The seed of the initial parameters, the partition and injected delays.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Slows chosen workers or rounds; several delays add up.
    #[must_use]
    pub fn inject(mut self, delay: Delay) -> Self {
        self.delays.push(delay);
        self
    }

    /// Writes the run's spans to a run file.
    #[must_use]
    pub fn trace(mut self, path: impl Into<PathBuf>) -> Self {
        self.trace = Some(path.into());
        self
    }

    /// Calls `on_progress` several times a second while the run goes on.
    #[must_use]
    pub fn on_progress(mut self, on_progress: impl FnMut(&Progress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(on_progress));
        self
    }

    /// Trains, and returns when the last epoch has ended.
    ///
    /// # Errors
    /// When the settings make no sense for the data ([`Error::is_usage`]), the loss is no longer a number, a node fails,
    /// or the run is interrupted. Nothing of a failed run is left behind but its trace.
    pub fn train(self, executor: Executor) -> Result<Trained, Error> {
        self.check()?;
        let settings = self.settings(&executor);
        let measure = match self.data.targets() {
            Targets::Real(_) => Measure::Rmse,
            Targets::Class { .. } => Measure::Accuracy,
        };
        let (program, coordinator) = self.program(&settings)?;
        let outcome = launch(program, executor)?.wait()?;
        let report = Report::new(settings, measure, &coordinator.record(), &outcome.servers);
        Ok(Trained { parameters: outcome.parameters, report })
    }

    /// Refuses what cannot work.
    fn check(&self) -> Result<(), Error> {
        let (rows, parameters) = (self.data.rows(), self.model.parameters());
        let counts = [
            ("workers", self.workers),
            ("servers", self.servers),
            ("batch", self.batch),
            ("epochs", self.epochs as usize),
        ];
        if let Some((what, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
            return Err(out_of_range(what, 0, "it must be at least 1".to_owned()));
        }
        if self.workers > rows {
            let must = format!("there are only {rows} rows to train on, and each worker needs one");
            return Err(out_of_range("workers", self.workers, must));
        }
        if self.servers > parameters {
            let must = format!("there are only {parameters} parameters to share among servers");
            return Err(out_of_range("servers", self.servers, must));
        }
        if self.workers + self.servers > MOST_NODES {
            let must =
                format!("with {} servers that is more than {MOST_NODES} nodes on one machine", self.servers);
            return Err(out_of_range("workers", self.workers, must));
        }
        if matches!(self.sync, Sync::Backup { .. }) && self.servers > 1 {
            let must = "with backup workers one server must decide which gradients a round takes: use one"
                .to_owned();
            return Err(out_of_range("servers", self.servers, must));
        }
        if let Some(worker) =
            self.delays.iter().find_map(|d| d.worker().filter(|&w| w as usize >= self.workers))
        {
            let must = format!("there are {} workers, counted from 0", self.workers);
            return Err(out_of_range("the worker to inject delays into", worker, must));
        }
        Gate::new(self.sync, self.workers)?;
        Ok(())
    }

    fn settings(&self, executor: &Executor) -> Settings {
        Settings {
            rows: self.data.rows(),
            validation_rows: self.validation.as_ref().map_or(0, |data| data.rows()),
            features: self.data.columns(),
            parameters: self.model.parameters(),
            workers: self.workers,
            servers: self.servers,
            sync: self.sync.to_string(),
            every: self.every.to_string(),
            batch: self.batch,
            epochs: self.epochs,
            optimizer: self.optimizer.rule().to_string(),
            lr: self.optimizer.rate(),
            l2: self.optimizer.l2(),
            fold: self.fold.to_string(),
            partition: self.partition.to_string(),
            seed: self.seed,
            on: executor.to_string(),
            inject: self.delays.iter().map(ToString::to_string).collect(),
        }
    }

    /// The graph: servers, workers that report to the coordinator, and a driver that collects the result.
    fn program(mut self, settings: &Settings) -> Result<(Program<Outcome>, Arc<Coordinator>), Error> {
        let trace = self.trace_file(settings)?;
        let total = self.data.rows() as u64 * u64::from(self.epochs);
        let on_progress = self.on_progress.take();
        let coordinator = Arc::new(Coordinator::new(self.workers, self.epochs, total, on_progress));

        let mut program = Program::new("train");
        program.fingerprint(format!("{settings:?}").as_bytes());
        program.fingerprint(&self.data.digest().to_le_bytes());
        let run = Arc::new(Run::new(self));
        let reports = program.service_here("coordinator", Arc::clone(&coordinator));
        let servers = program.services("server", run.shards.len(), {
            let run = Arc::clone(&run);
            move |ctx| run.server(ctx)
        });
        program.nodes("worker", run.rows.len(), {
            let (run, servers) = (Arc::clone(&run), servers.clone());
            move |ctx| {
                let (run, servers, reports) = (Arc::clone(&run), servers.clone(), reports.clone());
                async move { Ok(run.worker(ctx, &servers, &reports).await?.run().await?) }
            }
        });
        let record = Arc::clone(&coordinator);
        program.driver(move |ctx| async move { drive(ctx, servers, record, trace).await });
        Ok((program, coordinator))
    }

    /// The run file, in the launching process; an unwritable one is found out before anything runs.
    fn trace_file(&self, settings: &Settings) -> Result<Option<RunFile>, Error> {
        let Some(path) = self.trace.as_ref().filter(|_| !syncline_program::is_child()) else {
            return Ok(None);
        };
        let servers = (0..self.servers).map(|server| Node::new(format!("server/{server}")));
        let workers = (0..self.workers).map(|worker| Node::new(format!("worker/{worker}")));
        let text = |value: &dyn ToString| value.to_string();
        let info = RunInfo {
            run: "train".to_owned(),
            system: "syncline".to_owned(),
            started_unix_ms: started_unix_ms(),
            nodes: servers.chain(workers).collect(),
            workers: self.workers as u32,
            servers: self.servers as u32,
            sync: settings.sync.clone(),
            seed: self.seed,
            settings: [
                ("batch", text(&settings.batch)),
                ("every", text(&settings.every)),
                ("epochs", text(&settings.epochs)),
                ("rows", text(&settings.rows)),
                ("features", text(&settings.features)),
                ("parameters", text(&settings.parameters)),
                ("optimizer", text(&settings.optimizer)),
                ("fold", text(&settings.fold)),
                ("on", text(&settings.on)),
                ("inject", settings.inject.join(" ")),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            complete: false,
        };
        Ok(Some(RunFile::create(path, info)?))
    }
}

/// When the run began, for people who look at its trace later; nothing is computed from it.
#[expect(clippy::disallowed_methods, reason = "taken once, as a date")]
fn started_unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}

fn out_of_range(what: &'static str, got: impl ToString, must: String) -> Error {
    Error::OutOfRange { what, got: got.to_string(), must }
}

/// What every node of the program knows: the same in each process.
struct Run {
    /// Models need not be shareable between threads; each node clones its own.
    model: Mutex<Box<dyn Model>>,
    data: Arc<Dataset>,
    validation: Option<Arc<Dataset>>,
    /// Each worker's rows.
    rows: Vec<Vec<usize>>,
    shards: Vec<Range<usize>>,
    sync: Sync,
    every: Every,
    batch: usize,
    optimizer: Optimizer,
    fold: Fold,
    plan: Plan,
    /// Spans that each node may keep: none without a trace.
    spans: usize,
}

impl Run {
    fn new(settings: ParamServ) -> Self {
        let rows = settings.partition.rows(settings.data.rows(), settings.workers, settings.seed);
        let rounds = |rows: &Vec<usize>| Batches::new(0..rows.len(), settings.batch, settings.every).rounds();
        let plan = Plan {
            rounds_per_epoch: rows.iter().map(rounds).max().unwrap_or(1).max(1),
            epochs: settings.epochs,
            seed: settings.seed,
            rate: settings.optimizer.rate(),
            // A late backup worker learns only from the answer which round it joins.
            pull: if matches!(settings.sync, Sync::Backup { .. }) { Pull::Whole } else { Pull::Touched },
            delays: settings.delays,
        };
        Self {
            shards: shards(settings.model.parameters(), settings.servers),
            model: Mutex::new(settings.model),
            data: settings.data,
            validation: settings.validation,
            rows,
            sync: settings.sync,
            every: settings.every,
            batch: settings.batch,
            optimizer: settings.optimizer,
            fold: settings.fold,
            plan,
            spans: if settings.trace.is_some() { SPANS } else { 0 },
        }
    }

    fn model(&self) -> Box<dyn Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).boxed_clone()
    }

    fn server(&self, ctx: &Context) -> NodeResult<Server> {
        let shard = self.shards[ctx.rank()].clone();
        let model = self.model();
        let within = |range: Range<usize>| {
            let (start, end) = (range.start.max(shard.start), range.end.min(shard.end));
            (start < end).then(|| start - shard.start..end - shard.start)
        };
        let regularised: Vec<_> = model.regularised().into_iter().filter_map(within).collect();
        let optimizer = if self.fold == Fold::Average { Optimizer::unit() } else { self.optimizer };
        let parameters = model.initialise(self.plan.seed)[shard.clone()].to_vec();
        Ok(Server::new(
            ctx.clock(),
            ctx.rank() as u32,
            Gate::new(self.sync, self.rows.len())?,
            self.fold,
            optimizer.state(shard.len(), &regularised),
            parameters,
            Recorder::new(self.spans),
        ))
    }

    async fn worker(
        &self,
        ctx: Context,
        servers: &[Handle<Server>],
        coordinator: &Handle<Coordinator>,
    ) -> Result<Worker, Error> {
        let rank = ctx.rank();
        let mut clients = Vec::new();
        for server in servers {
            clients.push(server.connect(&ctx).await?);
        }
        let exchange = Exchange::new(rank as u32, clients, self.shards.clone());
        let (data, rows) = self.rows_of(rank);
        let batches = Batches::new(rows, self.batch, self.every);
        let computation = Computation::new(self.model(), data, batches, self.optimizer, self.fold);
        let validation = self.validation.as_ref().map(|data| {
            let cut = |worker: usize| data.rows() * worker / self.rows.len();
            (Arc::clone(data), cut(rank)..cut(rank + 1))
        });
        Ok(Worker {
            rank: rank as u32,
            node: (self.shards.len() + rank) as u32,
            exchange,
            coordinator: coordinator.connect(&ctx).await?,
            computation,
            validation,
            plan: self.plan.clone(),
            recorder: Recorder::new(self.spans),
            ctx,
        })
    }

    /// A worker's rows as one range: of the common data where they lie together, else of a copy of its own.
    fn rows_of(&self, worker: usize) -> (Arc<Dataset>, Range<usize>) {
        let rows = &self.rows[worker];
        let first = rows.first().copied().unwrap_or(0);
        if rows.iter().enumerate().all(|(offset, &row)| row == first + offset) {
            return (Arc::clone(&self.data), first..first + rows.len());
        }
        (Arc::new(self.data.select(rows)), 0..rows.len())
    }
}

/// What the driver brings home.
struct Outcome {
    parameters: Vec<f32>,
    servers: Vec<ServerStatistics>,
}

/// Writes the trace while the workers work, and collects the parameters when they are done.
async fn drive(
    ctx: Context,
    servers: Vec<Handle<Server>>,
    coordinator: Arc<Coordinator>,
    mut trace: Option<RunFile>,
) -> NodeResult<Outcome> {
    let mut clients = Vec::new();
    for server in &servers {
        clients.push(server.connect(&ctx).await?);
    }
    let finished = ctx.finished("worker");
    tokio::pin!(finished);
    loop {
        tokio::select! {
            result = &mut finished => break result?,
            () = tokio::time::sleep(TRACE_FLUSHED) => flush_trace(&mut trace, &clients, &coordinator).await?,
        }
    }
    flush_trace(&mut trace, &clients, &coordinator).await?;
    let mut outcome = Outcome { parameters: Vec::new(), servers: Vec::new() };
    for (server, client) in clients.iter().enumerate() {
        let unexpected =
            |reply: &ServerReply| Error::Protocol { server, what: format!("unexpected answer {reply:?}") };
        let reply = client.call(ServerRequest::Parameters).await?;
        outcome.parameters.extend_from_slice(&reply.values.ok_or_else(|| unexpected(&reply.body))?);
        match client.call(ServerRequest::Statistics).await?.body {
            ServerReply::Statistics(statistics) => outcome.servers.push(statistics),
            other => return Err(unexpected(&other).into()),
        }
    }
    if let Some(mut trace) = trace {
        describe_nodes(&mut trace, &coordinator, &outcome.servers);
        trace.finish()?;
    }
    Ok(outcome)
}

/// Writes the spans that workers have reported and servers have recorded since the last time.
async fn flush_trace(
    trace: &mut Option<RunFile>,
    servers: &[Client<Server>],
    coordinator: &Coordinator,
) -> NodeResult<()> {
    let Some(trace) = trace else { return Ok(()) };
    let reported = std::mem::take(&mut coordinator.record().spans);
    trace.append(&reported)?;
    for client in servers {
        if let ServerReply::Spans(spans) = client.call(ServerRequest::Spans).await?.body {
            trace.append(&spans)?;
        }
    }
    Ok(trace.flush()?)
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
