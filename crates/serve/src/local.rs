//! Attempts as processes of this machine.
//!
//! Every attempt has a folder, `runs/j3/2`, and is started by a small process ([`attempt`]) that outlives the
//! daemon. A daemon that comes after finds it by the files there. LOCAL-1: an attempt is told to be over only when no
//! process of it is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process_group};
use syncline_schedule::{JobId, MachineId, Resource, Resources, jobs_file::Blanks};

use crate::{
    actuator::{Actuator, Ending, Launch, Run, Sighting},
    attempt::{self, Order},
    hosts::{ASKED_TO_END, Answer, Hosts, LOST, Ticket},
    proc,
    training::Training,
};

/// The processes of one daemon.
pub struct Local {
    runs: PathBuf,
    /// The command that runs an attempt; the folder is added.
    starter: Vec<OsString>,
    /// Starters that are children of ours, to be reaped.
    children: BTreeMap<Run, Child>,
    /// What could not be begun.
    failed: BTreeMap<Run, String>,
    /// Attempts that are to be asked as soon as their command runs.
    to_ask: BTreeSet<Run>,
    /// Commands that tell an attempt of another size, and the cores that it has then.
    resizing: BTreeMap<Run, Telling>,
    /// What training runs have said, and how long the file was then.
    trained: BTreeMap<JobId, (u64, Arc<Training>)>,
    /// The machines, where they are hosts.
    hosts: Option<Hosts>,
    /// Whether the room is an engine's.
    has_engine: bool,
    /// Attempts that were to be stopped: however they end, it is no host's doing.
    stopped: BTreeSet<Run>,
    /// What hosts are asked of which an attempt has ended without success.
    doubted: BTreeMap<Run, Vec<Ticket>>,
}

impl Local {
    /// Under `folder`; `starter` is a command that calls [`attempt::run`] with the folder that it is given last.
    pub fn new(folder: &Path, starter: Vec<OsString>) -> Self {
        let runs = folder.join("runs");
        Self {
            runs,
            starter,
            children: BTreeMap::new(),
            failed: BTreeMap::new(),
            to_ask: BTreeSet::new(),
            resizing: BTreeMap::new(),
            trained: BTreeMap::new(),
            hosts: None,
            has_engine: false,
            stopped: BTreeSet::new(),
            doubted: BTreeMap::new(),
        }
    }

    /// With machines that are hosts.
    #[must_use]
    pub fn on(mut self, hosts: Hosts) -> Self {
        self.hosts = Some(hosts);
        self
    }

    /// With room that an engine gives.
    #[must_use]
    pub fn by_engine(mut self) -> Self {
        self.has_engine = true;
        self
    }

    /// The folder of a job, which its attempts share.
    pub fn job_folder(&self, run: Run) -> PathBuf {
        self.runs.join(run.job.to_string())
    }

    /// The folder of an attempt.
    pub fn folder(&self, run: Run) -> PathBuf {
        self.job_folder(run).join(run.attempt.to_string())
    }

    fn begin(&mut self, launch: &Launch) -> std::io::Result<()> {
        let folder = self.folder(launch.run);
        let shared = self.job_folder(launch.run).join("files");
        fs::create_dir_all(&shared)?;
        fs::create_dir_all(&folder)?;
        for (name, text) in &launch.task.files {
            put(&shared.join(name), text)?;
        }
        let order = serde_json::to_vec(&order(launch, &shared, Site::of(&folder, launch)?))?;
        let path = folder.join("launch");
        fs::write(&path, order)?;
        let (program, arguments) = self.starter.split_first().ok_or(std::io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.args(arguments).arg(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(folder.join("starter"))?);
        self.children.insert(launch.run, command.spawn()?);
        Ok(())
    }

    /// Starts the command that tells a running attempt of another size.
    fn tell(&mut self, launch: &Launch) -> std::io::Result<Child> {
        let said = self.telling(launch.run);
        // An earlier daemon's, which tells the same, but may be late with it.
        proc::kill_marked(&said.to_string_lossy());
        let order = order(launch, &self.job_folder(launch.run).join("files"), Site::Here);
        let scale = self.scale(launch).ok_or(std::io::ErrorKind::NotFound)?;
        let (program, arguments) = scale.split_first().ok_or(std::io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command.args(arguments).envs(&order.environment).env(proc::MARK, &said);
        if let Some(directory) = &order.directory {
            command.current_dir(directory);
        }
        let output = fs::File::create(&said)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()
    }

    fn scale(&self, launch: &Launch) -> Option<Vec<String>> {
        let shared = self.job_folder(launch.run).join("files");
        let mut command = launch.task.scaling(&blanks(launch, &shared, &Site::Here))?;
        own_program(&mut command);
        Some(command)
    }

    /// What the command says that tells an attempt of another size; also its mark.
    fn telling(&self, run: Run) -> PathBuf {
        self.folder(run).join("resize")
    }

    /// Signals the command's group, if there is one; false if it does not run yet.
    fn signal(&self, run: Run, signal: Signal) -> bool {
        let Some(job) = attempt::read_process(&self.folder(run).join("job")) else { return false };
        if let Some(group) = Pid::from_raw(job.pid).filter(|_| job.is_alive()) {
            // It may have ended by itself.
            let _ = kill_process_group(group, signal);
        }
        true
    }

    /// Whether the small process is there, or about to be.
    fn has_starter(&mut self, run: Run) -> bool {
        if let Some(child) = self.children.get_mut(&run) {
            return matches!(child.try_wait(), Ok(None));
        }
        let path = self.folder(run).join("claim");
        match attempt::read_process(&path) {
            Some(starter) => starter.is_alive(),
            // Created and not written: its writer is at it, or died there, before it started anything.
            None => path
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|written| written.elapsed().is_ok_and(|age| age.as_secs() < 5)),
        }
    }
}

/// A command that tells an attempt of another size.
struct Telling {
    /// Why it could not be started, if it could not.
    child: std::io::Result<Child>,
    /// The cores that the attempt is held to when it has that size.
    cores: Vec<usize>,
}

/// Writes a file that is not there yet, whole or not at all.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

impl Actuator for Local {
    fn start(&mut self, launch: &Launch) {
        if let Err(error) = self.begin(launch) {
            self.failed.insert(launch.run, error.to_string());
        }
    }

    fn resize(&mut self, launch: &Launch) {
        let child = self.tell(launch);
        // Who grows has the cores at once; who shrinks needs all until it has.
        let folder = self.folder(launch.run);
        let job = attempt::read_process(&folder.join("job"));
        if job.is_some_and(|job| proc::held_cores(job.pid) < launch.cores.len()) {
            proc::hold_marked(&folder.to_string_lossy(), &launch.cores);
        }
        self.resizing.insert(launch.run, Telling { child, cores: launch.cores.clone() });
    }

    fn resized(&mut self, run: Run) -> Option<Result<(), String>> {
        let telling = self.resizing.get_mut(&run)?;
        let ended = match &mut telling.child {
            Err(error) => Some(Err(error.to_string())),
            Ok(child) => match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) if status.success() => Some(Ok(())),
                Ok(Some(status)) => Some(Err(status.to_string())),
                Err(error) => Some(Err(error.to_string())),
            },
        }?;
        let cores = self.resizing.remove(&run).map_or(Vec::new(), |telling| telling.cores);
        let said = fs::read_to_string(self.telling(run)).unwrap_or_default();
        let last = said.trim().lines().last().map(str::to_owned);
        Some(match ended {
            Ok(()) => {
                proc::hold_marked(&self.folder(run).to_string_lossy(), &cores);
                Ok(())
            }
            Err(why) => Err(last.unwrap_or(why)),
        })
    }

    fn ask(&mut self, run: Run) {
        self.stopped.insert(run);
        if !self.signal(run, Signal::TERM) {
            self.to_ask.insert(run);
        }
    }

    fn kill(&mut self, run: Run) {
        self.stopped.insert(run);
        self.signal(run, Signal::KILL);
        proc::kill_marked(&self.folder(run).to_string_lossy());
    }

    fn machines(&mut self) -> Vec<(MachineId, Answer)> {
        self.hosts.as_ref().map_or(Vec::new(), Hosts::answers)
    }

    fn training(&mut self, job: JobId) -> Option<Arc<Training>> {
        let path = self.runs.join(job.to_string()).join("files").join("run").join("progress.jsonl");
        let length = path.metadata().ok()?.len();
        if let Some((known, training)) = self.trained.get(&job)
            && *known == length
        {
            return Some(Arc::clone(training));
        }
        let training = Arc::new(Training::read(&path)?);
        self.trained.insert(job, (length, Arc::clone(&training)));
        Some(training)
    }

    fn look(&mut self, run: Run) -> Sighting {
        if let Some(why) = self.failed.remove(&run) {
            return Sighting::Ended(Ending::NotStarted(why), None);
        }
        let folder = self.folder(run);
        if let Some(status) = attempt::read_status(&folder) {
            let known = status.boot == proc::boot();
            return match self.was_its_host(run, &status.ending) {
                None => Sighting::Running,
                Some(lost) => {
                    self.reap(run);
                    if lost {
                        Sighting::Lost
                    } else {
                        Sighting::Ended(status.ending, known.then_some(status.uptime))
                    }
                }
            };
        }
        // After a crash nobody may have claimed it: then it never ran, and never will.
        let adopted = !self.children.contains_key(&run);
        if adopted && !folder.join("claim").exists() {
            let _ = fs::create_dir_all(&folder);
            if attempt::claim(&folder).unwrap_or(false) {
                return Sighting::NeverRan;
            }
        }
        if self.to_ask.contains(&run) && self.signal(run, Signal::TERM) {
            self.to_ask.remove(&run);
        }
        if self.has_starter(run) {
            return Sighting::Running;
        }
        // The last words of a starter may have come since.
        if attempt::read_status(&folder).is_some() {
            return self.look(run);
        }
        if proc::kill_marked(&folder.to_string_lossy()) {
            return Sighting::Running;
        }
        self.reap(run);
        match fs::read_to_string(folder.join("starter")) {
            // It did not get as far as starting anything.
            Ok(said) if !said.trim().is_empty() && !folder.join("job").exists() => {
                Sighting::Ended(Ending::NotStarted(said.trim().to_owned()), None)
            }
            _ => Sighting::Lost,
        }
    }
}

impl Local {
    /// Whether an attempt ended because a host of it was lost: those that do not answer are asked first, and meanwhile it is not known.
    /// Of an engine it says so itself.
    fn was_its_host(&mut self, run: Run, ending: &Ending) -> Option<bool> {
        if self.stopped.contains(&run) || matches!(ending, Ending::Exited(0) | Ending::NotStarted(_)) {
            return Some(false);
        }
        if self.has_engine {
            let is_its_doing = |code: i32| code == LOST || ASKED_TO_END.contains(&code);
            return Some(matches!(ending, Ending::Exited(code) if is_its_doing(*code)));
        }
        let Some(hosts) = &self.hosts else { return Some(false) };
        let listed = self.runs.join(run.job.to_string()).join(run.attempt.to_string()).join("hosts");
        let tickets = self.doubted.entry(run).or_insert_with(|| {
            let listed = fs::read_to_string(listed).unwrap_or_default();
            let names = listed.lines().filter_map(|line| line.split(' ').next());
            names.filter_map(|name| hosts.ask(name)).collect()
        });
        let answers: Option<Vec<Answer>> = tickets.iter().map(|ticket| hosts.answer(*ticket)).collect();
        let gone = answers?.iter().any(Result::is_err);
        Some(gone || (*ending == Ending::Exited(LOST) && !tickets.is_empty()))
    }

    fn reap(&mut self, run: Run) {
        self.to_ask.remove(&run);
        self.stopped.remove(&run);
        self.doubted.remove(&run);
        if let Some(Telling { child: Ok(mut child), .. }) = self.resizing.remove(&run) {
            // Nobody is there whom it could tell.
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(mut child) = self.children.remove(&run) {
            // It has written its last words: it ends at once.
            let _ = child.wait();
        }
    }
}

/// Where an attempt runs.
enum Site {
    /// On this machine.
    Here,
    /// On hosts: the file that `--on ssh` reads.
    Hosts(String),
    /// Where an engine gives it room, so much in all.
    Engine(String, Resources),
}

impl Site {
    /// That of a launch, whose hosts are written down in the folder of its attempt.
    fn of(folder: &Path, launch: &Launch) -> std::io::Result<Self> {
        if let Some((engine, room)) = &launch.engine {
            return Ok(Self::Engine(engine.clone(), *room));
        }
        if launch.addresses.is_empty() {
            return Ok(Self::Here);
        }
        let lines = launch.addresses.iter().map(|(host, slots)| format!("{host} slots={slots}\n"));
        let path = folder.join("hosts");
        fs::write(&path, lines.collect::<String>())?;
        Ok(Self::Hosts(path.to_string_lossy().into_owned()))
    }

    /// As `--on` names it.
    fn on(&self) -> String {
        match self {
            Self::Here => "processes".into(),
            Self::Hosts(file) => format!("ssh:{file}"),
            Self::Engine(engine, _) => engine.clone(),
        }
    }

    /// The command that runs another there.
    fn run(&self, environment: &BTreeMap<String, String>, command: Vec<String>) -> Vec<String> {
        let room = match self {
            Self::Here => return command,
            Self::Hosts(_) => Vec::new(),
            // Whatever is begun of a core, or of a device, is wanted.
            Self::Engine(_, room) => vec![
                format!("--cpus={}", room[Resource::Cpu].ceil().max(1.0)),
                format!("--gpus={}", room[Resource::Gpu].ceil()),
                format!("--memory={}", room[Resource::Memory]),
            ],
        };
        let mut there: Vec<String> = ["syncline", "schedule", "there"].map(str::to_owned).to_vec();
        there.push(format!("--on={}", self.on()));
        there.extend(room);
        there.extend(environment.iter().map(|(name, value)| format!("--set={name}={value}")));
        there.push("--".into());
        there.extend(command);
        there
    }
}

/// What is filled into the commands of an attempt.
fn blanks(launch: &Launch, shared: &Path, site: &Site) -> Blanks {
    let (workers, servers) = (launch.placement.workers(), launch.placement.servers());
    let hosts = if let Site::Hosts(file) = site { file.clone() } else { String::new() };
    Blanks {
        workers,
        servers,
        name: launch.name.clone(),
        folder: shared.to_string_lossy().into_owned(),
        hosts,
        on: site.on(),
    }
}

/// The task with its blanks filled in.
fn order(launch: &Launch, shared: &Path, site: Site) -> Order {
    let blanks = blanks(launch, shared, &site);
    let Blanks { workers, servers, .. } = blanks;
    let mut command = launch.task.filled(&blanks);
    let hosts: Vec<String> =
        launch.hosts.iter().map(|(name, workers, servers)| format!("{name}:{workers}:{servers}")).collect();
    let mut environment = BTreeMap::from([
        ("SYNCLINE_JOB".to_owned(), launch.name.clone()),
        ("SYNCLINE_JOB_ID".to_owned(), launch.run.job.to_string()),
        ("SYNCLINE_ATTEMPT".to_owned(), launch.run.attempt.to_string()),
        ("SYNCLINE_WORKERS".to_owned(), workers.to_string()),
        ("SYNCLINE_SERVERS".to_owned(), servers.to_string()),
        ("SYNCLINE_MACHINES".to_owned(), hosts.join(" ")),
        ("SYNCLINE_FOLDER".to_owned(), blanks.folder),
    ]);
    environment.extend(launch.task.environment.clone());
    // Who takes the place is started here, and starts its parts there.
    if !launch.task.takes_place() {
        command = site.run(&environment, command);
    }
    own_program(&mut command);
    let cores = launch.cores.clone();
    Order { command, directory: launch.task.directory.clone(), environment, cores }
}

/// `syncline` is the daemon's own program, wherever that is found: jobs are often `syncline train`.
fn own_program(command: &mut [String]) {
    if let (Some(program), Ok(own)) = (command.first_mut(), std::env::current_exe())
        && program == "syncline"
    {
        *program = own.to_string_lossy().into_owned();
    }
}
