//! Where a program runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use syncline_kubernetes::launched::Launched;
use syncline_wire::Network;

use super::output;
use crate::engine::hosts::site::Site;
use crate::engine::hosts::slurm::batch::Batch;
use crate::engine::sim::faults::SimFault;
use crate::engine::sim::{Shared, Simulation, read_network};
use crate::life::patience::{Patience, Silence};
use crate::{Computing, Error};

/// Takes a node's name and a line of its output.
pub(crate) type Sink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Where the nodes live.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Threads,
    Processes(Transport),
    Hosts(Site),
    Sim(Box<Simulation>),
}

/// How processes reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

/// Where the nodes of a program run, and how patient the launcher is with them.
///
/// ```
/// use syncline_program::Executor;
/// let executor: Executor = "threads".parse()?;
/// assert_eq!(executor.to_string(), "threads");
/// assert!("theads".parse::<Executor>().unwrap_err().to_string().contains("`processes`"));
/// # Ok::<(), syncline_program::Error>(())
/// ```
#[derive(Clone)]
pub struct Executor {
    pub(crate) place: Place,
    pub(crate) patience: Patience,
    /// Where the nodes' output goes, where somebody has said so.
    pub(crate) sink: Option<Sink>,
    /// Whether every node has a window of tmux.
    pub(crate) has_panes: bool,
    /// What this binary is started again with, where that is not its own arguments: a test names itself.
    pub(crate) restarted_with: Option<Vec<String>>,
    /// Where to write what has passed.
    pub(crate) trace: Option<PathBuf>,
    /// For how long nothing must have moved that a deadlock is told of, and whether that ends the program.
    pub(crate) deadlock: Option<(Duration, Standstill)>,
}

/// What a deadlock in real time comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standstill {
    /// It is told of.
    Told,
    /// It is the program's failure.
    Fails,
}

/// After how long a standstill is told of where nothing else is said.
const STANDSTILL: Duration = Duration::from_secs(30);

impl Executor {
    /// The executor that this process's arguments name by `--on`: threads, processes, tmux, sim, `ssh:FILE`, `slurm` or `kubernetes`; threads where they
    /// name none. With `--on sim` these are read, too: `--seed 7`, `--network 10Gbit/50us` (or a TOML file), `--compute exp:3ms` and
    /// `--fault "kill worker/1 3s"`, which may be repeated.
    ///
    /// # Errors
    /// [`Error::UnknownExecutor`], and what is wrong with a setting of the simulation.
    pub fn from_args() -> Result<Self, Error> {
        Self::of_args(&std::env::args().collect::<Vec<_>>())
    }

    fn of_args(arguments: &[String]) -> Result<Self, Error> {
        let values_of = |flag: &'static str| {
            let given = arguments.windows(2).filter(move |pair| pair[0] == flag);
            given.map(|pair| pair[1].as_str())
        };
        let executor: Self = values_of("--on").next().map_or(Ok(Self::threads()), str::parse)?;
        if !executor.is_sim() {
            return Ok(executor);
        }
        let first = |flag: &'static str| values_of(flag).next();
        let seed = first("--seed").map(|text| setting("--seed", text)).transpose()?;
        let computing = first("--compute").map(|text| setting("--compute", text)).transpose()?;
        let network = first("--network").map(read_network).transpose()?;
        let faults = values_of("--fault").map(str::parse).collect::<Result<Vec<SimFault>, _>>()?;
        let executor = faults.into_iter().fold(executor, Self::fault);
        let executor = network.into_iter().fold(executor, Self::network);
        let executor = computing.into_iter().fold(executor, Self::compute);
        Ok(seed.into_iter().fold(executor, Self::seed))
    }

    /// Every node is a thread of this process; services are called directly.
    pub fn threads() -> Self {
        Self::at(Place::Threads)
    }

    /// Every node is a process: this binary starts itself again with the same arguments, and [`launch`](crate::launch)
    /// runs the node there. They talk over Unix sockets in a private directory.
    ///
    /// The program must therefore be built from what all processes share: arguments, environment, files; the standard
    /// input of a node's process is empty. Everything else that `main` does before `launch` happens in every process.
    pub fn processes() -> Self {
        Self::at(Place::Processes(Transport::Unix))
    }

    /// As [`processes`](Self::processes), with a window of tmux for each node in which its output is to be seen, in a session of
    /// the run's own. What a person does there ends no node; the session ends with the run.
    pub fn tmux() -> Self {
        Self { has_panes: true, ..Self::processes() }
    }

    /// Every node is a task of one simulation, on one thread and in virtual time: the same unchanged program, with messages
    /// over a modelled network. `seed` decides the order of what happens at the same time, and all chance of the network:
    /// the same seed gives the same run, step by step, unless work is charged as measured.
    ///
    /// A node must take all time from its [`Context`](crate::Context), start tasks by it, and use no socket or thread
    /// of its own. Where no node can go on, the program ends at once, and its error tells who waits for whom.
    pub fn sim(seed: u64) -> Self {
        Self::at(Place::Sim(Box::new(Simulation::new(seed))))
    }

    /// Every node is a process on a host: `ssh:hosts.txt` for the hosts of a file, each line `HOST slots=4 gpus=0,1`, which the
    /// user's own `ssh` reaches; `slurm` for what Slurm gives, or the job in which this process runs; `kubernetes:image=NAME` for
    /// a pod each, of an image that has this program. Options follow, divided by commas: `listen=10.0.0.5` (the launcher's address), `ports=7000-7100` (those that may be used), and for Slurm
    /// its own, as in `slurm:partition=gpu,time=30`; for Kubernetes see `docs/book/kubernetes.md`.
    ///
    /// A node takes as many slots of a host as it asks for [cores](crate::Resources::cpus). Nodes work in the launcher's working
    /// directory where a host has it; hosts of SSH do without. All that passes between hosts is encrypted, and only who knows the run's secret takes part.
    ///
    /// # Errors
    /// [`Error::Site`] or [`Error::UnknownExecutor`] when the text says something else.
    pub fn hosts(text: &str) -> Result<Self, Error> {
        let site = Site::read(text)?.ok_or_else(|| Error::UnknownExecutor(text.to_owned()))?;
        let mut executor = Self::at(Place::Hosts(site));
        if let Place::Hosts(site) = &executor.place {
            site.amend(&mut executor.patience);
        }
        Ok(executor)
    }

    /// On hosts: lets everything pass unencrypted, for a network that is trusted. Who does not know the run's secret still
    /// takes no part.
    #[must_use]
    pub fn insecure_network(mut self) -> Self {
        if let Place::Hosts(site) = &mut self.place {
            site.is_open = true;
        }
        self
    }

    /// Whether nodes are on hosts that the network connects.
    pub fn is_on_hosts(&self) -> bool {
        matches!(self.place, Place::Hosts(_))
    }

    /// How many of the nodes of a group, the only one that does not stay with the launcher, would stand on each host, host by host;
    /// nothing where that is known only once there is room for them.
    ///
    /// ```
    /// use syncline_program::Executor;
    /// let on = Executor::sim(1).network("1Gbit/1ms,hosts=worker:4".parse()?);
    /// assert_eq!(on.on_each_host("worker", 6)?, Some(vec![4, 2]));
    /// assert_eq!(Executor::threads().on_each_host("worker", 6)?, Some(vec![6]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where the file of hosts cannot be read, or names too little room.
    pub fn on_each_host(&self, group: &str, nodes: usize) -> Result<Option<Vec<usize>>, Error> {
        let names = || (0..nodes).map(|rank| format!("{group}/{rank}"));
        match &self.place {
            Place::Threads | Place::Processes(_) => Ok(Some(vec![nodes])),
            Place::Sim(simulation) => {
                // A node without a host has a line of its own.
                let mut counts = BTreeMap::<(Option<usize>, usize), usize>::new();
                for (rank, name) in names().enumerate() {
                    let host = simulation.network.host(&name);
                    *counts.entry((host, if host.is_some() { 0 } else { rank })).or_default() += 1;
                }
                Ok(Some(counts.into_values().collect()))
            }
            Place::Hosts(site) => site.on_each_host(names()),
        }
    }

    /// On Slurm, outside of its jobs: the script with which `sbatch` has it start the launcher itself, so that nobody has to stay.
    /// Nothing for other executors.
    ///
    /// ```
    /// use syncline_program::{Batch, Executor};
    /// let executor: Executor = "slurm:partition=gpu,time=60".parse()?;
    /// let command = ["./train", "--on", "slurm"].map(Into::into).into();
    /// let batch = Batch { name: "train".to_owned(), nodes: 6, command, output: "output".into() };
    /// # if std::env::var_os("SLURM_JOB_ID").is_none() {
    /// assert!(executor.batch_script(&batch).unwrap().contains("#SBATCH --partition=gpu"));
    /// # }
    /// # Ok::<(), syncline_program::Error>(())
    /// ```
    pub fn batch_script(&self, batch: &Batch) -> Option<String> {
        match &self.place {
            Place::Hosts(site) => site.batch_script(batch),
            Place::Threads | Place::Processes(_) | Place::Sim(_) => None,
        }
    }

    /// On Kubernetes: what `kubectl apply` takes to have the cluster launch the program itself, with these arguments, under this
    /// name: the launcher's account and rights, and a Job. Nothing for other executors.
    ///
    /// # Errors
    /// [`Error::Kubernetes`] when no image is named, or the command `syncline-kubernetes` is not there.
    pub fn manifest(&self, program: &str, arguments: Vec<OsString>) -> Result<Option<String>, Error> {
        match &self.place {
            Place::Hosts(site) => site.manifest(program, arguments).transpose(),
            Place::Threads | Place::Processes(_) | Place::Sim(_) => Ok(None),
        }
    }

    /// On Kubernetes, where the run's `folder` lies on one of its volumes: has the cluster launch the program itself, with these
    /// arguments, so that nobody has to stay; the name by which the run is found. Nothing elsewhere.
    ///
    /// # Errors
    /// [`Error::Kubernetes`] when the cluster does not do it, or the command `syncline-kubernetes` is not there.
    pub fn launch_there(
        &self,
        name: &str,
        arguments: Vec<OsString>,
        folder: &Path,
    ) -> Result<Option<Launched>, Error> {
        match &self.place {
            Place::Hosts(site) => site.launch_there(name, arguments, folder),
            Place::Threads | Place::Processes(_) | Place::Sim(_) => Ok(None),
        }
    }

    fn at(place: Place) -> Self {
        let patience = Patience {
            start: Duration::from_secs(120),
            normal: Duration::from_secs(5),
            failure: Duration::from_millis(300),
            silence: Silence { told: Duration::from_secs(10), limit: None },
        };
        Self {
            place,
            patience,
            sink: None,
            has_panes: false,
            restarted_with: None,
            trace: None,
            deadlock: Some((STANDSTILL, Standstill::Told)),
        }
    }

    /// Whether nodes are processes of their own.
    pub fn has_processes(&self) -> bool {
        matches!(self.place, Place::Processes(_) | Place::Hosts(_))
    }

    /// Lets processes talk over loopback TCP instead of Unix sockets.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        if let Place::Processes(transport) = &mut self.place {
            *transport = Transport::Tcp;
        }
        self
    }

    /// In a simulation: the network over which nodes talk; by default messages take no time.
    #[must_use]
    pub fn network(self, network: Network) -> Self {
        self.simulation(|sim| sim.network = network)
    }

    /// In a simulation: what [`Context::compute`](crate::Context::compute) costs that does not say what else, and whether it is done;
    /// by default it is, and costs the time that it takes on this machine, which no seed decides.
    #[must_use]
    pub fn compute(self, computing: Computing) -> Self {
        self.simulation(|sim| sim.computing = computing)
    }

    /// Whether it is a simulation whose computing is charged and not done.
    pub fn skips_computing(&self) -> bool {
        matches!(&self.place, Place::Sim(sim) if sim.computing.skipped)
    }

    /// In a simulation: something that goes wrong at its time.
    #[must_use]
    pub fn fault(self, fault: SimFault) -> Self {
        self.simulation(|sim| sim.faults.push(fault))
    }

    /// In a simulation: decides anew what is left to chance.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.simulation(|sim| sim.seed = seed)
    }

    /// In a simulation: calls `listener` with a line of text about each message, in the order of sending.
    #[must_use]
    pub fn on_message(self, listener: impl FnMut(&str) + Send + 'static) -> Self {
        self.simulation(|sim| sim.listener = Some(Shared::new(listener)))
    }

    /// Whether it is a simulation, whose time is virtual.
    pub fn is_sim(&self) -> bool {
        matches!(self.place, Place::Sim(_))
    }

    fn simulation(mut self, change: impl FnOnce(&mut Simulation)) -> Self {
        if let Place::Sim(simulation) = &mut self.place {
            change(simulation);
        }
        self
    }

    /// How long a node may take to end after a polite request, before it is killed; 5 s by default. After a failure
    /// it is at most 300 ms, so that the news is out within a second.
    #[must_use]
    pub fn notice(mut self, notice: Duration) -> Self {
        self.patience.normal = notice;
        self.patience.failure = self.patience.failure.min(notice);
        self
    }

    /// How long a process may take to build the program and report; 120 s by default.
    #[must_use]
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.patience.start = limit;
        self
    }

    /// How long the process of a node may give no sign of life before the launcher says so; 10 s by default. A node
    /// that computes for long is not silent: the signs come from a thread of their own. A stopped process is, or one
    /// whose machine does not get to it.
    #[must_use]
    pub fn silence_told(mut self, after: Duration) -> Self {
        self.patience.silence.told = after;
        self
    }

    /// How long the process of a node may give no sign of life before that counts as its failure; for ever by default.
    #[must_use]
    pub fn silence_limit(mut self, limit: Duration) -> Self {
        self.patience.silence.limit = Some(limit);
        self
    }

    /// In real time: for how long no wait may begin or end while all who have work to do wait for each other, until that
    /// counts as a deadlock and ends the program. By default it is told of after 30 s and ends nothing: a service may take
    /// long to answer. What the report knows of are calls by a [`Peer`](crate::Peer), groups that are waited for, and
    /// [`Context::wait_at`](crate::Context::wait_at). In a simulation a deadlock is certain, and always ends the program at
    /// once.
    #[must_use]
    pub fn deadlock_limit(mut self, limit: Duration) -> Self {
        self.deadlock = Some((limit, Standstill::Fails));
        self
    }

    /// Writes a run file at the end of the run, which `syncline trace report` explains: how long each node lived, and for
    /// every pair of nodes how many calls passed, how long their callers waited, and what of that was queue, work and way. A
    /// run that failed leaves one, too.
    ///
    /// ```
    /// use syncline_program::{Executor, Program, launch};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let mut program = Program::new("epochs");
    /// let epoch = program.condition("epoch", 0_u64);
    /// let program = program.driver(async move |ctx| Ok(epoch.at(&ctx).set(3).await?));
    /// launch(program, Executor::threads().traced(folder.path().join("run.parquet")))?.wait()?;
    /// # assert!(folder.path().join("run.parquet").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn traced(mut self, path: impl Into<PathBuf>) -> Self {
        self.trace = Some(path.into());
        self
    }

    /// Where lines of output go.
    pub(crate) fn sink(&self) -> Sink {
        self.sink.clone().unwrap_or_else(output::to_stderr)
    }

    /// The seed of a simulation.
    pub(crate) fn sim_seed(&self) -> Option<u64> {
        match &self.place {
            Place::Sim(simulation) => Some(simulation.seed),
            Place::Threads | Place::Processes(_) | Place::Hosts(_) => None,
        }
    }

    /// Sends every line that a node's process writes to `sink`, with the node's name, instead of to this process's
    /// standard error as `[worker/1] line`, in a colour of the node's own on a terminal.
    #[must_use]
    pub fn on_output(mut self, sink: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Writes the output of each node's process to a file of its own in `directory`, `worker.1.log`, which is made if need
    /// be; the launcher's words still go to standard error.
    ///
    /// # Errors
    /// [`Error::System`] when the directory cannot be made.
    pub fn output_in(mut self, directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref();
        let made: io::Result<()> = std::fs::create_dir_all(directory);
        made.map_err(Error::system(format!("cannot make the directory {}", directory.display())))?;
        self.sink = Some(output::to_files(directory.to_owned()));
        Ok(self)
    }
}

/// Its name; in the alternate form (`{:#}`) with how a simulation is set up.
impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Threads => f.write_str("threads"),
            Place::Processes(_) if self.has_panes => f.write_str("tmux"),
            Place::Processes(_) => f.write_str("processes"),
            Place::Hosts(site) => site.fmt(f),
            Place::Sim(sim) if f.alternate() => {
                write!(f, "sim ({}, computing {})", sim.network, sim.computing)
            }
            Place::Sim(_) => f.write_str("sim"),
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("place", &self.place).field("patience", &self.patience).finish()
    }
}

/// What a flag of a simulation says.
fn setting<T: FromStr<Err: fmt::Display>>(flag: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| Error::Setting(format!("{flag} {text}: {error}")))
}

impl FromStr for Executor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "threads" => Ok(Self::threads()),
            "processes" => Ok(Self::processes()),
            "tmux" => Ok(Self::tmux()),
            "sim" => Ok(Self::sim(1)),
            _ => Self::hosts(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cost;

    fn of(arguments: &str) -> Result<Executor, String> {
        let arguments: Vec<_> = arguments.split(';').map(str::to_owned).collect();
        Executor::of_args(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_simulation_takes_its_settings_from_the_arguments() {
        let told = of(
            "program;--on;sim;--seed;7;--network;1Gbit/1ms;--compute;3ms;--fault;kill a/0 1s;--fault;drop a>b #1",
        );
        let Place::Sim(sim) = told.unwrap().place else { panic!("no simulation") };
        assert_eq!((sim.seed, sim.network.to_string(), sim.faults.len()), (7, "1Gbit/1ms".to_owned(), 2));
        assert_eq!(sim.computing, Cost::Given(Duration::from_millis(3)).into());
        // They are another program's own where nothing is simulated.
        assert!(of("program;--seed;many").is_ok());
        for (arguments, said) in [
            ("--on;sim;--seed;many", "--seed many: invalid digit"),
            ("--on;sim;--compute;3", "--compute 3: `3` is no cost"),
            ("--on;sim;--network;fast", "`fast` is no network"),
            ("--on;sim;--network;nowhere.toml", "nowhere.toml: "),
            ("--on;sim;--fault;burn a", "`burn a` is no fault"),
        ] {
            let error = of(arguments).unwrap_err();
            assert!(error.contains(said), "{arguments}: {error}");
        }
    }
}
