//! A script's part in a training run: its own loop between the servers' steps.
//!
//! Under `syncline run` the script is started once for every node. In each of them it comes to [`Session::join`]: the launcher
//! sees to the run there, a server serves, and a worker goes on with the script, while a thread of the node waits for its
//! gradients. A script that is started alone is its own only worker.

use std::{
    ffi::OsString,
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::prelude::*;
use serde::Deserialize;
use syncline::{
    learn::Score,
    paramserv::{
        CheckpointEvery, Checkpoints, Compression, Delay, Every, Fold, OnWorkerLoss, Optimizer, ParamServ,
        Partition, Policy, Rule, Schedule, Trained, parse_duration,
    },
    program::{self, Executor},
};
use syncline_cli::Failure;

use crate::{
    errors::{SynclineError, UsageError, of_command},
    lent::Lent,
    outside::{Outside, Place as Step, Turn, samples},
    places,
    reports::Told,
};

/// How often signals are looked after while a step is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// What a script and its command line say of a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    on: String,
    insecure_network: bool,
    workers: usize,
    elastic: Option<usize>,
    servers: usize,
    sync: String,
    every: String,
    fold: String,
    optimizer: String,
    lr: Option<f32>,
    momentum: Option<f32>,
    betas: Option<(f32, f32)>,
    eps: Option<f32>,
    l1: f32,
    l2: f32,
    schedule: String,
    clip: Option<f32>,
    compress: Option<String>,
    epochs: u32,
    steps_per_epoch: usize,
    batch_size: usize,
    seed: u64,
    inject: Vec<String>,
    trace: Option<PathBuf>,
    checkpoint: Option<PathBuf>,
    checkpoint_every: Option<String>,
    keep: Option<u16>,
    resume: Option<PathBuf>,
    on_worker_loss: String,
    replicas: usize,
    silence: Option<String>,
}

impl Spec {
    /// The same for a script that nobody launched: whoever is alone waits for nobody and loses nobody.
    fn alone(self) -> Result<Self, String> {
        let sync = match read::<Policy>(&self.sync)? {
            Policy::Backup { .. } | Policy::Quorum { .. } | Policy::Hierarchical { .. } => Policy::Bsp,
            sync => sync,
        };
        Ok(Self {
            sync: sync.to_string(),
            on_worker_loss: OnWorkerLoss::Stop.to_string(),
            replicas: 0,
            ..self
        })
    }

    /// The run that is asked for.
    fn run(&self, model: Outside) -> Result<ParamServ, String> {
        let each = self.steps_per_epoch.saturating_mul(self.batch_size);
        let rows = self.workers.saturating_mul(each);
        if rows == 0 || rows > MOST_SAMPLES {
            return Err(format!(
                "workers * steps_per_epoch * batch_size is {rows}, and must be from 1 to {MOST_SAMPLES}"
            ));
        }
        let (sync, every, fold) =
            (read::<Policy>(&self.sync)?, read::<Every>(&self.every)?, read::<Fold>(&self.fold)?);
        if let Some(why) = not_for_scripts(sync) {
            return Err(format!("--sync {sync} is not for scripts: {why}"));
        }
        let samples = samples(self.workers, each).map_err(|error| error.to_string())?;
        let mut run = ParamServ::new(model, samples)
            .workers(self.workers)
            .sync(sync)
            .optimizer(self.optimizer()?)
            .schedule(read::<Schedule>(&self.schedule)?)
            .batch(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .partition(Partition::Contiguous)
            .without_shuffling()
            .replicas(self.replicas)
            .on_worker_loss(read::<OnWorkerLoss>(&self.on_worker_loss)?);
        // What nobody asked for does not contradict a policy that says it itself.
        if sync.collective().is_none() || self.servers != 1 {
            run = run.servers(self.servers);
        }
        if sync.every().is_none() || every != Every::default() {
            run = run.every(every);
        }
        if sync.fold().is_none() || fold != Fold::default() {
            run = run.fold(fold);
        }
        run = self.elastic.into_iter().fold(run, ParamServ::elastic);
        run = self.clip.into_iter().fold(run, ParamServ::clip);
        if let Some(compression) = &self.compress {
            run = run.compress(read::<Compression>(compression)?);
        }
        run = self.trace.iter().fold(run, ParamServ::trace);
        run = self.resume.iter().fold(run, ParamServ::resume);
        for delay in &self.inject {
            run = run.inject(read::<Delay>(delay)?);
        }
        let Some(folder) = &self.checkpoint else {
            if self.checkpoint_every.is_some() || self.keep.is_some() {
                return Err(
                    "--checkpoint-every and --keep are of checkpoints: add --checkpoint FOLDER".to_owned()
                );
            }
            return Ok(run);
        };
        let mut checkpoints = Checkpoints::in_folder(folder);
        if let Some(every) = &self.checkpoint_every {
            checkpoints = checkpoints.every(read::<CheckpointEvery>(every)?);
        }
        Ok(run.checkpoint(self.keep.into_iter().fold(checkpoints, |all, kept| all.keeping(kept.into()))))
    }

    /// Steps of a worker in a round and in an epoch.
    fn steps(&self) -> Result<(u64, u64), String> {
        let every = read::<Policy>(&self.sync)?.every().unwrap_or(read::<Every>(&self.every)?);
        let of_round = match every {
            Every::Batch => 1,
            Every::Batches(count) => count.get(),
            Every::Epoch => self.steps_per_epoch,
        };
        Ok((of_round as u64, self.steps_per_epoch as u64))
    }

    fn optimizer(&self) -> Result<Optimizer, String> {
        let rule = read::<Rule>(&self.optimizer)?;
        let build = || {
            let mut optimizer = Optimizer::new(rule, self.lr.unwrap_or_else(|| rule.default_rate()))?;
            if let Some(momentum) = self.momentum {
                optimizer = optimizer.with_momentum(momentum)?;
            }
            if let Some((first, second)) = self.betas {
                optimizer = optimizer.with_betas(first, second)?;
            }
            if let Some(eps) = self.eps {
                optimizer = optimizer.with_eps(eps)?;
            }
            optimizer.with_l1(self.l1)?.with_l2(self.l2)
        };
        build().map_err(|error: syncline::round::Error| error.to_string())
    }

    fn executor(&self, place: &Place) -> Result<Executor, String> {
        if matches!(place, Place::Alone) {
            return Ok(Executor::threads());
        }
        let on = places::executor(&self.on)?;
        if !on.has_processes() {
            let why = "a script's workers are processes, because one interpreter does one thing at a time";
            return Err(format!("--on {}: {why}; use processes, tmux, ssh:FILE or slurm", self.on));
        }
        if self.insecure_network && !on.is_on_hosts() {
            return Err(
                "--insecure-network is for nodes on several hosts: add --on ssh:FILE or slurm".to_owned()
            );
        }
        let on = if self.insecure_network { on.insecure_network() } else { on };
        let heeds = self.on_worker_loss != "stop";
        let silence = match &self.silence {
            Some(text) => Some(
                parse_duration(text).ok_or_else(|| format!("`{text}` is no time such as 30s or 500ms"))?,
            ),
            None => heeds.then_some(SILENCE),
        };
        Ok(silence.into_iter().fold(on, Executor::silence_limit))
    }
}

/// A byte a sample is what counting them costs the most; beyond this a run is better told in larger batches.
const MOST_SAMPLES: usize = 1 << 28;

/// How long a process may give no sign of life where its loss does not end the run, as of `syncline train`.
const SILENCE: Duration = Duration::from_secs(30);

fn read<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Why scripts cannot have a policy of `syncline train`; nothing for those that they can.
fn not_for_scripts(sync: Policy) -> Option<&'static str> {
    match sync {
        Policy::Repetition { .. } | Policy::Draco { .. } => Some(
            "several workers compute the same batches there, and each script goes through its own; backup:1 does not wait for the \
             slowest either",
        ),
        Policy::Mds { .. } => Some(
            "it codes the rows of linear models, and rows and model are the script's own; backup:1 does not wait for the slowest \
             either, and `syncline train` has it",
        ),
        Policy::Gossip { .. } => Some(
            "each has a model of its own there: `syncline.federated.run(.., strategy=\"gossip\")` has it",
        ),
        Policy::Hogwild => Some(
            "its workers are threads that share memory, and those of a script are processes; asp does not wait either",
        ),
        _ => None,
    }
}

/// What this process is to the run.
enum Place {
    /// A script that nobody launched.
    Alone,
    Launcher,
    Server,
    Worker,
}

/// How a run ended, for the script that was alone or launched it.
type Ended = Result<Trained, Failure>;

/// A worker's end of a run.
#[derive(Default)]
#[pyclass(module = "syncline._native")]
pub(crate) struct Session {
    /// Nothing once the script has left.
    turns: Option<Mutex<Receiver<Turn>>>,
    lent: Option<Lent>,
    /// The step that the script is at.
    at: Step,
    steps_per_round: u64,
    steps_per_epoch: u64,
    /// Whether there are steps to come.
    goes_on: bool,
    /// Whether the parameters are the run's last.
    is_finished: bool,
    /// Whether the whole run lives in this process.
    is_alone: bool,
    node: Option<JoinHandle<Ended>>,
    report: Option<String>,
}

/// Says how this program is started again for its nodes: by which interpreter, what comes first among its arguments, and
/// the program's own.
#[pyfunction]
pub(crate) fn started_by(interpreter: PathBuf, program: Vec<OsString>, arguments: Vec<OsString>) {
    program::started_by(interpreter, program, arguments);
}

/// Whether this process was started to run a node: to be asked first of all. Gives the name of the node.
#[pyfunction]
pub(crate) fn enrol() -> Option<String> {
    program::enrol().then(|| std::env::var("SYNCLINE_NODE").unwrap_or_default())
}

#[pymethods]
impl Session {
    /// Takes part in the run that `spec` describes as JSON, in the place that is named: `alone`, `launcher`, or the name of a
    /// node. In a server's process it does not return; in the launcher it returns when the run is over, with the report
    /// as text and as JSON.
    #[staticmethod]
    fn join(py: Python<'_>, spec: &str, place: &str, initial: PyReadonlyArray1<'_, f32>) -> PyResult<Self> {
        let spec: Spec =
            serde_json::from_str(spec).map_err(|error| UsageError::new_err(error.to_string()))?;
        let place = match place {
            "alone" => Place::Alone,
            "launcher" => Place::Launcher,
            node if node.starts_with("worker/") => Place::Worker,
            _ => Place::Server,
        };
        let spec = match place {
            Place::Alone => spec.alone().map_err(UsageError::new_err)?,
            _ => spec,
        };
        let (sender, turns) = mpsc::sync_channel(1);
        let initial: Arc<[f32]> = initial.as_slice()?.into();
        // What cannot work is told here, not by a thread.
        spec.run(Outside::new(Arc::clone(&initial), sender.clone())).map_err(UsageError::new_err)?;
        spec.executor(&place).map_err(UsageError::new_err)?;
        let steps = spec.steps().map_err(UsageError::new_err)?;
        match place {
            Place::Alone | Place::Worker => {
                let is_alone = matches!(place, Place::Alone);
                let node = move || train(&spec, &place, initial, sender);
                let node = thread::Builder::new().name("syncline".to_owned()).spawn(node)?;
                let turns = Some(Mutex::new(turns));
                let node = Some(node);
                let (steps_per_round, steps_per_epoch) = steps;
                Ok(Self {
                    turns,
                    node,
                    goes_on: true,
                    is_alone,
                    steps_per_round,
                    steps_per_epoch,
                    ..Self::default()
                })
            }
            Place::Launcher | Place::Server => {
                let trained = py.detach(|| train(&spec, &place, initial, sender));
                let report = told(&trained.map_err(of_command)?)?;
                Ok(Self { report: Some(report), ..Self::default() })
            }
        }
    }

    /// Hands over the gradient of the step that the script is at, and waits for the next one: its parameters are then in
    /// `parameters`. Returns whether there is a next one; if not, the parameters are the last.
    #[pyo3(signature = (gradient, loss, samples, parameters))]
    fn step(
        &mut self,
        py: Python<'_>,
        gradient: Option<PyReadonlyArray1<'_, f32>>,
        loss: Option<f64>,
        samples: u64,
        mut parameters: PyReadwriteArray1<'_, f32>,
    ) -> PyResult<bool> {
        if let Some(mut lent) = self.lent.take().filter(|_| self.goes_on) {
            let gradient = gradient.as_ref().map(|gradient| gradient.as_slice()).transpose()?;
            let given = gradient.unwrap_or_default();
            if given.len() != lent.gradient().len() {
                let (given, needed) = (given.len(), lent.gradient().len());
                self.lent = Some(lent);
                return Err(UsageError::new_err(format!(
                    "a gradient of {given} values for {needed} parameters"
                )));
            }
            py.detach(|| lent.gradient().copy_from_slice(given));
            // A script tells a loss or none, and nothing else: what is not known is shown as such. A loss that it tells and
            // that is no number is a run that has diverged.
            let told = |loss: f64| if loss.is_finite() { loss * samples as f64 } else { f64::INFINITY };
            let loss = loss.map_or(f64::NAN, told);
            lent.give_back(Score { rows: samples, loss, squared_error: f64::NAN, ..Score::default() });
        }
        if !self.goes_on {
            return Ok(false);
        }
        let turn = self.next_turn(py)?;
        let (lent, goes_on) = match turn {
            Some(Turn::Step(at, lent)) => {
                self.at = at;
                (lent, true)
            }
            Some(Turn::Over(lent)) => (lent, false),
            None => {
                self.goes_on = false;
                self.finish(py)?;
                return Err(SynclineError::new_err("the run has ended"));
            }
        };
        let into = parameters.as_slice_mut()?;
        // None where the run was ended early, or goes on without this worker.
        let is_told = into.len() == lent.parameters().len();
        if is_told {
            py.detach(|| into.copy_from_slice(lent.parameters()));
        }
        (self.lent, self.goes_on, self.is_finished) = (Some(lent), goes_on, is_told && !goes_on);
        Ok(goes_on)
    }

    /// Where the script is, all from 0: the share of the work, the round in the run, the epoch, and the step in the epoch.
    #[getter]
    fn at(&self) -> (usize, u64, u64, u64) {
        let Step { share, round, step } = self.at;
        let rounds = self.steps_per_epoch.div_ceil(self.steps_per_round);
        (share, round, round / rounds, round % rounds * self.steps_per_round + step)
    }

    /// Whether the run is over and has brought its last parameters.
    #[getter]
    fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The report of a run that is over, where this process has it: as text, and as JSON.
    #[getter]
    fn report(&self) -> Option<String> {
        self.report.clone()
    }

    /// The script has taken its last step. In the process of a worker it does not return, which the launcher ends with the run.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        let has_left_alone = self.is_alone && self.goes_on;
        (self.turns, self.lent, self.goes_on) = (None, None, false);
        let Some(node) = self.node.take() else { return Ok(()) };
        let ended = py.detach(|| node.join());
        let trained = match ended.unwrap_or_else(|_| Err(Failure::failed("the node panicked"))) {
            // By that the run has come to its end.
            Err(_) if has_left_alone => return Ok(()),
            ended => ended.map_err(of_command)?,
        };
        if self.is_alone {
            self.report = Some(told(&trained)?);
        }
        Ok(())
    }
}

impl Session {
    /// The next turn; nothing where the run has ended by itself. Signals are heeded meanwhile.
    fn next_turn(&self, py: Python<'_>) -> PyResult<Option<Turn>> {
        let Some(turns) = &self.turns else { return Ok(None) };
        loop {
            let next = py.detach(|| turns.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK));
            match next {
                Ok(turn) => return Ok(Some(turn)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            }
        }
    }
}

/// Trains, or runs this process's node.
fn train(spec: &Spec, place: &Place, initial: Arc<[f32]>, turns: SyncSender<Turn>) -> Ended {
    let model = Outside::new(initial, turns);
    let model = if matches!(place, Place::Alone) { model.alone() } else { model };
    let run = spec.run(model).map_err(Failure::Usage)?;
    let executor = spec.executor(place).map_err(Failure::Usage)?;
    Ok(run.on_remark(|remark| eprintln!("note: {remark}")).train(executor)?)
}

/// A run's report as a JSON document.
fn told(trained: &Trained) -> PyResult<String> {
    let report = trained.report();
    let told =
        Told::of(report, |page| report.write(page, "a script's own loop"), trained.trace_error.as_ref());
    let (checkpoint, interrupted) =
        (trained.checkpoint.as_deref(), trained.interrupted.map(|by| by.exit_code()));
    Told { checkpoint, interrupted, ..told }.json()
}
