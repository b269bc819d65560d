//! From a run's settings to what runs: its checkpoints opened, its program of servers, workers, coordinator and driver, its
//! trace begun.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use syncline_data::{Dataset, Partition};
#[cfg(feature = "coded")]
use syncline_program::Values;
use syncline_program::{Context, Executor, Handle, Program};
use syncline_trace::{Node, RunFile, RunInfo, TrainingSetup};

use super::ParamServ;
#[cfg(feature = "coded")]
use crate::coded::{CodedRecord, Coding};
use crate::{
    Error,
    calibration::{Calibration, cores},
    checkpoint::{Checkpoint, Folder, Identity, newest},
    coordinator::Coordinator,
    driver::{Orders, Outcome, drive},
    keeper::Keeper,
    lending::Prospectus,
    report::Settings,
    run::{Holders, Run},
    server::Server,
    way::Way,
};

impl ParamServ {
    /// Reads the checkpoint that the run goes on from and opens the folder of those to come: in the launching process, which
    /// tells the others.
    pub(super) fn begin(&mut self, settings: &Settings) -> Result<Begun, Error> {
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
            // Under a code one worker leads, whoever multiplies.
            let workers = if self.sync.coded().is_some() { 1 } else { settings.workers };
            if !checkpoint.fits(settings.parameters, workers) {
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

    pub(super) fn settings(&self, executor: &Executor) -> Settings {
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
            liars: self.lies.iter().map(ToString::to_string).collect(),
            elastic: self.elastic,
            replicas: self.replicas,
        }
    }

    /// The graph: servers, workers that report to the coordinator, and a driver that collects the result.
    pub(super) fn program(
        mut self,
        settings: &Settings,
        begun: Begun,
        is_sim: bool,
        apart: bool,
    ) -> Result<(Program<Outcome>, Arc<Coordinator>), Error> {
        let mut trace = self.trace_file(settings, is_sim)?;
        #[cfg(feature = "coded")]
        let coding = Coding::of(&mut self);
        #[cfg(feature = "coded")]
        let is_led = coding.is_some();
        #[cfg(not(feature = "coded"))]
        let is_led = false;
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
            self.data.rows(),
            self.epochs,
            self.patience,
            total,
            deviation,
            on_progress,
        ));

        let mut program = Program::new("train");
        program.fingerprint(format!("{settings:?} {:?}", self.optimizer).as_bytes());
        let digest = self.digest();
        program.fingerprint(&digest.to_le_bytes());
        let loan = self.loan.take();
        if let Some(loan) = loan.clone().filter(|_| !syncline_program::is_child()) {
            program.brief(Prospectus::of(&self, loan, digest).to_bytes()?);
        }
        let mut run = Run::new(self, apart).led(is_led);
        if loan.is_some() {
            run.lender = Some(program.service_here("rows", Arc::new(run.lends())));
        }
        let run = Arc::new(run);
        // What the machine does to workers that share it says nothing about a simulation, nor what gradients do about blocks.
        if let Some(trace) = trace.as_mut().filter(|_| !is_sim && !is_led)
            && let Some(calibration) = Calibration::of(&run)
        {
            trace.info_mut().setup.get_or_insert_default().calibration = Some(calibration.told());
        }
        let reports = program.service_here("coordinator", Arc::clone(&coordinator));
        #[cfg(feature = "coded")]
        let led = coding.map(|coding| servers_and_lead(&mut program, &run, &reports, apart, coding));
        #[cfg(not(feature = "coded"))]
        let led = None;
        let (servers, led) = match led {
            Some((servers, led)) => (servers, Some(led)),
            None if run.has_replicas() => (replicas(&mut program, &run, &reports), None),
            None => (servers_and_workers(&mut program, &run, &reports, apart), None),
        };
        let Begun { folder, resumed, from } = begun;
        let round = resumed.as_ref().map_or(0, Checkpoint::round);
        let keeper = folder.map(|folder| Keeper::new(folder, run.pace(), round, from));
        let record = Arc::clone(&coordinator);
        let orders =
            Orders { run, servers, coordinator: record, trace, keeper, resumed, on_remark, scaling, led };
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
            partition: Some(settings.partition.clone()),
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

/// The standbys of all servers, which come last in a program: placements fill host after host, and it is of no use that both are on
/// one.
type Standbys = Arc<OnceLock<Vec<Handle<Server>>>>;

/// Adds the servers, which are to know their standbys.
fn servers(program: &mut Program, run: &Arc<Run>, apart: bool, standbys: &Standbys) -> Vec<Handle<Server>> {
    program.group("server", run.shards.len()).on_failure(run.on_loss.of_servers(apart)).serve({
        let (run, standbys) = (Arc::clone(run), Arc::clone(standbys));
        move |ctx| run.server(ctx, standby_of(&standbys, ctx))
    })
}

/// Adds a server, workers that hold coded blocks, and who leads them; gives the server, and what the lead will tell.
#[cfg(feature = "coded")]
fn servers_and_lead(
    program: &mut Program,
    run: &Arc<Run>,
    reports: &Handle<Coordinator>,
    apart: bool,
    coding: Coding,
) -> (Vec<Handle<Server>>, Values<CodedRecord>) {
    // A run that ends with what is lost has no standbys.
    let servers = servers(program, run, apart, &Standbys::default());
    let holding = coding.hold(program);
    let led = program.group(run.workers(), 1).run({
        let (run, servers, reports) = (Arc::clone(run), servers.clone(), reports.clone());
        move |ctx| {
            let (run, servers, reports) = (Arc::clone(&run), servers.clone(), reports.clone());
            let holding = holding.clone();
            async move { run.lead(ctx, &servers, holding, &reports).await }
        }
    });
    (servers, led)
}

/// Adds servers, and workers that share them; gives the servers.
fn servers_and_workers(
    program: &mut Program,
    run: &Arc<Run>,
    reports: &Handle<Coordinator>,
    apart: bool,
) -> Vec<Handle<Server>> {
    let standbys = Standbys::default();
    let servers = servers(program, run, apart, &standbys);
    let workers = program.group("worker", run.rows.len()).on_failure(run.on_loss.of_workers());
    let workers = run.elastic.into_iter().fold(workers, |workers, there| workers.present(there));
    workers.run({
        let (run, servers, reports) = (Arc::clone(run), servers.clone(), reports.clone());
        move |ctx| {
            let (run, servers, reports) = (Arc::clone(&run), servers.clone(), reports.clone());
            async move { Ok(run.work(ctx, Holders::Servers(&servers), &reports).await?) }
        }
    });
    if run.has_standbys {
        let group = program.group("standby", run.shards.len()).on_failure(run.on_loss.of_servers(apart));
        let run = Arc::clone(run);
        let all = group.serve(move |ctx| run.standby(ctx));
        standbys.get_or_init(|| all);
    }
    servers
}

/// The way from a server's node to its standby, where there is one.
fn standby_of(standbys: &OnceLock<Vec<Handle<Server>>>, ctx: &Context) -> Option<Way> {
    let standby = standbys.get()?.get(ctx.rank())?;
    Some(Way::following(ctx, standby))
}

/// Adds workers that hold all parameters themselves; gives what holds them.
fn replicas(program: &mut Program, run: &Arc<Run>, reports: &Handle<Coordinator>) -> Vec<Handle<Server>> {
    // Each is to know all, also those that come after it.
    let all: Arc<OnceLock<Vec<Handle<Server>>>> = Arc::default();
    let group = program.group("worker", run.rows.len()).on_failure(run.on_loss.of_workers());
    let of_all = group.serve_and_run(
        {
            let run = Arc::clone(run);
            move |ctx| run.server(ctx, None)
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
pub(super) struct Begun {
    folder: Option<Folder>,
    pub(super) resumed: Option<Checkpoint>,
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
