//! The pure call: a model and data go in, parameters and a report come out, and all state lives and dies inside.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use syncline_data::{Dataset, Features, Partition};
use syncline_learn::Model;
use syncline_program::{Executor, Handle, Interrupt, Program, launch};
use syncline_round::{Every, Fold, Optimizer, Policy, Rule, Schedule};
use syncline_trace::{Node, RunFile, RunInfo, TrainingSetup};

use crate::{
    Checkpoints, ClassWeight, Compression, Delay, Error, OnWorkerLoss, Progress, Report, Scaling,
    calibration::{Calibration, cores},
    check,
    checkpoint::{Checkpoint, Folder, Identity, newest},
    coordinator::{Coordinator, OnProgress},
    driver::{OnRemark, Orders, Outcome, drive},
    keeper::Keeper,
    report::{Judged, Settings},
    run::{Holders, Run},
    server::Server,
};

/// A training run in the making. See the [crate's example](crate).
pub struct ParamServ {
    pub(crate) model: Box<dyn Model>,
    pub(crate) data: Arc<Dataset>,
    pub(crate) validation: Option<Arc<Dataset>>,
    pub(crate) workers: usize,
    servers: Option<usize>,
    pub(crate) sync: Policy,
    every: Option<Every>,
    pub(crate) batch: usize,
    pub(crate) epochs: u32,
    pub(crate) optimizer: Optimizer,
    pub(crate) schedule: Schedule,
    pub(crate) clip: Option<f32>,
    pub(crate) class_weight: Option<ClassWeight>,
    pub(crate) shuffle: bool,
    pub(crate) patience: Option<u32>,
    fold: Option<Fold>,
    pub(crate) partition: Partition,
    pub(crate) compression: Compression,
    pub(crate) seed: u64,
    pub(crate) delays: Vec<Delay>,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) on_loss: OnWorkerLoss,
    pub(crate) elastic: Option<usize>,
    scaling: Option<Scaling>,
    /// What else a run that goes on must have in common with the earlier one.
    identity: Vec<(String, String)>,
    on_progress: Option<OnProgress>,
    on_remark: Option<OnRemark>,
}

/// What a run yields.
#[derive(Debug)]
pub struct Trained {
    /// The parameters, in the model's order: those of the best epoch with [patience](ParamServ::patience), else the last.
    pub parameters: Vec<f32>,
    /// Who ended the run before its time, if somebody did: the parameters are what there was by then.
    pub interrupted: Option<Interrupt>,
    /// Why the trace is incomplete, if it is: a run goes on when its trace can no longer be written.
    pub trace_error: Option<syncline_trace::Error>,
    /// The last checkpoint that was written, from which the run can go on.
    pub checkpoint: Option<PathBuf>,
    /// Why no later one could be written, if one could not: a run goes on without.
    pub checkpoint_error: Option<Error>,
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
    /// rows, 10 epochs, the optimiser [for such data](ParamServ::optimizer_for) along half a cosine.
    pub fn new(model: impl Model, data: impl Into<Arc<Dataset>>) -> Self {
        let data = data.into();
        Self {
            model: Box::new(model),
            optimizer: Self::optimizer_for(&data),
            schedule: Schedule::COSINE,
            clip: None,
            class_weight: None,
            shuffle: true,
            patience: None,
            data,
            validation: None,
            workers: 1,
            servers: None,
            sync: Policy::Bsp,
            every: None,
            batch: 64,
            epochs: 10,
            fold: None,
            partition: Partition::Random,
            compression: Compression::default(),
            seed: 1,
            delays: Vec::new(),
            trace: None,
            checkpoints: None,
            resume: None,
            on_loss: OnWorkerLoss::Stop,
            elastic: None,
            scaling: None,
            identity: Vec::new(),
            on_progress: None,
            on_remark: None,
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

    /// How many servers share the parameters: one, unless the policy does without.
    #[must_use]
    pub fn servers(self, servers: usize) -> Self {
        Self { servers: Some(servers), ..self }
    }

    /// When workers wait for one another.
    #[must_use]
    pub fn sync(self, sync: Policy) -> Self {
        Self { sync, ..self }
    }

    /// How many batches lie between exchanges with the servers: one, unless the policy says it itself.
    #[must_use]
    pub fn every(self, every: Every) -> Self {
        Self { every: Some(every), ..self }
    }

    /// Rows in one worker's batch; with a partition by weight, on average.
    #[must_use]
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// How often all rows are gone through.
    #[must_use]
    pub fn epochs(self, epochs: u32) -> Self {
        Self { epochs, ..self }
    }

    /// The optimiser of a run that is not given one: Adam, whose steps are never longer than the rate whatever the scale
    /// of the loss, so that it hardly diverges; over sparse rows Adagrad, which leaves alone what a batch does not touch.
    pub fn optimizer_for(data: &Dataset) -> Optimizer {
        match data.features() {
            Features::Dense(_) => Optimizer::plain(Rule::Adam),
            Features::Sparse(_) => Optimizer::plain(Rule::Adagrad),
        }
    }

    /// The servers' step; under a policy of local steps that of each worker.
    #[must_use]
    pub fn optimizer(self, optimizer: Optimizer) -> Self {
        Self { optimizer, ..self }
    }

    /// How the learning rate changes over the run.
    #[must_use]
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Shortens the gradient of each worker's batch to this Euclidean length where it is longer.
    #[must_use]
    pub fn clip(self, length: f32) -> Self {
        Self { clip: Some(length), ..self }
    }

    /// Lets rows count by their class, on top of the weights that they have.
    #[must_use]
    pub fn class_weight(self, weight: ClassWeight) -> Self {
        Self { class_weight: Some(weight), ..self }
    }

    /// Goes through the rows in the same order in every epoch, that in which they were dealt out.
    #[must_use]
    pub fn without_shuffling(self) -> Self {
        Self { shuffle: false, ..self }
    }

    /// Stops early once the validation loss has not fallen for so many epochs, and keeps the parameters of the best
    /// epoch.
    #[must_use]
    pub fn patience(self, epochs: u32) -> Self {
        Self { patience: Some(epochs), ..self }
    }

    /// How the gradients of a round are combined: by their mean, unless the policy says it itself.
    #[must_use]
    pub fn fold(self, fold: Fold) -> Self {
        Self { fold: Some(fold), ..self }
    }

    /// How rows are dealt out to workers.
    #[must_use]
    pub fn partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// What is done to make pushes and pulls shorter.
    #[must_use]
    pub fn compress(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// The seed of the initial parameters, the partition, the order of the rows, dropout and injected delays.
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

    /// Writes checkpoints, from which the run can go on after whatever ended it.
    #[must_use]
    pub fn checkpoint(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    /// Goes on from the newest whole checkpoint in this folder, or from this one. Under BSP the run ends with the same bits as
    /// if it had never been away, wherever it runs and on however many servers.
    #[must_use]
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume = Some(path.into());
        self
    }

    /// What happens when a worker is lost.
    #[must_use]
    pub fn on_worker_loss(self, on_loss: OnWorkerLoss) -> Self {
        Self { on_loss, ..self }
    }

    /// Begins with the first `there` of the [workers](ParamServ::workers) only; the others join, and any but one leave, while the
    /// run goes on: by [`scaled_by`](ParamServ::scaled_by), `syncline scale`, or in virtual time by a fault such as `scale worker 3
    /// 2s`.
    ///
    /// The work stays cut into a share for each of the workers, with its rows, its batches and its seat at the gate; the shares
    /// are dealt to those who are there, and pass from hand to hand between two rounds. So batches, steps and learning rates are
    /// those of all workers, each row is trained on once an epoch, and under BSP the model is the same to the last bit, whoever
    /// came and went.
    #[must_use]
    pub fn elastic(self, there: usize) -> Self {
        Self { elastic: Some(there), ..self }
    }

    /// Lets this handle say how many workers are to be there, where the run is [elastic](ParamServ::elastic).
    #[must_use]
    pub fn scaled_by(self, scaling: &Scaling) -> Self {
        Self { scaling: Some(scaling.clone()), ..self }
    }

    /// Something else in which a run must be the same to go on from its checkpoints, such as the name of the model.
    #[must_use]
    pub fn identified_by(mut self, name: &str, value: impl ToString) -> Self {
        self.identity.push((name.to_owned(), value.to_string()));
        self
    }

    /// Calls `on_remark` with a sentence about what a person should know while the run goes on: what was lost, and what
    /// became of that.
    #[must_use]
    pub fn on_remark(mut self, on_remark: impl FnMut(&str) + Send + 'static) -> Self {
        self.on_remark = Some(Box::new(on_remark));
        self
    }

    /// Calls `on_progress` several times a second while the run goes on.
    #[must_use]
    pub fn on_progress(mut self, on_progress: impl FnMut(&Progress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(on_progress));
        self
    }

    /// How many servers there are.
    pub(crate) fn server_count(&self) -> usize {
        if self.sync.collective().is_some() { 0 } else { self.servers.unwrap_or(1) }
    }

    /// How many servers were asked for, if it was said.
    pub(crate) fn servers_asked_for(&self) -> Option<usize> {
        self.servers
    }

    /// How often workers exchange.
    pub(crate) fn exchanges(&self) -> Every {
        self.sync.every().or(self.every).unwrap_or_default()
    }

    /// What is folded.
    pub(crate) fn folds(&self) -> Fold {
        self.sync.fold().or(self.fold).unwrap_or_default()
    }

    /// What was asked for that the policy says itself, and otherwise: its name, and what was asked.
    pub(crate) fn contradicted(&self) -> Option<(&'static str, String)> {
        let every = self.every.filter(|every| self.sync.every().is_some_and(|own| own != *every));
        let fold = self.fold.filter(|fold| self.sync.fold().is_some_and(|own| own != *fold));
        let every = every.map(|every| ("every", every.to_string()));
        every.or(fold.map(|fold| ("fold", fold.to_string())))
    }

    /// Finds out whether such a run can be, without starting it.
    ///
    /// # Errors
    /// When the settings make no sense for the data, or the model does not fit them ([`Error::is_usage`]).
    pub fn check(&self) -> Result<(), Error> {
        check::check(self)
    }

    /// What would be done to train on hosts, with these arguments for every node: see [`rehearse`](syncline_program::rehearse).
    ///
    /// # Errors
    /// As [`check`](Self::check), and when hosts are named wrongly or have no room.
    pub fn rehearse(
        mut self,
        executor: &Executor,
        arguments: Vec<OsString>,
    ) -> Result<Option<String>, Error> {
        self.check()?;
        check::place(self.sync, executor)?;
        // Nothing is to be written.
        self.trace = None;
        let settings = self.settings(executor);
        let (program, _) = self.program(&settings, Begun::default(), false, executor.has_processes())?;
        Ok(syncline_program::rehearse(program, executor, arguments)?)
    }

    /// Trains, and returns when the last epoch has ended. After a Ctrl-C or SIGTERM that is after the rounds under way,
    /// with what there is by then.
    ///
    /// # Errors
    /// When the settings make no sense for the data or the model does not fit them ([`Error::is_usage`]), the loss is no
    /// longer a number, a node fails, or the run is interrupted before its first step. Nothing of a failed run is left
    /// behind but its trace.
    pub fn train(mut self, executor: Executor) -> Result<Trained, Error> {
        self.check()?;
        check::place(self.sync, &executor)?;
        check::fits_scaling(self.scaling.is_some(), self.elastic)?;
        // Rows that count more by their class do so in training only.
        let weights = self.data.weights().map(<[f32]>::to_vec);
        if let Some(weight) = self.class_weight.clone() {
            self.data = weight.apply(self.data)?;
        }
        let settings = self.settings(&executor);
        let judged = Judged::new(&self, weights);
        let begun = self.begin(&settings)?;
        let resumed = begun.resumed.as_ref().map(Checkpoint::round);
        let apart = executor.has_processes() || executor.is_sim();
        let (program, coordinator) = self.program(&settings, begun, executor.is_sim(), apart)?;
        let (outcome, ledger) = launch(program, executor)?.wait_and_tell();
        let mut outcome = outcome?;
        outcome.finish_trace(&ledger);
        if let Some(interrupt) = outcome.interrupted
            && outcome.servers.iter().all(|server| server.updates == 0)
        {
            return Err(syncline_program::Error::Interrupted(interrupt).into());
        }
        let report = Report::new(settings, judged, &coordinator.record(), &outcome, resumed);
        let Outcome { parameters, interrupted, trace_error, checkpoint, .. } = outcome;
        let (checkpoint, checkpoint_error, _) = checkpoint;
        Ok(Trained { parameters, interrupted, trace_error, checkpoint, checkpoint_error, report })
    }

    /// Reads the checkpoint that the run goes on from and opens the folder of those to come: in the launching process, which
    /// tells the others.
    fn begin(&mut self, settings: &Settings) -> Result<Begun, Error> {
        if syncline_program::is_child() {
            return Ok(Begun::default());
        }
        let identity = self.identity(settings);
        let (mut resumed, mut found) = (None, None);
        if let Some(path) = &self.resume {
            let (checkpoint, then, at) = newest(path)?;
            for (damaged, why) in &at.damaged {
                let (damaged, used) = (syncline_terminal::path(damaged), syncline_terminal::path(&at.path));
                let remark = format!("{damaged} is passed over: {why}; the run goes on from {used}");
                self.on_remark.iter_mut().for_each(|tell| tell(&remark));
            }
            if let Some(difference) = identity.difference(&then) {
                return Err(Error::Differs { path: at.path, difference });
            }
            if !checkpoint.fits(settings.parameters, settings.workers) {
                let reason = "its parts do not fit together".to_owned();
                return Err(Error::Checkpoint { path: at.path, reason });
            }
            (resumed, found) = (Some(checkpoint), Some(at));
        }
        let folder = self
            .checkpoints
            .as_ref()
            .map(|settings| Folder::open(settings, identity, found.as_ref()))
            .transpose()?;
        Ok(Begun { folder, resumed, from: found.map(|found| found.path) })
    }

    /// What makes it this training and no other.
    fn identity(&self, settings: &Settings) -> Identity {
        let digest = |data: &Dataset| format!("{:016x}", data.digest());
        let initial = self.model.initialise(self.seed);
        let mut model = Fnv::default();
        initial.iter().for_each(|value| model.take(value.to_bits()));
        let further = [
            (
                "momentum".to_owned(),
                self.optimizer.momentum().map(|beta| beta.to_string()).unwrap_or_default(),
            ),
            ("betas".to_owned(), format!("{:?}", self.optimizer.betas())),
            ("eps".to_owned(), self.optimizer.eps().to_string()),
            ("training_data_digest".to_owned(), digest(&self.data)),
            ("validation_data_digest".to_owned(), self.validation.as_deref().map(digest).unwrap_or_default()),
            ("initial_parameters_digest".to_owned(), format!("{:016x}", model.0)),
        ];
        Identity::new(settings, further.into_iter().chain(self.identity.iter().cloned()))
    }

    /// The compression in the words of the command line, where there is one.
    fn compress_told(&self) -> Option<String> {
        (!self.compression.is_none()).then(|| self.compression.to_string())
    }

    fn settings(&self, executor: &Executor) -> Settings {
        Settings {
            rows: self.data.rows(),
            validation_rows: self.validation.as_ref().map_or(0, |data| data.rows()),
            features: self.data.columns(),
            parameters: self.model.parameters(),
            workers: self.workers,
            servers: self.server_count(),
            sync: self.sync.to_string(),
            every: self.exchanges().to_string(),
            batch: self.batch,
            epochs: self.epochs,
            optimizer: self.optimizer.rule().to_string(),
            lr: self.optimizer.rate(),
            schedule: self.schedule.to_string(),
            clip: self.clip,
            l1: self.optimizer.l1(),
            l2: self.optimizer.l2(),
            class_weight: self.class_weight.as_ref().map(ToString::to_string),
            shuffle: self.shuffle,
            patience: self.patience,
            fold: self.folds().to_string(),
            partition: self.partition.to_string(),
            compress: self.compress_told(),
            seed: self.seed,
            on: format!("{executor:#}"),
            inject: self.delays.iter().map(ToString::to_string).collect(),
            elastic: self.elastic,
        }
    }

    /// The graph: servers, workers that report to the coordinator, and a driver that collects the result.
    fn program(
        mut self,
        settings: &Settings,
        begun: Begun,
        is_sim: bool,
        apart: bool,
    ) -> Result<(Program<Outcome>, Arc<Coordinator>), Error> {
        let mut trace = self.trace_file(settings, is_sim)?;
        let copies = match self.partition {
            Partition::OverlapReshuffle => self.workers,
            _ => self.sync.copies(),
        };
        let total = (self.data.rows() * copies) as u64 * u64::from(self.epochs);
        let (on_progress, on_remark) = (self.on_progress.take(), self.on_remark.take());
        let deviation = self.data.target_scale().deviation;
        let scaling = self.scaling.take();
        let coordinator = Arc::new(Coordinator::new(
            (self.workers, self.elastic.unwrap_or(self.workers)),
            self.epochs,
            self.patience,
            total,
            deviation,
            on_progress,
        ));

        let mut program = Program::new("train");
        program.fingerprint(format!("{settings:?} {:?}", self.optimizer).as_bytes());
        program.fingerprint(&self.data.digest().to_le_bytes());
        let run = Arc::new(Run::new(self, apart));
        // What the machine does to workers that share it says nothing about a simulation.
        if let Some(trace) = trace.as_mut().filter(|_| !is_sim)
            && let Some(calibration) = Calibration::of(&run)
        {
            trace.info_mut().setup.get_or_insert_default().calibration = Some(calibration.told());
        }
        let reports = program.service_here("coordinator", Arc::clone(&coordinator));
        let servers = match run.has_replicas() {
            true => replicas(&mut program, &run, &reports),
            false => servers_and_workers(&mut program, &run, &reports, apart),
        };
        let Begun { folder, resumed, from } = begun;
        let round = resumed.as_ref().map_or(0, Checkpoint::round);
        let keeper = folder.map(|folder| Keeper::new(folder, run.pace(), round, from));
        let record = Arc::clone(&coordinator);
        let orders = Orders { run, servers, coordinator: record, trace, keeper, resumed, on_remark, scaling };
        let program = program.driver(move |ctx| async move { drive(ctx, orders).await });
        Ok((program, coordinator))
    }

    /// What a reader of the trace is told of the settings.
    fn setup(&self, settings: &Settings, is_sim: bool) -> TrainingSetup {
        TrainingSetup {
            rows: Some(settings.rows as u64),
            features: Some(settings.features as u64),
            parameters: Some(settings.parameters as u64),
            batch: Some(settings.batch as u64),
            every: Some(settings.every.clone()),
            epochs: Some(settings.epochs.into()),
            optimizer: Some(settings.optimizer.clone()),
            schedule: Some(settings.schedule.clone()),
            shuffle: Some(settings.shuffle),
            fold: Some(settings.fold.clone()),
            compress: settings.compress.clone(),
            whole_push_bytes: self.compression.whole_push_bytes(settings.parameters),
            on: Some(settings.on.clone()),
            inject: settings.inject.clone(),
            cores: Some(if is_sim { self.workers + self.server_count() } else { cores() } as u64),
            ..TrainingSetup::default()
        }
    }

    /// The run file, in the launching process; an unwritable one is found out before anything runs.
    ///
    /// A simulated run happened at no time and on no machine: its trace is the same wherever it is made.
    fn trace_file(&self, settings: &Settings, is_sim: bool) -> Result<Option<RunFile>, Error> {
        let Some(path) = self.trace.as_ref().filter(|_| !syncline_program::is_child()) else {
            return Ok(None);
        };
        let servers = (0..self.server_count()).map(|server| Node::new(format!("server/{server}")));
        let workers = (0..self.workers).map(|worker| Node::new(format!("worker/{worker}")));
        let info = RunInfo {
            run: "train".to_owned(),
            system: "syncline".to_owned(),
            started_unix_ms: if is_sim { 0 } else { started_unix_ms() },
            nodes: servers.chain(workers).collect(),
            workers: self.workers as u32,
            servers: self.server_count() as u32,
            sync: settings.sync.clone(),
            seed: self.seed,
            setup: Some(self.setup(settings, is_sim)),
            ..RunInfo::default()
        };
        Ok(Some(RunFile::create(path, info)?))
    }
}

/// Adds servers, and workers that share them; gives the servers.
fn servers_and_workers(
    program: &mut Program,
    run: &Arc<Run>,
    reports: &Handle<Coordinator>,
    apart: bool,
) -> Vec<Handle<Server>> {
    let servers =
        program.group("server", run.shards.len()).on_failure(run.on_loss.of_servers(apart)).serve({
            let run = Arc::clone(run);
            move |ctx| run.server(ctx)
        });
    let workers = program.group("worker", run.rows.len()).on_failure(run.on_loss.of_workers());
    let workers = run.elastic.into_iter().fold(workers, |workers, there| workers.present(there));
    workers.run({
        let (run, servers, reports) = (Arc::clone(run), servers.clone(), reports.clone());
        move |ctx| {
            let (run, servers, reports) = (Arc::clone(&run), servers.clone(), reports.clone());
            async move { Ok(run.work(ctx, Holders::Servers(&servers), &reports).await?) }
        }
    });
    servers
}

/// Adds workers that hold all parameters themselves; gives what holds them.
fn replicas(program: &mut Program, run: &Arc<Run>, reports: &Handle<Coordinator>) -> Vec<Handle<Server>> {
    // Each is to know all, also those that come after it.
    let all: Arc<OnceLock<Vec<Handle<Server>>>> = Arc::default();
    let group = program.group("worker", run.rows.len()).on_failure(run.on_loss.of_workers());
    let of_all = group.serve_and_run(
        {
            let run = Arc::clone(run);
            move |ctx| run.server(ctx)
        },
        {
            let (run, all, reports) = (Arc::clone(run), Arc::clone(&all), reports.clone());
            move |own, ctx| {
                let (run, all, reports) = (Arc::clone(&run), Arc::clone(&all), reports.clone());
                async move {
                    let all = all.get().map(Vec::as_slice).unwrap_or_default();
                    Ok(run.work(ctx, Holders::Workers(&own, all), &reports).await?)
                }
            }
        },
    );
    all.get_or_init(|| of_all).clone()
}

/// What is there before the program is.
#[derive(Default)]
struct Begun {
    folder: Option<Folder>,
    resumed: Option<Checkpoint>,
    /// The file of what the run goes on from.
    from: Option<PathBuf>,
}

/// Fowler, Noll and Vo's hash (FNV-1a), to tell parameters apart.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn take(&mut self, value: u32) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// When the run began, for people who look at its trace later; nothing is computed from it.
#[expect(clippy::disallowed_methods, reason = "taken once, as a date")]
fn started_unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}
