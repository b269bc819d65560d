//! From a job to a run: reads the data, decides what was left open, and says so.

use syncline_data::{Dataset, Outline, Schema};
use syncline_learn::{ModelSpec, SavedModel};
use syncline_program::{Executor, SimFault};
use syncline_round::{Every, Optimizer, Policy, Rule};

use super::{
    Silence, TrainJob, WantedPolicy,
    choice::Choice,
    data::Loaded,
    defaults::{CODED_STEPS, enough_epochs, line, suitable, usual_batch, usual_l2, usual_rate},
};
use crate::{
    Checkpoints, Error, ParamServ,
    check::{place, place_standbys},
    lending::{Loan, Prospectus},
};

/// What messages call the job that a process has from its launcher.
const LAUNCHERS: &str = "the launcher's job";

/// A job whose data have been read.
pub struct OpenJob {
    /// The run, to be told who listens and then to be [started](ParamServ::train).
    pub run: ParamServ,
    /// Where it is to run.
    pub executor: Executor,
    /// The job with nothing left open.
    pub job: TrainJob,
    /// What is trained.
    pub model: ModelSpec,
    /// How columns of files become features.
    pub schema: Schema,
    /// What was found out about the data, in sentences; the first says the task.
    pub notes: Vec<String>,
}

impl OpenJob {
    /// In a process of a run on hosts: the launcher's job, for where its file or folder is not to be found. Where the data are not as the
    /// launcher has them, they are without rows, of which its worker is lent what it needs. Nothing elsewhere.
    ///
    /// # Errors
    /// When the launcher cannot be asked, the data cannot be read, or the run is one whose workers need more than rows of their own.
    pub fn of_launcher() -> Result<Option<Self>, Error> {
        let Some(prospectus) = Prospectus::for_this_process()? else { return Ok(None) };
        match prospectus.loan.missing() {
            Some(_) => TrainJob::borrow_data(prospectus).map(Some),
            None => TrainJob::parse(&prospectus.loan.job, LAUNCHERS)?.read_data().map(Some),
        }
    }

    /// What is kept of the run: the model, once it has parameters.
    pub fn saved_model(&self) -> SavedModel {
        SavedModel::new(self.model.clone(), self.schema.clone(), Vec::new())
    }
}

impl TrainJob {
    /// Reads the data and decides what was left open.
    ///
    /// # Errors
    /// When settings contradict each other, the data cannot be read, or the model cannot learn from them.
    pub fn open(self) -> Result<OpenJob, Error> {
        let job = self.into_folder();
        let is_on_hosts = job.on.as_deref().is_some_and(Executor::is_on_hosts);
        let prospectus = if is_on_hosts { Prospectus::for_this_process()? } else { None };
        match prospectus.filter(|prospectus| prospectus.loan.missing().is_some()) {
            Some(prospectus) => Self::borrow_data(prospectus),
            None => job.read_data(),
        }
    }

    /// The job as the launcher has it, whose rows this process does not have.
    fn borrow_data(prospectus: Prospectus) -> Result<OpenJob, Error> {
        let job = Self::parse(&prospectus.loan.job, LAUNCHERS)?;
        prospectus.check(&job)?;
        let Prospectus { loan, digest, train, validation } = prospectus;
        let (train, validation) = (train.hollow()?, validation.map(Outline::hollow).transpose()?);
        let model = job.model.clone().unwrap_or_else(|| suitable(&train));
        let loaded = Loaded { schema: Schema::of(&train), train, validation, notes: Vec::new() };
        let open = job.assemble(model, loaded, Some(loan))?;
        Ok(OpenJob { run: open.run.borrowing(digest), ..open })
    }

    fn read_data(mut self) -> Result<OpenJob, Error> {
        // What contradicts itself is told of before hours of reading.
        let executor = self.executor()?;
        self.settle_policy(&executor)?;
        let seed = *self.seed.get_or_insert(1);
        let validation = self.validation.get_or_insert_default().clone();
        let Loaded { schema, train, validation, mut notes } = self.load(&validation, seed)?;
        let spec = match &self.model {
            Some(spec) => spec.clone(),
            // Coded products are of linear models.
            None if self.policy().coded().is_some() => line(&train),
            None => match self.choose(&train, seed)? {
                Some(Choice { spec, note }) => {
                    notes.push(note);
                    spec
                }
                None => suitable(&train),
            },
        };
        self.model = Some(spec.clone());
        self.dropout.get_or_insert(0.0);
        self.decide(&spec, &train);
        let loan = if executor.is_on_hosts() { self.loan()? } else { None };
        self.assemble(spec, Loaded { schema, train, validation, notes }, loan)
    }

    /// The run of a job that leaves nothing open.
    fn assemble(self, spec: ModelSpec, loaded: Loaded, loan: Option<Loan>) -> Result<OpenJob, Error> {
        let Loaded { schema, train, validation, notes } = loaded;
        let executor = self.executor()?;
        let (seed, dropout) = (self.seed.unwrap_or(1), self.dropout.unwrap_or_default());
        let model = spec.build_with_dropout(&train, dropout).map_err(Error::Unsuitable)?;
        let run = ParamServ::new(model, train)
            .workers(self.workers.unwrap_or(1))
            .sync(self.policy())
            .every(self.every.unwrap_or_default())
            .fold(self.fold.unwrap_or_default())
            .batch(self.batch.unwrap_or(64))
            .epochs(self.epochs.unwrap_or(1))
            .schedule(self.schedule.unwrap_or_default())
            .optimizer(self.steps()?)
            .partition(self.partition.clone().unwrap_or_default())
            .seed(seed)
            .on_worker_loss(self.on_worker_loss.unwrap_or_default())
            .identified_by("model", format!("{spec} dropout {dropout}"));
        let run = loan.into_iter().fold(run, ParamServ::lending);
        let run = self.servers.into_iter().fold(run, ParamServ::servers);
        let run = validation.into_iter().fold(run, ParamServ::validation);
        let run = self.further(run);
        Ok(OpenJob { run, executor, job: self, model: spec, schema, notes })
    }

    /// Makes the workers of a host groups, where that is asked for.
    fn settle_policy(&mut self, on: &Executor) -> Result<(), Error> {
        let Some(wanted @ WantedPolicy::ByHost { .. }) = self.sync else { return Ok(()) };
        let Some(workers) = self.workers else {
            return Err(contradiction(&format!("under {wanted} say how many there are: add --workers")));
        };
        self.sync = Some(wanted.policy(on, workers)?.into());
        Ok(())
    }

    /// The policy; groups by host have been settled by then.
    fn policy(&self) -> Policy {
        match self.sync {
            Some(WantedPolicy::Policy(policy)) => policy,
            Some(WantedPolicy::ByHost { .. }) | None => Policy::Bsp,
        }
    }

    /// Settles what is left open, for this model and these rows.
    pub(super) fn decide(&mut self, spec: &ModelSpec, train: &Dataset) {
        let rows = train.rows();
        self.sync.get_or_insert(Policy::Bsp.into());
        let sync = self.policy();
        let every = *self.every.get_or_insert_with(|| sync.every().unwrap_or_default());
        let usual = match (sync, every) {
            // It can be stepped along without a lock.
            (Policy::Hogwild, _) => Rule::Sgd,
            // The steps are each worker's own.
            _ if sync.every().is_some() => ParamServ::optimizer_for(train).rule(),
            (_, Every::Batch) => ParamServ::optimizer_for(train).rule(),
            // What is pushed then is the sum of many gradients, and the few steps that follow must be as long.
            (_, Every::Batches(_) | Every::Epoch) => Rule::Sgd,
        };
        let rule = *self.optimizer.get_or_insert(usual);
        self.lr.get_or_insert_with(|| usual_rate(rule, spec));
        self.l1.get_or_insert(0.0);
        self.l2.get_or_insert_with(|| usual_l2(spec, train));
        let is_coded = sync.coded().is_some();
        self.epochs.get_or_insert_with(|| if is_coded { CODED_STEPS } else { enough_epochs(rows) });
        let workers = *self.workers.get_or_insert_with(|| rows.min(2));
        self.batch.get_or_insert_with(|| if is_coded { rows } else { usual_batch(spec, rows, workers) });
        if sync.collective().is_none() {
            self.servers.get_or_insert(1);
        }
        self.fold.get_or_insert_with(|| sync.fold().unwrap_or_default());
        self.schedule.get_or_insert(syncline_round::Schedule::COSINE);
        self.partition.get_or_insert(syncline_data::Partition::Random);
        self.shuffle.get_or_insert(true);
        self.standardize.get_or_insert(true);
        self.on_worker_loss.get_or_insert_default();
    }

    /// The servers' step.
    pub(super) fn steps(&self) -> Result<Optimizer, Error> {
        let mut optimizer = Optimizer::new(self.optimizer.unwrap_or(Rule::Sgd), self.lr.unwrap_or_default())?;
        if let Some(momentum) = self.momentum {
            optimizer = optimizer.with_momentum(momentum)?;
        }
        if self.beta1.is_some() || self.beta2.is_some() {
            optimizer = optimizer.with_betas(self.beta1.unwrap_or(0.9), self.beta2.unwrap_or(0.999))?;
        }
        if let Some(eps) = self.eps {
            optimizer = optimizer.with_eps(eps)?;
        }
        Ok(optimizer.with_l1(self.l1.unwrap_or_default())?.with_l2(self.l2.unwrap_or_default())?)
    }

    /// What a run has only where it was asked for.
    fn further(&self, run: ParamServ) -> ParamServ {
        let run = if self.shuffle == Some(false) { run.without_shuffling() } else { run };
        let run = self.elastic.into_iter().fold(run, ParamServ::elastic);
        let run = self.replicas.into_iter().fold(run, ParamServ::replicas);
        let run = self.clip.into_iter().fold(run, ParamServ::clip);
        let run = self.patience.into_iter().fold(run, ParamServ::patience);
        let run = self.class_weight.iter().cloned().fold(run, ParamServ::class_weight);
        let run = self.compress.into_iter().fold(run, ParamServ::compress);
        let run = self.inject.iter().cloned().fold(run, ParamServ::inject);
        let run = self.liar.iter().cloned().fold(run, ParamServ::liar);
        let run = self.trace.iter().fold(run, ParamServ::trace);
        let run = self.resume.iter().fold(run, ParamServ::resume);
        let Some(folder) = &self.checkpoint else { return run };
        let checkpoints = Checkpoints::in_folder(folder).every(self.checkpoint_every.unwrap_or_default());
        run.checkpoint(self.keep.into_iter().fold(checkpoints, |all, kept| all.keeping(kept.into())))
    }

    /// Where the nodes run, and how long the launcher bears their silence.
    fn executor(&self) -> Result<Executor, Error> {
        let on = self.on.as_deref().cloned().unwrap_or_else(Executor::threads);
        place(self.policy(), &on)?;
        place_standbys(self.replicas.unwrap_or_default(), &on)?;
        let insecure = self.insecure_network == Some(true);
        if insecure && !on.is_on_hosts() {
            return Err(contradiction(
                "--insecure-network is for nodes on several hosts: add --on ssh:FILE, slurm or kubernetes",
            ));
        }
        if self.checkpoint.is_none() && (self.checkpoint_every.is_some() || self.keep.is_some()) {
            return Err(contradiction(
                "--checkpoint-every and --keep are of checkpoints: add --checkpoint FOLDER",
            ));
        }
        if self.elastic.is_none() && self.fault.iter().any(|fault| matches!(fault, SimFault::Scale { .. })) {
            return Err(contradiction(
                "a fault that scales workers needs some that come and go: add --elastic, with how many are there at the start",
            ));
        }
        if on.is_sim() {
            return self.simulation(on);
        }
        if self.network.is_some() || self.compute.is_some() || !self.fault.is_empty() {
            return Err(contradiction("--network, --compute and --fault are of a simulation: add --on sim"));
        }
        let on = if insecure { on.insecure_network() } else { on };
        // A frozen process is lost too, where a loss does not end the run.
        let heeds = on.has_processes() && self.on_worker_loss.unwrap_or_default().goes_on();
        match self.silence.or(heeds.then_some(Silence::USUAL)) {
            None => Ok(on),
            Some(limit) if on.has_processes() => Ok(on.silence_limit(limit.time())),
            Some(_) => Err(contradiction("--silence is for nodes that are processes: add --on processes")),
        }
    }

    /// A run in virtual time.
    fn simulation(&self, on: Executor) -> Result<Executor, Error> {
        if self.save.is_some() && self.compute.is_some_and(|computing| computing.skipped) {
            return Err(contradiction(
                "--compute skip: leaves the gradients uncomputed, so that there is no model for --save",
            ));
        }
        let freezes = self.fault.iter().any(|fault| matches!(fault, SimFault::Freeze { .. }));
        if self.silence.is_some() && !freezes {
            return Err(contradiction(
                "--silence is for nodes that are processes, and in virtual time for those that a fault freezes: add --on processes, or \
                 --fault \"freeze worker/1 3s\"",
            ));
        }
        let network = self.network.clone().unwrap_or_default();
        let on = on.seed(self.seed.unwrap_or(1)).network(network).compute(self.compute.unwrap_or_default());
        let heeds = freezes && self.on_worker_loss.unwrap_or_default().goes_on();
        let limit = self.silence.or(heeds.then_some(Silence::USUAL));
        let on = limit.into_iter().fold(on, |on, limit| on.silence_limit(limit.time()));
        Ok(self.fault.iter().cloned().fold(on, Executor::fault))
    }
}

pub(super) fn contradiction(why: &str) -> Error {
    Error::Contradiction(why.to_owned())
}
