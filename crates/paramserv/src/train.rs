//! The pure call: a model and data go in, parameters and a report come out, and all state lives and dies inside.

mod assembly;

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use syncline_data::{Dataset, Features, Partition};
use syncline_learn::{Model, Skipped};
use syncline_program::{Executor, Interrupt, launch};
use syncline_round::{Every, Fold, Optimizer, Policy, Rule, Schedule};

use self::assembly::Begun;
use crate::{
    Checkpoints, ClassWeight, Compression, Delay, Error, Lie, OnWorkerLoss, Progress, Report, Scaling, check,
    checkpoint::Checkpoint,
    coordinator::OnProgress,
    driver::{OnRemark, Outcome},
    lending::Loan,
    report::Judged,
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
    pub(crate) lies: Vec<Lie>,
    pub(crate) trace: Option<PathBuf>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) resume: Option<PathBuf>,
    pub(crate) on_loss: OnWorkerLoss,
    pub(crate) elastic: Option<usize>,
    pub(crate) replicas: usize,
    scaling: Option<Scaling>,
    /// What is told to processes that do not find the files of the data.
    pub(crate) loan: Option<Loan>,
    /// In such a process, which has data without rows: the digest of those that the launcher has.
    borrows: Option<u64>,
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
            lies: Vec::new(),
            trace: None,
            checkpoints: None,
            resume: None,
            on_loss: OnWorkerLoss::Stop,
            elastic: None,
            replicas: 0,
            scaling: None,
            loan: None,
            borrows: None,
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

    /// Has chosen workers hand over something else than their gradients, to see what that does to the model.
    #[must_use]
    pub fn liar(mut self, lie: Lie) -> Self {
        self.lies.push(lie);
        self
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

    /// Gives each server so many standbys, none or one: a node that knows all that the server knows, so that nothing is lost with a
    /// server and nothing done again. Each gradient travels a second time, from the server to its standby, before its worker goes
    /// on.
    ///
    /// It is for servers that can be lost: on processes, on hosts or in virtual time, where a loss does not end the run
    /// ([`on_worker_loss`](ParamServ::on_worker_loss)).
    #[must_use]
    pub fn replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
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

    /// Has the launcher lend rows to workers whose hosts have no files.
    pub(crate) fn lending(self, loan: Loan) -> Self {
        Self { loan: Some(loan), ..self }
    }

    /// In a process whose data have no rows, while the launcher's have this digest.
    pub(crate) fn borrowing(self, digest: u64) -> Self {
        Self { borrows: Some(digest), ..self }
    }

    /// The digest of the data that are trained on.
    pub(crate) fn digest(&self) -> u64 {
        self.borrows.unwrap_or_else(|| self.data.digest())
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
        check::place_standbys(self.replicas, executor)?;
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
        // Who has no rows has the launcher's word for them.
        if self.borrows.is_none() {
            self.check()?;
        }
        check::place(self.sync, &executor)?;
        check::place_standbys(self.replicas, &executor)?;
        check::fits_scaling(self.scaling.is_some(), self.elastic)?;
        if executor.skips_computing() {
            check::skipped(&self)?;
            (self.model, self.validation) = (Box::new(Skipped::new(self.model)), None);
        }
        // Rows that count more by their class do so in training only.
        let weights = self.data.weights().map(<[f32]>::to_vec);
        if let Some(weight) = self.class_weight.clone().filter(|_| self.borrows.is_none()) {
            self.data = weight.apply(self.data)?;
        }
        let settings = self.settings(&executor);
        let judged = Judged::new(&self, weights, executor.skips_computing());
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
}
